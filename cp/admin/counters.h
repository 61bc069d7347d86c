/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workers have counted, summed and made to mean one object.
 *
 * Workers count by slot and never reset anything. When a slot passes to another service or backend
 * (its epoch changes), the sums of that moment become the slot's base:
 *
 *     shown = sum over workers of counter[slot] - base[slot]
 *
 * A slot's first owner has base 0. Busy shares are differences over the last second. Control thread
 * only.
 */
#ifndef CP_ADMIN_COUNTERS_H
#define CP_ADMIN_COUNTERS_H

#include <stdint.h>
#include <time.h>

#include "cp/control.h"
#include "dp/stats.h"

struct counters;
struct counters_http;

struct counters *counters_create(struct control *control);
void counters_destroy(struct counters *c);

/* Look for slots that have changed hands. Cheap when the snapshot is still the same. Called after
 * each publication and before anything is shown. */
void counters_follow(struct counters *c);
/* Take the workers' busy time; called once a second. */
void counters_sample(struct counters *c);

/* Sums for a slot (below the snapshot's n_services, n_backends) since it has its present owner. */
struct service_sums {
	struct service_stats stats;
	uint64_t drops[DROP_REASON_COUNT];
};
void counters_service(const struct counters *c, uint32_t slot, struct service_sums *out);
void counters_backend(const struct counters *c, uint32_t slot, struct backend_stats *out);
/* The same of HTTP requests: cp/admin/counters_http.h. */
const struct counters_http *counters_http(const struct counters *c);
/* Wall clock when the backend last changed between up, down and draining. */
time_t counters_backend_since(const struct counters *c, uint32_t slot);

/* total less ended, never negative: the two are read one after the other. */
uint64_t counters_active(uint64_t total, uint64_t ended);

struct worker_rate {
	double busy_percent;      /* of the last second */
	double cycles_per_packet; /* busy cycles for each packet taken in, over the last second; 0
				     without packets */
};
struct worker_rate counters_worker(const struct counters *c, uint32_t worker);

#endif
