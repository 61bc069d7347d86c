/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first look at a configuration's text: its syntax, with messages for people, and a plainer
 * text for libconfig to build its tree from.
 *
 * libconfig (1.5, Debian 12) says "syntax error" and no more, opens files on @include, wraps large
 * integers silently, gives the last string of an array the line of the token after it, compares
 * each key of a group with each other, and loses memory when it gives up. What scan_text lets
 * through and writes anew has none of these effects: no include, comments gone, all integers
 * 64-bit, separators directly behind their value, arrays written as lists (so that the loader,
 * which knows the path, says what is wrong in them), a repeated key given a star for each
 * repetition
 * ("*port"), and sizes bounded by the limits below.
 *
 * Pure function of its input; any thread.
 */
#ifndef CP_CONFIG_SCAN_H
#define CP_CONFIG_SCAN_H

#include <stddef.h>

#include "cp/config/config.h"

#define SCAN_MAX_DEPTH  16      /* groups and lists within each other */
#define SCAN_MAX_KEYS   64      /* in one group */
#define SCAN_MAX_VALUES 1000000 /* in the whole text */
#define SCAN_MAX_STRING 4096    /* bytes, as written */

/* The text for libconfig (to be freed), or NULL with an error in messages. */
char *scan_text(const char *file, const char *text, size_t len, struct config_messages *messages);

#endif
