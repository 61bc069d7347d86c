/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/metrics_http.h"

#include <inttypes.h>

#include "cp/admin/counters_http.h"
#include "cp/config/manual.h"
#include "cp/record/records.h"

enum family {
	LISTENER_SECONDS,
	LISTENER_ANSWERS,
	LISTENER_CUT,
	POOL_SECONDS,
	POOL_ANSWERS,
	BACKEND_ANSWERS,
	FAMILIES,
};

static const struct {
	const char *name, *labels, *type, *help;
} families[FAMILIES] = {
	[LISTENER_SECONDS] = { "http_listener_request_seconds", "service", "histogram",
			       "Requests of a listener: from the first byte to the end." },
	[LISTENER_ANSWERS] = { "http_listener_requests_total", "service, code", "counter",
			       "Requests of a listener, by the class of their answer's status; "
			       "none: cut off before there was one." },
	[LISTENER_CUT] = { "http_listener_cut_off_total", "service", "counter",
			   "Requests of a listener whose answer did not come to its end." },
	[POOL_SECONDS] = { "http_pool_request_seconds", "pool", "histogram",
			   "Requests sent to a pool: from the first byte to the end." },
	[POOL_ANSWERS] = { "http_pool_requests_total", "pool, code", "counter",
			   "Requests sent to a pool, by the class of the status that clients "
			   "got." },
	[BACKEND_ANSWERS] = { "http_backend_requests_total", "pool, backend, code", "counter",
			      "Attempts at a backend that have ended, by the class of its status; "
			      "none: it gave no answer." },
};

/* An object with its labels. */
struct object {
	FILE *out;
	char labels[256];
};

static void
print_family(FILE *out, enum family f)
{
	fprintf(out, "# HELP penstock_%s %s\n# TYPE penstock_%s %s\n", families[f].name,
		families[f].help, families[f].name, families[f].type);
}

static void
print_histogram(const struct object *o, enum family f, const struct http_latency *l)
{
	const char *name = families[f].name;
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < HTTP_BUCKET_COUNT; i++) {
		const char *bound = http_bucket_bound(i);

		sum += l->buckets[i];
		fprintf(o->out, "penstock_%s_bucket{%s,le=\"%s\"} %" PRIu64 "\n", name, o->labels,
			bound ? bound : "+Inf", sum);
	}
	fprintf(o->out, "penstock_%s_sum{%s} %.6f\npenstock_%s_count{%s} %" PRIu64 "\n", name,
		o->labels, (double)l->sum / 1e9, name, o->labels, sum);
}

static void
print_classes(const struct object *o, enum family f, const uint64_t classes[HTTP_CLASSES])
{
	static const char *const codes[HTTP_CLASSES] = {
		"none", "1xx", "2xx", "3xx", "4xx", "5xx"
	};
	unsigned int i;

	for (i = 0; i < HTTP_CLASSES; i++)
		fprintf(o->out, "penstock_%s{%s,code=\"%s\"} %" PRIu64 "\n", families[f].name,
			o->labels, codes[i], classes[i]);
}

static void
print_listeners(FILE *out, const struct control *control, const struct counters_http *c,
		enum family f)
{
	const struct config *config = control->config;
	struct object o = { .out = out };
	size_t i;

	print_family(out, f);
	for (i = config->n_services; i < config_n_services(config); i++) {
		const struct listener_config *l = config_listener(config, i);
		uint32_t slot = compiler_service_slot(control->compiler, i);
		struct http_latency latency;

		if (!listener_has_http(l) || slot == UINT32_MAX)
			continue;
		counters_http_listener(c, slot, &latency);
		snprintf(o.labels, sizeof(o.labels), "service=\"%s\"", l->service.name);
		if (f == LISTENER_SECONDS)
			print_histogram(&o, f, &latency);
		else if (f == LISTENER_ANSWERS)
			print_classes(&o, f, latency.classes);
		else
			fprintf(out, "penstock_%s{%s} %" PRIu64 "\n", families[f].name, o.labels,
				latency.cut);
	}
}

/* Pools that have had a request. */
static void
print_pools(FILE *out, const struct control *control, const struct counters_http *c, enum family f)
{
	const struct snapshot *s = control->snapshot;
	struct object o = { .out = out };
	uint32_t i;

	print_family(out, f);
	for (i = 0; s && i < s->n_pools && i < control->config->n_pools; i++) {
		struct http_latency latency;

		counters_http_pool(c, s->pools[i].slot, &latency);
		if (!http_classes_all(latency.classes))
			continue;
		snprintf(o.labels, sizeof(o.labels), "pool=\"%s\"", control->config->pools[i].name);
		if (f == POOL_SECONDS)
			print_histogram(&o, f, &latency);
		else
			print_classes(&o, f, latency.classes);
	}
}

static void
print_backends(FILE *out, const struct control *control, const struct counters_http *c)
{
	const struct config *config = control->config;
	struct object o = { .out = out };
	char text[ADDR_PORT_STRLEN];
	size_t i, j;

	print_family(out, BACKEND_ANSWERS);
	for (i = 0; i < config->n_pools; i++) {
		const struct pool_config *pool = &config->pools[i];

		for (j = 0; j < pool->n_backends; j++) {
			uint32_t slot = compiler_backend_slot(control->compiler, i, j);
			struct http_attempts attempts;

			if (slot == UINT32_MAX)
				continue;
			counters_http_backend(c, slot, &attempts);
			if (!http_classes_all(attempts.classes))
				continue;
			snprintf(o.labels, sizeof(o.labels), "pool=\"%s\",backend=\"%s\"",
				 pool->name,
				 addr_port_format(&pool->backends[j].address,
						  (uint16_t)pool->backends[j].port, text));
			print_classes(&o, BACKEND_ANSWERS, attempts.classes);
		}
	}
}

/* ---- records and spans ----------------------------------------------------------------------- */

#define WRITTEN_HELP "Records of requests that were written to the file."
#define SENT_HELP    "Records of requests that were sent to the socket."
#define LOST_HELP    "Records of requests that were dropped, by where."
#define SPANS_HELP   "Spans that the collector has taken."
#define UNSENT_HELP  "Spans that were dropped: the queue was full, or the collector refused them."

static void
print_counter(FILE *out, const char *name, const char *help)
{
	fprintf(out, "# HELP penstock_%s %s\n# TYPE penstock_%s counter\n", name, help, name);
}

static void
print_records(FILE *out, const struct control *control)
{
	struct records_counts n;

	records_count(control->records, &n);
	print_counter(out, "http_records_written_total", WRITTEN_HELP);
	fprintf(out, "penstock_http_records_written_total %" PRIu64 "\n", n.written);
	print_counter(out, "http_records_sent_total", SENT_HELP);
	fprintf(out, "penstock_http_records_sent_total %" PRIu64 "\n", n.sent);
	print_counter(out, "http_records_dropped_total", LOST_HELP);
	fprintf(out,
		"penstock_http_records_dropped_total{reason=\"ring\"} %" PRIu64
		"\npenstock_http_records_dropped_total{reason=\"file\"} %" PRIu64
		"\npenstock_http_records_dropped_total{reason=\"socket\"} %" PRIu64 "\n",
		n.ring_full, n.file_lost, n.socket_lost);
	print_counter(out, "http_spans_total", SPANS_HELP);
	fprintf(out, "penstock_http_spans_total %" PRIu64 "\n", n.spans);
	print_counter(out, "http_spans_dropped_total", UNSENT_HELP);
	fprintf(out,
		"penstock_http_spans_dropped_total{reason=\"queue\"} %" PRIu64
		"\npenstock_http_spans_dropped_total{reason=\"refused\"} %" PRIu64 "\n",
		n.spans_queue, n.spans_refused);
}

/* ---- all of it ------------------------------------------------------------------------------- */

void
metrics_http_print(FILE *out, const struct control *control, const struct counters *counters)
{
	const struct counters_http *c = counters_http(counters);

	print_listeners(out, control, c, LISTENER_SECONDS);
	print_listeners(out, control, c, LISTENER_ANSWERS);
	print_listeners(out, control, c, LISTENER_CUT);
	print_pools(out, control, c, POOL_SECONDS);
	print_pools(out, control, c, POOL_ANSWERS);
	print_backends(out, control, c);
	print_records(out, control);
}

static void
describe(FILE *out, const char *name, const char *labels, const char *help)
{
	char title[128], rest[128] = "";

	snprintf(title, sizeof(title), "penstock_%s", name);
	if (labels)
		snprintf(rest, sizeof(rest), " {%s}", labels);
	manual_entry(out, title, rest);
	manual_text(out, help);
	fputc('\n', out);
}

void
metrics_http_manual(FILE *out)
{
	enum family f;

	for (f = 0; f < FAMILIES; f++)
		describe(out, families[f].name, families[f].labels, families[f].help);
	describe(out, "http_records_written_total", NULL, WRITTEN_HELP);
	describe(out, "http_records_sent_total", NULL, SENT_HELP);
	describe(out, "http_records_dropped_total", "reason", LOST_HELP);
	describe(out, "http_spans_total", NULL, SPANS_HELP);
	describe(out, "http_spans_dropped_total", "reason", UNSENT_HELP);
}
