/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One AEAD over bytes that lie in pieces: AES-128-GCM, AES-256-GCM (NIST SP 800-38D) and
 * ChaCha20-Poly1305 (RFC 8439), with nonces of 12 bytes and tags of 16. What lib/tls/record stands
 * on; a record in one piece is one call of the engine.
 *
 * The caller owns everything; no allocation; any thread. Invariant: where the bytes are cut into
 * pieces changes nothing of what comes out.
 */
#ifndef LIB_TLS_AEAD_H
#define LIB_TLS_AEAD_H

#include <intel-ipsec-mb.h>

#include "lib/tls/piece.h"
#include "lib/tls/schedule.h"

struct tls_aead_input {
	const struct tls_keys *keys;
	const struct tls_schedule *schedule; /* NULL with ChaCha20-Poly1305 */
	uint8_t nonce[TLS_IV];
	uint8_t n_additional;
	const uint8_t *additional; /* sealed with it, but not in it */
};

struct tls_aead {
	const struct IMB_MGR *imb;
	const struct gcm_key_data *schedule;
	const uint8_t *key;
	uint8_t cipher; /* enum tls_cipher */
	bool seals;     /* else it opens */
	union {
		struct gcm_context_data gcm;
		struct chacha20_poly1305_context_data chacha;
	} context;
};

/* Then either tls_aead_whole or, in steps, _begin, _over for each piece, _end. */
void tls_aead_start(struct tls_aead *a, const struct tls_engine *engine,
		    const struct tls_aead_input *in, bool seals);

/* All of it lies in one piece. */
void tls_aead_whole(struct tls_aead *a, const struct tls_aead_input *in, const struct tls_piece *p,
		    uint8_t tag[TLS_TAG]);

void tls_aead_begin(struct tls_aead *a, const struct tls_aead_input *in);
void tls_aead_over(struct tls_aead *a, const struct tls_piece *p);
/* The tag that these bytes have, or ought to have. */
void tls_aead_end(struct tls_aead *a, uint8_t tag[TLS_TAG]);

/* In a time that does not depend on where they differ. */
bool tls_same_tag(const uint8_t a[TLS_TAG], const uint8_t b[TLS_TAG]);

#endif
