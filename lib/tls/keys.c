/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tls/keys.h"

#include <intel-ipsec-mb.h>
#include <string.h>

uint32_t
tls_key_length(enum tls_cipher cipher)
{
	return cipher == TLS_AES_128_GCM ? 16 : 32;
}

uint32_t
tls_secret_length(enum tls_cipher cipher)
{
	return cipher == TLS_AES_256_GCM ? 48 : 32;
}

/* ---- HMAC, HKDF, PRF ------------------------------------------------------------------------- */

#define BLOCK_MAX 128 /* of SHA-384 */

static uint32_t
block_length(enum tls_cipher cipher)
{
	return cipher == TLS_AES_256_GCM ? 128 : 64;
}

static void
hash(const struct tls_engine *engine, enum tls_cipher cipher, struct tls_bytes in, uint8_t *out)
{
	if (cipher == TLS_AES_256_GCM)
		IMB_SHA384(engine->imb, in.at, in.length, out);
	else
		IMB_SHA256(engine->imb, in.at, in.length, out);
}

/* Messages are short, so each hash is of one piece. */
void
tls_hmac(const struct tls_engine *engine, enum tls_cipher cipher, struct tls_bytes key,
	 struct tls_bytes message, uint8_t *out)
{
	uint32_t block = block_length(cipher), digest = tls_secret_length(cipher), i;
	uint8_t text[BLOCK_MAX + TLS_HMAC_MESSAGE_MAX];

	memset(text, 0x36, block);
	for (i = 0; i < key.length; i++)
		text[i] ^= key.at[i];
	memcpy(text + block, message.at, message.length);
	hash(engine, cipher, (struct tls_bytes){ text, block + message.length }, out);

	for (i = 0; i < block; i++)
		text[i] ^= 0x36 ^ 0x5c;
	memcpy(text + block, out, digest);
	hash(engine, cipher, (struct tls_bytes){ text, block + digest }, out);
	explicit_bzero(text, sizeof(text));
}

void
tls_expand_label(const struct tls_engine *engine, enum tls_cipher cipher, const uint8_t *secret,
		 const char *label, struct tls_room out)
{
	struct tls_bytes key = { secret, tls_secret_length(cipher) };
	uint8_t info[64], digest[TLS_SECRET_MAX];
	size_t length = strlen(label), n = 0;

	info[n++] = (uint8_t)(out.length >> 8);
	info[n++] = (uint8_t)out.length;
	info[n++] = (uint8_t)(6 + length);
	memcpy(info + n, "tls13 ", 6);
	memcpy(info + n + 6, label, length);
	n += 6 + length;
	info[n++] = 0; /* no context */
	info[n++] = 1; /* T(1) of HKDF-Expand, RFC 5869 2.3: more is never needed */
	tls_hmac(engine, cipher, key, (struct tls_bytes){ info, n }, digest);
	memcpy(out.at, digest, out.length);
	explicit_bzero(digest, sizeof(digest));
}

#define KEY_BLOCK_MAX (2 * TLS_KEY_MAX + 2 * TLS_IV)

/* PRF(master secret, "key expansion", server random + client random), RFC 5246 5 and 6.3. */
static void
key_block(const struct tls_master *master, const struct tls_engine *engine, struct tls_room out)
{
	static const char label[13] = "key expansion";
	uint32_t digest = tls_secret_length(master->cipher);
	struct tls_bytes key = { master->secret, TLS_SECRET_MAX };
	uint8_t text[TLS_SECRET_MAX + sizeof(label) + 2 * TLS_RANDOM]; /* A(i) and the seed */
	uint8_t *seed = text + digest, piece[TLS_SECRET_MAX];
	size_t seed_length = sizeof(label) + 2 * TLS_RANDOM, done, n;

	memcpy(seed, label, sizeof(label));
	memcpy(seed + sizeof(label), master->server_random, TLS_RANDOM);
	memcpy(seed + sizeof(label) + TLS_RANDOM, master->client_random, TLS_RANDOM);
	tls_hmac(engine, master->cipher, key, (struct tls_bytes){ seed, seed_length }, text);
	for (done = 0; done < out.length; done += n) {
		tls_hmac(engine, master->cipher, key,
			 (struct tls_bytes){ text, digest + seed_length }, piece);
		n = out.length - done < digest ? out.length - done : digest;
		memcpy(out.at + done, piece, n);
		tls_hmac(engine, master->cipher, key, (struct tls_bytes){ text, digest }, piece);
		memcpy(text, piece, digest);
	}
	explicit_bzero(text, sizeof(text));
	explicit_bzero(piece, sizeof(piece));
}

/* ---- a connection's keys --------------------------------------------------------------------- */

void
tls_keys_from_secret(struct tls_keys *keys, const struct tls_engine *engine)
{
	enum tls_cipher cipher = (enum tls_cipher)keys->cipher;

	keys->version = TLS_1_3;
	keys->sequence = 0;
	tls_expand_label(engine, cipher, keys->secret, "key",
			 (struct tls_room){ keys->key, tls_key_length(cipher) });
	tls_expand_label(engine, cipher, keys->secret, "iv", (struct tls_room){ keys->iv, TLS_IV });
}

void
tls_keys_update(struct tls_keys *keys, const struct tls_engine *engine)
{
	enum tls_cipher cipher = (enum tls_cipher)keys->cipher;
	uint8_t next[TLS_SECRET_MAX] = { 0 };

	tls_expand_label(engine, cipher, keys->secret, "traffic upd",
			 (struct tls_room){ next, tls_secret_length(cipher) });
	memcpy(keys->secret, next, sizeof(next));
	explicit_bzero(next, sizeof(next));
	tls_keys_from_secret(keys, engine);
	keys->generation++;
}

void
tls_keys_from_master(struct tls_keys *client, struct tls_keys *server,
		     const struct tls_master *master, const struct tls_engine *engine)
{
	/* RFC 5288 3: 4 bytes of a nonce are secret, 8 stand in the record. RFC 7905 2: all 12. */
	uint32_t iv = master->cipher == TLS_CHACHA20_POLY1305 ? TLS_IV : 4;
	uint32_t key = tls_key_length(master->cipher);
	struct tls_keys *both[2] = { client, server };
	uint8_t block[KEY_BLOCK_MAX];
	uint32_t i;

	key_block(master, engine, (struct tls_room){ block, 2 * (key + iv) });
	for (i = 0; i < 2; i++) {
		*both[i] = (struct tls_keys){
			.sequence = 1,
			.version = TLS_1_2,
			.cipher = (uint8_t)master->cipher,
		};
		memcpy(both[i]->key, block + i * key, key);
		memcpy(both[i]->iv, block + 2 * key + i * iv, iv);
	}
	explicit_bzero(block, sizeof(block));
}

void
tls_key_update_write(uint8_t out[TLS_KEY_UPDATE], bool asks)
{
	static const uint8_t message[TLS_KEY_UPDATE] = { 24, 0, 0, 1, 0 };

	memcpy(out, message, TLS_KEY_UPDATE);
	out[4] = asks;
}

bool
tls_key_update_read(const uint8_t *content, size_t length, bool *asks)
{
	uint8_t wanted[TLS_KEY_UPDATE];

	tls_key_update_write(wanted, false);
	if (length != TLS_KEY_UPDATE || memcmp(content, wanted, 4) != 0 || content[4] > 1)
		return false;
	*asks = content[4];
	return true;
}

void
tls_keys_wipe(struct tls_keys *keys)
{
	explicit_bzero(keys, sizeof(*keys));
}
