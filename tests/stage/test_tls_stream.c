/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners that end TLS, and backends that are spoken to by TLS: streams between OpenSSL and an
 * end that knows nothing of it. */
#include <string.h>

#include <CUnit/CUnit.h>

#include "dp/l4/explain.h"
#include "dp/tls/internal.h"
#include "suites.h"
#include "tls_world.h"

static const struct tls_world_plan plans[] = {
	{ .version = TLS1_3_VERSION, .suite = "TLS_AES_128_GCM_SHA256" },
	{ .version = TLS1_3_VERSION, .suite = "TLS_AES_256_GCM_SHA384" },
	{ .version = TLS1_3_VERSION, .suite = "TLS_CHACHA20_POLY1305_SHA256" },
	{ .version = TLS1_2_VERSION, .suite = "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ .version = TLS1_2_VERSION, .suite = "ECDHE-ECDSA-AES256-GCM-SHA384" },
	{ .version = TLS1_2_VERSION, .suite = "ECDHE-ECDSA-CHACHA20-POLY1305" },
};
#define PLANS (sizeof(plans) / sizeof(plans[0]))

static struct tls_world *
world_of_role(int version, uint64_t seed, bool to_backend)
{
	struct tls_world_plan plan = { .version = version, .to_backend = to_backend };

	plan.wire.seed = seed;
	plan.wire.ip6 = seed & 1;
	plan.wire.segments = seed & 2;
	plan.wire.checksums = plan.wire.tso = plan.wire.segments && seed & 4;
	return tls_world_create(&plan);
}

static struct tls_world *
world(int version, uint64_t seed)
{
	return world_of_role(version, seed, false);
}

/* The one handshake by version, kind and cipher, and what it was for the thread. */
static void
check_counted(const struct tls_world *w, size_t plan, bool to_backend)
{
	const struct tls_counters *c = tls_world_counters(w);
	bool is_13 = plan < 3;
	struct tls_load load;

	CU_ASSERT(c->full_tls13 == (is_13 && !to_backend) &&
		  c->full_tls12 == (!is_13 && !to_backend));
	CU_ASSERT(c->backends_tls13 == (is_13 && to_backend) &&
		  c->backends_tls12 == (!is_13 && to_backend));
	CU_ASSERT(c->resumed_tls12 == 0 && c->resumed_tls13 == 0);
	CU_ASSERT(c->cipher_aes_128_gcm == (plan % 3 == 0) &&
		  c->cipher_aes_256_gcm == (plan % 3 == 1) &&
		  c->cipher_chacha20_poly1305 == (plan % 3 == 2));
	CU_ASSERT(proxy_tls_load(worker_proxy(w->f->worker), &load));
	CU_ASSERT(load.spent_ns > 0 && load.unanswered == 0 && load.active == 0);
}

/* Both ways, in one piece and in many, with every cipher, as the server and as the client. */
static void
test_talk(void)
{
	size_t i;

	for (i = 0; i < 2 * PLANS; i++) {
		struct tls_world_plan plan = plans[i % PLANS];
		struct tls_world *w;

		plan.to_backend = i >= PLANS;

		plan.wire.seed = i + 1;
		plan.wire.ip6 = i & 1;
		plan.wire.segments = i & 2;
		w = tls_world_create(&plan);
		tls_world_open(w);
		CU_ASSERT(tls_world_shake(w));
		CU_ASSERT(tls_world_talk(w, 1, 0));
		CU_ASSERT(tls_world_talk(w, 0, 1));
		CU_ASSERT(tls_world_talk(w, 100, 5000));
		CU_ASSERT(tls_world_talk(w, 300000, 100));
		CU_ASSERT(tls_world_talk(w, 100, 400000));
		CU_ASSERT(tls_world_talk(w, 100000, 100000));
		CU_ASSERT_EQUAL(tls_world_unread(w), 0);
		CU_ASSERT(tls_world_close(w));
		CU_ASSERT_EQUAL(tls_world_counters(w)->full, !plan.to_backend);
		CU_ASSERT_EQUAL(tls_world_counters(w)->backends, plan.to_backend);
		CU_ASSERT_EQUAL(tls_world_counters(w)->truncated, 0);
		check_counted(w, i % PLANS, plan.to_backend);
		tls_world_destroy(w);
	}
}

#define SMALL_BUFFERS 40

/* Content in buffers of 100 bytes, sent at once: in how many records? */
static uint64_t
send_small_buffers(struct tls_world *w)
{
	struct tls *tls = proxy_tls(worker_proxy(w->f->worker));
	uint64_t before = tls_world_counters(w)->records_out;
	uint32_t n = SMALL_BUFFERS;
	struct rte_mbuf *chain = NULL;
	uint8_t bytes[100] = { 0 };

	while (n--) {
		struct rte_mbuf *m = fixture_mbuf(bytes, sizeof(bytes));

		CU_ASSERT_FATAL(!chain || rte_pktmbuf_chain(m, chain) == 0);
		chain = m;
	}
	CU_ASSERT_EQUAL(tls_stream_send(tls, tls_handle(tls, &tls->streams[0]), chain), 0);
	tls_world_steps(w, 50);
	return tls_world_counters(w)->records_out - before;
}

/* The first records fit in a segment, whatever the client's MSS is; later ones are long. */
static void
test_small_records(void)
{
	static const uint16_t mtu[] = { 1500, 1280, 1000 };
	uint32_t i, j, fits;

	for (i = 0; i < 6; i++) {
		struct tls_world_plan plan = { .version = TLS1_3_VERSION };
		struct tls_world *w;

		plan.wire.seed = i + 1;
		plan.wire.ip6 = i & 1;
		plan.wire.client_mtu = mtu[i / 2];
		w = tls_world_create(&plan);
		tls_world_open(w);
		CU_ASSERT(tls_world_shake(w) && tls_world_talk(w, 10, 10));
		fits = mtu[i / 2] - (i & 1 ? 60u : 40u) - 12 - TLS_HEADER - TLS_TAIL_MAX;
		for (j = 0; j < TLS_SMALL_UNTIL / (100 * SMALL_BUFFERS); j++)
			CU_ASSERT_EQUAL(send_small_buffers(w),
					(SMALL_BUFFERS - 1) / (fits / 100) + 1);
		send_small_buffers(w);
		CU_ASSERT_EQUAL(send_small_buffers(w), 1);
		tcp_abort(w->wire.peers[CLIENT].tcp, w->ends[CLIENT].handle);
		tls_world_steps(w, 40000);
		tls_world_destroy(w);
	}
}

/* Each byte of the end with TLS a segment of its own, handshake and all. */
static void
test_trickle(void)
{
	uint64_t seed;

	for (seed = 1; seed <= 4; seed++) {
		struct tls_world *w =
		    world_of_role(seed & 1 ? TLS1_3_VERSION : TLS1_2_VERSION, seed, seed > 2);

		w->trickle = 1;
		tls_world_open(w);
		CU_ASSERT(tls_world_shake(w));
		CU_ASSERT(tls_world_talk(w, 300, 3000));
		CU_ASSERT_EQUAL(tls_world_unread(w), 0);
		CU_ASSERT(tls_world_close(w));
		tls_world_destroy(w);
	}
}

static void
test_losses(void)
{
	struct tls_world_plan plan = { .wire = { .lose_one_in = 15 } };
	uint64_t seed;

	for (seed = 1; seed <= 16; seed++) {
		struct tls_world *w;

		plan.to_backend = seed & 8;
		plan.version = seed & 2 ? TLS1_3_VERSION : TLS1_2_VERSION;
		plan.wire.seed = seed;
		plan.wire.ip6 = seed & 1;
		plan.wire.segments = seed & 4;
		w = tls_world_create(&plan);
		tls_world_open(w);
		CU_ASSERT(tls_world_shake(w));
		CU_ASSERT(tls_world_talk(w, 60000, 90000));
		CU_ASSERT(tls_world_close(w));
		tls_world_steps(w, 5000); /* the last FIN may have to be sent again */
		tls_world_destroy(w);
	}
}

/* New keys in both directions, while both talk. */
static void
new_keys(bool to_backend)
{
	struct tls_world *w = world_of_role(TLS1_3_VERSION, 3, to_backend);
	uint32_t i;

	tls_world_open(w);
	CU_ASSERT(tls_world_shake(w));
	for (i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL(SSL_key_update(w->ssl, i & 1 ? SSL_KEY_UPDATE_REQUESTED
							     : SSL_KEY_UPDATE_NOT_REQUESTED),
				1);
		CU_ASSERT(tls_world_talk(w, 2000, 30000));
	}
	CU_ASSERT_EQUAL(tls_world_counters(w)->key_updates_in, 20);
	CU_ASSERT_EQUAL(tls_world_counters(w)->key_updates_out, 10);
	CU_ASSERT(tls_world_close(w));
	tls_world_destroy(w);
}

static void
test_key_update(void)
{
	new_keys(false);
	new_keys(true);
}

/* The client reads nothing for a while. */
static void
test_slow_reader(void)
{
	struct tls_world *w = world(TLS1_3_VERSION, 6);
	uint32_t i;

	tls_world_open(w);
	CU_ASSERT(tls_world_shake(w));
	CU_ASSERT(tls_world_talk(w, 10, 10));
	w->deaf = true;
	w->ends[SERVER].says.n += 2000000;
	tls_world_steps(w, 3000);
	CU_ASSERT(w->ends[SERVER].says.sent < 1600000);
	w->deaf = false;
	for (i = 0; i < 3; i++)
		tcp_credit(w->wire.peers[CLIENT].tcp, w->ends[CLIENT].handle, 1 << 20);
	CU_ASSERT(tls_world_talk(w, 0, 0));
	CU_ASSERT_EQUAL(w->ends[CLIENT].heard, 2000010);
	CU_ASSERT(tls_world_close(w));
	tls_world_destroy(w);
}

/* Records of a byte each, which nobody takes for a while, hold few buffers. */
static void
test_tiny(void)
{
	struct tls_world *w = world(TLS1_3_VERSION, 6);
	struct tcp_usage usage;

	w->tiny = true;
	w->wire.deaf = true; /* no backend answers yet */
	tls_world_open(w);
	CU_ASSERT(tls_world_shake(w));
	w->ends[CLIENT].says.n += 2000;
	tls_world_steps(w, 100);
	tcp_usage(proxy_tcp(worker_proxy(w->f->worker)), &usage);
	CU_ASSERT(usage.buffers > 0 && usage.buffers < 200);
	w->wire.deaf = false;
	CU_ASSERT(tls_world_talk(w, 0, 0));
	CU_ASSERT(tls_world_close(w));
	tls_world_destroy(w);
}

/* Clients that begin handshakes and stop: who comes after them is served. */
static void
test_silent(void)
{
	struct tls_world *w = world(TLS1_3_VERSION, 4);
	uint32_t i;

	w->trickle = 0;
	for (i = 0; i < 20; i++) {
		tls_world_open(w);
		tls_world_step(w);
		w->ends[CLIENT].open = false; /* its hello is under way, and no more follows */
		tls_world_steps(w, 20);
	}
	CU_ASSERT(tls_world_counters(w)->gave_way >= 10);
	CU_ASSERT_EQUAL(tls_world_counters(w)->busy, 0);
	tls_world_open(w);
	CU_ASSERT(tls_world_shake(w));
	CU_ASSERT(tls_world_talk(w, 10, 10));
	CU_ASSERT(tls_world_close(w));
	tls_world_steps(w, 60000);
	tls_world_destroy(w);
}

/* New keys again and again, and nothing else, are refused. */
static void
test_idle_records(void)
{
	struct tls_world *w = world(TLS1_3_VERSION, 5);
	uint32_t i;

	tls_world_open(w);
	CU_ASSERT(tls_world_shake(w));
	CU_ASSERT(tls_world_talk(w, 10, 10));
	for (i = 0; i < 40 && !w->failed; i++) {
		SSL_key_update(w->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		SSL_do_handshake(w->ssl);
		tls_world_steps(w, 3);
	}
	CU_ASSERT(w->failed);
	CU_ASSERT_EQUAL(tls_world_counters(w)->records_bad, 1);
	CU_ASSERT_EQUAL(tls_world_counters(w)->key_updates_in, TLS_IDLE_RECORDS);
	tcp_abort(w->wire.peers[CLIENT].tcp, w->ends[CLIENT].handle);
	tls_world_steps(w, 40000);
	tls_world_destroy(w);
}

/* ... but not while there is content, the other way. */
static void
test_new_keys_while_it_takes(void)
{
	struct tls_world *w = world(TLS1_3_VERSION, 5);
	uint32_t i;

	tls_world_open(w);
	CU_ASSERT(tls_world_shake(w));
	CU_ASSERT(tls_world_talk(w, 10, 10));
	for (i = 0; i < 2 * TLS_IDLE_RECORDS; i++) {
		SSL_key_update(w->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		SSL_do_handshake(w->ssl);
		CU_ASSERT(tls_world_talk(w, 0, 3000));
	}
	CU_ASSERT_EQUAL(tls_world_counters(w)->key_updates_in, 2 * TLS_IDLE_RECORDS);
	CU_ASSERT(tls_world_close(w));
	tls_world_destroy(w);
}

/* A client that is gone without a word, by a FIN or a reset, in each state. */
static void
test_gone(void)
{
	uint32_t when, how;

	for (when = 0; when < 4; when++) {
		for (how = 0; how < 2; how++) {
			struct tls_world *w = world(TLS1_3_VERSION, 8 + when);
			struct tcp *tcp = w->wire.peers[CLIENT].tcp;

			w->no_threads = when == 1;
			w->trickle = when == 0 ? 50 : 0;
			tls_world_open(w);
			tls_world_steps(w, 3); /* 0: in the hello, 1: no answer */
			if (when >= 2)
				CU_ASSERT(tls_world_shake(w));
			if (when == 3)
				CU_ASSERT(tls_world_talk(w, 10, 10));
			if (how == 0)
				tcp_shutdown(tcp, w->ends[CLIENT].handle);
			else
				tcp_abort(tcp, w->ends[CLIENT].handle);
			w->ends[CLIENT].closed = true;
			tls_world_steps(w, 100);
			w->no_threads = false;
			tls_world_steps(w, 40000);
			CU_ASSERT_EQUAL(tls_streams(proxy_tls(worker_proxy(w->f->worker))), 0);
			if (when == 3)
				CU_ASSERT(w->ends[SERVER].closed);
			CU_ASSERT_EQUAL(tls_world_counters(w)->truncated, how == 0 && when >= 2);
			tls_world_destroy(w);
		}
	}
}

/* A record that was not sealed with the key, among good ones: what came before it is heard, nothing
 * of it or behind it is. */
static void
test_bad_record(void)
{
	static const uint8_t record[] = { 23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8,
					  9,  9, 9, 9, 9,  9, 9, 9, 9, 9, 9, 9 };
	uint64_t seed;

	for (seed = 1; seed <= 2; seed++) {
		struct tls_world *w = world(seed == 1 ? TLS1_3_VERSION : TLS1_2_VERSION, seed);

		tls_world_open(w);
		CU_ASSERT(tls_world_shake(w));
		CU_ASSERT(tls_world_talk(w, 1000, 1000));
		tls_world_say(w, record, sizeof(record));
		w->ends[CLIENT].says.n += 100;
		tls_world_steps(w, 200);
		CU_ASSERT_EQUAL(w->ends[SERVER].heard, 1000);
		CU_ASSERT(w->failed);
		CU_ASSERT_EQUAL(tls_world_counters(w)->records_bad, 1);
		CU_ASSERT(w->ends[SERVER].closed && w->ends[SERVER].cause == TCP_CLOSED_RESET);
		tcp_abort(w->wire.peers[CLIENT].tcp, w->ends[CLIENT].handle);
		tls_world_steps(w, 40000);
		tls_world_destroy(w);
	}
}

/* The plain end says something and resets its connection, with the other one's words unread: all of
 * it is heard through TLS, and then a reset, with no close_notify. */
static void
check_cut(bool to_backend)
{
	struct tls_world *w = world_of_role(TLS1_3_VERSION, 6 + to_backend, to_backend);
	enum where plain = to_backend ? CLIENT : SERVER;
	struct tls_side_end *ends = w->ends;
	struct tcp *tcp = w->wire.peers[plain].tcp;

	tls_world_open(w);
	CU_ASSERT(tls_world_shake(w));
	CU_ASSERT(tls_world_talk(w, 10, 10));
	ends[plain].says.n += 400000;
	w->deaf = true;
	tls_world_steps(w, 100);
	tcp_abort(tcp, ends[plain].handle);
	ends[plain].closed = true;
	tls_world_steps(w, 20);
	CU_ASSERT(!ends[!plain].closed);
	w->deaf = false;
	tcp_credit(w->wire.peers[!plain].tcp, ends[!plain].handle, UINT32_MAX);
	tls_world_steps(w, 500);
	CU_ASSERT_EQUAL(ends[!plain].heard, 400010);
	CU_ASSERT(!ends[!plain].wrong && !w->peer_notify && !w->failed);
	CU_ASSERT(ends[!plain].closed && ends[!plain].cause == TCP_CLOSED_RESET);
	CU_ASSERT_EQUAL(tls_streams(proxy_tls(worker_proxy(w->f->worker))), 0);
	CU_ASSERT_EQUAL(proxy_sessions(worker_proxy(w->f->worker)), 0);
	tls_world_destroy(w);
}

static void
test_cut(void)
{
	check_cut(false);
	check_cut(true);
}

/* Whose packets are these? The session's, on the other side of the stream. */
static void
test_explained(void)
{
	struct tls_world *w = world(TLS1_3_VERSION, 2);
	struct explain_query q = { .ip_len = 60 };
	struct tcp_info info;

	tls_world_open(w);
	CU_ASSERT(tls_world_shake(w));
	CU_ASSERT(tls_world_talk(w, 10, 10));
	CU_ASSERT_EQUAL_FATAL(tcp_info(w->wire.peers[CLIENT].tcp, w->ends[CLIENT].handle, &info),
			      0);
	q.tuple = (struct tuple){ .src = info.tuple.dst,
				  .dst = info.tuple.src,
				  .sport = info.tuple.dport,
				  .dport = info.tuple.sport,
				  .proto = 6 };
	explain(w->f->worker, &q);
	CU_ASSERT(q.connected && q.verdict == VERDICT_TRANSMIT && q.connection.local_port);
	CU_ASSERT_EQUAL(q.backend, q.connection.backend);
	CU_ASSERT(tls_world_close(w));
	tls_world_destroy(w);
}

/* What a backend may put into a segment: what leaves in one with head and tail of a record, by a
 * usual link if that to the backend is somewhat wider. */
static void
test_backend_mss(void)
{
	uint32_t i, n;

	for (i = 0; i < 8; i++) {
		struct tls_world *w = world_of_role(TLS1_3_VERSION, i & 1, i & 2);
		uint32_t mss = 1500 - (i & 1 ? 60 : 40) - 12 - (i & 2 ? 0 : 32);
		struct tcp_info info = { 0 };

		for (n = 0; i & 4 && n < w->f->snapshot.n_nexthops; n++)
			w->f->nexthops[n].mtu = 1600;
		tls_world_open(w);
		CU_ASSERT(tls_world_shake(w) && tls_world_talk(w, 10, 10));
		CU_ASSERT_EQUAL(tcp_info(w->wire.peers[SERVER].tcp, w->ends[SERVER].handle, &info),
				0);
		CU_ASSERT_EQUAL(info.mss, mss);
		CU_ASSERT(tls_world_close(w));
		tls_world_destroy(w);
	}
}

/* ---- backends -------------------------------------------------------------------------------- */

static bool
all_is_over(const struct tls_world *w)
{
	return w->ends[CLIENT].closed && tls_streams(proxy_tls(worker_proxy(w->f->worker))) == 0;
}

/* Backends with the certificate of another one: the client hears nothing of what they say, and they
 * nothing of what the client says. */
static void
test_backend_refused(void)
{
	struct tls_world_plan plan = { .to_backend = true, .name = "other.example" };
	uint32_t i;

	for (i = 0; i < 2; i++) {
		const struct tls_counters *c;
		struct tls_world *w;

		plan.version = i ? TLS1_2_VERSION : TLS1_3_VERSION;
		w = tls_world_create(&plan);
		c = tls_world_counters(w);
		tls_world_open(w);
		w->ends[CLIENT].says.n = w->ends[SERVER].says.n = 1000;
		tls_world_steps(w, 5000);
		CU_ASSERT_EQUAL(c->backends_failed, 2);
		CU_ASSERT_EQUAL(c->cause[TLS_CAUSE_WRONG_NAME], 2);
		CU_ASSERT_EQUAL(c->failed + c->backends, 0);
		CU_ASSERT_EQUAL(w->f->worker->service_drops[0][DROP_CONNECT_FAILED], 1);
		CU_ASSERT_EQUAL(w->f->worker->service_drops[0][DROP_TLS_HANDSHAKE], 0);
		CU_ASSERT_EQUAL(w->ends[CLIENT].heard + w->ends[SERVER].heard, 0);
		CU_ASSERT(w->ends[CLIENT].closed && w->ends[CLIENT].cause == TCP_CLOSED_RESET);
		CU_ASSERT(w->failed);
		tls_world_steps(w, 60000);
		CU_ASSERT(all_is_over(w));
		tls_world_destroy(w);
	}
}

/* They have so long for the handshake: when they say nothing, and when they stop in the middle. */
static void
test_backend_slow(void)
{
	uint32_t how;

	for (how = 0; how < 2; how++) {
		struct tls_world *w = world_of_role(TLS1_3_VERSION, how, true);
		const struct tls_counters *c = tls_world_counters(w);

		w->wire.settings[0].timeout_connect = 2000 * MS;
		tls_world_open(w);
		w->silent = how == 0;
		w->trickle = how == 1 ? 1 : 0;
		tls_world_steps(w, 100);
		w->silent = true;
		tls_world_steps(w, 1800);
		CU_ASSERT_EQUAL(c->backends_failed, 0);
		tls_world_steps(w, 500);
		CU_ASSERT_EQUAL(c->backends_failed, 1);
		CU_ASSERT_FALSE(w->ends[CLIENT].closed);
		tls_world_steps(w, 2100);
		CU_ASSERT(w->ends[CLIENT].closed);
		CU_ASSERT_EQUAL(c->backends_failed, 2);
		CU_ASSERT_EQUAL(c->cause[TLS_CAUSE_TIMEOUT], 2);
		tls_world_steps(w, 60000);
		CU_ASSERT(all_is_over(w));
		tls_world_destroy(w);
	}
}

/* Nobody of ours answers, or has no room for more: another backend would not do better. */
static void
test_backend_busy(void)
{
	struct tls_world *w = world_of_role(TLS1_3_VERSION, 4, true);
	const struct tls_counters *c = tls_world_counters(w);
	const uint64_t *drops = w->f->worker->service_drops[0];
	uint32_t i;

	w->wire.settings[0].timeout_connect = 2000 * MS;
	w->no_threads = true;
	tls_world_open(w);
	tls_world_steps(w, 1900);
	CU_ASSERT_FALSE(w->ends[CLIENT].closed);
	tls_world_steps(w, 300);
	CU_ASSERT(w->ends[CLIENT].closed);
	CU_ASSERT_EQUAL(c->cause[TLS_CAUSE_TIMEOUT], 1);
	CU_ASSERT_EQUAL(drops[DROP_TLS_BUSY], 1);
	w->no_threads = false;
	tls_world_steps(w, 3000);

	w->no_threads = true;
	for (i = 0; i < 8; i++) {
		tls_world_open(w);
		tls_world_steps(w, 20);
		CU_ASSERT_FALSE(w->ends[CLIENT].closed);
	}
	tls_world_open(w);
	tls_world_steps(w, 20);
	CU_ASSERT(w->ends[CLIENT].closed);
	CU_ASSERT_EQUAL(c->busy, 1);
	CU_ASSERT_EQUAL(c->backends_failed, 2);
	CU_ASSERT_EQUAL(drops[DROP_TLS_BUSY], 2);
	CU_ASSERT_EQUAL(drops[DROP_CONNECT_FAILED], 0);
	w->no_threads = false;
	w->silent = true;
	tls_world_steps(w, 60000);
	CU_ASSERT_EQUAL(tls_streams(proxy_tls(worker_proxy(w->f->worker))), 0);
	tls_world_destroy(w);
}

/* A backend that is gone in the middle of the handshake, by a FIN or a reset: there is another
 * one. */
static void
test_backend_gone(void)
{
	uint32_t how;

	for (how = 0; how < 2; how++) {
		struct tls_world *w = world_of_role(TLS1_3_VERSION, how, true);
		struct tls_side_end *server = &w->ends[SERVER];
		tcp_handle first;

		w->no_threads = true;
		tls_world_open(w);
		tls_world_steps(w, 20);
		first = server->handle;
		if (how == 0)
			tcp_shutdown(w->wire.peers[SERVER].tcp, first);
		else
			tcp_abort(w->wire.peers[SERVER].tcp, first);
		w->no_threads = false;
		tls_world_steps(w, 200);
		CU_ASSERT_NOT_EQUAL(server->handle, first);
		CU_ASSERT(tls_world_shake(w));
		CU_ASSERT(tls_world_talk(w, 1000, 1000));
		CU_ASSERT_EQUAL(tls_world_counters(w)->backends, 1);
		CU_ASSERT_EQUAL(tls_world_counters(w)->backends_failed, 1);
		CU_ASSERT_EQUAL(tls_world_counters(w)->cause[TLS_CAUSE_BACKEND_GAVE_UP], 1);
		CU_ASSERT(tls_world_close(w));
		tls_world_steps(w, 60000);
		tls_world_destroy(w);
	}
}

/* The client, the same: what it has said is for the backend still, unless it has reset. */
static void
test_client_gone(void)
{
	uint32_t how;

	for (how = 0; how < 2; how++) {
		struct tls_world *w = world_of_role(TLS1_3_VERSION, how, true);
		struct tls_side_end *client = &w->ends[CLIENT];

		w->no_threads = true;
		tls_world_open(w);
		client->says.n = 1000;
		tls_world_steps(w, 20);
		if (how == 0)
			tcp_shutdown(w->wire.peers[CLIENT].tcp, client->handle);
		else
			tcp_abort(w->wire.peers[CLIENT].tcp, client->handle);
		tls_world_steps(w, 20);
		w->no_threads = false;
		tls_world_steps(w, 200);
		CU_ASSERT_EQUAL(w->ends[SERVER].heard, how == 0 ? 1000 : 0);
		CU_ASSERT_EQUAL(w->peer_notify, how == 0);
		if (how == 0) {
			CU_ASSERT(tls_world_close(w));
		}
		client->closed = true;
		tls_world_steps(w, 60000);
		CU_ASSERT(all_is_over(w));
		tls_world_destroy(w);
	}
}

/* ---- refusal --------------------------------------------------------------------------------- */

/* What is no hello gets an alert; nobody answers: the client is let go after its time, and when all
 * jobs are taken, at once. */
static void
test_refused(void)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
	struct tls_world *w = world(TLS1_3_VERSION, 2);
	uint32_t i;

	tls_world_open(w);
	w->trickle = UINT16_MAX; /* nothing of OpenSSL's */
	w->ends[CLIENT].open = false;
	tls_world_say(w, http, strlen(http));
	tls_world_steps(w, 100);
	CU_ASSERT_EQUAL(tls_world_counters(w)->bad_hello[TLS_HELLO_BAD_RECORD_TYPE], 1);
	CU_ASSERT_EQUAL(w->f->worker->service_drops[0][DROP_TLS_HELLO], 1);
	tcp_abort(w->wire.peers[CLIENT].tcp, w->ends[CLIENT].handle);
	w->trickle = 0;
	w->no_threads = true;
	for (i = 0; i < 10; i++) {
		tls_world_open(w);
		tls_world_steps(w, 100);
	}
	CU_ASSERT_EQUAL(tls_world_counters(w)->busy, 2);
	CU_ASSERT_EQUAL(w->f->worker->service_drops[0][DROP_TLS_BUSY], 2);
	tls_world_steps(w, 60000);
	CU_ASSERT_EQUAL(tls_streams(proxy_tls(worker_proxy(w->f->worker))), 0);
	w->no_threads = false;
	tls_world_steps(w, 100);
	tls_world_open(w);
	CU_ASSERT(tls_world_shake(w));
	CU_ASSERT(tls_world_talk(w, 10, 10));
	CU_ASSERT(tls_world_close(w));
	tls_world_destroy(w);
}

int
test_tls_stream_register(void)
{
	CU_TestInfo tests[] = {
		{ "every cipher, both ways", test_talk },
		{ "small records at first", test_small_records },
		{ "byte by byte", test_trickle },
		{ "over a wire that loses and turns round", test_losses },
		{ "new keys", test_key_update },
		{ "a slow reader", test_slow_reader },
		{ "records of one byte", test_tiny },
		{ "clients that stop in the middle", test_silent },
		{ "records without content", test_idle_records },
		{ "new keys while content is sent", test_new_keys_while_it_takes },
		{ "clients that are gone", test_gone },
		{ "a bad record", test_bad_record },
		{ "the other leg is reset", test_cut },
		{ "explain", test_explained },
		{ "what backends may put into a segment", test_backend_mss },
		{ "refused, and not answered", test_refused },
		{ "a backend with another name", test_backend_refused },
		{ "a backend that takes too long", test_backend_slow },
		{ "no threads for backends", test_backend_busy },
		{ "a backend that is gone", test_backend_gone },
		{ "a client that is gone meanwhile", test_client_gone },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "tls stream", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
