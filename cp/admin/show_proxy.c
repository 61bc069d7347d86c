/* SPDX-License-Identifier: Apache-2.0 */
/* `show` of what carries the connections of listeners: the TCP of each worker. */
#include "cp/admin/show.h"
#include "dp/proxy/proxy.h"
#include "dp/tcp/tcp.h"

static json_t *
counters_json(const struct tcp_counters *tcp, const struct proxy_counters *proxy)
{
	json_t *object = json_object();

#define X(name, text) show_add(&object, #name, json_integer((json_int_t)proxy->name));
	PROXY_COUNTERS(X)
#undef X
#define X(name, text) show_add(&object, #name, json_integer((json_int_t)tcp->name));
	TCP_COUNTERS(X)
#undef X
	return object;
}

/* A row for each worker that has had a listener; counters that are written meanwhile may be a
 * moment old. */
json_t *
show_tcp(struct show *show)
{
	const struct dataplane *dp = show->control->dp;
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; i < dp->n_workers; i++) {
		struct proxy *proxy = worker_proxy(dp->workers[i]);
		json_t *row;

		if (!proxy)
			continue;
		row = counters_json(tcp_counters(proxy_tcp(proxy)), proxy_counters(proxy));
		show_add(&row, "worker", json_integer((json_int_t)i));
		show_add(&row, "sessions", json_integer((json_int_t)proxy_sessions(proxy)));
		show_append(&list, row);
	}
	return list;
}
