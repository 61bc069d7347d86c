/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tls/aead.h"

#include <string.h>

void
tls_aead_start(struct tls_aead *a, const struct tls_engine *engine, const struct tls_aead_input *in,
	       bool seals)
{
	a->imb = engine->imb;
	a->schedule = (const struct gcm_key_data *)in->schedule;
	a->key = in->keys->key;
	a->cipher = in->keys->cipher;
	a->seals = seals;
}

void
tls_aead_whole(struct tls_aead *a, const struct tls_aead_input *in, const struct tls_piece *p,
	       uint8_t tag[TLS_TAG])
{
	const struct IMB_MGR *m = a->imb;
	aes_gcm_enc_dec_t call;

	switch (a->cipher) {
	case TLS_AES_128_GCM:
		call = a->seals ? m->gcm128_enc : m->gcm128_dec;
		break;
	case TLS_AES_256_GCM:
		call = a->seals ? m->gcm256_enc : m->gcm256_dec;
		break;
	default:
		tls_aead_begin(a, in);
		tls_aead_over(a, p);
		tls_aead_end(a, tag);
		return;
	}
	call(a->schedule, &a->context.gcm, p->to, p->from, p->length, in->nonce, in->additional,
	     in->n_additional, tag, TLS_TAG);
}

void
tls_aead_begin(struct tls_aead *a, const struct tls_aead_input *in)
{
	const struct IMB_MGR *m = a->imb;

	switch (a->cipher) {
	case TLS_AES_128_GCM:
		m->gcm128_init(a->schedule, &a->context.gcm, in->nonce, in->additional,
			       in->n_additional);
		break;
	case TLS_AES_256_GCM:
		m->gcm256_init(a->schedule, &a->context.gcm, in->nonce, in->additional,
			       in->n_additional);
		break;
	default:
		m->chacha20_poly1305_init(a->key, &a->context.chacha, in->nonce, in->additional,
					  in->n_additional);
	}
}

void
tls_aead_over(struct tls_aead *a, const struct tls_piece *p)
{
	const struct IMB_MGR *m = a->imb;

	if (p->length == 0)
		return;
	switch (a->cipher) {
	case TLS_AES_128_GCM:
		(a->seals ? m->gcm128_enc_update : m->gcm128_dec_update)(
		    a->schedule, &a->context.gcm, p->to, p->from, p->length);
		break;
	case TLS_AES_256_GCM:
		(a->seals ? m->gcm256_enc_update : m->gcm256_dec_update)(
		    a->schedule, &a->context.gcm, p->to, p->from, p->length);
		break;
	default:
		(a->seals ? m->chacha20_poly1305_enc_update : m->chacha20_poly1305_dec_update)(
		    a->key, &a->context.chacha, p->to, p->from, p->length);
	}
}

void
tls_aead_end(struct tls_aead *a, uint8_t tag[TLS_TAG])
{
	const struct IMB_MGR *m = a->imb;

	switch (a->cipher) {
	case TLS_AES_128_GCM:
		(a->seals ? m->gcm128_enc_finalize
			  : m->gcm128_dec_finalize)(a->schedule, &a->context.gcm, tag, TLS_TAG);
		break;
	case TLS_AES_256_GCM:
		(a->seals ? m->gcm256_enc_finalize
			  : m->gcm256_dec_finalize)(a->schedule, &a->context.gcm, tag, TLS_TAG);
		break;
	default:
		m->chacha20_poly1305_finalize(&a->context.chacha, tag, TLS_TAG);
	}
}

bool
tls_same_tag(const uint8_t a[TLS_TAG], const uint8_t b[TLS_TAG])
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}
