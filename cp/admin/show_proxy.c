/* SPDX-License-Identifier: Apache-2.0 */
/* `show` of what carries the connections of listeners: the TCP of each worker, and its HTTP. */
#include "cp/admin/show.h"
#include "dp/l7/http.h"
#include "dp/proxy/proxy.h"
#include "dp/tcp/tcp.h"
#include "lib/tls/hello.h"

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

/* By reason; those that have occurred. */
static json_t *
bad_hellos_json(const uint64_t *bad)
{
	json_t *object = json_object();
	unsigned int i;

	for (i = TLS_HELLO_BAD_NONE + 1; i < TLS_HELLO_BAD_COUNT; i++)
		if (bad[i])
			show_add(&object, tls_bad_name(i), json_integer((json_int_t)bad[i]));
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
		show_add(&row, "bad_hellos", bad_hellos_json(proxy_hellos_bad(proxy)));
		show_append(&list, row);
	}
	return list;
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static json_t *
http_counters_json(const struct http_counters *c)
{
	json_t *object = json_object(), *bad = json_object();
	unsigned int i;

#define X(name, help) show_add(&object, #name, json_integer((json_int_t)c->name));
	HTTP_COUNTERS(X)
#undef X
	for (i = 0; i < HTTP_BAD_COUNT; i++)
		if (c->bad[i])
			show_add(&bad, http_bad_name(i), json_integer((json_int_t)c->bad[i]));
	for (i = 0; i < HTTP_PATH_REASON_COUNT; i++)
		if (c->bad_path[i])
			show_add(&bad, http_path_reason_name(i),
				 json_integer((json_int_t)c->bad_path[i]));
	show_add(&object, "bad_requests", bad);
	return object;
}

/* The same for HTTP listeners. */
json_t *
show_http(struct show *show)
{
	const struct dataplane *dp = show->control->dp;
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; i < dp->n_workers; i++) {
		const struct proxy *proxy = worker_proxy(dp->workers[i]);
		const struct http_counters *counters = proxy ? proxy_http_counters(proxy) : NULL;
		json_t *row;

		if (!counters)
			continue;
		row = http_counters_json(counters);
		show_add(&row, "worker", json_integer((json_int_t)i));
		show_add(&row, "requests_active",
			 json_integer((json_int_t)proxy_http_requests(proxy)));
		show_append(&list, row);
	}
	return list;
}

/* Requests that were refused, by reason, all workers together. */
json_t *
show_http_bad(struct show *show)
{
	const struct dataplane *dp = show->control->dp;
	uint64_t sums[HTTP_BAD_COUNT + HTTP_PATH_REASON_COUNT] = { 0 };
	json_t *list = json_array();
	unsigned int i, j;

	for (i = 0; i < dp->n_workers; i++) {
		const struct proxy *proxy = worker_proxy(dp->workers[i]);
		const struct http_counters *c = proxy ? proxy_http_counters(proxy) : NULL;

		for (j = 0; c && j < HTTP_BAD_COUNT; j++)
			sums[j] += c->bad[j];
		for (j = 0; c && j < HTTP_PATH_REASON_COUNT; j++)
			sums[HTTP_BAD_COUNT + j] += c->bad_path[j];
	}
	for (j = 0; j < HTTP_BAD_COUNT + HTTP_PATH_REASON_COUNT; j++) {
		json_t *row = json_object();
		bool path = j >= HTTP_BAD_COUNT;

		show_add(&row, "reason",
			 json_string(path ? http_path_reason_name(j - HTTP_BAD_COUNT)
					  : http_bad_name(j)));
		show_add(&row, "count", json_integer((json_int_t)sums[j]));
		if (j != HTTP_BAD_NONE && j != HTTP_BAD_COUNT + HTTP_PATH_OK)
			show_append(&list, row);
		else
			json_decref(row);
	}
	return list;
}
