/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ethernet frames in mbufs, on their way between workers and twins: made from bytes, and with or
 * without the tag of a VLAN. A frame is its holder's alone; these functions allocate from the pool
 * given and keep nothing.
 */
#ifndef CP_NET_FRAME_H
#define CP_NET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#define FRAME_MACS      12 /* bytes that stand before a VLAN tag */
#define FRAME_TAG_BYTES 4

/* A copy of the bytes, in as many mbufs as it takes. NULL: none are left. */
struct rte_mbuf *frame_make(struct rte_mempool *pool, const void *bytes, size_t len);
/* Put a tag (IEEE 802.1Q, priority 0) behind the addresses. False if the frame has no addresses, or
 * no room before them. */
bool frame_tag(struct rte_mbuf *m, uint16_t vlan);
/* Take the tag away that is there. False if the first mbuf does not hold it. */
bool frame_untag(struct rte_mbuf *m);

#endif
