/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/ip_header.h"

#include "dp/l4/bytes.h"
#include "dp/l4/rewrite.h"

static void
write_ip4(uint8_t *ip, const struct ip_header *h)
{
	ip[0] = 0x45;
	ip[1] = h->traffic_class;
	put16(ip + 2, htons((uint16_t)(IP4_HEADER + h->len)));
	put16(ip + 4, 0);
	put16(ip + 6, htons(0x4000)); /* never fragmented, so needs no identification */
	ip[8] = IP_HOPS;
	ip[9] = h->protocol;
	put16(ip + 10, 0);
	put32(ip + 12, h->src->w[3]);
	put32(ip + 16, h->dst->w[3]);
	put16(ip + 10, csum_compute(ip, IP4_HEADER));
}

static void
write_ip6(uint8_t *ip, const struct ip_header *h)
{
	put32(ip, htonl(6u << 28 | (uint32_t)h->traffic_class << 20));
	put16(ip + 4, htons(h->len));
	ip[6] = h->protocol;
	ip[7] = IP_HOPS;
	memcpy(ip + 8, h->src->b, 16);
	memcpy(ip + 24, h->dst->b, 16);
}

void
ip_header_write(uint8_t *ip, const struct ip_header *h)
{
	if (addr_is_v4(h->src))
		write_ip4(ip, h);
	else
		write_ip6(ip, h);
}
