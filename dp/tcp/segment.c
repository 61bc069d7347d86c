/* SPDX-License-Identifier: Apache-2.0 */
/* From a packet to a segment: lengths, checksum, the timestamp option, and the mbuf cut to the
 * data. All other options are read where they matter. */
#include "dp/tcp/internal.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/checksum.h"

static uint32_t
word_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return ntohl(v);
}

static uint16_t
half_at(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return ntohs(v);
}

/* Sum of `length` bytes of a chain from `offset` on. What begins at an odd byte of the whole counts
 * with its halves exchanged (RFC 1071, 2(B)). */
uint64_t
chain_sum(const struct rte_mbuf *m, uint32_t offset, uint32_t length)
{
	uint64_t sum = 0;
	bool odd = false;

	for (; m && length; m = m->next) {
		uint32_t n = m->data_len;
		uint16_t part;

		if (offset >= n) {
			offset -= n;
			continue;
		}
		n -= offset;
		if (n > length)
			n = length;
		part = csum_fold(
		    csum_add_bytes(0, rte_pktmbuf_mtod_offset(m, const uint8_t *, offset), n));
		sum += odd ? (uint16_t)(part << 8 | part >> 8) : part;
		odd ^= n & 1;
		length -= n;
		offset = 0;
	}
	return sum;
}

/* The same of bytes that lie together. Headers are short: whole words, without a call. */
static uint64_t
flat_sum(uint64_t sum, const uint8_t *p, uint32_t length)
{
	uint64_t word;

	if (length > HEADER_BYTES + OPTIONS_MAX)
		return csum_add_bytes(sum, p, length);
	for (; length >= 8; length -= 8, p += 8) {
		memcpy(&word, p, 8);
		sum += (uint32_t)word + (word >> 32);
	}
	return length ? csum_add_bytes(sum, p, length) : sum;
}

static bool
checksum_right(const struct tcp_packet *p, uint32_t length)
{
	uint64_t sum;

	if (p->checked)
		return true;
	sum = csum_pseudo(&p->tuple->src, &p->tuple->dst, IPPROTO_TCP, length);
	if (p->l4 + length <= p->mbuf->data_len)
		sum =
		    flat_sum(sum, rte_pktmbuf_mtod_offset(p->mbuf, const uint8_t *, p->l4), length);
	else
		sum += chain_sum(p->mbuf, p->l4, length);
	return csum_fold(sum) == 0xffff;
}

/* The timestamp option where everybody puts it (RFC 7323, appendix A), where a SYN of many has it,
 * behind MSS and SACK permitted, else wherever it is. */
static void
find_timestamps(struct segment *s)
{
	const uint8_t *o = s->options;
	uint32_t n = s->option_bytes, i = 0;

	if (n >= TIMESTAMP_BYTES && word_at(o) == 0x0101080a) {
		s->timestamps = true;
		s->ts_value = word_at(o + 4);
		s->ts_echo = word_at(o + 8);
		return;
	}
	if (n >= 4 + TIMESTAMP_BYTES && word_at(o + 4) == 0x0402080a && half_at(o) == 0x0204)
		i = 6;
	while (i < n && o[i] != 0) {
		if (o[i] == 1) {
			i++;
			continue;
		}
		if (i + 1 >= n || o[i + 1] < 2 || i + o[i + 1] > n)
			return;
		if (o[i] == 8 && o[i + 1] == 10) {
			s->timestamps = true;
			s->ts_value = word_at(o + i + 2);
			s->ts_echo = word_at(o + i + 6);
			return;
		}
		i += o[i + 1];
	}
}

/* Make the mbuf begin with the data and end with it: the header stays readable before it, in the
 * first buffer. */
static bool
cut(struct segment *s, uint32_t offset)
{
	struct rte_mbuf *m = s->mbuf;
	uint32_t end = offset + s->len;

	if (m->pkt_len > end && rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - end)) != 0) {
		/* More than the last buffer holds: padding that long is no Ethernet's. */
		return false;
	}
	return rte_pktmbuf_adj(m, (uint16_t)offset) != NULL;
}

bool
segment_parse(struct tcp *t, const struct tcp_packet *p, struct segment *s)
{
	const uint8_t *h;
	uint32_t room, header, length;

	*s = (struct segment){ .mbuf = p->mbuf, .packet = p };
	t->counters.segments_in++;
	if (p->l4 < p->l3 || p->l3 + (uint32_t)p->ip_len > p->mbuf->pkt_len ||
	    p->ip_len < p->l4 - p->l3 + HEADER_BYTES || p->mbuf->data_len < p->l4 + HEADER_BYTES) {
		t->counters.bad_header++;
		return false;
	}
	length = p->ip_len - (uint32_t)(p->l4 - p->l3);
	room = RTE_MIN(length, (uint32_t)p->mbuf->data_len - p->l4);
	h = rte_pktmbuf_mtod_offset(p->mbuf, const uint8_t *, p->l4);
	header = (h[12] >> 4) * 4;
	if (header < HEADER_BYTES || header > room) {
		t->counters.bad_header++;
		return false;
	}
	if (!checksum_right(p, length)) {
		t->counters.bad_checksum++;
		return false;
	}
	s->header = h;
	s->options = h + HEADER_BYTES;
	s->option_bytes = (uint8_t)(header - HEADER_BYTES);
	s->seq = word_at(h + 4);
	s->ack = word_at(h + 8);
	s->flags = h[13];
	s->window = half_at(h + 14);
	s->ecn = p->ecn;
	s->len = length - header;
	find_timestamps(s);
	if (!cut(s, p->l4 + header)) {
		t->counters.bad_header++;
		return false;
	}
	return true;
}

void
segment_drop(struct segment *s)
{
	rte_pktmbuf_free(s->mbuf);
	s->mbuf = NULL;
}
