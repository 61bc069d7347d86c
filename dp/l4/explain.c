/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l4/explain.h"

#include <netinet/in.h>

#include "dp/l4/balance.h"
#include "dp/l4/classify.h"
#include "dp/l4/connection.h"
#include "dp/l4/limit.h"
#include "dp/l4/nexthop.h"
#include "dp/l4/rewrite.h"
#include "dp/l4/steer.h"
#include "dp/proxy/proxy.h"

/* The packet as parse would leave it. It has no bytes: nothing below looks at any. */
static struct packet
imagine(const struct explain_query *q)
{
	bool v4 = addr_is_v4(&q->tuple.src);

	return (struct packet){
		/* TCP does not want to be fragmented; IPv6 cannot be, on the way. */
		.flags =
		    (v4 ? PACKET_V4 : PACKET_DF) | (q->tuple.proto == IPPROTO_TCP ? PACKET_DF : 0),
		.ip_len = q->ip_len,
		.ip_proto = q->tuple.proto,
		.tcp_flags = q->tuple.proto == IPPROTO_TCP ? q->tcp_flags : 0,
		.in_port = q->in_port,
		.verdict = VERDICT_CONTINUE,
		.service = INDEX_NONE,
		.backend = INDEX_NONE,
		.connection = INDEX_NONE,
		.nexthop = INDEX_NONE,
		.tuple = q->tuple,
	};
}

static bool
explain_parse(struct packet *p)
{
	if (addr_is_martian(&p->tuple.src))
		packet_drop(p, DROP_MARTIAN_SOURCE);
	else if (addr_is_martian(&p->tuple.dst))
		packet_drop(p, DROP_MARTIAN_DESTINATION);
	return p->verdict == VERDICT_CONTINUE;
}

/* Does p belong to a connection? If nothing was said about p, it is what fits. */
static void
explain_track(struct worker *w, struct packet *p, struct explain_query *q)
{
	uint32_t hit = connection_find(w, &p->tuple);
	bool either = p->tuple.proto == IPPROTO_TCP && !q->tcp_flags;

	if (either)
		p->tcp_flags = TCP_ACK;
	q->connected = hit != INDEX_NONE && connection_would_join(w, p, hit);
	if (q->connected) {
		const struct connection *c = connection_at(w->connections, hit_index(hit));

		p->connection = hit_index(hit);
		p->service = c->service;
		p->backend = c->backend;
		connection_view_fill(&q->connection, c, w->now);
	} else if (either) {
		p->tcp_flags = TCP_SYN;
	}
}

/* Forward packets: may it come, and so much; begins: may it begin a connection? */
static bool
explain_limit(const struct worker *w, struct packet *p, struct explain_query *q, bool begins)
{
	const struct limit_query query = {
		.service = p->service,
		.client = p->tuple.src,
		.ip_len = p->ip_len,
		.begins = begins,
	};

	limit_peek(w, &query, &q->limits);
	if (q->limits.reason == DROP_REASON_COUNT)
		return true;
	packet_drop(p, q->limits.reason);
	return false;
}

/* The row of the service's pool. */
static void
explain_row(struct explain_query *q, const struct packet *p, const struct balance_choice *choice)
{
	q->row = EXPLAIN_ROW_STABLE;
	if (choice->moving)
		q->row = choice->settled ? EXPLAIN_ROW_SETTLED : EXPLAIN_ROW_CANDIDATE;
	if (p->backend == INDEX_NONE)
		q->row = EXPLAIN_ROW_NONE;
	q->row_index = choice->row;
}

/* The packet belongs to a session; of its backend, if it has one that is still configured. */
static void
explain_session(const struct snapshot *s, struct packet *p, struct explain_query *q)
{
	const struct connection_view *v = &q->connection;

	q->connected = true;
	q->row = EXPLAIN_ROW_NONE;
	if (!q->tcp_flags)
		p->tcp_flags = TCP_ACK;
	p->verdict = VERDICT_CONTINUE;
	p->backend = INDEX_NONE;
	if (v->backend < s->n_backends && s->backends[v->backend].epoch == v->backend_epoch)
		p->backend = v->backend;
}

/* A listener ends the connection; what is said of the way is that of its other one, or of a new one
 * to the backend that would be chosen. False: the packet is dropped. */
static bool
explain_proxy(struct worker *w, struct packet *p, struct explain_query *q,
	      struct balance_choice *choice)
{
	struct proxy_peek peek;

	/* Whatever the row says: a listener has others to go to, or other pools. */
	p->verdict = VERDICT_CONTINUE;
	proxy_peek(w, p, q->server_name, &peek);
	q->by_name = peek.by_name;
	choice->begins = !peek.connected && p->tcp_flags & TCP_SYN;
	if (peek.connected) {
		q->connection = peek.view;
		explain_session(w->snapshot, p, q);
		return true;
	}
	p->backend = peek.backend;
	choice->source = peek.source;
	choice->source_port = peek.source_port;
	if (!peek.by_row)
		q->row = EXPLAIN_ROW_NONE;
	if (!choice->begins)
		packet_drop(p, DROP_CONNECTION_UNKNOWN);
	else if (p->backend == INDEX_NONE && !peek.by_request)
		packet_drop(p, peek.no_pool ? DROP_SERVER_NAME : DROP_NO_BACKEND);
	else if (peek.no_source)
		packet_drop(p, DROP_SOURCE_PORT_EXHAUSTED);
	return p->verdict == VERDICT_CONTINUE;
}

static bool
explain_balance(struct worker *w, struct packet *p, struct explain_query *q)
{
	struct balance_choice choice;
	bool placed;

	if (p->direction == DIR_REPLY) {
		if (!q->connected)
			p->verdict = VERDICT_HOST;
		return q->connected;
	}
	if (q->connected)
		return true;
	placed = balance_peek(w, p, &choice);
	explain_row(q, p, &choice);
	if (w->snapshot->services[p->service].mode == MODE_PROXY)
		placed = explain_proxy(w, p, q, &choice);
	if (choice.begins && !explain_limit(w, p, q, true))
		placed = false;
	q->source = choice.source;
	q->source_port = choice.source_port;
	return placed;
}

static void
explain_rewrite(const struct worker *w, struct packet *p, struct explain_query *q)
{
	const struct snapshot *s = w->snapshot;
	bool proxied = p->direction == DIR_FORWARD && s->services[p->service].mode == MODE_PROXY;
	const struct backend *backend;
	const struct nexthop *hop;
	enum drop_reason why;
	uint8_t overhead = 0;
	uint32_t index;

	if (p->backend == INDEX_NONE) { /* a listener's, which has none yet */
		p->verdict = VERDICT_TRANSMIT;
		return;
	}
	backend = &s->backends[p->backend];
	index = backend->nexthop;
	if (p->direction == DIR_REPLY)
		index = lpm_lookup(s->routes, &q->connection.forward.src);
	else
		overhead = encap_overhead(s->services[p->service].mode, &backend->addr);
	if (!nexthop_usable(s, index, &why)) {
		packet_drop(p, why);
		return;
	}
	hop = &s->nexthops[index];
	if (!proxied && (uint32_t)p->ip_len + overhead > hop->mtu && (p->flags & PACKET_DF)) {
		packet_drop(p, DROP_TOO_BIG);
		return;
	}
	if (overhead && !backend->sources_count) {
		packet_drop(p, DROP_NO_ROUTE);
		return;
	}
	p->verdict = VERDICT_TRANSMIT;
	p->out_port = hop->port;
	q->vlan = hop->vlan;
	memcpy(q->mac, hop->header, sizeof(q->mac));
}

/* The stages, in the pipeline's order. p->verdict is what the last of them has said. */
static void
explain_stages(struct worker *w, struct packet *p, struct explain_query *q)
{
	if (!explain_parse(p))
		return;
	classify_packet(w->snapshot, p);
	if (p->direction != DIR_NONE)
		q->owner = steer_owner(w->snapshot, p);
	if (p->verdict != VERDICT_CONTINUE || q->owner != w->index)
		return;
	if (p->direction == DIR_FORWARD && !explain_limit(w, p, q, false))
		return;
	explain_track(w, p, q);
	if (explain_balance(w, p, q))
		explain_rewrite(w, p, q);
}

void
explain(struct worker *w, struct explain_query *q)
{
	const struct snapshot *s = w->snapshot;
	struct packet p = imagine(q);

	q->owner = w->index;
	q->row = EXPLAIN_ROW_NONE;
	q->connected = q->by_name = false;
	q->limits = (struct limits_view){ .reason = DROP_REASON_COUNT };
	q->source = (struct addr){ 0 };
	explain_stages(w, &p, q);
	if (p.verdict == VERDICT_HOST && !w->dataplane->ports[p.in_port].to_host)
		packet_drop(&p, DROP_NO_SERVICE);
	q->verdict = p.verdict;
	q->reason = p.reason;
	q->direction = p.direction;
	q->tcp_flags = p.tcp_flags;
	q->out_port = p.out_port;
	q->service = p.service;
	q->backend = p.backend;
	q->service_epoch = q->backend_epoch = 0;
	if (p.service < s->n_services) {
		q->service_epoch = s->services[p.service].epoch;
		q->mode = s->services[p.service].mode;
	}
	if (p.backend < s->n_backends)
		q->backend_epoch = s->backends[p.backend].epoch;
}
