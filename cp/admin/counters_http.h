/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workers have counted of HTTP requests, summed and made to mean one object, in the way of
 * cp/admin/counters.h: by slot, less what earlier owners of the slot had. Control thread only.
 */
#ifndef CP_ADMIN_COUNTERS_HTTP_H
#define CP_ADMIN_COUNTERS_HTTP_H

#include <stdint.h>

#include "cp/control.h"
#include "dp/l7/record.h"

struct counters_http;

/* NULL without memory. */
struct counters_http *counters_http_create(struct control *control);
void counters_http_destroy(struct counters_http *c);
/* Look for slots that have changed hands: counters_follow. */
void counters_http_follow(struct counters_http *c);

void counters_http_listener(const struct counters_http *c, uint32_t slot, struct http_latency *out);
void counters_http_pool(const struct counters_http *c, uint32_t slot, struct http_latency *out);
void counters_http_backend(const struct counters_http *c, uint32_t slot, struct http_attempts *out);

/* Of an object's answers by class: all, and those that are errors: 5xx, or none at all. */
uint64_t http_classes_all(const uint64_t classes[HTTP_CLASSES]);
uint64_t http_classes_errors(const uint64_t classes[HTTP_CLASSES]);

#endif
