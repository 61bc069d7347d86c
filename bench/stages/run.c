/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/stages/run.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/traffic.h"
#include "bench/common/world.h"
#include "bench/stages/second.h"
#include "dp/l4/connection.h"
#include "dp/l4/heaviest.h"
#include "dp/l4/stages.h"
#include "dp/pipeline.h"
#include "dp/proxy/proxy.h"
#include "dp/transmit.h"

#define BACKENDS 100

/* One case under way. */
struct run {
	const struct bench_case *of;
	struct world *world;
	struct traffic traffic;
	struct burst *burst;
	uint32_t rounds, bursts; /* so many bursts a round, so many rounds */
	bool answer;             /* the next burst is one of answers */
	bool apart;              /* the second worker runs on a core of its own just now */
};

static void
append(char **text, const char *format, ...)
{
	char *piece = NULL, *all;
	va_list args;

	va_start(args, format);
	if (vasprintf(&piece, format, args) < 0)
		world_fail("no memory");
	va_end(args);
	all = realloc(*text, (*text ? strlen(*text) : 0) + strlen(piece) + 1);
	if (!all)
		world_fail("no memory");
	if (!*text)
		*all = '\0';
	*text = strcat(all, piece);
	free(piece);
}

/* The service, or the listener, of a case. */
static void
append_service(char **text, const struct bench_case *c)
{
	const char *address = c->v6 ? "2001:db8:f::10" : "203.0.113.10";

	if (c->kind == BENCH_COOKIES) {
		append(text,
		       "listeners = ( { name = \"s\"; address = \"%s\"; port = 8080; protocol = "
		       "\"tcp\"; pool = \"p\"; syn_cookies = \"always\"; } );\n",
		       address);
		return;
	}
	append(text,
	       "services = ( { name = \"s\"; address = \"%s\"; port = 8080; protocol = "
	       "\"%s\"; forward = \"%s\"; pool = \"p\"; %s } );\n",
	       address, c->tcp ? "tcp" : "udp", c->forward, c->limits);
}

/* A pool of 100 backends and one service. */
static char *
objects_of(const struct bench_case *c)
{
	const char *net = c->v6 ? "2001:db8:2::1:" : "10.2.1.";
	char *text = NULL;
	int i;

	append(&text, "neighbours = (");
	for (i = 1; i <= BACKENDS; i++)
		append(&text,
		       " { address = \"%s%d\"; mac = \"02:00:00:00:02:%02x\"; interface = "
		       "\"lan\"; },",
		       net, i, i);
	append(&text, " { address = \"198.51.100.1\"; mac = \"02:00:00:00:01:01\"; interface = "
		      "\"wan\"; },\n { address = \"2001:db8:1::1\"; mac = \"02:00:00:00:01:01\"; "
		      "interface = \"wan\"; } );\n");
	append(&text, "pools = ( { name = \"p\"; backends = (");
	for (i = 1; i <= BACKENDS; i++)
		append(&text, "%s { address = \"%s%d\"; port = 8080; }", i > 1 ? "," : "", net, i);
	append(&text, " ); } );\n");
	append_service(&text, c);
	return text;
}

/* The smallest frame, or as small as the headers allow. */
static uint16_t
frame_of(const struct bench_case *c)
{
	if (c->kind == BENCH_COOKIES)
		return c->v6 ? 94 : 74;
	if (!c->v6)
		return 60;
	return c->tcp ? 74 : 62;
}

static void
open_run(struct run *r, const struct bench_case *c)
{
	char *objects = objects_of(c);
	struct traffic *t = &r->traffic;

	r->of = c;
	r->world = world_open(objects, c->flows, c->workers ? c->workers : 1);
	if (r->world->n_workers > 1)
		world_share(r->world, c->steered);
	free(objects);
	if (c->kind == BENCH_COOKIES)
		world_listen(r->world);
	r->burst = &r->world->worker->burst;
	r->answer = false;
	*t = (struct traffic){
		.v6 = c->v6,
		.proto = c->tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.tcp_flags = c->kind == BENCH_COOKIES ? TCP_SYN : TCP_ACK,
		.syn_options = c->kind == BENCH_COOKIES,
		.frame = frame_of(c),
		.flows = c->flows,
		.clients = c->clients,
		.port = 8080,
	};
	if (addr_parse(c->v6 ? "2001:db8:f::10" : "203.0.113.10", &t->service) < 0)
		world_fail("no address");
	memcpy(t->mac, r->world->worker->dataplane->ports[0].mac, 6);
	traffic_init(t);
}

static uint64_t
dropped(const struct world *world)
{
	uint64_t sum = 0;
	uint32_t w;
	int i;

	for (w = 0; w < world->n_workers; w++)
		for (i = 0; i < DROP_REASON_COUNT; i++)
			sum += world->workers[w]->stats.drops[i];
	return sum;
}

static uint64_t
left(const struct world *world)
{
	uint64_t sum = 0;
	uint32_t w;

	for (w = 0; w < world->n_workers; w++)
		sum += world->workers[w]->stats.packets_out;
	return sum;
}

static void
print_drops(const struct worker *w)
{
	int i;

	for (i = 0; i < DROP_REASON_COUNT; i++)
		if (w->stats.drops[i])
			fprintf(stderr, "  %s: %lu\n", drop_reason_name((enum drop_reason)i),
				(unsigned long)w->stats.drops[i]);
}

static bool
is_handed(const struct run *r)
{
	return r->of->kind == BENCH_HANDED || r->of->kind == BENCH_HANDED_APART;
}

/* Of so many packets since these counts each has left, and none was dropped, or the other way
 * round. What a limit lets through of clients that send too much is their share, and little. */
static void
check_left(const struct run *r, uint64_t left_before, uint64_t dropped_before, uint64_t sent)
{
	uint64_t out = left(r->world) - left_before, gone = dropped(r->world) - dropped_before;
	uint32_t w;

	if (is_handed(r))
		return;
	if (r->of->kind == BENCH_DROPPED ? out + gone == sent && out < sent / 10
					 : out == sent && gone == 0)
		return;
	fprintf(stderr, "%s: of %lu packets %lu left\n", r->of->name, (unsigned long)sent,
		(unsigned long)out);
	for (w = 0; w < r->world->n_workers; w++)
		print_drops(r->world->workers[w]);
	exit(1);
}

/* Turn the packets of the burst into what the backends answer to them. */
static void
turn_round(struct run *r)
{
	struct worker *w = r->world->worker;
	struct traffic *t = &r->traffic;
	uint16_t i;

	for (i = 0; i < r->burst->count; i++) {
		uint32_t flow =
		    (t->next - (uint32_t)(r->burst->count - i) * t->step) & (t->flows - 1);
		struct tuple forward = traffic_tuple(t, flow), reply;
		uint32_t hit = connection_find(w, &forward);
		const struct connection *c;

		if (hit == INDEX_NONE)
			world_fail("%s: a flow has no connection", r->of->name);
		c = connection_at(w->connections, hit_index(hit));
		reply = (struct tuple){ .src = c->backend_addr,
					.dst = forward.src,
					.sport = c->backend_port,
					.dport = forward.sport,
					.proto = forward.proto };
		if (c->flags & CONNECTION_FULL_NAT) {
			reply.dst = c->local;
			reply.dport = c->local_port;
		}
		traffic_answer(t, r->burst->packets[i].mbuf, &reply);
		memcpy(rte_pktmbuf_mtod(r->burst->packets[i].mbuf, uint8_t *),
		       w->dataplane->ports[1].mac, 6);
		r->burst->packets[i].in_port = 1;
	}
}

static void
fill(struct run *r)
{
	traffic_burst(&r->traffic, r->world->worker->dataplane->mbufs, r->burst, BURST_MAX);
	if (r->of->answers && r->answer)
		turn_round(r);
	r->answer = !r->answer;
	world_tick(r->world);
}

static void
hand_over(struct run *r, struct rte_mbuf **mbufs, uint16_t n)
{
	struct worker *second = r->world->workers[1];

	if (!rte_ring_enqueue_bulk(second->inbox, (void *const *)mbufs, n, NULL))
		world_fail("%s: the inbox is full", r->of->name);
	if (!r->apart)
		second_take_bare(second);
}

/* One burst through everything; its cycles. */
static __rte_noinline uint64_t
whole(struct run *r)
{
	struct worker *w = r->world->worker;
	struct rte_mbuf *mbufs[BURST_MAX];
	uint64_t start;
	uint16_t i;

	fill(r);
	for (i = 0; i < r->burst->count; i++)
		mbufs[i] = r->burst->packets[i].mbuf;
	start = rte_rdtsc();
	if (is_handed(r)) {
		hand_over(r, mbufs, r->burst->count);
		return rte_rdtsc() - start;
	}
	pipeline_received(w, r->burst->packets[0].in_port, mbufs, r->burst->count);
	worker_flush(w);
	if (r->world->n_workers > 1 && !r->apart)
		second_take(r->world->workers[1]);
	return rte_rdtsc() - start;
}

/* Each flow begins, and is then established, before anything is timed. */
static void
warm_up(struct run *r)
{
	uint32_t i, bursts = r->of->flows / BURST_MAX;
	struct traffic *t = &r->traffic;
	bool answers = r->answer;

	r->answer = false;
	t->next = 0;
	t->tcp_flags = TCP_SYN;
	if (r->of->kind == BENCH_NEW || r->of->kind == BENCH_COOKIES || is_handed(r))
		return;
	for (i = 0; i < bursts; i++, r->answer = false)
		whole(r);
	t->tcp_flags = TCP_ACK;
	for (i = 0; i < bursts; i++, r->answer = false)
		whole(r);
	r->answer = answers;
}

/* Apart from the one of whole(): see measure(). */
static __rte_noinline void
flush_all(struct worker *w)
{
	uint32_t port;

	for (port = 0; port < w->dataplane->n_ports; port++)
		worker_flush_port(w, port);
}

static void
send_all(struct worker *w, const struct burst *b)
{
	uint16_t i;

	for (i = 0; i < b->count; i++) {
		const struct packet *p = &b->packets[i];

		if (p->verdict == VERDICT_TRANSMIT) {
			worker_transmit(w, p->out_port, p->mbuf);
		} else if (p->verdict != VERDICT_TAKEN) {
			worker_count_drop(w, p->service, (enum drop_reason)p->reason);
			rte_pktmbuf_free(p->mbuf);
		}
	}
	flush_all(w);
}

/* One burst, the clock read between the stages. */
static __rte_noinline void
staged(struct run *r, uint64_t cycles[STAGES])
{
	struct worker *w = r->world->worker;
	struct burst *b = r->burst;
	uint64_t at[STAGES + 1];
	int i;

	fill(r);
	at[STAGE_PARSE] = rte_rdtsc();
	stage_parse(w, b);
	at[STAGE_CLASSIFY] = rte_rdtsc();
	stage_classify(w, b);
	at[STAGE_ECHO] = rte_rdtsc();
	stage_echo(w, b);
	at[STAGE_STEER] = rte_rdtsc();
	stage_steer(w, b);
	at[STAGE_LIMIT] = rte_rdtsc();
	stage_limit(w, b);
	at[STAGE_PROXY] = rte_rdtsc();
	stage_proxy(w, b);
	at[STAGE_TRACK] = rte_rdtsc();
	stage_track(w, b);
	at[STAGE_BALANCE] = rte_rdtsc();
	stage_balance(w, b);
	at[STAGE_HEAVIEST] = rte_rdtsc();
	stage_heaviest(w, b);
	at[STAGE_REWRITE] = rte_rdtsc();
	stage_rewrite(w, b);
	at[STAGE_TX] = rte_rdtsc();
	send_all(w, b);
	at[STAGES] = rte_rdtsc();
	for (i = 0; i < STAGES; i++)
		cycles[i] += at[i + 1] - at[i];
}

/* The cost of both, each on its core: a median burst of the one, and of the other for the share of
 * the packets that it gets. */
static void
measure_apart(struct run *r, struct measured *m)
{
	static struct samples bursts;
	static struct second second;
	uint64_t left_before = left(r->world), dropped_before = dropped(r->world);
	double share = r->of->steered / 8.0;
	uint32_t round, i;

	for (round = 0; round < r->rounds; round++) {
		bursts.n = 0;
		r->apart = true;
		second_start(&second, r->world->workers[1], is_handed(r));
		for (i = 0; i < r->bursts; i++) {
			second_wait(&second);
			samples_add(&bursts, (double)whole(r) / BURST_MAX);
		}
		second_stop(&second);
		r->apart = false;
		samples_add(&m->whole, samples_quantile(&bursts, 0.5) +
					   samples_quantile(&second.cycles, 0.5) * share);
	}
	check_left(r, left_before, dropped_before, (uint64_t)r->rounds * r->bursts * BURST_MAX);
}

/* Of a round counts its median burst: what another program has interrupted is not among those.
 * With two workers there is no journey of one burst whose stages could be told apart. A function of
 * its own, as whole() and staged(): bench/instructions.py counts from here, by these names. */
static __rte_noinline void
measure(struct run *r, struct measured *m)
{
	static struct samples bursts[STAGES + 1];
	uint64_t left_before = left(r->world), dropped_before = dropped(r->world);
	uint32_t passes = r->world->n_workers > 1 ? 1 : 2, round, i;
	int stage;

	for (round = 0; round < r->rounds; round++) {
		memset(bursts, 0, sizeof(bursts));
		for (i = 0; i < r->bursts; i++)
			samples_add(&bursts[STAGES], (double)whole(r) / BURST_MAX);
		for (i = 0; passes > 1 && i < r->bursts; i++) {
			uint64_t cycles[STAGES] = { 0 };

			staged(r, cycles);
			for (stage = 0; stage < STAGES; stage++)
				samples_add(&bursts[stage], (double)cycles[stage] / BURST_MAX);
		}
		samples_add(&m->whole, samples_quantile(&bursts[STAGES], 0.5));
		for (stage = 0; passes > 1 && stage < STAGES; stage++)
			samples_add(&m->stages[stage], samples_quantile(&bursts[stage], 0.5));
	}
	check_left(r, left_before, dropped_before,
		   (uint64_t)passes * r->rounds * r->bursts * BURST_MAX);
}

void
run_case(const struct bench_case *c, bool shortly, struct measured *m)
{
	struct run r = { .rounds = shortly ? 5 : 21, .bursts = shortly ? 512 : 1024 };

	open_run(&r, c);
	warm_up(&r);
	if (c->kind == BENCH_APART || c->kind == BENCH_HANDED_APART)
		measure_apart(&r, m);
	else
		measure(&r, m);
	world_close(r.world);
}
