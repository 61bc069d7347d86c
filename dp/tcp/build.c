/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of what leaves: IP header, TCP header, options, checksums, and the data behind them.
 *
 * Data stays with its record until it is acknowledged, so a packet shares it:
 *
 *     record ──> [ room | headers | data ]         one buffer, and nobody else has it: the headers
 *     packet ──────────>                           go in front of the data (the reference count
 *                                                  says whether an earlier copy is still under way)
 *     record ──> [ ...... | data ]                 otherwise headers in a buffer of their own, and
 *     packet ──> [ headers ] ──> [ clone ]         clones of the data behind them; what is small
 *                                                  is copied
 *
 * The data of a record is always the last bytes of its chain.
 */
#include "dp/tcp/internal.h"

#include <arpa/inet.h>

#include "dp/l4/bytes.h"
#include "dp/tcp/isn.h"
#include "dp/tcp/options.h"

#define TCP_HEADER  20
#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define HEADERS_MAX (IPV6_HEADER + TCP_HEADER + OPTIONS_MAX)
/* A driver may pad a frame to 60 bytes behind the data: such data stays out of packets. */
#define PADDED_BELOW 8

/* A packet between its first byte and its last. */
struct header {
	const struct tuple *peer; /* src is the peer */
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags, tos, ttl;
	uint16_t tso_size; /* 0: no larger than a segment */
	uint32_t option_bytes;
	uint8_t options[OPTIONS_MAX];
};

uint32_t
timestamp_now(const struct tcp *t, const struct tcp_block *c)
{
	return timestamp_at(t->now, c->ts_offset);
}

static struct rte_mbuf *
new_buffer(struct tcp *t)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(t->settings.mbufs);

	if (!m)
		t->counters.no_mbuf++;
	return m;
}

static uint32_t
headers_length(const struct header *h)
{
	return (addr_is_v4(&h->peer->src) ? IPV4_HEADER : IPV6_HEADER) + TCP_HEADER +
	       h->option_bytes;
}

/* addresses: the sum of both. Nothing that was just written is read again, here and below. */
static void
write_ip(const struct tcp *t, const struct header *h, struct rte_mbuf *m, uint64_t addresses)
{
	const struct tuple *peer = h->peer;
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t first, length, last;

	if (addr_is_v4(&peer->src)) {
		first = htons((uint16_t)(0x4500 | h->tos));
		length = htons((uint16_t)m->pkt_len);
		last = htons((uint16_t)(h->ttl << 8 | IPPROTO_TCP));
		put16(p, first);
		put16(p + 2, length);
		/* Don't fragment; atomic, so without an id (RFC 6864). */
		put32(p + 4, htonl(0x4000));
		put16(p + 8, last);
		put16(p + 10, 0);
		put32(p + 12, peer->dst.w[3]);
		put32(p + 16, peer->src.w[3]);
		if (t->settings.output & TCP_OUTPUT_CHECKSUM)
			m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
		else
			put16(p + 10, (uint16_t)~csum_fold(addresses + first + length +
							   htons(0x4000) + last));
		m->l3_len = IPV4_HEADER;
		return;
	}
	put32(p, htonl(6u << 28 | (uint32_t)h->tos << 20));
	put16(p + 4, htons((uint16_t)(m->pkt_len - IPV6_HEADER)));
	p[6] = IPPROTO_TCP;
	p[7] = h->ttl;
	memcpy(p + 8, peer->dst.b, 16);
	memcpy(p + 24, peer->src.b, 16);
	if (t->settings.output & TCP_OUTPUT_CHECKSUM)
		m->ol_flags |= RTE_MBUF_F_TX_IPV6;
	m->l3_len = IPV6_HEADER;
}

/* The options, whole words; their sum. */
static uint64_t
write_options(const struct header *h, uint8_t *p)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < h->option_bytes; i += 4) {
		uint32_t word = get32(h->options + i);

		put32(p + i, word);
		sum += word;
	}
	return sum;
}

/* Of TCP, all but the checksum; the sum of it, and of the pseudo header without its length. */
static uint64_t
write_tcp(const struct header *h, uint8_t *p)
{
	uint32_t header = TCP_HEADER + h->option_bytes;
	uint32_t seq = htonl(h->seq), ack = htonl(h->ack);
	uint32_t rest = htonl(header << 26 | (uint32_t)h->flags << 16 | h->window);

	put16(p, h->peer->dport);
	put16(p + 2, h->peer->sport);
	put32(p + 4, seq);
	put32(p + 8, ack);
	put32(p + 12, rest);
	put32(p + 16, 0);
	return (uint64_t)h->peer->dport + h->peer->sport + seq + ack + rest +
	       write_options(h, p + TCP_HEADER);
}

/* Fill the headers in at the beginning of m, which has all the rest, and complete the packet. */
static void
write_headers(const struct tcp *t, const struct header *h, struct rte_mbuf *m)
{
	uint64_t addresses = csum_addr(&h->peer->src) + csum_addr(&h->peer->dst), sum;
	uint32_t length, headers;
	uint8_t *p;

	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	m->tx_offload = 0;
	m->l4_len = TCP_HEADER + h->option_bytes;
	write_ip(t, h, m, addresses);
	headers = (uint32_t)(m->l3_len + m->l4_len);
	length = m->pkt_len - m->l3_len;
	p = rte_pktmbuf_mtod_offset(m, uint8_t *, m->l3_len);
	sum = write_tcp(h, p);
	if (t->settings.output & TCP_OUTPUT_CHECKSUM) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
		if (h->tso_size) {
			m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
			m->tso_segsz = h->tso_size;
			length = 0;
		}
		put16(p + 16, csum_fold(addresses + htons(IPPROTO_TCP) + htonl(length)));
		return;
	}
	sum += addresses + htons(IPPROTO_TCP) + htonl(length);
	if (m->pkt_len > headers)
		sum += chain_sum(m, headers, m->pkt_len - headers);
	put16(p + 16, (uint16_t)~csum_fold(sum));
}

static void
emit(struct tcp *t, struct rte_mbuf *m, uint64_t route)
{
	t->counters.segments_out++;
	t->calls.output(t->calls.arg, m, route);
}

/* ---- data ----------------------------------------------------------------------------------- */

/* The headers go in front of the data, in the data's own buffer. */
static struct rte_mbuf *
share_in_place(const struct outgoing *o, uint32_t headers)
{
	struct rte_mbuf *m = o->payload;
	uint32_t before;

	if (!o->whole || !RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1 ||
	    o->len < PADDED_BELOW || o->offset + o->len != m->pkt_len || o->offset >= m->data_len)
		return NULL;
	before = (uint32_t)m->data_off + o->offset;
	if (before < headers + TCP_HEADROOM)
		return NULL;
	m->data_off = (uint16_t)(before - headers);
	m->data_len = (uint16_t)(m->data_len - o->offset + headers);
	m->pkt_len = o->len + headers;
	for (struct rte_mbuf *i = m; i; i = i->next)
		rte_mbuf_refcnt_update(i, 1);
	return m;
}

static bool
copy_data(struct rte_mbuf *m, const struct outgoing *o)
{
	char *to = rte_pktmbuf_append(m, (uint16_t)o->len);
	const void *from;

	if (!to)
		return false;
	from = rte_pktmbuf_read(o->payload, o->offset, o->len, to);
	if (from && from != to)
		memcpy(to, from, o->len);
	return from != NULL;
}

/* Clones of the data behind the headers. */
static bool
clone_data(struct tcp *t, struct rte_mbuf *m, const struct outgoing *o)
{
	struct rte_mbuf *from = o->payload, **link = &rte_pktmbuf_lastseg(m)->next;
	uint32_t offset = o->offset, left = o->len;

	for (; left; from = from->next) {
		struct rte_mbuf *clone;
		uint32_t n;

		if (!from)
			return false;
		if (offset >= from->data_len) {
			offset -= from->data_len;
			continue;
		}
		clone = rte_pktmbuf_alloc(t->settings.clones);
		if (!clone) {
			t->counters.no_mbuf++;
			return false;
		}
		n = RTE_MIN((uint32_t)from->data_len - offset, left);
		rte_pktmbuf_attach(clone, from);
		clone->data_off = (uint16_t)(from->data_off + offset);
		clone->data_len = (uint16_t)n;
		clone->pkt_len = n;
		*link = clone;
		link = &clone->next;
		m->nb_segs++;
		m->pkt_len += n;
		left -= n;
		offset = 0;
	}
	return true;
}

/* The buffer of a segment that came in, for an answer that is nothing but headers: they go where
 * its own are. NULL if others have it too, or there is no room. */
static struct rte_mbuf *
turn_round(struct segment *s, uint32_t headers)
{
	uint32_t before = addr_is_v4(&s->packet->tuple->src) ? IPV4_HEADER : IPV6_HEADER, at;
	struct rte_mbuf *m = s->mbuf;

	if (!m || m->nb_segs != 1 || !RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1)
		return NULL;
	at = (uint32_t)(s->header - (const uint8_t *)m->buf_addr);
	if (at < before + TCP_HEADROOM || at - before + headers > m->buf_len)
		return NULL;
	s->mbuf = NULL;
	m->data_off = (uint16_t)(at - before);
	m->data_len = (uint16_t)headers;
	m->pkt_len = headers;
	return m;
}

/* A packet with room for the headers at its beginning and the data behind them. */
static struct rte_mbuf *
packet_make(struct tcp *t, const struct outgoing *o, uint32_t headers)
{
	bool linear = t->settings.output & TCP_OUTPUT_LINEAR;
	struct rte_mbuf *m;

	if (o->len && !(linear && o->payload->nb_segs > 1)) {
		m = share_in_place(o, headers);
		if (m)
			return m;
	}
	m = new_buffer(t);
	if (!m)
		return NULL;
	if (rte_pktmbuf_append(m, (uint16_t)headers) &&
	    (!o->len || ((linear || o->len < TCP_COPY_BELOW) && copy_data(m, o)) ||
	     (!linear && clone_data(t, m, o))))
		return m;
	rte_pktmbuf_free(m);
	return NULL;
}

/* ---- segments of a connection --------------------------------------------------------------- */

static void
timestamp_option(const struct tcp *t, const struct tcp_block *c, struct header *h)
{
	put32(h->options, htonl(0x0101080a));
	put32(h->options + 4, htonl(timestamp_now(t, c)));
	put32(h->options + 8, htonl(c->ts_recent));
	h->option_bytes = TIMESTAMP_BYTES;
}

/* Timestamps and SACK. */
static void
usual_options(const struct tcp *t, struct tcp_block *c, struct header *h, bool data)
{
	struct segment_options options = { 0 };
	uint32_t n = 0;

	/* With data, blocks would take room that the MSS does not account for. */
	if (data || !(c->flags & BLOCK_SACK) || !(c->runs || c->flags & BLOCK_DSACK)) {
		if (c->flags & BLOCK_TIMESTAMPS)
			timestamp_option(t, c, h);
		return;
	}
	if (c->flags & BLOCK_DSACK) {
		const struct flight *f = flight_of(c);

		options.sack[n++] = (struct sack_block){ f->dsack_start, f->dsack_end };
		c->flags &= ~BLOCK_DSACK;
	}
	n += runs_sack(c, options.sack + n, SACK_BLOCKS_MAX - n);
	options.n_sack = (uint8_t)n;
	if (c->flags & BLOCK_TIMESTAMPS) {
		options.flags = OPTION_TIMESTAMPS;
		options.tsval = timestamp_now(t, c);
		options.tsecr = c->ts_recent;
	}
	h->option_bytes = options_build(&options, h->options);
}

/* What an ACK promises is now said. */
static void
acknowledged(struct tcp_block *c)
{
	c->last_ack_sent = c->rcv_nxt;
	c->segments_unacked = 0;
	c->flags &= ~(BLOCK_ACK_NOW | BLOCK_ACK_LATER);
}

bool
send_segment(struct tcp *t, struct tcp_block *c, const struct outgoing *o)
{
	const struct tcp_options *options = block_options(t, c);
	struct header h = {
		.peer = &c->tuple,
		.seq = o->seq,
		.ack = c->rcv_nxt,
		.flags = o->flags | TCP_ACK,
		.tos = (uint8_t)(options->tos | o->ecn),
		.ttl = options->ttl,
	};
	struct rte_mbuf *m;

	if (c->flags & BLOCK_ECE)
		h.flags |= FLAG_ECE;
	usual_options(t, c, &h, o->len > 0);
	m = packet_make(t, o, headers_length(&h));
	if (!m)
		return false;
	h.window = (uint16_t)(window_advertise(t, c) >> c->rcv_scale);
	write_headers(t, &h, m);
	acknowledged(c);
	emit(t, m, c->route);
	return true;
}

/* New data of several records in one packet, which the port cuts where the records end: each but
 * the last is a whole segment. */
bool
send_train(struct tcp *t, struct tcp_block *c, const struct outgoing *o, uint32_t n)
{
	const struct tcp_options *options = block_options(t, c);
	struct header h = {
		.peer = &c->tuple,
		.seq = o->seq,
		.ack = c->rcv_nxt,
		.flags = o[0].flags | o[n - 1].flags | TCP_ACK,
		.tos = (uint8_t)(options->tos | o->ecn),
		.ttl = options->ttl,
		.tso_size = c->mss,
	};
	struct rte_mbuf *m;
	uint32_t i;

	if (c->flags & BLOCK_ECE)
		h.flags |= FLAG_ECE;
	usual_options(t, c, &h, true);
	m = packet_make(t, &(struct outgoing){ 0 }, headers_length(&h));
	if (!m)
		return false;
	for (i = 0; i < n; i++) {
		if (!clone_data(t, m, &o[i])) {
			rte_pktmbuf_free(m);
			return false;
		}
	}
	h.window = (uint16_t)(window_advertise(t, c) >> c->rcv_scale);
	write_headers(t, &h, m);
	acknowledged(c);
	emit(t, m, c->route);
	return true;
}

bool
send_ack(struct tcp *t, struct tcp_block *c)
{
	return send_segment(t, c, &(struct outgoing){ .seq = c->snd_nxt });
}

/* SYN of ours, or SYN-ACK. */
bool
send_syn(struct tcp *t, struct tcp_block *c)
{
	const struct tcp_options *options = block_options(t, c);
	bool answer = c->state == TCP_SYN_RECEIVED;
	struct header h = {
		.peer = &c->tuple,
		.seq = c->snd_una,
		.ack = answer ? c->rcv_nxt : 0,
		.flags = TCP_SYN | (answer ? TCP_ACK : 0),
		.tos = options->tos,
		.ttl = options->ttl,
	};
	struct segment_options o = { .flags = OPTION_MSS, .mss = mss_announced(t, c) };
	struct rte_mbuf *m;

	if (c->flags & BLOCK_WINDOW_SCALE) {
		o.flags |= OPTION_WINDOW_SCALE;
		o.window_scale = c->rcv_scale;
	}
	if (c->flags & BLOCK_SACK)
		o.flags |= OPTION_SACK_PERMITTED;
	if (c->flags & BLOCK_TIMESTAMPS) {
		o.flags |= OPTION_TIMESTAMPS;
		o.tsval = timestamp_now(t, c);
		o.tsecr = c->ts_recent;
	}
	/* RFC 3168 6.1.1: ECE and CWR ask, ECE alone agrees. Not any more after a SYN that got no
	 * answer: something on the way may not like it (6.1.1.1). */
	if (c->flags & BLOCK_ECN && !c->backoff)
		h.flags |= answer ? FLAG_ECE : FLAG_ECE | FLAG_CWR;
	h.option_bytes = options_build(&o, h.options);
	m = packet_make(t, &(struct outgoing){ 0 }, headers_length(&h));
	if (!m)
		return false;
	h.window = (uint16_t)RTE_MIN(options->receive_window, UINT16_MAX);
	write_headers(t, &h, m);
	c->rcv_adv = c->rcv_nxt + h.window;
	c->last_ack_sent = c->rcv_nxt;
	emit(t, m, c->route);
	return true;
}

void
send_reset(struct tcp *t, struct tcp_block *c)
{
	struct header h = {
		.peer = &c->tuple,
		.seq = c->snd_nxt,
		.ack = c->rcv_nxt,
		.flags = TCP_RST | TCP_ACK,
		.ttl = block_options(t, c)->ttl,
	};
	struct rte_mbuf *m;

	if (c->flags & BLOCK_TIMESTAMPS)
		timestamp_option(t, c, &h);
	m = packet_make(t, &(struct outgoing){ 0 }, headers_length(&h));
	if (!m)
		return;
	write_headers(t, &h, m);
	t->counters.resets_out++;
	emit(t, m, c->route);
}

/* ---- answers without a connection ----------------------------------------------------------- */

/* RFC 9293 3.10.7.1. */
void
answer_reset(struct tcp *t, const struct segment *s)
{
	struct header h = { .peer = s->packet->tuple, .flags = TCP_RST, .ttl = 64 };
	struct rte_mbuf *m;

	if (s->flags & TCP_RST)
		return;
	if (!rate_allows(&t->resets, t->now, t->settings.resets_per_s)) {
		t->counters.resets_limited++;
		return;
	}
	if (s->flags & TCP_ACK) {
		h.seq = s->ack;
	} else {
		h.flags |= TCP_ACK;
		h.ack = s->seq + s->len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
	}
	m = packet_make(t, &(struct outgoing){ 0 }, headers_length(&h));
	if (!m)
		return;
	write_headers(t, &h, m);
	t->counters.resets_out++;
	emit(t, m, s->packet->route);
}

/* The SYN-ACK of a cookie: no block remembers it. */
bool
send_cookie(struct tcp *t, struct segment *s, const struct cookie_reply *r)
{
	struct header h = {
		.peer = s->packet->tuple,
		.seq = r->seq,
		.ack = r->ack,
		.window = r->window,
		.flags = TCP_SYN | TCP_ACK | (r->ecn ? FLAG_ECE : 0),
		.tos = r->tos,
		.ttl = r->ttl,
	};
	struct rte_mbuf *m;

	h.option_bytes = options_build(&r->options, h.options);
	m = turn_round(s, headers_length(&h));
	if (!m)
		m = packet_make(t, &(struct outgoing){ 0 }, headers_length(&h));
	if (!m)
		return false;
	write_headers(t, &h, m);
	emit(t, m, s->packet->route);
	return true;
}
