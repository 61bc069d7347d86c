/* SPDX-License-Identifier: Apache-2.0 */
/* Frames for stage tests, from the RFCs, byte by byte. */
#include "frames.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const uint8_t mac_port[6] = { 0x02, 0, 0, 0, 0, 0x01 };
static const uint8_t mac_peer[6] = { 0x02, 0, 0, 0, 0, 0x99 };

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

uint32_t
frame_sum(uint32_t sum, const uint8_t *p, uint16_t len)
{
	uint16_t i;

	for (i = 0; i + 1 < len; i += 2) {
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	return (sum & 0xffff) + (sum >> 16);
}

static int
is_v6(const char *text)
{
	return strchr(text, ':') != NULL;
}

/* Sum of the pseudo header of the packet whose IP header is at ip. */
static uint32_t
pseudo_sum(const uint8_t *ip, uint8_t proto, uint16_t l4_len)
{
	uint8_t tail[8] = { 0 };
	uint32_t sum;

	put16(tail + 2, l4_len);
	tail[7] = proto;
	sum = ip[0] >> 4 == 4 ? frame_sum(0, ip + 12, 8) : frame_sum(0, ip + 8, 32);
	return frame_sum(sum, tail, 8);
}

/* Where the checksum field of a transport header lies. */
static uint16_t
checksum_at(uint8_t proto)
{
	if (proto == IPPROTO_TCP)
		return 16;
	return proto == IPPROTO_UDP ? 6 : 2;
}

static void
put_l4_checksum(const uint8_t *ip, uint8_t *l4, uint8_t proto, uint16_t l4_len)
{
	uint32_t sum = proto == IPPROTO_ICMP ? 0 : pseudo_sum(ip, proto, l4_len);
	uint16_t field;

	put16(l4 + checksum_at(proto), 0);
	field = (uint16_t)~frame_sum(sum, l4, l4_len);
	put16(l4 + checksum_at(proto), proto == IPPROTO_UDP && !field ? 0xffff : field);
}

static uint16_t
put_ethernet(uint8_t *out, uint16_t vlan, uint16_t type)
{
	memcpy(out, mac_port, 6);
	memcpy(out + 6, mac_peer, 6);
	if (!vlan) {
		put16(out + 12, type);
		return 14;
	}
	put16(out + 12, 0x8100);
	put16(out + 14, vlan);
	put16(out + 16, type);
	return 18;
}

/* Header with options; total length and checksum follow in end_ipv4. Returns its length. */
static uint16_t
put_ipv4(uint8_t *ip, const struct frame_spec *s)
{
	memset(ip, 0, 20);
	ip[0] = (uint8_t)(0x45 + s->options_len / 4);
	put16(ip + 4, s->id);
	put16(ip + 6, s->frag);
	ip[8] = s->ttl ? s->ttl : 64;
	ip[9] = s->proto;
	inet_pton(AF_INET, s->src, ip + 12);
	inet_pton(AF_INET, s->dst, ip + 16);
	if (s->options_len)
		memcpy(ip + 20, s->options, s->options_len);
	return 20 + s->options_len;
}

static void
end_ipv4(uint8_t *ip, uint16_t header, uint16_t payload)
{
	put16(ip + 2, header + payload);
	put16(ip + 10, (uint16_t)~frame_sum(0, ip, header));
}

/* Header, extension headers, fragment header. Returns the length of all. */
static uint16_t
put_ipv6(uint8_t *ip, const struct frame_spec *s)
{
	uint16_t len = 40;
	uint8_t *next = ip + 6;

	memset(ip, 0, 40);
	ip[0] = 0x60;
	ip[7] = s->ttl ? s->ttl : 64;
	inet_pton(AF_INET6, s->src, ip + 8);
	inet_pton(AF_INET6, s->dst, ip + 24);
	if (s->options_len) {
		*next = s->options_proto;
		memcpy(ip + len, s->options, s->options_len);
		next = ip + len + s->options_last;
		len += s->options_len;
	}
	if (s->frag & 0x3fff) {
		*next = IPPROTO_FRAGMENT;
		next = ip + len;
		memset(next, 0, 8);
		put16(next + 2, (s->frag & 0x1fffu) << 3 | (s->frag & 0x2000 ? 1 : 0));
		put16(next + 6, s->id);
		len += 8;
	}
	*next = s->proto;
	return len;
}

/* Transport header in front of the payload. Returns its length. */
static uint16_t
put_l4(uint8_t *l4, const struct frame_spec *s)
{
	memset(l4, 0, 20);
	if (s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6) {
		l4[0] = (uint8_t)s->sport;
		l4[1] = (uint8_t)s->dport;
		return 8;
	}
	put16(l4, s->sport);
	put16(l4 + 2, s->dport);
	if (s->proto == IPPROTO_UDP) {
		put16(l4 + 4, 8u + s->payload_len);
		return 8;
	}
	put32(l4 + 4, 0x11223344);
	put32(l4 + 8, 0x55667788);
	l4[12] = 0x50;
	l4[13] = s->tcp_flags ? s->tcp_flags : 0x10;
	put16(l4 + 14, 0xfaf0);
	return 20;
}

uint16_t
frame_build(uint8_t *out, const struct frame_spec *s)
{
	int v6 = is_v6(s->src);
	uint16_t l3 = put_ethernet(out, s->vlan, v6 ? 0x86dd : 0x0800);
	uint8_t *ip = out + l3;
	uint16_t header = v6 ? put_ipv6(ip, s) : put_ipv4(ip, s);
	uint16_t l4 = s->raw ? 0 : put_l4(ip + header, s);
	uint16_t i;

	for (i = 0; i < s->payload_len; i++)
		ip[header + l4 + i] = s->payload ? s->payload[i] : (uint8_t)i;
	if (v6)
		put16(ip + 4, header - 40u + l4 + s->payload_len);
	else
		end_ipv4(ip, header, l4 + s->payload_len);
	if (l4)
		put_l4_checksum(ip, ip + header, s->proto, l4 + s->payload_len);
	return l3 + header + l4 + s->payload_len;
}

uint16_t
frame_build_error(uint8_t *out, const struct frame_error *e)
{
	int v6 = is_v6(e->src);
	struct frame_spec s = {
		.src = e->src,
		.dst = e->dst,
		.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		.sport = e->type,
		.dport = e->code,
		.payload = e->about + 14,
		.payload_len = e->quoted,
	};
	uint16_t len = frame_build(out, &s);
	uint8_t *ip = out + 14;
	uint8_t *l4 = ip + (v6 ? 40 : 20);

	put32(l4 + 4, e->rest);
	put_l4_checksum(ip, l4, s.proto, 8 + e->quoted);
	return len;
}

int
frame_checksums_right(const uint8_t *frame, uint16_t len)
{
	const uint8_t *ip = frame + (frame[12] == 0x81 && frame[13] == 0 ? 18 : 14);
	int v4 = ip[0] >> 4 == 4;
	uint16_t header = v4 ? (uint16_t)((ip[0] & 15) * 4) : 40;
	uint16_t total =
	    v4 ? (uint16_t)(ip[2] << 8 | ip[3]) : (uint16_t)(40 + (ip[4] << 8 | ip[5]));
	uint8_t proto = v4 ? ip[9] : ip[6];
	const uint8_t *l4 = ip + header;
	uint16_t l4_len = total - header;
	uint32_t sum;

	if (ip + total > frame + len || (v4 && frame_sum(0, ip, header) != 0xffff))
		return 0;
	if (v4 && proto == IPPROTO_UDP && l4[6] == 0 && l4[7] == 0)
		return 1;
	sum = proto == IPPROTO_ICMP ? 0 : pseudo_sum(ip, proto, l4_len);
	return frame_sum(sum, l4, l4_len) == 0xffff;
}
