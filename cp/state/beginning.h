/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which configuration the daemon begins with: that of its file, or the last good generation if the
 * file is not valid (any more), is gone, or has what was published to be confirmed and never was.
 *
 * A generation stands in only for the file that the daemon was started with when it was published:
 * a daemon that is started with another file does not take over what belongs to the first.
 *
 * Owned by cp/main.c, once at start, before the process goes into the background.
 */
#ifndef CP_STATE_BEGINNING_H
#define CP_STATE_BEGINNING_H

#include "cp/control.h"
#include "cp/state/generations.h"

struct beginning {
	struct config *config;           /* NULL: there is none to begin with */
	struct config_messages messages; /* about the file; for people if config is NULL */
	char *notice;                    /* why it is not the file's configuration; or NULL */
	char *name, *text;
	size_t len;
	/* The way into control_apply: */
	uint64_t from, resume;
	struct config *before; /* what ran last; NULL: nothing, or it runs on */
};

/* Choose. Everything in b is to be freed by beginning_clear. */
void beginning_choose(struct beginning *b, const struct generations *g, const char *config_file);
void beginning_clear(struct beginning *b);

#endif
