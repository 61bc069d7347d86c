/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/icmp.h"

#include <netinet/in.h>

#include "dp/capture.h"
#include "dp/l4/bytes.h"
#include "dp/l4/connection.h"
#include "dp/l4/ip_header.h"
#include "dp/l4/nexthop.h"
#include "dp/l4/rewrite.h"
#include "dp/l4/segments.h"
#include "dp/l4/stages.h"
#include "lib/gcra.h"

/* Per worker and kind: a thousand a second, a hundred at once. */
static const struct gcra icmp_rate = GCRA_EVERY(1000000ull /* ns */, 100);

/* Errors have the precedence "internetwork control" (RFC 1812, 4.3.2.5). */
#define ICMP4_ERROR_TOS 0xc0
/* How long an error may get (RFC 1812, 4.3.2.3; RFC 4443, 2.4(c)). */
#define ICMP4_ERROR_MAX 576
#define ICMP6_ERROR_MAX IP6_MTU_MIN

bool
icmp_allowed(struct worker *w, enum icmp_kind kind)
{
	return gcra_take(&icmp_rate, &w->icmp_next[kind], gcra_time(w->now));
}

static void
write_icmp(struct packet *p, const struct icmp_error *e, bool v4, uint16_t len)
{
	uint8_t *icmp = packet_at(p, p->l4);
	uint64_t sum = v4 ? 0 : csum_pseudo(&e->src, &e->dst, IPPROTO_ICMPV6, len);

	icmp[0] = e->type;
	icmp[1] = e->code;
	put16(icmp + 2, 0);
	put16(icmp + 4, 0); /* ICMPv6 has the MTU in 32 bits, ICMP in the lower 16 of them */
	put16(icmp + 6, htons(e->mtu));
	sum += csum_mbuf(p->mbuf, p->l4, len);
	put16(icmp + 2, (uint16_t)~csum_fold(sum));
}

static enum icmp_kind
kind_of(const struct icmp_error *e)
{
	if (e->mtu)
		return ICMP_KIND_TOO_BIG;
	if (e->type == (addr_is_v4(&e->dst) ? ICMP4_UNREACHABLE : ICMP6_UNREACHABLE))
		return ICMP_KIND_UNREACHABLE;
	return ICMP_KIND_TIME_EXCEEDED;
}

bool
icmp_error_send(struct worker *w, struct packet *p, const struct icmp_error *e)
{
	bool v4 = addr_is_v4(&e->dst);
	unsigned int headers = (v4 ? IP4_HEADER : IP6_HEADER) + ICMP_HEADER;
	unsigned int room = (v4 ? ICMP4_ERROR_MAX : ICMP6_ERROR_MAX) - headers;
	uint16_t quote_len = (uint16_t)RTE_MIN(e->quote_len, room);
	const struct nexthop *hop;
	struct nexthop back;
	struct ip_header header = {
		.src = &e->src,
		.dst = &e->dst,
		.traffic_class = v4 ? ICMP4_ERROR_TOS : 0,
		.protocol = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		.len = (uint16_t)(ICMP_HEADER + quote_len),
	};
	uint8_t *ip;

	if (!icmp_allowed(w, kind_of(e))) {
		packet_drop(p, DROP_ICMP_RATE);
		return false;
	}
	hop = nexthop_answer(w, p, &e->dst, &back);
	mbuf_cut(p->mbuf, (uint32_t)e->quote + quote_len);
	p->l3 = e->quote;
	ip = nexthop_frame(w, p, hop, headers, v4);
	if (!ip)
		return false;
	p->l3 = (uint16_t)(p->l3 - headers);
	p->l4 = (uint16_t)(p->l3 + headers - ICMP_HEADER);
	p->ip_len = (uint16_t)(headers + quote_len);
	ip_header_write(ip, &header);
	write_icmp(p, e, v4, (uint16_t)(ICMP_HEADER + quote_len));
	return true;
}

bool
icmp_may_answer(const struct packet *p)
{
	const uint8_t *frame = packet_at(p, 0);

	return !(p->flags & (PACKET_ICMP_ERROR | PACKET_LATER)) && !(frame[0] & 1);
}

/* The address of the service that p belongs to. */
static struct addr
service_address(struct worker *w, const struct packet *p)
{
	if (p->direction == DIR_REPLY)
		return connection_at(w->connections, p->connection)->forward.dst;
	return p->tuple.dst;
}

/* An address of ours on the port that p came in by, else the service's. */
static struct addr
own_address(struct worker *w, const struct packet *p)
{
	const struct snapshot_port *port = &w->snapshot->ports[p->in_port];
	struct addr own = p->flags & PACKET_V4 ? port->own4 : port->own6;

	return own.q[0] || own.q[1] ? own : service_address(w, p);
}

/* p is lost for `reason`, and becomes the error e if it may. */
static void
answer(struct worker *w, struct packet *p, struct icmp_error *e, enum drop_reason reason)
{
	if (!icmp_may_answer(p)) {
		packet_drop(p, reason);
		return;
	}
	p->reason = (uint8_t)reason;
	capture_drop(w, p, false);
	e->dst = p->tuple.src;
	e->quote = p->l3;
	e->quote_len = p->ip_len;
	if (icmp_error_send(w, p, e))
		worker_count_drop(w, p->service, reason);
}

void
icmp_too_big(struct worker *w, struct packet *p, uint16_t mtu)
{
	bool v4 = p->flags & PACKET_V4;
	struct icmp_error e = { .type = v4 ? ICMP4_UNREACHABLE : ICMP6_TOO_BIG,
				.code = v4 ? ICMP4_FRAG_NEEDED : 0,
				.mtu = mtu };

	/* Nobody sends smaller packets than this. */
	if (p->ip_len <= (v4 ? IP4_MTU_MIN : IP6_MTU_MIN)) {
		packet_drop(p, DROP_TOO_BIG);
		return;
	}
	if (!v4 && mtu < IP6_MTU_MIN)
		e.mtu = IP6_MTU_MIN;
	/* To clients the error comes from the service: that passes their firewalls, and is routed.
	 */
	e.src = p->direction == DIR_REPLY ? own_address(w, p) : service_address(w, p);
	p->mtu = e.mtu;
	answer(w, p, &e, DROP_TOO_BIG);
}

void
icmp_time_exceeded(struct worker *w, struct packet *p)
{
	struct icmp_error e = {
		.type = p->flags & PACKET_V4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED,
		.src = own_address(w, p),
	};

	answer(w, p, &e, DROP_TTL_EXPIRED);
}

/* Turn an echo request into its reply, to where it came from. */
static void
echo_reply(struct worker *w, struct packet *p)
{
	bool v4 = p->flags & PACKET_V4;
	struct delta type = { 0 }, header = { 0 };
	struct nexthop back;
	uint8_t *ip, *icmp;
	uint8_t addr[16];

	nexthop_back(w, p, &back);
	if (!nexthop_frame(w, p, &back, 0, v4))
		return;
	ip = packet_at(p, p->l3);
	icmp = packet_at(p, p->l4);
	/* Addresses that change places change no checksum. */
	if (v4) {
		memcpy(addr, ip + 12, 4);
		memcpy(ip + 12, ip + 16, 4);
		memcpy(ip + 16, addr, 4);
		header.old = get16(ip + 8);
		ip[8] = IP_HOPS;
		header.new = get16(ip + 8);
		csum_correct(ip + 10, &header);
	} else {
		memcpy(addr, ip + 8, 16);
		memcpy(ip + 8, ip + 24, 16);
		memcpy(ip + 24, addr, 16);
		ip[7] = IP_HOPS;
	}
	type.old = get16(icmp);
	icmp[0] = v4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
	type.new = get16(icmp);
	csum_correct(icmp + 2, &type);
}

void
stage_echo(struct worker *w, struct burst *b)
{
	uint16_t i;

	for (i = 0; i < b->count; i++) {
		struct packet *p = &b->packets[i];

		if (p->verdict != VERDICT_CONTINUE || !(p->flags & PACKET_ECHO_REQUEST))
			continue;
		if (icmp_allowed(w, ICMP_KIND_ECHO))
			echo_reply(w, p);
		else
			packet_drop(p, DROP_ICMP_RATE);
	}
}
