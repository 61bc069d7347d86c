/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/split.h"

#include <netinet/in.h>

#include "dp/l4/bytes.h"

#define IP4_MIN     20
#define OFFSET_MASK 0x1fff
#define FLAG_MORE   0x2000
#define OPTION_END  0
#define OPTION_NOP  1
#define OPTION_COPY 0x80

/* The header of later pieces has only the options with the copied flag. */
static uint8_t
later_header(uint8_t *out, const uint8_t *ip, uint8_t len)
{
	uint8_t i = IP4_MIN, n = IP4_MIN;
	uint8_t size;

	memset(out, 0, SPLIT_HEADER_MAX);
	memcpy(out, ip, IP4_MIN);
	for (; i < len && ip[i] != OPTION_END; i += size) {
		size = 1;
		if (ip[i] == OPTION_NOP)
			continue;
		if (i + 1 >= len || ip[i + 1] < 2 || i + ip[i + 1] > len)
			break;
		size = ip[i + 1];
		if (!(ip[i] & OPTION_COPY))
			continue;
		memcpy(out + n, ip + i, size);
		n += size;
	}
	n = (uint8_t)((n + 3) & ~3);
	out[0] = (uint8_t)(0x40 | n / 4);
	return n;
}

bool
split_begin(struct split *s, const struct packet *p, uint16_t max)
{
	const uint8_t *ip = packet_at(p, p->l3);

	s->packet = p;
	s->max = max;
	s->at = 0;
	s->first_len = (uint8_t)((ip[0] & 0xf) * 4);
	s->payload = (uint16_t)(p->ip_len - s->first_len);
	s->base = ntohs(get16(ip + 6)) & OFFSET_MASK;
	memcpy(s->first, ip, s->first_len);
	s->later_len = later_header(s->later, ip, s->first_len);
	return max >= s->first_len + 8;
}

bool
split_next(struct worker *w, struct split *s, struct packet *piece)
{
	const struct packet *p = s->packet;
	const uint8_t *header = s->at ? s->later : s->first;
	uint8_t header_len = s->at ? s->later_len : s->first_len;
	uint16_t len = (uint16_t)(s->payload - s->at);
	uint16_t offset = (uint16_t)(s->base + s->at / 8);
	uint8_t *ip;

	if (len > s->max - header_len)
		len = (uint16_t)((s->max - header_len) & ~7);
	*piece = *p;
	piece->mbuf = rte_pktmbuf_copy(p->mbuf, w->dataplane->mbufs,
				       (uint32_t)p->l3 + s->first_len + s->at, len);
	if (!piece->mbuf)
		return false;
	ip = (uint8_t *)rte_pktmbuf_prepend(piece->mbuf, header_len);
	if (!ip) {
		rte_pktmbuf_free(piece->mbuf);
		return false;
	}
	s->at = (uint16_t)(s->at + len);
	piece->l3 = 0;
	piece->l4 = header_len;
	piece->inner_l3 = (uint16_t)(p->inner_l3 - p->l3);
	piece->inner_l4 = (uint16_t)(p->inner_l4 - p->l3);
	piece->ip_len = (uint16_t)(header_len + len);
	piece->flags |= PACKET_FRAGMENT;
	if (offset)
		piece->flags |= PACKET_LATER;
	if (!split_done(s))
		piece->flags |= PACKET_MORE;

	memcpy(ip, header, header_len);
	put16(ip + 2, htons(piece->ip_len));
	put16(ip + 6, htons(offset | (piece->flags & PACKET_MORE ? FLAG_MORE : 0)));
	put16(ip + 10, 0);
	put16(ip + 10, csum_compute(ip, header_len));
	return true;
}
