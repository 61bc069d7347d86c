/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP codec beside another reader of HTTP/1: many made-up messages, good and nearly good, the
 * same in each run. Where the two understand something else, the list below says why; what it does
 * not explain fails, and so does an explanation that nothing needs.
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dp/l7/chunked.h"
#include "tests/unit/http_case.h"
#include "tests/unit/http_other.h"
#include "tests/unit/suites.h"

#define HEADS  400000
#define BODIES 200000

/* One message and what each made of it. */
struct message {
	char text[OTHER_TEXT_MAX];
	size_t len;
	bool response;
	struct http_head ours;
	enum http_result result;
	struct http_seen theirs;
	char payload[OTHER_TEXT_MAX]; /* of a chunked one */
	size_t n_payload;
	enum http_bad bad;
};

/* ---- messages are made up -------------------------------------------------------------------- */

static const char *const methods[] = { "GET",    "POST",  "HEAD", "OPTIONS", "CONNECT",
				       "DELETE", "PATCH", "get",  "BREW",    "" };
static const char *const targets[] = { "/",          "/a/b?c=d",     "/%41?x#y", "*",
				       "http://b/c", "http://b:8?c", "a:80",     "/a b",
				       "/\xc3\xa4",  "/a\"b<c>",     "" };
static const char *const versions[] = { "HTTP/1.1", "HTTP/1.0", "HTTP/1.2",  "HTTP/2.0",
					"HTTP/0.9", "http/1.1", "HTTP/1.1 ", "" };
static const char *const statuses[] = { "200 OK", "204 No", "304 Not", "404",  "100 C",
					"099 x",  "600 y",  "1000 z",  "20 x", " 200 OK" };
static const char *const names[] = {
	"Host",
	"Content-Length",
	"Transfer-Encoding",
	"Connection",
	"Upgrade",
	"Cookie",
	"X-A",
	"x_b",
	"Content-Length ",
	"X A",
	"X\xc3",
	"",
	"Keep-Alive",
	"Content-Lengt",
	"Expect",
};
static const char *const values[] = {
	"a",
	"a:80",
	"5",
	"5",
	"5, 5",
	"6",
	"+5",
	"5 5",
	"0x5",
	"",
	"chunked",
	"Chunked",
	"gzip, chunked",
	"chunked, gzip",
	"chunked\t",
	"close",
	"keep-alive",
	"Keep-Alive, close",
	"upgrade",
	"websocket",
	"a b\tc",
	"a\x01",
	"\xff",
	"99999999999999999999",
	"9223372036854775808",
	"100-continue",
	"a/b",
};
static const char *const separators[] = { ": ", ":", ":\t ", " : ", "", " " };
static const char *const ends[] = { "\r\n", "\n", "\r", "\r\n ", " \r\n" };

/* One of them: the first `usual` are as likely as all the others together, and more so. */
#define PICK(state, list, usual) pick(state, list, sizeof(list) / sizeof((list)[0]), usual)

static const char *
pick(uint64_t *state, const char *const *list, size_t n, size_t usual)
{
	uint64_t r = test_random(state);

	return r % 16 < 15 ? list[(r >> 8) % usual] : list[(r >> 8) % n];
}

static void
add(struct message *m, const char *text)
{
	size_t length = strlen(text);

	if (length > sizeof(m->text) - m->len)
		return;
	memcpy(m->text + m->len, text, length);
	m->len += length;
}

/* Now and then a byte is another one, or away, or there twice. */
static void
spoil(struct message *m, uint64_t *state)
{
	static const char bytes[] = "\r\n\t \0:,;/?#%0a\x7f\xff";
	uint64_t r = test_random(state);
	size_t at = (r >> 8) % (m->len + 1);

	if (r % 4 || at == m->len)
		return;
	if (r % 3 == 0) {
		m->text[at] = bytes[(r >> 32) % (sizeof(bytes) - 1)];
	} else if (r % 3 == 1) {
		memmove(m->text + at, m->text + at + 1, m->len - at - 1);
		m->len--;
	} else if (m->len < sizeof(m->text)) {
		memmove(m->text + at + 1, m->text + at, m->len - at);
		m->len++;
	}
}

static void
make_head(struct message *m, uint64_t *state)
{
	uint64_t r = test_random(state), n = r >> 8 & 3;

	m->len = 0;
	m->response = r & 1;
	if ((r >> 16) % 16 == 0)
		add(m, "\r\n");
	if (m->response) {
		add(m, PICK(state, versions, 2));
		add(m, " ");
		add(m, PICK(state, statuses, 5));
	} else {
		add(m, PICK(state, methods, 5));
		add(m, " ");
		add(m, PICK(state, targets, 2));
		add(m, " ");
		add(m, PICK(state, versions, 2));
	}
	add(m, PICK(state, ends, 1));
	if ((r >> 24) % 8)
		add(m, "Host: a\r\n");
	while (n--) {
		add(m, PICK(state, names, 8));
		add(m, PICK(state, separators, 3));
		add(m, PICK(state, values, 22));
		add(m, PICK(state, ends, 1));
	}
	add(m, "\r\n");
	spoil(m, state);
}

static void
make_body(struct message *m, uint64_t *state)
{
	static const char *const sizes[] = { "5",
					     "05",
					     "A",
					     "1",
					     "0x5",
					     "+5",
					     " 5",
					     "",
					     "5 ",
					     "g",
					     "10000000000000005",
					     "ffffffffffffffff",
					     "5_" };
	static const char *const extensions[] = { "",     "",         "",    ";a",
						  ";a=b", ";a=\"b\"", " ;a", ";a\tb" };
	static const char *const datas[] = {
		"hello", "hello", "0123456789", "x", "", "\r\n\r\n\r"
	};
	static const char *const trailers[] = { "",      "",          "X: y\r\n",    "X : y\r\n",
						"X\r\n", " X: y\r\n", "X: \x01\r\n", "X: y\n" };
	uint64_t n = test_random(state) % 3;

	m->len = 0;
	m->response = false;
	while (n--) {
		add(m, PICK(state, sizes, 4));
		add(m, PICK(state, extensions, 8));
		add(m, PICK(state, ends, 1));
		add(m, PICK(state, datas, 4));
		add(m, PICK(state, ends, 1));
	}
	add(m, "0");
	add(m, PICK(state, extensions, 8));
	add(m, PICK(state, ends, 1));
	add(m, PICK(state, trailers, 3));
	add(m, PICK(state, ends, 1));
	spoil(m, state);
}

/* ---- both read them -------------------------------------------------------------------------- */

static void
read_head(struct message *m)
{
	const uint8_t *bytes = (const uint8_t *)m->text;

	if (m->response) {
		http_response_start(&m->ours, HTTP_GET);
		m->result = http_response_parse(&m->ours, &http_case_limits, bytes, m->len);
	} else {
		http_request_start(&m->ours);
		m->result = http_request_parse(&m->ours, &http_case_limits, bytes, m->len);
	}
	m->bad = (enum http_bad)m->ours.bad;
	other_read_head(m->text, m->len, m->response, &m->theirs);
}

static void
read_body(struct message *m)
{
	struct http_chunked c = { 0 };
	struct http_run run;
	size_t at = 0;

	m->n_payload = 0;
	do {
		m->result =
		    http_chunked_next(&c, 256, (const uint8_t *)m->text + at, m->len - at, &run);
		if (run.kind == HTTP_RUN_PAYLOAD) {
			memcpy(m->payload + m->n_payload, m->text + at + run.at, run.length);
			m->n_payload += run.length;
		}
		at += run.used;
	} while (m->result == HTTP_MORE && at < m->len);
	m->bad = (enum http_bad)c.bad;
	other_read_chunked(m->text, m->len, &m->theirs);
}

/* ---- in what do they differ? ----------------------------------------------------------------- */

static bool
same_text(const struct message *m, struct http_span ours, struct other_span theirs)
{
	return ours.length == theirs.length &&
	       (ours.length == 0 ||
		memcmp(m->text + ours.at, m->text + theirs.at, ours.length) == 0);
}

static bool
same_fields(const struct message *m)
{
	size_t i;

	if (m->ours.n_fields != m->theirs.n_fields)
		return false;
	for (i = 0; i < m->ours.n_fields; i++)
		if (!same_text(m, m->ours.fields[i].name, m->theirs.names[i]) ||
		    !same_text(m, m->ours.fields[i].value, m->theirs.values[i]))
			return false;
	return true;
}

/* The name of what both have read but not as the same, or NULL. */
static const char *
difference_of_heads(const struct message *m)
{
	const struct http_head *h = &m->ours;
	const struct http_seen *t = &m->theirs;

	if (h->minor != t->minor || h->status != t->status)
		return "first line";
	if (!m->response && (!same_text(m, h->target, t->target) ||
			     !http_case_is(m->text, h->method_name, t->method)))
		return "first line";
	if (!same_fields(m))
		return "fields";
	if (h->has_length != t->has_length || (h->has_length && h->content_length != t->length) ||
	    h->chunked != t->chunked)
		return "framing";
	return h->keep_alive != t->keep_alive ? "keep-alive" : NULL;
}

static const char *
difference_of_bodies(const struct message *m)
{
	return m->n_payload != m->theirs.n_payload ||
		       memcmp(m->payload, m->theirs.payload, m->n_payload) != 0
		   ? "payload"
		   : NULL;
}

/* What ours and theirs say, as texts: "ok", why not, or how both differ. False: they agree. */
struct verdicts {
	const char *ours, *theirs;
};

static bool
differ(const struct message *m, bool body, struct verdicts *v)
{
	v->ours = m->result == HTTP_BAD ? http_bad_name(m->bad) : "ok";
	if (m->result == HTTP_MORE)
		v->ours = "incomplete";
	v->theirs = m->theirs.good ? "ok" : m->theirs.error;
	if (m->result == HTTP_DONE && m->theirs.good) {
		v->theirs = body ? difference_of_bodies(m) : difference_of_heads(m);
		return v->theirs != NULL;
	}
	return (m->result == HTTP_DONE) != m->theirs.good;
}

/* ---- what explains it ------------------------------------------------------------------------ */

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
	return has(m, "5, 5") || lines(m, "content-length:") == 2;
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
	size_t i, blank = 0;

	if (lines(m, "connect ") || (!has(m, " /") && !has(m, " http")))
		return true;
	for (i = 0; i < m->len && m->text[i] != '\r'; i++) {
		blank = m->text[i] == ' ' ? i : blank;
		if (strchr("#\"<>\\", m->text[i]) || (m->text[i] & 0x80) || m->text[i] == '\t')
			return true;
	}
	return blank > 0 && lines(m, "\r\n");
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
	return same_fields(&trimmed);
}

static bool
tab_before_extension(const struct message *m)
{
	return has(m, "\t;") || has(m, "\t ");
}

static bool
blank_size(const struct message *m)
{
	return has(m, " ");
}

enum kind { REQUEST = 1, RESPONSE = 2, BODY = 4 };

static const struct explanation {
	int kinds;
	const char *ours, *theirs;
	bool (*evidence)(const struct message *);
	const char *why;
} explanations[] = {
	/* what we refuse */
	{ REQUEST | RESPONSE, "bare-lf", "ok", bare_lf, "it takes LF for the end of a line" },
	{ REQUEST | RESPONSE, "bare-cr", "ok", bare_cr, "it skips CR, or takes it for the end" },
	{ REQUEST | RESPONSE, "control", "ok", control, "it takes most bytes in some places" },
	{ REQUEST | RESPONSE, "obs-fold", "ok", fold, "it joins lines, as RFC 7230 had them" },
	{ REQUEST | RESPONSE, "space-before-colon", "ok", blank_colon, "it takes blanks in names" },
	{ REQUEST | RESPONSE, "field-name", "ok", blank_in_name, "it takes blanks in names" },
	{ REQUEST | RESPONSE, "host-twice", "ok", two_hosts, "it does not know Host" },
	{ REQUEST, "host-missing", "ok", no_host, "it does not know Host" },
	{ REQUEST, "host-invalid", "ok", host, "it does not know Host" },
	{ REQUEST | RESPONSE, "connection", "ok", connection, "it looks for some words only" },
	{ REQUEST | RESPONSE, "version", "ok", other_version, "it takes 0.9 and any 1.x and 2.x" },
	{ REQUEST, "request-line", "ok", any, "it takes several blanks, and HTTP/ one by one" },
	{ REQUEST, "target", "ok", odd_target, "it takes fragments, bytes from 128 on, any form" },
	{ RESPONSE, "status-line", "ok", any, "it takes an empty line, more blanks, any number" },
	{ REQUEST | RESPONSE, "transfer-encoding", "ok", transfer_encoding,
	  "it leaves most of these to the application" },
	{ REQUEST | RESPONSE, "transfer-coding", "ok", transfer_encoding,
	  "it leaves codings to the application" },
	{ REQUEST | RESPONSE, "transfer-encoding-1.0", "ok", transfer_encoding_10,
	  "it does not look at the version" },
	{ REQUEST | RESPONSE, "content-length", "ok", two_to_the_63, "it reads up to 2^64" },
	{ BODY, "chunk-size", "ok", blank_size, "it skips blanks behind a size" },
	{ BODY, "chunk-line", "ok", any,
	  "what is behind the size, and behind CR, it does not see" },
	{ BODY, "chunk-end", "ok", any, "what is behind a chunk it does not see" },
	{ BODY, "trailer", "ok", any, "trailers are to it as the head: see there" },
	/* what it refuses */
	{ REQUEST, "ok", "INVALID_METHOD", other_method, "it has a list of methods" },
	{ REQUEST | RESPONSE, "ok", "INVALID_CONTENT_LENGTH", same_length_again,
	  "it takes no list of the same length (RFC 9110 8.6 leaves it open)" },
	{ REQUEST | RESPONSE, "ok", "UNEXPECTED_CONTENT_LENGTH", length_and_nearly_coding,
	  "the same twice, too; and Transfer-Encodingx is Transfer-Encoding to it" },
	{ BODY, "ok", "INVALID_CHUNK_SIZE", tab_before_extension, "it knows no tab there" },
	/* what both take, for different things */
	{ REQUEST | RESPONSE, "ok", "fields", blanks_behind,
	  "it leaves blanks at the end of values" },
	{ REQUEST | RESPONSE, "ok", "keep-alive", closed_and_kept,
	  "of keep-alive and close it takes the first, RFC 9112 9.3 the latter" },
};

#define EXPLANATIONS (sizeof(explanations) / sizeof(explanations[0]))

static const struct explanation *
explain(const struct message *m, int kind, const struct verdicts *v)
{
	const struct explanation *e;

	for (e = explanations; e < explanations + EXPLANATIONS; e++)
		if ((e->kinds & kind) && strcmp(e->ours, v->ours) == 0 &&
		    strcmp(e->theirs, v->theirs) == 0 && e->evidence(m))
			return e;
	return NULL;
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void
tell(const struct message *m, const struct verdicts *v)
{
	size_t i;

	printf("not explained: ours %s, theirs %s: ", v->ours, v->theirs);
	for (i = 0; i < m->len; i++)
		printf(m->text[i] >= 0x20 && m->text[i] < 0x7f ? "%c" : "\\%03o",
		       (unsigned char)m->text[i]);
	printf("\n");
}

/* So many messages; *good counts those that both take for the same, `used` the explanations. */
static void
compare(int n, bool body, int *good, int used[EXPLANATIONS])
{
	const struct explanation *e;
	uint64_t state = body ? 0xb0d7 : 0x4ead;
	static struct message m;
	struct verdicts v;
	int unexplained = 0, kind;

	*good = 0;
	while (n--) {
		if (body) {
			make_body(&m, &state);
			read_body(&m);
		} else {
			make_head(&m, &state);
			read_head(&m);
		}
		if (!differ(&m, body, &v)) {
			*good += m.result == HTTP_DONE;
			continue;
		}
		kind = m.response ? RESPONSE : REQUEST;
		e = explain(&m, body ? BODY : kind, &v);
		if (e)
			used[e - explanations]++;
		else if (unexplained++ < 5)
			tell(&m, &v);
	}
	CU_ASSERT_EQUAL(unexplained, 0);
}

static void
test_corpus(void)
{
	int used[EXPLANATIONS] = { 0 }, good;
	size_t i;

	compare(HEADS, false, &good, used);
	CU_ASSERT(good > HEADS / 4);
	compare(BODIES, true, &good, used);
	CU_ASSERT(good > BODIES / 4);
	for (i = 0; i < EXPLANATIONS; i++) {
		CU_ASSERT(used[i] > 0);
		if (!used[i])
			printf("explains nothing: %s, %s\n", explanations[i].ours,
			       explanations[i].why);
	}
}

/* A reader that understands a little else is noticed, and nothing explains it. */
static void
test_notices(void)
{
	static const char text[] = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
	static struct message m, wrong;
	struct verdicts v;
	int i;

	m.len = sizeof(text) - 1;
	memcpy(m.text, text, m.len);
	read_head(&m);
	CU_ASSERT_EQUAL(m.result, HTTP_DONE);
	CU_ASSERT_FALSE(differ(&m, false, &v));
	for (i = 0; i < 9; i++) {
		wrong = m;
		wrong.ours.content_length += i == 0;
		wrong.ours.has_length ^= i == 1;
		wrong.ours.chunked ^= i == 2;
		wrong.ours.keep_alive ^= i == 3;
		wrong.ours.n_fields -= i == 4;
		wrong.ours.fields[1].value.length -= i == 5;
		wrong.ours.fields[0].name.at += i == 6;
		wrong.ours.target.length -= i == 7;
		if (i == 8) {
			wrong.result = HTTP_BAD;
			wrong.bad = HTTP_BAD_OBS_FOLD;
		}
		CU_ASSERT(differ(&wrong, false, &v));
		CU_ASSERT_PTR_NULL(explain(&wrong, REQUEST, &v));
	}
}

int
test_http_differ_register(void)
{
	CU_TestInfo tests[] = {
		{ "differences are noticed", test_notices },
		{ "made-up messages, beside another reader", test_corpus },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "http_differ", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
