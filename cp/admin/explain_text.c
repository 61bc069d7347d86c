/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/explain_text.h"

#include <arpa/inet.h>

#include "cp/admin/show.h"
#include "dp/drops.h"

const char *
service_slot_name(const struct control *control, uint32_t slot, uint32_t epoch)
{
	const struct config *config = control->config;
	const struct snapshot *s = control->snapshot;
	size_t i;

	if (!s || !config || slot >= s->n_services || s->services[slot].epoch != epoch || !epoch)
		return NULL;
	for (i = 0; i < config->n_services; i++) {
		if (compiler_service_slot(control->compiler, i) == slot)
			return config->services[i].name;
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

	if (q->verdict != VERDICT_TRANSMIT) {
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

json_t *
explain_json(const struct control *control, const struct explain_query *q, uint16_t worker)
{
	const char *service = service_slot_name(control, q->service, q->service_epoch);
	json_t *object = json_pack(
	    "{s:s, s:o, s:o, s:s, s:I, s:s, s:i, s:i, s:s?, s:s, s:s, s:s, s:[], s:o, s:o, s:o, "
	    "s:s?}",
	    "protocol", protocol_name(q->tuple.proto), "client",
	    end_json(&q->tuple.src, q->tuple.sport), "destination",
	    end_json(&q->tuple.dst, q->tuple.dport), "flags", flags_name(q), "length",
	    (json_int_t)q->ip_len, "in_interface", interface_name(control, q->in_port), "worker",
	    (int)worker, "core", (int)control->dp->workers[worker]->core, "service", service,
	    "verdict", verdict_name(q), "reason",
	    q->verdict == VERDICT_DROP ? drop_reason_name((enum drop_reason)q->reason) : "", "help",
	    help(q), "limits", "connection", connection_json(q), "row", row_json(q), "backend",
	    backend_json(control, q), "forward", service ? forward_mode_name(q->mode) : NULL);

	add_way(&object, control, q);
	if (q->source.q[0] || q->source.q[1])
		show_add(&object, "source", end_json(&q->source, q->source_port));
	return object;
}
