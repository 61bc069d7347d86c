/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which worker owns a packet's client, for one packet and without a card's help. Of steer_owner:
 * reads the snapshot only; any thread that holds one.
 */
#ifndef DP_L4_STEER_H
#define DP_L4_STEER_H

#include "dp/packet.h"
#include "dp/snapshot.h"
#include "dp/worker.h"

/* The owner of a classified packet (direction forward or reply), as stage steer finds it. */
uint16_t steer_owner(const struct snapshot *s, const struct packet *p);

/* The owner of a client whose whole packet came in by `in_port`, from the client or (reply) to it.
 * STEER_UNPROVEN: the port's hash has to be compared with ours yet. Worker. */
#define STEER_UNPROVEN UINT16_MAX
struct steer_query {
	const struct rte_mbuf *mbuf;
	const struct addr *client;
	uint8_t in_port;
	bool reply;
};
uint16_t steer_client_owner(const struct worker *w, const struct steer_query *query);

#endif
