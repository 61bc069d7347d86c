/* SPDX-License-Identifier: Apache-2.0 */
/* `show` of the machine: workers, interfaces, neighbours, drops, the running configuration,
 * versions. */
#include <mbedtls/build_info.h>
#include <rte_ethdev.h>
#include <rte_version.h>

#include "cp/admin/show.h"
#include "cp/state/generations.h"
#include "version.h"

json_t *
show_workers(struct show *show)
{
	const struct dataplane *dp = show->control->dp;
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; i < dp->n_workers; i++) {
		const struct worker *w = dp->workers[i];
		struct worker_rate rate = counters_worker(show->counters, i);

		show_append(
		    &list, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:f}",
				     "worker", (json_int_t)i, "core", (json_int_t)w->core,
				     "packets_in", (json_int_t)w->stats.packets_in, "packets_out",
				     (json_int_t)w->stats.packets_out, "steered_in",
				     (json_int_t)w->stats.steered_in, "steered_out",
				     (json_int_t)w->stats.steered_out, "busy_percent",
				     rate.busy_percent, "cycles_per_packet", rate.cycles_per_packet,
				     "connections", (json_int_t)w->stats.connections, "clients",
				     (json_int_t)w->stats.clients, "fragments_held",
				     (json_int_t)w->stats.fragments_held, "busy_seconds",
				     (double)w->stats.busy_cycles / (double)dp->clock.hz));
	}
	return list;
}

/* Who decides which worker gets a packet: the device's hash ("proven" after enough packets whose
 * hash was ours), or we, after the fact. */
static const char *
rss_state(const struct port *port, const struct port_stats *sums)
{
	if (!port->rss_source && !port->rss_destination)
		return "software";
	if (sums->hash_wrong > 0)
		return "software";
	return sums->hash_checked >= HASH_PROVEN ? "proven" : "checking";
}

static void
port_sums(const struct dataplane *dp, uint32_t port, struct port_stats *out)
{
	uint32_t i;

	*out = (struct port_stats){ 0 };
	for (i = 0; i < dp->n_workers; i++) {
		const struct port_stats *s = &dp->workers[i]->stats.ports[port];

		out->rx_packets += s->rx_packets;
		out->rx_bytes += s->rx_bytes;
		out->tx_packets += s->tx_packets;
		out->tx_bytes += s->tx_bytes;
		out->to_host += s->to_host;
		out->from_host += s->from_host;
		out->hash_checked += s->hash_checked;
		out->hash_wrong += s->hash_wrong;
	}
}

static void
append_addresses(json_t **list, const struct interface_address *addresses, size_t n, uint16_t vlan)
{
	char text[PREFIX_STRLEN + 16], addr[ADDR_STRLEN];
	size_t i;

	for (i = 0; i < n; i++) {
		int len =
		    snprintf(text, sizeof(text), "%s/%u", addr_format(&addresses[i].addr, addr),
			     prefix_display_len(&addresses[i].net));

		if (vlan)
			snprintf(text + len, sizeof(text) - (size_t)len, " vlan %u", vlan);
		show_append(list, json_string(text));
	}
}

static json_t *
interface_addresses(const struct interface_config *c)
{
	json_t *list = json_array();
	size_t i;

	append_addresses(&list, c->addresses, c->n_addresses, 0);
	for (i = 0; i < c->n_vlans; i++)
		append_addresses(&list, c->vlans[i].addresses, c->vlans[i].n_addresses,
				 c->vlans[i].id);
	return list;
}

static const char *
link_state(const struct port *port)
{
	struct rte_eth_link link = { 0 };

	if (rte_eth_link_get_nowait(port->port_id, &link) != 0)
		return "unknown";
	return link.link_status == RTE_ETH_LINK_UP ? "up" : "down";
}

/* What a port has lost before a worker saw it: no worker took it in time, or no packet buffer was
 * left for it. */
static uint64_t
missed(const struct port *port)
{
	struct rte_eth_stats stats = { 0 };

	if (rte_eth_stats_get(port->port_id, &stats) != 0)
		return 0;
	return stats.imissed + stats.rx_nombuf;
}

static json_t *
show_interface(const struct control *control, uint32_t index)
{
	const struct interface_config *c = &control->config->interfaces[index];
	const struct port *port = &control->dp->ports[index];
	struct port_stats sums;
	struct mac mac;
	char mac_text[MAC_STRLEN];

	memcpy(mac.b, port->mac, sizeof(mac.b));
	port_sums(control->dp, index, &sums);
	return json_pack("{s:s, s:o, s:s, s:s, s:i, s:o, s:b, s:s, s:s, s:i, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:I}",
			 "name", c->name, "device", show_text(c->device), "side",
			 interface_side_name(c->side), "mac", mac_format(&mac, mac_text), "mtu",
			 (int)c->mtu, "addresses", interface_addresses(c), "twin", (int)c->twin,
			 "link", link_state(port), "rss", rss_state(port, &sums), "queues",
			 (int)port->rx_queues, "rx_packets", (json_int_t)sums.rx_packets,
			 "rx_bytes", (json_int_t)sums.rx_bytes, "tx_packets",
			 (json_int_t)sums.tx_packets, "tx_bytes", (json_int_t)sums.tx_bytes,
			 "to_host", (json_int_t)sums.to_host, "from_host",
			 (json_int_t)sums.from_host, "rx_missed", (json_int_t)missed(port));
}

json_t *
show_interfaces(struct show *show)
{
	const struct control *control = show->control;
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; i < control->dp->n_ports && i < control->config->n_interfaces; i++)
		show_append(&list, show_interface(control, i));
	return list;
}

json_t *
show_neighbours(struct show *show)
{
	const struct control *control = show->control;
	const struct network_neighbour *neighbours;
	json_t *list = json_array();
	size_t count, i;

	neighbours = network_neighbours(control->network, &count);
	for (i = 0; i < count; i++) {
		const struct network_neighbour *n = &neighbours[i];
		char addr[ADDR_STRLEN], mac[MAC_STRLEN];

		if (n->port >= control->config->n_interfaces)
			continue;
		show_append(&list, json_pack("{s:s, s:s, s:s, s:i, s:s}", "address",
					     addr_format(&n->addr, addr), "mac",
					     n->usable ? mac_format(&n->mac, mac) : "", "interface",
					     control->config->interfaces[n->port].name, "vlan",
					     (int)n->vlan, "state", n->state));
	}
	return list;
}

json_t *
show_drops(struct show *show)
{
	const struct dataplane *dp = show->control->dp;
	struct service_sums sums = { 0 };
	enum drop_reason reason;
	size_t service;
	json_t *list;
	uint32_t i;

	if (show_service_option(show, &service) < 0)
		return NULL;
	if (service != SIZE_MAX) {
		uint32_t slot = compiler_service_slot(show->control->compiler, service);

		if (slot != UINT32_MAX)
			counters_service(show->counters, slot, &sums);
	} else {
		for (i = 0; i < dp->n_workers; i++) {
			for (reason = 0; reason < DROP_REASON_COUNT; reason++)
				sums.drops[reason] += dp->workers[i]->stats.drops[reason];
		}
		twins_drops(show->control->twins, sums.drops);
	}
	list = json_array();
	for (reason = 0; reason < DROP_REASON_COUNT; reason++)
		show_append(&list, json_pack("{s:s, s:I, s:s}", "reason", drop_reason_name(reason),
					     "count", (json_int_t)sums.drops[reason], "help",
					     drop_reason_help(reason)));
	return list;
}

json_t *
show_config(struct show *show)
{
	const struct control *control = show->control;
	const char *notice = generations_notice(control->generations);
	json_t *result =
	    json_pack("{s:o, s:I, s:o, s:o}", "file", show_text(control->config_name), "generation",
		      (json_int_t)control->generation, "applied", show_time(control->applied_at),
		      "text", show_text(control->config_text));

	if (result && notice)
		show_add(&result, "notice", show_text(notice));
	return result;
}

json_t *
show_version(struct show *show)
{
	const struct control *control = show->control;

	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:f}", "version", PENSTOCK_VERSION,
			 "build", PENSTOCK_BUILD, "dpdk", rte_version(), "mbedtls",
			 MBEDTLS_VERSION_STRING_FULL, "instance",
			 show_text(control->config->instance), "generation",
			 (json_int_t)control->generation, "uptime_seconds",
			 (json_int_t)((loop_now() - control->started_at) / 1000000000),
			 "control_delay_ms", (double)loop_delay(control->loop) / 1e6);
}
