/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stage rewrite knows about a packet's way, and the bodies of the modes. Only rewrite.c calls
 * them, when next hop, hop count and size have been checked:
 *     p->ip_len + way.overhead <= way.hop->mtu
 * Each ends with VERDICT_TRANSMIT, or with a drop. Worker only.
 */
#ifndef DP_L4_REWRITE_H
#define DP_L4_REWRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/l4/connection.h"
#include "dp/packet.h"
#include "dp/snapshot.h"
#include "dp/worker.h"

#define IP4_HEADER 20 /* without options */
#define IP6_HEADER 40
#define UDP_HEADER 8
#define GUE_HEADER 4

struct way {
	const struct nexthop *hop;
	const struct backend *backend;       /* forward */
	const struct connection *connection; /* nat modes, both directions; else NULL */
	uint8_t mode;                        /* enum forward */
	uint8_t overhead;                    /* bytes that the mode puts before the IP header */
};

/* rewrite_nat.c: addresses, ports, checksums and TTL, from client to backend and back; in ICMP
 * errors those of the packet inside too (RFC 5508). */
void rewrite_nat(struct worker *w, struct packet *p, const struct way *way);

static inline uint8_t
encap_overhead(uint8_t mode, const struct addr *backend)
{
	uint8_t ip = addr_is_v4(backend) ? IP4_HEADER : IP6_HEADER;

	if (mode == MODE_DSR_IPIP)
		return ip;
	if (mode == MODE_DSR_GUE)
		return ip + UDP_HEADER + GUE_HEADER;
	return 0;
}

#endif
