/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/segments.h"

#include <rte_byteorder.h>

#include "lib/checksum.h"

void
mbuf_cut_segments(struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *seg = m;
	uint32_t left = len;

	m->pkt_len = len;
	m->nb_segs = 1;
	while (left > seg->data_len) {
		left -= seg->data_len;
		seg = seg->next;
		m->nb_segs++;
	}
	seg->data_len = (uint16_t)left;
	rte_pktmbuf_free(seg->next);
	seg->next = NULL;
}

uint64_t
csum_mbuf(const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint32_t done = 0, n;
	uint64_t sum = 0;
	uint16_t part;

	for (; m && done < len; m = m->next) {
		if (off >= m->data_len) {
			off -= m->data_len;
			continue;
		}
		n = RTE_MIN(m->data_len - off, len - done);
		part = csum_fold(
		    csum_add_bytes(0, rte_pktmbuf_mtod_offset(m, const uint8_t *, off), n));
		/* At an odd place each byte counts as the other half of its word (RFC 1071, 2(B)).
		 */
		sum += done & 1 ? rte_bswap16(part) : part;
		done += n;
		off = 0;
	}
	return sum;
}
