/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin socket: a UNIX stream socket (mode 0660, group by configuration) on which programs ask
 * and get answers, one JSON document a line:
 *
 *     {"command": "show", "object": "services", ...}\n   ->   {"ok": true, "result": ...}\n
 *                                                              {"ok": false, "error": "...",
 * "messages": ["..."]}\n
 *
 * Hostile input is bounded: request size, number of connections, time to send a request and to take
 * an answer (10 s; a connection that asks nothing for so long is closed). Control thread only.
 */
#ifndef CP_ADMIN_ADMIN_H
#define CP_ADMIN_ADMIN_H

#include "cp/control.h"

/* Listen at control->socket_path. A socket file that nobody listens on any more is replaced; one
 * that is in use is an error. NULL with *error a sentence. */
struct admin *admin_create(struct control *control, const char **error);
/* Close everything and remove the socket's file. */
void admin_destroy(struct admin *a);

/* A snapshot has been published, perhaps of another configuration: counters of slots that changed
 * hands begin anew at this moment; the socket's group may be another. a may be NULL. */
void admin_published(struct admin *a);

#endif
