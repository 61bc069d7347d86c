/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record as a span: OTLP's JSON, with attributes by OpenTelemetry's semantic conventions for HTTP
 * servers, and of our own as penstock.*. No I/O, no clock: any thread.
 */
#ifndef CP_TRACE_SPAN_H
#define CP_TRACE_SPAN_H

#include "cp/record/line.h"

#define SPAN_MAX 10240

/* One span as a JSON object; its length. */
size_t span_write(const struct http_record *r, const struct record_context *c, char out[SPAN_MAX]);

/* What stands before the first span and behind the last one of a request to the collector; between
 * two of them a comma. Both texts have a bound: SPAN_MAX. */
size_t span_begin(const char *service_name, const char *instance, char out[SPAN_MAX]);
#define SPAN_END "]}]}]}"

#endif
