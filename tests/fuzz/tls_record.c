/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as records of TLS: where they are cut changes nothing of the outcome, and what no key
 * has sealed is never good. Any bytes as what is inside a sealed record of TLS 1.3: type, content
 * and padding are told apart as RFC 8446 5.4 says. Any bytes as content: they come back.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/tls/aead.h"
#include "lib/tls/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_HERE 4096
#define PIECES        64

struct world {
	struct tls_engine engine;
	struct tls_keys keys[2][TLS_CIPHERS];
	struct tls_slot slots[4];
	struct tls_schedules schedules;
};

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static struct world *
world(void)
{
	static struct world w;
	int i, j;

	if (w.engine.imb)
		return &w;
	must(tls_engine_open(&w.engine) == 0);
	w.schedules = tls_schedules_of(&w.engine, w.slots, 4);
	for (i = 0; i < 2; i++) {
		for (j = 0; j < TLS_CIPHERS; j++) {
			struct tls_keys *k = &w.keys[i][j];

			memset(k->secret, 0x11 * (1 + i + 2 * j), sizeof(k->secret));
			k->cipher = (uint8_t)j;
			tls_keys_from_secret(k, &w.engine);
			k->version = i ? TLS_1_3 : TLS_1_2;
		}
	}
	return &w;
}

/* Pieces of these bytes, each in memory of its own so that a step beyond is seen; their lengths
 * come from `cuts`. */
struct pieces {
	struct tls_piece piece[PIECES];
	uint16_t n;
};

static void
make_pieces(struct pieces *p, const uint8_t *bytes, size_t size, const uint8_t cuts[2])
{
	size_t at = 0, n;
	int i;

	for (p->n = 0; at < size || p->n == 0; at += n, p->n++) {
		i = p->n;
		n = cuts[i % 2] & 1 ? cuts[i % 2] : 7u * cuts[i % 2];
		if (n > size - at || i == PIECES - 1)
			n = size - at;
		p->piece[i].to = malloc(n + !n);
		p->piece[i].from = p->piece[i].to;
		p->piece[i].length = (uint32_t)n;
		memcpy(p->piece[i].to, bytes + at, n);
	}
}

static void
free_pieces(struct pieces *p)
{
	while (p->n > 0)
		free(p->piece[--p->n].to);
}

static void
gather(const struct pieces *p, uint8_t *out)
{
	int i;

	for (i = 0; i < p->n; out += p->piece[i++].length)
		memcpy(out, p->piece[i].to, p->piece[i].length);
}

struct opened {
	enum tls_error error;
	struct tls_open open;
};

/* Open in pieces and in one; both agree. */
static struct opened
open_both(const struct tls_side *side, const uint8_t *bytes, size_t size, const uint8_t cuts[2],
	  uint8_t *content)
{
	static uint8_t copy[SIZE_MAX_HERE + 64];
	struct tls_keys keys = *side->keys;
	struct tls_side again = *side;
	struct tls_piece one = { copy, copy, (uint32_t)size };
	struct tls_open whole = { .pieces = &one, .n_pieces = 1 }, cut = { 0 };
	enum tls_error error;
	struct pieces p;

	make_pieces(&p, bytes, size, cuts);
	memcpy(copy, bytes, size);
	cut.pieces = p.piece;
	cut.n_pieces = p.n;
	again.keys = &keys;
	error = tls_open(side, &whole);
	must(tls_open(&again, &cut) == error && keys.sequence == side->keys->sequence);
	gather(&p, content);
	if (error == TLS_OK) {
		must(cut.type == whole.type && cut.at == whole.at && cut.length == whole.length);
		must(memcmp(content + cut.at, copy + cut.at, cut.length) == 0);
		memmove(content, content + cut.at, cut.length);
	}
	free_pieces(&p);
	return (struct opened){ error, whole };
}

/* RFC 8446 5.4, from the beginning to the end. */
static void
check_inner(const struct tls_side *side, const uint8_t *inner, size_t size, const uint8_t cuts[2])
{
	static uint8_t record[SIZE_MAX_HERE + 64], content[SIZE_MAX_HERE + 64];
	struct tls_aead_input in = { .keys = side->keys };
	struct tls_piece p = { inner, record + TLS_HEADER, (uint32_t)size };
	uint8_t type = 0;
	struct tls_aead a;
	struct opened o;
	size_t length = 0, i;

	for (i = 0; i < size; i++) {
		if (inner[i] != 0) {
			type = inner[i];
			length = i;
		}
	}
	side->keys->sequence = 0;
	record[0] = TLS_APPLICATION_DATA;
	record[1] = record[2] = 3;
	record[3] = (uint8_t)((size + TLS_TAG) >> 8);
	record[4] = (uint8_t)(size + TLS_TAG);
	in.additional = record;
	in.n_additional = TLS_HEADER;
	memcpy(in.nonce, side->keys->iv, TLS_IV);
	in.schedule = tls_schedules_get(side->schedules, side->keys);
	tls_aead_start(&a, side->schedules->engine, &in, true);
	tls_aead_whole(&a, &in, &p, record + TLS_HEADER + size);
	o = open_both(side, record, TLS_HEADER + size + TLS_TAG, cuts, content);
	if (size == 0)
		must(o.error == TLS_TOO_SHORT);
	else if (type == 0 || (length == 0 && (type == TLS_ALERT || type == TLS_HANDSHAKE)))
		must(o.error == TLS_EMPTY);
	else if (type < TLS_ALERT || type > TLS_APPLICATION_DATA)
		must(o.error == TLS_BAD_TYPE);
	else
		must(o.error == TLS_OK && o.open.type == type && o.open.length == length &&
		     memcmp(content, inner, length) == 0);
}

static void
check_round(const struct tls_side *side, const uint8_t *plain, size_t size, const uint8_t cuts[2])
{
	static uint8_t record[SIZE_MAX_HERE + 64], content[SIZE_MAX_HERE + 64];
	uint8_t tail[TLS_TAIL_MAX];
	uint32_t head = tls_head_length(side->keys), n_tail = tls_tail_length(side->keys);
	struct tls_seal s = { .type = TLS_APPLICATION_DATA, .head = record, .tail = tail };
	struct pieces p;
	struct opened o;

	make_pieces(&p, plain, size, cuts);
	s.pieces = p.piece;
	s.n_pieces = p.n;
	side->keys->sequence = 5;
	must(tls_seal(side, &s) == TLS_OK && side->keys->sequence == 6);
	gather(&p, record + head);
	memcpy(record + head + size, tail, n_tail);
	free_pieces(&p);
	side->keys->sequence = 5;
	o = open_both(side, record, head + size + n_tail, cuts, content);
	must(o.error == TLS_OK && o.open.type == TLS_APPLICATION_DATA && o.open.length == size);
	must(memcmp(content, plain, size) == 0 && o.open.whole == head + size + n_tail);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t content[SIZE_MAX_HERE + 64];
	struct world *w = world();
	struct tls_keys keys;
	struct tls_side side = { &keys, &w->schedules };
	struct opened o;
	int version, cipher;

	if (size < 3 || size > SIZE_MAX_HERE)
		return 0;
	version = data[0] & 1;
	cipher = (data[0] >> 1) % TLS_CIPHERS;
	keys = w->keys[version][cipher];
	keys.sequence = 0;
	o = open_both(&side, data + 3, size - 3, data + 1, content);
	must(o.error != TLS_OK && o.error < TLS_ERROR_COUNT && keys.sequence == 0);
	if (version)
		check_inner(&side, data + 3, size - 3, data + 1);
	check_round(&side, data + 3, size - 3, data + 1);
	return 0;
}
