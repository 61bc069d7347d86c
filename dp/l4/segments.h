/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that lie in several segments: cutting and summing up. For whoever owns the mbuf.
 */
#ifndef DP_L4_SEGMENTS_H
#define DP_L4_SEGMENTS_H

#include <stdint.h>

#include <rte_mbuf.h>

/* Free what lies behind the first `len` bytes of a frame that has more. */
__rte_cold void mbuf_cut_segments(struct rte_mbuf *m, uint32_t len);

/* Cut the frame to `len` bytes, freeing segments that are no longer needed. */
static inline void
mbuf_cut(struct rte_mbuf *m, uint32_t len)
{
	if (len >= m->pkt_len)
		return;
	if (unlikely(m->nb_segs > 1)) {
		mbuf_cut_segments(m, len);
		return;
	}
	m->pkt_len = len;
	m->data_len = (uint16_t)len;
}

/* Partial sum of len bytes at offset `off`, for a checksum in which these begin at an even place.
 * What lies behind the frame's end counts as nothing. (rte_raw_cksum_mbuf of DPDK 22.11 is wrong
 * for segments of odd length.) */
uint64_t csum_mbuf(const struct rte_mbuf *m, uint32_t off, uint32_t len);

#endif
