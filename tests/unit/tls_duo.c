/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tls_duo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s failed\n", what);
	exit(1);
}

struct tls_client *
tls_duo_client(const struct tls_client_settings *settings)
{
	char error[200] = "";
	struct tls_client *client = tls_client_create(settings, error, sizeof(error));

	must(client != NULL, error);
	return client;
}

void
tls_duo_begin(struct tls_duo *duo, struct tls_client *client, struct tls_server *server, size_t cut)
{
	memset(duo, 0, sizeof(*duo));
	duo->cut = cut;
	duo->client.handshake = tls_handshake_new_client(client, tls_test_engine());
	must(duo->client.handshake != NULL, "a handshake");
	if (!server)
		return;
	duo->server.handshake = tls_handshake_new(server, tls_test_engine());
	must(duo->server.handshake != NULL, "a handshake");
}

void
tls_duo_begin_mbed(struct tls_duo *duo, struct tls_client *client, struct tls_mbed *mbed,
		   size_t cut)
{
	tls_duo_begin(duo, client, NULL, cut);
	duo->mbed = mbed;
}

void
tls_duo_end(struct tls_duo *duo)
{
	tls_handshake_free(duo->client.handshake);
	tls_handshake_free(duo->server.handshake);
}

/* ---- the handshake --------------------------------------------------------------------------- */

static void
give(struct tls_party *to, const uint8_t *bytes, size_t length)
{
	must(length <= sizeof(to->in) - to->n_in, "room");
	if (length == 0)
		return;
	memcpy(to->in + to->n_in, bytes, length);
	to->n_in += length;
}

static void
take(struct tls_party *p, size_t n)
{
	p->n_in -= n;
	memmove(p->in, p->in + n, p->n_in);
}

static void
remember(struct tls_party *p, struct tls_bytes out)
{
	size_t n = out.length < sizeof(p->said) ? out.length : sizeof(p->said);

	if (n == 0)
		return;
	memcpy(p->said, out.at + out.length - n, n);
	p->n_said = n;
}

static void
take_over(struct tls_party *p)
{
	p->receive.keys = tls_handshake_result(p->handshake)->receive;
	p->send.keys = tls_handshake_result(p->handshake)->send;
	tls_end_link(&p->receive);
	tls_end_link(&p->send);
}

bool
tls_duo_step(struct tls_duo *duo, struct tls_party *p)
{
	struct tls_party *other = p == &duo->client ? &duo->server : &duo->client;
	size_t n = p->n_in < duo->cut ? p->n_in : duo->cut, used;
	struct tls_bytes out;

	if (p->step != TLS_STEP_MORE)
		return false;
	p->step = tls_handshake_step(p->handshake, (struct tls_bytes){ p->in, n }, &used);
	must(p->step == TLS_STEP_MORE ? used == n : used <= n, "using the bytes");
	take(p, used);
	out = tls_handshake_output(p->handshake);
	remember(p, out);
	if (duo->mbed)
		tls_mbed_hear(duo->mbed, out.at, out.length);
	else
		give(other, out.at, out.length);
	if (p->step == TLS_STEP_DONE)
		take_over(p);
	return used > 0 || out.length > 0 || p->step != TLS_STEP_MORE;
}

static bool
step_mbed(struct tls_duo *duo)
{
	bool says;

	/* Otherwise it would read what comes behind the client's Finished. */
	if (!mbedtls_ssl_is_handshake_over(&duo->mbed->ssl))
		tls_mbed_shake(duo->mbed);
	says = duo->mbed->n_out > 0;
	give(&duo->client, duo->mbed->out, duo->mbed->n_out);
	duo->mbed->n_out = 0;
	return says;
}

enum tls_step
tls_duo_shake(struct tls_duo *duo)
{
	bool more = true;

	while (more) {
		more = tls_duo_step(duo, &duo->client);
		more |= duo->mbed ? step_mbed(duo) : tls_duo_step(duo, &duo->server);
	}
	return duo->client.step;
}

/* ---- records --------------------------------------------------------------------------------- */

struct tls_opened
tls_duo_receive(struct tls_party *p)
{
	size_t n = p->n_in < sizeof(p->record) ? p->n_in : sizeof(p->record);
	struct tls_opened o;

	memcpy(p->record, p->in, n);
	o = tls_end_open(&p->receive, p->record, n);
	if (o.error == TLS_OK)
		take(p, o.whole);
	return o;
}

void
tls_duo_send(struct tls_party *from, struct tls_party *to, uint8_t type, const char *text)
{
	static uint8_t record[TLS_RECORD_MAX];
	size_t n = tls_end_seal(&from->send, type, text, strlen(text), record);

	must(n > 0, "sealing");
	give(to, record, n);
}

static bool
hears(struct tls_party *p, const char *text)
{
	struct tls_opened o = tls_duo_receive(p);

	return o.error == TLS_OK && o.type == TLS_APPLICATION_DATA && o.length == strlen(text) &&
	       memcmp(o.content, text, o.length) == 0;
}

static bool
talk_to_mbed(struct tls_duo *duo)
{
	struct tls_mbed *m = duo->mbed;
	struct tls_party *c = &duo->client;
	uint8_t got[32];

	tls_duo_send(c, &duo->server, TLS_APPLICATION_DATA, "of the client");
	tls_mbed_hear(m, duo->server.in, duo->server.n_in);
	duo->server.n_in = 0;
	if (mbedtls_ssl_read(&m->ssl, got, sizeof(got)) != 13 ||
	    memcmp(got, "of the client", 13) != 0)
		return false;
	if (mbedtls_ssl_write(&m->ssl, (const uint8_t *)"of the server", 13) != 13)
		return false;
	give(c, m->out, m->n_out);
	m->n_out = 0;
	return hears(c, "of the server");
}

bool
tls_duo_talk(struct tls_duo *duo)
{
	int turn;

	for (turn = 0; turn < 3; turn++) {
		if (duo->mbed) {
			if (!talk_to_mbed(duo))
				return false;
			continue;
		}
		tls_duo_send(&duo->client, &duo->server, TLS_APPLICATION_DATA, "of the client");
		tls_duo_send(&duo->server, &duo->client, TLS_APPLICATION_DATA, "of the server");
		if (!hears(&duo->server, "of the client") || !hears(&duo->client, "of the server"))
			return false;
	}
	return duo->client.n_in == 0 && duo->server.n_in == 0;
}
