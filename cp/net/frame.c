/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/net/frame.h"

#include <string.h>

/* Append bytes to the frame, chaining mbufs where one is too small. */
static bool
append(struct rte_mempool *pool, struct rte_mbuf *head, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		struct rte_mbuf *last = rte_pktmbuf_lastseg(head);
		uint16_t room = rte_pktmbuf_tailroom(last);
		uint16_t part = (uint16_t)RTE_MIN(len, (size_t)room);

		if (room == 0) {
			struct rte_mbuf *next = rte_pktmbuf_alloc(pool);

			if (!next)
				return false;
			if (rte_pktmbuf_chain(head, next) != 0) {
				rte_pktmbuf_free(next);
				return false;
			}
			continue;
		}
		memcpy(rte_pktmbuf_append(head, part), bytes, part);
		bytes += part;
		len -= part;
	}
	return true;
}

struct rte_mbuf *
frame_make(struct rte_mempool *pool, const void *bytes, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (!m || append(pool, m, bytes, len))
		return m;
	rte_pktmbuf_free(m);
	return NULL;
}

bool
frame_tag(struct rte_mbuf *m, uint16_t vlan)
{
	const uint8_t tag[FRAME_TAG_BYTES] = { 0x81, 0x00, (uint8_t)(vlan >> 8), (uint8_t)vlan };
	uint8_t *frame;

	if (m->data_len < FRAME_MACS)
		return false;
	frame = (uint8_t *)rte_pktmbuf_prepend(m, FRAME_TAG_BYTES);
	if (!frame)
		return false;
	memmove(frame, frame + FRAME_TAG_BYTES, FRAME_MACS);
	memcpy(frame + FRAME_MACS, tag, FRAME_TAG_BYTES);
	return true;
}

bool
frame_untag(struct rte_mbuf *m)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

	if (m->data_len < FRAME_MACS + FRAME_TAG_BYTES)
		return false;
	memmove(frame + FRAME_TAG_BYTES, frame, FRAME_MACS);
	rte_pktmbuf_adj(m, FRAME_TAG_BYTES);
	return true;
}
