/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/state/generation.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/siphash.h"

#define TIME_MAX 253402300799ll /* the last second of the year 9999 */

const char *
generation_how_name(enum generation_how how)
{
	static const char *const names[] = {
#define GENERATION_HOW(id, name) [GENERATION_##id] = name,
		GENERATION_HOWS(GENERATION_HOW)
#undef GENERATION_HOW
	};

	return names[how];
}

void
generation_first_line(const char *rest, size_t len, char out[GENERATION_FIRST_LINE])
{
	/* Against torn files and bad disks, not against forgers: the key is no secret. */
	const struct siphash_key key = { 0x70656e73746f636b, 0x67656e65726174ff };

	snprintf(out, GENERATION_FIRST_LINE, "penstock-generation 1 %016" PRIx64 "\n",
		 siphash13(&key, rest, len));
}

char *
generation_encode(const struct generation *g, size_t *len)
{
	char first[GENERATION_FIRST_LINE];
	size_t name = strlen(g->name), file = strlen(g->file), changes = strlen(g->changes);
	size_t skip = strlen("penstock-generation 1 0123456789abcdef\n");
	char *data = NULL;
	FILE *out = open_memstream(&data, len);

	if (!out)
		return NULL;
	fprintf(out, "%*s", (int)skip, "");
	fprintf(out,
		"number %" PRIu64 "\ntime %" PRId64 "\nhow %s\nfrom %" PRIu64 "\nconfirmed %s\n"
		"name %zu\nfile %zu\nchanges %zu\ntext %zu\n\n",
		g->number, g->time, generation_how_name(g->how), g->from,
		g->confirmed ? "yes" : "no", name, file, changes, g->text_len);
	fprintf(out, "%s%s%s", g->name, g->file, g->changes);
	fwrite(g->text, 1, g->text_len, out);
	if (fclose(out) != 0) {
		free(data);
		return NULL;
	}
	generation_first_line(data + skip, *len - skip, first);
	memcpy(data, first, skip);
	return data;
}

/* ---- decoding ---- */

/* What is still to be read. */
struct cursor {
	const char *at;
	size_t left;
};

/* The value of the line "KEY VALUE", NUL-terminated in out; false if that is not the next line. */
static bool
take_value(struct cursor *c, const char *key, char out[32])
{
	const char *end = memchr(c->at, '\n', c->left);
	size_t key_len = strlen(key), line, len;

	if (!end)
		return false;
	line = (size_t)(end - c->at);
	if (line <= key_len || memcmp(c->at, key, key_len) != 0 || c->at[key_len] != ' ')
		return false;
	len = line - key_len - 1;
	if (len == 0 || len >= 32 || memchr(c->at + key_len + 1, '\0', len))
		return false;
	memcpy(out, c->at + key_len + 1, len);
	out[len] = '\0';
	c->at = end + 1;
	c->left -= line + 1;
	return true;
}

/* A decimal number as we write it, at most max. */
static bool
take_number(struct cursor *c, const char *key, uint64_t max, uint64_t *out)
{
	char value[32];
	size_t digits;

	if (!take_value(c, key, value))
		return false;
	digits = strspn(value, "0123456789");
	if (value[digits] != '\0' || digits > 18 || (value[0] == '0' && digits > 1))
		return false;
	*out = strtoull(value, NULL, 10);
	return *out <= max;
}

static bool
take_how(struct cursor *c, enum generation_how *out)
{
	char value[32];
	int how;

	if (!take_value(c, "how", value))
		return false;
	for (how = 0; how < GENERATION_HOW_COUNT; how++) {
		*out = (enum generation_how)how;
		if (strcmp(value, generation_how_name(*out)) == 0)
			return true;
	}
	return false;
}

static bool
take_confirmed(struct cursor *c, bool *out)
{
	char value[32];

	if (!take_value(c, "confirmed", value))
		return false;
	*out = strcmp(value, "yes") == 0;
	return *out || strcmp(value, "no") == 0;
}

/* How long the texts are. */
struct lengths {
	uint64_t name, file, changes, text;
};

/* What is wrong with the lines above the texts, or NULL. */
static const char *
take_header(struct cursor *c, struct generation *g, struct lengths *len)
{
	uint64_t time = 0;

	if (!take_number(c, "number", GENERATION_NUMBER_MAX, &g->number) || g->number == 0)
		return "its number is not one";
	if (!take_number(c, "time", TIME_MAX, &time))
		return "its time is not one";
	g->time = (int64_t)time;
	if (!take_how(c, &g->how) || !take_number(c, "from", GENERATION_NUMBER_MAX, &g->from) ||
	    !take_confirmed(c, &g->confirmed))
		return "it does not say how it came about";
	if (!take_number(c, "name", GENERATION_NAME_MAX, &len->name) ||
	    !take_number(c, "file", GENERATION_NAME_MAX, &len->file) ||
	    !take_number(c, "changes", GENERATION_CHANGES_MAX, &len->changes) ||
	    !take_number(c, "text", GENERATION_TEXT_MAX, &len->text))
		return "a text's length is not one";
	if (c->left == 0 || *c->at != '\n')
		return "there is more in it than there should be";
	c->at++;
	c->left--;
	if (c->left != len->name + len->file + len->changes + len->text)
		return "its length is not what it says";
	if (memchr(c->at, '\0', c->left))
		return "it has a NUL in a text";
	return NULL;
}

static char *
take_text(struct cursor *c, uint64_t len)
{
	char *text = strndup(c->at, len);

	c->at += len;
	c->left -= len;
	return text;
}

const char *
generation_decode(const char *data, size_t len, struct generation *g)
{
	struct cursor c = { data, len };
	char first[GENERATION_FIRST_LINE];
	struct lengths lengths = { 0 };
	const char *error, *end = memchr(data, '\n', len);
	size_t skip = end ? (size_t)(end - data) + 1 : 0;

	*g = (struct generation){ 0 };
	if (!end || !memmem(data, skip, "penstock-generation ", 20))
		return "it is not a generation";
	generation_first_line(data + skip, len - skip, first);
	if (skip != strlen(first) || memcmp(data, first, skip) != 0)
		return "its checksum is wrong";
	c.at += skip;
	c.left -= skip;
	error = take_header(&c, g, &lengths);
	if (!error) {
		g->name = take_text(&c, lengths.name);
		g->file = take_text(&c, lengths.file);
		g->changes = take_text(&c, lengths.changes);
		g->text = take_text(&c, lengths.text);
		g->text_len = lengths.text;
		if (g->name && g->file && g->changes && g->text)
			return NULL;
		error = "not enough memory";
	}
	generation_clear(g);
	return error;
}

int
generation_copy(const struct generation *g, struct generation *out)
{
	*out = *g;
	out->name = strdup(g->name);
	out->file = strdup(g->file);
	out->changes = strdup(g->changes);
	out->text = strndup(g->text, g->text_len);
	if (out->name && out->file && out->changes && out->text)
		return 0;
	generation_clear(out);
	return -ENOMEM;
}

void
generation_clear(struct generation *g)
{
	free(g->name);
	free(g->file);
	free(g->changes);
	free(g->text);
	*g = (struct generation){ 0 };
}
