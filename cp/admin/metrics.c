/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cp/admin/metrics_http.h"
#include "cp/admin/show.h"
#include "cp/config/manual.h"
#include "dp/l7/http.h"
#include "dp/proxy/proxy.h"
#include "dp/tcp/tcp.h"
#include "dp/tls/tls.h"
#include "lib/addr.h"

enum metric_kind {
	METRIC_COUNTER,
	METRIC_GAUGE,
};

enum metric_value {
	VALUE_NUMBER,  /* the field */
	VALUE_MS,      /* the field, of milliseconds, as seconds; 0: there is no sample */
	VALUE_IS,      /* 1 if the field is the text `yes` (NULL: is true), else 0 */
	VALUE_EITHER,  /* 1 if it is `yes`, 0 if it is `no`, else there is no sample */
	VALUE_REASONS, /* the field's members, with a label reason each */
};

struct metric {
	const char *name, *help;
	const char *field; /* of the object's JSON */
	enum metric_kind kind;
	enum metric_value value;
	const char *yes, *no;
};

#define METRIC(n, h, f, k, ...)                                          \
	{                                                                \
		.name = n, .help = h, .field = f, .kind = k, __VA_ARGS__ \
	}
#define COUNTER(n, h, f) METRIC(n, h, f, METRIC_COUNTER, .value = VALUE_NUMBER)
#define GAUGE(n, h, f)   METRIC(n, h, f, METRIC_GAUGE, .value = VALUE_NUMBER)
#define SECONDS(n, h, f) METRIC(n, h, f, METRIC_GAUGE, .value = VALUE_MS)
#define REASONS(n, h, f) METRIC(n, h, f, METRIC_COUNTER, .value = VALUE_REASONS)
#define IS(n, h, f, y)   METRIC(n, h, f, METRIC_GAUGE, .value = VALUE_IS, .yes = y)
#define EITHER(n, h, f, y, o) \
	METRIC(n, h, f, METRIC_GAUGE, .value = VALUE_EITHER, .yes = y, .no = o)

#define BEGUN "Connections that have begun; untracked ones (modes dsr-...) by their SYNs."

static const struct metric service_metrics[] = {
	COUNTER("service_packets_in_total", "Packets from clients.", "packets_in"),
	COUNTER("service_bytes_in_total", "Bytes from clients.", "bytes_in"),
	COUNTER("service_packets_out_total", "Packets to clients (nat, full-nat, listeners).",
		"packets_out"),
	COUNTER("service_bytes_out_total", "Bytes to clients (nat, full-nat, listeners).",
		"bytes_out"),
	COUNTER("service_connections_total", BEGUN, "connections_total"),
	GAUGE("service_connections_active", "Tracked connections now.", "connections_active"),
	REASONS("service_drops_total", "Packets dropped, by reason; reasons that occurred.",
		"drops"),
	{ 0 },
};

static const struct metric pool_metrics[] = {
	GAUGE("pool_backends", "Backends of the pool.", "backends"),
	GAUGE("pool_backends_up", "Backends that may be chosen.", "up"),
	IS("pool_panic",
	   "1 if all that might be chosen fail their checks and are used nevertheless.", "panic",
	   NULL),
	GAUGE("pool_moving_rows", "Rows of the pool's table that a change has not settled yet.",
	      "moving_rows"),
	{ 0 },
};

static const struct metric backend_metrics[] = {
	COUNTER("backend_packets_total", "Packets sent to the backend.", "packets"),
	COUNTER("backend_bytes_total", "Bytes sent to the backend.", "bytes"),
	COUNTER("backend_connections_total", BEGUN, "connections_total"),
	GAUGE("backend_connections_active", "Tracked connections now.", "connections_active"),
	GAUGE("backend_weight", "Share of the pool's connections.", "weight"),
	GAUGE("backend_effective_weight", "The same while it starts slowly.", "effective_weight"),
	IS("backend_up", "1 if the backend may be chosen.", "state", "up"),
	IS("backend_draining", "1 if it keeps its connections and gets no new ones.", "state",
	   "drain"),
	SECONDS("backend_check_seconds", "How long the last health check took.", "check_ms"),
	EITHER("backend_health", "1 if its checks pass, 0 if they fail; none: not known.", "health",
	       "passing", "failing"),
	{ 0 },
};

static const struct metric interface_metrics[] = {
	COUNTER("interface_rx_packets_total", "Frames received.", "rx_packets"),
	COUNTER("interface_rx_bytes_total", "Bytes received.", "rx_bytes"),
	COUNTER("interface_rx_missed_total",
		"Frames lost by the device: no worker took them in time, or no buffer was left.",
		"rx_missed"),
	COUNTER("interface_tx_packets_total", "Frames sent.", "tx_packets"),
	COUNTER("interface_tx_bytes_total", "Bytes sent.", "tx_bytes"),
	COUNTER("interface_to_host_packets_total", "Frames passed to the twin in the kernel.",
		"to_host"),
	COUNTER("interface_from_host_packets_total", "Frames taken from the twin.", "from_host"),
	IS("interface_up", "1 if the link is up.", "link", "up"),
	{ 0 },
};

static const struct metric worker_metrics[] = {
	COUNTER("worker_packets_in_total", "Packets taken from ports.", "packets_in"),
	COUNTER("worker_packets_out_total", "Packets sent.", "packets_out"),
	COUNTER("worker_steered_in_total", "Packets that other workers passed on.", "steered_in"),
	COUNTER("worker_steered_out_total", "Packets passed on to other workers.", "steered_out"),
	COUNTER("worker_busy_seconds_total", "Time spent on packets.", "busy_seconds"),
	GAUGE("worker_connections", "Tracked connections now.", "connections"),
	GAUGE("worker_clients", "Limited clients known now.", "clients"),
	GAUGE("worker_fragments_held", "Fragments that wait for the first of their datagram.",
	      "fragments_held"),
	{ 0 },
};

static const struct metric tcp_metrics[] = {
	GAUGE("proxy_sessions", "Connections through listeners now.", "sessions"),
#define X(name, text) COUNTER("proxy_" #name "_total", "Listeners: " text ".", #name),
	PROXY_COUNTERS(X)
#undef X
#define X(name, text) COUNTER("tcp_" #name "_total", "TCP of listeners: " text ".", #name),
	    TCP_COUNTERS(X)
#undef X
		{ 0 },
};

static const struct metric http_metrics[] = {
	GAUGE("http_requests_active",
	      "HTTP listeners: requests under way now, mirrored ones included.", "requests_active"),
#define X(name, text) COUNTER("http_" #name "_total", "HTTP listeners: " text ".", #name),
	HTTP_COUNTERS(X)
#undef X
	    { 0 },
};

static const struct metric http_bad_metrics[] = {
	COUNTER("http_bad_requests_total", "HTTP listeners: requests refused.", "count"),
	{ 0 },
};

static const struct metric tls_bad_metrics[] = {
	COUNTER("tls_bad_hellos_total",
		"Listeners with TLS: clients refused for their ClientHello.", "count"),
	{ 0 },
};

static const struct metric tls_cause_metrics[] = {
	COUNTER("tls_failures_total", "TLS: handshakes that failed, with clients and backends.",
		"count"),
	{ 0 },
};

static const struct metric tls_metrics[] = {
	GAUGE("tls_handshakes_active", "TLS: handshakes that go on now.", "handshakes_active"),
	GAUGE("tls_handshakes_waiting",
	      "TLS: handshakes that are with a handshake thread, or wait for one.",
	      "handshakes_waiting"),
	COUNTER("tls_handshake_seconds_total",
		"TLS: time that handshake threads have spent on the worker's handshakes.",
		"handshake_seconds"),
#define X(name, text) COUNTER("tls_" #name "_total", "TLS: " text ".", #name),
	TLS_COUNTERS(X)
#undef X
	    { 0 },
};

static const struct metric certificate_metrics[] = {
	GAUGE("tls_certificate_expiry_seconds",
	      "When the certificate is not good any more, in seconds since 1970.",
	      "expiry_seconds"),
	{ 0 },
};

static const struct metric drop_metrics[] = {
	COUNTER("drops_total", "Packets dropped, of any service or of none.", "count"),
	{ 0 },
};

/* ---- labels ---- */

static void
print_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static const char *
text_of(json_t *row, const char *field)
{
	const char *text = json_string_value(json_object_get(row, field));

	return text ? text : "";
}

static void
label_service(FILE *out, json_t *row)
{
	print_label(out, "service", text_of(row, "name"));
}

static void
label_pool(FILE *out, json_t *row)
{
	print_label(out, "pool", text_of(row, "name"));
}

static void
label_backend(FILE *out, json_t *row)
{
	struct addr addr;
	char text[ADDR_PORT_STRLEN];
	json_int_t port = json_integer_value(json_object_get(row, "port"));

	if (addr_parse(text_of(row, "address"), &addr) < 0)
		return;
	print_label(out, "pool", text_of(row, "pool"));
	fputc(',', out);
	print_label(out, "backend", addr_port_format(&addr, (uint16_t)port, text));
}

static void
label_interface(FILE *out, json_t *row)
{
	print_label(out, "interface", text_of(row, "name"));
}

static void
label_worker(FILE *out, json_t *row)
{
	fprintf(out, "worker=\"%" JSON_INTEGER_FORMAT "\"",
		json_integer_value(json_object_get(row, "worker")));
}

static void
label_reason(FILE *out, json_t *row)
{
	print_label(out, "reason", text_of(row, "reason"));
}

static void
label_certificate(FILE *out, json_t *row)
{
	const char *whose = json_object_get(row, "pool") ? "pool" : "service";

	print_label(out, whose, text_of(row, whose));
	fputc(',', out);
	print_label(out, "certificate", text_of(row, "certificate"));
}

static const struct metric_object {
	show_fn *show;
	const struct metric *metrics;
	void (*label)(FILE *out, json_t *row);
	const char *labels; /* that it prints */
} objects[] = {
	{ show_services, service_metrics, label_service, "service" },
	{ show_pools, pool_metrics, label_pool, "pool" },
	{ show_backends, backend_metrics, label_backend, "pool, backend" },
	{ show_interfaces, interface_metrics, label_interface, "interface" },
	{ show_workers, worker_metrics, label_worker, "worker" },
	{ show_tcp, tcp_metrics, label_worker, "worker" },
	{ show_http, http_metrics, label_worker, "worker" },
	{ show_http_bad, http_bad_metrics, label_reason, "reason" },
	{ show_tls, tls_metrics, label_worker, "worker" },
	{ show_tls_bad, tls_bad_metrics, label_reason, "reason" },
	{ show_tls_causes, tls_cause_metrics, label_reason, "reason" },
	{ show_certificates, certificate_metrics, label_certificate,
	  "service or pool, certificate" },
	{ show_drops, drop_metrics, label_reason, "reason" },
};

/* ---- samples ---- */

static void
print_head(FILE *out, const struct metric *m)
{
	fprintf(out, "# HELP penstock_%s %s\n# TYPE penstock_%s %s\n", m->name, m->help, m->name,
		m->kind == METRIC_COUNTER ? "counter" : "gauge");
}

static void
print_number(FILE *out, json_t *value)
{
	if (json_is_real(value))
		fprintf(out, "%.6f\n", json_real_value(value));
	else
		fprintf(out, "%" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
}

/* A row of JSON with the labels that all of its samples have. */
struct labelled_row {
	json_t *row;
	const char *labels;
};

static void
print_reasons(FILE *out, const struct metric *m, const struct labelled_row *r)
{
	const char *reason;
	json_t *count;

	json_object_foreach(json_object_get(r->row, m->field), reason, count)
	{
		fprintf(out, "penstock_%s{%s,", m->name, r->labels);
		print_label(out, "reason", reason);
		fputs("} ", out);
		print_number(out, count);
	}
}

static void
print_sample(FILE *out, const struct metric *m, const struct labelled_row *r)
{
	json_t *value = json_object_get(r->row, m->field);
	const char *text = text_of(r->row, m->field);
	bool yes = m->yes ? strcmp(text, m->yes) == 0 : json_is_true(value);

	if (m->value == VALUE_REASONS) {
		print_reasons(out, m, r);
		return;
	}
	if (!value || (m->value == VALUE_EITHER && !yes && strcmp(text, m->no) != 0))
		return;
	if (m->value == VALUE_MS && json_number_value(value) <= 0)
		return;
	fprintf(out, "penstock_%s{%s} ", m->name, r->labels);
	if (m->value == VALUE_NUMBER)
		print_number(out, value);
	else if (m->value == VALUE_MS)
		fprintf(out, "%.6f\n", json_number_value(value) / 1000);
	else
		fprintf(out, "%d\n", yes);
}

/* The labels of all rows, each with its NUL, to be freed; NULL without memory. There may be very
 * many rows, and each has a dozen samples: its labels are made once. */
static char *
labels_of(const struct metric_object *o, json_t *list)
{
	char *labels = NULL;
	size_t len, i;
	FILE *out = open_memstream(&labels, &len);
	json_t *row;

	if (!out)
		return NULL;
	json_array_foreach(list, i, row)
	{
		o->label(out, row);
		fputc('\0', out);
	}
	if (fclose(out) == 0)
		return labels;
	free(labels);
	return NULL;
}

/* False without memory. */
static bool
print_object(FILE *out, const struct metric_object *o, json_t *list)
{
	char *labels = labels_of(o, list);
	const struct metric *m;
	size_t i;

	if (!labels)
		return false;
	for (m = o->metrics; m->name; m++) {
		struct labelled_row r = { .labels = labels };

		print_head(out, m);
		json_array_foreach(list, i, r.row)
		{
			print_sample(out, m, &r);
			r.labels += strlen(r.labels) + 1;
		}
	}
	free(labels);
	return true;
}

/* What belongs to no object. */
enum global_metric {
	GLOBAL_INFO,
	GLOBAL_GENERATION,
	GLOBAL_APPLIED,
	GLOBAL_START,
	GLOBALS,
};

static const struct metric global_metrics[GLOBALS] = {
	[GLOBAL_INFO] = GAUGE("info", "Always 1; which gateway this is.", NULL),
	[GLOBAL_GENERATION] = GAUGE("generation", "Number of the running configuration.", NULL),
	[GLOBAL_APPLIED] = GAUGE("generation_timestamp_seconds",
				 "When it was applied, in seconds since 1970.", NULL),
	[GLOBAL_START] =
	    GAUGE("start_time_seconds", "When the daemon started, in seconds since 1970.", NULL),
};

static void
print_globals(FILE *out, const struct control *c)
{
	print_head(out, &global_metrics[GLOBAL_INFO]);
	fputs("penstock_info{", out);
	print_label(out, "gateway_instance", c->config->instance);
	fputs("} 1\n", out);
	print_head(out, &global_metrics[GLOBAL_GENERATION]);
	fprintf(out, "penstock_generation %" PRIu64 "\n", c->generation);
	print_head(out, &global_metrics[GLOBAL_APPLIED]);
	fprintf(out, "penstock_generation_timestamp_seconds %lld\n", (long long)c->applied_at);
	print_head(out, &global_metrics[GLOBAL_START]);
	fprintf(out, "penstock_start_time_seconds %lld\n",
		(long long)time(NULL) - (long long)((loop_now() - c->started_at) / 1000000000));
}

char *
metrics_text(struct control *control, struct counters *counters, size_t *len)
{
	struct show show = { .control = control, .counters = counters };
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	bool complete = true;
	size_t i;

	if (!out)
		return NULL;
	counters_follow(counters);
	print_globals(out, control);
	for (i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		json_t *list = objects[i].show(&show);

		complete = complete && list && print_object(out, &objects[i], list);
		json_decref(list);
	}
	metrics_http_print(out, control, counters);
	if (fclose(out) == 0 && complete)
		return text;
	free(text);
	return NULL;
}

/* ---- the manual ---- */

static void
describe(FILE *out, const struct metric *m, const char *labels)
{
	const char *more = m->value == VALUE_REASONS ? ", reason" : "";
	char name[128], rest[128] = "";

	snprintf(name, sizeof(name), "penstock_%s", m->name);
	if (labels)
		snprintf(rest, sizeof(rest), " {%s%s}", labels, more);
	manual_entry(out, name, rest);
	manual_text(out, m->help);
	fputc('\n', out);
}

void
metrics_manual(FILE *out)
{
	const struct metric *m;
	size_t i;

	for (i = 0; i < GLOBALS; i++)
		describe(out, &global_metrics[i], i == GLOBAL_INFO ? "gateway_instance" : NULL);
	for (i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		for (m = objects[i].metrics; m->name; m++)
			describe(out, m, objects[i].labels);
	}
	metrics_http_manual(out);
}
