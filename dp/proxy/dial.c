/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/proxy/dial.h"

#include <netinet/in.h>

#include "dp/l4/source_port.h"
#include "dp/proxy/internal.h"

/* A connection of ours waits so long for late packets: its port is needed again. Its successor is
 * told from it by time stamps and a higher initial sequence number. */
#define TIME_WAIT_MS 1000

/* What a record of TLS has besides its content, at the most: data in segments so much shorter
 * leaves in as many segments as it came in, each in the buffer that it came in. */
#define TLS_RECORD_MORE 32
#define MTU_USUAL       1500

/* A backend is told an MSS so much below what the link to it has room for, as what it sends will
 * leave to a client: with a record's head and tail, and by links that mostly have 1,500 bytes.
 * Where the one to the backend has some more, for tunnels say, each full segment would leave as
 * two; where it has much more, they are fewer, and each of them leaves as many. */
static uint16_t
mss_less(const struct proxy_dial *dial, uint16_t mtu)
{
	uint16_t less = dial->grows ? TLS_RECORD_MORE : 0;

	return mtu > MTU_USUAL && mtu < 2 * MTU_USUAL ? (uint16_t)(less + mtu - MTU_USUAL) : less;
}

/* 0, or -errno. */
static int
connect_to(struct proxy *p, const struct proxy_dial *dial, const struct connection_target *t,
	   tcp_handle *h)
{
	const struct snapshot *snapshot = p->worker->snapshot;
	uint32_t hop = snapshot->backends[dial->backend].nexthop;
	uint16_t mtu = hop < snapshot->n_nexthops ? snapshot->nexthops[hop].mtu : 0;
	const struct tcp_options options = {
		.connect_ms = dial->connect_ms,
		.keepalive_ms = dial->keepalive.idle_ms,
		.keepalive_interval_ms = dial->keepalive.interval_ms,
		.keepalive_probes = dial->keepalive.probes,
		.time_wait_ms = TIME_WAIT_MS,
		.mss_less = mss_less(dial, mtu),
		.mtu = mtu,
	};
	const struct tcp_connect what = {
		.tuple = { .src = t->backend_addr,
			   .dst = t->local,
			   .sport = t->backend_port,
			   .dport = t->local_port,
			   .proto = IPPROTO_TCP },
		.user = dial->user,
		.options = &options,
	};

	return tcp_connect(p->tcp, &what, h);
}

enum drop_reason
proxy_dial(struct proxy *p, const struct proxy_dial *dial, tcp_handle *h)
{
	struct worker *w = p->worker;
	const struct backend *b = &w->snapshot->backends[dial->backend];
	struct packet packet = { .tuple = *dial->client };
	struct connection_target t = {
		.service = dial->service,
		.backend = dial->backend,
		.backend_port = b->port ? b->port : dial->client->dport,
		.backend_addr = b->addr,
	};

	if (!source_port_choose(w, &packet, &t))
		return DROP_SOURCE_PORT_EXHAUSTED;
	if (connect_to(p, dial, &t, h) < 0)
		return DROP_CONNECTION_TABLE_FULL;
	return DROP_REASON_COUNT;
}
