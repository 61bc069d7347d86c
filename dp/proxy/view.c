/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions as people see them. */
#include "dp/proxy/view.h"
#include "dp/l4/source_port.h"
#include "dp/l7/http.h"
#include "dp/proxy/server_names.h"
#include "dp/proxy/stream.h"

#define ANSWER_SLOTS 256

void
proxy_leg_view(struct proxy *p, tcp_handle handle, uint32_t queued, struct tcp_view *out,
	       struct connection_view *local)
{
	struct tcp_info info;

	*out = (struct tcp_view){ .state = TCP_CLOSED };
	if (handle == TCP_HANDLE_NONE || stream_info(p, handle, &info) < 0)
		return;
	*out = (struct tcp_view){
		.bytes_in = info.bytes_in,
		.bytes_out = info.bytes_out,
		.rtt = info.srtt,
		.cwnd = info.cwnd,
		.in_flight = info.in_flight,
		.retransmits = info.retransmits,
		.queued = info.queued + queued,
		.state = info.state,
	};
	if (!local)
		return;
	local->local = info.tuple.dst;
	local->local_port = info.tuple.dport;
}

static uint8_t
session_shown(const struct session *s)
{
	if (s->state == SESSION_REFUSED || s->state == SESSION_CUT)
		return CONNECTION_CLOSING;
	if (s->state != SESSION_OPEN)
		return CONNECTION_OPENING;
	if (s->legs[LEG_CLIENT] == TCP_HANDLE_NONE || s->legs[LEG_BACKEND] == TCP_HANDLE_NONE)
		return CONNECTION_CLOSING;
	return CONNECTION_ESTABLISHED;
}

static void
session_view(struct proxy *p, const struct session *s, struct connection_view *v)
{
	uint64_t now = p->worker->now, ends = session_expires(p, s);

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
	proxy_leg_view(p, s->legs[LEG_CLIENT], s->queues[LEG_CLIENT].length, &v->tcp[LEG_CLIENT],
		       NULL);
	proxy_leg_view(p, s->legs[LEG_BACKEND], s->queues[LEG_BACKEND].length, &v->tcp[LEG_BACKEND],
		       v);
}

/* Cursors: sessions of layer 4, then, from n_sessions on, those of HTTP. */
static void
view_next(struct proxy *p, struct worker_query *query, uint32_t i)
{
	const struct session *s = &p->sessions[i];
	struct connection_view *v = &query->views[query->count];

	if (i >= p->n_sessions) {
		query->count += http_view(proxy_http(p), i - p->n_sessions, query->service, v);
		return;
	}
	if (s->state == SESSION_FREE ||
	    (query->service != INDEX_NONE && query->service != s->service))
		return;
	session_view(p, s, v);
	query->count++;
}

void
proxy_answer(struct worker *w, struct worker_query *query)
{
	struct proxy *p = worker_proxy(w);
	uint32_t i = query->cursor & ~QUERY_SESSIONS, end = 0, looked = 0;

	if (p && proxy_http(p))
		end = p->n_sessions + http_sessions_known(proxy_http(p));
	else if (p)
		end = p->fresh;
	for (; i < end && looked < ANSWER_SLOTS && query->count < QUERY_MAX; i++, looked++) {
		if (i >= p->fresh && i < p->n_sessions)
			i = p->n_sessions;
		if (i < end)
			view_next(p, query, i);
	}
	query->cursor = i < end ? i | QUERY_SESSIONS : UINT32_MAX;
}

/* False: there is none for this name. */
static bool
peek_pool(const struct server_names *names, const char *name, struct session *would)
{
	struct server_pool pool = server_names_find(names, name, strlen(name));

	would->pool = pool.slot;
	would->pool_epoch = pool.epoch;
	return pool.slot != UINT32_MAX;
}

static bool
same_flow(const struct tuple *a, const struct tuple *b)
{
	return addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst) &&
	       a->sport == b->sport && a->dport == b->dport;
}

/* The session of a client's packets. False: there is none; TCP may still know their connection. */
static bool
peek_session(struct proxy *p, const struct tuple *tuple, struct connection_view *view)
{
	struct tcp_info info;
	uint64_t user;

	if (!tcp_find(p->tcp, tuple, &info))
		return false;
	user = info.user & TLS_USER ? tls_above(proxy_tls(p), info.user) : info.user;
	if (user == UINT64_MAX)
		return false;
	if (user & HTTP_USER) {
		if (!http_view_of(proxy_http(p), user, view))
			return false;
	} else {
		if (leg_of(user) != LEG_CLIENT || !session_used(p, (uint32_t)(user >> 1)))
			return false;
		session_view(p, session_of(p, user), view);
	}
	/* A connection whose user is gone may name another one's session. */
	return same_flow(&view->forward, tuple);
}

/* Would there be a source towards the backend? */
static void
peek_source(struct worker *w, const struct packet *p, struct proxy_peek *out)
{
	const struct backend *b = &w->snapshot->backends[out->backend];
	struct connection_target t = {
		.service = p->service,
		.backend = out->backend,
		.backend_port = b->port ? b->port : p->tuple.dport,
		.backend_addr = b->addr,
	};
	uint32_t count = connections_source_count(w->connections);

	connections_source_rewind(w->connections, count);
	out->no_source = !source_port_choose(w, p, &t);
	connections_source_rewind(w->connections, count);
	out->source = t.local;
	out->source_port = t.local_port;
}

void
proxy_peek(struct worker *w, const struct packet *p, const char *server_name,
	   struct proxy_peek *out)
{
	const struct snapshot *snapshot = w->snapshot;
	struct proxy *proxy = worker_proxy(w);
	struct session would = {
		.client = p->tuple,
		.service = p->service,
		.pool = INDEX_NONE,
		.service_epoch = snapshot->services[p->service].epoch,
	};
	uint32_t random = w->random;
	const struct proxy_settings *settings;

	*out = (struct proxy_peek){ .backend = INDEX_NONE };
	if (!proxy)
		return;
	out->connected = peek_session(proxy, &p->tuple, &out->view);
	settings = session_settings(proxy, &would);
	if (!settings || out->connected)
		return;
	out->by_request = settings->http != NULL;
	if (out->by_request)
		return;
	out->by_name = settings->names != NULL;
	out->no_pool = out->by_name && !peek_pool(settings->names, server_name, &would);
	if (out->no_pool)
		return;
	out->backend = backend_choose(proxy, &would, settings);
	/* The row that is shown is one of the listener's own pool. */
	out->by_row =
	    settings->balance == PROXY_MAGLEV &&
	    session_pool(proxy, &would) == &snapshot->pools[snapshot->services[p->service].pool];
	w->random = random;
	if (out->backend != INDEX_NONE)
		peek_source(w, p, out);
}
