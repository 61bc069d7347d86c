/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP routes into a table: groups by host, and a tree of paths for each. */
#include "cp/compile/http_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/http_table_parts.h"

#define CACHE_LINE ((size_t)64)

/* ---- memory ---------------------------------------------------------------------------------- */

int
http_build_memory(struct http_build *b, void **out, size_t n, size_t size)
{
	size_t bytes = (n * size / CACHE_LINE + 1) * CACHE_LINE;

	*out = NULL;
	if (n > HTTP_TABLE_MOST / size || b->table->bytes + bytes > HTTP_TABLE_MOST)
		return -E2BIG;
	*out = aligned_alloc(CACHE_LINE, bytes);
	if (!*out)
		return -ENOMEM;
	memset(*out, 0, bytes);
	b->table->bytes += bytes;
	return 0;
}

uint32_t
http_build_text(struct http_build *b, const void *bytes, size_t length)
{
	uint32_t at = (uint32_t)b->table->n_text;

	if (length > 0)
		memcpy(b->table->text + at, bytes, length);
	b->table->n_text += length;
	return at;
}

/* ---- entries --------------------------------------------------------------------------------- */

/* False: no request has that host. */
static bool
read_host(struct http_build *b, struct http_entry *e, const char *text)
{
	struct host host;

	e->kind = HTTP_HOST_ANY;
	if (!text)
		return true;
	e->kind = strncmp(text, "*.", 2) == 0 ? HTTP_HOST_SUFFIX : HTTP_HOST_EXACT;
	if (e->kind == HTTP_HOST_SUFFIX)
		text += 2;
	if (!host_read(&host, (const uint8_t *)text, strlen(text)))
		return false;
	e->host = b->table->text + http_build_text(b, host.bytes, host.length);
	e->host_length = host.length;
	return true;
}

static void
read_path(struct http_entry *e, const struct http_match_config *m)
{
	const char *path = m->path ? m->path : "";

	e->path = (const uint8_t *)path;
	e->path_length = strlen(path);
	if (m->path_exact) {
		e->path = (const uint8_t *)m->path_exact;
		e->path_length = strlen(m->path_exact) + 1;
	}
}

static void
read_entries(struct http_build *b, const struct http_route_config *routes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const struct http_match_config *m = &routes[i].match;
		struct http_entry *e = &b->entries[b->n_entries];

		*e = (struct http_entry){
			.candidate = (uint32_t)i << 1 | http_route_conditional(m),
		};
		read_path(e, m);
		if (read_host(b, e, m->host))
			b->n_entries++;
	}
}

static int
compare_bytes(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
	size_t least = a_length < b_length ? a_length : b_length;
	int order = least > 0 ? memcmp(a, b, least) : 0;

	if (order != 0)
		return order;
	return (a_length > b_length) - (a_length < b_length);
}

static int
compare_hosts(const struct http_entry *a, const struct http_entry *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return compare_bytes(a->host, a->host_length, b->host, b->host_length);
}

static int
compare_entries(const void *left, const void *right)
{
	const struct http_entry *a = left, *b = right;
	int order = compare_hosts(a, b);

	if (order == 0)
		order = compare_bytes(a->path, a->path_length, b->path, b->path_length);
	if (order == 0)
		order = a->candidate < b->candidate ? -1 : 1;
	return order;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static size_t
end_of_group(const struct http_build *b, size_t from)
{
	size_t to = from + 1;

	while (to < b->n_entries && compare_hosts(&b->entries[from], &b->entries[to]) == 0)
		to++;
	return to;
}

static int
make_slots(struct http_build *b, struct host_table *hosts, size_t n)
{
	size_t slots = host_slots(n);

	if (n == 0)
		return 0;
	hosts->mask = slots - 1;
	return http_build_memory(b, (void **)&hosts->slots, slots, sizeof(*hosts->slots));
}

static int
make_hosts(struct http_build *b)
{
	size_t groups[HTTP_HOST_ANY + 1] = { 0 }, from;
	int rc;

	for (from = 0; from < b->n_entries; from = end_of_group(b, from))
		groups[b->entries[from].kind]++;
	rc = make_slots(b, &b->table->exact, groups[HTTP_HOST_EXACT]);
	if (rc == 0)
		rc = make_slots(b, &b->table->suffixes, groups[HTTP_HOST_SUFFIX]);
	return rc;
}

static void
add_host(struct http_build *b, struct host_table *hosts, const struct http_entry *e,
	 struct http_group group)
{
	const uint8_t *text = b->table->text;
	struct host_slot *slot;
	struct host host;

	host_read(&host, e->host, e->host_length);
	slot = host_add(hosts, text, (uint32_t)(e->host - text), &host);
	slot->value[0] = group.root;
	slot->value[1] = group.least;
}

static int
build_groups(struct http_build *b)
{
	struct http_table *t = b->table;
	struct http_group group;
	size_t from, to;
	int rc = make_hosts(b);

	t->any = (struct http_group){ HTTP_NODE_NONE, HTTP_CANDIDATE_NONE };
	for (from = 0; from < b->n_entries && rc == 0; from = to) {
		const struct http_entry *e = &b->entries[from];

		to = end_of_group(b, from);
		rc = http_build_paths(b, from, to, &group);
		if (rc != 0)
			break;
		if (e->kind == HTTP_HOST_ANY)
			t->any = group;
		else
			add_host(b, e->kind == HTTP_HOST_EXACT ? &t->exact : &t->suffixes, e,
				 group);
	}
	return rc;
}

/* ---- all together ---------------------------------------------------------------------------- */

/* A host may become longer in its one spelling; labels have their length with them, but only those
 * that are longer than that. */
static size_t
text_of(const struct http_match_config *m)
{
	size_t length = m->host ? strlen(m->host) + 64 : 0;

	length += m->path ? 2 * strlen(m->path) : 0;
	return length + (m->path_exact ? 2 * (strlen(m->path_exact) + 1) : 0);
}

/* Nodes are at most twice as many as paths: each that ends no path has two or more below it. */
static int
make_room(struct http_build *b, const struct http_route_config *routes, size_t n)
{
	struct http_table *t = b->table;
	size_t i;
	int rc = http_build_rules_room(b, routes, n);

	b->text_room++; /* no label is at 0 */
	for (i = 0; i < n; i++)
		b->text_room += text_of(&routes[i].match);
	if (b->text_room > HTTP_TABLE_MOST)
		return -E2BIG;
	if (rc == 0)
		rc = http_build_memory(b, (void **)&t->text, b->text_room, 1);
	if (rc == 0)
		t->n_text = 1;
	if (rc == 0)
		rc = http_build_memory(b, (void **)&t->nodes, 2 * n, sizeof(*t->nodes));
	if (rc != 0)
		return rc;
	b->entries = calloc(n + !n, sizeof(*b->entries));
	b->parts = calloc(2 * n + !n, sizeof(*b->parts));
	return b->entries && b->parts ? 0 : -ENOMEM;
}

static int
build(struct http_build *b, const struct http_route_config *routes, size_t n)
{
	int rc;

	if (n > HTTP_ROUTES_MOST)
		return -E2BIG;
	b->table->n_routes = n;
	rc = make_room(b, routes, n);
	if (rc == 0)
		rc = http_build_rules(b, routes, n);
	if (rc != 0)
		return rc;
	read_entries(b, routes, n);
	qsort(b->entries, b->n_entries, sizeof(*b->entries), compare_entries);
	return build_groups(b);
}

int
http_table_build(struct http_table **out, const struct http_route_config *routes, size_t n)
{
	struct http_build b = { .table = calloc(1, sizeof(*b.table)) };
	int rc;

	*out = NULL;
	if (!b.table)
		return -ENOMEM;
	b.table->bytes = sizeof(*b.table);
	rc = build(&b, routes, n);
	free(b.entries);
	free(b.parts);
	if (rc != 0) {
		http_table_free(b.table);
		return rc;
	}
	*out = b.table;
	return 0;
}

void
http_table_free(struct http_table *table)
{
	if (!table)
		return;
	http_free_regexes(table);
	free(table->exact.slots);
	free(table->suffixes.slots);
	free(table->nodes);
	free(table->candidates);
	free(table->rules);
	free(table->conditions);
	free(table->words);
	free(table->regexes);
	free(table->text);
	free(table);
}
