/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing IP packets with TCP in them, straight from RFC 791, 8200, 9293 and 7323. */
#include "tests/sim/wire.h"

#include <stdio.h>
#include <string.h>

#include "lib/checksum.h"

#define PROTOCOL_TCP 6
#define IP4_HEADER   20
#define IP6_HEADER   40
#define TCP_HEADER   20

enum { OPTION_END, OPTION_NOP, OPTION_MSS, OPTION_SCALE, OPTION_SACK_OK, OPTION_SACK };
#define OPTION_TIME 8

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint8_t *
put8(uint8_t *p, unsigned int value)
{
	*p = (uint8_t)value;
	return p + 1;
}

static uint8_t *
put16(uint8_t *p, unsigned int value)
{
	return put8(put8(p, value >> 8), value & 0xff);
}

static uint8_t *
put32(uint8_t *p, uint32_t value)
{
	return put16(put16(p, value >> 16), value & 0xffff);
}

static uint16_t
tcp_sum(const struct wire *w, const uint8_t *tcp, size_t len)
{
	uint64_t sum = csum_pseudo(&w->src, &w->dst, PROTOCOL_TCP, (uint32_t)len);

	return csum_fold(csum_add_bytes(sum, tcp, len));
}

static enum wire_error
parse_ip4(struct wire *w, const uint8_t *p, size_t *len)
{
	uint32_t src, dst;

	w->ip_header = (uint16_t)((p[0] & 15) * 4);
	if (w->ip_header < IP4_HEADER || get16(p + 2) < w->ip_header || get16(p + 2) > *len)
		return WIRE_SHORT;
	*len = get16(p + 2);
	if (csum_fold(csum_add_bytes(0, p, w->ip_header)) != 0xffff)
		return WIRE_IP_CHECKSUM;
	if (p[9] != PROTOCOL_TCP)
		return WIRE_NOT_TCP;
	w->ecn = p[1] & 3;
	w->ttl = p[8];
	memcpy(&src, p + 12, 4);
	memcpy(&dst, p + 16, 4);
	w->src = addr_from_v4(src);
	w->dst = addr_from_v4(dst);
	return WIRE_OK;
}

static enum wire_error
parse_ip6(struct wire *w, const uint8_t *p, size_t *len)
{
	w->ip_header = IP6_HEADER;
	if (*len < IP6_HEADER || get16(p + 4) + (size_t)IP6_HEADER > *len)
		return WIRE_SHORT;
	*len = get16(p + 4) + (size_t)IP6_HEADER;
	if (p[6] != PROTOCOL_TCP)
		return WIRE_NOT_TCP;
	w->ecn = p[1] >> 4 & 3;
	w->ttl = p[7];
	memcpy(w->src.b, p + 8, 16);
	memcpy(w->dst.b, p + 24, 16);
	return WIRE_OK;
}

/* One option of `len` bytes, kind and length included. */
static enum wire_error
parse_option(struct wire *w, const uint8_t *p, size_t len)
{
	switch (p[0]) {
	case OPTION_MSS:
		w->has_mss = true;
		w->mss = get16(p + 2);
		return len == 4 ? WIRE_OK : WIRE_OPTIONS;
	case OPTION_SCALE:
		w->has_scale = true;
		w->scale = p[2];
		return len == 3 ? WIRE_OK : WIRE_OPTIONS;
	case OPTION_SACK_OK:
		w->sack_permitted = true;
		return len == 2 ? WIRE_OK : WIRE_OPTIONS;
	case OPTION_SACK:
		if (len < 10 || len > 34 || len % 8 != 2)
			return WIRE_OPTIONS;
		w->n_sacks = (uint8_t)(len / 8);
		for (int i = 0; i < w->n_sacks; i++) {
			w->sacks[i][0] = get32(p + 2 + 8 * i);
			w->sacks[i][1] = get32(p + 6 + 8 * i);
		}
		return WIRE_OK;
	case OPTION_TIME:
		w->has_time = true;
		w->time_value = get32(p + 2);
		w->time_echo = get32(p + 6);
		return len == 10 ? WIRE_OK : WIRE_OPTIONS;
	default:
		return WIRE_OK;
	}
}

static enum wire_error
parse_options(struct wire *w, const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p != OPTION_END) {
		if (*p == OPTION_NOP) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return WIRE_OPTIONS;
		if (parse_option(w, p, p[1]) != WIRE_OK)
			return WIRE_OPTIONS;
		p += p[1];
	}
	return WIRE_OK;
}

enum wire_error
wire_parse(struct wire *w, const uint8_t *bytes, size_t len)
{
	const uint8_t *tcp;
	enum wire_error error;

	memset(w, 0, sizeof(*w));
	if (len < IP4_HEADER)
		return WIRE_SHORT;
	error = bytes[0] >> 4 == 4 ? parse_ip4(w, bytes, &len) : parse_ip6(w, bytes, &len);
	if (error != WIRE_OK)
		return error;
	tcp = bytes + w->ip_header;
	len -= w->ip_header;
	if (len < TCP_HEADER)
		return WIRE_SHORT;
	w->tcp_header = (uint16_t)((tcp[12] >> 4) * 4);
	if (w->tcp_header < TCP_HEADER || w->tcp_header > len)
		return WIRE_SHORT;
	if (tcp_sum(w, tcp, len) != 0xffff)
		return WIRE_CHECKSUM;
	w->sport = get16(tcp);
	w->dport = get16(tcp + 2);
	w->seq = get32(tcp + 4);
	w->ack = get32(tcp + 8);
	w->flags = tcp[13];
	w->window = get16(tcp + 14);
	w->urgent = get16(tcp + 18);
	w->payload = tcp + w->tcp_header;
	w->length = (uint32_t)(len - w->tcp_header);
	return parse_options(w, tcp + TCP_HEADER, tcp + w->tcp_header);
}

const char *
wire_error_text(enum wire_error e)
{
	static const char *const texts[] = {
		[WIRE_OK] = "ok",
		[WIRE_NOT_TCP] = "not TCP",
		[WIRE_SHORT] = "a length that does not fit",
		[WIRE_IP_CHECKSUM] = "a wrong checksum of the IPv4 header",
		[WIRE_CHECKSUM] = "a wrong TCP checksum",
		[WIRE_OPTIONS] = "malformed options",
	};

	return texts[e];
}

static uint8_t *
build_options(const struct wire *w, uint8_t *p)
{
	if (w->has_mss)
		p = put16(put8(put8(p, OPTION_MSS), 4), w->mss);
	if (w->has_scale)
		p = put8(put8(put8(put8(p, OPTION_NOP), OPTION_SCALE), 3), w->scale);
	if (w->sack_permitted)
		p = put8(put8(put16(p, OPTION_NOP << 8 | OPTION_NOP), OPTION_SACK_OK), 2);
	if (w->has_time) {
		p = put8(put8(put16(p, OPTION_NOP << 8 | OPTION_NOP), OPTION_TIME), 10);
		p = put32(put32(p, w->time_value), w->time_echo);
	}
	if (w->n_sacks) {
		p = put8(put8(put16(p, OPTION_NOP << 8 | OPTION_NOP), OPTION_SACK), 0);
		p[-1] = (uint8_t)(2 + 8 * w->n_sacks);
		for (int i = 0; i < w->n_sacks; i++)
			p = put32(put32(p, w->sacks[i][0]), w->sacks[i][1]);
	}
	return p;
}

static uint8_t *
build_ip(const struct wire *w, uint8_t *p, size_t tcp_len)
{
	uint8_t ttl = w->ttl ? w->ttl : 64;

	if (addr_is_v4(&w->src)) {
		p = put16(put8(put8(p, 0x45), w->ecn), (unsigned int)(IP4_HEADER + tcp_len));
		p = put16(put8(put8(put32(p, 0x4000), ttl), PROTOCOL_TCP), 0);
		memcpy(p, &w->src.w[3], 4);
		memcpy(p + 4, &w->dst.w[3], 4);
		return p + 8;
	}
	p = put16(put32(p, 6u << 28 | (uint32_t)w->ecn << 20), (unsigned int)tcp_len);
	p = put8(put8(p, PROTOCOL_TCP), ttl);
	memcpy(p, w->src.b, 16);
	memcpy(p + 16, w->dst.b, 16);
	return p + 32;
}

size_t
wire_build(const struct wire *w, uint8_t *out)
{
	uint8_t options[40], *p;
	size_t n = (size_t)(build_options(w, options) - options), header = TCP_HEADER + n;

	p = build_ip(w, out, header + w->length);
	p = put32(put32(put16(put16(p, w->sport), w->dport), w->seq), w->ack);
	p = put16(put8(put8(p, (unsigned int)header << 2), w->flags), w->window);
	p = put16(put16(p, 0), w->urgent);
	memcpy(p, options, n);
	if (w->length)
		memcpy(p + n, w->payload, w->length);
	p += n + w->length;
	wire_checksum(out, (size_t)(p - out));
	return (size_t)(p - out);
}

void
wire_checksum(uint8_t *bytes, size_t len)
{
	struct wire w;
	size_t ip_header = IP6_HEADER;
	uint32_t words[2];
	uint16_t sum;

	if (bytes[0] >> 4 == 4) {
		ip_header = (size_t)(bytes[0] & 15) * 4;
		memset(bytes + 10, 0, 2);
		sum = csum_compute(bytes, ip_header);
		memcpy(bytes + 10, &sum, 2);
		memcpy(words, bytes + 12, 8);
		w.src = addr_from_v4(words[0]);
		w.dst = addr_from_v4(words[1]);
	} else {
		memcpy(w.src.b, bytes + 8, 16);
		memcpy(w.dst.b, bytes + 24, 16);
	}
	memset(bytes + ip_header + 16, 0, 2);
	sum = (uint16_t)~tcp_sum(&w, bytes + ip_header, len - ip_header);
	memcpy(bytes + ip_header + 16, &sum, 2);
}

static size_t
too_big4(const uint8_t *about, size_t quoted, uint16_t mtu, uint8_t *out)
{
	size_t len = IP4_HEADER + 8 + quoted;
	uint8_t *p = put16(put16(out, 0x4500), (unsigned int)len);
	uint16_t sum;

	p = put32(put32(p, 0), 64u << 24 | 1u << 16);
	memcpy(p, about + 16, 4);
	memcpy(p + 4, about + 12, 4);
	sum = csum_compute(out, IP4_HEADER);
	memcpy(out + 10, &sum, 2);
	p = put16(put16(put32(p + 8, 3u << 24 | 4u << 16), 0), mtu);
	memcpy(p, about, quoted);
	sum = csum_compute(out + IP4_HEADER, 8 + quoted);
	memcpy(out + IP4_HEADER + 2, &sum, 2);
	return len;
}

size_t
wire_too_big(const uint8_t *about, size_t len, uint16_t mtu, uint8_t *out)
{
	struct addr src, dst;
	uint64_t sum;
	uint16_t folded;
	uint8_t *p;

	if (about[0] >> 4 == 4)
		return too_big4(about, len < 548 ? len : 548, mtu, out);
	if (len > 1232)
		len = 1232;
	p = put16(put32(out, 6u << 28), (unsigned int)(8 + len));
	p = put8(put8(p, 58), 64);
	memcpy(p, about + 24, 16);
	memcpy(p + 16, about + 8, 16);
	p = put32(put32(p + 32, 2u << 24), mtu);
	memcpy(p, about, len);
	memcpy(src.b, out + 8, 16);
	memcpy(dst.b, out + 24, 16);
	sum = csum_pseudo(&src, &dst, 58, (uint32_t)(8 + len));
	folded = (uint16_t)~csum_fold(csum_add_bytes(sum, out + IP6_HEADER, 8 + len));
	memcpy(out + IP6_HEADER + 2, &folded, 2);
	return IP6_HEADER + 8 + len;
}

const char *
wire_text(const struct wire *w, char *text, size_t size)
{
	static const char letters[] = "FSRPAUEC";
	char flags[9];
	size_t n = 0, at;

	for (int i = 0; i < 8; i++)
		if (w->flags & 1 << i)
			flags[n++] = letters[i];
	flags[n] = '\0';
	at = (size_t)snprintf(text, size, "%-3s %u>%u seq %u(%u) ack %u win %u%s", flags, w->sport,
			      w->dport, w->seq, w->length, w->ack, w->window,
			      w->ecn == 3 ? " CE" : "");
	if (w->has_mss)
		at += (size_t)snprintf(text + at, size - at, " mss %u", w->mss);
	if (w->has_scale)
		at += (size_t)snprintf(text + at, size - at, " scale %u", w->scale);
	if (w->sack_permitted)
		at += (size_t)snprintf(text + at, size - at, " sackOK");
	if (w->has_time)
		at += (size_t)snprintf(text + at, size - at, " ts %u:%u", w->time_value,
				       w->time_echo);
	for (int i = 0; i < w->n_sacks; i++)
		at += (size_t)snprintf(text + at, size - at, " sack %u-%u", w->sacks[i][0],
				       w->sacks[i][1]);
	return text;
}
