/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What workers know of an HTTP listener: compiled by the control thread, part of the snapshot
 * (dp/snapshot.h), immutable but for the counts of its users. Arrays and indices. A listener whose
 * configuration stays the same is the same one in the next snapshot.
 *
 *     request ──route.h──> index in routes ──> pools, edits, timeouts, retries, ...
 *
 * A request may outlive the snapshot that it began with, and keeps to its listener until it ends:
 *
 *     worker   reads the listener in the snapshot, http_listener_get ... http_listener_put
 *     control  frees it when no snapshot that a worker can see has it, and then
 *              users[w].requests = 0 for all w
 *
 * What it finds by the listener's routes lies in the snapshot of the moment: pools by slot and
 * epoch (snapshot_pool), which is NULL when the pool is no more. A request that has no backend yet
 * then goes over to what its listener is now.
 */
#ifndef DP_L7_SETTINGS_H
#define DP_L7_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/gcra.h"
#include "lib/http/head.h"
#include "lib/http/write.h"

#define HTTP_ROUTE_EDITS 64u /* of requests, and of answers, at the most */

struct http_table; /* dp/l7/route.h */

enum http_action {
	HTTP_ACTION_POOL,
	HTTP_ACTION_REDIRECT,
	HTTP_ACTION_RESPOND,
};

enum http_balance {
	HTTP_ROUND_ROBIN,
	HTTP_LEAST_REQUESTS, /* of two at random (Mitzenmacher 2001) */
	HTTP_MAGLEV,
};

/* What Maglev hashes. */
enum http_hash {
	HTTP_HASH_CLIENT,
	HTTP_HASH_HEADER,
	HTTP_HASH_COOKIE,
};

/* When a request is tried again (retry_on). */
enum http_retry {
	HTTP_RETRY_CONNECT = 1 << 0, /* no connection to the backend */
	HTTP_RETRY_RESET = 1 << 1,   /* it ended before a byte of the answer */
	HTTP_RETRY_TIMEOUT = 1 << 2, /* no answer within first_byte */
	HTTP_RETRY_502 = 1 << 3,
	HTTP_RETRY_503 = 1 << 4,
	HTTP_RETRY_504 = 1 << 5,
};

struct http_text {
	const char *bytes; /* NULL: none */
	uint32_t length;
};

/* One of the pools that a route leads to. */
struct http_route_pool {
	uint32_t slot, epoch; /* of the pool: snapshot_pool */
	uint32_t up_to; /* of total_weight: the sum of the weights up to and including this one */
};

struct http_fault {
	uint64_t delay;       /* ns */
	uint32_t delay_share; /* of 2^32 - 1: how many are delayed; 0: none */
	uint32_t abort_share; /* the same: how many are answered with abort_status */
	uint16_t abort_status;
	struct http_text header, value; /* only requests with this field (and value) */
};

struct http_request_limit {
	uint64_t id; /* the same as long as the listener is the same, whatever its name; never 0 */
	struct gcra gcra;
};

struct http_route {
	struct http_text name;
	uint8_t action;  /* enum http_action */
	uint8_t balance; /* enum http_balance */
	uint8_t hash;    /* enum http_hash */
	bool websocket;  /* Upgrade to WebSocket is passed on */
	/* HTTP_ACTION_POOL */
	const struct http_route_pool *pools;
	uint32_t n_pools, total_weight;
	uint32_t mirror_slot; /* of a pool, UINT32_MAX: none */
	uint32_t mirror_epoch;
	uint32_t mirror_share;            /* of 2^32 - 1 */
	struct http_text hash_name;       /* of the header or cookie; in lower case for a header */
	struct http_text affinity_cookie; /* name; none: no affinity */
	uint64_t affinity_lifetime;       /* ns; 0: until the browser ends */
	/* HTTP_ACTION_REDIRECT, HTTP_ACTION_RESPOND */
	uint16_t status;
	struct http_text location; /* with $host, $path, $query, $scheme in it */
	struct http_text body, content_type;
	/* what is changed */
	const struct http_edit *request_edits, *response_edits;
	uint32_t n_request_edits, n_response_edits;
	struct http_text match_prefix; /* the prefix that has matched: rewritten to ... */
	struct http_text path_prefix;  /* ... this; none: the path stays */
	struct http_text host;         /* none: the client's */
	/* ns; 0: none */
	uint64_t timeout_connect, timeout_first_byte, timeout_idle, timeout_whole;
	/* retries */
	uint8_t retry_attempts; /* besides the first */
	uint8_t retry_on;       /* enum http_retry */
	uint32_t retry_budget;  /* retries of a pool for each request to it, of 2^32 - 1 */
	struct http_fault fault;
	uint32_t limit_client; /* index in http_listener.limits, UINT32_MAX: none */
	uint32_t limit_key;
	struct http_text limit_key_name; /* header whose value is the key; in lower case */
};

/* The requests of a worker that hold on to a listener. That worker writes, control reads. */
struct http_users {
	_Alignas(64) uint32_t requests;
};

struct http_listener {
	struct http_text name;
	const struct http_table *table;
	const struct http_route *routes;
	uint32_t n_routes;
	struct http_limits head;             /* of requests and of responses */
	uint64_t max_body;                   /* bytes of a request's; 0: no bound */
	uint32_t max_requests;               /* on a client's connection; 0: no bound */
	uint64_t max_age;                    /* ns of a client's connection; 0: no bound */
	uint64_t timeout_header;             /* ns from the first byte of a head to its end */
	uint64_t timeout_body;               /* ns without a byte of a request's body */
	uint64_t timeout_idle;               /* ns between requests */
	uint32_t path_rules;                 /* enum http_path_rules */
	struct http_text via;                /* pseudonym for Via; none: no Via */
	const struct http_text *error_pages; /* by status - 400, 200 of them; NULL: none */
	const struct http_request_limit *limits;
	uint32_t n_limits;
	uint32_t limit_client;           /* of all requests: index in limits, UINT32_MAX: none */
	uint32_t limit_key;              /* the same, by the value of the next */
	struct http_text limit_key_name; /* a header; in lower case */
	uint32_t mask4;           /* network byte order: what of an IPv4 address makes a client */
	uint64_t mask6[2];        /* the same of an IPv6 address */
	struct http_users *users; /* by worker */
};

/* Hold on to a listener of the worker's snapshot, beyond that. */
static inline void
http_listener_get(const struct http_listener *listener, uint16_t worker)
{
	uint32_t *requests = &listener->users[worker].requests;

	__atomic_store_n(requests, *requests + 1, __ATOMIC_RELAXED);
}

/* The last look at it has been taken. */
static inline void
http_listener_put(const struct http_listener *listener, uint16_t worker)
{
	uint32_t *requests = &listener->users[worker].requests;

	__atomic_store_n(requests, *requests - 1, __ATOMIC_RELEASE);
}

#endif
