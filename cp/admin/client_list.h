/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heaviest clients of all workers, for `show clients`.
 *
 * Each worker knows some two thousand of its own (dp/l4/heaviest.h) and gives a copy, a few at a
 * time, when control asks; control never waits: a timer of the loop looks for answers. One list is
 * under way at a time, the others stand in line. Control thread only.
 */
#ifndef CP_ADMIN_CLIENT_LIST_H
#define CP_ADMIN_CLIENT_LIST_H

#include <stdint.h>

#include "cp/admin/command.h"
#include "cp/control.h"

#define CLIENT_LIST_LIMIT_DEFAULT 100

struct client_lists;

struct client_list_request {
	uint32_t limit; /* show no more than this */
	command_answer_fn *answer;
	void *arg;
};

/* NULL without memory. */
struct client_lists *client_lists_create(struct control *control);
void client_lists_destroy(struct client_lists *l);

/* The answer comes later, from the loop: clients, heaviest first, or a refusal if a worker does not
 * answer. 0 or -ENOMEM. */
int client_lists_start(struct client_lists *l, const struct client_list_request *request);
/* Forget the list whose answer would go to arg. */
void client_lists_cancel(struct client_lists *l, void *arg);

#endif
