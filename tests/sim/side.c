/* SPDX-License-Identifier: Apache-2.0 */
/* One side: a stack, the card below it, its clock, and the loop that a worker would run. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "tests/sim/nic.h"
#include "tests/sim/world.h"

#define TABLE       128
#define IDLE_STEP   (20 * MS) /* a look at the timers at least so often */
#define IDLE_SHARE  16
#define CHECK_EVERY 64

uint64_t
side_clock(const struct side *s)
{
	uint64_t now = s->world->now, at = s->plan->clock + now;

	return s->plan->leap_at && now >= s->plan->leap_at ? at + s->plan->leap_by : at;
}

uint64_t
side_awake(const struct side *s, uint64_t at)
{
	at = (at / s->plan->period + 1) * s->plan->period;
	for (int i = 0; i < 2; i++)
		if (at >= s->plan->stall_from[i] &&
		    at < s->plan->stall_from[i] + s->plan->stall_for[i])
			at = s->plan->stall_from[i] + s->plan->stall_for[i];
	return at;
}

static struct addr
address(int side, bool ip6)
{
	struct addr a = { .w = { htonl(0x20010db8), 0, 0, htonl((uint32_t)side + 1) } };

	return ip6 ? a : addr_from_v4(htonl(0x0a000001 + (uint32_t)side));
}

/* The port of a side in host byte order. */
static uint16_t
port(const struct world *w, int side, unsigned int connection)
{
	enum opening opening = w->plan.connections[connection].opening;

	if (opening == OPEN_BOTH)
		return (uint16_t)((side ? SECOND_PORT : CLIENT_PORT) + connection);
	return opening == (side ? OPEN_BY_1 : OPEN_BY_0) ? (uint16_t)(CLIENT_PORT + connection)
							 : SERVER_PORT;
}

struct tuple
side_tuple(const struct side *s, unsigned int connection)
{
	const struct world *w = s->world;
	bool ip6 = w->plan.connections[connection].ip6;

	return (struct tuple){
		.src = address(1 - s->index, ip6),
		.dst = address(s->index, ip6),
		.sport = htons(port(w, 1 - s->index, connection)),
		.dport = htons(port(w, s->index, connection)),
		.proto = IPPROTO_TCP,
	};
}

int
side_connection(const struct side *s, const struct wire *w)
{
	uint16_t other = w->sport == SERVER_PORT ? w->dport : w->sport;
	unsigned int i = other >= SECOND_PORT ? other - SECOND_PORT : other - CLIENT_PORT;
	struct tuple tuple;

	if (other < CLIENT_PORT || i >= s->world->plan.n_connections)
		return -1;
	tuple = side_tuple(s, i);
	return tuple.sport == htons(w->sport) && tuple.dport == htons(w->dport) ? (int)i : -1;
}

/* ---- what the stack calls ------------------------------------------------------------------- */

/* A tail loss probe may exceed the window (RFC 8985 7.3). */
static bool
is_probe(struct side *s)
{
	uint64_t before = s->probes;

	s->probes = tcp_counters(s->tcp)->tlp;
	return s->probes != before;
}

static void
judge_window(struct side *s, const struct wire *w, int connection, bool is_new)
{
	struct tcp_info info;

	if (is_probe(s) || !is_new || !s->ends[connection].open ||
	    tcp_info(s->tcp, s->ends[connection].h, &info) != 0)
		return;
	if (info.in_flight > info.cwnd + w->length && w->length > 1)
		fail(s->world, "side %d connection %d: %u in flight with a window of %u", s->index,
		     connection, info.in_flight, info.cwnd);
}

static void
judge_frame(void *arg, const uint8_t *bytes, size_t len)
{
	struct side *s = arg;
	struct world *world = s->world;
	char text[256];
	const char *wrong;
	struct wire w;
	enum wire_error error = wire_parse(&w, bytes, len);
	struct wire reach = w;
	int connection;
	uint64_t end;

	if (error != WIRE_OK) {
		fail(world, "side %d sends a packet with %s", s->index, wire_error_text(error));
		return;
	}
	trace(world, "%d> %s", s->index, wire_text(&w, text, sizeof(text)));
	world->result->segments++;
	world->result->bytes += w.length;
	reach.sport = w.dport;
	reach.dport = w.sport;
	connection = side_connection(s, &reach);
	if (connection < 0) {
		fail(world, "side %d sends to no connection: %s", s->index,
		     wire_text(&w, text, sizeof(text)));
		return;
	}
	if ((w.flags & WIRE_SYN) && (s->ends[connection].closed || s->ends[connection].aborted ||
				     s->flows[connection].forgotten))
		s->flows[connection].reborn = true;
	if (s->flows[connection].reborn) {
		link_send(&world->link, s->index, bytes, len, world->now);
		return;
	}
	end = s->flows[connection].end;
	s->flows[connection].now = world->now;
	wrong = flow_sent(&s->flows[connection], &w);
	if (wrong)
		fail(world, "side %d connection %d: %s: %s", s->index, connection, wrong,
		     wire_text(&w, text, sizeof(text)));
	if (len > world->plan.sides[s->index].mtu)
		fail(world, "side %d: a packet of %zu bytes", s->index, len);
	judge_window(s, &w, connection, s->flows[connection].end > end);
	link_send(&world->link, s->index, bytes, len, world->now);
}

static void
output(void *arg, struct rte_mbuf *m, uint64_t route)
{
	struct side *s = arg;

	(void)route;
	s->active_at = s->world->now;
	if (rte_pktmbuf_headroom(m) < TCP_HEADROOM)
		fail(s->world, "a packet with %u bytes of headroom", rte_pktmbuf_headroom(m));
	nic_transmit(m, judge_frame, s);
	rte_pktmbuf_free(m);
}

/* One of the two cannot send all that it has, one time in sixteen. */
static bool
full(void *arg, uint64_t route)
{
	struct side *s = arg;

	(void)route;
	return s->index && (++s->asked * 0x9e3779b97f4a7c15ull) >> 60 == 0;
}

static uint64_t
chance(void *arg)
{
	struct side *s = arg;

	return random_next(&s->world->random);
}

static uint64_t
accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	struct side *s = arg;
	unsigned int i = ntohs(tuple->sport) - CLIENT_PORT;

	if (listener != 0 || i >= s->world->plan.n_connections) {
		fail(s->world, "side %d accepts what is none of its connections", s->index);
		return 0;
	}
	end_accepted(&s->ends[i], h);
	return i;
}

/* The end of an event; one that must not be is a failure. */
static struct end *
end_of(struct side *s, tcp_handle h, uint64_t user)
{
	if (user >= s->world->plan.n_connections || s->ends[user].h != h) {
		fail(s->world, "side %d: an event of an unknown connection", s->index);
		return &s->ends[0];
	}
	return &s->ends[user];
}

static void
connected(void *arg, tcp_handle h, uint64_t user)
{
	end_connected(end_of(arg, h, user));
}

static void
received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	end_received(end_of(arg, h, user), chain, length);
}

static void
room(void *arg, tcp_handle h, uint64_t user)
{
	end_room(end_of(arg, h, user));
}

static void
half_closed(void *arg, tcp_handle h, uint64_t user)
{
	end_half_closed(end_of(arg, h, user));
}

static void
closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	end_closed(end_of(arg, h, user), cause);
}

/* ---- its life ------------------------------------------------------------------------------- */

void
side_create(struct world *w, int index)
{
	struct side *s = &w->sides[index];
	const struct scenario_side *plan = &w->plan.sides[index];
	struct tcp_calls calls = {
		.arg = s,
		.output = output,
		.full = full,
		.random = chance,
		.accepted = accepted,
		.connected = connected,
		.received = received,
		.room = room,
		.half_closed = half_closed,
		.closed = closed,
	};
	struct tcp_settings settings = {
		.connections = TABLE,
		.sent_records = 8192,
		.flights = plan->flights,
		.socket = SOCKET_ID_ANY,
		.output = plan->offload ? TCP_OUTPUT_CHECKSUM | TCP_OUTPUT_TSO : 0,
		.mbufs = pools()->headers[index],
		.clones = pools()->clones[index],
		.buffer_budget = plan->budget,
		.half_open = SCENARIO_CONNECTIONS + 1,
		.resets_per_s = 1000000,
	};

	memset(s, 0, sizeof(*s));
	s->world = w;
	s->index = index;
	s->plan = plan;
	for (size_t i = 0; i < sizeof(settings.secret); i++)
		settings.secret[i] = (uint8_t)random_next(&w->random);
	s->tcp = tcp_create(&settings, &calls, side_clock(s));
	if (!s->tcp) {
		fail(w, "no stack");
		return;
	}
	end_listen(w, index);
	for (unsigned int i = 0; i < w->plan.n_connections; i++)
		end_init(w, index, i);
}

void
side_destroy(struct side *s)
{
	for (unsigned int i = 0; i < s->queued; i++)
		free(s->queue[i]);
	tcp_destroy(s->tcp);
}

/* ---- its loop ------------------------------------------------------------------------------- */

void
side_arrival(struct side *s, struct frame *f)
{
	uint64_t at = side_awake(s, s->world->now);

	if (s->queued == QUEUE_FRAMES) {
		free(f);
		return;
	}
	s->queue[s->queued++] = f;
	if (at < s->next_poll)
		s->next_poll = at;
}

/* The error as the pipeline would hand it on: about the packet inside. */
static void
take_error(struct side *s, const struct frame *f)
{
	const uint8_t *inner = f->bytes + (f->bytes[0] >> 4 == 4 ? 28 : 48), *tcp;
	const uint8_t *icmp = inner - 8;
	struct tuple tuple = { .proto = IPPROTO_TCP };
	struct tcp_error error = { .tuple = &tuple, .kind = TCP_ERROR_TOO_BIG };
	uint32_t words[2];

	if (inner[0] >> 4 == 4) {
		tcp = inner + (inner[0] & 15) * 4;
		memcpy(words, inner + 12, 8);
		tuple.dst = addr_from_v4(words[0]);
		tuple.src = addr_from_v4(words[1]);
		error.mtu = (uint32_t)(icmp[6] << 8 | icmp[7]);
	} else {
		tcp = inner + 40;
		memcpy(tuple.dst.b, inner + 8, 16);
		memcpy(tuple.src.b, inner + 24, 16);
		memcpy(words, icmp + 4, 4);
		error.mtu = ntohl(words[0]);
	}
	memcpy(&tuple.dport, tcp, 2);
	memcpy(&tuple.sport, tcp + 2, 2);
	memcpy(words, tcp + 4, 4);
	error.sequence = ntohl(words[0]);
	trace(s->world, "%d< too big, MTU %u", s->index, error.mtu);
	tcp_input_error(s->tcp, &error, side_clock(s));
}

/* False: the pipeline would have dropped it. */
static bool
take_frame(struct side *s, struct frame *f, struct tcp_packet *p, struct tuple *tuple)
{
	struct wire w;
	enum wire_error error = wire_parse(&w, f->bytes, f->len);
	const char *mark = f->forged ? " forged" : "";
	char text[256];
	int connection;

	if (error == WIRE_IP_CHECKSUM || error == WIRE_NOT_TCP || error == WIRE_SHORT)
		return false;
	if (error != WIRE_OK && s->plan->verified)
		return false;
	if (error != WIRE_OK)
		mark = " damaged";
	trace(s->world, "%d< %s%s", s->index, wire_text(&w, text, sizeof(text)), mark);
	connection = error == WIRE_OK ? side_connection(s, &w) : -1;
	if (connection >= 0 && !f->forged) {
		s->flows[connection].now = s->world->now;
		flow_reached(&s->flows[connection], &w);
	}
	*tuple = (struct tuple){
		.src = w.src,
		.dst = w.dst,
		.proto = IPPROTO_TCP,
	};
	memcpy(&tuple->sport, f->bytes + w.ip_header, 2);
	memcpy(&tuple->dport, f->bytes + w.ip_header + 2, 2);
	*p = (struct tcp_packet){
		.mbuf = nic_receive(pools()->wire, f->bytes, f->len, s->plan->pieces),
		.tuple = tuple,
		.listener = ntohs(tuple->dport) == SERVER_PORT ? 0 : TCP_LISTENER_NONE,
		.l4 = w.ip_header,
		.ip_len = (uint16_t)f->len,
		.ecn = w.ecn,
		.checked = s->plan->verified,
	};
	if (!p->mbuf)
		fail(s->world, "no mbuf for what comes in");
	return p->mbuf != NULL;
}

static void
take_queue(struct side *s)
{
	struct tcp_packet packets[BURST_MAX];
	struct tuple tuples[BURST_MAX];
	uint32_t n = 0;

	for (unsigned int i = 0; i < s->queued; i++) {
		struct frame *f = s->queue[i];

		s->active_at = s->world->now;
		if (f->icmp)
			take_error(s, f);
		else
			n += take_frame(s, f, &packets[n], &tuples[n]);
		free(f);
		if (n == BURST_MAX || (n && i + 1 == s->queued)) {
			tcp_input(s->tcp, packets, n, side_clock(s));
			n = 0;
		}
	}
	if (n)
		tcp_input(s->tcp, packets, n, side_clock(s));
	s->queued = 0;
}

bool
side_may_open(const struct side *s)
{
	struct tcp_usage usage;

	tcp_usage(s->tcp, &usage);
	return !s->plan->budget || usage.buffers + 1 <= s->plan->budget / 8 * 7;
}

/* Buffers in use are those that the stacks count, and they keep to their budgets: but for one of
 * each connection, where a probe had to be cut. */
static void
judge_buffers(struct world *w)
{
	const struct pools *p = pools();
	const struct rte_mempool *all[] = { p->wire,       p->user,      p->headers[0],
					    p->headers[1], p->clones[0], p->clones[1] };
	uint32_t used = 0, counted = 0;
	struct tcp_usage usage;

	for (unsigned int i = 0; i < RTE_DIM(all); i++)
		used += rte_mempool_in_use_count(all[i]);
	for (int i = 0; i < 2; i++) {
		tcp_usage(w->sides[i].tcp, &usage);
		counted += usage.buffers;
		if (w->plan.sides[i].budget &&
		    usage.buffers > w->plan.sides[i].budget + w->plan.n_connections)
			fail(w, "side %d holds %u buffers", i, usage.buffers);
	}
	if (used != counted)
		fail(w, "%u buffers are in use, the stacks count %u", used, counted);
}

void
side_poll(struct side *s)
{
	uint64_t now = s->world->now, next = NEVER, at, idle;
	const char *wrong;

	take_queue(s);
	tcp_advance(s->tcp, side_clock(s));
	for (unsigned int i = 0; i < s->world->begun; i++) {
		at = end_act(&s->ends[i]);
		next = at < next ? at : next;
	}
	tcp_flush(s->tcp, side_clock(s));
	if (++s->polls % CHECK_EVERY == 0) {
		wrong = tcp_check(s->tcp);
		if (wrong)
			fail(s->world, "side %d: %s", s->index, wrong);
		judge_buffers(s->world);
	}
	idle = (now - s->active_at) / IDLE_SHARE;
	if (idle > IDLE_STEP)
		idle = IDLE_STEP;
	at = now + (idle > 100000 ? idle : 100000);
	s->next_poll = side_awake(s, at < next ? at : next);
}
