/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/refuse.h"

#include <netinet/in.h>

#include "dp/capture.h"
#include "dp/l4/bytes.h"
#include "dp/l4/icmp.h"
#include "dp/l4/ip_header.h"
#include "dp/l4/nexthop.h"
#include "dp/l4/rewrite.h"
#include "dp/l4/segments.h"

#define TCP_HEADER 20
/* What a SYN and a FIN count in the sequence. */
#define TCP_FLAG_LENGTH(flags) (((flags)&TCP_SYN ? 1u : 0u) + ((flags)&TCP_FIN ? 1u : 0u))

/* What the RST says: in host byte order. */
struct reset {
	uint32_t seq, ack;
	uint8_t flags;
};

static struct reset
reset_for(const struct packet *p)
{
	const uint8_t *tcp = packet_at(p, p->l4);
	uint32_t headers = (uint32_t)(p->l4 - p->l3) + (tcp[12] >> 4) * 4u;
	uint32_t payload = p->ip_len > headers ? p->ip_len - headers : 0;

	/* A segment that acknowledges is answered where it would have gone on. */
	if (p->tcp_flags & TCP_ACK)
		return (struct reset){ .seq = ntohl(get32(tcp + 8)), .flags = TCP_RST };
	return (struct reset){
		.ack = ntohl(get32(tcp + 4)) + payload + TCP_FLAG_LENGTH(p->tcp_flags),
		.flags = TCP_RST | TCP_ACK,
	};
}

static void
write_tcp(uint8_t *tcp, const struct tuple *t, const struct reset *r)
{
	uint64_t sum = csum_pseudo(&t->dst, &t->src, IPPROTO_TCP, TCP_HEADER);

	put16(tcp, t->dport);
	put16(tcp + 2, t->sport);
	put32(tcp + 4, htonl(r->seq));
	put32(tcp + 8, htonl(r->ack));
	tcp[12] = TCP_HEADER / 4 << 4;
	tcp[13] = r->flags;
	put16(tcp + 14, 0);
	put32(tcp + 16, 0); /* checksum, urgent pointer */
	sum = csum_add_bytes(sum, tcp, TCP_HEADER);
	put16(tcp + 16, (uint16_t)~csum_fold(sum));
}

/* False: over the rate, or no memory. */
static bool
send_reset(struct worker *w, struct packet *p)
{
	bool v4 = p->flags & PACKET_V4;
	unsigned int header = v4 ? IP4_HEADER : IP6_HEADER;
	struct reset reset = reset_for(p);
	const struct ip_header answer = {
		.src = &p->tuple.dst,
		.dst = &p->tuple.src,
		.protocol = IPPROTO_TCP,
		.len = TCP_HEADER,
	};
	const struct nexthop *hop;
	struct nexthop back;
	uint8_t *ip;

	if (!icmp_allowed(w, ICMP_KIND_RESET))
		return false;
	hop = nexthop_answer(w, p, &p->tuple.src, &back);
	/* The packet had these headers at least. */
	mbuf_cut(p->mbuf, p->l3 + header + TCP_HEADER);
	ip = nexthop_frame(w, p, hop, 0, v4);
	if (!ip)
		return false;
	ip_header_write(ip, &answer);
	write_tcp(ip + header, &p->tuple, &reset);
	p->l4 = (uint16_t)(p->l3 + header);
	p->ip_len = (uint16_t)(header + TCP_HEADER);
	return true;
}

static bool
send_unreachable(struct worker *w, struct packet *p)
{
	bool v4 = p->flags & PACKET_V4;
	struct icmp_error e = {
		.src = p->tuple.dst,
		.dst = p->tuple.src,
		.type = v4 ? ICMP4_UNREACHABLE : ICMP6_UNREACHABLE,
		.code = v4 ? ICMP4_PORT_UNREACHABLE : ICMP6_PORT_UNREACHABLE,
		.quote = p->l3,
		.quote_len = p->ip_len,
	};

	return icmp_error_send(w, p, &e);
}

void
refuse(struct worker *w, struct packet *p, enum drop_reason reason)
{
	bool sent = false;

	p->reason = (uint8_t)reason;
	capture_drop(w, p, false);
	if (icmp_may_answer(p) && p->tuple.proto == IPPROTO_TCP && !(p->tcp_flags & TCP_RST))
		sent = send_reset(w, p);
	else if (icmp_may_answer(p) && p->tuple.proto == IPPROTO_UDP)
		sent = send_unreachable(w, p);
	if (sent)
		worker_count_drop(w, p->service, reason);
	else
		packet_drop(p, reason);
}
