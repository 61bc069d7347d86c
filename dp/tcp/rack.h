/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which segments are lost, by time: RACK, and tail loss probes, TLP (RFC 8985).
 *
 *     A segment is lost if one that was sent after it has arrived, and more time than a round trip
 *     and a reordering window has gone by since it was sent.
 *
 * The window is a quarter of the smallest round trip; it grows while the peer tells of duplicates
 * (D-SACK), and is 0 in recovery or from three SACKed segments on as long as no reordering was ever
 * seen. The queue is dp/tcp/sent.h; this is the clockwork over it. Needs SACK.
 *
 * A value; the owner of the connection uses it. ns.
 */
#ifndef DP_TCP_RACK_H
#define DP_TCP_RACK_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/tcp/rtt.h"
#include "dp/tcp/sent.h"

#define RACK_DUPTHRESH    3
#define RACK_PERSIST      16            /* recoveries that a wider window lasts */
#define TLP_MAX_ACK_DELAY 200000000     /* what the peer may delay an ACK by, RFC 8985 7.2 */
#define TLP_TIMEOUT_FIRST 1000000000ull /* without a round-trip time */

struct rack {
	uint64_t time;        /* when the segment was sent that was sent last of those delivered */
	uint64_t rtt;         /* its round trip */
	uint32_t end;         /* its end */
	uint32_t fack;        /* highest end delivered */
	uint32_t dsack_round; /* valid if in_dsack_round */
	uint32_t tlp_end;     /* valid if tlp_out */
	uint16_t mult;        /* reo_wnd_mult */
	uint8_t persist;      /* reo_wnd_persist */
	bool reordering_seen, in_dsack_round;
	bool tlp_out, tlp_again; /* a probe is out; it was a retransmission */
};

/* iss: our initial sequence number. */
void rack_init(struct rack *k, uint32_t iss);

/* What RACK has to know of the connection. */
struct rack_state {
	uint64_t now;
	const struct rtt *rtt;
	uint32_t snd_una, snd_nxt; /* after the ACK */
	bool recovering;           /* fast recovery or after a timeout */
};

/* Steps 1 to 4 for an ACK that sent_acknowledge was given; before rack_detect. */
void rack_update(struct rack *k, const struct rack_state *s, const struct sent_result *r);

/* Step 5: mark what is lost; bytes newly lost (then recovery begins, or goes on). *timer: ns from
 * now on when to call again though no ACK has come, 0: no need. */
uint32_t rack_detect(struct rack *k, const struct rack_state *s, struct sent_pool *p,
		     struct sent *q, uint64_t *timer);

/* Recovery is over (step 4: a recovery without D-SACK). */
void rack_recovery_ended(struct rack *k);

/* 6.3: the retransmission timer went off. True: the peer has reneged. */
bool rack_timeout(struct rack *k, const struct rack_state *s, struct sent_pool *p, struct sent *q);

/* ---- tail loss probes ----------------------------------------------------------------------- */

/* 7.2: the time until a probe, to be armed when new data was sent or acknowledged cumulatively,
 * while something is in flight, the connection is not recovering and no probe is out. rto_in: ns
 * until the retransmission timer goes off; the probe is never later. */
uint64_t tlp_timeout(const struct rtt *r, bool one_segment, uint64_t rto_in);

/* 7.3: a probe was sent. again: it was the last segment once more, else new data. snd_nxt after
 * it. The retransmission timer is armed anew. */
void tlp_sent(struct rack *k, bool again, uint32_t snd_nxt);

static inline bool
tlp_out(const struct rack *k)
{
	return k->tlp_out;
}

/* Does the ACK tell that what the probe sent again came twice? */
static inline bool
tlp_told(const struct rack *k, const struct sent_result *r)
{
	return k->tlp_out && k->tlp_again && r->dsack && r->duplicate.right == k->tlp_end;
}

/* 7.4: an ACK. duplicate: it acknowledges nothing new, carries neither data nor a new window nor
 * SACK. True: the probe repaired a loss that nobody else will notice: reduce the window once. */
bool tlp_ack(struct rack *k, uint32_t ack, const struct sent_result *r, bool duplicate);

#endif
