/* SPDX-License-Identifier: Apache-2.0 */
/* lib/tls/record: RFC 8448's records, all versions and ciphers, cut everywhere, and what must fail.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "lib/tls/aead.h"
#include "tests/unit/suites.h"
#include "tests/unit/tls_bytes.h"

static const enum tls_version versions[] = { TLS_1_2, TLS_1_3 };

/* The next version and cipher; false after the last. */
static bool
next_kind(int *n, enum tls_version *version, enum tls_cipher *cipher)
{
	if (*n == 2 * TLS_CIPHERS)
		return false;
	*version = versions[*n % 2];
	*cipher = (enum tls_cipher)(*n / 2);
	++*n;
	return true;
}

static void
count_up(uint8_t *out, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		out[i] = (uint8_t)i;
}

/* ---- RFC 8448 3 ------------------------------------------------------------------------------ */

struct traced {
	const char *key, *iv;
	uint64_t sequence;
	uint8_t type;
	const char *content, *record;
};

static const struct traced traced[] = {
	{ "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9", 0, TLS_APPLICATION_DATA,
	  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	  "202122232425262728292a2b2c2d2e2f3031",
	  "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a"
	  "20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4" },
	{ "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9", 1, TLS_ALERT, "0100",
	  "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3" },
	{ "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984", 1, TLS_APPLICATION_DATA,
	  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	  "202122232425262728292a2b2c2d2e2f3031",
	  "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb"
	  "501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d" },
	{ "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984", 2, TLS_ALERT, "0100",
	  "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9" },
};

static void
test_trace(void)
{
	uint8_t content[64], wanted[128], got[TLS_RECORD_MAX];
	struct tls_opened opened;
	struct tls_end end;
	size_t i, n, length;

	for (i = 0; i < sizeof(traced) / sizeof(traced[0]); i++) {
		tls_end_make(&end, TLS_1_3, TLS_AES_128_GCM, 0);
		tls_unhex(traced[i].key, end.keys.key, 16);
		tls_unhex(traced[i].iv, end.keys.iv, sizeof(end.keys.iv));
		end.keys.sequence = traced[i].sequence;
		n = tls_unhex(traced[i].content, content, sizeof(content));
		length = tls_unhex(traced[i].record, wanted, sizeof(wanted));
		CU_ASSERT_EQUAL(tls_end_seal(&end, traced[i].type, content, n, got), length);
		CU_ASSERT(memcmp(got, wanted, length) == 0);
		CU_ASSERT_EQUAL(end.keys.sequence, traced[i].sequence + 1);

		end.keys.sequence = traced[i].sequence;
		opened = tls_end_open(&end, wanted, length);
		CU_ASSERT(opened.error == TLS_OK && opened.type == traced[i].type);
		CU_ASSERT(opened.length == n && memcmp(opened.content, content, n) == 0);
		CU_ASSERT(opened.whole == length && end.keys.sequence == traced[i].sequence + 1);
	}
}

/* ---- round trips ----------------------------------------------------------------------------- */

/* Two ends of a connection, whose sequences go on from test to test. */
static void
check_length(struct tls_end *from, struct tls_end *to, size_t length)
{
	static uint8_t content[TLS_CONTENT_MAX], record[TLS_RECORD_MAX];
	struct tls_opened opened;
	size_t n;

	count_up(content, length);
	n = tls_end_seal(from, TLS_APPLICATION_DATA, content, length, record);
	CU_ASSERT_EQUAL(n, tls_head_length(&from->keys) + length + tls_tail_length(&from->keys));
	opened = tls_end_open(to, record, n);
	CU_ASSERT(opened.error == TLS_OK && opened.type == TLS_APPLICATION_DATA);
	CU_ASSERT(opened.length == length && opened.whole == n);
	CU_ASSERT(opened.error || memcmp(opened.content, content, length) == 0);
	CU_ASSERT_EQUAL(from->keys.sequence, to->keys.sequence);
}

static void
test_lengths(void)
{
	enum tls_version version;
	enum tls_cipher cipher;
	struct tls_end from, to;
	size_t length;
	int n = 0;

	while (next_kind(&n, &version, &cipher)) {
		tls_end_make(&from, version, cipher, 3);
		tls_end_make(&to, version, cipher, 3);
		from.keys.sequence = to.keys.sequence = 0xfffffff0; /* on into the next word */
		if (cipher != TLS_CHACHA20_POLY1305)
			from.keys.sequence = to.keys.sequence = 250;
		for (length = 0; length <= 70; length++)
			check_length(&from, &to, length);
		for (length = 1000; length < TLS_CONTENT_MAX; length += 3333)
			check_length(&from, &to, length);
		check_length(&from, &to, TLS_CONTENT_MAX - 1);
		check_length(&from, &to, TLS_CONTENT_MAX);
	}
}

/* n bytes as up to four pieces with empty ones between them, cut at a, b and c. */
static uint16_t
cut(struct tls_piece *out, const uint8_t *from, uint8_t *to, const size_t ends[4])
{
	uint16_t n = 0;
	size_t at = 0;
	int i;

	for (i = 0; i < 4; at = ends[i++]) {
		out[n++] = (struct tls_piece){ from + at, to + at, 0 };
		out[n++] = (struct tls_piece){ from + at, to + at, (uint32_t)(ends[i] - at) };
	}
	return n;
}

#define CUT_CONTENT 45
#define CUT_PADDING 5

/* Seal in pieces, from one place to another, with head and tail elsewhere: the same bytes come out
 * as in one piece. */
static void
check_cut_seal(const struct tls_end *like, const uint8_t *wanted, const size_t ends[4],
	       uint16_t padding)
{
	uint8_t content[CUT_CONTENT], to[CUT_CONTENT], head[TLS_HEAD_MAX];
	uint8_t tail[TLS_TAIL_MAX + CUT_PADDING];
	uint32_t n_head = tls_head_length(&like->keys);
	uint32_t n_tail = tls_tail_length(&like->keys) + padding;
	struct tls_end end = *like;
	struct tls_piece pieces[8];
	struct tls_seal record = { pieces, 0, padding, TLS_APPLICATION_DATA, head, tail };

	tls_end_link(&end);
	count_up(content, sizeof(content));
	record.n_pieces = cut(pieces, content, to, ends);
	CU_ASSERT_EQUAL(tls_seal(&end.side, &record), TLS_OK);
	CU_ASSERT(memcmp(head, wanted, n_head) == 0);
	CU_ASSERT(memcmp(to, wanted + n_head, CUT_CONTENT) == 0);
	CU_ASSERT(memcmp(tail, wanted + n_head + CUT_CONTENT, n_tail) == 0);
	CU_ASSERT_EQUAL(end.keys.sequence, like->keys.sequence + 1);
}

/* Open in pieces, in their place or to another, with the next record's bytes behind it. */
static void
check_cut_open(const struct tls_end *like, const uint8_t *sealed, const size_t ends[4], bool moves)
{
	uint8_t content[CUT_CONTENT], copy[128], to[128];
	struct tls_end end = *like;
	struct tls_piece pieces[8];
	struct tls_open record = { .pieces = pieces };
	uint8_t *out = moves ? to : copy;

	tls_end_link(&end);
	count_up(content, sizeof(content));
	memcpy(copy, sealed, sizeof(copy));
	record.n_pieces = cut(pieces, copy, out, ends);
	CU_ASSERT_EQUAL(tls_open(&end.side, &record), TLS_OK);
	CU_ASSERT(record.type == TLS_APPLICATION_DATA && record.length == CUT_CONTENT);
	CU_ASSERT(memcmp(out + record.at, content, CUT_CONTENT) == 0);
	CU_ASSERT_EQUAL(end.keys.sequence, like->keys.sequence + 1);
	/* Not whole: nothing happens. */
	end.keys.sequence = like->keys.sequence;
	memcpy(copy, sealed, sizeof(copy));
	while (pieces[record.n_pieces - 1].length == 0)
		record.n_pieces--;
	if (ends[3] == record.whole) {
		pieces[record.n_pieces - 1].length--;
		CU_ASSERT_EQUAL(tls_open(&end.side, &record), TLS_MORE);
		CU_ASSERT(memcmp(copy, sealed, sizeof(copy)) == 0);
		CU_ASSERT_EQUAL(end.keys.sequence, like->keys.sequence);
	}
}

static void
check_cuts(const struct tls_end *like, uint16_t padding)
{
	uint8_t sealed[128] = { 0 };
	uint32_t head = tls_head_length(&like->keys);
	struct tls_piece whole = { sealed + head, sealed + head, CUT_CONTENT };
	struct tls_seal record = { &whole,  1,
				   padding, TLS_APPLICATION_DATA,
				   sealed,  sealed + head + CUT_CONTENT };
	struct tls_end end = *like;
	size_t n = head + CUT_CONTENT + tls_tail_length(&like->keys) + padding, i, j;

	tls_end_link(&end);
	count_up(sealed + head, CUT_CONTENT);
	CU_ASSERT_EQUAL(tls_seal(&end.side, &record), TLS_OK);
	for (i = 0; i <= CUT_CONTENT; i++) {
		for (j = i; j <= CUT_CONTENT; j += 1 + j / 9) {
			size_t ends[4] = { i, j, j + (CUT_CONTENT - j) / 2, CUT_CONTENT };

			check_cut_seal(like, sealed, ends, padding);
		}
	}
	for (i = 0; i <= n; i++) {
		for (j = i; j <= n; j++) {
			size_t ends[4] = { i, j, j + (n - j) / 2, n + (i + j) % 2 * 3 };

			check_cut_open(like, sealed, ends, j % 3 == 0);
		}
	}
}

static void
test_cuts(void)
{
	enum tls_version version;
	enum tls_cipher cipher;
	struct tls_end end;
	int n = 0;

	while (next_kind(&n, &version, &cipher)) {
		tls_end_make(&end, version, cipher, 21);
		end.keys.sequence = 0x1234;
		check_cuts(&end, 0);
		if (version == TLS_1_3)
			check_cuts(&end, CUT_PADDING);
	}
}

/* Content of zeros, padding of zeros, pieces of one byte: the type is found nevertheless. */
static void
test_padding(void)
{
	static const uint16_t paddings[] = { 0, 1, 15, 16, 17, 255, 1000, TLS_CONTENT_MAX - 9 };
	static uint8_t record[TLS_RECORD_MAX];
	struct tls_piece content = { record + 5, record + 5, 9 }, pieces[1100];
	struct tls_end from, to;
	size_t i, j, n;

	tls_end_make(&from, TLS_1_3, TLS_AES_256_GCM, 8);
	tls_end_make(&to, TLS_1_3, TLS_AES_256_GCM, 8);
	for (i = 0; i < sizeof(paddings) / sizeof(paddings[0]); i++) {
		struct tls_seal s = { &content, 1, paddings[i], TLS_ALERT, record, record + 14 };
		struct tls_open o = { .pieces = pieces };

		memset(record, 0, sizeof(record));
		CU_ASSERT_EQUAL(tls_seal(&from.side, &s), TLS_OK);
		n = 14u + TLS_TAIL_MAX + paddings[i];
		o.n_pieces = n < 1100 ? (uint16_t)n : 1;
		for (j = 0; j < o.n_pieces; j++)
			pieces[j] = (struct tls_piece){ record + j, record + j,
							o.n_pieces == 1 ? (uint32_t)n : 1 };
		CU_ASSERT_EQUAL(tls_open(&to.side, &o), TLS_OK);
		CU_ASSERT(o.type == TLS_ALERT && o.length == 9 && o.at == 5 && o.whole == n);
		CU_ASSERT(record[5] == 0 && record[13] == 0);
	}
}

/* ---- what must fail -------------------------------------------------------------------------- */

/* A bit of any byte, header included, or another place in the order. */
static void
test_changed(void)
{
	uint8_t content[20] = "twenty bytes of text", record[64], copy[64];
	enum tls_version version;
	enum tls_cipher cipher;
	struct tls_end from, to;
	struct tls_opened opened;
	size_t length, i;
	int n = 0;

	while (next_kind(&n, &version, &cipher)) {
		tls_end_make(&from, version, cipher, 4);
		tls_end_make(&to, version, cipher, 4);
		length =
		    tls_end_seal(&from, TLS_APPLICATION_DATA, content, sizeof(content), record);
		for (i = 0; i < 8 * length; i++) {
			memset(copy, 0, sizeof(copy));
			memcpy(copy, record, length);
			copy[i / 8] ^= (uint8_t)(1 << i % 8);
			opened = tls_end_open(&to, copy, length);
			CU_ASSERT(opened.error != TLS_OK && to.keys.sequence == 0);
			CU_ASSERT(i < 40 || opened.error == TLS_BAD_TAG);
		}
		/* The second time, and one that is skipped. */
		memcpy(copy, record, length);
		CU_ASSERT_EQUAL(tls_end_open(&to, copy, length).error, TLS_OK);
		memcpy(copy, record, length);
		CU_ASSERT_EQUAL(tls_end_open(&to, copy, length).error, TLS_BAD_TAG);
		tls_end_seal(&from, TLS_APPLICATION_DATA, content, sizeof(content), record);
		tls_end_seal(&from, TLS_APPLICATION_DATA, content, sizeof(content), record);
		CU_ASSERT_EQUAL(tls_end_open(&to, record, length).error, TLS_BAD_TAG);
	}
}

static enum tls_error
header(const struct tls_keys *keys, uint8_t type, uint16_t version, size_t length)
{
	uint8_t h[TLS_HEADER] = { type, (uint8_t)(version >> 8), (uint8_t)version,
				  (uint8_t)(length >> 8), (uint8_t)length };
	enum tls_error error;
	uint32_t whole;

	error = tls_header_check(keys, h, &whole);
	CU_ASSERT_EQUAL(whole, error ? 0 : TLS_HEADER + length);
	return error;
}

static void
test_headers(void)
{
	enum tls_version version;
	enum tls_cipher cipher;
	struct tls_end end;
	size_t least, most;
	unsigned int type;
	int n = 0;

	while (next_kind(&n, &version, &cipher)) {
		const struct tls_keys *k = &end.keys;

		tls_end_make(&end, version, cipher, 4);
		for (type = 0; type < 256; type++)
			CU_ASSERT_EQUAL(header(k, (uint8_t)type, 0x0303, 100),
					type == TLS_APPLICATION_DATA ||
						(version == TLS_1_2 &&
						 (type == TLS_ALERT || type == TLS_HANDSHAKE))
					    ? TLS_OK
					    : TLS_BAD_TYPE);
		CU_ASSERT_EQUAL(header(k, 23, 0x0301, 100), TLS_BAD_VERSION);
		CU_ASSERT_EQUAL(header(k, 23, 0x0304, 100), TLS_BAD_VERSION);
		CU_ASSERT_EQUAL(header(k, 23, 0x0403, 100), TLS_BAD_VERSION);
		least = tls_head_length(k) - 5 + tls_tail_length(k);
		most = least + TLS_CONTENT_MAX;
		CU_ASSERT_EQUAL(header(k, 23, 0x0303, least), TLS_OK);
		CU_ASSERT_EQUAL(header(k, 23, 0x0303, least - 1), TLS_TOO_SHORT);
		CU_ASSERT_EQUAL(header(k, 23, 0x0303, 0), TLS_TOO_SHORT);
		CU_ASSERT_EQUAL(header(k, 23, 0x0303, most), TLS_OK);
		CU_ASSERT_EQUAL(header(k, 23, 0x0303, most + 1), TLS_OVERSIZED);
		CU_ASSERT_EQUAL(header(k, 23, 0x0303, 65535), TLS_OVERSIZED);
	}
}

/* Records that the other side sealed as it should not have: as AEAD-protected bytes of 1.3 with any
 * inner plaintext. */
static enum tls_error
open_inner(const uint8_t *inner, uint32_t length)
{
	static uint8_t record[TLS_RECORD_MAX];
	uint32_t size = length + TLS_TAG;
	uint8_t head[5] = { 23, 3, 3, (uint8_t)(size >> 8), (uint8_t)size };
	struct tls_piece p = { record + 5, record + 5, length };
	struct tls_end end;
	struct tls_aead_input in = { .keys = &end.keys, .additional = head, .n_additional = 5 };
	struct tls_aead a;

	tls_end_make(&end, TLS_1_3, TLS_AES_128_GCM, 6);
	in.schedule = tls_schedules_get(end.side.schedules, &end.keys);
	memcpy(in.nonce, end.keys.iv, TLS_IV);
	memcpy(record, head, 5);
	memcpy(record + 5, inner, length);
	tls_aead_start(&a, tls_test_engine(), &in, true);
	tls_aead_whole(&a, &in, &p, record + 5 + length);
	return tls_end_open(&end, record, 5 + size).error;
}

static void
test_inner(void)
{
	static uint8_t inner[TLS_CONTENT_MAX + 300];

	CU_ASSERT_EQUAL(open_inner((const uint8_t *)"\x17", 1), TLS_OK);
	CU_ASSERT_EQUAL(open_inner((const uint8_t *)"x\x17\0\0", 4), TLS_OK);
	CU_ASSERT_EQUAL(open_inner((const uint8_t *)"\0", 1), TLS_EMPTY);
	CU_ASSERT_EQUAL(open_inner(inner, 40), TLS_EMPTY);
	CU_ASSERT_EQUAL(open_inner((const uint8_t *)"\x15\0", 2), TLS_EMPTY);
	CU_ASSERT_EQUAL(open_inner((const uint8_t *)"\x16", 1), TLS_EMPTY);
	CU_ASSERT_EQUAL(open_inner((const uint8_t *)"\x01\x14", 2), TLS_BAD_TYPE);
	CU_ASSERT_EQUAL(open_inner((const uint8_t *)"\x01\x18", 2), TLS_BAD_TYPE);
	CU_ASSERT_EQUAL(open_inner((const uint8_t *)"\x01\x01", 2), TLS_BAD_TYPE);
	memset(inner, 'x', sizeof(inner));
	inner[TLS_CONTENT_MAX] = TLS_APPLICATION_DATA;
	CU_ASSERT_EQUAL(open_inner(inner, TLS_CONTENT_MAX + 1), TLS_OK);
	CU_ASSERT_EQUAL(open_inner(inner, TLS_CONTENT_MAX + 2), TLS_OVERSIZED);
	/* ... which the tag would not have told. */
	CU_ASSERT_EQUAL(open_inner(inner, TLS_CONTENT_MAX + 240), TLS_OVERSIZED);
}

static void
test_limits(void)
{
	static uint8_t content[TLS_CONTENT_MAX + 1], record[TLS_RECORD_MAX];
	struct tls_piece p = { content, content, TLS_CONTENT_MAX };
	struct tls_seal s = { &p, 1, 0, TLS_APPLICATION_DATA, record, record + 100 };
	enum tls_version version;
	enum tls_cipher cipher;
	struct tls_end end;
	size_t length;
	int n = 0;

	while (next_kind(&n, &version, &cipher)) {
		bool gcm = cipher != TLS_CHACHA20_POLY1305;

		tls_end_make(&end, version, cipher, 4);
		CU_ASSERT_EQUAL(tls_end_seal(&end, 23, content, sizeof(content), record), 0);
		s.padding = 1;
		CU_ASSERT_EQUAL(tls_seal(&end.side, &s), TLS_OVERSIZED);
		s.padding = 0;
		CU_ASSERT_EQUAL(end.keys.sequence, 0);

		end.keys.sequence = TLS_GCM_RECORDS_MAX - 1;
		CU_ASSERT_EQUAL(tls_seal(&end.side, &s), TLS_OK);
		CU_ASSERT_EQUAL(tls_seal(&end.side, &s), gcm ? TLS_WORN : TLS_OK);

		/* The other side may be less careful, until numbers are used up. */
		end.keys.cipher = TLS_CHACHA20_POLY1305;
		end.keys.sequence = UINT64_MAX - 1;
		length = tls_end_seal(&end, 23, content, 10, record);
		CU_ASSERT(length > 0 && end.keys.sequence == UINT64_MAX);
		end.keys.sequence = UINT64_MAX - 1;
		CU_ASSERT_EQUAL(tls_end_open(&end, record, length).error, TLS_OK);
		CU_ASSERT_EQUAL(tls_seal(&end.side, &s), TLS_EXHAUSTED);
		CU_ASSERT_EQUAL(tls_end_open(&end, record, length).error, TLS_EXHAUSTED);
		CU_ASSERT_EQUAL(end.keys.sequence, UINT64_MAX);
	}
}

static void
test_texts(void)
{
	int i;

	for (i = 0; i < TLS_ERROR_COUNT; i++)
		CU_ASSERT(strlen(tls_error_text((enum tls_error)i)) > 3);
	CU_ASSERT_EQUAL(tls_error_alert(TLS_BAD_TAG), 20);
	CU_ASSERT_EQUAL(tls_error_alert(TLS_OVERSIZED), 22);
	CU_ASSERT_EQUAL(tls_error_alert(TLS_OK), 0);
	CU_ASSERT_EQUAL(tls_error_alert(TLS_ERROR_COUNT), 0);
}

/* ---- many at a time -------------------------------------------------------------------------- */

#define BURST 24

/* Round keys of AES-128 are 176 bytes; powers of the hash key lie behind the room for 240. */
static bool
same_schedule(const struct tls_schedule *a, const struct tls_schedule *b)
{
	return memcmp(a->bytes, b->bytes, 176) == 0 &&
	       memcmp(a->bytes + 240, b->bytes + 240, 768) == 0;
}

static void
test_schedules(void)
{
	struct tls_schedules *s = tls_test_schedules();
	const struct tls_schedule *got;
	struct tls_schedule made;
	struct tls_end ends[6];
	int i, turn;

	for (i = 0; i < 6; i++)
		tls_end_make(&ends[i], TLS_1_3, (enum tls_cipher)(i % 3), (uint64_t)i);
	for (turn = 0; turn < 3; turn++) {
		for (i = 0; i < 6; i++) {
			got = tls_schedules_get(s, &ends[i].keys);
			CU_ASSERT_EQUAL(got == NULL, i % 3 == TLS_CHACHA20_POLY1305);
			if (!got)
				continue;
			memset(&made, 0, sizeof(made));
			tls_schedule_make(&made, &ends[i].keys, tls_test_engine());
			CU_ASSERT(same_schedule(got, &made));
			CU_ASSERT_PTR_EQUAL(tls_schedules_get(s, &ends[i].keys), got);
		}
	}
	/* The same bytes as the key of another cipher: another schedule. */
	tls_schedules_get(s, &ends[0].keys);
	ends[0].keys.cipher = TLS_AES_256_GCM;
	got = tls_schedules_get(s, &ends[0].keys);
	tls_schedule_make(&made, &ends[0].keys, tls_test_engine());
	CU_ASSERT(same_schedule(got, &made));
	/* Forgotten: nothing of it is left. */
	tls_schedules_forget(s, &ends[1].keys); /* in the other slot, or not there */
	CU_ASSERT(same_schedule(got, &made));
	tls_schedules_forget(s, &ends[0].keys);
	memset(&made, 0, sizeof(made));
	CU_ASSERT(memcmp(got->bytes, made.bytes, sizeof(made)) == 0);
}

/* Records of several connections by turns, one of which has another key at the other end. */
static void
test_turns(void)
{
	static uint8_t bytes[BURST][256];
	struct tls_end from[4], to[4];
	struct tls_side sides[BURST], back[BURST];
	struct tls_piece pieces[BURST];
	struct tls_seal seals[BURST];
	struct tls_open opens[BURST];
	uint32_t i;

	for (i = 0; i < 4; i++) {
		tls_end_make(&from[i], versions[i % 2], (enum tls_cipher)(i % 3), i);
		tls_end_make(&to[i], versions[i % 2], (enum tls_cipher)(i % 3), i == 3 ? 9 : i);
	}
	for (i = 0; i < BURST; i++) {
		struct tls_keys *k = &from[i % 4].keys;
		uint32_t head = tls_head_length(k), length = 10 + i;

		sides[i] = from[i % 4].side;
		back[i] = to[i % 4].side;
		memset(bytes[i] + head, (int)i, length);
		pieces[i] = (struct tls_piece){ bytes[i] + head, bytes[i] + head, length };
		seals[i] =
		    (struct tls_seal){ &pieces[i],           1,        0,
				       TLS_APPLICATION_DATA, bytes[i], bytes[i] + head + length };
	}
	for (i = 0; i < BURST; i++)
		CU_ASSERT_EQUAL(tls_seal(&sides[i], &seals[i]), TLS_OK);
	for (i = 0; i < BURST; i++) {
		pieces[i] = (struct tls_piece){ bytes[i], bytes[i], sizeof(bytes[i]) };
		opens[i] = (struct tls_open){ .pieces = &pieces[i], .n_pieces = 1 };
	}
	for (i = 0; i < BURST; i++) {
		CU_ASSERT_EQUAL(tls_open(&back[i], &opens[i]), i % 4 == 3 ? TLS_BAD_TAG : TLS_OK);
		CU_ASSERT(i % 4 == 3 || (opens[i].length == 10 + i && opens[i].whole < 256 &&
					 bytes[i][opens[i].at + 9 + i] == i));
	}
	CU_ASSERT(from[0].keys.sequence == BURST / 4 && to[3].keys.sequence == 0);
}

int
test_tls_record_register(void)
{
	static CU_TestInfo tests[] = {
		{ "RFC 8448's records", test_trace },
		{ "all lengths", test_lengths },
		{ "cut everywhere", test_cuts },
		{ "padding", test_padding },
		{ "changed, repeated, left out", test_changed },
		{ "headers", test_headers },
		{ "what is inside", test_inner },
		{ "limits", test_limits },
		{ "texts and alerts", test_texts },
		{ "schedules that are kept", test_schedules },
		{ "of several connections by turns", test_turns },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_record", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
