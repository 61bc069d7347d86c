/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage track: which connection does a packet belong to?
 *
 * Looked up are packets that come back, those to services whose modes always track, and those to
 * DSR services that have entries at all: without a change of its pool such a service has none, and
 * its packets touch no table.
 */
#include "dp/l4/connection.h"
#include "dp/l4/stages.h"

/* What this stage has to say of a forward packet, by its service. */
enum tracking {
	TRACKING_NONE,    /* no packet of the service has a connection */
	TRACKING_LOOK_UP, /* it may have one */
	TRACKING_GONE,    /* another worker saw the service in an older snapshot; it is no more */
};

static enum tracking
tracking_of(const struct worker *w, uint32_t service)
{
	const struct snapshot *s = w->snapshot;

	if (service == INDEX_NONE)
		return TRACKING_NONE;
	if (service >= s->n_services || s->services[service].epoch == 0)
		return TRACKING_GONE;
	return forward_tracks(s->services[service].mode) ||
		       connections_of_service(w->connections, service) > 0
		   ? TRACKING_LOOK_UP
		   : TRACKING_NONE;
}

static void
reply_done(struct worker *w, const struct packet *p)
{
	struct service_stats *stats = &w->service_stats[p->service];

	connection_at(w->connections, p->connection)->packets_out++;
	stats->packets_out++;
	stats->bytes_out += p->ip_len;
}

void
stage_track(struct worker *w, struct burst *b)
{
	const struct tuple *tuples[BURST_MAX];
	struct packet *packets[BURST_MAX], *p;
	uint32_t hits[BURST_MAX], n = 0, service = INDEX_NONE, i;
	enum tracking tracking = TRACKING_NONE;
	bool found;

	for (i = 0; i < b->count; i++) {
		p = &b->packets[i];
		p->connection = INDEX_NONE;
		if (p->verdict != VERDICT_CONTINUE || p->direction == DIR_NONE)
			continue;
		if (p->direction == DIR_FORWARD) {
			if (unlikely(p->service != service)) {
				service = p->service;
				tracking = tracking_of(w, service);
			}
			if (likely(tracking == TRACKING_NONE))
				continue;
			if (tracking == TRACKING_GONE) {
				p->verdict = VERDICT_HOST;
				continue;
			}
		}
		packets[n] = p;
		tuples[n++] = &p->tuple;
	}
	if (n == 0)
		return;
	connections_lookup(w, tuples, n, hits);
	for (i = 0; i < n; i++) {
		p = packets[i];
		found = hits[i] != INDEX_NONE && connection_join(w, p, hits[i]);
		if (p->direction == DIR_FORWARD)
			continue;
		/* From a backend's address, yet nothing of ours: its own business with somebody. */
		if (!found)
			p->verdict = VERDICT_HOST;
		else
			reply_done(w, p);
	}
}
