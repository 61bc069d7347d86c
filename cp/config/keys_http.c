/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of HTTP listeners; see keys.h. */
#include <string.h>

#include "cp/config/keys.h"
#include "cp/config/model.h"

const struct key_choice choices_http_balance[] = {
	{ "round-robin", HTTP_BALANCE_ROUND_ROBIN },
	{ "least-requests", HTTP_BALANCE_LEAST_REQUESTS },
	{ "maglev", HTTP_BALANCE_MAGLEV },
	{ NULL, 0 },
};
const struct key_choice choices_http_retry[] = {
	{ "connect", HTTP_RETRY_ON_CONNECT },
	{ "reset", HTTP_RETRY_ON_RESET },
	{ "timeout", HTTP_RETRY_ON_TIMEOUT },
	{ "502", HTTP_RETRY_ON_502 },
	{ "503", HTTP_RETRY_ON_503 },
	{ "504", HTTP_RETRY_ON_504 },
	{ NULL, 0 },
};

/* clang-format off */
const struct key config_keys_http[] = {
	{ .path = "listeners.http.header_size", .type = KEY_SIZE, .fallback = "32k", .min = 1024,
	  .max = 60 << 10, AT(listener_config, http.header_size),
	  .help = "a longer head of a request is answered 431, of a response 502" },
	{ .path = "listeners.http.headers", .type = KEY_INT, .fallback = "100", .min = 1,
	  .max = 100, AT(listener_config, http.headers),
	  .help = "more fields in a head are treated alike" },
	{ .path = "listeners.http.target_size", .type = KEY_SIZE, .fallback = "16k", .min = 256,
	  .max = 60 << 10, AT(listener_config, http.target_size),
	  .help = "a longer target (path and query) is answered 414" },
	{ .path = "listeners.http.body_size", .type = KEY_SIZE, .example = "\"100M\"", .min = 1,
	  .max = 1ULL << 50, AT(listener_config, http.body_size),
	  .help = "a longer body of a request is answered 413 (default: no bound)" },
	{ .path = "listeners.http.requests", .type = KEY_INT, .fallback = "0", .example = "1000",
	  .max = UINT32_MAX, AT(listener_config, http.requests),
	  .help = "requests on one connection; 0: no bound" },
	{ .path = "listeners.http.age", .type = KEY_DURATION, .example = "\"1h\"", .min = 10 * MS,
	  .max = 720 * HOUR, AT(listener_config, http.age),
	  .help = "a connection of this age ends after its next answer (default: none does)" },
	{ .path = "listeners.http.merge_slashes", .type = KEY_BOOL, .fallback = "true",
	  AT(listener_config, http.merge_slashes),
	  .help = "true: \"//\" in a path is \"/\"" },
	{ .path = "listeners.http.escaped_slash", .type = KEY_BOOL, .fallback = "false",
	  AT(listener_config, http.escaped_slash),
	  .help = "false: \"%2F\" in a path is answered 400" },
	{ .path = "listeners.http.via", .type = KEY_TEXT, .example = "\"edge-1\"",
	  AT(listener_config, http.via),
	  .help = "what we are called in the header Via (default: there is none)" },
	{ .path = NULL },
};

/* Conditions on what the message calls `thing`s, at routes.match.WHAT. */
#define CONDITIONS(what, member, thing)                                                            \
	{ .path = "listeners.routes.match." what, .max = 32,                                       \
	  LIST_AT(http_route_config, match.member, match.n_##member, http_condition_config),       \
	  .example = "( { name = \"x-version\"; value = \"2\"; } )",                               \
	  .help = thing "s that the request must have" },                                          \
	{ .path = "listeners.routes.match." what ".name", .type = KEY_TEXT,                        \
	  .flags = KEY_REQUIRED, .example = "\"x-version\"", AT(http_condition_config, name),      \
	  .help = "name of the " thing },                                                          \
	{ .path = "listeners.routes.match." what ".value", .type = KEY_TEXT,                       \
	  .example = "\"2\"", AT(http_condition_config, value),                                    \
	  .help = "its value (default: any)" },                                                    \
	{ .path = "listeners.routes.match." what ".regex", .type = KEY_TEXT,                       \
	  .example = "\"^2\\\\.\"", AT(http_condition_config, regex),                              \
	  .help = "a regular expression (PCRE) that its value matches" }

/* A list of fields at routes.headers.WHICH.VERB. */
#define FIELDS(which, verb, text)                                                                  \
	{ .path = "listeners.routes.headers." #which "." #verb, .flags = KEY_ORDERED, .max = 64,   \
	  LIST_AT(http_route_config, which.verb, which.n_##verb, http_field_config),               \
	  .example = "( { name = \"x-env\"; value = \"prod\"; } )", .help = text },                \
	{ .path = "listeners.routes.headers." #which "." #verb ".name", .type = KEY_TEXT,          \
	  .flags = KEY_REQUIRED, .example = "\"x-env\"", AT(http_field_config, name),              \
	  .help = "name of the header" },                                                          \
	{ .path = "listeners.routes.headers." #which "." #verb ".value", .type = KEY_TEXT,         \
	  .flags = KEY_REQUIRED, .example = "\"prod\"", AT(http_field_config, value),              \
	  .help = "its value" }
#define EDITS(which, text)                                                                         \
	{ .path = "listeners.routes.headers." #which, GROUP, .help = text },                       \
	FIELDS(which, set, "headers that replace those of the same name"),                         \
	FIELDS(which, add, "headers that come beside those of the same name"),                     \
	{ .path = "listeners.routes.headers." #which ".remove", .type = KEY_TEXT,                  \
	  .flags = KEY_MANY, .example = "[ \"x-debug\" ]",                                         \
	  MANY(http_route_config, which.remove, which.n_remove), .most = 64,                       \
	  .help = "names of headers that are taken out" }

#define TIMEOUT(name, text)                                                                        \
	{ .path = "listeners.routes.timeouts." #name, .type = KEY_DURATION, .example = "\"5s\"",   \
	  .min = MS, .max = 24 * HOUR, AT(http_route_config, timeouts.name), .help = text }

const struct key config_keys_http_routes[] = {
	{ .path = "listeners.routes.name", .type = KEY_NAME, .flags = KEY_REQUIRED,
	  .example = "\"api\"", AT(http_route_config, name), .help = "name of the route" },
	{ .path = "listeners.routes.match", .type = KEY_GROUP,
	  .line = offsetof(struct http_route_config, match.line),
	  .help = "conditions, all of which must hold (default: every request)" },
	{ .path = "listeners.routes.match.host", .type = KEY_TEXT, .example = "\"*.shop.example\"",
	  AT(http_route_config, match.host),
	  .help = "host, or \"*.\" and a domain: every host below that" },
	{ .path = "listeners.routes.match.path", .type = KEY_URL_PATH, .example = "\"/api/\"",
	  AT(http_route_config, match.path), .help = "what the path begins with" },
	{ .path = "listeners.routes.match.path_exact", .type = KEY_URL_PATH,
	  .example = "\"/index.html\"", AT(http_route_config, match.path_exact),
	  .help = "the whole path" },
	{ .path = "listeners.routes.match.path_regex", .type = KEY_TEXT,
	  .example = "\"^/v[0-9]+/\"", AT(http_route_config, match.path_regex),
	  .help = "a regular expression (PCRE) that the path matches" },
	{ .path = "listeners.routes.match.methods", .type = KEY_TEXT, .flags = KEY_MANY,
	  .example = "[ \"GET\", \"POST\" ]",
	  MANY(http_route_config, match.methods, match.n_methods), .most = 32,
	  .help = "methods (default: all)" },
	CONDITIONS("headers", headers, "header"),
	CONDITIONS("query", queries, "query parameter"),

	{ .path = "listeners.routes.pools", .max = 64,
	  LIST(http_route_config, pools, http_route_pool_config),
	  .example = "( { pool = \"api-v2\"; weight = 5; }, { pool = \"api-v1\"; weight = 95; } )",
	  .help = "the pools that share the requests" },
	{ .path = "listeners.routes.pools.pool", .type = KEY_REFERENCE, .refers = "pools",
	  .flags = KEY_REQUIRED | KEY_IDENTITY, .example = "\"web\"",
	  AT(http_route_pool_config, pool), .help = "the pool of backends" },
	{ .path = "listeners.routes.pools.weight", .type = KEY_INT, .fallback = "100",
	  .max = 65535, AT(http_route_pool_config, weight),
	  .help = "its share of the requests, in proportion to the others'" },
	{ .path = "listeners.routes.redirect", GROUP, .help = "send the client elsewhere" },
	{ .path = "listeners.routes.redirect.status", .type = KEY_INT, .flags = KEY_REQUIRED,
	  .example = "301", .min = 301, .max = 308, AT(http_route_config, redirect.status),
	  .help = "301, 302, 303, 307 or 308" },
	{ .path = "listeners.routes.redirect.location", .type = KEY_TEXT, .flags = KEY_REQUIRED,
	  .example = "\"https://$host$path$query\"", AT(http_route_config, redirect.location),
	  .help = "where to; $scheme, $host, $path (in its normal form) and $query (with its \"?\") are the request's" },
	{ .path = "listeners.routes.respond", GROUP, .help = "answer without a backend" },
	{ .path = "listeners.routes.respond.status", .type = KEY_INT, .flags = KEY_REQUIRED,
	  .example = "200", .min = 200, .max = 599, AT(http_route_config, respond.status),
	  .help = "status code" },
	{ .path = "listeners.routes.respond.body", .type = KEY_TEXT, .example = "\"OK\"",
	  AT(http_route_config, respond.body), .help = "the body (default: an empty one)" },
	{ .path = "listeners.routes.respond.content_type", .type = KEY_TEXT,
	  .example = "\"text/plain\"", AT(http_route_config, respond.content_type),
	  .help = "what the body is (default: \"text/plain\")" },

	{ .path = "listeners.routes.rewrite", GROUP, .help = "what backends are asked for instead" },
	{ .path = "listeners.routes.rewrite.path_prefix", .type = KEY_URL_PATH, .example = "\"/\"",
	  AT(http_route_config, rewrite.path_prefix), .help = "replaces match.path in the path" },
	{ .path = "listeners.routes.rewrite.host", .type = KEY_TEXT, .example = "\"api.internal\"",
	  AT(http_route_config, rewrite.host), .help = "the header Host" },
	{ .path = "listeners.routes.headers", GROUP, .help = "what becomes of headers" },
	EDITS(request, "of requests, on their way to backends"),
	EDITS(response, "of responses, on their way to clients"),

	{ .path = "listeners.routes.timeouts", GROUP, .help = "how long things may take" },
	TIMEOUT(connect, "until a backend has taken a connection (default: the listener's)"),
	{ .path = "listeners.routes.timeouts.first_byte", .type = KEY_DURATION, .fallback = "60s",
	  .min = MS, .max = 24 * HOUR, AT(http_route_config, timeouts.first_byte),
	  .help = "until the answer begins; then it is 504" },
	{ .path = "listeners.routes.timeouts.idle", .type = KEY_DURATION, .fallback = "5m",
	  .min = MS, .max = 24 * HOUR, AT(http_route_config, timeouts.idle),
	  .help = "until the next bytes of the answer, or of a WebSocket, have come, or some of them have been taken" },
	TIMEOUT(whole, "from the request's head to the end of the answer (default: for ever)"),
	{ .path = "listeners.routes.retries", GROUP, .help = "try another backend" },
	{ .path = "listeners.routes.retries.attempts", .type = KEY_INT, .fallback = "1", .min = 1,
	  .max = 10, AT(http_route_config, retries.attempts),
	  .help = "how often a request is tried again" },
	{ .path = "listeners.routes.retries.on", .type = KEY_CHOICE, .flags = KEY_MANY,
	  .choices = choices_http_retry, .example = "[ \"connect\", \"reset\", \"503\" ]",
	  MANY(http_route_config, retries.on, retries.n_on), .most = 6,
	  .help = "after what (default: \"connect\")" },
	{ .path = "listeners.routes.retries.budget", .type = KEY_SHARE, .fallback = "20%",
	  .min = 1, .max = CONFIG_SHARE_WHOLE, AT(http_route_config, retries.budget),
	  .help = "share of the pool's requests that may be retries, besides 10 a second on each worker" },
	{ .path = "listeners.routes.mirror", GROUP,
	  .help = "send requests to another pool as well, whose answers nobody gets; those with a body of up to 64 KB, when it has come" },
	{ .path = "listeners.routes.mirror.pool", .type = KEY_REFERENCE, .refers = "pools",
	  .flags = KEY_REQUIRED, .example = "\"next\"", AT(http_route_config, mirror.pool),
	  .help = "that pool" },
	{ .path = "listeners.routes.mirror.share", .type = KEY_SHARE, .fallback = "100%", .min = 1,
	  .max = CONFIG_SHARE_WHOLE, AT(http_route_config, mirror.share),
	  .help = "share of the requests" },
	{ .path = "listeners.routes.fault", GROUP, .help = "faults on purpose, to see what they do" },
	{ .path = "listeners.routes.fault.delay", .type = KEY_DURATION, .example = "\"2s\"",
	  .min = MS, .max = HOUR, AT(http_route_config, fault.delay),
	  .help = "how long requests are held back" },
	{ .path = "listeners.routes.fault.delay_share", .type = KEY_SHARE, .fallback = "100%",
	  .min = 1, .max = CONFIG_SHARE_WHOLE, AT(http_route_config, fault.delay_share),
	  .help = "how many of them" },
	{ .path = "listeners.routes.fault.abort", .type = KEY_INT, .example = "503", .min = 400,
	  .max = 599, AT(http_route_config, fault.abort_status),
	  .help = "status that requests are answered with" },
	{ .path = "listeners.routes.fault.abort_share", .type = KEY_SHARE, .fallback = "100%",
	  .min = 1, .max = CONFIG_SHARE_WHOLE, AT(http_route_config, fault.abort_share),
	  .help = "how many of them" },
	{ .path = "listeners.routes.fault.header", .type = KEY_TEXT, .example = "\"x-fault\"",
	  AT(http_route_config, fault.header), .help = "only requests with this header" },
	{ .path = "listeners.routes.fault.value", .type = KEY_TEXT, .example = "\"yes\"",
	  AT(http_route_config, fault.value), .help = "... and this value in it" },
	{ .path = "listeners.routes.limits", GROUP, .help = "limits on requests" },
	{ .path = "listeners.routes.limits.client", GROUP, .help = "limits on each client" },
	{ .path = "listeners.routes.limits.client.requests", .type = KEY_RATE,
	  .flags = KEY_REQUIRED, .example = "\"100/s\"",
	  AT(http_route_config, limit_client.requests),
	  .help = "requests of a client to this route; what is over is answered 429" },
	{ .path = "listeners.routes.limits.client.burst", .type = KEY_DURATION, .fallback = "1s",
	  .min = 1000, .max = 24 * HOUR, AT(http_route_config, limit_client.burst),
	  .help = "how many may come at once, as time" },
	{ .path = "listeners.routes.limits.key", GROUP,
	  .help = "limits on all requests with the same value of a header" },
	{ .path = "listeners.routes.limits.key.header", .type = KEY_TEXT, .flags = KEY_REQUIRED,
	  .example = "\"x-api-key\"", AT(http_route_config, limit_key_header),
	  .help = "name of the header; a request that has it twice is answered 400" },
	{ .path = "listeners.routes.limits.key.requests", .type = KEY_RATE, .flags = KEY_REQUIRED,
	  .example = "\"100/s\"", AT(http_route_config, limit_key.requests),
	  .help = "requests with one value; what is over is answered 429" },
	{ .path = "listeners.routes.limits.key.burst", .type = KEY_DURATION, .fallback = "1s",
	  .min = 1000, .max = 24 * HOUR, AT(http_route_config, limit_key.burst),
	  .help = "how many may come at once, as time" },
	{ .path = "listeners.routes.balance", .type = KEY_CHOICE, .fallback = "round-robin",
	  .choices = choices_http_balance, AT(http_route_config, balance),
	  .help = "how a backend is chosen; \"least-requests\": the less busy of two" },
	{ .path = "listeners.routes.hash_header", .type = KEY_TEXT, .example = "\"x-user\"",
	  AT(http_route_config, hash_header),
	  .help = "maglev: choose by this header (default: by the client's address)" },
	{ .path = "listeners.routes.hash_cookie", .type = KEY_TEXT, .example = "\"session\"",
	  AT(http_route_config, hash_cookie), .help = "maglev: choose by this cookie" },
	{ .path = "listeners.routes.affinity", GROUP,
	  .help = "a cookie of ours leads a client to the same backend again, in all pools with a weight" },
	{ .path = "listeners.routes.affinity.cookie", .type = KEY_TEXT, .flags = KEY_REQUIRED,
	  .example = "\"backend\"", AT(http_route_config, affinity_cookie),
	  .help = "name of the cookie" },
	{ .path = "listeners.routes.affinity.lifetime", .type = KEY_DURATION, .example = "\"1h\"",
	  .min = 1000 * MS, .max = 8760 * HOUR, AT(http_route_config, affinity_lifetime),
	  .help = "how long browsers keep it (default: until they end)" },
	{ .path = "listeners.routes.websocket", .type = KEY_BOOL, .fallback = "false",
	  AT(http_route_config, websocket),
	  .help = "true: requests for WebSocket are passed on, others than HTTP after that" },
	{ .path = NULL },
};
