/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as those of a TLS client, in pieces; or a client of mbedTLS whose bytes are changed on
 * their way in a few places. The handshake ends in one of three ways, and only keys of an
 * undisturbed one come out: what the client then sends is understood. The server resumes without a
 * key exchange: a client with a session may ask for that, and any bytes may seem to.
 */
#include <stdlib.h>
#include <string.h>

#include "cp/tls/handshake.h"
#include "lib/tls/record.h"
#include "tests/unit/tls_mbed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
	if (!condition)
		abort();
}

struct world {
	struct tls_engine engine;
	struct tls_server *server;
	mbedtls_ssl_session session; /* of TLS 1.3 with this server */
};

/* One handshake, after which the client has read the ticket. */
static void
get_session(struct world *w)
{
	struct tls_handshake *h = tls_handshake_new(w->server, &w->engine);
	enum tls_step outcome = TLS_STEP_MORE;
	static struct tls_mbed c;
	struct tls_bytes out;
	uint8_t nothing[1];
	size_t used;
	int code, reads = 0;

	must(h != NULL);
	tls_mbed_begin(&c, TLS_1_3, 0);
	mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
	    &c.config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
	while (outcome == TLS_STEP_MORE) {
		tls_mbed_shake(&c);
		outcome = tls_handshake_step(h, (struct tls_bytes){ c.out, c.n_out }, &used);
		c.n_out = 0;
		out = tls_handshake_output(h);
		tls_mbed_hear(&c, out.at, out.length);
	}
	must(outcome == TLS_STEP_DONE);
	/* Of what is a ticket mbedTLS says first that it is to be read on. */
	do {
		code = mbedtls_ssl_read(&c.ssl, nothing, sizeof(nothing));
	} while (code == MBEDTLS_ERR_SSL_WANT_READ && ++reads < 4);
	must(code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
	mbedtls_ssl_session_init(&w->session);
	must(mbedtls_ssl_get_session(&c.ssl, &w->session) == 0);
	tls_handshake_free(h);
	tls_mbed_end(&c);
}

static struct world *
world(void)
{
	static struct world w;
	struct tls_pair pair;
	struct tls_server_settings s = { .n_pairs = 1,
					 .minimum = TLS_1_2,
					 .maximum = TLS_1_3,
					 .ticket_lifetime = 86400,
					 .tickets = 2,
					 .without_exchange = true };
	char error[200];

	if (w.server)
		return &w;
	must(tls_engine_open(&w.engine) == 0);
	pair = tls_mbed_pair();
	s.pairs = &pair;
	w.server = tls_server_create(&s, error, sizeof(error));
	must(w.server != NULL);
	get_session(&w);
	return &w;
}

static enum tls_step
step(struct tls_handshake *h, const uint8_t *bytes, size_t length, size_t *used)
{
	static const struct tls_keys wiped;
	uint8_t *copy = malloc(length + !length);
	const struct tls_handover *r = tls_handshake_result(h);
	enum tls_step outcome;

	memcpy(copy, bytes, length);
	outcome = tls_handshake_step(h, (struct tls_bytes){ copy, length }, used);
	free(copy);
	must(*used <= length && (outcome != TLS_STEP_MORE || *used == length));
	must((outcome == TLS_STEP_FAILED) == (tls_handshake_cause(h) != TLS_CAUSE_NONE));
	if (outcome != TLS_STEP_DONE)
		must(memcmp(&r->receive, &wiped, sizeof(wiped)) == 0 &&
		     memcmp(&r->send, &wiped, sizeof(wiped)) == 0);
	return outcome;
}

static void
raw(struct world *w, size_t piece, const uint8_t *data, size_t size)
{
	struct tls_handshake *h = tls_handshake_new(w->server, &w->engine);
	enum tls_step outcome = TLS_STEP_MORE;
	size_t at, n, used;

	must(h != NULL);
	for (at = 0; at < size && outcome == TLS_STEP_MORE; at += n) {
		n = size - at < piece ? size - at : piece;
		outcome = step(h, data + at, n, &used);
		must(outcome != TLS_STEP_DONE);
	}
	tls_handshake_free(h);
}

/* After the handshake the client's next record is good, whatever happened on the way. */
static void
check_keys(struct world *w, struct tls_mbed *c, const struct tls_handover *r)
{
	struct tls_slot slot = { 0 };
	struct tls_schedules schedules = tls_schedules_of(&w->engine, &slot, 1);
	struct tls_keys keys = r->receive;
	struct tls_side side = { &keys, &schedules };
	struct tls_piece piece = { c->out, c->out, 0 };
	struct tls_open open = { .pieces = &piece, .n_pieces = 1 };

	if (tls_mbed_shake(c) != 0 || mbedtls_ssl_write(&c->ssl, (const uint8_t *)"x", 1) != 1)
		return;
	piece.length = (uint32_t)c->n_out;
	must(tls_open(&side, &open) == TLS_OK && open.length == 1);
}

/* Bits of what it is: TLS 1.3, and a session that is resumed. */
#define RESUMED 3

/* Each edit: in which turn, at which byte, what it is exclusive-or'ed with. */
static void
edited(struct world *w, uint8_t kind, const uint8_t *edits, size_t size)
{
	struct tls_handshake *h = tls_handshake_new(w->server, &w->engine);
	static struct tls_mbed c;
	enum tls_step outcome = TLS_STEP_MORE;
	struct tls_bytes out;
	size_t used, i, at;
	uint8_t turn;

	must(h != NULL);
	tls_mbed_begin(&c, kind & 1 ? TLS_1_3 : TLS_1_2, 0);
	if ((kind & RESUMED) == RESUMED)
		must(mbedtls_ssl_set_session(&c.ssl, &w->session) == 0);
	for (turn = 0; turn < 6 && outcome == TLS_STEP_MORE; turn++) {
		tls_mbed_shake(&c);
		for (i = 0; i + 4 <= size; i += 4) {
			at = (size_t)edits[i + 1] << 8 | edits[i + 2];
			if (edits[i] % 3 == turn && c.n_out > 0)
				c.out[at % c.n_out] ^= edits[i + 3];
		}
		outcome = step(h, c.out, c.n_out, &used);
		c.n_out = 0;
		out = tls_handshake_output(h);
		tls_mbed_hear(&c, out.at, out.length);
	}
	must(size >= 4 || outcome == TLS_STEP_DONE);
	must(size >= 4 || tls_handshake_result(h)->resumed == ((kind & RESUMED) == RESUMED));
	if (outcome == TLS_STEP_DONE)
		check_keys(w, &c, tls_handshake_result(h));
	tls_handshake_free(h);
	tls_mbed_end(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = world();

	if (size < 1)
		return 0;
	if (data[0] & 0x80)
		edited(w, data[0], data + 1, size > 33 ? 32 : size - 1);
	else
		raw(w, 1u + data[0] * 13u, data + 1, size - 1);
	return 0;
}
