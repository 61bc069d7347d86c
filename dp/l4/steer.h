/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which worker owns a packet's client, for one packet and without a card's help. Reads the snapshot
 * only; any thread that holds one.
 */
#ifndef DP_L4_STEER_H
#define DP_L4_STEER_H

#include "dp/packet.h"
#include "dp/snapshot.h"

/* The owner of a classified packet (direction forward or reply), as stage steer finds it. */
uint16_t steer_owner(const struct snapshot *s, const struct packet *p);

#endif
