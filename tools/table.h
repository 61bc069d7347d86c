/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for people: columns as wide as their widest cell, numbers to the right.
 *
 * Owner: whoever made it. Invariant: cells.count is a multiple of the number of columns when
 * printed.
 */
#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table;

/* Memory that is missing ends the process: there is nothing better to do for a table. */
struct table *table_create(size_t columns);
void table_free(struct table *t);
/* Title and side of column `column`; the title is copied. */
void table_column(struct table *t, size_t column, const char *title, bool right);
/* The next cell, from left to right, row by row; the text is copied, control characters become
 * '?', empty text becomes "-". */
void table_cell(struct table *t, const char *text);
void table_print(const struct table *t, FILE *out);

#endif
