/* SPDX-License-Identifier: Apache-2.0 */
/* The events of the connections of clients and to backends: what they are for sessions (session.c).
 */
#include "dp/l7/internal.h"

/* ---- events of the client's connection ------------------------------------------------------- */

/* Reset, or it has not answered any more: its last data is for the backend, which has it for as
 * long as it takes some of it. */
static void
tunnel_cut(struct http *h, struct http_session *s)
{
	h->counters.client_gone++;
	s->cut = true;
	s->seen = h->worker->now;
	http_watch(h, s);
}

static void
client_closed(struct http *h, struct http_session *s, enum tcp_close_cause cause)
{
	s->client = TCP_HANDLE_NONE;
	if (s->state == HTTP_TUNNEL) {
		s->client_fin = true;
		if (cause != TCP_CLOSED_DONE)
			tunnel_cut(h, s);
		http_step(h, s);
		return;
	}
	if (s->state != HTTP_ENDING && s->state != HTTP_READING && s->state != HTTP_SECURING)
		h->counters.client_gone++;
	http_abort(h, s);
}

/* ---- events of a backend's connection -------------------------------------------------------- */

static void
upstream_ready(struct http *h, struct http_upstream *u)
{
	struct http_session *s = &h->sessions[u->session];

	u->state = HTTP_UPSTREAM_BUSY;
	http_circuit_leave(h, s->x->pool_slot, HTTP_BOUND_PENDING, &s->x->counted);
	http_request_send(h, s, NULL);
	http_step(h, s);
}

static void
upstream_received(struct http *h, struct http_upstream *u, struct rte_mbuf *chain, uint32_t length)
{
	struct http_session *s;

	if (u->session == INDEX_NONE) { /* nobody has asked */
		rte_pktmbuf_free(chain);
		if (u->state == HTTP_UPSTREAM_IDLE)
			http_upstream_close(h, u);
		return;
	}
	s = &h->sessions[u->session];
	/* Of a tunnel that is cut it is progress only what the backend takes. */
	if (likely(!s->cut))
		s->seen = h->worker->now;
	h->worker->service_stats[s->service].packets_out += chain->nb_segs;
	h->worker->service_stats[s->service].bytes_out += length;
	queue_add(&u->in, chain, length);
	http_tell(h, u->handle, &u->in);
	http_step(h, s);
}

static void
upstream_half_closed(struct http *h, struct http_upstream *u)
{
	u->fin = true;
	if (u->session != INDEX_NONE)
		http_step(h, &h->sessions[u->session]);
	else if (u->state == HTTP_UPSTREAM_IDLE)
		http_upstream_close(h, u);
}

static void
upstream_closed(struct http *h, struct http_upstream *u, enum tcp_close_cause cause)
{
	struct http_session *s = u->session == INDEX_NONE ? NULL : &h->sessions[u->session];

	u->handle = TCP_HANDLE_NONE;
	u->fin = true;
	u->broken = cause != TCP_CLOSED_DONE;
	if (!s) {
		http_upstream_gone(h, u);
		return;
	}
	if (s->state == HTTP_CONNECTING && cause == TCP_CLOSED_LOCAL) {
		http_request_unplaced(h, s, DROP_TLS_BUSY);
	} else if (s->state == HTTP_CONNECTING) {
		h->counters.upstreams_failed++;
		h->counters.connect_failed++;
		http_request_failed(h, s, HTTP_RETRY_CONNECT,
				    cause == TCP_CLOSED_TIMEOUT ? 504 : 502);
	} else if (s->state == HTTP_TUNNEL && u->broken && !s->cut) {
		s->x->mark.cause = HTTP_CAUSE_BACKEND_CLOSED;
	}
	http_step(h, s);
}

static void
upstream_connected(struct http *h, struct http_upstream *u)
{
	struct http_session *s = &h->sessions[u->session];
	enum drop_reason why;

	if (!u->tls) {
		upstream_ready(h, u);
		return;
	}
	why = http_upstream_secure(h, s, u);
	if (why == DROP_REASON_COUNT)
		return;
	http_request_unplaced(h, s, why);
	http_step(h, s);
}

/* ---- events ---------------------------------------------------------------------------------- */

void
http_on_connected(struct http *h, uint64_t user)
{
	if (http_user_is_upstream(user))
		upstream_connected(h, &h->upstreams[http_user_index(user)]);
}

static void
client_secured(struct http *h, struct http_session *s, const struct tls_handover *handover)
{
	http_peer_keep(h, s, &handover->peer);
	s->state = HTTP_READING;
	s->seen = s->began = h->worker->now;
	http_watch(h, s);
}

void
http_on_secured(struct http *h, uint64_t user, const struct tls_handover *handover)
{
	uint32_t i = http_user_index(user);

	if (http_user_is_upstream(user))
		upstream_ready(h, &h->upstreams[i]);
	else
		client_secured(h, &h->sessions[i], handover);
}

void
http_on_received(struct http *h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct http_session *s;

	if (http_user_is_upstream(user)) {
		upstream_received(h, &h->upstreams[http_user_index(user)], chain, length);
		return;
	}
	s = &h->sessions[http_user_index(user)];
	s->seen = h->worker->now;
	queue_add(&s->in, chain, length);
	http_step(h, s);
}

void
http_on_room(struct http *h, uint64_t user)
{
	uint32_t i = http_user_index(user);

	if (!http_user_is_upstream(user)) {
		h->sessions[i].seen = h->worker->now;
		http_step(h, &h->sessions[i]);
	} else if (h->upstreams[i].session != INDEX_NONE) {
		h->sessions[h->upstreams[i].session].seen = h->worker->now;
		http_step(h, &h->sessions[h->upstreams[i].session]);
	}
}

void
http_on_half_closed(struct http *h, uint64_t user)
{
	uint32_t i = http_user_index(user);

	if (http_user_is_upstream(user)) {
		upstream_half_closed(h, &h->upstreams[i]);
		return;
	}
	h->sessions[i].client_fin = true;
	http_step(h, &h->sessions[i]);
}

void
http_on_closed(struct http *h, uint64_t user, enum tcp_close_cause cause)
{
	uint32_t i = http_user_index(user);

	if (http_user_is_upstream(user))
		upstream_closed(h, &h->upstreams[i], cause);
	else
		client_closed(h, &h->sessions[i], cause);
}
