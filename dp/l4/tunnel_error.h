/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors that routers send to us about the outer packets of our tunnels (RFC 2003 section 4,
 * RFC 2473 section 8).
 */
#ifndef DP_L4_TUNNEL_ERROR_H
#define DP_L4_TUNNEL_ERROR_H

#include <stdbool.h>

#include "dp/packet.h"
#include "dp/worker.h"

/* If p (verdict HOST) is a "too big" about one of our outer packets and quotes enough of the
 * client's packet inside, turn it in place into a "too big" for that client and set
 * VERDICT_TRANSMIT. True if it did. Worker. */
bool tunnel_error_translate(struct worker *w, struct packet *p);

#endif
