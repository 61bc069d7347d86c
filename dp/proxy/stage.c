/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage proxy: packets to listeners, and of backends to our connections, go to the worker's TCP.
 *
 * The addresses that we connect from are shared with the kernel and with full NAT: of what is sent
 * to them only packets of connections that TCP knows are taken.
 */
#include <netinet/in.h>

#include "dp/capture.h"
#include "dp/l4/bytes.h"
#include "dp/l4/icmp.h"
#include "dp/l4/parse_quick.h"
#include "dp/l4/stages.h"
#include "dp/proxy/internal.h"

/* SYNs of a burst that come by the long way in a flood, so beside the queue. */
#define SYNS_BESIDE 16

/* A burst on its way to TCP: of `whole` packets so many as are for it. */
struct taken {
	uint32_t n, syns;
	uint16_t whole;
	uint64_t hashes[BURST_MAX]; /* by place in the burst; 0: not for TCP */
	struct tcp_packet packets[BURST_MAX];
};

static bool
is_to_listener(const struct snapshot *s, const struct packet *p)
{
	return p->direction == DIR_FORWARD && p->service < s->n_services &&
	       s->services[p->service].epoch && s->services[p->service].mode == MODE_PROXY;
}

static uint8_t
ecn_of(const struct packet *p)
{
	const uint8_t *ip = packet_at(p, p->l3);

	return (p->flags & PACKET_V4 ? ip[1] : ip[1] >> 4) & 3;
}

static void
take(struct worker *w, struct taken *t, struct packet *p, uint64_t hash)
{
	bool to_listener = p->direction == DIR_FORWARD;

	capture_end_of_packet(w, p);
	t->packets[t->n++] = (struct tcp_packet){
		.mbuf = p->mbuf,
		.tuple = &p->tuple,
		.route = route_back(p),
		.hash = hash,
		.listener = to_listener ? p->service : TCP_LISTENER_NONE,
		.l3 = p->l3,
		.l4 = p->l4,
		.ip_len = p->ip_len,
		.ecn = ecn_of(p),
		.checked = (p->mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) ==
			   RTE_MBUF_F_RX_L4_CKSUM_GOOD,
	};
	p->verdict = VERDICT_TAKEN;
}

/* An ICMP error about a packet of ours. */
static void
take_error(struct proxy *proxy, struct packet *p)
{
	const uint8_t *icmp = packet_at(p, p->l4), *inner = packet_at(p, p->inner_l4);
	bool v4 = p->flags & PACKET_V4;
	struct tcp_error e = {
		.tuple = &p->tuple,
		.kind = TCP_ERROR_UNREACHABLE,
		.sequence = rte_be_to_cpu_32(get32(inner + 4)),
	};
	bool about_us = true;

	if (v4 && icmp[0] == ICMP4_UNREACHABLE && icmp[1] == ICMP4_FRAG_NEEDED) {
		e.kind = TCP_ERROR_TOO_BIG;
		e.mtu = rte_be_to_cpu_32(get32(icmp + 4)) & 0xffff;
	} else if (!v4 && icmp[0] == ICMP6_TOO_BIG) {
		e.kind = TCP_ERROR_TOO_BIG;
		e.mtu = rte_be_to_cpu_32(get32(icmp + 4));
	} else {
		about_us = icmp[0] == (v4 ? ICMP4_UNREACHABLE : ICMP6_UNREACHABLE);
	}
	if (about_us)
		tcp_input_error(proxy->tcp, &e, proxy->worker->now);
	rte_pktmbuf_free(p->mbuf);
	p->verdict = VERDICT_TAKEN;
}

static void
count_in(struct worker *w, const struct packet *p)
{
	w->service_stats[p->service].packets_in++;
	w->service_stats[p->service].bytes_in += p->ip_len;
}

/* A packet to a listener. A SYN that begins a connection is one for the limits. */
static void
to_listener(struct worker *w, struct taken *t, struct packet *p, uint64_t hash)
{
	struct proxy *proxy = worker_proxy(w);

	if (p->flags & (PACKET_FRAGMENT | PACKET_LATER)) {
		packet_drop(p, DROP_PROXY_FRAGMENT);
		return;
	}
	if (p->flags & PACKET_ICMP_ERROR) {
		take_error(proxy, p);
		return;
	}
	if ((p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
		if (unlikely(w->syns.flooded && !w->syns.answering && ++t->syns > SYNS_BESIDE)) {
			packet_drop(p, DROP_SYN_FLOOD);
			w->syns.dropped++;
			return;
		}
		if ((w->snapshot->services[p->service].flags & SERVICE_LIMITED) &&
		    !tcp_known(proxy->tcp, &p->tuple, hash) && !limit_begin(w, p))
			return;
	}
	count_in(w, p);
	take(w, t, p, hash);
}

static bool
is_reply(const struct packet *p)
{
	return p->direction == DIR_REPLY && p->tuple.proto == IPPROTO_TCP &&
	       !(p->flags & (PACKET_FRAGMENT | PACKET_LATER));
}

/* Which packets may be TCP's, and fetch what says so. */
static void
expect(const struct worker *w, const struct proxy *proxy, const struct burst *b, struct taken *t)
{
	uint16_t i;

	for (i = 0; i < t->whole; i++) {
		const struct packet *p = &b->packets[i];

		t->hashes[i] = 0;
		if (p->verdict == VERDICT_CONTINUE &&
		    (is_reply(p) || is_to_listener(w->snapshot, p)))
			t->hashes[i] = tcp_expect(proxy->tcp, &p->tuple);
	}
	for (i = 0; i < t->whole; i++)
		if (t->hashes[i])
			tcp_fetch(proxy->tcp, t->hashes[i]);
}

bool
stage_proxy(struct worker *w, struct burst *b)
{
	struct proxy *proxy = worker_proxy(w);
	struct taken t;
	uint16_t i;

	if (likely(!proxy))
		return false;
	/* What comes to a new listener right after it was published is for it already. */
	if (unlikely(proxy->version != w->snapshot->version))
		proxy_follow(proxy);
	t.n = t.syns = 0;
	t.whole = b->count;
	expect(w, proxy, b, &t);
	for (i = 0; i < t.whole; i++) {
		struct packet *p = &b->packets[i];

		if (p->verdict != VERDICT_CONTINUE)
			continue;
		if (is_to_listener(w->snapshot, p))
			to_listener(w, &t, p, t.hashes[i]);
		else if (!is_reply(p) || !tcp_known(proxy->tcp, &p->tuple, t.hashes[i]))
			continue;
		else if (p->flags & PACKET_ICMP_ERROR)
			take_error(proxy, p);
		else
			take(w, &t, p, t.hashes[i]);
	}
	if (t.n)
		tcp_input(proxy->tcp, t.packets, t.n, w->now);
	return t.n == t.whole;
}

void
proxy_fetch_syn(const struct worker *w, const struct rte_mbuf *m, uint8_t in_port)
{
	const struct proxy *proxy = worker_proxy(w);
	const struct quick port = quick_begin(&w->snapshot->ports[in_port], in_port);
	struct quick_headers headers;
	struct tuple tuple;

	if (!proxy || !quick_look(&port, m, &headers))
		return;
	quick_tuple(&headers, &tuple);
	tcp_expect(proxy->tcp, &tuple);
}
