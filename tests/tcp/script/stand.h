/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What script.c and stand.c share: the pools of the process, the stack's turn, the content of both
 * streams. One thread.
 */
#ifndef TESTS_TCP_SCRIPT_STAND_H
#define TESTS_TCP_SCRIPT_STAND_H

#include "tests/tcp/script/script.h"

#define STAND_MS  1000000ull
#define STAND_IN  1 /* stream of the peer, see content.h */
#define STAND_OUT 2

struct stand_pools {
	struct rte_mempool *headers, *clones, *wire, *user;
};
const struct stand_pools *stand_pools(void);

/* As packets that come in show it. */
struct tuple stand_tuple(const struct script *s);
/* Timers and what became due. */
void stand_turn(struct script *s);

#endif
