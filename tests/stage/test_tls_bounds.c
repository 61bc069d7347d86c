/* SPDX-License-Identifier: Apache-2.0 */
/* Records of streams as they are on the wire: how long they are, which of them nobody looks at, and
 * how many of them are sealed with the same keys. */
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/tls/internal.h"
#include "suites.h"
#include "tls_world.h"

static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };

/* A client that has shaken hands, and talked a little; from here on the wire is tapped. */
static struct tls_world *
tapped(int version, const char *suite)
{
	struct tls_world_plan plan = { .version = version, .suite = suite };
	struct tls_world *w;

	plan.wire.seed = (uint64_t)version;
	w = tls_world_create(&plan);
	tls_world_open(w);
	CU_ASSERT_FATAL(tls_world_shake(w));
	CU_ASSERT_FATAL(tls_world_talk(w, 1, 0));
	w->tap = BIO_new(BIO_s_mem());
	CU_ASSERT_FATAL(w->tap != NULL);
	return w;
}

static void
untap(struct tls_world *w)
{
	BIO_free(w->tap);
	w->tap = NULL;
}

/* The client goes, and nothing is left. */
static void
leave(struct tls_world *w)
{
	tcp_abort(w->wire.peers[CLIENT].tcp, w->ends[CLIENT].handle);
	tls_world_steps(w, 40000);
	untap(w);
	tls_world_destroy(w);
}

static struct tls_stream *
only_stream(const struct tls_world *w)
{
	struct tls *t = proxy_tls(worker_proxy(w->f->worker));
	uint32_t i;

	for (i = 0; i < t->fresh; i++)
		if (t->streams[i].state == TLS_STREAM_OPEN)
			return &t->streams[i];
	CU_FAIL_FATAL("no stream");
	return NULL;
}

/* The next record of the tap, whole; 0: there is none. */
static uint32_t
next_record(const struct tls_world *w, uint8_t record[TLS_RECORD_MAX])
{
	uint32_t length;
	int n;

	if (BIO_read(w->tap, record, TLS_HEADER) != TLS_HEADER)
		return 0;
	length = (uint32_t)record[3] << 8 | record[4];
	CU_ASSERT_FATAL(TLS_HEADER + length <= TLS_RECORD_MAX);
	n = BIO_read(w->tap, record + TLS_HEADER, (int)length);
	return n == (int)length ? TLS_HEADER + length : 0;
}

/* ---- how long they are ----------------------------------------------------------------------- */

#define BUFFERS 60

/* So many bytes, in a chain of buffers of 1,400. */
static struct rte_mbuf *
chain_of(uint32_t n)
{
	static const uint8_t bytes[1400];
	struct rte_mbuf *chain = NULL, *m;

	for (; n; n--) {
		m = fixture_mbuf(bytes, sizeof(bytes));
		CU_ASSERT_FATAL(m != NULL);
		m->next = chain;
		m->nb_segs = chain ? (uint16_t)(chain->nb_segs + 1) : 1;
		m->pkt_len = (chain ? chain->pkt_len : 0) + (uint32_t)sizeof(bytes);
		chain = m;
	}
	return chain;
}

/* A connection's first 64 KB go in records of 1,400 bytes, the others in records of up to 16 KB, of
 * as many whole buffers as go in there. */
static void
test_sizes(void)
{
	uint8_t record[TLS_RECORD_MAX];
	size_t i;

	for (i = 0; i < 2; i++) {
		struct tls_world *w = tapped(versions[i], NULL);
		struct tls_stream *s = only_stream(w);
		struct tls *t = proxy_tls(worker_proxy(w->f->worker));
		uint32_t around = tls_head_length(&s->send) + tls_tail_length(&s->send);
		uint32_t n, small = 65536 / 1400 + 1;

		w->silent = true;
		CU_ASSERT_EQUAL(tls_stream_send(t, tls_handle(t, s), chain_of(BUFFERS)), 0);
		tls_world_steps(w, 1000);
		for (n = 0; n < small; n++)
			CU_ASSERT_EQUAL(next_record(w, record), 1400 + around);
		CU_ASSERT_EQUAL(next_record(w, record), 16384 / 1400 * 1400 + around);
		n += 16384 / 1400;
		CU_ASSERT_EQUAL(next_record(w, record), (BUFFERS - n) * 1400 + around);
		CU_ASSERT_EQUAL(next_record(w, record), 0);
		tcp_abort(w->wire.peers[CLIENT].tcp, w->ends[CLIENT].handle);
		tls_world_steps(w, 40000);
		untap(w);
		tls_world_destroy(w);
	}
}

/* ---- behind the last word -------------------------------------------------------------------- */

/* Records behind close_notify, in its segment and in others: nobody opens them, the window gets
 * them back, and the other end may still talk. */
static void
test_behind_notify(void)
{
	static const uint8_t record[] = { 23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8,
					  9,  9, 9, 9, 9,  9, 9, 9, 9, 9, 9, 9 };
	size_t i;

	for (i = 0; i < 2; i++) {
		struct tls_world *w = tapped(versions[i], NULL);
		uint64_t opened = tls_world_counters(w)->records_in;
		uint8_t bytes[256];
		int n;

		SSL_shutdown(w->ssl);
		n = BIO_read(w->out, bytes, sizeof(bytes) - sizeof(record));
		CU_ASSERT_FATAL(n > 0);
		memcpy(bytes + n, record, sizeof(record));
		w->ends[SERVER].says.n += 50000;
		tls_world_say(w, bytes, (size_t)n + sizeof(record));
		tls_world_say(w, record, sizeof(record));
		tls_world_steps(w, 20);
		tls_world_say(w, record, sizeof(record));
		tls_world_steps(w, 200);
		CU_ASSERT_EQUAL(tls_world_counters(w)->records_in, opened);
		CU_ASSERT_EQUAL(tls_world_counters(w)->records_bad, 0);
		CU_ASSERT_EQUAL(tls_world_unread(w), 0);
		CU_ASSERT_EQUAL(w->ends[SERVER].heard, 1);
		CU_ASSERT(w->ends[SERVER].half_closed && !w->failed);
		CU_ASSERT(w->ends[CLIENT].heard > 0 && !w->ends[CLIENT].wrong);
		untap(w);
		CU_ASSERT(tls_world_close(w));
		tls_world_destroy(w);
	}
}

/* ---- how many of them ------------------------------------------------------------------------ */

#define BEFORE 5 /* records that the keys may still seal before they are worn */

/* What the tap has, opened with these keys, which are brought up to date where a record says so. */
struct opened {
	uint32_t records, updates, notifies, bad;
	uint32_t before_update; /* records */
	size_t content;
};

static void
count(struct opened *o, const struct tls_open *open, const uint8_t *content)
{
	bool asks;

	if (open->type == TLS_APPLICATION_DATA) {
		o->content += open->length;
	} else if (open->type == TLS_ALERT) {
		o->notifies += open->length == 2 && content[1] == 0;
	} else if (tls_key_update_read(content, open->length, &asks)) {
		o->before_update = o->records;
		o->updates++;
	}
	o->records++;
}

static struct opened
open_tap(struct tls_world *w, struct tls_keys keys)
{
	struct tls_slot slot = { 0 };
	struct tls_schedules schedules = tls_schedules_of(&w->engine, &slot, 1);
	struct tls_side side = { &keys, &schedules };
	struct opened o = { 0 };
	uint8_t record[TLS_RECORD_MAX];
	uint32_t n;

	while ((n = next_record(w, record)) > 0) {
		struct tls_piece piece = { record, record, (uint16_t)n };
		struct tls_open open = { .pieces = &piece, .n_pieces = 1 };
		uint32_t updates = o.updates;

		if (tls_open(&side, &open) != TLS_OK) {
			o.bad++;
			break;
		}
		count(&o, &open, record + open.at);
		if (o.updates == updates)
			continue;
		tls_schedules_forget(&schedules, &keys);
		tls_keys_update(&keys, &w->engine);
	}
	return o;
}

/* The keys are as good as worn; whoever speaks TLS does not know, and only listens. */
static struct tls_keys
wear(struct tls_world *w)
{
	struct tls_stream *s = only_stream(w);

	w->silent = true;
	s->send.sequence = TLS_GCM_RECORDS_SOON - BEFORE;
	return s->send;
}

/* In 1.3 new keys come by themselves, before the next content is sealed, once. */
static void
test_worn_13(void)
{
	struct tls_world *w = tapped(TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256");
	struct tls_keys keys = wear(w);
	struct opened o;

	w->ends[SERVER].says.n += 50000;
	tls_world_steps(w, 300);
	o = open_tap(w, keys);
	CU_ASSERT_EQUAL(o.bad, 0);
	CU_ASSERT_EQUAL(o.content, 50000);
	CU_ASSERT_EQUAL(o.updates, 1);
	CU_ASSERT(o.before_update >= BEFORE && o.before_update < o.records - 1);
	CU_ASSERT_EQUAL(tls_world_counters(w)->key_updates_out, 1);
	CU_ASSERT_FALSE(w->ends[SERVER].closed);
	leave(w);
}

/* In 1.2 there are none: what was taken is still sealed, then comes the last word. */
static void
test_worn_12(void)
{
	struct tls_world *w = tapped(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256");
	struct tls_keys keys = wear(w);
	struct opened o;

	w->ends[SERVER].says.n += 3000000;
	tls_world_steps(w, 300);
	o = open_tap(w, keys);
	CU_ASSERT_EQUAL(o.bad, 0);
	CU_ASSERT(o.content > BEFORE * 1400 && o.content < 3000000);
	CU_ASSERT_EQUAL(o.updates, 0);
	CU_ASSERT_EQUAL(o.notifies, 1);
	CU_ASSERT(w->ends[SERVER].closed && w->ends[SERVER].cause == TCP_CLOSED_RESET);
	CU_ASSERT(w->ends[CLIENT].half_closed);
	leave(w);
}

/* ChaCha20-Poly1305 has no such bound. */
static void
test_not_worn(void)
{
	struct tls_world *w = tapped(TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256");
	struct tls_keys keys = wear(w);
	struct opened o;

	w->ends[SERVER].says.n += 50000;
	tls_world_steps(w, 300);
	o = open_tap(w, keys);
	CU_ASSERT_EQUAL(o.bad + o.updates, 0);
	CU_ASSERT_EQUAL(o.content, 50000);
	leave(w);
}

int
test_tls_bounds_register(void)
{
	CU_TestInfo tests[] = {
		{ "small records first", test_sizes },
		{ "records behind close_notify", test_behind_notify },
		{ "keys that are worn, in 1.3", test_worn_13 },
		{ "keys that are worn, in 1.2", test_worn_12 },
		{ "keys that do not wear", test_not_worn },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "tls bounds", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
