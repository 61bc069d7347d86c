/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l7/route.h"

#include <endian.h>

#include "dp/l7/route_parts.h"

/* A host has at most as many suffixes as characters. */
#define SOURCES_MOST (HOST_MOST + 2)

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
add_host(struct sources *s, const struct http_table *t, const struct host_table *hosts,
	 const struct host *host, size_t at)
{
	const struct host_slot *slot = host_find(hosts, t->text, host, at);

	if (slot)
		add_source(s, (struct http_group){ slot->value[0], slot->value[1] });
}

/* Labels are cut off from the left, one or more. */
static void
add_suffixes(struct sources *s, const struct http_table *t, const struct host *host)
{
	size_t at = 0;

	while ((at = host_suffix(host, at)) != 0)
		add_host(s, t, &t->suffixes, host, at);
}

/* The groups that the request's host concerns. */
static void
find_sources(struct sources *s, const struct http_table *t, const struct http_question *q)
{
	struct http_span span = q->head->authority.host;
	struct host host;

	s->n = 0;
	if (t->exact.n + t->suffixes.n > 0 && host_read(&host, q->bytes + span.at, span.length)) {
		if (t->exact.n > 0)
			add_host(s, t, &t->exact, &host, 0);
		if (t->suffixes.n > 0)
			add_suffixes(s, t, &host);
	}
	add_source(s, t->any);
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* What is left of a path, behind which there are zeros. */
struct left {
	const uint8_t *at, *end;
	uint8_t copy[8];
};

/* A path of 8 characters or more is read where it is: see next_word. */
static void
begin_path(struct left *left, const uint8_t *path, size_t length)
{
	left->at = path;
	left->end = path + length;
	if (length >= 8)
		return;
	memset(left->copy, 0, sizeof(left->copy));
	left->end = left->copy + sizeof(left->copy);
	left->at = left->end - length;
	memcpy(left->copy + 8 - length, path, length);
}

/* The next 8 characters, the first one lowest. Nothing behind the end is read: of the last 8, those
 * that have been seen are shifted out. */
static uint64_t
next_word(const struct left *left)
{
	ptrdiff_t missing = 8 - (left->end - left->at);
	uint64_t word;

	if (missing >= 8)
		return 0;
	missing = missing > 0 ? missing : 0;
	memcpy(&word, left->at - missing, 8);
	return le64toh(word) >> 8 * missing;
}

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

	return node->first_child + node->before[c / 64] + (uint32_t)__builtin_popcountll(below);
}

/* The rest of a label that is longer than its node has room for. */
static bool
rest_agrees(const struct http_node *node, const uint8_t *text, struct left *left)
{
	size_t there = (size_t)(left->end - left->at), n;
	uint32_t length;

	memcpy(&length, text + node->label, sizeof(length));
	text += node->label + sizeof(length);
	n = length - (text[length - 1] == '\0');
	if (n > there || (n < length && n != there) || memcmp(text, left->at, n) != 0)
		return false;
	left->at += n;
	return true;
}

/* Does the path go along with the label? Then what is behind it is left. */
static bool
agrees(const struct http_node *node, const uint8_t *text, uint64_t word, struct left *left)
{
	if (((word ^ node->word) & ((1ULL << node->bits) - 1)) != 0)
		return false;
	left->at += node->bits / 8;
	return node->label == 0 || rest_agrees(node, text, left);
}

/* Down the tree as far as the path goes along with it. */
static void
walk(struct source *source, const struct http_table *t, const uint8_t *path, size_t length)
{
	const struct http_node *node = &t->nodes[source->root];
	struct left left;
	uint64_t word;

	begin_path(&left, path, length);
	*source = (struct source){ .next = HTTP_CANDIDATE_NONE, .root = HTTP_NODE_NONE };
	for (word = next_word(&left); agrees(node, t->text, word, &left);
	     node = &t->nodes[child(node, (uint8_t)word)]) {
		source->next = node->head;
		source->rest = node->rest;
		word = next_word(&left);
		if (!has_child(node, (uint8_t)word))
			return;
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
