/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the routes of an HTTP listener are compiled into: made by cp/compile/http_table.c, read by
 * dp/l7/route.c. Immutable, any thread; the control thread owns it.
 *
 * Routes with the same host are a group, and each route is in one group only: a table is as large
 * as what the user wrote. The groups that a host concerns are found by hash: its own, those of its
 * suffixes, and the one of any host. Each has a tree of paths:
 *
 *     routes  0 /  (if POST)    1 /api    2 /api/v1    3 = /app    4 /  (any)
 *
 *            "/" [0 4]
 *              │ a
 *            "ap" [0 4]                       no route's path: the list of the node above
 *         i ┌──┴──┐ p
 *     "i" [0 1]  "p" [0 4]
 *         │ /     │ NUL
 *   "/v1" [0 1]  "" [0 3]                     NUL ends the path: no path has one
 *
 *     A node's label begins with the character by which it is found, and its list has the routes of
 *     all paths on the way to it, in order, up to the first one that has no further conditions: 2
 *     is in none, because 1 always comes first.
 *
 * A candidate is a route's index and whether there is more to be tried than host and path:
 *     index << 1 | conditional, so candidates sort as routes do
 */
#ifndef DP_L7_ROUTE_TABLE_H
#define DP_L7_ROUTE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/host.h"

#define HTTP_CANDIDATE_NONE UINT32_MAX /* ends a list, if no candidate without conditions does */
#define HTTP_NODE_NONE      UINT32_MAX
#define HTTP_REGEX_NONE     UINT32_MAX

#define HTTP_ROUTES_MOST ((size_t)INT32_MAX)

/* Part of a path. The label begins in the node itself: most are no longer. */
#define HTTP_LABEL_INLINE 7

struct http_node {
	uint64_t children[4]; /* bit c: there is a node whose label begins with character c */
	uint64_t word;        /* the first characters of the label, the first one lowest */
	uint32_t first_child; /* children are side by side, in the order of their characters */
	uint32_t head;        /* its first candidate, */
	uint32_t rest;        /* and the index of the others */
	uint32_t label;       /* what word has no room for, in text, its length as uint32_t before
				 it; 0: nothing */
	uint8_t bits;         /* of word that count */
	uint8_t before[4];    /* how many children have their bits in earlier words of them */
};

/* The root of a group's paths, and the first of its routes as a candidate without conditions. */
struct http_group {
	uint32_t root; /* HTTP_NODE_NONE: there is no group */
	uint32_t least;
};

enum http_condition_kind {
	HTTP_CONDITION_HEADER,
	HTTP_CONDITION_QUERY,
};

enum http_condition_test {
	HTTP_TEST_PRESENT,
	HTTP_TEST_VALUE,
	HTTP_TEST_REGEX,
};

struct http_condition {
	uint8_t kind;  /* enum http_condition_kind */
	uint8_t test;  /* enum http_condition_test */
	uint8_t known; /* enum http_known, of a header */
	uint32_t name, name_length;
	uint32_t value, value_length;
	uint32_t regex;
};

/* A method that is none of enum http_method. */
struct http_word {
	uint32_t text, length;
};

/* What a route asks for beside host and path. */
struct http_rule {
	uint32_t methods; /* bit m: enum http_method m is allowed; 0 and no words: all are */
	uint32_t words, n_words;
	uint32_t conditions, n_conditions;
	uint32_t regex; /* of the path */
};

struct http_table {
	/* The values of hosts are groups: root, least. */
	struct host_table exact, suffixes;
	struct http_group any;
	struct http_node *nodes;
	uint32_t *candidates;
	struct http_rule *rules; /* by route */
	struct http_condition *conditions;
	struct http_word *words;
	pcre2_code **regexes;
	uint8_t *text;
	size_t n_routes, n_nodes, n_candidates, n_conditions, n_words, n_regexes, n_text;
	size_t bytes; /* of memory, all in all */
};

_Static_assert(sizeof(struct http_node) == 64, "one cache line");

#endif
