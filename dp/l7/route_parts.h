/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files that find routes: route.c looks up hosts and paths, route_rule.c tries what
 * else a route asks for, route_regex.c runs regular expressions within bounds. Worker.
 */
#ifndef DP_L7_ROUTE_PARTS_H
#define DP_L7_ROUTE_PARTS_H

#include <stdbool.h>

#include "dp/l7/route.h"
#include "dp/l7/route_table.h"

/* Longer ones match no regular expression. */
#define HTTP_SUBJECT_MOST 4096

/* A request that is asked for its route. */
struct http_asked {
	const struct http_table *table;
	struct http_scratch *scratch;
	const struct http_question *question;
};

bool http_rule_holds(const struct http_asked *asked, const struct http_rule *rule);

/* Of each request first: what it may spend is its own. */
void http_regex_begin(struct http_scratch *scratch);
/* Does it match somewhere in these bytes? */
bool http_regex_matches(const struct http_asked *asked, uint32_t regex, const uint8_t *bytes,
			size_t length);
/* The same, if bytes are missing that there was no room for. */
bool http_regex_too_long(const struct http_asked *asked);
/* Room for a value of HTTP_SUBJECT_MOST bytes without its escapes. */
uint8_t *http_scratch_value(struct http_scratch *scratch);

#endif
