/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l7/route.h"

#include "dp/l7/route_host.h"
#include "dp/l7/route_parts.h"

/* A host has at most as many suffixes as characters. */
#define SOURCES_MOST (HTTP_HOST_MOST + 2)

/* Candidates out of one group. Its tree is walked only if one of its routes may be the first that
 * is left: until then `next` is its least. */
struct source {
	uint32_t next; /* candidate */
	uint32_t rest; /* where the others are */
	uint32_t root; /* HTTP_NODE_NONE: the tree has been walked */
};

struct sources {
	size_t n;
	struct source all[SOURCES_MOST];
};

/* ---- hosts ----------------------------------------------------------------------------------- */

static void
add_source(struct sources *s, struct http_group group)
{
	if (group.root != HTTP_NODE_NONE)
		s->all[s->n++] = (struct source){ .next = group.least, .root = group.root };
}

static void
add_host(struct sources *s, const struct http_table *t, const struct http_hosts *hosts,
	 const struct http_host *host, size_t at)
{
	const struct http_host_slot *slot;

	if (!http_host_has_length(hosts, host->length - at))
		return;
	slot = http_host_slot(hosts, t->text, host, at);
	if (slot->length > 0)
		add_source(s, slot->group);
}

/* Labels are cut off from the left, one or more. */
static void
add_suffixes(struct sources *s, const struct http_table *t, const struct http_host *host)
{
	const uint8_t *dot = host->bytes, *end = host->bytes + host->length;

	while (++dot < end && (dot = memchr(dot, '.', (size_t)(end - dot))) != NULL)
		if (dot + 1 < end)
			add_host(s, t, &t->suffixes, host, (size_t)(dot + 1 - host->bytes));
}

/* The groups that the request's host concerns. */
static void
find_sources(struct sources *s, const struct http_table *t, const struct http_question *q)
{
	struct http_span span = q->head->authority.host;
	struct http_host host;

	s->n = 0;
	if (t->exact.n + t->suffixes.n > 0 &&
	    http_host_read(&host, q->bytes + span.at, span.length)) {
		if (t->exact.n > 0)
			add_host(s, t, &t->exact, &host, 0);
		if (t->suffixes.n > 0)
			add_suffixes(s, t, &host);
	}
	add_source(s, t->any);
}

/* ---- paths ----------------------------------------------------------------------------------- */

static bool
has_child(const struct http_node *node, uint8_t c)
{
	return node->children[c / 64] >> c % 64 & 1;
}

/* As many children come before it as bits do. */
static uint32_t
child(const struct http_node *node, uint8_t c)
{
	uint64_t below = node->children[c / 64] & ((1ULL << c % 64) - 1);
	uint32_t n = (uint32_t)__builtin_popcountll(below);
	unsigned int i;

	for (i = 0; i < c / 64; i++)
		n += (uint32_t)__builtin_popcountll(node->children[i]);
	return node->first_child + n;
}

/* Labels are short: a call would take longer than they do. */
static bool
same(const uint8_t *a, const uint8_t *b, size_t length)
{
	uint64_t x, y;

	for (; length >= 8; length -= 8, a += 8, b += 8) {
		memcpy(&x, a, 8);
		memcpy(&y, b, 8);
		if (x != y)
			return false;
	}
	for (; length > 0; length--)
		if (*a++ != *b++)
			return false;
	return true;
}

/* Down the tree as far as the path goes along with it. */
static void
walk(struct source *source, const struct http_table *t, const uint8_t *path, size_t length)
{
	uint32_t at = source->root;

	*source = (struct source){ .next = HTTP_CANDIDATE_NONE, .root = HTTP_NODE_NONE };
	for (;;) {
		const struct http_node *node = &t->nodes[at];
		uint8_t c;

		if (node->length > length || (node->ends && node->length != length) ||
		    !same(t->text + node->label, path, node->length))
			return;
		source->next = node->head;
		source->rest = node->rest;
		path += node->length;
		length -= node->length;
		c = length > 0 ? *path : '\0';
		if (node->ends || !has_child(node, c))
			return;
		at = child(node, c);
	}
}

/* ---- all together ---------------------------------------------------------------------------- */

/* The source whose next candidate is the first. */
static struct source *
first_of(struct sources *s)
{
	struct source *first = s->all;
	size_t i;

	for (i = 1; i < s->n; i++)
		if (s->all[i].next < first->next)
			first = &s->all[i];
	return first;
}

uint32_t
http_route_find(const struct http_table *table, struct http_scratch *scratch,
		const struct http_question *question)
{
	struct http_asked asked = { table, scratch, question };
	struct sources sources;

	http_regex_begin(scratch);
	find_sources(&sources, table, question);
	if (sources.n == 0)
		return HTTP_ROUTE_NONE;
	for (;;) {
		struct source *s = first_of(&sources);
		uint32_t route = s->next >> 1;

		if (s->next == HTTP_CANDIDATE_NONE)
			return HTTP_ROUTE_NONE;
		if (s->root != HTTP_NODE_NONE) {
			walk(s, table, question->path, question->path_length);
			continue;
		}
		if (!(s->next & 1) || http_rule_holds(&asked, &table->rules[route]))
			return route;
		s->next = table->candidates[s->rest++];
	}
}
