/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/handshake.h"

#include <stdlib.h>
#include <string.h>

#include "cp/tls/cause.h"
#include "cp/tls/choice.h"
#include "cp/tls/client.h"
#include "cp/tls/peer.h"
#include "cp/tls/watch.h"
#include "lib/tls/hello.h"

#define ALERT          2 /* level and description */
#define SEALED_ALERT   (TLS_HEADER + ALERT + TLS_TAIL_MAX)
#define FINISHED_LEAST (TLS_HEADER + 4 + 32 + TLS_TAIL_MAX)

/* What mbedTLS lets out while the handshake goes on. */
struct exported {
	bool has_client, has_server, has_master;
	uint8_t client[TLS_SECRET_MAX], server[TLS_SECRET_MAX]; /* 1.3: what each sends with */
	struct tls_master master;                               /* 1.2 */
};

struct tls_handshake {
	const struct tls_engine *engine;
	mbedtls_ssl_context ssl;
	bool is_open;   /* there is an ssl */
	bool is_client; /* we are */
	bool verifies;  /* a certificate that comes is verified */
	uint8_t step;   /* enum tls_step */
	uint8_t cause;
	int code;
	bool no_extended_secret;

	const uint8_t *in; /* during a step */
	size_t n_in;
	size_t total_in;
	uint8_t *out;
	size_t n_out, room,
	    watched; /* of out, so many bytes are whole records that were looked at */

	struct tls_asked asked; /* of a client */
	struct tls_watch watch;
	struct tls_input input;
	struct exported exported;
	struct tls_handover result;
};

/* ---- what mbedTLS calls ---------------------------------------------------------------------- */

/* TLS 1.2 without extended master secret: not a step further. */
static bool
lacks_secret(struct tls_handshake *h)
{
	h->no_extended_secret = h->watch.hello && !h->watch.is_13 && !h->watch.extended_secret;
	return h->no_extended_secret;
}

static int
on_read(void *context, unsigned char *to, size_t length)
{
	struct tls_handshake *h = context;
	size_t n = length < h->n_in ? length : h->n_in;

	if (n == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(to, h->in, n);
	tls_watch_input(&h->input, h->in, n);
	tls_asked_add(&h->asked, h->in, n);
	h->in += n;
	h->n_in -= n;
	if (h->is_client && lacks_secret(h))
		return MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE;
	/* What a server sends behind the client's last bytes, its Finished, are tickets. */
	h->watch.protected_records = 0;
	return (int)n;
}

/* A server's records that are whole by now. False: they shall not leave. */
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
		if (lacks_secret(h))
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
	if (h->is_client || look_at_output(h))
		return (int)length;
	h->n_out = h->watched;
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
		memcpy(e->client, secret, length);
		e->has_client = true;
		break;
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET:
		memcpy(e->server, secret, length);
		e->has_server = true;
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

/* False: mbedTLS agreed on something that we do not have, or do not want. */
static bool
make_result(struct tls_handshake *h)
{
	const char *protocol = mbedtls_ssl_get_alpn_protocol(&h->ssl);
	struct tls_handover *r = &h->result;
	struct tls_keys *client = h->is_client ? &r->send : &r->receive,
			*server = h->is_client ? &r->receive : &r->send;
	struct exported *e = &h->exported;
	enum tls_cipher cipher;

	if (!cipher_of(mbedtls_ssl_get_ciphersuite_id_from_ssl(&h->ssl), &cipher))
		return false;
	if (mbedtls_ssl_get_version_number(&h->ssl) == MBEDTLS_SSL_VERSION_TLS1_3) {
		if (!e->has_client || !e->has_server)
			return false;
		make_keys(client, h, cipher, e->client);
		make_keys(server, h, cipher, e->server);
		/* A client's Finished was made with other keys, and it sends no tickets. */
		if (!h->is_client)
			server->sequence = h->watch.protected_records;
	} else {
		h->no_extended_secret = !h->watch.extended_secret;
		if (!e->has_master || h->no_extended_secret)
			return false;
		e->master.cipher = cipher;
		tls_keys_from_master(client, server, &e->master, h->engine);
	}
	r->resumed = !h->is_client && tls_watch_resumed(&h->watch);
	tls_peer_describe(&r->peer, mbedtls_ssl_get_peer_cert(&h->ssl));
	/* A ticket says that somebody's authorities were content once, perhaps not ours. */
	r->peer.verified = r->peer.has_certificate && h->verifies && !r->resumed &&
			   mbedtls_ssl_get_verify_result(&h->ssl) == 0;
	if (protocol) {
		r->n_protocol = (uint8_t)strnlen(protocol, TLS_PROTOCOL_MAX);
		memcpy(r->protocol, protocol, r->n_protocol);
	}
	return true;
}

/* Of a client we see signatures and its Finished after the secrets of the application are known, of
 * a server in 1.3 before, when its hello has been, in 1.2 after. */
static bool
is_proof(const struct tls_handshake *h)
{
	return h->exported.has_master || (h->watch.is_13 && h->exported.has_client != h->is_client);
}

static enum tls_cause
cause_of(const struct tls_handshake *h)
{
	const struct tls_failure f = { .code = h->code,
				       .flags = mbedtls_ssl_get_verify_result(&h->ssl),
				       .is_client = h->is_client,
				       .hello = h->watch.hello,
				       .proven = is_proof(h),
				       .no_extended_secret = h->no_extended_secret,
				       .alert_last = h->input.header[0] == TLS_ALERT,
				       .alert = h->input.alert };

	return tls_cause_of(&f);
}

/* mbedTLS's memory, and secrets that are in the keys by now. */
static void
give_back(struct tls_handshake *h)
{
	if (h->is_open)
		mbedtls_ssl_free(&h->ssl);
	h->is_open = false;
	tls_asked_forget(&h->asked);
	explicit_bzero(&h->exported, sizeof(h->exported));
}

static void
append(struct tls_handshake *h, const uint8_t *bytes, size_t length)
{
	if (!make_room(h, length))
		return;
	memcpy(h->out + h->n_out, bytes, length);
	h->n_out += length;
}

/* ... with the keys of the application, which a server sends with behind its Finished. */
static void
seal_alert(struct tls_handshake *h, const uint8_t alert[ALERT])
{
	struct tls_slot slot = { 0 };
	struct tls_schedules schedules = tls_schedules_of(h->engine, &slot, 1);
	struct tls_keys keys = { 0 };
	struct tls_side side = { &keys, &schedules };
	uint8_t record[SEALED_ALERT];
	struct tls_piece piece = { alert, record + TLS_HEADER, ALERT };
	struct tls_seal seal = { &piece, 1, 0, TLS_ALERT, record, record + TLS_HEADER + ALERT };
	enum tls_cipher cipher;

	if (!cipher_of(h->watch.suite, &cipher))
		return;
	make_keys(&keys, h, cipher, h->exported.server);
	/* Tickets may have gone before it. */
	keys.sequence = h->watch.protected_records;
	if (tls_seal(&side, &seal) == TLS_OK)
		append(h, record, sizeof(record));
	explicit_bzero(&slot, sizeof(slot));
	tls_keys_wipe(&keys);
}

/* Where the last of the step's records begins; n_out: there is none. */
static size_t
last_record(const struct tls_handshake *h)
{
	size_t last = h->n_out, at, length;

	for (at = 0; h->n_out - at >= TLS_HEADER; at += length) {
		last = at;
		length = TLS_HEADER + ((size_t)h->out[at + 3] << 8 | h->out[at + 4]);
		if (length >= h->n_out - at)
			break;
	}
	return last;
}

/* A sealed one is shorter than any Finished. */
static bool
is_alert(const struct tls_handshake *h, size_t at)
{
	return at < h->n_out && (h->out[at] == TLS_ALERT || (h->out[at] == TLS_APPLICATION_DATA &&
							     h->n_out - at < FINISHED_LEAST));
}

/* mbedTLS has sealed its own with the keys of the handshake, which the client does not open with
 * any more. */
static void
drop_alert(struct tls_handshake *h)
{
	size_t last = last_record(h);

	if (!is_alert(h, last) || h->out[last] != TLS_APPLICATION_DATA)
		return;
	h->n_out = last;
	h->watch.protected_records -= h->watch.protected_records > 0;
}

/* mbedTLS does not send an alert with every failure. */
static void
send_alert(struct tls_handshake *h)
{
	uint8_t description =
	    tls_alert_of((enum tls_cause)h->cause, h->code, mbedtls_ssl_get_verify_result(&h->ssl));
	const uint8_t record[] = { TLS_ALERT, 3, 3, 0, ALERT, 2, description };
	bool is_sealed = !h->is_client && h->exported.has_server;

	if (is_sealed)
		drop_alert(h);
	if (description == 0)
		return;
	if (is_sealed)
		seal_alert(h, record + TLS_HEADER);
	else if (!is_alert(h, last_record(h)))
		append(h, record, sizeof(record));
}

static enum tls_step
fail(struct tls_handshake *h, enum tls_cause cause)
{
	h->cause = (uint8_t)cause;
	h->step = TLS_STEP_FAILED;
	send_alert(h);
	give_back(h);
	tls_keys_wipe(&h->result.receive);
	tls_keys_wipe(&h->result.send);
	return TLS_STEP_FAILED;
}

/* ---- step by step ---------------------------------------------------------------------------- */

static bool
open_ssl(struct tls_handshake *h, const mbedtls_ssl_config *config)
{
	h->is_open = true;
	mbedtls_ssl_init(&h->ssl);
	if (mbedtls_ssl_setup(&h->ssl, config) != 0)
		return false;
	mbedtls_ssl_set_bio(&h->ssl, h, on_write, on_read, NULL);
	mbedtls_ssl_set_export_keys_cb(&h->ssl, on_secret, h);
	mbedtls_ssl_set_user_data_p(&h->ssl, &h->asked);
	return true;
}

static struct tls_handshake *
make(const mbedtls_ssl_config *config, const struct tls_engine *engine)
{
	struct tls_handshake *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->engine = engine;
	h->verifies = true;
	if (open_ssl(h, config))
		return h;
	tls_handshake_free(h);
	return NULL;
}

struct tls_handshake *
tls_handshake_new(struct tls_server *server, const struct tls_engine *engine)
{
	struct tls_handshake *h = make(&server->config, engine);

	if (!h)
		return NULL;
	h->asked.server = server;
	h->asked.name = &h->result.name;
	return h;
}

struct tls_handshake *
tls_handshake_new_client(struct tls_client *client, const struct tls_engine *engine)
{
	struct tls_handshake *h = make(&client->config, engine);

	if (!h)
		return NULL;
	h->is_client = true;
	h->asked.over = true;
	h->verifies = client->verify;
	h->input.watch = &h->watch;
	if (tls_client_name(client, &h->ssl) == 0)
		return h;
	tls_handshake_free(h);
	return NULL;
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

static int
run(struct tls_handshake *h, struct tls_bytes in)
{
	if (!h->is_open)
		return MBEDTLS_ERR_SSL_ALLOC_FAILED;
	h->in = in.at;
	h->n_in = in.length;
	return mbedtls_ssl_handshake(&h->ssl);
}

/* Does a client that begins offer to resume a session without a key exchange, and may it? It may
 * come in pieces: then it is as if it did not. */
static bool
is_alone(const struct tls_handshake *h, struct tls_bytes in)
{
	const struct tls_server *server = h->asked.server;
	struct tls_hello hello;
	uint8_t room[TLS_HELLO_BYTES];

	return server && server->has_alone && h->total_in == 0 &&
	       tls_hello_parse(&hello, in.at, in.length, room) == TLS_HELLO_DONE && hello.psk &&
	       hello.psk_alone && tls_hello_supports(&hello, TLS_1_3);
}

/* As if nothing had come. */
static void
begin_again(struct tls_handshake *h, const mbedtls_ssl_config *config)
{
	struct tls_asked asked = { .server = h->asked.server, .name = h->asked.name };

	give_back(h);
	h->n_out = h->watched = 0;
	h->no_extended_secret = false;
	h->asked = asked;
	h->watch = (struct tls_watch){ 0 };
	h->input = (struct tls_input){ 0 };
	h->result.name = (struct tls_name){ 0 };
	if (!open_ssl(h, config))
		give_back(h);
}

/* False, and nothing has been done: the ticket is not good any more, say. */
static bool
run_alone(struct tls_handshake *h, struct tls_bytes in)
{
	if (!is_alone(h, in))
		return false;
	begin_again(h, &h->asked.server->alone);
	h->code = run(h, in);
	if (h->code == MBEDTLS_ERR_SSL_WANT_READ && h->watch.psk)
		return true;
	begin_again(h, &h->asked.server->config);
	return false;
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

	if (!run_alone(h, in))
		h->code = run(h, in);
	*used = in.length - h->n_in;
	h->total_in += *used;
	h->in = NULL;
	h->n_in = 0;
	if (h->code == MBEDTLS_ERR_SSL_WANT_READ)
		return TLS_STEP_MORE;
	if (h->code != 0)
		return fail(h, cause_of(h));
	if (!make_result(h))
		return fail(h, h->no_extended_secret ? TLS_CAUSE_NO_EXTENDED_SECRET
						     : TLS_CAUSE_INTERNAL);
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
