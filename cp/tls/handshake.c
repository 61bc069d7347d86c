/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/handshake.h"

#include <stdlib.h>
#include <string.h>

#include "cp/tls/watch.h"
#include "lib/tls/record.h"

/* What mbedTLS lets out while the handshake goes on. */
struct exported {
	bool has_receive, has_send, has_master;
	uint8_t receive[TLS_SECRET_MAX], send[TLS_SECRET_MAX]; /* 1.3 */
	struct tls_master master;                              /* 1.2 */
};

struct tls_handshake {
	const struct tls_engine *engine;
	mbedtls_ssl_context ssl;
	bool is_open; /* there is an ssl */
	uint8_t step; /* enum tls_step */
	uint8_t cause;
	int code;
	bool no_extended_secret;

	const uint8_t *in; /* during a step */
	size_t n_in;
	size_t total_in;
	uint8_t header[TLS_HEADER]; /* of the client's record that is being read */
	uint8_t n_header;
	size_t record_left; /* bytes of it that have not been read */
	uint8_t *out;
	size_t n_out, room,
	    watched; /* of out, so many bytes are whole records that were looked at */

	struct tls_watch watch;
	struct exported exported;
	struct tls_handover result;
};

/* ---- what mbedTLS calls ---------------------------------------------------------------------- */

/* Follow the client's records, to know of which kind the last one was. */
static void
look_at_input(struct tls_handshake *h, const uint8_t *p, size_t length)
{
	size_t n;

	for (; length > 0; p += n, length -= n) {
		n = length < h->record_left ? length : h->record_left;
		h->record_left -= n;
		if (n > 0)
			continue;
		n = 1;
		h->n_header %= TLS_HEADER;
		h->header[h->n_header++] = *p;
		if (h->n_header == TLS_HEADER)
			h->record_left = (size_t)h->header[3] << 8 | h->header[4];
	}
}

static int
on_read(void *context, unsigned char *to, size_t length)
{
	struct tls_handshake *h = context;
	size_t n = length < h->n_in ? length : h->n_in;

	if (n == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(to, h->in, n);
	look_at_input(h, h->in, n);
	h->in += n;
	h->n_in -= n;
	/* What is sent behind the client's last bytes, its Finished, are tickets. */
	h->watch.protected_records = 0;
	return (int)n;
}

/* Records that are whole by now. False: they shall not leave. */
static bool
look_at_output(struct tls_handshake *h)
{
	size_t length;

	while (h->n_out - h->watched >= TLS_HEADER) {
		const uint8_t *record = h->out + h->watched;

		length = TLS_HEADER + ((size_t)record[3] << 8 | record[4]);
		if (h->n_out - h->watched < length)
			break;
		tls_watch_record(&h->watch, record, length);
		if (h->watch.hello && !h->watch.is_13 && !h->watch.extended_secret)
			return false;
		h->watched += length;
	}
	return true;
}

static bool
make_room(struct tls_handshake *h, size_t length)
{
	size_t room = h->room ? h->room : 4096;
	uint8_t *more;

	while (room - h->n_out < length)
		room *= 2;
	if (room == h->room)
		return true;
	more = realloc(h->out, room);
	if (!more)
		return false;
	h->out = more;
	h->room = room;
	return true;
}

static int
on_write(void *context, const unsigned char *from, size_t length)
{
	struct tls_handshake *h = context;

	if (!make_room(h, length))
		return MBEDTLS_ERR_SSL_ALLOC_FAILED;
	memcpy(h->out + h->n_out, from, length);
	h->n_out += length;
	if (look_at_output(h))
		return (int)length;
	h->n_out = h->watched;
	h->no_extended_secret = true;
	return MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE;
}

static void
on_secret(void *context, mbedtls_ssl_key_export_type type, const unsigned char *secret,
	  size_t length, const unsigned char client_random[32],
	  const unsigned char server_random[32], mbedtls_tls_prf_types prf)
{
	struct exported *e = &((struct tls_handshake *)context)->exported;

	(void)prf; /* the cipher says which it is */
	if (length > TLS_SECRET_MAX)
		return;
	switch (type) {
	case MBEDTLS_SSL_KEY_EXPORT_TLS12_MASTER_SECRET:
		memcpy(e->master.secret, secret, length);
		memcpy(e->master.client_random, client_random, TLS_RANDOM);
		memcpy(e->master.server_random, server_random, TLS_RANDOM);
		e->has_master = length == TLS_SECRET_MAX;
		break;
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET:
		memcpy(e->receive, secret, length);
		e->has_receive = true;
		break;
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET:
		memcpy(e->send, secret, length);
		e->has_send = true;
		break;
	default:
		break;
	}
}

/* ---- the end --------------------------------------------------------------------------------- */

static bool
cipher_of(int suite, enum tls_cipher *cipher)
{
	switch (suite) {
	case MBEDTLS_TLS1_3_AES_128_GCM_SHA256:
	case MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:
	case MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:
		*cipher = TLS_AES_128_GCM;
		return true;
	case MBEDTLS_TLS1_3_AES_256_GCM_SHA384:
	case MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:
	case MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:
		*cipher = TLS_AES_256_GCM;
		return true;
	case MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256:
	case MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
	case MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:
		*cipher = TLS_CHACHA20_POLY1305;
		return true;
	default:
		return false;
	}
}

static void
make_keys(struct tls_keys *keys, const struct tls_handshake *h, enum tls_cipher cipher,
	  const uint8_t *secret)
{
	keys->cipher = (uint8_t)cipher;
	memcpy(keys->secret, secret, TLS_SECRET_MAX);
	tls_keys_from_secret(keys, h->engine);
}

/* False: mbedTLS agreed on something that we do not have. */
static bool
make_result(struct tls_handshake *h)
{
	const char *protocol = mbedtls_ssl_get_alpn_protocol(&h->ssl);
	struct tls_handover *r = &h->result;
	struct exported *e = &h->exported;
	enum tls_cipher cipher;

	if (!cipher_of(mbedtls_ssl_get_ciphersuite_id_from_ssl(&h->ssl), &cipher))
		return false;
	if (mbedtls_ssl_get_version_number(&h->ssl) == MBEDTLS_SSL_VERSION_TLS1_3) {
		if (!e->has_receive || !e->has_send)
			return false;
		make_keys(&r->receive, h, cipher, e->receive);
		make_keys(&r->send, h, cipher, e->send);
		r->send.sequence = h->watch.protected_records;
	} else {
		if (!e->has_master || !h->watch.extended_secret)
			return false;
		e->master.cipher = cipher;
		tls_keys_from_master(&r->receive, &r->send, &e->master, h->engine);
	}
	r->resumed = tls_watch_resumed(&h->watch);
	if (protocol) {
		r->n_protocol = (uint8_t)strnlen(protocol, TLS_PROTOCOL_MAX);
		memcpy(r->protocol, protocol, r->n_protocol);
	}
	return true;
}

static enum tls_cause
cause_of(const struct tls_handshake *h)
{
	switch (h->code) {
	case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
		return TLS_CAUSE_VERSION;
	case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
		return h->no_extended_secret ? TLS_CAUSE_NO_EXTENDED_SECRET
					     : TLS_CAUSE_NOTHING_SHARED;
	case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
		return TLS_CAUSE_NO_PROTOCOL;
	case MBEDTLS_ERR_SSL_DECODE_ERROR:
	case MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER:
	case MBEDTLS_ERR_SSL_INVALID_RECORD:
	case MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION:
		return TLS_CAUSE_MALFORMED;
	case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE:
	case MBEDTLS_ERR_SSL_UNEXPECTED_RECORD:
		return TLS_CAUSE_UNEXPECTED;
	case MBEDTLS_ERR_SSL_INVALID_MAC:
		/* Clients of 1.3 that do not like our certificate may say so without encryption,
		 * as they have not sent anything with it yet. */
		return h->header[0] == TLS_ALERT ? TLS_CAUSE_CLIENT_GAVE_UP
						 : TLS_CAUSE_NOT_AUTHENTIC;
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
	case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
		return TLS_CAUSE_CLIENT_GAVE_UP;
	case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
	case MBEDTLS_ERR_SSL_BAD_CERTIFICATE:
	case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
		return TLS_CAUSE_CLIENT_CERTIFICATE;
	case MBEDTLS_ERR_SSL_ALLOC_FAILED:
		return TLS_CAUSE_NO_MEMORY;
	default:
		return TLS_CAUSE_INTERNAL;
	}
}

/* mbedTLS's memory, and secrets that are in the keys by now. */
static void
give_back(struct tls_handshake *h)
{
	if (h->is_open)
		mbedtls_ssl_free(&h->ssl);
	h->is_open = false;
	explicit_bzero(&h->exported, sizeof(h->exported));
}

/* mbedTLS does not send an alert with every failure. */
static void
send_alert(struct tls_handshake *h)
{
	static const uint8_t alerts[] = {
#define TLS_CAUSE_ALERT(name, alert, text) alert,
		TLS_CAUSES(TLS_CAUSE_ALERT)
#undef TLS_CAUSE_ALERT
	};
	const uint8_t record[] = { TLS_ALERT, 3, 3, 0, 2, 2, alerts[h->cause] };

	if (alerts[h->cause] == 0 || !make_room(h, sizeof(record)))
		return;
	memcpy(h->out + h->n_out, record, sizeof(record));
	h->n_out += sizeof(record);
}

static enum tls_step
fail(struct tls_handshake *h, enum tls_cause cause)
{
	give_back(h);
	h->cause = (uint8_t)cause;
	h->step = TLS_STEP_FAILED;
	tls_keys_wipe(&h->result.receive);
	tls_keys_wipe(&h->result.send);
	if (h->n_out == 0)
		send_alert(h);
	return TLS_STEP_FAILED;
}

/* ---- step by step ---------------------------------------------------------------------------- */

struct tls_handshake *
tls_handshake_new(struct tls_server *server, const struct tls_engine *engine)
{
	struct tls_handshake *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->engine = engine;
	h->is_open = true;
	mbedtls_ssl_init(&h->ssl);
	if (mbedtls_ssl_setup(&h->ssl, &server->config) != 0) {
		tls_handshake_free(h);
		return NULL;
	}
	mbedtls_ssl_set_user_data_p(&h->ssl, &h->result.name);
	mbedtls_ssl_set_bio(&h->ssl, h, on_write, on_read, NULL);
	mbedtls_ssl_set_export_keys_cb(&h->ssl, on_secret, h);
	return h;
}

void
tls_handshake_free(struct tls_handshake *h)
{
	if (!h)
		return;
	give_back(h);
	free(h->out);
	explicit_bzero(h, sizeof(*h));
	free(h);
}

/* The first byte of all is that of a handshake record, or of an alert (RFC 8446 5.1). */
static bool
is_tls(const struct tls_handshake *h, struct tls_bytes in)
{
	return h->total_in > 0 || in.length == 0 || in.at[0] == TLS_HANDSHAKE ||
	       in.at[0] == TLS_ALERT;
}

enum tls_step
tls_handshake_step(struct tls_handshake *h, struct tls_bytes in, size_t *used)
{
	*used = 0;
	h->n_out = h->watched = 0;
	if (h->step != TLS_STEP_MORE)
		return (enum tls_step)h->step;
	if (!is_tls(h, in))
		return fail(h, TLS_CAUSE_NOT_TLS);
	if (h->total_in + in.length > TLS_HANDSHAKE_MAX)
		return fail(h, TLS_CAUSE_TOO_LONG);

	h->in = in.at;
	h->n_in = in.length;
	h->code = mbedtls_ssl_handshake(&h->ssl);
	*used = in.length - h->n_in;
	h->total_in += *used;
	h->in = NULL;
	h->n_in = 0;
	if (h->code == MBEDTLS_ERR_SSL_WANT_READ)
		return TLS_STEP_MORE;
	if (h->code != 0)
		return fail(h, cause_of(h));
	if (!make_result(h))
		return fail(h, TLS_CAUSE_INTERNAL);
	give_back(h);
	h->step = TLS_STEP_DONE;
	return TLS_STEP_DONE;
}

struct tls_bytes
tls_handshake_output(const struct tls_handshake *h)
{
	return (struct tls_bytes){ h->out, h->n_out };
}

enum tls_cause
tls_handshake_cause(const struct tls_handshake *h)
{
	return (enum tls_cause)h->cause;
}

int
tls_handshake_code(const struct tls_handshake *h)
{
	return h->code;
}

const struct tls_handover *
tls_handshake_result(const struct tls_handshake *h)
{
	return &h->result;
}
