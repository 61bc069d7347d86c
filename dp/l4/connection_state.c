/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a packet does to its connection: enough of TCP for right timeouts, no more. Windows and
 * sequence numbers are the ends' business; so a forged RST shortens a connection's timeout and does
 * not end it: packets go on to its backend, each for another closing timeout.
 *
 *     SYN ──> OPENING ──ACK of the client──> ESTABLISHED ──FINs, RST──> CLOSING ──SYN──> (anew)
 *             └──────────────────RST────────────────────────────────────┘
 */
#include <netinet/in.h>

#include "dp/l4/connection.h"
#include "dp/l4/limit.h"

/* A connection whose client has not completed the handshake lives no longer than this. */
#define HALF_OPEN_NS 30000000000ull

bool
connection_is_current(const struct worker *w, const struct connection *c)
{
	const struct snapshot *s = w->snapshot;
	const struct service *service = &s->services[c->service];
	const struct backend *backend = &s->backends[c->backend];
	uint8_t kind = 0;

	if (w->now >= c->deadline || c->service >= s->n_services || c->backend >= s->n_backends)
		return false;
	if (service->epoch != c->service_epoch || backend->epoch != c->backend_epoch ||
	    !(backend->flags & BACKEND_UP))
		return false;
	/* The service's mode may have changed. Among DSR modes a connection says no more than
	 * which backend, which holds for all of them. */
	if (service->mode == MODE_NAT)
		kind = CONNECTION_HAS_REPLY;
	if (service->mode == MODE_FULL_NAT)
		kind = CONNECTION_HAS_REPLY | CONNECTION_FULL_NAT;
	return (c->flags & (CONNECTION_HAS_REPLY | CONNECTION_FULL_NAT)) == kind;
}

uint64_t
connection_timeout(const struct service *service, uint8_t state)
{
	switch (state) {
	case CONNECTION_OPENING:
		return service->timeout_established < HALF_OPEN_NS ? service->timeout_established
								   : HALF_OPEN_NS;
	case CONNECTION_ESTABLISHED:
		return service->timeout_established;
	case CONNECTION_CLOSING:
		return service->timeout_closing;
	default:
		return service->timeout_udp;
	}
}

/* Note a FIN. True when all the FINs that we can see are there: in DSR modes the client's only. */
static bool
fins_complete(struct connection *c, const struct packet *p)
{
	uint8_t all = CONNECTION_FIN_FORWARD;

	if (c->flags & CONNECTION_HAS_REPLY)
		all |= CONNECTION_FIN_REPLY;
	if (p->tcp_flags & TCP_FIN)
		c->flags |=
		    p->direction == DIR_REPLY ? CONNECTION_FIN_REPLY : CONNECTION_FIN_FORWARD;
	return (c->flags & all) == all;
}

static uint8_t
next_state(struct connection *c, const struct packet *p, uint8_t state)
{
	bool handshake_ends =
	    p->direction == DIR_FORWARD && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK;

	if (c->forward.proto != IPPROTO_TCP)
		return CONNECTION_UDP;
	if (fins_complete(c, p) || (p->tcp_flags & TCP_RST) || state == CONNECTION_CLOSING)
		return CONNECTION_CLOSING;
	if (state == CONNECTION_OPENING && !handshake_ends)
		return CONNECTION_OPENING;
	return CONNECTION_ESTABLISHED;
}

void
connection_begin(struct worker *w, uint32_t index, const struct packet *p)
{
	struct connection *c = connection_at(w->connections, index);

	uint8_t state;

	/* An ACK shows at once that the handshake was before: before a restart of ours, or before
	 * the row moved. */
	state = next_state(c, p, CONNECTION_OPENING);
	c->deadline = w->now + connection_timeout(&w->snapshot->services[c->service], state);
	/* Not before all else is in memory: see connection_table.h. */
	atomic_signal_fence(memory_order_release);
	c->state = state;
}

static void
connection_step(struct worker *w, struct connection *c, const struct packet *p, uint32_t index)
{
	uint8_t before = c->state;

	c->state = next_state(c, p, before);
	/* The backend repeats its SYN-ACK to a client that does not exist: no life from that. */
	if (c->state == CONNECTION_OPENING && p->direction == DIR_REPLY)
		return;
	c->deadline = w->now + connection_timeout(&w->snapshot->services[c->service], c->state);
	/* A deadline that moves away is found out when the timer fires. */
	if (c->state == CONNECTION_CLOSING && before != CONNECTION_CLOSING) {
		connection_rearm(w, index);
		limit_ended(w, c);
	}
}

/* A client that takes the port of a connection that is over begins another. */
static bool
begins_anew(const struct connection *c, const struct packet *p)
{
	return c->state == CONNECTION_CLOSING && p->direction == DIR_FORWARD &&
	       (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

enum fit {
	FIT_OTHER, /* a connection that is not p's */
	FIT_OVER,  /* it was p's */
	FIT_JOINS,
};

static enum fit
connection_fit(const struct worker *w, const struct packet *p, uint32_t hit)
{
	const struct connection *c = connection_at(w->connections, hit_index(hit));

	/* An earlier packet of the burst may have closed it. */
	if (c->state == CONNECTION_FREE || hit_is_reply(hit) != (p->direction == DIR_REPLY))
		return FIT_OTHER;
	if (!connection_is_current(w, c) || begins_anew(c, p) ||
	    (p->direction == DIR_FORWARD && p->service != c->service))
		return FIT_OVER;
	return FIT_JOINS;
}

bool
connection_would_join(const struct worker *w, const struct packet *p, uint32_t hit)
{
	return connection_fit(w, p, hit) == FIT_JOINS;
}

bool
connection_join(struct worker *w, struct packet *p, uint32_t hit)
{
	uint32_t index = hit_index(hit);
	struct connection *c = connection_at(w->connections, index);
	enum fit fit = connection_fit(w, p, hit);

	if (fit == FIT_OVER)
		connection_close(w, index);
	if (fit != FIT_JOINS)
		return false;
	p->connection = index;
	p->service = c->service;
	p->backend = c->backend;
	if (c->state == CONNECTION_CLOSING)
		p->flags |= PACKET_AFTER_CLOSING;
	if (!(p->flags & PACKET_ICMP_ERROR))
		connection_step(w, c, p, index);
	return true;
}
