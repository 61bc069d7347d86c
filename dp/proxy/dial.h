/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection of ours to a backend, on behalf of a client: from one of our addresses, with a port
 * whose answers come to this worker. Worker only.
 */
#ifndef DP_PROXY_DIAL_H
#define DP_PROXY_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/drops.h"
#include "dp/packet.h"
#include "dp/snapshot.h"
#include "dp/tcp/tcp.h"

struct proxy;

struct proxy_dial {
	const struct tuple *client; /* client -> listener, as on the wire */
	uint32_t service, backend;  /* slots */
	uint32_t connect_ms;
	uint64_t user; /* of its events */
	bool grows;    /* what comes from the backend leaves in records of TLS */
	struct proxy_keepalive keepalive;
};

/* Open it. Why it cannot be opened at all; DROP_REASON_COUNT: *h is being opened. */
enum drop_reason proxy_dial(struct proxy *p, const struct proxy_dial *dial, tcp_handle *h);

#endif
