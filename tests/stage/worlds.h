/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two workers that get the same frames, of which one takes the long way only: what leaves, what is
 * counted and what is remembered has to be the same, and a client's frames leave in the same order.
 *
 * There are services of each mode and both families, some with limits, one whose pool moves;
 * backends whose next hop is small, or behind a VLAN. One thread.
 */
#ifndef TESTS_STAGE_WORLDS_H
#define TESTS_STAGE_WORLDS_H

#include <stdbool.h>
#include <stdint.h>

#include "fixture.h"
#include "frames.h"

#define CLIENTS 24 /* of each family: 198.51.100.N and 2001:db8:1:N::7 */

enum {
	GUE_UDP,
	GUE_TCP,
	IPIP6,
	IPIP_ACROSS,
	L2_6,
	L2_4,
	NAT4,
	NAT6,
	NAT_COUNTED,
	DENY,
	MOVING,
	GUE6,
	SERVICES
};

struct world_service {
	const char *address;
	uint8_t proto;
	uint16_t port;
	uint8_t mode;
	const char *backends[3];
};
extern const struct world_service world_services[SERVICES];

/* By the last bytes of a frame: whose it is. Frames without the mark, as answers of ours
 * are, may leave in any order. */
#define WORLD_MARK "\x9a\x3c\xe1\x57"

struct world_frame {
	uint16_t len;
	uint8_t bytes[FRAME_MAX];
};

extern struct fixture *worlds[2]; /* the short way, the long way */

void worlds_set_up(void);
void worlds_tear_down(void);
/* One burst through both, `later` ns after the one before. */
void worlds_receive(const struct world_frame *frames, uint16_t n, uint64_t later);
/* Of that burst. */
bool worlds_sent_the_same(void);
/* What the workers count and remember, of all bursts. */
bool worlds_know_the_same(void);

#endif
