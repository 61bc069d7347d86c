/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClientHellos: what is read of a good one, however it is cut, and what is refused for which
 * reason. Hellos are made here, field by field.
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/tls/hello.h"
#include "tests/unit/suites.h"

/* ---- making hellos --------------------------------------------------------------------------- */

struct bytes {
	size_t n;
	uint8_t at[4 * TLS_HELLO_BYTES];
};

static void
put(struct bytes *b, const void *bytes, size_t n)
{
	CU_ASSERT_FATAL(b->n + n <= sizeof(b->at));
	memcpy(b->at + b->n, bytes, n);
	b->n += n;
}

static void
put_number(struct bytes *b, size_t value, size_t bytes)
{
	while (bytes-- > 0) {
		uint8_t byte = (uint8_t)(value >> 8 * bytes);

		put(b, &byte, 1);
	}
}

/* Room for a length, to be closed when what it counts is there. */
static size_t
open_length(struct bytes *b, size_t bytes)
{
	put_number(b, 0, bytes);
	return b->n;
}

static void
close_length(struct bytes *b, size_t from, size_t bytes)
{
	size_t n = b->n - from, i;

	for (i = 1; i <= bytes; i++, n >>= 8)
		b->at[from - i] = (uint8_t)n;
}

static void
put_extension(struct bytes *b, unsigned int type, const void *content, size_t n)
{
	put_number(b, type, 2);
	put_number(b, n, 2);
	put(b, content, n);
}

static void
put_names(struct bytes *b, const char *const *names, const uint8_t *types, size_t n)
{
	size_t content, list, i;

	put_number(b, 0, 2);
	content = open_length(b, 2);
	list = open_length(b, 2);
	for (i = 0; i < n; i++) {
		put_number(b, types[i], 1);
		put_number(b, strlen(names[i]), 2);
		put(b, names[i], strlen(names[i]));
	}
	close_length(b, list, 2);
	close_length(b, content, 2);
}

static void
put_name(struct bytes *b, const char *name)
{
	put_names(b, &name, (const uint8_t[]){ 0 }, 1);
}

/* The message up to its extensions, whose length is open. */
static size_t
begin_message(struct bytes *b)
{
	uint8_t random[32] = { 1, 2, 3 };

	b->n = 0;
	put_number(b, 1, 1);
	open_length(b, 3);
	put_number(b, 0x0303, 2);
	put(b, random, sizeof(random));
	put_number(b, 4, 1); /* session */
	put_number(b, 0x01020304, 4);
	put_number(b, 4, 2); /* cipher suites */
	put_number(b, 0x1301c02f, 4);
	put_number(b, 0x0100, 2); /* compression: none */
	return open_length(b, 2);
}

static void
end_message(struct bytes *b, size_t extensions)
{
	close_length(b, extensions, 2);
	close_length(b, 4, 3);
}

#define ALPN     "\0\x0c\x02h2\x08http/1.1"
#define VERSIONS "\x04\x03\x04\x03\x03"

/* A message as clients send them, with this name unless it is NULL. */
static void
make_message(struct bytes *b, const char *name)
{
	size_t extensions = begin_message(b);

	put_extension(b, 0x0a0a, "", 0);
	if (name)
		put_name(b, name);
	put_extension(b, 16, ALPN, sizeof(ALPN) - 1);
	put_extension(b, 43, VERSIONS, sizeof(VERSIONS) - 1);
	end_message(b, extensions);
}

/* In records of `size` bytes each. */
static void
make_records(struct bytes *out, const struct bytes *message, size_t size)
{
	size_t at = 0;

	out->n = 0;
	while (at < message->n) {
		size_t n = message->n - at < size ? message->n - at : size;

		put_number(out, 22, 1);
		put_number(out, 0x0301, 2);
		put_number(out, n, 2);
		put(out, message->at + at, n);
		at += n;
	}
}

static struct bytes message, records;

/* ---- looking at them ------------------------------------------------------------------------- */

/* In a buffer of its own length, so that reading past it is seen. */
static enum tls_hello_result
parse(struct tls_hello *h, const void *bytes, size_t n)
{
	static uint8_t room[TLS_HELLO_BYTES];
	uint8_t *exact = malloc(n + !n);
	enum tls_hello_result result;

	memcpy(exact, bytes, n);
	result = tls_hello_parse(h, exact, n, room);
	free(exact);
	return result;
}

/* The reason for which it is refused; of all beginnings none says anything else, and need holds. */
static enum tls_bad
bad_of(const struct bytes *b)
{
	struct tls_hello whole, part;
	enum tls_hello_result result = parse(&whole, b->at, b->n), now;
	size_t n, need = 0;

	for (n = 0; n < b->n; n++) {
		now = parse(&part, b->at, n);
		if (n < need)
			CU_ASSERT_EQUAL(now, TLS_HELLO_MORE);
		if (now == TLS_HELLO_MORE) {
			CU_ASSERT(part.need > n && part.need <= TLS_HELLO_BYTES);
			need = part.need;
			continue;
		}
		CU_ASSERT_EQUAL(now, result);
		CU_ASSERT_EQUAL(part.bad, whole.bad);
	}
	if (result == TLS_HELLO_MORE)
		return TLS_HELLO_BAD_INCOMPLETE;
	return result == TLS_HELLO_BAD ? whole.bad : TLS_HELLO_BAD_NONE;
}

/* The message in one record. */
static enum tls_bad
bad_message(void)
{
	make_records(&records, &message, TLS_RECORD_MOST);
	return bad_of(&records);
}

/* One extension of this type and content. */
static enum tls_bad
bad_extension(unsigned int type, const void *content, size_t n)
{
	size_t extensions = begin_message(&message);

	put_extension(&message, type, content, n);
	end_message(&message, extensions);
	return bad_message();
}

#define EXTENSION(type, content) bad_extension(type, content, sizeof(content) - 1)

static enum tls_bad
bad_name(const char *name)
{
	make_message(&message, name);
	return bad_message();
}

/* A message with groups and signatures, one of them like this. */
static void
message_with(unsigned int type, const char *content, size_t n)
{
	size_t extensions = begin_message(&message);

	put_extension(&message, 10, type == 10 ? content : "\0\x04\0\x1d\0\x17",
		      type == 10 ? n : 6);
	put_extension(&message, 13, type == 13 ? content : "\0\x02\x04\x03", type == 13 ? n : 4);
	end_message(&message, extensions);
	make_records(&records, &message, TLS_RECORD_MOST);
}

static bool
is_list(struct tls_list list, const char *bytes, size_t n)
{
	return list.bytes && list.length == n && memcmp(list.bytes, bytes, n) == 0;
}

/* What is not whole is as if it were not there. */
static void
test_lists(void)
{
	static const struct {
		const char *content;
		size_t n;
	} broken[] = { { "", 0 },
		       { "\0", 1 },
		       { "\0\0", 2 },
		       { "\0\x01\x04", 3 },
		       { "\0\x03\x04\x03\x04", 5 },
		       { "\0\x04\x04\x03", 4 },
		       { "\0\x02\x04\x03\x04", 5 } };
	struct tls_hello h;
	size_t i;

	message_with(0, NULL, 0);
	CU_ASSERT_EQUAL(tls_hello_parse(&h, records.at, records.n, NULL), TLS_HELLO_DONE);
	CU_ASSERT(is_list(h.ciphers, "\x13\x01\xc0\x2f", 4));
	CU_ASSERT(is_list(h.groups, "\0\x1d\0\x17", 4) && is_list(h.signatures, "\x04\x03", 2));
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		message_with(10, broken[i].content, broken[i].n);
		CU_ASSERT_EQUAL(tls_hello_parse(&h, records.at, records.n, NULL), TLS_HELLO_DONE);
		CU_ASSERT(!h.groups.bytes && !h.groups.length && h.signatures.bytes);
		message_with(13, broken[i].content, broken[i].n);
		CU_ASSERT_EQUAL(tls_hello_parse(&h, records.at, records.n, NULL), TLS_HELLO_DONE);
		CU_ASSERT(!h.signatures.bytes && !h.signatures.length && h.groups.bytes);
	}
}

/* A hello with one extension more than it has. */
static struct tls_hello
hello_with(unsigned int type, const char *content, size_t n)
{
	size_t extensions = begin_message(&message);
	struct tls_hello h;

	put_extension(&message, type, content, n);
	end_message(&message, extensions);
	make_records(&records, &message, TLS_RECORD_MOST);
	CU_ASSERT_EQUAL(tls_hello_parse(&h, records.at, records.n, NULL), TLS_HELLO_DONE);
	return h;
}

static void
test_psk(void)
{
	static const struct {
		const char *content;
		size_t n;
		bool alone;
	} modes[] = { { "\x01\0", 2, true },     { "\x02\x01\0", 3, true },
		      { "\x02\0\x01", 3, true }, { "\x01\x01", 2, false },
		      { "", 0, false },          { "\0", 1, false },
		      { "\x02\0", 2, false },    { "\x01\0\0", 3, false } };
	struct tls_hello h;
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		h = hello_with(45, modes[i].content, modes[i].n);
		CU_ASSERT(h.psk_alone == modes[i].alone && !h.psk);
	}
	h = hello_with(41, "", 0);
	CU_ASSERT(h.psk && !h.psk_alone);
	h = hello_with(13, "\0\x02\x04\x03", 4);
	CU_ASSERT(!h.psk && !h.psk_alone);
}

/* ---- good ones ------------------------------------------------------------------------------- */

static void
check_good(const struct tls_hello *h)
{
	CU_ASSERT_STRING_EQUAL(h->name, "shop.example");
	CU_ASSERT_EQUAL(h->name_length, 12);
	CU_ASSERT(!h->name_is_address);
	CU_ASSERT_EQUAL(h->version, 0x0303);
	CU_ASSERT_EQUAL(h->message_length, message.n);
	CU_ASSERT_EQUAL(memcmp(h->message, message.at, message.n), 0);
	CU_ASSERT(tls_hello_offers(h, "h2") && tls_hello_offers(h, "http/1.1"));
	CU_ASSERT(!tls_hello_offers(h, "http/1") && !tls_hello_offers(h, "h3"));
	CU_ASSERT(tls_hello_supports(h, 0x0304) && tls_hello_supports(h, 0x0303));
	CU_ASSERT(!tls_hello_supports(h, 0x0302) && !tls_hello_supports(h, 0x0305));
}

/* In records of every size, with more behind them, and each beginning is incomplete. */
static void
test_cuts(void)
{
	static uint8_t room[TLS_HELLO_BYTES];
	struct tls_hello h;
	size_t size, n, length;

	make_message(&message, "Shop.EXAMPLE");
	for (size = (message.n + TLS_HELLO_RECORDS - 1) / TLS_HELLO_RECORDS; size <= message.n;
	     size++) {
		make_records(&records, &message, size);
		length = records.n;
		for (n = 0; n < length; n++)
			CU_ASSERT_EQUAL(parse(&h, records.at, n), TLS_HELLO_MORE);
		put_number(&records, 0x1703030000, 5);
		CU_ASSERT_EQUAL_FATAL(tls_hello_parse(&h, records.at, records.n, room),
				      TLS_HELLO_DONE);
		CU_ASSERT_EQUAL(h.length, length);
		check_good(&h);
		/* Put together where the bytes are. */
		CU_ASSERT_EQUAL_FATAL(tls_hello_parse(&h, records.at, length, records.at),
				      TLS_HELLO_DONE);
		check_good(&h);
	}
}

/* As a client that waits for need sees it: fed by that, it comes to the same end, in few steps. */
static void
test_need(void)
{
	struct tls_hello h;
	size_t n = 0, steps = 0;

	make_message(&message, "shop.example");
	make_records(&records, &message, 50);
	while (parse(&h, records.at, n) == TLS_HELLO_MORE) {
		CU_ASSERT_FATAL(h.need > n && h.need <= records.n);
		n = h.need;
		steps++;
	}
	CU_ASSERT_EQUAL(n, records.n);
	CU_ASSERT_EQUAL(h.bad, TLS_HELLO_BAD_NONE);
	CU_ASSERT(steps <= 4 + 7 * (message.n / 50 + 1));
}

static void
test_without(void)
{
	struct tls_hello h;

	make_message(&message, NULL);
	CU_ASSERT_EQUAL(bad_message(), TLS_HELLO_BAD_NONE);
	CU_ASSERT_EQUAL(parse(&h, records.at, records.n), TLS_HELLO_DONE);
	CU_ASSERT_EQUAL(h.name_length, 0);
	CU_ASSERT_EQUAL(h.name[0], '\0');
	/* Of TLS 1.2, and no extensions at all. */
	end_message(&message, begin_message(&message));
	message.n -= 2;
	close_length(&message, 4, 3);
	CU_ASSERT_EQUAL(bad_message(), TLS_HELLO_BAD_NONE);
	CU_ASSERT_EQUAL(parse(&h, records.at, records.n), TLS_HELLO_DONE);
	CU_ASSERT(tls_hello_supports(&h, 0x0303) && !tls_hello_supports(&h, 0x0304));
	CU_ASSERT(!tls_hello_offers(&h, "h2"));
}

static void
test_names(void)
{
	static const char label[] =
	    "a23456789-123456789-123456789-123456789-123456789-123456789-123";
	char long_name[300];
	struct tls_hello h;

	CU_ASSERT_EQUAL(bad_name("a"), TLS_HELLO_BAD_NONE);
	CU_ASSERT_EQUAL(bad_name("_x.a-b.Example"), TLS_HELLO_BAD_NONE);
	snprintf(long_name, sizeof(long_name), "%s.%s.%s.%s", label, label, label, label);
	CU_ASSERT_EQUAL(strlen(long_name), TLS_NAME_MOST);
	CU_ASSERT_EQUAL(bad_name(long_name), TLS_HELLO_BAD_NONE);
	CU_ASSERT_EQUAL(parse(&h, records.at, records.n), TLS_HELLO_DONE);
	CU_ASSERT_STRING_EQUAL(h.name, long_name);
	CU_ASSERT_EQUAL(h.name_length, TLS_NAME_MOST);
	snprintf(long_name, sizeof(long_name), "a.%sx.b", label);
	CU_ASSERT_EQUAL(bad_name(long_name), TLS_HELLO_BAD_NAME_INVALID);
	snprintf(long_name, sizeof(long_name), "%s.%s.%s.%s.a", label, label, label, label);
	CU_ASSERT_EQUAL(bad_name(long_name), TLS_HELLO_BAD_NAME_INVALID);
	/* The dot of the root. */
	CU_ASSERT_EQUAL(bad_name("Shop.example."), TLS_HELLO_BAD_NONE);
	CU_ASSERT_EQUAL(parse(&h, records.at, records.n), TLS_HELLO_DONE);
	CU_ASSERT(strcmp(h.name, "shop.example") == 0 && h.name_length == 12);
	CU_ASSERT_EQUAL(bad_name("192.0.2.1."), TLS_HELLO_BAD_NONE);
	CU_ASSERT_EQUAL(parse(&h, records.at, records.n), TLS_HELLO_DONE);
	CU_ASSERT(h.name_is_address && h.name_length == 0);
	CU_ASSERT_EQUAL(bad_name("shop.example.."), TLS_HELLO_BAD_NAME_INVALID);
	CU_ASSERT_EQUAL(bad_name("."), TLS_HELLO_BAD_NAME_INVALID);
	CU_ASSERT_EQUAL(bad_name(".example"), TLS_HELLO_BAD_NAME_INVALID);
	CU_ASSERT_EQUAL(bad_name("a..example"), TLS_HELLO_BAD_NAME_INVALID);
	CU_ASSERT_EQUAL(bad_name("*.example"), TLS_HELLO_BAD_NAME_INVALID);
	CU_ASSERT_EQUAL(bad_name("a b"), TLS_HELLO_BAD_NAME_INVALID);
	CU_ASSERT_EQUAL(bad_name("a/b"), TLS_HELLO_BAD_NAME_INVALID);
	CU_ASSERT_EQUAL(bad_name("shop.example:443"), TLS_HELLO_BAD_NAME_INVALID);
	CU_ASSERT_EQUAL(bad_name("sh\xc3\xb6p.example"), TLS_HELLO_BAD_NAME_INVALID);
	CU_ASSERT_EQUAL(bad_name(""), TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(0, "\0\x06\0\0\x03"
				     "a\0b"),
			TLS_HELLO_BAD_NAME_INVALID);
}

/* Addresses name nobody, in either spelling. */
static void
test_addresses(void)
{
	static const char *const texts[] = { "192.0.2.1", "2001:db8::1" };
	struct tls_hello h;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CU_ASSERT_EQUAL(bad_name(texts[i]), TLS_HELLO_BAD_NONE);
		CU_ASSERT_EQUAL(parse(&h, records.at, records.n), TLS_HELLO_DONE);
		CU_ASSERT(h.name_is_address && h.name_length == 0);
		CU_ASSERT(!tls_name_usable(texts[i], strlen(texts[i])));
	}
	CU_ASSERT_EQUAL(bad_name("[2001:db8::1]"), TLS_HELLO_BAD_NAME_INVALID);
	CU_ASSERT(tls_name_usable("1.2.3", 5) && tls_name_usable("Shop.example", 12));
	CU_ASSERT(!tls_name_usable("shop.example.", 13) && !tls_name_usable("", 0));
}

/* Types of names that are not known are skipped; of hosts there is one. */
static void
test_name_types(void)
{
	static const char *const names[] = { "\x01", "shop.example", "other" };
	struct tls_hello h;
	size_t extensions = begin_message(&message);

	put_names(&message, names, (const uint8_t[]){ 7, 0, 7 }, 3);
	end_message(&message, extensions);
	CU_ASSERT_EQUAL(bad_message(), TLS_HELLO_BAD_NONE);
	CU_ASSERT_EQUAL(parse(&h, records.at, records.n), TLS_HELLO_DONE);
	CU_ASSERT_STRING_EQUAL(h.name, "shop.example");
	extensions = begin_message(&message);
	put_names(&message, names + 1, (const uint8_t[]){ 0, 0 }, 2);
	end_message(&message, extensions);
	CU_ASSERT_EQUAL(bad_message(), TLS_HELLO_BAD_NAME_TWICE);
	extensions = begin_message(&message);
	put_names(&message, (const char *const[]){ "192.0.2.1", "a" }, (const uint8_t[]){ 0, 0 },
		  2);
	end_message(&message, extensions);
	CU_ASSERT_EQUAL(bad_message(), TLS_HELLO_BAD_NAME_TWICE);
}

/* ---- records --------------------------------------------------------------------------------- */

static enum tls_bad
bad_bytes(const void *bytes, size_t n)
{
	records.n = 0;
	put(&records, bytes, n);
	return bad_of(&records);
}

#define BYTES(text) bad_bytes(text, sizeof(text) - 1)

static void
test_records(void)
{
	size_t i;

	CU_ASSERT_EQUAL(BYTES(""), TLS_HELLO_BAD_INCOMPLETE);
	CU_ASSERT_EQUAL(BYTES("GET / HTTP/1.1\r\n"), TLS_HELLO_BAD_RECORD_TYPE);
	CU_ASSERT_EQUAL(BYTES("\x15\x03\x01\0\x02\x02\x28"), TLS_HELLO_BAD_RECORD_TYPE);
	CU_ASSERT_EQUAL(BYTES("\x80\x2e\x01\x03\x01"), TLS_HELLO_BAD_SSLV2);
	CU_ASSERT_EQUAL(BYTES("\x80\x2e\x02\x03\x01"), TLS_HELLO_BAD_RECORD_TYPE);
	CU_ASSERT_EQUAL(BYTES("\x16\x02\x01\0\x02"), TLS_HELLO_BAD_RECORD_VERSION);
	CU_ASSERT_EQUAL(BYTES("\x16\x03\x01\0\0"), TLS_HELLO_BAD_RECORD_EMPTY);
	CU_ASSERT_EQUAL(BYTES("\x16\x03\x01\x40\x01"), TLS_HELLO_BAD_RECORD_TOO_LONG);
	CU_ASSERT_EQUAL(BYTES("\x16\x03\x01\x40\0"), TLS_HELLO_BAD_INCOMPLETE);
	CU_ASSERT_EQUAL(BYTES("\x16\x03\x01\0\x04\x02\0\0\0"), TLS_HELLO_BAD_HANDSHAKE_TYPE);
	CU_ASSERT_EQUAL(BYTES("\x16\x03\x01\0\x04\x01\0\0\0"), TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(BYTES("\x16\x03\x01\0\x05\x01\0\0\0"), TLS_HELLO_BAD_TRAILING);
	CU_ASSERT_EQUAL(BYTES("\x16\x03\x01\x40\0\x01\0\x3f\xfd"), TLS_HELLO_BAD_TOO_LONG);
	CU_ASSERT_EQUAL(BYTES("\x16\x03\x01\x40\0\x01\x01\0\0"), TLS_HELLO_BAD_TOO_LONG);
	/* Another record in between, and an empty one. */
	CU_ASSERT_EQUAL(BYTES("\x16\x03\x01\0\x01\x01\x14\x03\x01\0\x01\x01"),
			TLS_HELLO_BAD_RECORD_TYPE);
	CU_ASSERT_EQUAL(BYTES("\x16\x03\x01\0\x01\x01\x80\x03\x01"), TLS_HELLO_BAD_RECORD_TYPE);
	CU_ASSERT_EQUAL(BYTES("\x16\x03\x01\0\x01\x01\x16\x03\x01\0\0"),
			TLS_HELLO_BAD_RECORD_EMPTY);
	/* A record that has more than is left of the message. */
	make_message(&message, "shop.example");
	make_records(&records, &message, 100);
	records.at[records.n - (message.n % 100) - 1]++;
	CU_ASSERT_EQUAL(bad_of(&records), TLS_HELLO_BAD_TRAILING);
	/* As many records as may be, and one more. */
	for (i = 0; i < 2; i++) {
		size_t extensions = begin_message(&message);

		put_extension(&message, 21, records.at, 400 - i);
		end_message(&message, extensions);
		CU_ASSERT_FATAL(message.n > 2 * (TLS_HELLO_RECORDS + i));
		message.n = 2 * (TLS_HELLO_RECORDS + i);
		close_length(&message, 4, 3);
		make_records(&records, &message, 2);
		CU_ASSERT_EQUAL(bad_of(&records),
				i ? TLS_HELLO_BAD_TOO_MANY_RECORDS : TLS_HELLO_BAD_LENGTHS);
	}
}

/* The longest that may be, in one record and in two, and one byte more. */
static void
test_long(void)
{
	static uint8_t padding[TLS_HELLO_MOST];
	struct tls_hello h;
	size_t extensions, more;

	for (more = 0; more < 2; more++) {
		extensions = begin_message(&message);
		put_name(&message, "shop.example");
		put_extension(&message, 21, padding, TLS_HELLO_MOST - message.n - 4 + more);
		end_message(&message, extensions);
		CU_ASSERT_EQUAL(message.n, TLS_HELLO_MOST + more);
		make_records(&records, &message, TLS_RECORD_MOST - 1000 * more);
		CU_ASSERT_EQUAL(parse(&h, records.at, records.n),
				more ? TLS_HELLO_BAD : TLS_HELLO_DONE);
		CU_ASSERT_EQUAL(h.bad, more ? TLS_HELLO_BAD_TOO_LONG : TLS_HELLO_BAD_NONE);
		make_records(&records, &message, TLS_RECORD_MOST / TLS_HELLO_RECORDS + more);
		CU_ASSERT_EQUAL(parse(&h, records.at, records.n),
				more ? TLS_HELLO_BAD : TLS_HELLO_DONE);
		CU_ASSERT(more || h.length == TLS_HELLO_BYTES);
	}
}

/* ---- what is inside -------------------------------------------------------------------------- */

static void
test_extensions(void)
{
	size_t extensions, n;

	CU_ASSERT_EQUAL(EXTENSION(0, ""), TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(0, "\0\0"), TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(0, "\0\x04\0\0\x01"
				     "a"),
			TLS_HELLO_BAD_NONE);
	CU_ASSERT_EQUAL(EXTENSION(0, "\0\x04\0\0\x01"
				     "a\0"),
			TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(0, "\0\x04\0\0\x02"
				     "a"),
			TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(0, "\0\x05\0\0\x01"
				     "ab"),
			TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(16, ""), TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(16, "\0\0"), TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(16, "\0\x01\0"), TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(16, "\0\x03\x03h2"), TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(16, "\0\x03\x02h2"), TLS_HELLO_BAD_NONE);
	CU_ASSERT_EQUAL(EXTENSION(16, "\0\x03\x02h2\0"), TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(43, ""), TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(43, "\0"), TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(43, "\x02\x03\x04"), TLS_HELLO_BAD_NONE);
	CU_ASSERT_EQUAL(EXTENSION(43, "\x03\x03\x04\x03"), TLS_HELLO_BAD_LENGTHS);
	CU_ASSERT_EQUAL(EXTENSION(43, "\x02\x03\x04\0"), TLS_HELLO_BAD_LENGTHS);
	for (n = TLS_HELLO_EXTENSIONS; n <= TLS_HELLO_EXTENSIONS + 1; n++) {
		size_t i;

		extensions = begin_message(&message);
		for (i = 0; i < n; i++)
			put_extension(&message, (unsigned int)(100 + i), "x", 1);
		end_message(&message, extensions);
		CU_ASSERT_EQUAL(bad_message(), n > TLS_HELLO_EXTENSIONS
						   ? TLS_HELLO_BAD_TOO_MANY_EXTENSIONS
						   : TLS_HELLO_BAD_NONE);
	}
	extensions = begin_message(&message);
	put_extension(&message, 99, "", 0);
	put_name(&message, "a");
	put_extension(&message, 99, "", 0);
	end_message(&message, extensions);
	CU_ASSERT_EQUAL(bad_message(), TLS_HELLO_BAD_EXTENSION_TWICE);
}

/* A message in which one byte is another. */
static enum tls_bad
changed(size_t at, int by)
{
	make_message(&message, "shop.example");
	message.at[at] = (uint8_t)(message.at[at] + by);
	return bad_message();
}

static void
test_body(void)
{
	size_t cut;

	CU_ASSERT_EQUAL(changed(4, 1), TLS_HELLO_BAD_VERSION);
	CU_ASSERT_EQUAL(changed(4, -1), TLS_HELLO_BAD_VERSION);
	CU_ASSERT_EQUAL(changed(38, 30), TLS_HELLO_BAD_LENGTHS); /* session */
	CU_ASSERT_EQUAL(changed(44, 1), TLS_HELLO_BAD_LENGTHS);  /* cipher suites: odd */
	CU_ASSERT_EQUAL(changed(44, -4), TLS_HELLO_BAD_LENGTHS); /* ... none */
	CU_ASSERT_EQUAL(changed(49, -1), TLS_HELLO_BAD_LENGTHS); /* compression: none */
	CU_ASSERT_EQUAL(changed(52, 1), TLS_HELLO_BAD_LENGTHS);  /* extensions */
	CU_ASSERT_EQUAL(changed(52, -1), TLS_HELLO_BAD_LENGTHS);
	/* Cut short everywhere, with a length that says so. */
	for (cut = 4; cut < 300; cut++) {
		make_message(&message, "shop.example");
		if (cut >= message.n)
			break;
		message.n = cut;
		close_length(&message, 4, 3);
		/* 51: before the extensions, as before TLS 1.3 */
		CU_ASSERT_EQUAL(bad_message(),
				cut == 51 ? TLS_HELLO_BAD_NONE : TLS_HELLO_BAD_LENGTHS);
	}
}

/* Every bit of it the other way round: whatever it is then, all beginnings agree. */
static void
test_flips(void)
{
	size_t sizes[] = { 16384, 40, 3 }, s, i, bit, n;

	for (s = 0; s < 3; s++) {
		make_message(&message, "shop.example");
		make_records(&records, &message, sizes[s]);
		n = records.n;
		for (i = 0; i < n; i++)
			for (bit = 0; bit < 8; bit += s ? 3 : 1) {
				records.at[i] ^= (uint8_t)(1 << bit);
				bad_of(&records);
				records.at[i] ^= (uint8_t)(1 << bit);
			}
	}
}

static void
test_alerts(void)
{
	uint8_t alert[TLS_ALERT_BYTES];
	unsigned int i;

	tls_alert_write(TLS_HELLO_BAD_NAME_UNKNOWN, alert);
	CU_ASSERT_EQUAL(memcmp(alert, "\x15\x03\x03\0\x02\x02\x70", sizeof(alert)), 0);
	for (i = TLS_HELLO_BAD_NONE + 1; i < TLS_HELLO_BAD_COUNT; i++) {
		tls_alert_write(i, alert);
		CU_ASSERT(alert[6] >= 10 && strlen(tls_bad_name(i)) > 3 &&
			  strlen(tls_bad_help(i)) > 10);
	}
}

int
test_tls_hello_register(void)
{
	CU_TestInfo tests[] = {
		{ "cut into records and segments", test_cuts },
		{ "what is waited for", test_need },
		{ "without a name", test_without },
		{ "names", test_names },
		{ "ciphers, groups, signatures", test_lists },
		{ "pre-shared keys", test_psk },
		{ "addresses", test_addresses },
		{ "types of names", test_name_types },
		{ "records", test_records },
		{ "the longest", test_long },
		{ "extensions", test_extensions },
		{ "the message's own fields", test_body },
		{ "every bit", test_flips },
		{ "alerts", test_alerts },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "tls hello", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
