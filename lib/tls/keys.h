/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one direction of a TLS connection knows of its keys, after the handshake: 104 bytes. TLS 1.3
 * (RFC 8446) and 1.2 (RFC 5246 with RFC 7627), with the three AEADs that both have.
 *
 *     1.3   traffic secret ─┬─ "key", "iv" ─> key, iv          (7.3)
 *                           └─ "traffic upd" ─> the next one   (7.2)
 *     1.2   master secret, both randoms ─> key block ─> client's and server's key and iv  (6.3)
 *
 * What AES-GCM computes from a key is ten times as long, so it is not in here: lib/tls/schedule.
 *
 * The caller owns all of them, and a thread at a time uses them; no allocation, any thread.
 *
 * Invariant: no two records are sealed with the same key and sequence number; `sequence` only
 * grows, but for tls_keys_update, which brings a new key.
 */
#ifndef LIB_TLS_KEYS_H
#define LIB_TLS_KEYS_H

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/tls/engine.h"

enum tls_version {
	TLS_1_2 = 0x0303, /* as it stands in messages */
	TLS_1_3 = 0x0304,
};

/* With its hash, which is the same in both versions. */
enum tls_cipher {
	TLS_AES_128_GCM,       /* SHA-256 */
	TLS_AES_256_GCM,       /* SHA-384 */
	TLS_CHACHA20_POLY1305, /* SHA-256 */
	TLS_CIPHERS
};

#define TLS_KEY_MAX    32
#define TLS_SECRET_MAX 48
#define TLS_IV         12
#define TLS_TAG        16 /* of the AEADs */
#define TLS_RANDOM     32

struct tls_keys {
	uint64_t sequence;              /* of the next record */
	uint16_t version;               /* enum tls_version */
	uint8_t cipher;                 /* enum tls_cipher */
	uint8_t generation;             /* KeyUpdates, modulo 256 */
	uint8_t iv[TLS_IV];             /* 1.2 with AES-GCM: the 4 bytes that no record shows */
	uint8_t key[TLS_KEY_MAX];       /* behind that of AES-128: zeros */
	uint8_t secret[TLS_SECRET_MAX]; /* 1.3: the traffic secret, for the next keys */
};
static_assert(sizeof(struct tls_keys) == 104, "every connection has two of them");

/* How long they are. */
uint32_t tls_key_length(enum tls_cipher cipher);
uint32_t tls_secret_length(enum tls_cipher cipher);

/* ---- a connection's keys --------------------------------------------------------------------- */

/* TLS 1.3: the keys of the traffic secret that keys->secret has; keys->cipher says how long it is.
 * The sequence begins at 0. */
void tls_keys_from_secret(struct tls_keys *keys, const struct tls_engine *engine);

/* TLS 1.2: where both directions' keys come from. */
struct tls_master {
	enum tls_cipher cipher;
	uint8_t secret[TLS_SECRET_MAX];
	uint8_t client_random[TLS_RANDOM], server_random[TLS_RANDOM];
};
/* The sequences begin at 1: the handshake's Finished was number 0. */
void tls_keys_from_master(struct tls_keys *client, struct tls_keys *server,
			  const struct tls_master *master, const struct tls_engine *engine);

/* TLS 1.3: the next keys of this direction, when its KeyUpdate has been sent or has come. */
void tls_keys_update(struct tls_keys *keys, const struct tls_engine *engine);

/* The message (RFC 8446 4.6.3), which goes as a record of its own: whether it asks the other side
 * for new keys, too. */
#define TLS_KEY_UPDATE 5
void tls_key_update_write(uint8_t out[TLS_KEY_UPDATE], bool asks);
/* Are these bytes of handshake records a KeyUpdate, and nothing else? */
bool tls_key_update_read(const uint8_t *content, size_t length, bool *asks);

/* Nobody shall read them any more. */
void tls_keys_wipe(struct tls_keys *keys);

/* ---- how long a key may be used -------------------------------------------------------------- */

/* RFC 8446 5.5: 2^24.5 records with AES-GCM. No such bound with ChaCha20-Poly1305. */
#define TLS_GCM_RECORDS_MAX 23726566ULL
/* From here on the one who sends should bring new keys (1.3) or come to an end (1.2). */
#define TLS_GCM_RECORDS_SOON (1ULL << 24)

static inline bool
tls_keys_worn(const struct tls_keys *keys)
{
	return keys->cipher != TLS_CHACHA20_POLY1305 && keys->sequence >= TLS_GCM_RECORDS_SOON;
}

/* ---- what they are made with ----------------------------------------------------------------- */

struct tls_bytes {
	const uint8_t *at;
	size_t length;
};

struct tls_room {
	uint8_t *at;
	size_t length;
};

#define TLS_HMAC_MESSAGE_MAX 192

/* HMAC (RFC 2104) with the cipher's hash; key at most 64 bytes, message at most
 * TLS_HMAC_MESSAGE_MAX; out has tls_secret_length bytes. */
void tls_hmac(const struct tls_engine *engine, enum tls_cipher cipher, struct tls_bytes key,
	      struct tls_bytes message, uint8_t *out);

/* HKDF-Expand-Label(secret, label, "", out.length) of RFC 8446 7.1, without its prefix "tls13 ";
 * out.length at most that of the hash, label at most 32 characters. */
void tls_expand_label(const struct tls_engine *engine, enum tls_cipher cipher,
		      const uint8_t *secret, const char *label, struct tls_room out);

#endif
