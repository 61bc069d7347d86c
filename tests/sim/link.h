/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated link with two ways, in virtual time.
 *
 *     send at t --> [ queue, rate ] --> [ MTU ] --> [ loss, corruption ] --> [ delay, jitter ]
 *                    full: dropped     too big:      twice: a second copy     arrives at t + ...
 *                                      ICMP back
 *
 * A frame is the bytes of an IP packet. The run that made the link owns it; one thread. Frames are
 * taken in the order of their arrival; frames that arrive at the same time, in the order of
 * sending. All chance comes from the run's generator, so a seed says what happens.
 */
#ifndef TESTS_SIM_LINK_H
#define TESTS_SIM_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/random.h"

/* Chances in 1/65536. */
struct way {
	uint64_t delay, jitter;    /* ns, one way */
	uint64_t rate;             /* bits per second, 0: no bound */
	uint64_t queue;            /* bytes that may wait for the rate */
	uint32_t loss, corruption; /* of each frame */
	uint32_t burst_begin;      /* a row of losses begins (Gilbert) */
	uint32_t burst_end;        /* ... ends */
	uint32_t twice;            /* delivered twice */
	uint32_t late;             /* held back by up to late_by */
	uint64_t late_by;
	uint32_t
	    copied; /* a second one comes later, by up to copied_by; the first keeps its place */
	uint64_t copied_by;
	uint32_t mark;           /* ECN: CE instead of a loss */
	uint32_t icmp_loss;      /* of errors that come back by this way */
	uint64_t dead_from;      /* nothing passes in [dead_from, dead_until) */
	uint64_t dead_until;     /* */
	uint16_t mtu, later_mtu; /* later_mtu from mtu_changes on, if that is not 0 */
	uint64_t mtu_changes;

	/* what happens */
	uint64_t busy_until;
	bool in_burst;
	uint64_t sent, lost, too_big;
};

struct frame {
	uint64_t at, order;
	uint8_t to; /* side: 0 or 1 */
	bool icmp;
	bool damaged, forged;
	uint32_t len;
	uint8_t bytes[];
};

struct link {
	struct random *random;
	struct way ways[2]; /* [i]: what side i sends */
	struct frame **heap;
	size_t n, room;
	uint64_t order;
};

void link_init(struct link *l, struct random *r);
void link_destroy(struct link *l);

/* Side `from` sends a packet at `now`. */
void link_send(struct link *l, int from, const uint8_t *bytes, size_t len, uint64_t now);
/* A frame as if it came from nowhere; it arrives at side `to` at `at` exactly once. */
void link_inject(struct link *l, int to, const uint8_t *bytes, size_t len, uint64_t at);
/* The time of the next arrival, UINT64_MAX if nothing is under way. */
uint64_t link_next(const struct link *l);
/* The next frame, or NULL; the caller frees it with free(). */
struct frame *link_take(struct link *l);

#endif
