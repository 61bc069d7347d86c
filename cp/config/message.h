/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings about a configuration: collected while it is read, put in order at the end.
 *
 * One caller at a time, on any thread; the messages belong to the caller of config_parse.
 * Invariant: text is printable, whatever bytes the file contained; at most MESSAGES_MAX messages.
 */
#ifndef CP_CONFIG_MESSAGE_H
#define CP_CONFIG_MESSAGE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "cp/config/config.h"

/* A file that is wrong in more places is not a configuration. */
#define MESSAGES_MAX 1000

/* Add "FILE:LINE: text" (line 0: "FILE: text"). Out of memory: counts the error all the same. */
void message_add(struct config_messages *m, const char *file, int line, bool warning,
		 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void message_vadd(struct config_messages *m, const char *file, int line, bool warning,
		  const char *fmt, va_list args) __attribute__((format(printf, 5, 0)));
/* By line; what was found on one line stays in the order in which it was found. */
void messages_sort(struct config_messages *m);

/* Text from the file as a message may show it: valid UTF-8 without control characters as it is,
 * other bytes as \xNN, cut after about 80 bytes with "...". Returns buf. */
#define QUOTED_LEN 400
const char *text_printable(const char *text, char buf[QUOTED_LEN]);

#endif
