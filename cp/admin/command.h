/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands: from one line of JSON to the line that answers it.
 *
 * A command answers at once, or later from the loop (a walk over the workers' connections). Each
 * command_run calls the answer function exactly once, unless command_cancel comes first. Control
 * thread only.
 */
#ifndef CP_ADMIN_COMMAND_H
#define CP_ADMIN_COMMAND_H

#include <jansson.h>
#include <stddef.h>

#include "cp/control.h"

struct commands;
struct counters;

/* Takes the line (to be freed, len bytes, ends with '\n'); NULL if there was no memory for it. */
typedef void command_answer_fn(void *arg, char *line, size_t len);

/* Gives the socket of whoever asked with `arg` to the command, which keeps it; no answer is due any
 * more. */
typedef int command_take_fn(void *arg);

/* NULL without memory. */
struct commands *commands_create(struct control *control);
void commands_destroy(struct commands *c);
/* How commands that stream get their socket; without it they are refused. */
void commands_allow_streams(struct commands *c, command_take_fn *take);

/* What the commands count with. */
struct counters *commands_counters(const struct commands *c);

/* Once a second: rates. */
void commands_tick(struct commands *c);
/* A snapshot was published. */
void commands_published(struct commands *c);

/* Run the request in line[0..len), without its newline. Anything may be in it. */
void command_run(struct commands *c, const char *line, size_t len, command_answer_fn *answer,
		 void *arg);
/* Whoever asked with `arg` is gone. */
void command_cancel(struct commands *c, void *arg);

/* The line {"ok": true, "result": value}, to be freed; takes the reference. NULL without memory. */
char *command_result(json_t *value, size_t *len);
/* The line {"ok": false, "error": reason}, to be freed; NULL without memory. */
char *command_refusal(const char *reason, size_t *len);

#endif
