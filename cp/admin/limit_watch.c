/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/limit_watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cp/log.h"

#define SECOND     ((uint64_t)1000000000)
#define QUIET_TIME (10 * SECOND)

static const enum drop_reason reasons[] = {
	DROP_CLIENT_PACKETS,         DROP_CLIENT_BYTES,
	DROP_CLIENT_NEW_CONNECTIONS, DROP_CLIENT_CONNECTIONS,
	DROP_CLIENT_TABLE_FULL,      DROP_SERVICE_PACKETS,
	DROP_SERVICE_BYTES,          DROP_SERVICE_NEW_CONNECTIONS,
	DROP_SERVICE_CONNECTIONS,
};
#define N_REASONS (sizeof(reasons) / sizeof(reasons[0]))

/* By service slot. */
struct watched {
	uint32_t epoch; /* whose states these are; 0: nobody's yet */
	struct limit_state states[N_REASONS];
};

struct limit_watch {
	struct control *control;
	struct counters *counters;
	struct watched *slots;
	uint32_t n_slots;
};

struct limit_watch *
limit_watch_create(struct control *control, struct counters *counters)
{
	struct limit_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->control = control;
	w->counters = counters;
	return w;
}

void
limit_watch_destroy(struct limit_watch *w)
{
	if (!w)
		return;
	free(w->slots);
	free(w);
}

enum limit_change
limit_state_step(struct limit_state *s, uint64_t count, uint64_t now)
{
	uint64_t before = s->count;

	s->count = count;
	if (count > before) {
		s->last = now;
		if (s->bites_since)
			return LIMIT_UNCHANGED;
		s->bites_since = now;
		s->count_before = before;
		return LIMIT_BEGINS;
	}
	if (s->bites_since && now - s->last >= QUIET_TIME)
		return LIMIT_ENDS;
	return LIMIT_UNCHANGED;
}

static void
say(enum limit_change change, const struct service_config *service, const char *limit,
    struct limit_state *s)
{
	char dropped[24], seconds[32];

	snprintf(dropped, sizeof(dropped), "%" PRIu64, s->count - s->count_before);
	if (change == LIMIT_BEGINS) {
		log_event(LOG_LEVEL_WARNING, "limit-begins", "service", service->name, "limit",
			  limit, "#dropped", dropped, NULL);
		return;
	}
	snprintf(seconds, sizeof(seconds), "%" PRIu64, (s->last - s->bites_since) / SECOND + 1);
	log_event(LOG_LEVEL_INFO, "limit-ends", "service", service->name, "limit", limit,
		  "#dropped", dropped, "#seconds", seconds, NULL);
	s->bites_since = 0;
}

static void
watch_service(struct limit_watch *w, const struct service_config *service, uint32_t slot)
{
	struct watched *watched = &w->slots[slot];
	uint32_t epoch = w->control->snapshot->services[slot].epoch;
	struct service_sums sums = { 0 };
	size_t i;

	if (!epoch)
		return;
	if (watched->epoch != epoch)
		*watched = (struct watched){ .epoch = epoch };
	counters_service(w->counters, slot, &sums);
	for (i = 0; i < N_REASONS; i++) {
		enum limit_change change =
		    limit_state_step(&watched->states[i], sums.drops[reasons[i]], loop_now());

		if (change != LIMIT_UNCHANGED)
			say(change, service, drop_reason_name(reasons[i]), &watched->states[i]);
	}
}

static bool
has_room(struct limit_watch *w, uint32_t n)
{
	struct watched *grown;

	if (n <= w->n_slots)
		return true;
	grown = realloc(w->slots, n * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + w->n_slots, 0, (n - w->n_slots) * sizeof(*grown));
	w->slots = grown;
	w->n_slots = n;
	return true;
}

void
limit_watch_tick(struct limit_watch *w)
{
	const struct control *c = w->control;
	size_t i;

	if (!c->snapshot || !c->config || !has_room(w, c->snapshot->n_services))
		return;
	for (i = 0; i < config_n_services(c->config); i++) {
		const struct service_config *service = config_service(c->config, i);
		uint32_t slot = compiler_service_slot(c->compiler, i);

		if (slot < c->snapshot->n_services)
			watch_service(w, service, slot);
	}
}
