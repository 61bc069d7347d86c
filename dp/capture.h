/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets copied for `penstock capture`: as they came in, with what became of them, and as they
 * went out.
 *
 * Owner: the control thread makes a struct capture, publishes it as dataplane.capture, and frees it
 * when, after it has taken it away again, every worker has passed a quiescent state. A worker loads
 * the pointer once per iteration; when there is none, each hook is one branch a burst.
 *
 * Each worker has a ring of its own, one writer and one reader. A record is complete when the
 * worker's iteration is, and only then control sees it:
 *
 *      tail             head             next
 *       │ control reads   │ verdict open   │ free
 *     ──┴─────────────────┴────────────────┴──────
 *
 *     tail <= head <= next <= tail + slots (modulo 2^32)
 *
 * A full ring loses records, which are counted; a worker never waits.
 */
#ifndef DP_CAPTURE_H
#define DP_CAPTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dp/packet.h"
#include "dp/worker.h"
#include "lib/addr.h"

#define CAPTURE_SNAPLEN_MAX 9216
#define CAPTURE_SLOTS_MAX   4096
#define CAPTURE_RING_BYTES  (16u << 20)

/* What became of the packet, or what it is. */
enum capture_event {
	CAPTURE_NOTHING, /* no verdict: not to be shown */
	/* as it came in */
	CAPTURE_FORWARDED, /* to backend or client, see record.direction and record.to */
	CAPTURE_ANSWERED,  /* by ourselves: an echo reply, or what `reason` calls for */
	CAPTURE_DROPPED,   /* for `reason` */
	CAPTURE_TO_HOST,
	CAPTURE_WAITS, /* for the next hop's Ethernet address; goes out or is dropped later */
	CAPTURE_ENDS,  /* at a listener, or in a connection of ours to a backend */
	/* as it goes out */
	CAPTURE_OUT,
	CAPTURE_OUT_ANSWER,
	CAPTURE_OUT_OURS, /* of a listener's connection */
	CAPTURE_OUT_FROM_HOST,
	CAPTURE_OUT_UNSENT, /* the port did not take it: dropped for `reason` */
};

struct capture_record {
	uint64_t time;   /* ns on the workers' clock */
	uint32_t length; /* of the frame */
	uint16_t captured;
	uint8_t port;      /* index in dataplane.ports */
	uint8_t event;     /* enum capture_event */
	uint8_t reason;    /* enum drop_reason */
	uint8_t direction; /* enum direction */
	uint8_t echo;      /* ANSWERED: an echo request */
	uint8_t pad;
	uint16_t to_port;                /* network byte order */
	uint32_t service, service_epoch; /* slot, INDEX_NONE */
	struct addr to;                  /* FORWARDED, OUT: the backend, or the client */
	uint8_t data[];
};
static_assert(sizeof(struct capture_record) == 48, "data begins in the same cache line");

struct capture_filter {
	uint32_t service, service_epoch; /* INDEX_NONE: any */
	struct prefix client;
	bool by_client; /* else any */
	bool drops;     /* only what is dropped */
};

struct capture_ring {
	/* worker writes, control reads */
	_Alignas(64) _Atomic uint32_t head;
	uint64_t lost[SNAPSHOT_MAX_PORTS];
	/* worker only */
	uint32_t next;
	/* control writes, worker reads */
	_Alignas(64) _Atomic uint32_t tail;
	/* fixed */
	uint8_t *slots;
};

struct capture {
	struct capture_filter filter;
	uint32_t snaplen, slot_size;
	uint32_t mask; /* slots of a ring less one */
	struct capture_ring rings[SNAPSHOT_MAX_WORKERS];
};

/* Rings for n workers; positions begin at `first`, which no earlier capture has passed. NULL
 * without memory. Control thread. */
struct capture *capture_create(uint32_t n_workers, uint32_t snaplen, uint32_t first);
void capture_destroy(struct capture *c);
/* The oldest complete record of a worker, or NULL; it stays until capture_done. Control thread. */
const struct capture_record *capture_peek(struct capture *c, uint32_t worker);
void capture_done(struct capture *c, uint32_t worker);

/* ---- hooks; worker only. The inline ones are called in any case; the others lie out of the way of
 * the code that runs without a capture. ---- */

/* Echo requests, which stage echo turns into their replies. */
__rte_cold void capture_take_echo(struct worker *w, struct burst *b);
/* Packets about to be balanced and rewritten: service, client and connection are known. */
__rte_cold void capture_take(struct worker *w, struct burst *b);
/* Verdicts, but drops. */
__rte_cold void capture_verdicts(struct worker *w, struct burst *b);
/* p is dropped, or is about to be turned into the answer to its sender; waits: not yet. */
__rte_cold void capture_dropped(struct worker *w, struct packet *p, bool waits);
/* p ends here. */
__rte_cold void capture_ending(struct worker *w, struct packet *p);
/* p leaves; pieces of one packet call it for each. */
__rte_cold void capture_leaving(struct worker *w, const struct packet *p);
__rte_cold void capture_frame_out(struct worker *w, uint8_t port, const struct rte_mbuf *m,
				  enum capture_event event);
/* The iteration ends. */
__rte_cold void capture_commit(struct worker *w);

static inline void
capture_before_echo(struct worker *w, struct burst *b)
{
	if (unlikely(w->capture != NULL))
		capture_take_echo(w, b);
}

static inline void
capture_before_balance(struct worker *w, struct burst *b)
{
	if (unlikely(w->capture != NULL))
		capture_take(w, b);
}

static inline void
capture_before_dispatch(struct worker *w, struct burst *b)
{
	if (unlikely(w->capture != NULL))
		capture_verdicts(w, b);
}

static inline void
capture_drop(struct worker *w, struct packet *p, bool waits)
{
	if (unlikely(w->capture != NULL))
		capture_dropped(w, p, waits);
}

static inline void
capture_end_of_packet(struct worker *w, struct packet *p)
{
	if (unlikely(w->capture != NULL))
		capture_ending(w, p);
}

static inline void
capture_out(struct worker *w, const struct packet *p)
{
	if (unlikely(w->capture != NULL))
		capture_leaving(w, p);
}

static inline void
capture_frame(struct worker *w, uint8_t port, const struct rte_mbuf *m, enum capture_event event)
{
	if (unlikely(w->capture != NULL))
		capture_frame_out(w, port, m, event);
}

static inline void
capture_end(struct worker *w)
{
	if (unlikely(w->capture != NULL))
		capture_commit(w);
}

#endif
