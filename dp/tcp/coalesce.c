/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive coalescing, what Linux calls GRO: segments of a burst that continue each other are one
 * for the state and for the user. Nobody could tell from outside but by fewer acknowledgements: of
 * two segments or more at once one comes at once.
 *
 * Only data in order with nothing missing is put together, while a connection is established, and
 * only where all else that the header says is the same and no buffer is mostly empty: small pieces
 * are copied together later (dp/queue.c). So what is lost, sent again or has news for
 * our own sending is looked at segment by segment, as RFC 5681 4.2 and RFC 2018 4 want it.
 *
 * Why not a card's LRO: it is switched on for a whole port, and what it merges cannot be forwarded
 * by layer 4 as it came (sizes, checksums, options). Why not rte_gro: it would look at all packets
 * of a burst in tables of its own, and knows none of the above; here the connection has been found
 * already, and only its next segments are compared with what it expects.
 */
#include "dp/tcp/internal.h"

#include <arpa/inet.h>
#include <string.h>

#define PLAIN (uint8_t)(~FLAG_PSH)

bool
segment_is_next(const struct tcp_block *c, const struct segment *s)
{
	return c->state == TCP_ESTABLISHED && !(c->flags & BLOCK_FIN_SEEN) && !c->runs &&
	       s->len >= TCP_COPY_BELOW && s->seq == c->rcv_nxt && (s->flags & PLAIN) == TCP_ACK;
}

/* Does the packet, of which nothing has been checked, go on where s ends? */
static bool
follows(const struct segment *s, const struct tcp_packet *p)
{
	uint32_t header = HEADER_BYTES + s->option_bytes;
	uint32_t next = htonl(s->seq + s->len);
	const uint8_t *h;

	if (p->mbuf->data_len < p->l4 + header ||
	    p->ip_len < p->l4 - p->l3 + header + TCP_COPY_BELOW || p->ecn != s->ecn ||
	    p->tuple->sport != s->packet->tuple->sport ||
	    p->tuple->dport != s->packet->tuple->dport ||
	    !addr_equal(&p->tuple->src, &s->packet->tuple->src) ||
	    !addr_equal(&p->tuple->dst, &s->packet->tuple->dst))
		return false;
	h = rte_pktmbuf_mtod_offset(p->mbuf, const uint8_t *, p->l4);
	/* The acknowledgement, the length of the header, the window, the options. */
	return memcmp(h + 4, &next, 4) == 0 && memcmp(h + 8, s->header + 8, 5) == 0 &&
	       (h[13] & PLAIN) == TCP_ACK && memcmp(h + 14, s->header + 14, 2) == 0 &&
	       memcmp(h + HEADER_BYTES, s->options, s->option_bytes) == 0 &&
	       s->mbuf->nb_segs + p->mbuf->nb_segs <= RTE_MBUF_MAX_NB_SEGS;
}

uint32_t
segments_join(struct tcp *t, const struct tcp_block *c, struct segment *s,
	      const struct tcp_packet *packets, uint32_t n)
{
	struct rte_mbuf *last = NULL;
	struct segment more;
	uint32_t i;

	for (i = 0; i < n && follows(s, &packets[i]); i++) {
		/* Else all would be refused, and the first ones not have been. */
		if (!budget_fits(t, c, s->mbuf->nb_segs + packets[i].mbuf->nb_segs, BUDGET_MORE))
			break;
		fetch_data(&packets[i], n - i);
		if (!segment_parse(t, &packets[i], &more)) {
			segment_drop(&more);
			return i + 1;
		}
		if (!last)
			last = rte_pktmbuf_lastseg(s->mbuf);
		last->next = more.mbuf;
		last = rte_pktmbuf_lastseg(more.mbuf);
		s->mbuf->nb_segs = (uint16_t)(s->mbuf->nb_segs + more.mbuf->nb_segs);
		s->mbuf->pkt_len += more.mbuf->pkt_len;
		s->len += more.len;
		s->joined = true;
		t->counters.joined++;
	}
	return i;
}
