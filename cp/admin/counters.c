/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/counters.h"

#include <stdlib.h>
#include <string.h>

#include "cp/admin/counters_http.h"

struct service_base {
	uint32_t epoch; /* owner that the base belongs to; 0: nobody yet */
	struct service_sums sums;
};

struct backend_base {
	uint32_t epoch;
	uint32_t flags; /* as last seen */
	time_t since;
	struct backend_stats stats;
};

struct worker_sample {
	uint64_t busy_cycles, total_cycles, packets;
	struct worker_rate rate;
};

struct counters {
	struct control *control;
	struct counters_http *http;
	uint64_t version; /* of the snapshot looked at last */
	struct service_base *services;
	struct backend_base *backends;
	uint32_t n_services, n_backends; /* lengths; slots beyond have no base */
	struct worker_sample workers[SNAPSHOT_MAX_WORKERS];
};

struct counters *
counters_create(struct control *control)
{
	struct counters *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->control = control;
	c->http = counters_http_create(control);
	if (c->http)
		return c;
	free(c);
	return NULL;
}

void
counters_destroy(struct counters *c)
{
	if (!c)
		return;
	counters_http_destroy(c->http);
	free(c->services);
	free(c->backends);
	free(c);
}

/* What the workers say, whoever the slot's owner was. */
static void
service_total(const struct counters *c, uint32_t slot, struct service_sums *out)
{
	const struct dataplane *dp = c->control->dp;
	uint32_t i, reason;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < dp->n_workers; i++) {
		const struct service_stats *s = &dp->workers[i]->service_stats[slot];
		const uint64_t *drops = dp->workers[i]->service_drops[slot];

		/* Ended before total: a connection that ends in between is counted as active. */
		out->stats.connections_ended += s->connections_ended;
		out->stats.connections_total += s->connections_total;
		out->stats.packets_in += s->packets_in;
		out->stats.bytes_in += s->bytes_in;
		out->stats.packets_out += s->packets_out;
		out->stats.bytes_out += s->bytes_out;
		out->stats.drops[0] += s->drops[0];
		for (reason = 0; reason < DROP_REASON_COUNT; reason++)
			out->drops[reason] += drops[reason];
	}
}

static void
backend_total(const struct counters *c, uint32_t slot, struct backend_stats *out)
{
	const struct dataplane *dp = c->control->dp;
	uint32_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < dp->n_workers; i++) {
		const struct backend_stats *s = &dp->workers[i]->backend_stats[slot];

		out->connections_ended += s->connections_ended;
		out->connections_total += s->connections_total;
		out->packets += s->packets;
		out->bytes += s->bytes;
	}
}

static void *
grow(void *array, uint32_t *length, uint32_t needed, size_t size)
{
	char *grown;

	if (needed <= *length)
		return array;
	grown = realloc(array, needed * size);
	if (!grown)
		return array;
	memset(grown + *length * size, 0, (needed - *length) * size);
	*length = needed;
	return grown;
}

static void
follow_services(struct counters *c, const struct snapshot *s)
{
	uint32_t slot;

	c->services = grow(c->services, &c->n_services, s->n_services, sizeof(*c->services));
	for (slot = 0; slot < s->n_services && slot < c->n_services; slot++) {
		struct service_base *base = &c->services[slot];
		uint32_t epoch = s->services[slot].epoch;

		/* A slot that is only free keeps its base: what its connections still count
		 * belongs to the owner that went. */
		if (!epoch || epoch == base->epoch)
			continue;
		if (base->epoch) {
			service_total(c, slot, &base->sums);
			base->sums.stats.connections_ended = base->sums.stats.connections_total;
		}
		base->epoch = epoch;
	}
}

static void
follow_backends(struct counters *c, const struct snapshot *s)
{
	time_t now = time(NULL);
	uint32_t slot;

	c->backends = grow(c->backends, &c->n_backends, s->n_backends, sizeof(*c->backends));
	for (slot = 0; slot < s->n_backends && slot < c->n_backends; slot++) {
		struct backend_base *base = &c->backends[slot];
		const struct backend *b = &s->backends[slot];

		if (!b->epoch)
			continue;
		if (b->epoch != base->epoch) {
			if (base->epoch) {
				backend_total(c, slot, &base->stats);
				base->stats.connections_ended = base->stats.connections_total;
			}
			base->epoch = b->epoch;
			base->flags = b->flags;
			base->since = now;
		}
		if (b->flags != base->flags) {
			base->flags = b->flags;
			base->since = now;
		}
	}
}

void
counters_follow(struct counters *c)
{
	const struct snapshot *s = c->control->snapshot;

	if (!s || s->version == c->version)
		return;
	follow_services(c, s);
	follow_backends(c, s);
	counters_http_follow(c->http);
	c->version = s->version;
}

void
counters_sample(struct counters *c)
{
	const struct dataplane *dp = c->control->dp;
	uint32_t i;

	for (i = 0; i < dp->n_workers; i++) {
		const struct worker_stats *s = &dp->workers[i]->stats;
		struct worker_sample *last = &c->workers[i];
		uint64_t busy = s->busy_cycles - last->busy_cycles;
		uint64_t total = s->total_cycles - last->total_cycles;
		uint64_t packets = s->packets_in + s->steered_in - last->packets;

		last->rate = (struct worker_rate){ 0 };
		if (total > 0)
			last->rate.busy_percent = 100.0 * (double)busy / (double)total;
		if (last->rate.busy_percent > 100.0)
			last->rate.busy_percent = 100.0;
		if (packets > 0)
			last->rate.cycles_per_packet = (double)busy / (double)packets;
		last->busy_cycles += busy;
		last->total_cycles += total;
		last->packets += packets;
	}
}

/* Connections of a slot's earlier owner still end, and are counted there: the base has them all as
 * ended, and until they have, nothing of the new owner's counts as ended. */
static uint64_t
ended_since(uint64_t ended, uint64_t base)
{
	return ended > base ? ended - base : 0;
}

void
counters_service(const struct counters *c, uint32_t slot, struct service_sums *out)
{
	const struct service_base *base;
	uint32_t reason;

	service_total(c, slot, out);
	if (slot >= c->n_services)
		return;
	base = &c->services[slot];
	out->stats.packets_in -= base->sums.stats.packets_in;
	out->stats.bytes_in -= base->sums.stats.bytes_in;
	out->stats.packets_out -= base->sums.stats.packets_out;
	out->stats.bytes_out -= base->sums.stats.bytes_out;
	out->stats.connections_total -= base->sums.stats.connections_total;
	out->stats.connections_ended =
	    ended_since(out->stats.connections_ended, base->sums.stats.connections_ended);
	out->stats.drops[0] -= base->sums.stats.drops[0];
	for (reason = 0; reason < DROP_REASON_COUNT; reason++)
		out->drops[reason] -= base->sums.drops[reason];
}

void
counters_backend(const struct counters *c, uint32_t slot, struct backend_stats *out)
{
	const struct backend_base *base;

	backend_total(c, slot, out);
	if (slot >= c->n_backends)
		return;
	base = &c->backends[slot];
	out->packets -= base->stats.packets;
	out->bytes -= base->stats.bytes;
	out->connections_total -= base->stats.connections_total;
	out->connections_ended = ended_since(out->connections_ended, base->stats.connections_ended);
}

time_t
counters_backend_since(const struct counters *c, uint32_t slot)
{
	return slot < c->n_backends ? c->backends[slot].since : c->control->applied_at;
}

const struct counters_http *
counters_http(const struct counters *c)
{
	return c->http;
}

uint64_t
counters_active(uint64_t total, uint64_t ended)
{
	return total > ended ? total - ended : 0;
}

struct worker_rate
counters_worker(const struct counters *c, uint32_t worker)
{
	return c->workers[worker].rate;
}
