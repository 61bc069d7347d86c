/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans to a collector, by OTLP over HTTP as JSON. They are put into batches, one batch is under
 * way at a time, and the next ones wait in a bounded queue:
 *
 *     spans ──> batch (BATCH_SPANS, or a second old) ──queue──> POST ──> taken
 *                         │ queue full: dropped                  ├─ 429, 502, 503, 504, no answer:
 *                         v                                      │  again, later and later
 *                      counted                                   └─ else: dropped, counted
 *
 * Control thread only; libcurl's sockets and timers are the loop's. Invariant:
 *     spans added = exported + queue_full + refused + those in batches
 */
#ifndef CP_TRACE_EXPORTER_H
#define CP_TRACE_EXPORTER_H

#include <stdint.h>

#include "cp/config/config.h"
#include "cp/config/model.h"
#include "cp/loop.h"
#include "cp/record/line.h"

struct exporter;

struct exporter_counts {
	uint64_t exported, queue_full, refused;
};

/* NULL without memory. */
struct exporter *exporter_create(struct loop *loop);
void exporter_destroy(struct exporter *e);
/* Where to, from now on. */
void exporter_configure(struct exporter *e, const struct config *config);
void exporter_add(struct exporter *e, const struct http_record *r, struct record_context *c);
void exporter_count(const struct exporter *e, struct exporter_counts *out);

#endif
