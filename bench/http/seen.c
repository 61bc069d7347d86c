/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/http/seen.h"

#include <stdlib.h>
#include <string.h>

#include "dp/l7/internal.h"

static const char request[] = "GET /articles/2024/05/how-things-work?lang=en HTTP/1.1\r\n"
			      "Host: shop.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
			      "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
			      "\r\n\r\n";

static const struct {
	const char *name;
	struct http_seen_settings settings;
} cases[] = {
	{ "seen: counts", { 0 } },
	{ "seen: records", { .records = true } },
	{ "seen: traces", { .tracing = true, .share = TRACE_SHARE_WHOLE / 10 } },
	{ "seen: both", { .records = true, .tracing = true, .share = TRACE_SHARE_WHOLE / 10 } },
};

struct bench_seen {
	struct worker worker;
	struct snapshot snapshot;
	struct service service;
	struct proxy_settings proxy;
	struct http_listener listener;
	struct http_route route;
	struct backend backend;
	struct http_session session;
	struct http_exchange exchange;
	struct http_upstream upstream;
	struct http_identity identity;
	struct http_latency latency[2];
	struct http_attempts attempts;
	struct http_open open;
	struct http http;
};

const char *
bench_seen_name(size_t i)
{
	return i < sizeof(cases) / sizeof(cases[0]) ? cases[i].name : NULL;
}

struct bench_seen *
bench_seen_create(size_t i)
{
	static const struct http_limits limits = { 16384, 8192, 100 };
	struct bench_seen *b = aligned_alloc(64, (sizeof(*b) + 63) / 64 * 64);

	if (!b)
		return NULL;
	memset(b, 0, sizeof(*b));
	b->service.epoch = 1;
	b->listener.name = b->route.name = (struct http_text){ "shop", 4 };
	b->proxy.http = &b->listener;
	b->snapshot.services = &b->service;
	b->snapshot.n_services = b->snapshot.n_backends = 1;
	b->snapshot.proxies = &b->proxy;
	b->snapshot.backends = &b->backend;
	b->snapshot.seen = cases[i].settings;
	b->worker.snapshot = &b->snapshot;
	b->session.service_epoch = 1;
	b->session.x = &b->exchange;
	b->exchange.listener = &b->listener;
	b->exchange.route = &b->route;
	b->http.worker = &b->worker;
	b->http.upstreams = &b->upstream;
	b->http.listener_latency = &b->latency[0];
	b->http.pool_latency = &b->latency[1];
	b->http.attempts = &b->attempts;
	b->http.opens = &b->open;
	b->http.records = http_records_create();
	http_request_start(&b->http.head);
	http_request_parse(&b->http.head, &limits, (const uint8_t *)request, sizeof(request) - 1);
	return b;
}

void
bench_seen_destroy(struct bench_seen *b)
{
	http_records_destroy(b->http.records);
	free(b);
}

void
bench_seen_run(struct bench_seen *b, size_t n)
{
	const uint8_t *bytes = (const uint8_t *)request;
	struct http_session *s = &b->session;

	for (; n; n--) {
		s->began = b->worker.now;
		b->worker.now += 1000;
		http_seen_begin(&b->http, s, bytes);
		http_seen_placed(&b->http, s, 0);
		b->identity.n = 0;
		http_trace_edits(&b->http, s, bytes, &b->identity);
		http_seen_sent(&b->http, s);
		http_seen_attempt(&b->http, 0, 200);
		http_seen_answered(&b->http, s, 200);
		s->x->answer.done = true;
		http_seen_end(&b->http, s);
		if (http_records_peek(b->http.records))
			http_records_next(b->http.records);
	}
}
