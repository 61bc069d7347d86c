/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which route a request takes: the FIRST of the listener's routes, in the order of the
 * configuration, all of whose conditions hold. Compiled: hosts and paths are looked up, and only
 * the routes that these leave are tried one after the other.
 *
 *     host ──hash──> group ──path: down a tree──> ordered candidates
 *                      │                                                │
 *     *.suffix ────────┤                            method, fields, query, regular expressions
 *     any ─────────────┘
 *
 *     host       in any case, without port, without the dot that may end it; "*.example.org" is
 *                any host with one label or more before it, so not example.org itself
 *     path       the path begins with these characters, as nginx's `location /api` means it: "/api"
 *                has /api, /api/v1 and /apish; "/api/" has only the second. Told by case
 *     methods    told by case; GET does not stand for HEAD
 *     fields     a field that comes several times: any of them; a value is told by case
 *     query      of name=value&..., escapes undone in both; several times: any of them; "+" is "+"
 *     regex      somewhere in the path or value, unless it has ^ or $
 *
 * A table is immutable and shared by workers; what a match needs to write to (PCRE2's) is the
 * worker's own. Invariant: match = the walk over all routes that tries every condition.
 */
#ifndef DP_L7_ROUTE_H
#define DP_L7_ROUTE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/http/head.h"

#define HTTP_ROUTE_NONE UINT32_MAX

struct http_table;

/* The worker's room for regular expressions. NULL: no memory. */
struct http_scratch;
struct http_scratch *http_scratch_create(void);
void http_scratch_destroy(struct http_scratch *scratch);
/* How many matches of regular expressions were given up, as no match: they took too many steps, or
 * what they were to match was too long. */
uint64_t http_scratch_limited(const struct http_scratch *scratch);

/* A request as far as routes look at it. */
struct http_question {
	const struct http_head *head;
	const uint8_t *bytes; /* that head's spans are of */
	const uint8_t *path;  /* in normal form (lib/http/path.h) */
	size_t path_length;
};

/* The index of the route, or HTTP_ROUTE_NONE. Worker. */
uint32_t http_route_find(const struct http_table *table, struct http_scratch *scratch,
			 const struct http_question *question);

#endif
