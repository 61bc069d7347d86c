/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to the daemon, over a connection of its own. Complaints go to stderr.
 */
#ifndef TOOLS_CLIENT_H
#define TOOLS_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

/* Send the request (a stolen reference) and wait for the answer. Returns its result (a new
 * reference), or NULL with *code EXIT_NO_DAEMON or EXIT_REFUSED, after saying why; with quiet, a
 * daemon that is not there is not spoken of. */
json_t *client_ask(const char *socket_path, json_t *request, bool quiet, int *code);

#endif
