/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `top` shows: one sample of the daemon a second, its rates, and the screen made of it.
 * Everything is of the one thread of the tool.
 */
#ifndef TOOLS_TOP_H
#define TOOLS_TOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tools/client.h"
#include "tools/rates.h"

enum top_object {
	TOP_SERVICES,
	TOP_BACKENDS,
	TOP_WORKERS,
	TOP_DROPS,
	TOP_CLIENTS,
	TOP_OBJECTS,
};

enum top_sort {
	SORT_PACKETS,
	SORT_BITS,
	SORT_NEW,
	SORT_ACTIVE,
	SORT_DROPS,
	SORT_NAME,
};

struct top_data {
	json_t *version; /* of the daemon; NULL: it has not answered yet */
	json_t *lists[TOP_OBJECTS];
	struct rates rates[TOP_OBJECTS];
	struct client_failure failure; /* why the last sample failed; code 0: it did not */
	char refused[160];             /* why the last sample lacks a list; "": it does not */
};

/* top_data.c: ask the daemon at socket; on failure the sample before stays. */
bool top_take(struct top_data *data, const char *socket);
void top_free(struct top_data *data);

/* What the user has chosen to see. */
struct top_view {
	enum top_sort sort;
	int only; /* enum top_object; TOP_OBJECTS: all */
	size_t scroll;
	bool paused, help;
};

/* top_screen.c: lines of the screen, each ended by a newline and at most `columns` wide; rows 0:
 * all of them, for a file. */
struct top_size {
	size_t rows, columns;
};
void top_draw(struct top_data *data, const struct top_view *view, const struct top_size *size,
	      FILE *out);

#endif
