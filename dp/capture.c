/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet's bytes are copied before a stage may change them, its verdict is added when it is
 * known. packet.capture is the position of its record, which is open while
 *
 *     head <= packet.capture < next
 *
 * so what a packet that was held remembers of an earlier iteration means nothing.
 */
#include "dp/capture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dp/l4/connection.h"

/* ---- control ---- */

static size_t
ring_bytes(const struct capture *c)
{
	return (size_t)(c->mask + 1) * c->slot_size;
}

struct capture *
capture_create(uint32_t n_workers, uint32_t snaplen, uint32_t first)
{
	struct capture *c = aligned_alloc(64, sizeof(*c));
	uint32_t slots = CAPTURE_SLOTS_MAX, i;

	if (!c)
		return NULL;
	*c = (struct capture){ .snaplen = snaplen };
	c->slot_size = (uint32_t)RTE_ALIGN(sizeof(struct capture_record) + snaplen, 64);
	while ((size_t)slots * c->slot_size > CAPTURE_RING_BYTES)
		slots /= 2;
	c->mask = slots - 1;
	for (i = 0; i < n_workers; i++) {
		struct capture_ring *ring = &c->rings[i];
		void *memory = mmap(NULL, ring_bytes(c), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED) {
			capture_destroy(c);
			return NULL;
		}
		ring->slots = memory;
		ring->next = first;
		atomic_init(&ring->head, first);
		atomic_init(&ring->tail, first);
	}
	return c;
}

void
capture_destroy(struct capture *c)
{
	uint32_t i;

	for (i = 0; c && i < SNAPSHOT_MAX_WORKERS; i++) {
		if (c->rings[i].slots)
			munmap(c->rings[i].slots, ring_bytes(c));
	}
	free(c);
}

static struct capture_record *
record_at(const struct capture *c, const struct capture_ring *ring, uint32_t position)
{
	return (struct capture_record *)(ring->slots + (size_t)(position & c->mask) * c->slot_size);
}

const struct capture_record *
capture_peek(struct capture *c, uint32_t worker)
{
	struct capture_ring *ring = &c->rings[worker];
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (atomic_load_explicit(&ring->head, memory_order_acquire) == tail)
		return NULL;
	return record_at(c, ring, tail);
}

void
capture_done(struct capture *c, uint32_t worker)
{
	struct capture_ring *ring = &c->rings[worker];
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

/* ---- the worker's ring ---- */

static struct capture_ring *
ring_of(const struct worker *w)
{
	return &w->capture->rings[w->index];
}

/* The open record of p, or NULL. */
static struct capture_record *
record_of(const struct worker *w, const struct packet *p)
{
	struct capture_ring *ring = ring_of(w);
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (!p->capture || p->capture - head >= ring->next - head)
		return NULL;
	return record_at(w->capture, ring, p->capture);
}

static void
copy_frame(struct capture_record *r, const struct rte_mbuf *m, uint32_t snaplen)
{
	const void *bytes;

	r->length = rte_pktmbuf_pkt_len(m);
	r->captured = (uint16_t)RTE_MIN(r->length, snaplen);
	/* In one piece: where it lies; else it has been put together in data. */
	bytes = rte_pktmbuf_read(m, 0, r->captured, r->data);
	if (bytes && bytes != r->data)
		memcpy(r->data, bytes, r->captured);
}

/* A new record with the frame's bytes, or NULL: it is lost. */
static struct capture_record *
take(struct worker *w, uint8_t port, const struct rte_mbuf *m, uint32_t *position)
{
	const struct capture *c = w->capture;
	struct capture_ring *ring = ring_of(w);
	struct capture_record *r;

	if (ring->next - atomic_load_explicit(&ring->tail, memory_order_acquire) > c->mask) {
		ring->lost[port]++;
		return NULL;
	}
	*position = ring->next++;
	r = record_at(c, ring, *position);
	*r = (struct capture_record){
		.time = dp_clock_now(&w->dataplane->clock),
		.port = port,
		.service = INDEX_NONE,
	};
	copy_frame(r, m, c->snaplen);
	return r;
}

/* ---- what is wanted ---- */

static bool
client_wanted(const struct worker *w, const struct packet *p, const struct prefix *client)
{
	if (p->connection != INDEX_NONE)
		return prefix_contains(client,
				       &connection_at(w->connections, p->connection)->forward.src);
	if (p->direction == DIR_NONE && prefix_contains(client, &p->tuple.dst))
		return true;
	return prefix_contains(client, packet_client(p));
}

static bool
wanted(const struct worker *w, const struct packet *p)
{
	const struct capture_filter *f = &w->capture->filter;
	const struct snapshot *s = w->snapshot;

	if (f->service != INDEX_NONE && (p->service != f->service || p->service >= s->n_services ||
					 s->services[p->service].epoch != f->service_epoch))
		return false;
	return !f->by_client || client_wanted(w, p, &f->client);
}

/* ---- hooks ---- */

/* Whom a forwarded packet goes to. */
static void
fill_to(const struct worker *w, const struct packet *p, struct capture_record *r)
{
	const struct snapshot *s = w->snapshot;
	const struct connection *c = NULL;

	if (p->connection != INDEX_NONE)
		c = connection_at(w->connections, p->connection);
	if (p->direction == DIR_REPLY && c) {
		r->to = c->forward.src;
		r->to_port = c->forward.sport;
	} else if (p->backend < s->n_backends) {
		const struct backend *b = &s->backends[p->backend];

		r->to = b->addr;
		r->to_port = b->port ? b->port : p->tuple.dport;
	}
}

static void
fill_service(const struct worker *w, const struct packet *p, struct capture_record *r)
{
	const struct snapshot *s = w->snapshot;

	r->direction = p->direction;
	r->reason = p->reason;
	r->echo = (p->flags & PACKET_ECHO_REQUEST) != 0;
	if (p->service >= s->n_services)
		return;
	r->service = p->service;
	r->service_epoch = s->services[p->service].epoch;
}

/* A record for p as it came in. One that is lost is lost once. */
static struct capture_record *
take_packet(struct worker *w, struct packet *p)
{
	struct capture_record *r;

	p->capture = 0;
	if (p->flags & PACKET_UNCAPTURED)
		return NULL;
	r = take(w, p->in_port, p->mbuf, &p->capture);
	if (!r)
		p->flags |= PACKET_UNCAPTURED;
	return r;
}

void
capture_take_echo(struct worker *w, struct burst *b)
{
	uint16_t i;

	for (i = 0; i < b->count && !w->capture->filter.drops; i++) {
		struct packet *p = &b->packets[i];

		if (p->verdict == VERDICT_CONTINUE && (p->flags & PACKET_ECHO_REQUEST) &&
		    wanted(w, p))
			(void)take_packet(w, p);
	}
}

void
capture_take(struct worker *w, struct burst *b)
{
	uint16_t i;

	/* What is dropped is as it came, but for what capture_dropped is told beforehand. */
	for (i = 0; i < b->count && !w->capture->filter.drops; i++) {
		struct packet *p = &b->packets[i];

		if (p->verdict == VERDICT_CONTINUE && wanted(w, p))
			(void)take_packet(w, p);
	}
}

/* Did we send it ourselves? A packet that waited still has the reason for that. */
static bool
is_answer(const struct packet *p)
{
	return (p->flags & PACKET_ECHO_REQUEST) ||
	       (p->reason && p->reason != DROP_NEIGHBOUR_UNRESOLVED);
}

static void
verdict_transmit(struct worker *w, struct packet *p)
{
	struct capture_record *r = record_of(w, p);

	if (r) {
		fill_service(w, p, r);
		fill_to(w, p, r);
		r->event = is_answer(p) ? CAPTURE_ANSWERED : CAPTURE_FORWARDED;
	}
	capture_leaving(w, p);
}

/* The frame is as it came: the host gets no other. */
static void
verdict_host(struct worker *w, struct packet *p)
{
	struct capture_record *r;

	if (w->capture->filter.drops || !wanted(w, p))
		return;
	r = record_of(w, p);
	if (!r)
		r = take_packet(w, p);
	if (!r)
		return;
	fill_service(w, p, r);
	r->event = CAPTURE_TO_HOST;
}

void
capture_verdicts(struct worker *w, struct burst *b)
{
	uint16_t i;

	for (i = 0; i < b->count; i++) {
		struct packet *p = &b->packets[i];

		if (p->verdict == VERDICT_TRANSMIT)
			verdict_transmit(w, p);
		else if (p->verdict == VERDICT_HOST)
			verdict_host(w, p);
	}
}

void
capture_dropped(struct worker *w, struct packet *p, bool waits)
{
	struct capture_record *r = record_of(w, p);

	if (!r) {
		if ((waits && w->capture->filter.drops) || !wanted(w, p))
			return;
		r = take_packet(w, p);
	}
	if (!r)
		return;
	fill_service(w, p, r);
	r->event = waits ? CAPTURE_WAITS : CAPTURE_DROPPED;
}

void
capture_ending(struct worker *w, struct packet *p)
{
	struct capture_record *r;

	if (w->capture->filter.drops || !wanted(w, p))
		return;
	r = take_packet(w, p);
	if (!r)
		return;
	fill_service(w, p, r);
	r->event = CAPTURE_ENDS;
}

void
capture_leaving(struct worker *w, const struct packet *p)
{
	struct capture_record *r;
	uint32_t position;

	if (w->capture->filter.drops || !wanted(w, p))
		return;
	r = take(w, p->out_port, p->mbuf, &position);
	if (!r)
		return;
	fill_service(w, p, r);
	fill_to(w, p, r);
	r->event = is_answer(p) ? CAPTURE_OUT_ANSWER : CAPTURE_OUT;
}

void
capture_frame_out(struct worker *w, uint8_t port, const struct rte_mbuf *m,
		  enum capture_event event)
{
	const struct capture_filter *f = &w->capture->filter;
	struct capture_record *r;
	uint32_t position;

	/* Of a frame nothing is known but its bytes. */
	if (f->service != INDEX_NONE || f->by_client || (f->drops && event != CAPTURE_OUT_UNSENT))
		return;
	r = take(w, port, m, &position);
	if (!r)
		return;
	r->event = (uint8_t)event;
	r->reason = DROP_TRANSMIT_FULL;
}

void
capture_commit(struct worker *w)
{
	struct capture_ring *ring = ring_of(w);

	atomic_store_explicit(&ring->head, ring->next, memory_order_release);
}
