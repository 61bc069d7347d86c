/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tokenizer that keeps one token of look-ahead out of libconfig's way, and a parser of five
 * states with an explicit stack, so that depth costs no C stack:
 *
 *     KEY ──name──> EQUALS ──= or :──> VALUE ──scalar──> AFTER ──; or , or nothing──> KEY
 *      ^                                 │ ^               │
 *      └──────────── { ──────────────────┤ └────── , ──────┤ (inside [ ] and ( ))
 *                    [ or ( ─> FIRST ────┘                 └──closing bracket──> AFTER of the outer
 */
#include "cp/config/scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cp/config/message.h"

enum state {
	KEY,    /* a name, or the end of the group */
	EQUALS, /* = or : */
	VALUE,
	FIRST, /* a value, or the closing bracket at once */
	AFTER, /* separator, closing bracket, or the next name */
};

struct name {
	const char *at;
	size_t len;
};

struct level {
	char open; /* '{', '[', '(' or 0 for the file itself */
	int line;
	size_t n_names;
	struct name names[SCAN_MAX_KEYS];
};

struct scan {
	const char *file;
	struct config_messages *messages;
	const char *p, *end;
	int line;
	enum state state;
	int depth;
	size_t values;
	bool string; /* the last value was a string, which another may continue */
	char *out;   /* text for libconfig */
	size_t n, room;
	size_t newlines; /* seen, but not yet written */
	struct level levels[SCAN_MAX_DEPTH + 1];
};

/* Always false, so that a check can end with it. */
static bool __attribute__((format(printf, 2, 3))) fail(struct scan *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message_vadd(s->messages, s->file, s->line, false, fmt, args);
	va_end(args);
	return false;
}

/* The text from at on, at most len bytes and no more than one line, for a message. */
static const char *
shown(const char *at, size_t len, char buf[QUOTED_LEN])
{
	char part[82];

	snprintf(part, sizeof(part), "%.*s", (int)(len > 81 ? 81 : len), at);
	return text_printable(part, buf);
}

/* ---- the text for libconfig --------------------------------------------------------------- */

static bool
put(struct scan *s, const char *bytes, size_t len)
{
	if (s->n + len + 1 > s->room) {
		size_t room = (s->room + len) * 2 + 256;
		char *out = realloc(s->out, room);

		if (!out)
			return fail(s, "out of memory");
		s->out = out;
		s->room = room;
	}
	memcpy(s->out + s->n, bytes, len);
	s->n += len;
	s->out[s->n] = '\0';
	return true;
}

/* Write the line ends seen so far, or a space between tokens. */
static bool
put_space(struct scan *s)
{
	if (s->newlines == 0)
		return put(s, " ", 1);
	for (; s->newlines; s->newlines--) {
		if (!put(s, "\n", 1))
			return false;
	}
	return true;
}

static bool
put_token(struct scan *s, const char *bytes, size_t len)
{
	return put_space(s) && put(s, bytes, len);
}

/* ---- spaces and comments ------------------------------------------------------------------- */

static bool
at(const struct scan *s, const char *token)
{
	size_t len = strlen(token);

	return (size_t)(s->end - s->p) >= len && memcmp(s->p, token, len) == 0;
}

static void
newline(struct scan *s)
{
	s->line++;
	s->newlines++;
}

static bool
skip_comment(struct scan *s)
{
	int begin = s->line;

	for (s->p += 2; s->p < s->end; s->p++) {
		if (at(s, "*/")) {
			s->p += 2;
			return true;
		}
		if (*s->p == '\n')
			newline(s);
	}
	s->line = begin;
	return fail(s, "the comment that begins here has no end (*/)");
}

static bool
skip_space(struct scan *s)
{
	while (s->p < s->end) {
		if (*s->p == '\n') {
			newline(s);
			s->p++;
		} else if (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\f') {
			s->p++;
		} else if (*s->p == '#' || at(s, "//")) {
			while (s->p < s->end && *s->p != '\n')
				s->p++;
		} else if (at(s, "/*")) {
			if (!skip_comment(s))
				return false;
		} else {
			break;
		}
	}
	return true;
}

/* ---- names --------------------------------------------------------------------------------- */

static bool
name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* A name again in the same group: a star for each time before. */
static bool
put_name(struct scan *s, struct name name)
{
	struct level *level = &s->levels[s->depth];
	size_t i;

	if (!put_space(s))
		return false;
	for (i = 0; i < level->n_names; i++) {
		if (level->names[i].len == name.len &&
		    memcmp(level->names[i].at, name.at, name.len) == 0 && !put(s, "*", 1))
			return false;
	}
	if (level->n_names == SCAN_MAX_KEYS)
		return fail(s, "more than %d settings in one group", SCAN_MAX_KEYS);
	level->names[level->n_names++] = name;
	return put(s, name.at, name.len);
}

static bool
scan_name(struct scan *s)
{
	struct name name = { s->p, 0 };
	char buf[QUOTED_LEN];

	while (s->p < s->end && name_char(*s->p))
		s->p++;
	name.len = (size_t)(s->p - name.at);
	if (name.len > 64)
		return fail(s, "\"%s\" is too long for a setting's name",
			    shown(name.at, name.len, buf));
	if ((name.len == 4 && strncasecmp(name.at, "true", 4) == 0) ||
	    (name.len == 5 && strncasecmp(name.at, "false", 5) == 0))
		return fail(s, "\"%.*s\" is a value, not the name of a setting", (int)name.len,
			    name.at);
	s->state = EQUALS;
	return put_name(s, name);
}

static bool
scan_equals(struct scan *s)
{
	const struct level *level = &s->levels[s->depth];
	const struct name *name = &level->names[level->n_names - 1];

	if (*s->p != '=' && *s->p != ':')
		return fail(s, "\"=\" is missing after \"%.*s\"", (int)name->len, name->at);
	s->p++;
	s->state = VALUE;
	return put_token(s, "=", 1);
}

/* ---- values -------------------------------------------------------------------------------- */

static bool
scan_string(struct scan *s)
{
	const char *begin = s->p++;
	size_t inner = 0;

	for (; s->p < s->end && *s->p != '"' && *s->p != '\n'; s->p++) {
		if (at(s, "\\\\") || at(s, "\\\""))
			s->p++;
		else if (at(s, "\\x00") || at(s, "\\X00"))
			return fail(s, "\\x00 cannot be part of a text");
		if (++inner > SCAN_MAX_STRING)
			return fail(s, "a text of more than %d characters", SCAN_MAX_STRING);
	}
	if (s->p >= s->end || *s->p != '"')
		return fail(s, "the text that begins on this line has no closing quote");
	s->p++;
	return put_token(s, begin, (size_t)(s->p - begin));
}

/* All integers as 64-bit decimals; what does not fit is the largest, which no setting accepts. */
static bool
put_integer(struct scan *s, const char *word)
{
	int base = strncasecmp(word, "0x", 2) == 0 ? 16 : 10;
	char text[32];
	long long value;
	char *rest;
	int n;

	errno = 0;
	value = strtoll(word, &rest, base);
	if (rest == word || rest[strspn(rest, "L")] != '\0' || strlen(rest) > 2)
		return fail(s, "\"%s\" is not a number", word);
	if (value == INT64_MIN) /* the one value that cannot be negated */
		value++;
	n = snprintf(text, sizeof(text), "%lldL", value);
	return put_token(s, text, (size_t)n);
}

/* A number, true or false; anything else wants quotes. */
static bool
scan_word(struct scan *s)
{
	char word[64], buf[QUOTED_LEN];
	const char *begin = s->p;
	size_t len;

	while (s->p < s->end && !isspace((unsigned char)*s->p) && !strchr(";,=\"{}[]()#", *s->p) &&
	       !at(s, "//") && !at(s, "/*"))
		s->p++;
	len = (size_t)(s->p - begin);
	snprintf(word, sizeof(word), "%.*s", (int)(len > 63 ? 63 : len), begin);
	if (strcasecmp(word, "true") == 0 || strcasecmp(word, "false") == 0)
		return put_token(s, word, len);
	if (len < 32 && word[strspn(word, "+-0123456789")] == '\0')
		return put_integer(s, word);
	if (len < 32 && strncasecmp(word, "0x", 2) == 0 &&
	    word[2 + strspn(word + 2, "0123456789abcdefABCDEFL")] == '\0')
		return put_integer(s, word);
	if (len < 32 && word[strspn(word, "+-0123456789L")] == '\0')
		return put_integer(s, word);
	if (len < 32 && len > 1 && word[strspn(word, "0123456789.")] == '\0' &&
	    strchr(word, '.') == strrchr(word, '.'))
		return put_token(s, word, len);
	return fail(s, "text must be in quotes: \"%s\"", shown(begin, len, buf));
}

static bool
scan_open(struct scan *s)
{
	struct level *inner;

	if (s->levels[s->depth].open == '[')
		return fail(s, "[ ] holds plain values; a list of groups is written with ( )");
	if (s->depth == SCAN_MAX_DEPTH)
		return fail(s, "more than %d brackets within each other", SCAN_MAX_DEPTH);
	inner = &s->levels[++s->depth];
	inner->open = *s->p++;
	inner->line = s->line;
	inner->n_names = 0;
	s->state = inner->open == '{' ? KEY : FIRST;
	return put_token(s, inner->open == '{' ? "{" : "(", 1);
}

static char
closing(char open)
{
	if (open == '(')
		return ')';
	return open == '{' ? '}' : ']';
}

/* Brackets that close and commas go before the line ends that stand in front of them. */
static bool
scan_close(struct scan *s)
{
	const struct level *level = &s->levels[s->depth];

	if (s->depth == 0)
		return fail(s, "\"%c\" closes nothing", *s->p);
	if (*s->p != closing(level->open))
		return fail(s, "\"%c\" does not close the \"%c\" of line %d", *s->p, level->open,
			    level->line);
	if (!put(s, level->open == '{' ? "}" : ")", 1))
		return false;
	s->p++;
	s->depth--;
	s->state = AFTER;
	s->string = false;
	return true;
}

static bool
scan_value(struct scan *s)
{
	char buf[QUOTED_LEN];

	if (++s->values > SCAN_MAX_VALUES)
		return fail(s, "more than %d values", SCAN_MAX_VALUES);
	if (strchr("{[(", *s->p))
		return scan_open(s);
	s->string = *s->p == '"';
	s->state = AFTER;
	if (s->string)
		return scan_string(s);
	if (isalnum((unsigned char)*s->p) || strchr("+-._/", *s->p))
		return scan_word(s);
	return fail(s, "a value is missing before \"%s\"", shown(s->p, 1, buf));
}

/* After a value in a group: a separator, which libconfig does without, or the next name. */
static bool
scan_after(struct scan *s)
{
	bool group = s->levels[s->depth].open == '{' || s->depth == 0;

	if (*s->p == '"' && s->string)
		return scan_string(s);
	if (strchr("}])", *s->p))
		return scan_close(s);
	if (*s->p == ',' || (*s->p == ';' && group)) {
		s->state = group ? KEY : VALUE;
		s->p++;
		return put(s, group ? ";" : ",", 1);
	}
	if (group && name_char(*s->p)) {
		s->state = KEY;
		return true;
	}
	if (group)
		return fail(s, "\";\" is missing before this");
	return fail(s, "\",\" or \"%c\" is missing in the list of line %d",
		    closing(s->levels[s->depth].open), s->levels[s->depth].line);
}

static bool
scan_key(struct scan *s)
{
	char buf[QUOTED_LEN];

	if (isalpha((unsigned char)*s->p))
		return scan_name(s);
	if (strchr("}])", *s->p))
		return scan_close(s);
	if (*s->p == '@')
		return fail(s, "no directives: one file holds the whole configuration");
	return fail(s, "the name of a setting is expected before \"%s\"", shown(s->p, 1, buf));
}

static bool
scan_token(struct scan *s)
{
	switch (s->state) {
	case KEY:
		return scan_key(s);
	case EQUALS:
		return scan_equals(s);
	case FIRST:
		if (*s->p == closing(s->levels[s->depth].open))
			return scan_close(s);
		return scan_value(s);
	case VALUE:
		return scan_value(s);
	case AFTER:
		return scan_after(s);
	}
	return false;
}

static bool
scan_end(struct scan *s)
{
	const struct level *level = &s->levels[s->depth];

	if (s->depth > 0) {
		s->line = level->line;
		return fail(s, "the \"%c\" of this line is not closed", level->open);
	}
	if (s->state == EQUALS || s->state == VALUE)
		return fail(s, "the file ends within a setting");
	return put_space(s);
}

char *
scan_text(const char *file, const char *text, size_t len, struct config_messages *messages)
{
	struct scan *s = calloc(1, sizeof(*s));
	const char *nul = memchr(text, '\0', len);
	bool ok = true;
	char *out;

	if (!s) {
		message_add(messages, file, 0, false, "out of memory");
		return NULL;
	}
	s->file = file;
	s->messages = messages;
	s->p = text;
	s->end = nul ? nul : text + len;
	s->line = 1;
	do {
		ok = skip_space(s);
		if (ok && s->p < s->end)
			ok = scan_token(s);
	} while (ok && s->p < s->end);
	if (ok && nul)
		ok = fail(s, "a NUL byte: this is not a text file");
	ok = ok && scan_end(s);
	out = s->out;
	if (!ok) {
		free(out);
		out = NULL;
	}
	free(s);
	return out;
}
