/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 6056, algorithm 3 (simple hash-based port selection), over addresses and ports together: a
 * counter that goes on with every attempt, and an offset by a keyed hash of the backend. So one
 * backend sees a source again as late as possible, and attempts rarely meet a taken one.
 */
#include "dp/l4/source_port.h"

#include <netinet/in.h>

#include "dp/l4/classify.h"
#include "dp/proxy/proxy.h"

/* Attempts for a connection, and addresses among which they are made. */
#define ATTEMPTS      64
#define ADDRESSES_MAX 64

/* The ports of low..high that leave a given remainder: first, first + step, ... */
struct segment {
	uint32_t first, step, count;
};

/* A range with the hole in it. */
struct ports {
	struct segment below, above;
};

static struct segment
segment_make(int32_t low, int32_t high, uint32_t remainder, uint32_t step)
{
	struct segment s = { .step = step };

	if (low > high)
		return s;
	s.first = (uint32_t)low + (remainder + step - (uint32_t)low % step) % step;
	if (s.first <= (uint32_t)high)
		s.count = ((uint32_t)high - s.first) / step + 1;
	return s;
}

static struct ports
ports_make(const struct snapshot *s, uint32_t remainder, uint32_t step)
{
	int32_t low = s->source_port_low ? s->source_port_low : 1, high = s->source_port_high;
	int32_t below = s->kernel_port_low - 1, above = s->kernel_port_high + 1;
	struct ports p = { 0 };

	if (below >= above) { /* no hole */
		p.below = segment_make(low, high, remainder, step);
		return p;
	}
	p.below = segment_make(low, below < high ? below : high, remainder, step);
	p.above = segment_make(above > low ? above : low, high, remainder, step);
	return p;
}

static uint16_t
ports_at(const struct ports *p, uint32_t position)
{
	uint32_t i = position % (p->below.count + p->above.count);

	if (i < p->below.count)
		return (uint16_t)(p->below.first + i * p->below.step);
	return (uint16_t)(p->above.first + (i - p->below.count) * p->above.step);
}

static bool
ports_empty(const struct ports *p)
{
	return p->below.count + p->above.count == 0;
}

/* The sources towards a backend that are this worker's, at most ADDRESSES_MAX. */
static uint32_t
sources_collect(const struct worker *w, const struct backend *b, const struct source **usable)
{
	const struct source *source = &w->snapshot->sources[b->sources_first];
	uint32_t n = 0, i;

	for (i = 0; i < b->sources_count && n < ADDRESSES_MAX; i++, source++) {
		if (source->worker == w->index || source->worker == SOURCE_BY_PORT)
			usable[n++] = source;
	}
	return n;
}

/* Packets of the reply tuple would reach another connection of this worker, or a service that is on
 * the same address. */
static bool
is_taken(struct worker *w, const struct tuple *reply)
{
	return classify_service(w->snapshot, &reply->dst, reply->proto, reply->dport) !=
		   INDEX_NONE ||
	       connection_reply_taken(w, reply) ||
	       (reply->proto == IPPROTO_TCP && worker_proxy(w) && proxy_knows(w, reply));
}

bool
source_port_choose(struct worker *w, const struct packet *p, struct connection_target *t)
{
	const struct snapshot *s = w->snapshot;
	const struct source *usable[ADDRESSES_MAX], *source;
	uint32_t n = sources_collect(w, &s->backends[t->backend], usable), offset, position, i;
	struct ports all = ports_make(s, 0, 1), shared = ports_make(s, w->index, s->n_workers);
	const struct ports *ports;
	struct tuple reply = {
		.src = t->backend_addr,
		.sport = t->backend_port,
		.proto = p->tuple.proto,
	};

	if (n == 0)
		return false;
	offset = connections_source_offset(w->connections, &reply);
	for (i = 0; i < ATTEMPTS; i++) {
		position = offset + connections_source_count(w->connections);
		source = usable[position % n];
		ports = source->worker == SOURCE_BY_PORT ? &shared : &all;
		if (ports_empty(ports))
			continue;
		reply.dst = source->addr;
		reply.dport = __builtin_bswap16(ports_at(ports, position / n));
		if (is_taken(w, &reply))
			continue;
		t->local = reply.dst;
		t->local_port = reply.dport;
		return true;
	}
	return false;
}
