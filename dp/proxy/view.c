/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions as people see them. */
#include "dp/proxy/internal.h"

#define ANSWER_SLOTS 256

static void
leg_view(struct proxy *p, const struct session *s, enum leg leg, struct connection_view *v)
{
	struct tcp_view *out = &v->tcp[leg];
	struct tcp_info info;

	*out = (struct tcp_view){ .state = TCP_CLOSED };
	if (s->legs[leg] == TCP_HANDLE_NONE || tcp_info(p->tcp, s->legs[leg], &info) < 0)
		return;
	*out = (struct tcp_view){
		.bytes_in = info.bytes_in,
		.bytes_out = info.bytes_out,
		.rtt = info.srtt,
		.cwnd = info.cwnd,
		.in_flight = info.in_flight,
		.retransmits = info.retransmits,
		.queued = info.queued + s->queues[leg].length,
		.state = info.state,
	};
	if (leg == LEG_CLIENT)
		return;
	v->local = info.tuple.dst;
	v->local_port = info.tuple.dport;
}

static uint8_t
session_shown(const struct session *s)
{
	if (s->state != SESSION_OPEN)
		return CONNECTION_OPENING;
	if (s->legs[LEG_CLIENT] == TCP_HANDLE_NONE || s->legs[LEG_BACKEND] == TCP_HANDLE_NONE)
		return CONNECTION_CLOSING;
	return CONNECTION_ESTABLISHED;
}

static void
session_view(struct proxy *p, const struct session *s, struct connection_view *v)
{
	uint64_t now = p->worker->now, ends = session_expires(s);

	*v = (struct connection_view){
		.forward = s->client,
		.state = session_shown(s),
		.proxied = true,
		.service = s->service,
		.backend = s->backend,
		.service_epoch = s->service_epoch,
		.backend_epoch = s->backend_epoch,
		.expires = ends > now ? ends - now : 0,
	};
	leg_view(p, s, LEG_CLIENT, v);
	leg_view(p, s, LEG_BACKEND, v);
}

void
proxy_answer(struct worker *w, struct worker_query *query)
{
	struct proxy *p = worker_proxy(w);
	uint32_t fresh = p ? p->fresh : 0;
	uint32_t i = RTE_MIN(query->cursor & ~QUERY_SESSIONS, fresh);
	uint32_t end = RTE_MIN(fresh - i, (uint32_t)ANSWER_SLOTS) + i;

	for (; i < end && query->count < QUERY_MAX; i++) {
		const struct session *s = &p->sessions[i];

		if (s->state == SESSION_FREE ||
		    (query->service != INDEX_NONE && query->service != s->service))
			continue;
		session_view(p, s, &query->views[query->count++]);
	}
	query->cursor = i < fresh ? i | QUERY_SESSIONS : UINT32_MAX;
}

void
proxy_peek(struct worker *w, const struct packet *p, struct proxy_peek *out)
{
	struct proxy *proxy = worker_proxy(w);
	struct session would = {
		.client = p->tuple,
		.service = p->service,
		.service_epoch = w->snapshot->services[p->service].epoch,
	};
	uint32_t random = w->random;
	const struct proxy_settings *settings;

	*out = (struct proxy_peek){ .backend = INDEX_NONE };
	if (!proxy)
		return;
	settings = session_settings(proxy, &would);
	if (!settings)
		return;
	out->backend = backend_choose(proxy, &would, settings);
	out->by_row = settings->balance == PROXY_MAGLEV;
	out->connected = tcp_known(proxy->tcp, &p->tuple);
	w->random = random;
}
