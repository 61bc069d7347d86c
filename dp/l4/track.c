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

/* The service that another worker saw in an older snapshot may be no more. */
static bool
service_is_gone(const struct worker *w, const struct packet *p)
{
	return p->verdict == VERDICT_CONTINUE && p->direction == DIR_FORWARD &&
	       p->service != INDEX_NONE &&
	       (p->service >= w->snapshot->n_services ||
		w->snapshot->services[p->service].epoch == 0);
}

static bool
may_have_connection(const struct worker *w, const struct packet *p)
{
	if (p->verdict != VERDICT_CONTINUE)
		return false;
	if (p->direction == DIR_REPLY)
		return true;
	if (p->direction != DIR_FORWARD || p->service == INDEX_NONE)
		return false;
	return forward_tracks(w->snapshot->services[p->service].mode) ||
	       connections_of_service(w->connections, p->service) > 0;
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
	uint32_t hits[BURST_MAX], n = 0, i;
	bool found;

	for (i = 0; i < b->count; i++) {
		p = &b->packets[i];
		p->connection = INDEX_NONE;
		if (service_is_gone(w, p))
			p->verdict = VERDICT_HOST;
		if (!may_have_connection(w, p))
			continue;
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
