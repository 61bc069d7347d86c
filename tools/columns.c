/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/columns.h"

#include <stdio.h>
#include <string.h>

#include "lib/units.h"
#include "tools/table.h"

#define CELL_MAX 512

static const struct column service_columns[] = {
	{ "NAME", "name", COLUMN_TEXT },
	{ "ADDRESS", "address", COLUMN_TEXT },
	{ "PORT", "port", COLUMN_PORT },
	{ "PROTO", "protocol", COLUMN_TEXT },
	{ "FORWARD", "forward", COLUMN_TEXT },
	{ "POOL", "pool", COLUMN_TEXT },
	{ "PKTS-IN", "packets_in", COLUMN_COUNT },
	{ "BYTES-IN", "bytes_in", COLUMN_COUNT },
	{ "PKTS-OUT", "packets_out", COLUMN_COUNT },
	{ "BYTES-OUT", "bytes_out", COLUMN_COUNT },
	{ "ACTIVE", "connections_active", COLUMN_COUNT },
	{ "TOTAL", "connections_total", COLUMN_COUNT },
	{ "DROPS", "drops", COLUMN_SUM },
	{ 0 },
};

static const struct column listener_columns[] = {
	{ "NAME", "name", COLUMN_TEXT },
	{ "ADDRESS", "address", COLUMN_TEXT },
	{ "PORT", "port", COLUMN_PORT },
	{ "PROTO", "protocol", COLUMN_TEXT },
	{ "POOL", "pool", COLUMN_TEXT },
	{ "BALANCE", "balance", COLUMN_TEXT },
	{ "PROXY", "proxy_protocol", COLUMN_TEXT },
	{ "COOKIES", "syn_cookies", COLUMN_TEXT },
	{ "CONNECT-S", "connect_timeout_seconds", COLUMN_DECIMAL },
	{ "IDLE-S", "idle_timeout_seconds", COLUMN_DECIMAL },
	{ "ACTIVE", "connections_active", COLUMN_COUNT },
	{ "TOTAL", "connections_total", COLUMN_COUNT },
	{ 0 },
};

static const struct column tcp_columns[] = {
	{ "WORKER", "worker", COLUMN_NUMBER },
	{ "SESSIONS", "sessions", COLUMN_COUNT },
	{ "ACCEPTED", "accepted", COLUMN_COUNT },
	{ "CONNECTED", "connected", COLUMN_COUNT },
	{ "FAILED", "backends_failed", COLUMN_COUNT },
	{ "ABORTED", "aborted", COLUMN_COUNT },
	{ "SEGS-IN", "segments_in", COLUMN_COUNT },
	{ "SEGS-OUT", "segments_out", COLUMN_COUNT },
	{ "BYTES-IN", "bytes_in", COLUMN_COUNT },
	{ "BYTES-OUT", "bytes_out", COLUMN_COUNT },
	{ "RETRANS", "retransmits", COLUMN_COUNT },
	{ "RTO", "rto", COLUMN_COUNT },
	{ "COOKIES", "syn_cookies_sent", COLUMN_COUNT },
	{ 0 },
};

static const struct column pool_columns[] = {
	{ "NAME", "name", COLUMN_TEXT },
	{ "BACKENDS", "backends", COLUMN_NUMBER },
	{ "UP", "up", COLUMN_NUMBER },
	{ "CHECK", "check", COLUMN_TEXT },
	{ "PASSING", "passing", COLUMN_NUMBER },
	{ "FAILING", "failing", COLUMN_NUMBER },
	{ "PANIC", "panic", COLUMN_TEXT },
	{ "ROWS", "rows", COLUMN_NUMBER },
	{ "MOVING", "moving_rows", COLUMN_NUMBER },
	{ "SETTLES-IN-S", "settles_in_seconds", COLUMN_NUMBER },
	{ 0 },
};

static const struct column backend_columns[] = {
	{ "POOL", "pool", COLUMN_TEXT },
	{ "ADDRESS", "address", COLUMN_TEXT },
	{ "PORT", "port", COLUMN_PORT },
	{ "WEIGHT", "weight", COLUMN_NUMBER },
	{ "STATE", "state", COLUMN_TEXT },
	{ "HEALTH", "health", COLUMN_TEXT },
	{ "ACTIVE", "connections_active", COLUMN_COUNT },
	{ "TOTAL", "connections_total", COLUMN_COUNT },
	{ "PACKETS", "packets", COLUMN_COUNT },
	{ "BYTES", "bytes", COLUMN_COUNT },
	{ "SINCE", "since", COLUMN_TEXT },
	{ "REASON", "reason", COLUMN_TEXT },
	{ 0 },
};

static const struct column client_columns[] = {
	{ "CLIENT", "client", COLUMN_TEXT },
	{ "WORKER", "worker", COLUMN_NUMBER },
	{ "PKTS/S", "packets_per_second", COLUMN_COUNT },
	{ "PACKETS", "packets", COLUMN_COUNT },
	{ "BYTES", "bytes", COLUMN_COUNT },
	{ "CONNECTIONS", "connections", COLUMN_COUNT },
	{ "IN-S", "seconds", COLUMN_NUMBER },
	{ "IDLE-S", "idle_seconds", COLUMN_NUMBER },
	{ "LIMITED", "limited", COLUMN_COUNTS },
	{ 0 },
};

static const struct column connection_columns[] = {
	{ "CLIENT", "client", COLUMN_TEXT },
	{ "SERVICE", "service", COLUMN_TEXT },
	{ "BACKEND", "backend", COLUMN_TEXT },
	{ "PROTO", "protocol", COLUMN_TEXT },
	{ "STATE", "state", COLUMN_TEXT },
	{ "EXPIRES-S", "expires_seconds", COLUMN_NUMBER },
	{ "PKTS-IN", "packets_in", COLUMN_COUNT },
	{ "PKTS-OUT", "packets_out", COLUMN_COUNT },
	{ "WORKER", "worker", COLUMN_NUMBER },
	{ 0 },
};

/* Of those through listeners: two of TCP. */
static const struct column session_columns[] = {
	{ "CLIENT", "client", COLUMN_TEXT },
	{ "SERVICE", "service", COLUMN_TEXT },
	{ "BACKEND", "backend", COLUMN_TEXT },
	{ "STATE", "state", COLUMN_TEXT },
	{ "EXPIRES-S", "expires_seconds", COLUMN_NUMBER },
	{ "CLIENT-TCP", "client_tcp.state", COLUMN_TEXT },
	{ "BYTES-IN", "client_tcp.bytes_in", COLUMN_COUNT },
	{ "BYTES-OUT", "client_tcp.bytes_out", COLUMN_COUNT },
	{ "RTT-MS", "client_tcp.rtt_ms", COLUMN_FINE },
	{ "CWND", "client_tcp.cwnd", COLUMN_COUNT },
	{ "RETRANS", "client_tcp.retransmissions", COLUMN_COUNT },
	{ "BACKEND-TCP", "backend_tcp.state", COLUMN_TEXT },
	{ "BYTES-OUT", "backend_tcp.bytes_out", COLUMN_COUNT },
	{ "BYTES-IN", "backend_tcp.bytes_in", COLUMN_COUNT },
	{ "RTT-MS", "backend_tcp.rtt_ms", COLUMN_FINE },
	{ "CWND", "backend_tcp.cwnd", COLUMN_COUNT },
	{ "RETRANS", "backend_tcp.retransmissions", COLUMN_COUNT },
	{ "WORKER", "worker", COLUMN_NUMBER },
	{ 0 },
};

static const struct column interface_columns[] = {
	{ "NAME", "name", COLUMN_TEXT },
	{ "SIDE", "side", COLUMN_TEXT },
	{ "LINK", "link", COLUMN_TEXT },
	{ "MAC", "mac", COLUMN_TEXT },
	{ "MTU", "mtu", COLUMN_NUMBER },
	{ "TWIN", "twin", COLUMN_TEXT },
	{ "RSS", "rss", COLUMN_TEXT },
	{ "RX-PKTS", "rx_packets", COLUMN_COUNT },
	{ "RX-BYTES", "rx_bytes", COLUMN_COUNT },
	{ "RX-MISSED", "rx_missed", COLUMN_COUNT },
	{ "TX-PKTS", "tx_packets", COLUMN_COUNT },
	{ "TX-BYTES", "tx_bytes", COLUMN_COUNT },
	{ "TO-HOST", "to_host", COLUMN_COUNT },
	{ "FROM-HOST", "from_host", COLUMN_COUNT },
	{ "DEVICE", "device", COLUMN_TEXT },
	{ "ADDRESSES", "addresses", COLUMN_LIST },
	{ 0 },
};

static const struct column worker_columns[] = {
	{ "WORKER", "worker", COLUMN_NUMBER },
	{ "CORE", "core", COLUMN_NUMBER },
	{ "PKTS-IN", "packets_in", COLUMN_COUNT },
	{ "PKTS-OUT", "packets_out", COLUMN_COUNT },
	{ "STEERED-IN", "steered_in", COLUMN_COUNT },
	{ "STEERED-OUT", "steered_out", COLUMN_COUNT },
	{ "BUSY-%", "busy_percent", COLUMN_DECIMAL },
	{ "CYCLES/PKT", "cycles_per_packet", COLUMN_DECIMAL },
	{ "CONNECTIONS", "connections", COLUMN_COUNT },
	{ "CLIENTS", "clients", COLUMN_COUNT },
	{ 0 },
};

static const struct column drop_columns[] = {
	{ "REASON", "reason", COLUMN_TEXT },
	{ "COUNT", "count", COLUMN_COUNT },
	{ "MEANING", "help", COLUMN_TEXT },
	{ 0 },
};

static const struct column neighbour_columns[] = {
	{ "ADDRESS", "address", COLUMN_TEXT },     { "MAC", "mac", COLUMN_TEXT },
	{ "INTERFACE", "interface", COLUMN_TEXT }, { "VLAN", "vlan", COLUMN_NUMBER },
	{ "STATE", "state", COLUMN_TEXT },         { 0 },
};

static const struct column history_columns[] = {
	{ "GENERATION", "generation", COLUMN_NUMBER },
	{ "TIME", "time", COLUMN_TEXT },
	{ "STATE", "state", COLUMN_TEXT },
	{ "HOW", "how", COLUMN_TEXT },
	{ "FROM", "from", COLUMN_NUMBER },
	{ "NAME", "name", COLUMN_TEXT },
	{ "CHANGES", "summary", COLUMN_TEXT },
	{ 0 },
};

static const struct column http_columns[] = {
	{ "WORKER", "worker", COLUMN_NUMBER },
	{ "REQUESTS", "requests", COLUMN_COUNT },
	{ "2XX", "answers_2xx", COLUMN_COUNT },
	{ "3XX", "answers_3xx", COLUMN_COUNT },
	{ "4XX", "answers_4xx", COLUMN_COUNT },
	{ "5XX", "answers_5xx", COLUMN_COUNT },
	{ "LIMITED", "limited", COLUMN_COUNT },
	{ "RETRIES", "retries", COLUMN_COUNT },
	{ "OPENED", "upstreams_opened", COLUMN_COUNT },
	{ "REUSED", "upstreams_reused", COLUMN_COUNT },
	{ "CUT-OFF", "cut_off", COLUMN_COUNT },
	{ 0 },
};

static const struct column tls_columns[] = {
	{ "WORKER", "worker", COLUMN_NUMBER },
	{ "FULL", "full", COLUMN_COUNT },
	{ "RESUMED", "resumed", COLUMN_COUNT },
	{ "FAILED", "failed", COLUMN_COUNT },
	{ "HELLOS-BAD", "hellos_bad", COLUMN_COUNT },
	{ "BUSY", "busy", COLUMN_COUNT },
	{ "ACTIVE", "handshakes_active", COLUMN_COUNT },
	{ "WAITING", "handshakes_waiting", COLUMN_COUNT },
	{ "SPENT-S", "handshake_seconds", COLUMN_DECIMAL },
	{ "RECORDS-IN", "records_in", COLUMN_COUNT },
	{ "RECORDS-OUT", "records_out", COLUMN_COUNT },
	{ "RECORDS-BAD", "records_bad", COLUMN_COUNT },
	{ "CUT", "truncated", COLUMN_COUNT },
	{ 0 },
};

static const struct object objects[] = {
	{ "services", service_columns },
	{ "pools", pool_columns },
	{ "backends", backend_columns },
	{ "connections", connection_columns },
	{ "clients", client_columns },
	{ "interfaces", interface_columns },
	{ "workers", worker_columns },
	{ "drops", drop_columns },
	{ "neighbours", neighbour_columns },
	{ "config", NULL },
	{ "history", history_columns },
	{ "listeners", listener_columns },
	{ "tcp", tcp_columns },
	{ "http", http_columns },
	{ "tls", tls_columns },
};

const struct object *
object_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		if (strcmp(objects[i].name, name) == 0)
			return &objects[i];
	}
	return NULL;
}

static json_int_t
sum_of(json_t *object)
{
	json_int_t sum = 0;
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) sum += json_integer_value(value);
	return sum;
}

static void
join(json_t *list, char *out, size_t size)
{
	size_t i, len = 0;

	*out = '\0';
	for (i = 0; i < json_array_size(list) && len < size; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "",
					text ? text : "");
	}
}

/* "client-packets 12.3k, client-bytes 5" */
static void
format_counts(json_t *object, char *out, size_t size)
{
	char count[UNITS_STRLEN];
	size_t len = 0;
	const char *key;
	json_t *value;

	*out = '\0';
	json_object_foreach(object, key, value)
	{
		if (len < size)
			len += (size_t)snprintf(
			    out + len, size - len, "%s%s %s", len ? ", " : "", key,
			    count_format((uint64_t)json_integer_value(value), count));
	}
}

static void
format_text(json_t *value, char *out, size_t size)
{
	const char *text = json_string_value(value);

	if (json_is_boolean(value))
		text = json_is_true(value) ? "yes" : "no";
	snprintf(out, size, "%s", text ? text : "");
}

static void
format_value(const struct column *column, json_t *value, char out[CELL_MAX])
{
	json_int_t n = json_integer_value(value);

	*out = '\0';
	if (!value || json_is_null(value))
		return;
	switch (column->kind) {
	case COLUMN_TEXT:
		format_text(value, out, CELL_MAX);
		break;
	case COLUMN_NUMBER:
		snprintf(out, CELL_MAX, "%" JSON_INTEGER_FORMAT, n);
		break;
	case COLUMN_COUNT:
		count_format((uint64_t)n, out);
		break;
	case COLUMN_DECIMAL:
		snprintf(out, CELL_MAX, "%.1f", json_number_value(value));
		break;
	case COLUMN_FINE:
		snprintf(out, CELL_MAX, "%.3f", json_number_value(value));
		break;
	case COLUMN_PORT:
		if (n == 0)
			snprintf(out, CELL_MAX, "all");
		else
			snprintf(out, CELL_MAX, "%" JSON_INTEGER_FORMAT, n);
		break;
	case COLUMN_LIST:
		join(value, out, CELL_MAX);
		break;
	case COLUMN_BITS:
		count_format((uint64_t)n * 8, out);
		break;
	case COLUMN_COUNTS:
		format_counts(value, out, CELL_MAX);
		break;
	case COLUMN_SUM:
		count_format((uint64_t)sum_of(value), out);
		break;
	}
}

static json_t *
field_of(json_t *row, const char *field)
{
	const char *inner = strchr(field, '.');

	if (!inner)
		return json_object_get(row, field);
	return json_object_get(json_object_getn(row, field, (size_t)(inner - field)), inner + 1);
}

void
columns_row(struct table *t, const struct column *columns, json_t *row)
{
	char text[CELL_MAX];

	for (; columns->title; columns++) {
		format_value(columns, field_of(row, columns->field), text);
		table_cell(t, text);
	}
}

struct table *
columns_table(const struct column *columns)
{
	struct table *t;
	size_t n = 0, i;

	while (columns[n].title)
		n++;
	t = table_create(n);
	for (i = 0; i < n; i++)
		table_column(t, i, columns[i].title,
			     columns[i].kind != COLUMN_TEXT && columns[i].kind != COLUMN_LIST &&
				 columns[i].kind != COLUMN_COUNTS);
	return t;
}

static bool
is_session(json_t *row)
{
	return json_object_get(row, "client_tcp") != NULL;
}

/* Connections that are tracked, and those through listeners, of which other things are known. */
static void
print_connections(json_t *list)
{
	struct table *tracked = columns_table(connection_columns);
	struct table *sessions = columns_table(session_columns);
	size_t n = 0, i;
	json_t *row;

	json_array_foreach(list, i, row)
	{
		bool session = is_session(row);

		columns_row(session ? sessions : tracked,
			    session ? session_columns : connection_columns, row);
		n += session;
	}
	if (n < json_array_size(list) || !n)
		table_print(tracked, stdout);
	if (n && n < json_array_size(list))
		putchar('\n');
	if (n)
		table_print(sessions, stdout);
	table_free(tracked);
	table_free(sessions);
}

void
object_print(const struct object *object, json_t *list, int all)
{
	bool drops = object->columns == drop_columns;
	size_t rows = 0, i;
	struct table *t;
	json_t *row;

	if (object->columns == connection_columns) {
		print_connections(list);
		return;
	}
	t = columns_table(object->columns);
	json_array_foreach(list, i, row)
	{
		if (drops && !all && json_integer_value(json_object_get(row, "count")) == 0)
			continue;
		columns_row(t, object->columns, row);
		rows++;
	}
	if (drops && rows == 0)
		puts("no drops");
	else
		table_print(t, stdout);
	table_free(t);
}
