/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of generations: each one that is published is kept; one that has to be confirmed goes
 * back by itself if it is not; an earlier one can be published again, as a new generation.
 *
 *                 apply, rollback                   apply --confirm TIME
 *     confirmed ──────────────────► confirmed    confirmed ─────────► waiting ─► TIME is over:
 *                                                    ▲                   │       the newest
 *                                                    └──── confirm ──────┤       confirmed one
 *                                                                        │       again
 *                                                        apply, rollback └─► that one counts
 *
 * Owned by the control thread, made before there is a struct control. With a daemon that starts
 * again while one is waiting it is never confirmed: cp/state/beginning.h.
 */
#ifndef CP_STATE_GENERATIONS_H
#define CP_STATE_GENERATIONS_H

#include "cp/control.h"
#include "cp/state/history.h"

struct generations;

/* With what the store (may be NULL) has; config_file: --config. NULL without memory. */
struct generations *generations_create(struct store *store, const char *config_file);
void generations_destroy(struct generations *g);
const struct history *generations_history(const struct generations *g);
/* --config as an absolute path. */
const char *generations_file(const struct generations *g);

/* The loop runs for c, which has g. 0 or -ENOMEM. */
int generations_start(struct generations *g, struct control *c);
/* The loop is about to end. */
void generations_stop(struct generations *g);

/* ---- asked by control_apply ---- */

/* What differs, to be freed; NULL without memory. */
char *generations_diff(const struct config *from, const struct config *to);
/* request is about to be published (true in `before`) or has been, as generation `number`. Keeps
 * it, and begins to wait for its confirmation. 0, or -errno if it is not on disk. */
int generations_publishing(struct generations *g, const struct control_request *request,
			   uint64_t number, const char *changes);
int generations_published(struct generations *g, const struct control_request *request,
			  uint64_t number, const char *changes);
/* It was not published. */
void generations_failed(struct generations *g, const struct control_request *request,
			uint64_t number);

/* ---- commands ---- */

/* The generation that waits to be confirmed, and for how many ns more; 0: none does. */
uint64_t generations_waiting(const struct generations *g, uint64_t *left);
/* Confirm it; returns its number. 0: none is waiting. */
uint64_t generations_confirm(struct generations *g, struct config_messages *messages);
/* Publish generation `number` again, 0: the newest earlier one that was confirmed and differs from
 * the running one. request: what else to do, its texts and how are set here. As control_apply. */
int generations_rollback(struct generations *g, uint64_t number, struct control_request *request,
			 struct config_messages *messages);

/* Why the configuration that runs is not that of the file; NULL: no reason known. */
const char *generations_notice(const struct generations *g);
/* Takes the text over, and tells the service manager. */
void generations_set_notice(struct generations *g, char *notice);

#endif
