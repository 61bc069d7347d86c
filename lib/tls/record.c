/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tls/record.h"

#include <string.h>

#include "lib/tls/aead.h"

#define NONCE_SHOWN 8

const char *
tls_error_text(enum tls_error error)
{
	static const char *const texts[] = {
#define TLS_TEXT(name, alert, text) text,
		TLS_ERRORS(TLS_TEXT)
#undef TLS_TEXT
	};

	return error < TLS_ERROR_COUNT ? texts[error] : "unknown";
}

uint8_t
tls_error_alert(enum tls_error error)
{
	static const uint8_t alerts[] = {
#define TLS_ALERT_OF(name, alert, text) alert,
		TLS_ERRORS(TLS_ALERT_OF)
#undef TLS_ALERT_OF
	};

	return error < TLS_ERROR_COUNT ? alerts[error] : 0;
}

static void
put16(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)(x >> 8);
	p[1] = (uint8_t)x;
}

static void
put64(uint8_t *p, uint64_t x)
{
	x = __builtin_bswap64(x);
	memcpy(p, &x, sizeof(x));
}

static bool
is_13(const struct tls_keys *keys)
{
	return keys->version == TLS_1_3;
}

static bool
shows_nonce(const struct tls_keys *keys)
{
	return tls_head_length(keys) > TLS_HEADER;
}

/* ---- what a record is sealed with -------------------------------------------------------------
 */

#define ADDITIONAL_MAX 13

/* RFC 8446 5.3 and RFC 7905 2: the iv and the sequence number, exclusive or. RFC 5288 3: four bytes
 * of the iv, and eight that the record shows. */
static void
make_nonce(uint8_t nonce[TLS_IV], const struct tls_keys *keys, const uint8_t *shown)
{
	uint64_t word;

	if (shown) {
		memcpy(nonce, keys->iv, 4);
		memcpy(nonce + 4, shown, NONCE_SHOWN);
		return;
	}
	memcpy(nonce, keys->iv, TLS_IV);
	memcpy(&word, nonce + 4, sizeof(word));
	word ^= __builtin_bswap64(keys->sequence);
	memcpy(nonce + 4, &word, sizeof(word));
}

/* RFC 8446 5.2: the header as it is sent. RFC 5246 6.2.3.3: sequence number and the header of the
 * plain record. */
static uint8_t
make_additional(uint8_t out[ADDITIONAL_MAX], const struct tls_keys *keys, const uint8_t *header,
		uint32_t content)
{
	if (is_13(keys)) {
		memcpy(out, header, TLS_HEADER);
		return TLS_HEADER;
	}
	put64(out, keys->sequence);
	memcpy(out + 8, header, 3);
	put16(out + 11, content);
	return ADDITIONAL_MAX;
}

/* ---- sealing --------------------------------------------------------------------------------- */

static uint32_t
total_length(const struct tls_piece *pieces, uint32_t n)
{
	uint64_t length = 0;
	uint32_t i;

	for (i = 0; i < n; i++)
		length += pieces[i].length;
	return length > UINT32_MAX ? UINT32_MAX : (uint32_t)length;
}

static enum tls_error
may_seal(const struct tls_keys *keys, const struct tls_seal *record, uint32_t length)
{
	if (length > TLS_CONTENT_MAX || record->padding > TLS_CONTENT_MAX - length)
		return TLS_OVERSIZED;
	if (keys->cipher != TLS_CHACHA20_POLY1305 && keys->sequence >= TLS_GCM_RECORDS_MAX)
		return TLS_WORN;
	return keys->sequence == UINT64_MAX ? TLS_EXHAUSTED : TLS_OK;
}

static void
write_head(uint8_t *head, const struct tls_keys *keys, uint8_t type, uint32_t length)
{
	head[0] = is_13(keys) ? TLS_APPLICATION_DATA : type;
	put16(head + 1, TLS_1_2);
	put16(head + 3, length);
	if (shows_nonce(keys))
		put64(head + TLS_HEADER, keys->sequence);
}

/* The usual case: the content lies in one piece, and what belongs behind it does. */
static bool
lies_together(const struct tls_seal *record, uint32_t hidden)
{
	const struct tls_piece *p = record->pieces;

	return record->n_pieces == 1 &&
	       (hidden == 0 || (p->from == p->to && record->tail == p->to + p->length));
}

enum tls_error
tls_seal(const struct tls_side *side, const struct tls_seal *record)
{
	struct tls_keys *keys = side->keys;
	uint32_t length = total_length(record->pieces, record->n_pieces), i;
	uint32_t hidden = is_13(keys) ? 1 + (uint32_t)record->padding : 0; /* type and padding */
	enum tls_error error = may_seal(keys, record, length);
	struct tls_piece last = { record->tail, record->tail, hidden };
	struct tls_aead_input in = { .keys = keys };
	uint8_t additional[ADDITIONAL_MAX];
	struct tls_aead aead;

	if (error)
		return error;
	write_head(record->head, keys, record->type,
		   tls_head_length(keys) - TLS_HEADER + length + hidden + TLS_TAG);
	if (hidden) {
		record->tail[0] = record->type;
		memset(record->tail + 1, 0, record->padding);
	}
	make_nonce(in.nonce, keys, shows_nonce(keys) ? record->head + TLS_HEADER : NULL);
	in.additional = additional;
	in.n_additional = make_additional(additional, keys, record->head, length);
	keys->sequence++;

	in.schedule = tls_schedules_get(side->schedules, keys);
	tls_aead_start(&aead, side->schedules->engine, &in, true);
	if (lies_together(record, hidden)) {
		last = record->pieces[0];
		last.length += hidden;
		tls_aead_whole(&aead, &in, &last, record->tail + hidden);
		return TLS_OK;
	}
	tls_aead_begin(&aead, &in);
	for (i = 0; i < record->n_pieces; i++)
		tls_aead_over(&aead, &record->pieces[i]);
	tls_aead_over(&aead, &last);
	tls_aead_end(&aead, record->tail + hidden);
	return TLS_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Goes over the bytes of pieces. The caller has seen that there are enough of them. */
struct walk {
	const struct tls_piece *piece;
	uint32_t at;   /* in it */
	uint32_t left; /* bytes to go over */
};

/* As much of what is left as lies in one piece. */
static struct tls_piece
walk_next(struct walk *w)
{
	struct tls_piece p = { NULL, NULL, 0 };

	if (w->left == 0)
		return p;
	while (w->at == w->piece->length) {
		w->piece++;
		w->at = 0;
	}
	p.from = w->piece->from + w->at;
	p.to = w->piece->to + w->at;
	p.length = w->piece->length - w->at < w->left ? w->piece->length - w->at : w->left;
	w->at += p.length;
	w->left -= p.length;
	return p;
}

static void
walk_copy(struct walk *w, uint8_t *out, uint32_t n)
{
	struct tls_piece p;

	for (w->left = n; w->left > 0; out += p.length) {
		p = walk_next(w);
		memcpy(out, p.from, p.length);
	}
}

enum tls_error
tls_header_check(const struct tls_keys *keys, const uint8_t header[TLS_HEADER], uint32_t *whole)
{
	uint32_t length = (uint32_t)header[3] << 8 | header[4];
	uint32_t more = tls_head_length(keys) - TLS_HEADER + TLS_TAG;

	*whole = 0;
	if (is_13(keys) ? header[0] != TLS_APPLICATION_DATA
			: header[0] < TLS_ALERT || header[0] > TLS_APPLICATION_DATA)
		return TLS_BAD_TYPE;
	if (header[1] != TLS_1_2 >> 8 || header[2] != (TLS_1_2 & 0xff))
		return TLS_BAD_VERSION;
	/* RFC 8446 5.2 and 5.4: what is inside has at most 2^14 + 1 bytes, so 2^14 + 256 outside
	 * never come to be. RFC 5246 6.2.3 allows 2^14 + 2048, an AEAD has no use for it. */
	if (length > TLS_CONTENT_MAX + more + is_13(keys))
		return TLS_OVERSIZED;
	if (length < more + is_13(keys))
		return TLS_TOO_SHORT;
	*whole = TLS_HEADER + length;
	return TLS_OK;
}

/* Decipher what is left of w; the tag that it ought to have. */
static void
decipher(struct tls_aead *aead, const struct tls_aead_input *in, struct walk *w,
	 uint8_t tag[TLS_TAG])
{
	struct tls_piece p = walk_next(w);

	if (w->left == 0) {
		tls_aead_whole(aead, in, &p, tag);
		return;
	}
	tls_aead_begin(aead, in);
	tls_aead_over(aead, &p);
	while (w->left > 0) {
		p = walk_next(w);
		tls_aead_over(aead, &p);
	}
	tls_aead_end(aead, tag);
}

/* How many bytes there are up to the last that is not zero. */
static uint32_t
without_zeros(const uint8_t *bytes, uint32_t n)
{
	uint64_t word = 0;

	for (; n >= sizeof(word); n -= (uint32_t)sizeof(word)) {
		memcpy(&word, bytes + n - sizeof(word), sizeof(word));
		if (word != 0)
			break;
	}
	while (n > 0 && bytes[n - 1] == 0)
		n--;
	return n;
}

/* 1.3: the type is the last byte that is not zero (RFC 8446 5.4). Takes it and the padding off. 0:
 * there is no such byte. */
static uint8_t
take_type(struct tls_open *record)
{
	uint32_t end = record->at + record->length, begin = 0, from, n;
	const struct tls_piece *p = record->pieces;

	/* The piece with the last byte. */
	while (begin + p->length < end)
		begin += p++->length;
	for (;;) {
		from = begin > record->at ? begin : record->at;
		n = without_zeros(p->to + (from - begin), end - from);
		if (n > 0 || from == record->at)
			break;
		end = begin;
		begin -= (--p)->length;
	}
	if (n == 0)
		return 0;
	record->length = from + n - 1 - record->at;
	return p->to[from - begin + n - 1];
}

/* What the tag vouches for may still not be what may come here. */
static enum tls_error
check_content(const struct tls_keys *keys, struct tls_open *record)
{
	if (is_13(keys))
		record->type = take_type(record);
	if (record->type == 0)
		return TLS_EMPTY;
	if (record->type < TLS_ALERT || record->type > TLS_APPLICATION_DATA)
		return TLS_BAD_TYPE;
	if (record->length == 0 && record->type != TLS_APPLICATION_DATA)
		return TLS_EMPTY;
	return record->length > TLS_CONTENT_MAX ? TLS_OVERSIZED : TLS_OK;
}

enum tls_error
tls_open(const struct tls_side *side, struct tls_open *record)
{
	uint8_t header[TLS_HEADER], shown[NONCE_SHOWN], theirs[TLS_TAG], ours[TLS_TAG];
	uint32_t there = total_length(record->pieces, record->n_pieces);
	struct walk w = { record->pieces, 0, 0 };
	struct tls_keys *keys = side->keys;
	struct tls_aead_input in = { .keys = keys };
	uint8_t additional[ADDITIONAL_MAX];
	struct tls_aead aead;
	enum tls_error error;

	if (there < TLS_HEADER)
		return TLS_MORE;
	walk_copy(&w, header, TLS_HEADER);
	error = tls_header_check(keys, header, &record->whole);
	if (error)
		return error;
	if (there < record->whole)
		return TLS_MORE;
	if (keys->sequence == UINT64_MAX)
		return TLS_EXHAUSTED;
	record->type = header[0];
	record->at = tls_head_length(keys);
	record->length = record->whole - record->at - TLS_TAG;

	if (shows_nonce(keys))
		walk_copy(&w, shown, NONCE_SHOWN);
	make_nonce(in.nonce, keys, shows_nonce(keys) ? shown : NULL);
	in.additional = additional;
	in.n_additional = make_additional(additional, keys, header, record->length);
	in.schedule = tls_schedules_get(side->schedules, keys);
	tls_aead_start(&aead, side->schedules->engine, &in, false);
	w.left = record->length;
	decipher(&aead, &in, &w, ours);
	walk_copy(&w, theirs, TLS_TAG);
	if (!tls_same_tag(ours, theirs))
		return TLS_BAD_TAG;
	keys->sequence++;
	return check_content(keys, record);
}
