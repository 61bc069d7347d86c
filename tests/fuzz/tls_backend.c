/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile backend towards our TLS client, by the first byte: any bytes in the place of a
 * server's, in pieces; or a server of mbedTLS whose bytes are changed on their way in a few places;
 * or a certificate. The handshake ends in one of three ways, and only keys of an undisturbed one
 * come out: both sides understand each other. What is told of a certificate is printable, and no
 * longer than it may be.
 */
#include <stdlib.h>
#include <string.h>

#include "cp/tls/client.h"
#include "cp/tls/handshake.h"
#include "cp/tls/peer.h"
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
	struct tls_pair pair;
	struct tls_client *client;
};

static struct world *
world(void)
{
	static struct world w;
	struct tls_client_settings s = { .server_name = "shop.example",
					 .verify = true,
					 .minimum = TLS_1_2,
					 .maximum = TLS_1_3 };
	char error[200];

	if (w.client)
		return &w;
	must(tls_engine_open(&w.engine) == 0);
	w.pair = tls_mbed_pair();
	s.ca = w.pair.certificate;
	w.client = tls_client_create(&s, error, sizeof(error));
	must(w.client != NULL);
	return &w;
}

/* What is not used is thrown away: the server has nothing to say behind its Finished. */
static enum tls_step
step(struct tls_handshake *h, const uint8_t *bytes, size_t length)
{
	static const struct tls_keys wiped;
	uint8_t *copy = malloc(length + !length);
	const struct tls_handover *r = tls_handshake_result(h);
	enum tls_step outcome;
	size_t used;

	if (length > 0)
		memcpy(copy, bytes, length);
	outcome = tls_handshake_step(h, (struct tls_bytes){ copy, length }, &used);
	free(copy);
	must(used <= length && (outcome != TLS_STEP_MORE || used == length));
	must((outcome == TLS_STEP_FAILED) == (tls_handshake_cause(h) != TLS_CAUSE_NONE));
	if (outcome != TLS_STEP_DONE)
		must(memcmp(&r->receive, &wiped, sizeof(wiped)) == 0 &&
		     memcmp(&r->send, &wiped, sizeof(wiped)) == 0 && !r->peer.verified);
	return outcome;
}

static struct tls_handshake *
begin(struct world *w)
{
	struct tls_handshake *h = tls_handshake_new_client(w->client, &w->engine);

	must(h != NULL && step(h, NULL, 0) == TLS_STEP_MORE);
	must(tls_handshake_output(h).length > 0);
	return h;
}

static void
raw(struct world *w, size_t piece, const uint8_t *data, size_t size)
{
	struct tls_handshake *h = begin(w);
	enum tls_step outcome = TLS_STEP_MORE;
	size_t at, n;

	for (at = 0; at < size && outcome == TLS_STEP_MORE; at += n) {
		n = size - at < piece ? size - at : piece;
		outcome = step(h, data + at, n);
		must(outcome != TLS_STEP_DONE);
	}
	tls_handshake_free(h);
}

static void
check_keys(struct world *w, struct tls_mbed *server, const struct tls_handover *r)
{
	struct tls_slot slot = { 0 };
	struct tls_schedules schedules = tls_schedules_of(&w->engine, &slot, 1);
	struct tls_keys receive = r->receive, send = r->send;
	struct tls_side in = { &receive, &schedules }, out = { &send, &schedules };
	uint8_t record[64] = { 0 }, got[4];
	uint32_t head = tls_head_length(&send);
	struct tls_piece said = { (const uint8_t *)"abc", record + head, 3 };
	struct tls_seal seal = { &said, 1, 0, TLS_APPLICATION_DATA, record, record + head + 3 };
	struct tls_piece heard = { server->out, server->out, 0 };
	struct tls_open open = { .pieces = &heard, .n_pieces = 1 };

	must(r->peer.verified && strcmp(r->peer.subject, "CN=shop.example") == 0);
	must(tls_mbed_shake(server) == 0);
	server->n_out = 0;
	must(tls_seal(&out, &seal) == TLS_OK);
	tls_mbed_hear(server, record, head + 3 + tls_tail_length(&send));
	must(mbedtls_ssl_read(&server->ssl, got, sizeof(got)) == 3 && memcmp(got, "abc", 3) == 0);
	must(mbedtls_ssl_write(&server->ssl, (const uint8_t *)"x", 1) == 1);
	heard.length = (uint32_t)server->n_out;
	must(tls_open(&in, &open) == TLS_OK && open.length == 1);
}

/* Each edit: in which turn, at which byte, what it is exclusive-or'ed with. */
static void
edited(struct world *w, enum tls_version version, const uint8_t *edits, size_t size)
{
	struct tls_handshake *h = begin(w);
	static struct tls_mbed server;
	enum tls_step outcome = TLS_STEP_MORE;
	struct tls_bytes out;
	size_t i, at;
	uint8_t turn;

	tls_mbed_serve(&server, &w->pair, version, 0);
	for (turn = 0; turn < 4 && outcome == TLS_STEP_MORE; turn++) {
		out = tls_handshake_output(h);
		tls_mbed_hear(&server, out.at, out.length);
		tls_mbed_shake(&server);
		for (i = 0; i + 4 <= size; i += 4) {
			at = (size_t)edits[i + 1] << 8 | edits[i + 2];
			if (edits[i] % 2 == turn && server.n_out > 0)
				server.out[at % server.n_out] ^= edits[i + 3];
		}
		outcome = step(h, server.out, server.n_out);
		server.n_out = 0;
	}
	must(size >= 4 || outcome == TLS_STEP_DONE);
	out = tls_handshake_output(h);
	tls_mbed_hear(&server, out.at, out.length);
	if (outcome == TLS_STEP_DONE)
		check_keys(w, &server, tls_handshake_result(h));
	tls_handshake_free(h);
	tls_mbed_end(&server);
}

/* ---- certificates ---------------------------------------------------------------------------- */

static void
check_text(const char *text, size_t size)
{
	size_t n = strnlen(text, size), i;

	must(n < size);
	for (i = 0; i < n; i++)
		must(text[i] >= ' ' && text[i] <= '~' && !strchr("\"\\;", text[i]));
	must(n == 0 || (text[0] != ' ' && text[n - 1] != ' '));
}

/* Commas only stand between names. */
static void
check_names(const struct tls_peer *peer, const mbedtls_x509_sequence *name)
{
	size_t commas = 0, names = 0, i;

	for (i = 0; peer->names[i]; i++)
		commas += peer->names[i] == ',';
	for (; name && name->buf.p; name = name->next)
		names++;
	must(peer->names[0] ? commas < names : commas == 0);
}

static void
certificate(const uint8_t *data, size_t size)
{
	mbedtls_x509_crt x;
	struct tls_peer peer;

	mbedtls_x509_crt_init(&x);
	if (mbedtls_x509_crt_parse_der(&x, data, size) == 0) {
		tls_peer_describe(&peer, &x);
		check_text(peer.subject, sizeof(peer.subject));
		check_text(peer.names, sizeof(peer.names));
		check_text(peer.serial, sizeof(peer.serial));
		check_names(&peer, &x.subject_alt_names);
		must(peer.has_certificate && !peer.verified);
	}
	mbedtls_x509_crt_free(&x);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = world();

	if (size < 1)
		return 0;
	if (data[0] & 0x80)
		edited(w, data[0] & 1 ? TLS_1_3 : TLS_1_2, data + 1, size > 33 ? 32 : size - 1);
	else if (data[0] & 0x40)
		certificate(data + 1, size - 1);
	else
		raw(w, 1u + data[0] * 13u, data + 1, size - 1);
	return 0;
}
