/* SPDX-License-Identifier: Apache-2.0 */
/* One of a session's TCP connections as people see it. Worker. */
#ifndef DP_PROXY_VIEW_H
#define DP_PROXY_VIEW_H

#include "dp/handoff.h"
#include "dp/tcp/tcp.h"

struct proxy;

/* handle may be of none: then it is closed. queued: bytes that wait for it outside of TCP; local:
 * where its local end goes, NULL: of no interest. */
void proxy_leg_view(struct proxy *p, tcp_handle handle, uint32_t queued, struct tcp_view *out,
		    struct connection_view *local);

#endif
