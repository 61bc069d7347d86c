/* SPDX-License-Identifier: Apache-2.0 */
/* Why another reader of HTTP/1 understands something else than we do. */
#include <string.h>
#include <strings.h>

#include "tests/unit/http_message.h"

/* ---- what is in a message -------------------------------------------------------------------- */

static bool
any(const struct message *m)
{
	return m->len > 0;
}

static bool
bare_lf(const struct message *m)
{
	size_t i;

	for (i = 0; i < m->len; i++)
		if (m->text[i] == '\n' && (i == 0 || m->text[i - 1] != '\r'))
			return true;
	return false;
}

static bool
bare_cr(const struct message *m)
{
	size_t i;

	for (i = 0; i < m->len; i++)
		if (m->text[i] == '\r' && (i + 1 == m->len || m->text[i + 1] != '\n'))
			return true;
	return false;
}

static bool
control(const struct message *m)
{
	size_t i;

	for (i = 0; i < m->len; i++)
		if (((unsigned char)m->text[i] < 0x20 && !strchr("\t\r\n", m->text[i])) ||
		    m->text[i] == 0x7f || m->text[i] == 0)
			return true;
	return false;
}

/* Lines that begin with this. */
static int
lines(const struct message *m, const char *lower)
{
	size_t length = strlen(lower), i;
	int n = 0;

	for (i = 0; i + length <= m->len; i++)
		if ((i == 0 || m->text[i - 1] == '\n') &&
		    strncasecmp(m->text + i, lower, length) == 0)
			n++;
	return n;
}

static bool
has(const struct message *m, const char *text)
{
	return memmem(m->text, m->len, text, strlen(text)) != NULL;
}

static bool
has_empty_line(const struct message *m)
{
	return m->len > 2 && memcmp(m->text, "\r\n", 2) == 0;
}

static bool
fold(const struct message *m)
{
	return lines(m, " ") > 0 || lines(m, "\t") > 0;
}

static bool
blank_colon(const struct message *m)
{
	return has(m, " :") || has(m, "\t:");
}

static bool
two_hosts(const struct message *m)
{
	return lines(m, "host:") > 1;
}

static bool
no_host(const struct message *m)
{
	return lines(m, "host:") == 0;
}

static bool
host(const struct message *m)
{
	return lines(m, "host:") == 1 || two_hosts(m);
}

static bool
connection(const struct message *m)
{
	return lines(m, "connection:") > 0;
}

static bool
transfer_encoding(const struct message *m)
{
	return lines(m, "transfer-encoding:") > 0;
}

static bool
transfer_encoding_10(const struct message *m)
{
	return transfer_encoding(m) && has(m, "HTTP/1.0");
}

static bool
two_to_the_63(const struct message *m)
{
	return has(m, "9223372036854775808");
}

static bool
same_length_again(const struct message *m)
{
	return (lines(m, "content-length:") && has(m, ",")) || lines(m, "content-length:") == 2;
}

/* Its name of Transfer-Encoding is looked for from the beginning only. */
static bool
length_and_nearly_coding(const struct message *m)
{
	return same_length_again(m) ||
	       (lines(m, "transfer-encoding") && lines(m, "content-length:"));
}

static bool
other_version(const struct message *m)
{
	return !lines(m, "HTTP/1.1 ") && !lines(m, "HTTP/1.0 ") && !has(m, " HTTP/1.1\r\n") &&
	       !has(m, " HTTP/1.0\r\n");
}

static bool
blank_in_name(const struct message *m)
{
	return has(m, "X A") || lines(m, "x") + lines(m, "c") + lines(m, "h") + lines(m, "t") +
					lines(m, "k") + lines(m, "u") + lines(m, "e") >
				    0;
}

static bool
odd_target(const struct message *m)
{
	size_t i = has_empty_line(m) ? 2 : 0;

	if (lines(m, "connect ") || !has(m, " /") || has(m, " http:"))
		return true;
	for (; i < m->len && m->text[i] != '\r'; i++)
		if (strchr("#\"<>\\\t", m->text[i]) || (m->text[i] & 0x80))
			return true;
	return false;
}

static bool
other_method(const struct message *m)
{
	return m->ours.method == HTTP_METHOD_OTHER;
}

static bool
closed_and_kept(const struct message *m)
{
	return m->ours.close && m->ours.connection_keep;
}

/* All but blanks at the end of values is the same. */
static bool
blanks_behind(const struct message *m)
{
	struct message trimmed = *m;
	struct http_seen *t = &trimmed.theirs;
	size_t i;

	for (i = 0; i < t->n_fields; i++)
		while (t->values[i].length > 0 &&
		       strchr(" \t", m->text[t->values[i].at + t->values[i].length - 1]))
			t->values[i].length--;
	return message_same_fields(&trimmed);
}

static bool
tab_before_extension(const struct message *m)
{
	return has(m, "\t;") || has(m, "\t ");
}

static bool
blank_size(const struct message *m)
{
	return has(m, " ") || has(m, "\xff");
}

#define HEAD (MESSAGE_REQUEST | MESSAGE_RESPONSE)

const struct explanation explanations[EXPLANATIONS] = {
	/* what we refuse */
	{ HEAD, "bare-lf", "ok", bare_lf, "it takes LF for the end of a line" },
	{ HEAD, "bare-cr", "ok", bare_cr, "it skips CR, or takes it for the end" },
	{ HEAD, "control", "ok", control, "it takes most bytes in some places" },
	{ HEAD, "obs-fold", "ok", fold, "it joins lines, as RFC 7230 had them" },
	{ HEAD, "space-before-colon", "ok", blank_colon, "it takes blanks in names" },
	{ HEAD, "field-name", "ok", blank_in_name, "it takes blanks in names" },
	{ HEAD, "host-twice", "ok", two_hosts, "it does not know Host" },
	{ MESSAGE_REQUEST, "host-missing", "ok", no_host, "it does not know Host" },
	{ MESSAGE_REQUEST, "host-invalid", "ok", host, "it does not know Host" },
	{ HEAD, "connection", "ok", connection, "it looks for some words only" },
	{ HEAD, "version", "ok", other_version, "it takes 0.9 and any 1.x and 2.x" },
	{ MESSAGE_REQUEST, "request-line", "ok", any,
	  "it takes several blanks, and HTTP/ one by one" },
	{ MESSAGE_REQUEST, "target", "ok", odd_target,
	  "it takes fragments, bytes from 128 on, any form and authority" },
	{ MESSAGE_RESPONSE, "status-line", "ok", any,
	  "it takes an empty line, more blanks, any number" },
	{ HEAD, "transfer-encoding", "ok", transfer_encoding,
	  "it leaves most of these to the application" },
	{ HEAD, "transfer-coding", "ok", transfer_encoding,
	  "it leaves codings to the application" },
	{ HEAD, "transfer-encoding-1.0", "ok", transfer_encoding_10,
	  "it does not look at the version" },
	{ HEAD, "content-length", "ok", two_to_the_63, "it reads up to 2^64" },
	{ MESSAGE_BODY, "chunk-size", "ok", blank_size,
	  "it skips blanks behind a size, and takes byte 255 for a digit" },
	{ MESSAGE_BODY, "chunk-line", "ok", any,
	  "what is behind the size, and behind CR, it does not see" },
	{ MESSAGE_BODY, "chunk-end", "ok", any, "what is behind a chunk it does not see" },
	{ MESSAGE_BODY, "trailer", "ok", any, "trailers are to it as the head: see there" },
	/* what it refuses */
	{ MESSAGE_REQUEST, "ok", "INVALID_METHOD", other_method, "it has a list of methods" },
	{ HEAD, "ok", "INVALID_CONTENT_LENGTH", same_length_again,
	  "it takes no list of the same length (RFC 9110 8.6 leaves it open)" },
	{ HEAD, "ok", "UNEXPECTED_CONTENT_LENGTH", length_and_nearly_coding,
	  "the same twice, too; and Transfer-Encodingx is Transfer-Encoding to it" },
	{ MESSAGE_BODY, "ok", "INVALID_CHUNK_SIZE", tab_before_extension, "it knows no tab there" },
	/* what both take, for different things */
	{ HEAD, "ok", "fields", blanks_behind, "it leaves blanks at the end of values" },
	{ HEAD, "ok", "keep-alive", closed_and_kept,
	  "of keep-alive and close it takes the first, RFC 9112 9.3 the latter" },
};

const struct explanation *
message_explain(const struct message *m, const struct verdicts *v)
{
	const struct explanation *e;

	for (e = explanations; e < explanations + EXPLANATIONS; e++)
		if ((e->kinds & (int)m->kind) && strcmp(e->ours, v->ours) == 0 &&
		    strcmp(e->theirs, v->theirs) == 0 && e->evidence(m))
			return e;
	return NULL;
}
