/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/log_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/utf8.h"

/* What a line still needs behind a text that may be cut: the quote, braces, a count, NUL. */
#define RESERVE 64

struct line {
	char *out;
	size_t len;
};

const char *
log_level_name(enum log_level level)
{
	static const char *const names[] = { "error", "warning", "info" };

	return names[level];
}

static size_t
room(const struct line *l)
{
	return l->len < LOG_LINE_MAX - RESERVE ? LOG_LINE_MAX - RESERVE - l->len : 0;
}

/* Into the reserve if need be: for what closes a line. */
static void
put_end(struct line *l, const char *text)
{
	size_t len = strlen(text), left = LOG_LINE_MAX - 1 - l->len;

	if (len > left)
		len = left;
	memcpy(l->out + l->len, text, len);
	l->len += len;
}

/* All of it, or nothing and false. */
static bool
put(struct line *l, const char *text)
{
	size_t len = strlen(text);

	if (len > room(l))
		return false;
	memcpy(l->out + l->len, text, len);
	l->len += len;
	return true;
}

/* One character of a quoted text; returns how many bytes of it were used. */
static size_t
escape(const unsigned char *p, size_t len, char out[8])
{
	static const char specials[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *special = strchr(specials, *p);
	size_t n;

	if (special) {
		snprintf(out, 8, "\\%c", letters[special - specials]);
		return 1;
	}
	if (*p < 0x20 || *p == 0x7f) {
		snprintf(out, 8, "\\u%04x", (unsigned int)*p);
		return 1;
	}
	n = utf8_sequence(p, len);
	if (n == 0) {
		snprintf(out, 8, "%s", "\xef\xbf\xbd"); /* U+FFFD */
		return 1;
	}
	memcpy(out, p, n);
	out[n] = '\0';
	return n;
}

/* The text with JSON's escapes, as far as there is room. */
static void
put_escaped(struct line *l, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t len = strlen(text);
	char one[8];

	while (len > 0) {
		size_t n = escape(p, len, one);

		if (!put(l, one))
			return;
		p += n;
		len -= n;
	}
}

/* A sentence: as it is, but nothing in it can look like another line. */
static void
put_sentence(struct line *l, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t len = strlen(text);
	char one[8];

	while (len > 0) {
		size_t n = 1;

		if (*p == '"' || *p == '\\')
			snprintf(one, sizeof(one), "%c", *p);
		else
			n = escape(p, len, one);
		if (!put(l, one))
			return;
		p += n;
		len -= n;
	}
}

static bool
needs_quotes(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	for (; *p; p++) {
		if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == '=' || *p == '\\')
			return true;
	}
	return text[0] == '\0';
}

static const char *
sentence_of(const struct log_entry *e)
{
	size_t i;

	for (i = 0; i < e->n_fields; i++) {
		if (strcmp(e->fields[i].key, "message") == 0)
			return e->fields[i].text;
	}
	return NULL;
}

static void
put_text_field(struct line *l, const struct log_field *f)
{
	const char *key = f->key[0] == '#' ? f->key + 1 : f->key;
	size_t start = l->len;
	bool quotes;

	if (!f->text || strcmp(key, "message") == 0)
		return;
	quotes = needs_quotes(f->text);
	if (!put(l, " ") || !put(l, key) || !put(l, quotes ? "=\"" : "=")) {
		l->len = start;
		return;
	}
	put_escaped(l, f->text);
	if (quotes)
		put_end(l, "\"");
}

size_t
log_line_text(const struct log_entry *e, char out[LOG_LINE_MAX])
{
	struct line l = { .out = out };
	const char *sentence = sentence_of(e);
	bool plain = sentence && strcmp(e->event, "message") == 0;
	static const char own[] = "penstockd: ";
	char count[48];
	size_t i;

	if (e->level != LOG_LEVEL_INFO) {
		put(&l, log_level_name(e->level));
		put(&l, ": ");
	}
	if (!plain)
		put(&l, e->event);
	/* A sentence that says no more than the name is for JSON. */
	if (sentence && strncmp(sentence, own, sizeof(own) - 1) == 0 &&
	    strcmp(sentence + sizeof(own) - 1, e->event) == 0)
		sentence = NULL;
	if (sentence) {
		if (!plain)
			put(&l, ": ");
		put_sentence(&l, sentence);
	}
	for (i = 0; i < e->n_fields; i++)
		put_text_field(&l, &e->fields[i]);
	if (e->repeated) {
		snprintf(count, sizeof(count), " (repeated %lu times)", e->repeated);
		put_end(&l, count);
	}
	out[l.len] = '\0';
	return l.len;
}

static bool
is_number(const char *text)
{
	size_t digits;

	if (*text == '-')
		text++;
	digits = strspn(text, "0123456789");
	return digits > 0 && digits < 16 && text[digits] == '\0' && (*text != '0' || digits == 1);
}

static void
put_json_field(struct line *l, const struct log_field *f)
{
	bool number = f->key[0] == '#' && f->text && is_number(f->text);
	size_t start = l->len;

	if (!f->text)
		return;
	if (!put(l, ",\"") || !put(l, f->key[0] == '#' ? f->key + 1 : f->key) ||
	    !put(l, number ? "\":" : "\":\"") || (number && !put(l, f->text))) {
		l->len = start;
		return;
	}
	if (number)
		return;
	put_escaped(l, f->text);
	put_end(l, "\"");
}

size_t
log_line_json(const struct log_entry *e, char out[LOG_LINE_MAX])
{
	struct line l = { .out = out };
	const struct log_field head[] = {
		{ "level", log_level_name(e->level) },
		{ "gateway_instance", e->instance },
		{ "event", e->event },
	};
	char text[80];
	struct tm tm;
	size_t i;

	gmtime_r(&e->time.tv_sec, &tm);
	strftime(text, sizeof(text), "{\"time\":\"%Y-%m-%dT%H:%M:%S", &tm);
	put(&l, text);
	snprintf(text, sizeof(text), ".%03ldZ\"", e->time.tv_nsec / 1000000);
	put(&l, text);
	for (i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		put_json_field(&l, &head[i]);
	for (i = 0; i < e->n_fields; i++)
		put_json_field(&l, &e->fields[i]);
	if (e->repeated) {
		snprintf(text, sizeof(text), ",\"repeated\":%lu", e->repeated);
		put_end(&l, text);
	}
	put_end(&l, "}");
	out[l.len] = '\0';
	return l.len;
}
