/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tools/penstock.h"

struct table_cell {
	char *text;
	size_t width;
};

struct table_column {
	struct table_cell title;
	bool right;
	size_t width;
};

struct table {
	size_t n_columns;
	struct table_column *columns;
	struct table_cell *cells; /* row by row */
	size_t n_cells, size;
};

static void *
need(void *memory)
{
	if (!memory)
		exit(complain(EXIT_REFUSED, "no memory for the table"));
	return memory;
}

/* Characters of UTF-8 text: all bytes but continuations. */
static size_t
width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static struct table_cell
make_cell(const char *text)
{
	struct table_cell cell;
	char *p;

	cell.text = need(strdup(*text ? text : "-"));
	for (p = cell.text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
	cell.width = width_of(cell.text);
	return cell;
}

struct table *
table_create(size_t columns)
{
	struct table *t = need(calloc(1, sizeof(*t)));

	t->n_columns = columns;
	t->columns = need(calloc(columns, sizeof(*t->columns)));
	return t;
}

void
table_free(struct table *t)
{
	size_t i;

	for (i = 0; i < t->n_columns; i++)
		free(t->columns[i].title.text);
	for (i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->columns);
	free(t->cells);
	free(t);
}

void
table_column(struct table *t, size_t column, const char *title, bool right)
{
	struct table_column *c = &t->columns[column];

	c->title = make_cell(title);
	c->right = right;
	c->width = c->title.width;
}

void
table_cell(struct table *t, const char *text)
{
	struct table_column *column = &t->columns[t->n_cells % t->n_columns];
	struct table_cell cell = make_cell(text);

	if (t->n_cells == t->size) {
		t->size = t->size ? t->size * 2 : 64;
		t->cells = need(realloc(t->cells, t->size * sizeof(*t->cells)));
	}
	t->cells[t->n_cells++] = cell;
	if (cell.width > column->width)
		column->width = cell.width;
}

static void
pad(FILE *out, size_t n)
{
	while (n-- > 0)
		fputc(' ', out);
}

static void
print_cell(const struct table *t, size_t column, const struct table_cell *cell, FILE *out)
{
	const struct table_column *c = &t->columns[column];
	size_t space = c->width - cell->width;
	bool last = column + 1 == t->n_columns;

	if (c->right)
		pad(out, space);
	fputs(cell->text, out);
	if (!c->right && !last)
		pad(out, space);
	fputs(last ? "\n" : "  ", out);
}

void
table_print(const struct table *t, FILE *out)
{
	size_t i, column = 0;

	assert(t->n_columns > 0);
	for (i = 0; i < t->n_columns; i++)
		print_cell(t, i, &t->columns[i].title, out);
	for (i = 0; i < t->n_cells; i++) {
		print_cell(t, column, &t->cells[i], out);
		column = column + 1 < t->n_columns ? column + 1 : 0;
	}
}
