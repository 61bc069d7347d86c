/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records after the handshake, sealed and opened where they lie: TLS 1.3 (RFC 8446 5.2 to 5.5) and
 * TLS 1.2 with AEADs (RFC 5246 6.2.3.3, RFC 5288, RFC 7905).
 *
 *     1.3          │ type 23 │ 0x0303 │ length │ content ........ type 0 0 0 │ tag │
 *     1.2          │ type    │ 0x0303 │ length │ content ....................│ tag │
 *     1.2, AES-GCM │ type    │ 0x0303 │ length │ nonce │ content ............│ tag │
 *                  └───────────── head ────────────────┘          └──── tail ──────┘
 *
 * Bytes come in pieces, as segments of packets do: of each it is said where it is read and where it
 * is written to, which may be the same place. Nothing is copied but the few bytes of head and tag.
 * Sealing takes the content's pieces, and room for head and tail, which need not lie next to them;
 * where they do, with the content in one piece and in its place, a record is one call of the
 * cipher.
 *
 * One record at a time: ipsec-mb's calls for GCM take one, too, so that many at once would gain no
 * more than keys that are fetched ahead; and that is done for what comes in a burst (tls_prefetch).
 *
 * The caller owns everything; no allocation; any thread, but one at a time for the same keys.
 *
 * Invariants: keys->sequence is that of the next record, and grows by one with each record that was
 * sealed or opened, and only then. After an error of tls_open what was written is not to be looked
 * at, and the connection has to end: neither side can go on.
 */
#ifndef LIB_TLS_RECORD_H
#define LIB_TLS_RECORD_H

#include <stdint.h>

#include "lib/tls/piece.h"
#include "lib/tls/schedule.h"

#define TLS_HEADER      5       /* type, version, length */
#define TLS_CONTENT_MAX 16384   /* RFC 8446 5.1, RFC 5246 6.2.1 */
#define TLS_HEAD_MAX    (5 + 8) /* 1.2 with AES-GCM shows 8 bytes of the nonce */
#define TLS_TAIL_MAX    (1 + 16)
/* The longest record that tls_open takes, whole. */
#define TLS_RECORD_MAX (TLS_HEADER + TLS_CONTENT_MAX + 2048)

enum tls_type {
	TLS_CHANGE_CIPHER_SPEC = 20,
	TLS_ALERT = 21,
	TLS_HANDSHAKE = 22,
	TLS_APPLICATION_DATA = 23,
};

/* X(name, the alert to send (RFC 8446 6), what it means) */
#define TLS_ERRORS(X)                                                                             \
	X(OK, 0, "none")                                                                          \
	X(MORE, 0, "the record goes on")                                                          \
	X(BAD_TYPE, 10, "a record of a type that may not come here")                              \
	X(BAD_VERSION, 70, "a record of another version")                                         \
	X(OVERSIZED, 22, "a record that is too long")                                             \
	X(TOO_SHORT, 20, "a record that is too short for its tag")                                \
	X(BAD_TAG, 20, "a record that was not sealed with this key, or not at this place")        \
	X(EMPTY, 10, "a record of nothing but padding, or an alert or handshake without content") \
	X(WORN, 80, "the key has sealed as many records as it may")                               \
	X(EXHAUSTED, 80, "sequence numbers are used up")

enum tls_error {
#define TLS_ENUM(name, alert, text) TLS_##name,
	TLS_ERRORS(TLS_ENUM)
#undef TLS_ENUM
	    TLS_ERROR_COUNT
};

const char *tls_error_text(enum tls_error error);
/* The description of the alert that tells the other side; 0 where there is nothing to tell. */
uint8_t tls_error_alert(enum tls_error error);

/* What a worker seals and opens with: a connection's keys, and its own schedules. */
struct tls_side {
	struct tls_keys *keys;
	struct tls_schedules *schedules;
};

/* ---- sealing --------------------------------------------------------------------------------- */

struct tls_seal {
	const struct tls_piece *pieces; /* the content */
	uint16_t n_pieces;
	uint16_t padding; /* 1.3: so many zeros */
	uint8_t type;     /* enum tls_type */
	uint8_t *head;    /* room for tls_head_length bytes */
	uint8_t *tail;    /* ... for tls_tail_length + padding */
};

static inline uint32_t
tls_head_length(const struct tls_keys *keys)
{
	return keys->version == TLS_1_3 || keys->cipher == TLS_CHACHA20_POLY1305 ? TLS_HEADER
										 : TLS_HEAD_MAX;
}

static inline uint32_t
tls_tail_length(const struct tls_keys *keys)
{
	return keys->version == TLS_1_3 ? TLS_TAIL_MAX : TLS_TAG;
}

/* Seal one record. TLS_OK, TLS_OVERSIZED (content and padding together), TLS_WORN or TLS_EXHAUSTED;
 * after an error nothing has been written. */
enum tls_error tls_seal(const struct tls_side *side, const struct tls_seal *record);

/* ---- opening --------------------------------------------------------------------------------- */

struct tls_open {
	const struct tls_piece *pieces; /* from the record's first byte on; more may follow */
	uint16_t n_pieces;
	uint8_t type;   /* then: enum tls_type of the content, never TLS_CHANGE_CIPHER_SPEC */
	uint32_t whole; /* then: so many bytes is the record */
	uint32_t at;    /* then: the content begins with this byte of the pieces */
	uint32_t length;
};

/* How long the record is that begins like this, header included; 0 and an error if it cannot be a
 * good one. So nobody has to wait for bytes that are refused in any case. */
enum tls_error tls_header_check(const struct tls_keys *keys, const uint8_t header[TLS_HEADER],
				uint32_t *whole);

/* Open one record: all of its content has been written to the pieces' `to`, between record->at and
 * record->at + record->length. TLS_MORE: not all of it is there; nothing has been done. */
enum tls_error tls_open(const struct tls_side *side, struct tls_open *record);

#endif
