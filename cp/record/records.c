/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/record/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cp/log.h"
#include "cp/record/line.h"
#include "cp/record/sink.h"
#include "cp/trace/exporter.h"
#include "dp/l7/http.h"
#include "dp/proxy/proxy.h"

#define BUSY_PAUSE 1000000ull  /* between turns */
#define IDLE_PAUSE 10000000ull /* ... when there was nothing: a ring takes longer to fill */
#define TURN_NS    500000ull   /* no longer than this at a time */
#define AT_ONCE    32          /* of a worker, before it is the next one's turn */
#define OUT_SIZE   (128u << 10)
#define SINKS      2 /* file, socket */

static const char *const sink_names[SINKS] = { "file", "socket" };

struct records {
	struct control *control;
	struct loop_timer *timer;
	struct sink *sinks[SINKS];
	int said[SINKS];                /* the error that was told last */
	struct sink_counts past[SINKS]; /* of sinks that are no more */
	struct exporter *exporter;
	struct record_context context;
	uint64_t lines; /* in out */
	size_t out_len;
	char out[OUT_SIZE];
};

static void turn(void *arg);

struct records *
records_create(struct control *control)
{
	struct records *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->control = control;
	r->timer = loop_timer_create(control->loop, turn, r);
	r->exporter = exporter_create(control->loop);
	if (r->timer && r->exporter)
		return r;
	loop_timer_free(r->timer);
	exporter_destroy(r->exporter);
	free(r);
	return NULL;
}

/* ---- what goes out --------------------------------------------------------------------------- */

static void
flush_lines(struct records *r)
{
	unsigned int i;

	for (i = 0; r->out_len && i < SINKS; i++)
		if (r->sinks[i])
			sink_put(r->sinks[i], r->out, r->out_len, r->lines);
	r->out_len = 0;
	r->lines = 0;
}

static const char *
pool_name(const struct records *r, const struct http_record *record)
{
	const struct snapshot *s = r->control->snapshot;
	const struct pool *pool;

	if (!(record->flags & HTTP_RECORD_BACKEND) || !s)
		return NULL;
	pool = snapshot_pool(s, record->pool_slot, record->pool_epoch);
	return pool ? r->control->config->pools[pool - s->pools].name : NULL;
}

static void
write_one(struct records *r, const struct http_record *record, uint32_t worker)
{
	r->context.worker = worker;
	r->context.pool = pool_name(r, record);
	if ((record->flags & HTTP_RECORD_LOG) && (r->sinks[0] || r->sinks[1])) {
		if (OUT_SIZE - r->out_len < RECORD_LINE_MAX)
			flush_lines(r);
		r->out_len += record_line(record, &r->context, r->out + r->out_len);
		r->lines++;
	}
	if (record->flags & HTTP_RECORD_SPAN)
		exporter_add(r->exporter, record, &r->context);
}

/* Some of each worker's records. How many. */
static uint32_t
drain(struct records *r)
{
	const struct dataplane *dp = r->control->dp;
	uint32_t i, n, all = 0;

	for (i = 0; i < dp->n_workers; i++) {
		const struct http_record *record;
		struct http_view view;

		proxy_http_seen(dp->workers[i], &view);
		for (n = 0; view.records && n < AT_ONCE; n++) {
			record = http_records_peek(view.records);
			if (!record)
				break;
			write_one(r, record, i);
			http_records_next(view.records);
		}
		all += n;
	}
	return all;
}

/* The workers' clock against the wall's. */
static void
set_clock(struct records *r)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	r->context.wall = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec -
			  (int64_t)dp_clock_now(&r->control->dp->clock);
}

/* A sink has begun or ceased to fail. */
static void
tell_errors(struct records *r)
{
	struct sink_counts counts;
	unsigned int i;

	for (i = 0; i < SINKS; i++) {
		if (!r->sinks[i])
			continue;
		sink_counts(r->sinks[i], &counts);
		if (counts.error == r->said[i])
			continue;
		r->said[i] = counts.error;
		if (counts.error)
			log_event(LOG_LEVEL_WARNING, "records-failing", "to", sink_names[i],
				  "reason", strerror(counts.error), NULL);
		else
			log_event(LOG_LEVEL_INFO, "records-passing", "to", sink_names[i], NULL);
	}
}

static bool
wanted(const struct records *r)
{
	const struct snapshot *s = r->control->snapshot;

	return s && (s->seen.records || s->seen.tracing);
}

static void
turn(void *arg)
{
	struct records *r = arg;
	uint64_t end = loop_now() + TURN_NS;
	uint32_t n, all = 0;

	set_clock(r);
	do {
		n = drain(r);
		all += n;
	} while (n && loop_now() < end);
	flush_lines(r);
	tell_errors(r);
	if (n)
		loop_timer_arm(r->timer, loop_now()); /* others of the loop first */
	else if (wanted(r))
		loop_timer_arm(r->timer, loop_now() + (all ? BUSY_PAUSE : IDLE_PAUSE));
}

/* ---- the configuration ----------------------------------------------------------------------- */

static void
sink_gone(struct records *r, unsigned int i, bool wait)
{
	struct sink_counts counts;

	if (!r->sinks[i])
		return;
	sink_counts(r->sinks[i], &counts);
	r->past[i].written += counts.written;
	r->past[i].dropped += counts.dropped;
	sink_end(r->sinks[i], wait);
	r->sinks[i] = NULL;
	r->said[i] = 0;
}

/* settings without a place: none. */
static void
sink_follow(struct records *r, unsigned int i, const struct sink_settings *settings)
{
	if (r->sinks[i] && sink_is(r->sinks[i], settings))
		return;
	sink_gone(r, i, false);
	if (!settings->file && !settings->socket)
		return;
	r->sinks[i] = sink_create(settings);
	if (!r->sinks[i])
		log_error("no records are written to the %s: not enough memory", sink_names[i]);
}

void
records_published(struct records *r)
{
	const struct config *config = r->control->config;
	const struct sink_settings file = {
		.file = config->records.file,
		.rotate_size = config->records.rotate_size,
		.keep = config->records.keep,
	};
	const struct sink_settings socket = { .socket = config->records.socket };

	/* Its text is the configuration's, which is another one now. */
	r->context.instance = config->instance;
	flush_lines(r);
	sink_follow(r, 0, &file);
	sink_follow(r, 1, &socket);
	exporter_configure(r->exporter, config);
	loop_timer_arm(r->timer, loop_now());
}

void
records_reopen(struct records *r)
{
	if (r->sinks[0])
		sink_reopen(r->sinks[0]);
}

void
records_destroy(struct records *r)
{
	unsigned int i;

	if (!r)
		return;
	set_clock(r);
	while (r->context.instance && drain(r))
		;
	flush_lines(r);
	for (i = 0; i < SINKS; i++)
		sink_gone(r, i, true);
	exporter_destroy(r->exporter);
	loop_timer_free(r->timer);
	free(r);
}

void
records_count(struct records *r, struct records_counts *out)
{
	struct sink_counts all[SINKS], now;
	struct exporter_counts spans;
	unsigned int i;

	memcpy(all, r->past, sizeof(all));
	for (i = 0; i < SINKS; i++) {
		if (!r->sinks[i])
			continue;
		sink_counts(r->sinks[i], &now);
		all[i].written += now.written;
		all[i].dropped += now.dropped;
	}
	exporter_count(r->exporter, &spans);
	*out = (struct records_counts){
		.written = all[0].written,
		.sent = all[1].written,
		.spans = spans.exported,
		.file_lost = all[0].dropped,
		.socket_lost = all[1].dropped,
		.spans_queue = spans.queue_full,
		.spans_refused = spans.refused,
	};
	for (i = 0; i < r->control->dp->n_workers; i++) {
		struct http_view view;

		proxy_http_seen(r->control->dp->workers[i], &view);
		if (view.records)
			out->ring_full += http_records_dropped(view.records);
	}
}
