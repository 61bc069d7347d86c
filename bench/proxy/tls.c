/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/proxy/tls.h"

#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "bench/common/world.h"
#include "bench/proxy/peers.h"
#include "cp/tls/client.h"
#include "cp/tls/handshake.h"
#include "lib/tls/record.h"

#define SLOTS 2048 /* more than a worker has: what is measured is the worker */

struct tls_end {
	struct tls_handshake *handshake; /* NULL: not begun, or done */
	struct tls_keys send, receive;
	struct text said;
	uint8_t bytes[SEGMENT_V6]; /* of it */
	uint8_t *held;             /* the beginning of a record, NULL: nothing has come in pieces */
	uint32_t n_held;
};

struct tls_peers {
	struct tls_engine engine;
	struct tls_slot *slots;
	struct tls_schedules schedules;
	struct tls_client *client;
	struct tls_end *peers;
	uint8_t hello[SEGMENT_V6];
	struct text rush; /* the hello, length 0: not made yet */
};

void
tls_peers_init(struct peers *p)
{
	const struct tls_client_settings settings = {
		.minimum = TLS_1_3,
		.maximum = TLS_1_3,
		.ciphers = { TLS_AES_128_GCM },
		.n_ciphers = 1,
		.server_name = "h0.example",
	};
	struct tls_peers *t = calloc(1, sizeof(*t));
	char why[200];

	if (!t || tls_engine_open(&t->engine) < 0)
		world_fail("no memory, or no AES instructions");
	t->slots = aligned_alloc(64, SLOTS * sizeof(*t->slots));
	t->peers = calloc(p->n_clients, sizeof(*t->peers));
	t->client = tls_client_create(&settings, why, sizeof(why));
	if (!t->slots || !t->peers || !t->client)
		world_fail("no memory for TLS");
	memset(t->slots, 0, SLOTS * sizeof(*t->slots));
	t->schedules = tls_schedules_of(&t->engine, t->slots, SLOTS);
	p->frames.dirty = sizeof(t->peers->bytes);
	p->tls = t;
}

/* ---- handshakes ------------------------------------------------------------------------------ */

/* NULL: nothing. */
static const struct text *
say(struct tls_end *peer, struct tls_bytes bytes)
{
	if (!bytes.length)
		return NULL;
	if (bytes.length > sizeof(peer->bytes))
		world_fail("too long a message of a handshake");
	memcpy(peer->bytes, bytes.at, bytes.length);
	text_init(&peer->said, peer->bytes, (uint16_t)bytes.length);
	return &peer->said;
}

static void
hold(struct tls_end *peer, const uint8_t *bytes, uint32_t n)
{
	if (!peer->held)
		peer->held = malloc(TLS_RECORD_MAX);
	if (!peer->held || peer->n_held + n > TLS_RECORD_MAX)
		world_fail("no memory, or too long a record");
	memcpy(peer->held + peer->n_held, bytes, n);
	peer->n_held += n;
}

/* What the handshake has not used is records. */
static void
finish(struct tls_end *peer, struct tls_bytes rest)
{
	const struct tls_handover *result = tls_handshake_result(peer->handshake);

	peer->send = result->send;
	peer->receive = result->receive;
	tls_handshake_free(peer->handshake);
	peer->handshake = NULL;
	if (rest.length)
		hold(peer, rest.at, (uint32_t)rest.length);
}

static const struct text *
step(struct tls_end *peer, struct tls_bytes in, bool *done)
{
	const struct text *out;
	size_t used;
	enum tls_step outcome = tls_handshake_step(peer->handshake, in, &used);

	if (outcome == TLS_STEP_FAILED)
		world_fail("a handshake fails: %s",
			   tls_cause_text(tls_handshake_cause(peer->handshake)));
	out = say(peer, tls_handshake_output(peer->handshake));
	*done = outcome == TLS_STEP_DONE;
	if (*done)
		finish(peer, (struct tls_bytes){ in.at + used, in.length - used });
	return out;
}

const struct text *
tls_peer_begin(struct peers *p, uint32_t i)
{
	struct tls_end *peer = &p->tls->peers[i];
	bool done;

	peer->n_held = 0;
	peer->handshake = tls_handshake_new_client(p->tls->client, &p->tls->engine);
	if (!peer->handshake)
		world_fail("no memory for a handshake");
	return step(peer, (struct tls_bytes){ NULL, 0 }, &done);
}

const struct text *
tls_peer_rush(struct peers *p, uint32_t i)
{
	struct tls_peers *t = p->tls;
	const struct text *first;

	if (!t->rush.length) {
		first = tls_peer_begin(p, i);
		memcpy(t->hello, first->bytes, first->length);
		text_init(&t->rush, t->hello, first->length);
		tls_handshake_free(t->peers[i].handshake);
		t->peers[i].handshake = NULL;
	}
	t->peers[i].said = t->rush;
	return &t->rush;
}

const struct text *
tls_peer_shake(struct peers *p, uint32_t i, const struct segment *s, bool *done)
{
	return step(&p->tls->peers[i], (struct tls_bytes){ s->bytes, s->data }, done);
}

/* ---- records --------------------------------------------------------------------------------- */

const struct text *
tls_peer_say(struct peers *p, uint32_t i, const struct text *message)
{
	struct tls_end *peer = &p->tls->peers[i];
	uint32_t head = tls_head_length(&peer->send), tail = tls_tail_length(&peer->send);
	const struct tls_side side = { &peer->send, &p->tls->schedules };
	const struct tls_piece piece = { message->bytes, peer->bytes + head, message->length };
	const struct tls_seal record = {
		.pieces = &piece,
		.n_pieces = 1,
		.type = TLS_APPLICATION_DATA,
		.head = peer->bytes,
		.tail = peer->bytes + head + message->length,
	};

	if (head + message->length + tail > sizeof(peer->bytes) ||
	    tls_seal(&side, &record) != TLS_OK)
		world_fail("a message cannot be sealed");
	text_init(&peer->said, peer->bytes, (uint16_t)(head + message->length + tail));
	return &peer->said;
}

const struct text *
tls_peer_said(const struct peers *p, uint32_t i)
{
	return &p->tls->peers[i].said;
}

/* A whole record, opened in its place; its length. */
static uint32_t
open_record(struct peers *p, uint32_t i, uint8_t *bytes, uint32_t n, enum http_answer *answer)
{
	struct tls_end *peer = &p->tls->peers[i];
	const struct tls_side side = { &peer->receive, &p->tls->schedules };
	const struct tls_piece piece = { bytes, bytes, n };
	struct tls_open record = { .pieces = &piece, .n_pieces = 1 };
	struct segment content = { .flags = 0 };
	enum tls_error error = tls_open(&side, &record);

	if (error == TLS_MORE)
		return 0;
	if (error != TLS_OK ||
	    (record.type != TLS_APPLICATION_DATA && record.type != TLS_HANDSHAKE /* a ticket */)) {
		p->count.wrong++;
		*answer = HTTP_ANSWER_WRONG;
		return n;
	}
	content.bytes = bytes + record.at;
	content.data = (uint16_t)record.length;
	if (record.type == TLS_APPLICATION_DATA)
		*answer = http_answer_take(p, &p->clients[i], &content);
	return record.whole;
}

/* Records that are whole, at the beginning of n bytes; how many bytes they have. */
static uint32_t
open_all(struct peers *p, uint32_t i, uint8_t *bytes, uint32_t n, enum http_answer *answer)
{
	uint32_t at = 0, whole;

	while (at < n) {
		whole = open_record(p, i, bytes + at, n - at, answer);
		if (!whole)
			break;
		at += whole;
	}
	return at;
}

enum http_answer
tls_peer_take(struct peers *p, uint32_t i, const struct segment *s)
{
	struct tls_end *peer = &p->tls->peers[i];
	enum http_answer answer = HTTP_ANSWER_MORE;
	uint8_t *bytes = (uint8_t *)(uintptr_t)s->bytes; /* of a buffer that is ours */
	uint32_t used;

	if (!peer->n_held) {
		used = open_all(p, i, bytes, s->data, &answer);
		if (used < s->data)
			hold(peer, bytes + used, s->data - used);
		return answer;
	}
	hold(peer, bytes, s->data);
	used = open_all(p, i, peer->held, peer->n_held, &answer);
	peer->n_held -= used;
	memmove(peer->held, peer->held + used, peer->n_held);
	return answer;
}
