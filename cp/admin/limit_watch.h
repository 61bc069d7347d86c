/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says in the log when a limit begins to bite on a service and when it has let go: not a line for
 * each client or packet, but one for each limit of a service, from its first drop until 10 s
 * without another. Looks at the counters once a second. Control thread only.
 */
#ifndef CP_ADMIN_LIMIT_WATCH_H
#define CP_ADMIN_LIMIT_WATCH_H

#include <stdint.h>

#include "cp/admin/counters.h"
#include "cp/control.h"

/* One limit of one service. bites_since == 0: it does not bite. */
struct limit_state {
	uint64_t count;       /* drops when last looked at */
	uint64_t bites_since; /* when it was first seen */
	uint64_t last;        /* when the count was last seen to have grown */
	uint64_t count_before;
};

enum limit_change {
	LIMIT_UNCHANGED,
	LIMIT_BEGINS,
	LIMIT_ENDS, /* count - count_before were dropped from bites_since until last */
};

/* There are `count` drops at `now` (ns, above 0). Time comes in, nothing goes out but the result.
 */
enum limit_change limit_state_step(struct limit_state *s, uint64_t count, uint64_t now);

struct limit_watch;

/* NULL without memory. */
struct limit_watch *limit_watch_create(struct control *control, struct counters *counters);
void limit_watch_destroy(struct limit_watch *w);
/* Once a second. */
void limit_watch_tick(struct limit_watch *w);

#endif
