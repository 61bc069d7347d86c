/* SPDX-License-Identifier: Apache-2.0 */
/* The screen of `top`: two lines of sums, then a table for each object, as many rows of each as
 * there is room. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/units.h"
#include "tools/columns.h"
#include "tools/penstock.h"
#include "tools/table.h"
#include "tools/top.h"

#define LINE_SIZE 2048
#define FULL_MIN  4 /* title and rows that a table gets before others get more */

static const struct column service_columns[] = {
	{ "SERVICE", "name", COLUMN_TEXT },
	{ "ADDRESS", "address", COLUMN_TEXT },
	{ "PORT", "port", COLUMN_PORT },
	{ "PKT/S-IN", "packets_in/s", COLUMN_COUNT },
	{ "BIT/S-IN", "bytes_in/s", COLUMN_BITS },
	{ "PKT/S-OUT", "packets_out/s", COLUMN_COUNT },
	{ "BIT/S-OUT", "bytes_out/s", COLUMN_BITS },
	{ "NEW/S", "connections_total/s", COLUMN_COUNT },
	{ "ACTIVE", "connections_active", COLUMN_COUNT },
	{ "DROPS/S", "drops/s", COLUMN_COUNT },
	{ 0 },
};

static const struct column backend_columns[] = {
	{ "POOL", "pool", COLUMN_TEXT },
	{ "ADDRESS", "address", COLUMN_TEXT },
	{ "PORT", "port", COLUMN_PORT },
	{ "STATE", "state", COLUMN_TEXT },
	{ "HEALTH", "health", COLUMN_TEXT },
	{ "PKT/S", "packets/s", COLUMN_COUNT },
	{ "BIT/S", "bytes/s", COLUMN_BITS },
	{ "NEW/S", "connections_total/s", COLUMN_COUNT },
	{ "ACTIVE", "connections_active", COLUMN_COUNT },
	{ 0 },
};

static const struct column worker_columns[] = {
	{ "WORKER", "worker", COLUMN_NUMBER },
	{ "CORE", "core", COLUMN_NUMBER },
	{ "BUSY-%", "busy_percent", COLUMN_DECIMAL },
	{ "PKT/S-IN", "packets_in/s", COLUMN_COUNT },
	{ "PKT/S-OUT", "packets_out/s", COLUMN_COUNT },
	{ "STEERED-IN/S", "steered_in/s", COLUMN_COUNT },
	{ "CYCLES/PKT", "cycles_per_packet", COLUMN_DECIMAL },
	{ "CONNECTIONS", "connections", COLUMN_COUNT },
	{ "CLIENTS", "clients", COLUMN_COUNT },
	{ 0 },
};

static const struct column drop_columns[] = {
	{ "DROPPED", "reason", COLUMN_TEXT },
	{ "DROPS/S", "count/s", COLUMN_COUNT },
	{ "COUNT", "count", COLUMN_COUNT },
	{ "MEANING", "help", COLUMN_TEXT },
	{ 0 },
};

static const struct column client_columns[] = {
	{ "CLIENT", "client", COLUMN_TEXT },
	{ "WORKER", "worker", COLUMN_NUMBER },
	{ "PKT/S", "packets_per_second", COLUMN_COUNT },
	{ "BIT/S", "bytes/s", COLUMN_BITS },
	{ "CONNECTIONS", "connections", COLUMN_COUNT },
	{ "LIMITED/S", "limited/s", COLUMN_COUNT },
	{ "LIMITED", "limited", COLUMN_SUM },
	{ 0 },
};

/* Fields by enum top_sort; NULL: that order says nothing of these, they stay as they come. */
static const struct {
	const struct column *columns;
	const char *sorts[SORT_NAME];
	bool hides_zero; /* rows whose first sort's field and count are 0 */
} tables[TOP_OBJECTS] = {
	[TOP_SERVICES] = { service_columns,
			   { "packets_in/s", "bytes_in/s", "connections_total/s",
			     "connections_active", "drops/s" },
			   false },
	[TOP_BACKENDS] = { backend_columns,
			   { "packets/s", "bytes/s", "connections_total/s", "connections_active" },
			   false },
	[TOP_WORKERS] = { worker_columns, { NULL }, false },
	[TOP_DROPS] = { drop_columns,
			{ "count/s", "count/s", "count/s", "count/s", "count/s" },
			true },
	[TOP_CLIENTS] = { client_columns,
			  { "packets_per_second", "bytes/s", "connections", "connections",
			    "limited/s" },
			  false },
};

/* ---- rows ---- */

struct sorted_row {
	json_t *row;
	json_int_t key;
	size_t place; /* in the daemon's list: what is equal stays in order */
};

struct rows {
	struct sorted_row *list;
	size_t n;
};

static int
heavier_first(const void *a, const void *b)
{
	const struct sorted_row *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? 1 : -1;
	return (x->place > y->place) - (x->place < y->place);
}

static struct rows
sorted_rows(json_t *list, enum top_object object, enum top_sort sort)
{
	const char *field = sort < SORT_NAME ? tables[object].sorts[sort] : NULL;
	struct rows rows = { .list = calloc(json_array_size(list) + 1, sizeof(*rows.list)) };
	json_t *row;
	size_t i;

	if (!rows.list)
		exit(complain(EXIT_REFUSED, "no memory"));
	json_array_foreach(list, i, row)
	{
		if (tables[object].hides_zero && !rates_count(json_object_get(row, "count")))
			continue;
		rows.list[rows.n++] = (struct sorted_row){
			.row = row,
			.key = field ? rates_count(json_object_get(row, field)) : 0,
			.place = i,
		};
	}
	qsort(rows.list, rows.n, sizeof(*rows.list), heavier_first);
	return rows;
}

/* ---- lines ---- */

/* At most `columns` characters of text, what is not printable as '?'; a line of the screen. */
static void
put_line(FILE *out, const char *text, size_t columns, bool reverse)
{
	size_t width = 0;

	if (reverse)
		fputs("\033[7m", out);
	for (; *text && *text != '\n'; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c & 0xc0) != 0x80 && ++width > columns)
			break;
		fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
	}
	for (; reverse && width < columns; width++)
		fputc(' ', out);
	fputs(reverse ? "\033[m\n" : "\n", out);
}

static void
put_table(FILE *out, enum top_object object, const struct rows *rows, const struct top_size *size)
{
	struct table *t = columns_table(tables[object].columns);
	char *text = NULL, *line;
	size_t len, i;
	FILE *memory;
	bool title = true;

	for (i = 0; i < rows->n; i++)
		columns_row(t, tables[object].columns, rows->list[i].row);
	memory = open_memstream(&text, &len);
	if (!memory)
		exit(complain(EXIT_REFUSED, "no memory"));
	table_print(t, memory);
	table_free(t);
	fclose(memory);
	for (line = text; line && *line; line = strchr(line, '\n') + 1) {
		put_line(out, line, size->columns, title && size->rows);
		title = false;
	}
	free(text);
}

static const char *
count(json_int_t n, char buf[UNITS_STRLEN])
{
	return count_format((uint64_t)(n > 0 ? n : 0), buf);
}

static json_int_t
total(const struct top_data *data, enum top_object object, const char *field)
{
	json_int_t sum = 0;
	json_t *row;
	size_t i;

	json_array_foreach(data->lists[object], i, row) sum +=
	    rates_count(json_object_get(row, field));
	return sum;
}

static void
put_sums(const struct top_data *data, const struct top_size *size, FILE *out)
{
	char line[LINE_SIZE], n[9][UNITS_STRLEN];
	enum top_object s = TOP_SERVICES, w = TOP_WORKERS;

	snprintf(line, sizeof(line),
		 "services in %s pkt/s %sbit/s, out %s pkt/s %sbit/s  connections %s (+%s/s)  "
		 "workers %s pkt/s  drops %s/s",
		 count(total(data, s, "packets_in/s"), n[0]),
		 count(total(data, s, "bytes_in/s") * 8, n[1]),
		 count(total(data, s, "packets_out/s"), n[2]),
		 count(total(data, s, "bytes_out/s") * 8, n[3]),
		 count(total(data, s, "connections_active"), n[4]),
		 count(total(data, s, "connections_total/s"), n[5]),
		 count(total(data, w, "packets_in/s"), n[6]),
		 count(total(data, TOP_DROPS, "count/s"), n[7]));
	put_line(out, line, size->columns, false);
}

static void
put_head(const struct top_data *data, const struct top_view *view, const struct top_size *size,
	 FILE *out)
{
	const char *instance = "?";
	json_int_t generation = 0, up = 0;
	char line[LINE_SIZE], clock[16];
	time_t t = time(NULL);
	struct tm tm;

	if (data->failure.code) {
		snprintf(line, sizeof(line), "penstock top  %s", data->failure.text);
		put_line(out, line, size->columns, false);
	} else {
		json_unpack(data->version, "{s:s, s:I, s:I}", "instance", &instance, "generation",
			    &generation, "uptime_seconds", &up);
		strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&t, &tm));
		snprintf(line, sizeof(line),
			 "penstock top  %s  %s  generation %" JSON_INTEGER_FORMAT
			 "  up %" JSON_INTEGER_FORMAT "d %02d:%02d:%02d%s%s%s",
			 instance, clock, generation, up / 86400, (int)(up / 3600 % 24),
			 (int)(up / 60 % 60), (int)(up % 60), view->paused ? "  PAUSED" : "",
			 data->refused[0] ? "  " : "", data->refused);
		put_line(out, line, size->columns, false);
	}
	put_sums(data, size, out);
}

/* ---- the whole screen ---- */

static const char *const help[] = {
	"q          quit",
	"space      pause, go on",
	"p b n a d  sort by packets, bits, new connections, active connections, drops",
	"o          in the order of the configuration",
	"1 2 3 4 5  only services, backends, workers, drops, clients; 0: all of them",
	"up down    scroll, when there is only one of them (also k and j)",
	"h          this text",
	"",
	"Rates are of the last second. BIT/S counts IP packets, without Ethernet.",
};

/* How many lines each table gets, its title and an empty line after it included: first a few for
 * each, as long as there is room, then what is left from the first to the last. */
static void
share_lines(const struct rows rows[TOP_OBJECTS], size_t room, size_t lines[TOP_OBJECTS])
{
	size_t round, i;

	for (i = 0; i < TOP_OBJECTS; i++)
		lines[i] = 0;
	for (round = 0; round < 2; round++) {
		for (i = 0; i < TOP_OBJECTS; i++) {
			size_t want = rows[i].n ? rows[i].n + 2 : 0, more;

			if (round == 0 && want > FULL_MIN)
				want = FULL_MIN;
			more = want - lines[i];
			if (more > room)
				more = lines[i] || room > 2 ? room : 0;
			lines[i] += more;
			room -= more;
		}
	}
}

static void
draw_tables(struct rows rows[TOP_OBJECTS], const struct top_size *size, FILE *out)
{
	size_t lines[TOP_OBJECTS], i;
	bool first = true;

	share_lines(rows, size->rows ? size->rows - 2 : SIZE_MAX / 2, lines);
	for (i = 0; i < TOP_OBJECTS; i++) {
		if (lines[i] < 3)
			continue;
		if (rows[i].n > lines[i] - 2)
			rows[i].n = lines[i] - 2;
		if (!first || !size->rows)
			fputc('\n', out);
		first = false;
		put_table(out, (enum top_object)i, &rows[i], size);
	}
}

static void
draw_one(struct rows *rows, enum top_object object, const struct top_view *view,
	 const struct top_size *size, FILE *out)
{
	size_t most = size->rows > 3 ? size->rows - 3 : 0, scroll = view->scroll;
	struct rows part = *rows;

	if (part.n <= most)
		scroll = 0;
	else if (scroll > part.n - most)
		scroll = part.n - most;
	part.list += scroll;
	part.n = part.n > most ? most : part.n;
	put_table(out, object, &part, size);
}

void
top_draw(struct top_data *data, const struct top_view *view, const struct top_size *size, FILE *out)
{
	struct rows rows[TOP_OBJECTS];
	size_t i;

	put_head(data, view, size, out);
	if (view->help) {
		for (i = 0; i < sizeof(help) / sizeof(help[0]) && i + 2 < size->rows; i++)
			put_line(out, help[i], size->columns, false);
		return;
	}
	for (i = 0; i < TOP_OBJECTS; i++)
		rows[i] = sorted_rows(data->lists[i], (enum top_object)i, view->sort);
	if (view->only < TOP_OBJECTS)
		draw_one(&rows[view->only], (enum top_object)view->only, view, size, out);
	else
		draw_tables(rows, size, out);
	for (i = 0; i < TOP_OBJECTS; i++)
		free(rows[i].list);
}
