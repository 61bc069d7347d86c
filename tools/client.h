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
/* The same for a command whose answer is followed by a stream (lib/stream.h): the socket, from
 * which the answer has been read, or -1. */
int client_stream(const char *socket_path, json_t *request, int *code);

/* Why there was no result. */
struct client_failure {
	int seconds; /* in: how long to wait for the daemon */
	int code;    /* enum exit_code */
	char text[512];
};
/* The same without a word: NULL with *f. */
json_t *client_try(const char *socket_path, json_t *request, struct client_failure *f);

#endif
