/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks over the workers' connection tables, for `show connections`.
 *
 * A worker's table is its own: control asks for a few hundred connections at a time through struct
 * worker_query (dp/handoff.h) and never waits: a timer of the loop looks for answers. One walk is
 * under way at a time, the others stand in line. Control thread only.
 */
#ifndef CP_ADMIN_WALK_H
#define CP_ADMIN_WALK_H

#include <stdint.h>

#include "cp/admin/command.h"
#include "cp/control.h"
#include "lib/request.h"

#define WALK_LIMIT_DEFAULT 1000
#define WALK_LIMIT_MAX     REQUEST_LIMIT_MAX

struct walks;

struct walk_request {
	uint32_t service; /* slot; INDEX_NONE: any */
	uint32_t limit;   /* show no more than this; at most WALK_LIMIT_MAX */
	command_answer_fn *answer;
	void *arg;
};

/* NULL without memory. */
struct walks *walks_create(struct control *control);
void walks_destroy(struct walks *w);

/* The answer comes later, from the loop: a list of connections, or a refusal if a worker does not
 * answer. 0 or -ENOMEM. */
int walks_start(struct walks *w, const struct walk_request *request);
/* Forget the walk whose answer would go to arg. */
void walks_cancel(struct walks *w, void *arg);

#endif
