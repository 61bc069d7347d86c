/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the builder of HTTP routes: http_table.c makes groups and their hosts, http_paths.c
 * the trees of paths, http_rules.c what else routes ask for. All return 0 or -errno. Control thread
 * only.
 */
#ifndef CP_COMPILE_HTTP_TABLE_PARTS_H
#define CP_COMPILE_HTTP_TABLE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/compile/http_table.h"
#include "dp/l7/route_table.h"

/* A route as groups and trees see it. */
struct http_entry {
	const uint8_t *host; /* in the form of lib/host.h, in the table's text */
	const uint8_t *path; /* with the NUL at its end if it has to be the whole path */
	size_t host_length, path_length;
	uint32_t candidate;
	uint8_t kind; /* enum http_host_kind */
};

enum http_host_kind {
	HTTP_HOST_EXACT,
	HTTP_HOST_SUFFIX,
	HTTP_HOST_ANY,
};

/* The part of the entries, sorted by path, that goes through a node that is yet to be filled. */
struct http_part {
	size_t from, to; /* entries */
	size_t at;       /* characters of their paths before the node */
	uint32_t above;  /* the list of the node above: index in candidates */
};

struct http_build {
	struct http_table *table;
	struct http_entry *entries; /* those that some request can match */
	struct http_part *parts;    /* by node */
	size_t n_entries;
	size_t candidates_room, text_room;
};

/* Memory that counts against HTTP_TABLE_MOST, zeroed, on cache lines, at least one; *out is NULL on
 * error. */
int http_build_memory(struct http_build *b, void **out, size_t n, size_t size);
/* Put into the table's text; the index. There is room: text_room was computed before. */
uint32_t http_build_text(struct http_build *b, const void *bytes, size_t length);

/* A tree of the entries [from, to), which are sorted by path and then by candidate. */
int http_build_paths(struct http_build *b, size_t from, size_t to, struct http_group *out);

/* How much there is in routes: the arrays and the text are as large as they need to be. */
int http_build_rules_room(struct http_build *b, const struct http_route_config *routes, size_t n);
int http_build_rules(struct http_build *b, const struct http_route_config *routes, size_t n);
/* Is there more to be tried than host and path? */
bool http_route_conditional(const struct http_match_config *match);
void http_free_regexes(struct http_table *table);

#endif
