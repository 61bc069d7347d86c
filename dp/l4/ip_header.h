/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IP header, of either family, of a packet that we send in our own name: an ICMP error, a RST.
 * Any thread; the caller owns the bytes.
 */
#ifndef DP_L4_IP_HEADER_H
#define DP_L4_IP_HEADER_H

#include <stdint.h>

#include "lib/addr.h"

#define IP_HOPS 64

struct ip_header {
	const struct addr *src, *dst; /* of one family, which is the header's */
	uint8_t traffic_class;
	uint8_t protocol;
	uint16_t len; /* bytes after the header */
};

/* Write IP4_HEADER or IP6_HEADER bytes, with the checksum. */
void ip_header_write(uint8_t *ip, const struct ip_header *h);

#endif
