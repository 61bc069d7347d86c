/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are made up of pieces, of which most are good. */
#include <string.h>

#include "tests/unit/http_message.h"
#include "tests/unit/suites.h"

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

void
message_make_head(struct message *m, uint64_t *state)
{
	uint64_t r = test_random(state), n = r >> 8 & 3;

	m->len = 0;
	m->kind = r & 1 ? MESSAGE_RESPONSE : MESSAGE_REQUEST;
	if ((r >> 16) % 16 == 0)
		add(m, "\r\n");
	if (m->kind == MESSAGE_RESPONSE) {
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

void
message_make_body(struct message *m, uint64_t *state)
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
	m->kind = MESSAGE_BODY;
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
