/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/explain_text.h"

#include <arpa/inet.h>

#include "cp/admin/show.h"
#include "dp/drops.h"
#include "lib/units.h"

const char *
service_slot_name(const struct control *control, uint32_t slot, uint32_t epoch)
{
	const struct config *config = control->config;
	const struct snapshot *s = control->snapshot;
	size_t i;

	if (!s || !config || slot >= s->n_services || s->services[slot].epoch != epoch || !epoch)
		return NULL;
	for (i = 0; i < config_n_services(config); i++) {
		if (compiler_service_slot(control->compiler, i) == slot)
			return config_service(config, i)->name;
	}
	return NULL;
}

static json_t *
end_json(const struct addr *addr, uint16_t port)
{
	char text[ADDR_PORT_STRLEN];

	return json_string(addr_port_format(addr, ntohs(port), text));
}

/* null if there is none, or it is gone since. */
static json_t *
backend_json(const struct control *control, const struct explain_query *q)
{
	const struct snapshot *s = control->snapshot;
	const struct backend *b;

	if (q->backend >= s->n_backends || s->backends[q->backend].epoch != q->backend_epoch)
		return json_null();
	b = &s->backends[q->backend];
	if (b->port)
		return end_json(&b->addr, b->port);
	return end_json(&b->addr, q->connected ? q->connection.forward.dport : q->tuple.dport);
}

static json_t *
connection_json(const struct explain_query *q)
{
	const struct connection_view *v = &q->connection;
	json_t *object;

	if (!q->connected)
		return json_null();
	object = json_pack(
	    "{s:o, s:s, s:I, s:I, s:I}", "client", end_json(&v->forward.src, v->forward.sport),
	    "state", connection_state_name((enum connection_state)v->state), "expires_seconds",
	    (json_int_t)((v->expires + 999999999) / 1000000000), "packets_in",
	    (json_int_t)v->packets_in, "packets_out", (json_int_t)v->packets_out);
	if (v->local.q[0] || v->local.q[1])
		show_add(&object, "local", end_json(&v->local, v->local_port));
	return object;
}

static json_t *
row_json(const struct explain_query *q)
{
	static const char *const names[] = {
		[EXPLAIN_ROW_STABLE] = "stable",
		[EXPLAIN_ROW_SETTLED] = "settled",
		[EXPLAIN_ROW_CANDIDATE] = "candidate",
	};

	if (q->row == EXPLAIN_ROW_NONE || q->row > EXPLAIN_ROW_CANDIDATE)
		return json_null();
	return json_pack("{s:I, s:s, s:b}", "row", (json_int_t)q->row_index, "table", names[q->row],
			 "moving", q->row != EXPLAIN_ROW_STABLE);
}

static const char *
verdict_name(const struct explain_query *q)
{
	if (q->verdict == VERDICT_TRANSMIT)
		return "forward";
	if (q->verdict == VERDICT_HOST)
		return "host";
	return q->reason == DROP_NEIGHBOUR_UNRESOLVED ? "wait" : "drop";
}

/* Why it is not forwarded, in words; empty if it is. */
static const char *
help(const struct explain_query *q)
{
	if (q->verdict == VERDICT_DROP)
		return drop_reason_help((enum drop_reason)q->reason);
	return q->verdict == VERDICT_HOST ? "no service or connection claims it: it goes to the "
					    "interface's twin"
					  : "";
}

static const char *
interface_name(const struct control *control, unsigned int port)
{
	return port < control->config->n_interfaces ? control->config->interfaces[port].name : "";
}

static void
add_way(json_t **object, const struct control *control, const struct explain_query *q)
{
	struct mac mac;
	char text[MAC_STRLEN];

	if (q->verdict != VERDICT_TRANSMIT || q->backend == INDEX_NONE) {
		show_add(object, "out_interface", json_null());
		return;
	}
	memcpy(mac.b, q->mac, sizeof(mac.b));
	show_add(object, "out_interface", json_string(interface_name(control, q->out_port)));
	show_add(object, "out_mac", json_string(mac_format(&mac, text)));
	show_add(object, "out_vlan", q->vlan ? json_integer(q->vlan) : json_null());
}

static const char *
flags_name(const struct explain_query *q)
{
	if (q->tuple.proto != IPPROTO_TCP)
		return "";
	if (!q->tcp_flags || (q->tcp_flags & TCP_SYN))
		return "syn";
	if (q->tcp_flags & TCP_FIN)
		return "fin";
	return q->tcp_flags & TCP_RST ? "rst" : "ack";
}

/* "200" at a time, or "10k/s". */
static json_t *
limit_rate(const struct limit_view *v)
{
	const struct rate rate = { v->count, v->period_ns };
	char text[UNITS_STRLEN];

	if (!v->period_ns)
		return json_sprintf("%llu", (unsigned long long)v->count);
	return json_string(rate_format(&rate, text));
}

static json_t *
limit_json(const struct limit_view *v)
{
	enum drop_reason reason = limit_kind_reason((enum limit_kind)v->kind);
	char burst[UNITS_STRLEN];
	json_t *object =
	    json_pack("{s:s, s:o, s:I, s:b}", "limit", drop_reason_name(reason), "rate",
		      limit_rate(v), "left", (json_int_t)v->left, "exceeded", (int)v->exceeded);

	if (v->period_ns)
		show_add(&object, "burst", json_string(duration_format(v->burst_ns, burst)));
	else
		show_add(&object, "used", json_integer((json_int_t)v->used));
	return object;
}

static json_t *
limits_json(const struct explain_query *q)
{
	json_t *list = json_array();
	uint8_t i;

	for (i = 0; i < q->limits.count && i < LIMIT_KINDS; i++)
		show_append(&list, limit_json(&q->limits.views[i]));
	return list;
}

/* Who may come, and what counts as the client; nothing without lists or limits of clients. */
static void
add_client(json_t **object, const struct explain_query *q)
{
	static const char *const access[] = {
		[ACCESS_ALLOWED] = "allowed",
		[ACCESS_DENIED] = "on the deny list",
		[ACCESS_MISSING] = "not on the allow list",
	};
	static const char *const places[] = {
		[CLIENT_KNOWN] = "known",
		[CLIENT_NEW] = "new",
		[CLIENT_SHARED_PLACE] = "shared",
	};

	if (q->limits.access != ACCESS_ANYBODY && q->limits.access <= ACCESS_MISSING)
		show_add(object, "access", json_string(access[q->limits.access]));
	if (q->limits.place == CLIENT_UNLIMITED || q->limits.place > CLIENT_SHARED_PLACE)
		return;
	show_add(object, "limited_client", show_prefix(&q->limits.client));
	show_add(object, "limited_client_entry", json_string(places[q->limits.place]));
}

/* What the sender gets for a packet that is dropped; NULL: nothing. */
static const char *
answer(const struct control *control, const struct explain_query *q)
{
	const struct snapshot *s = control->snapshot;
	bool tcp = q->tuple.proto == IPPROTO_TCP;

	if (q->verdict != VERDICT_DROP)
		return NULL;
	if (q->reason == DROP_TOO_BIG)
		return "ICMP too big";
	if (q->reason != DROP_NO_BACKEND || q->service >= s->n_services ||
	    !(s->services[q->service].flags & SERVICE_REFUSE) || (q->tcp_flags & TCP_RST))
		return NULL;
	return tcp ? "TCP RST" : "ICMP port unreachable";
}

json_t *
explain_json(const struct control *control, const struct explain_query *q, uint16_t worker)
{
	const char *service = service_slot_name(control, q->service, q->service_epoch);
	json_t *object = json_pack(
	    "{s:s, s:o, s:o, s:s, s:I, s:s, s:i, s:i, s:s?, s:s, s:s, s:s, s:o, s:o, s:o, s:o, "
	    "s:s?}",
	    "protocol", protocol_name(q->tuple.proto), "client",
	    end_json(&q->tuple.src, q->tuple.sport), "destination",
	    end_json(&q->tuple.dst, q->tuple.dport), "flags", flags_name(q), "length",
	    (json_int_t)q->ip_len, "in_interface", interface_name(control, q->in_port), "worker",
	    (int)worker, "core", (int)control->dp->workers[worker]->core, "service", service,
	    "verdict", verdict_name(q), "reason",
	    q->verdict == VERDICT_DROP ? drop_reason_name((enum drop_reason)q->reason) : "", "help",
	    help(q), "limits", limits_json(q), "connection", connection_json(q), "row", row_json(q),
	    "backend", backend_json(control, q), "forward",
	    service ? forward_mode_name(q->mode) : NULL);

	add_way(&object, control, q);
	add_client(&object, q);
	if (answer(control, q))
		show_add(&object, "answer", json_string(answer(control, q)));
	if (q->by_name)
		show_add(&object, "server_name", json_string(q->server_name));
	if (q->source.q[0] || q->source.q[1])
		show_add(&object, "source", end_json(&q->source, q->source_port));
	return object;
}
