/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/proxy/frame.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "dp/l4/bytes.h"
#include "lib/checksum.h"

#define L3          14
#define IPV4        20
#define IPV6        40
#define TCP         20
#define SYN_OPTIONS 20

static const uint8_t gateway[6] = { 0x02, 0, 0, 0, 1, 1 };

void
frames_init(struct frames *f, bool v6, const uint8_t to[6])
{
	uint32_t i;

	*f = (struct frames){ .v6 = v6, .dirty = SYN_OPTIONS - TIMESTAMPS };
	memcpy(f->ethernet, to, 6);
	memcpy(f->ethernet + 6, gateway, 6);
	f->ethernet[12] = v6 ? 0x86 : 0x08;
	f->ethernet[13] = v6 ? 0xdd : 0x00;
	for (i = 0; i < RTE_DIM(f->data_sum); i++)
		f->data_sum[i] = (uint64_t)i * (DATA_BYTE * 0x01010101u);
}

void
frame_prepare(struct rte_mbuf *m)
{
	memset(rte_pktmbuf_mtod(m, void *), DATA_BYTE, rte_pktmbuf_tailroom(m));
}

/* Sum of n bytes, a multiple of 4. */
static inline uint64_t
sum_words(const uint8_t *p, uint32_t n)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < n; i += 4)
		sum += get32(p + i);
	return sum;
}

void
text_init(struct text *t, const uint8_t *bytes, uint16_t length)
{
	uint8_t last[4] = { 0 };
	uint16_t whole = length & ~3u;

	memcpy(last, bytes + whole, length - whole);
	*t = (struct text){ length, sum_words(bytes, whole) + get32(last), bytes };
}

/* What data adds to the checksum. */
static uint64_t
write_data(const struct frames *f, uint8_t *data, const struct segment *s)
{
	if (s->text) {
		memcpy(data, s->text->bytes, s->text->length);
		return s->text->sum;
	}
	if (s->data)
		memset(data, DATA_BYTE, f->dirty);
	return f->data_sum[s->data / 4];
}

static uint8_t *
write_ip(const struct frames *f, uint8_t *ip, const struct segment *s, uint16_t length)
{
	if (f->v6) {
		put32(ip, htonl(6u << 28));
		put16(ip + 4, htons(length));
		ip[6] = IPPROTO_TCP;
		ip[7] = 64;
		memcpy(ip + 8, s->src.b, 16);
		memcpy(ip + 24, s->dst.b, 16);
		return ip + IPV6;
	}
	put16(ip, htons(0x4500));
	put16(ip + 2, htons((uint16_t)(length + IPV4)));
	put32(ip + 4, htonl(0x4000));
	put32(ip + 8, htonl(64u << 24 | IPPROTO_TCP << 16));
	put32(ip + 12, s->src.w[3]);
	put32(ip + 16, s->dst.w[3]);
	put16(ip + 10, (uint16_t)~csum_fold(sum_words(ip, IPV4)));
	return ip + IPV4;
}

static uint32_t
write_options(const struct frames *f, uint8_t *o, const struct segment *s)
{
	if (!(s->flags & TCP_SYN)) {
		put32(o, htonl(0x0101080a));
		put32(o + 4, htonl(s->ts_value));
		put32(o + 8, htonl(s->ts_echo));
		return TIMESTAMPS;
	}
	put32(o, htonl(0x02040000u | (f->v6 ? 1440 : 1460)));
	put32(o + 4, htonl(0x0402080a));
	put32(o + 8, htonl(s->ts_value));
	put32(o + 12, htonl(s->ts_echo));
	put32(o + 16, htonl(0x01030300 | SCALE));
	return SYN_OPTIONS;
}

void
frame_write(const struct frames *f, struct rte_mbuf *m, const struct segment *s)
{
	uint32_t header = TCP + (s->flags & TCP_SYN ? SYN_OPTIONS : TIMESTAMPS);
	uint16_t length = (uint16_t)(header + s->data);
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *p;
	uint64_t sum;

	memcpy(frame, f->ethernet, sizeof(f->ethernet));
	p = write_ip(f, frame + L3, s, length);
	put16(p, s->sport);
	put16(p + 2, s->dport);
	put32(p + 4, htonl(s->seq));
	put32(p + 8, htonl(s->ack));
	put32(p + 12, htonl(header / 4 << 28 | (uint32_t)s->flags << 16 | s->window));
	put32(p + 16, 0);
	write_options(f, p + TCP, s);
	sum = csum_pseudo(&s->src, &s->dst, IPPROTO_TCP, length) + sum_words(p, header) +
	      write_data(f, p + header, s);
	put16(p + 16, (uint16_t)~csum_fold(sum));
	m->data_len = (uint16_t)(p + length - frame);
	m->pkt_len = m->data_len;
}

/* Timestamps, and the window scale of a SYN. */
static void
read_options(const uint8_t *o, uint32_t n, struct segment *s)
{
	uint32_t i = 0;

	if (n >= TIMESTAMPS && get32(o) == htonl(0x0101080a)) {
		s->ts_value = ntohl(get32(o + 4));
		return;
	}
	while (i + 1 < n && o[i]) {
		if (o[i] == 1) {
			i++;
			continue;
		}
		if (o[i + 1] < 2 || i + o[i + 1] > n)
			return;
		if (o[i] == 8 && o[i + 1] == 10)
			s->ts_value = ntohl(get32(o + i + 2));
		if (o[i] == 2 && o[i + 1] == 4)
			s->mss = ntohs(get16(o + i + 2));
		if (o[i] == 3)
			s->scale = o[i + 2];
		i += o[i + 1];
	}
}

bool
frame_read(const struct rte_mbuf *m, struct segment *s)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, L3), *p;
	uint32_t length, header;

	if (ip[0] == 0x45 && ip[9] == IPPROTO_TCP) {
		s->src = addr_from_v4(get32(ip + 12));
		s->dst = addr_from_v4(get32(ip + 16));
		length = ntohs(get16(ip + 2)) - IPV4;
		p = ip + IPV4;
	} else if (ip[0] >> 4 == 6 && ip[6] == IPPROTO_TCP) {
		s->src = addr_from_v6(ip + 8);
		s->dst = addr_from_v6(ip + 24);
		length = ntohs(get16(ip + 4));
		p = ip + IPV6;
	} else {
		return false;
	}
	header = (p[12] >> 4) * 4u;
	s->sport = get16(p);
	s->dport = get16(p + 2);
	s->seq = ntohl(get32(p + 4));
	s->ack = ntohl(get32(p + 8));
	s->flags = p[13];
	s->window = ntohs(get16(p + 14));
	s->data = (uint16_t)(length - header);
	s->bytes = p + header;
	s->scale = 0;
	s->mss = 0;
	s->ts_value = 0;
	read_options(p + TCP, header - TCP, s);
	return length >= header && header >= TCP && L3 + length <= m->data_len;
}
