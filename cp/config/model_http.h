/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an HTTP listener has beyond other listeners, as the user wrote it: see model.h, of which it
 * is a part. Strings and arrays are owned by the config; times are nanoseconds; shares are parts of
 * CONFIG_SHARE_WHOLE.
 */
#ifndef CP_CONFIG_MODEL_HTTP_H
#define CP_CONFIG_MODEL_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/units.h"

#define CONFIG_SHARE_WHOLE 1000000u /* "100%" */

/* A field or a query parameter. Without value and regex: it is there, whatever its value. */
struct http_condition_config {
	char *name;
	char *value;
	char *regex;
	int line;
};

/* All that is set has to hold. */
struct http_match_config {
	char *host;       /* "shop.example" or "*.shop.example"; NULL: any */
	char *path;       /* a prefix */
	char *path_exact; /* at most one of the three */
	char *path_regex;
	char **methods; /* any of these; none: any */
	size_t n_methods;
	struct http_condition_config *headers, *queries;
	size_t n_headers, n_queries;
	int line;
};

struct http_route_pool_config {
	size_t pool;     /* index in pools */
	uint32_t weight; /* default 100 */
	int line;
};

struct http_field_config {
	char *name, *value;
	int line;
};

struct http_edits_config {
	struct http_field_config *set, *add;
	char **remove;
	size_t n_set, n_add, n_remove;
};

enum http_balance_config {
	HTTP_BALANCE_ROUND_ROBIN,
	HTTP_BALANCE_LEAST_REQUESTS,
	HTTP_BALANCE_MAGLEV,
};

/* Bits; numbered as dp/l7/settings.h has them. */
enum http_retry_config {
	HTTP_RETRY_ON_CONNECT = 1 << 0,
	HTTP_RETRY_ON_RESET = 1 << 1,
	HTTP_RETRY_ON_TIMEOUT = 1 << 2,
	HTTP_RETRY_ON_502 = 1 << 3,
	HTTP_RETRY_ON_503 = 1 << 4,
	HTTP_RETRY_ON_504 = 1 << 5,
};

struct http_limit_config {
	struct rate requests; /* count 0: not set */
	uint64_t burst;       /* ns; default 1 s */
};

struct http_route_config {
	char *name;
	struct http_match_config match;
	/* exactly one of pools, redirect and respond */
	struct http_route_pool_config *pools;
	size_t n_pools;
	struct {
		uint16_t status; /* 301, 302, 303, 307, 308; 0: no redirect */
		char *location;  /* $scheme, $host, $path and $query are replaced */
	} redirect;
	struct {
		uint16_t status; /* 0: no fixed response */
		char *body, *content_type;
	} respond;
	struct {
		char *path_prefix; /* instead of match.path */
		char *host;
	} rewrite;
	struct http_edits_config request, response;
	struct {
		uint64_t connect, first_byte, idle, whole; /* 0: none */
	} timeouts;
	struct {
		uint32_t attempts; /* besides the first; default 1 */
		uint8_t *on;       /* enum http_retry_config; none: nothing is tried again */
		size_t n_on;
		uint32_t budget; /* share; default 20% */
	} retries;
	struct {
		size_t pool; /* SIZE_MAX: none */
		uint32_t share;
	} mirror; /* share: of requests; without a pool it says nothing */
	struct {
		uint64_t delay;
		uint32_t delay_share, abort_share;
		uint16_t abort_status;
		char *header, *value; /* only requests that have it */
	} fault;
	struct http_limit_config limit_client, limit_key;
	char *limit_key_header;
	enum http_balance_config balance;
	char *hash_header, *hash_cookie; /* of Maglev; neither: the client's address */
	char *affinity_cookie;           /* NULL: none */
	uint64_t affinity_lifetime;      /* 0: until the browser ends */
	bool websocket;
	int line;
};

struct http_error_page_config {
	uint16_t status;
	char *file; /* as written */
	char *body; /* its content, read when the configuration is loaded */
	size_t length;
	int line;
};

struct http_config {
	struct http_route_config *routes;
	size_t n_routes;
	uint64_t header_size, target_size; /* bytes; default 32 KB, 16 KB */
	uint32_t headers;                  /* fields; default 100 */
	uint64_t body_size;                /* of a request; 0: no bound */
	uint32_t requests;                 /* on a connection; 0: no bound */
	uint64_t age;                      /* of a connection; 0: no bound */
	bool merge_slashes;                /* default true */
	bool escaped_slash;                /* default false: refused */
	char *via;                         /* NULL: none */
	uint64_t timeout_header, timeout_body, timeout_keepalive;
	struct http_limit_config limit_client, limit_key;
	char *limit_key_header;
	struct http_error_page_config *errors;
	size_t n_errors;
};

#endif
