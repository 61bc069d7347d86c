/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of paths (dp/l7/route_table.h). Entries are sorted, so those that go through a node are
 * neighbours, and what the first and the last of them have in common all have. Nodes are filled in
 * the order in which they were made, which puts the children of each side by side.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/http_table_parts.h"

/* Candidates, and one more index that they may be written to. */
static int
have_room(struct http_build *b, size_t more)
{
	struct http_table *t = b->table;
	size_t room = b->candidates_room;
	uint32_t *grown;

	if (t->n_candidates + more <= room)
		return 0;
	while (room < t->n_candidates + more)
		room = room ? 2 * room : 64;
	if (t->bytes + (room - b->candidates_room) * sizeof(*grown) > HTTP_TABLE_MOST)
		return -E2BIG;
	grown = realloc(t->candidates, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	t->bytes += (room - b->candidates_room) * sizeof(*grown);
	t->candidates = grown;
	b->candidates_room = room;
	return 0;
}

static size_t
list_length(const struct http_table *t, uint32_t list)
{
	const uint32_t *c = t->candidates + list;

	while (*c != HTTP_CANDIDATE_NONE && (*c & 1))
		c++;
	return (size_t)(c - (t->candidates + list)) + 1;
}

/* The entries [from, to) and the list `above`, in order, up to the first without conditions. */
static int
merge(struct http_build *b, size_t from, size_t to, uint32_t above, uint32_t *list)
{
	struct http_table *t = b->table;
	uint32_t own, other, least;
	int rc = have_room(b, to - from + list_length(t, above));

	if (rc != 0)
		return rc;
	*list = (uint32_t)t->n_candidates;
	do {
		own = from < to ? b->entries[from].candidate : HTTP_CANDIDATE_NONE;
		other = t->candidates[above];
		least = own < other ? own : other;
		from += own == least;
		above += other == least;
		t->candidates[t->n_candidates++] = least;
	} while (least != HTTP_CANDIDATE_NONE && (least & 1));
	return 0;
}

static size_t
common(const struct http_entry *a, const struct http_entry *b, size_t at)
{
	size_t end = a->path_length < b->path_length ? a->path_length : b->path_length;

	while (at < end && a->path[at] == b->path[at])
		at++;
	return at;
}

/* The nodes behind the characters [0, at) of the entries of a part. */
static void
add_children(struct http_build *b, uint32_t index, struct http_part part)
{
	struct http_table *t = b->table;
	struct http_node *node = &t->nodes[index];
	size_t from, to, i;

	node->first_child = (uint32_t)t->n_nodes;
	for (from = part.from; from < part.to; from = to) {
		uint8_t c = b->entries[from].path[part.at];

		for (to = from + 1; to < part.to && b->entries[to].path[part.at] == c; to++)
			;
		node->children[c / 64] |= 1ULL << c % 64;
		for (i = c / 64 + 1; i < 4; i++)
			node->before[i]++;
		b->parts[t->n_nodes++] = (struct http_part){
			.from = from, .to = to, .at = part.at, .above = part.above
		};
	}
}

static void
set_label(struct http_build *b, struct http_node *node, const uint8_t *label, size_t length)
{
	size_t i, inlined = length < HTTP_LABEL_INLINE ? length : HTTP_LABEL_INLINE;
	uint32_t rest = (uint32_t)(length - inlined);

	for (i = 0; i < inlined; i++)
		node->word |= (uint64_t)label[i] << 8 * i;
	node->bits = (uint8_t)(8 * inlined);
	if (rest == 0)
		return;
	node->label = http_build_text(b, &rest, sizeof(rest));
	http_build_text(b, label + inlined, rest);
}

static int
fill_node(struct http_build *b, uint32_t index)
{
	struct http_part part = b->parts[index];
	struct http_table *t = b->table;
	struct http_node *node = &t->nodes[index];
	const struct http_entry *first = &b->entries[part.from];
	size_t end = common(first, &b->entries[part.to - 1], part.at), own = part.from;
	uint32_t list = part.above;
	int rc;

	set_label(b, node, first->path + part.at, end - part.at);
	while (own < part.to && b->entries[own].path_length == end)
		own++;
	if (own > part.from) {
		rc = merge(b, part.from, own, part.above, &list);
		if (rc != 0)
			return rc;
	}
	node->head = t->candidates[list];
	node->rest = list + 1;
	add_children(b, index,
		     (struct http_part){ .from = own, .to = part.to, .at = end, .above = list });
	return 0;
}

int
http_build_paths(struct http_build *b, size_t from, size_t to, struct http_group *out)
{
	struct http_table *t = b->table;
	uint32_t index = (uint32_t)t->n_nodes, least = HTTP_CANDIDATE_NONE;
	size_t i;
	int rc;

	*out = (struct http_group){ HTTP_NODE_NONE, HTTP_CANDIDATE_NONE };
	if (from == to)
		return 0;
	if (t->n_candidates == 0) {
		rc = have_room(b, 1);
		if (rc != 0)
			return rc;
		t->candidates[t->n_candidates++] = HTTP_CANDIDATE_NONE;
	}
	for (i = from; i < to; i++)
		if (b->entries[i].candidate < least)
			least = b->entries[i].candidate;
	out->root = index;
	out->least = least & ~1u;
	b->parts[t->n_nodes++] = (struct http_part){ .from = from, .to = to };
	for (; index < t->n_nodes; index++) {
		rc = fill_node(b, index);
		if (rc != 0)
			return rc;
	}
	return 0;
}
