/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `explain`: what would happen to a packet now? The worker that owns the client says
 * (dp/l4/explain.h); control asks it and never waits: a timer of the loop looks for the answer. One
 * question is under way at a time, the others stand in line. Control thread only.
 */
#ifndef CP_ADMIN_EXPLAIN_H
#define CP_ADMIN_EXPLAIN_H

#include <jansson.h>
#include <stddef.h>

#include "cp/admin/command.h"
#include "cp/control.h"

struct explains;

/* NULL without memory. */
struct explains *explains_create(struct control *control);
void explains_destroy(struct explains *e);

struct explain_caller {
	command_answer_fn *answer;
	void *arg;
};

/* Ask about the packet that the request describes (protocol, client, service, flags, length); the
 * answer comes later, from the loop. -EINVAL with a sentence in error; 0 or -ENOMEM. */
int explains_start(struct explains *e, json_t *request, const struct explain_caller *caller,
		   char error[256]);
/* Forget the question whose answer would go to arg. */
void explains_cancel(struct explains *e, void *arg);

#endif
