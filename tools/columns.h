/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which fields of each object `show` puts into its table, and how. The daemon's JSON has more, and
 * exact numbers. Constant data.
 */
#ifndef TOOLS_COLUMNS_H
#define TOOLS_COLUMNS_H

#include <jansson.h>

struct table;

enum column_kind {
	COLUMN_TEXT,
	COLUMN_NUMBER,  /* exact */
	COLUMN_COUNT,   /* 12.3k */
	COLUMN_DECIMAL, /* one digit after the point */
	COLUMN_FINE,    /* three */
	COLUMN_PORT,    /* 0 is "all" */
	COLUMN_LIST,    /* of texts */
	COLUMN_SUM,     /* an object's values, summed, as COUNT */
	COLUMN_BITS,    /* bytes, as COUNT of bits */
	COLUMN_COUNTS,  /* an object's members with their values as COUNT */
};

struct column {
	const char *title;
	const char *field; /* "member.field": of an object in the row */
	enum column_kind kind;
};

struct object {
	const char *name;
	const struct column *columns; /* ends with an empty title; NULL: not a table */
};

/* NULL if there is no such object. */
const struct object *object_find(const char *name);

/* A table with the titles of columns, and a row of it. */
struct table *columns_table(const struct column *columns);
void columns_row(struct table *t, const struct column *columns, json_t *row);

/* Print the list that the daemon answered. all: drops that are 0 too. */
void object_print(const struct object *object, json_t *list, int all);

#endif
