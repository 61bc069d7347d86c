/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building the longest-prefix trie: entries are sorted by address, then length, so that a prefix
 * always stands before the ones inside it, and what the first and the last of a run agree in, all
 * between them do. A run that agrees in the next byte becomes a path. Else it becomes a node, which
 * is painted from left to right, outer prefixes first, and whatever is longer than the node's 8
 * bits is one consecutive run of entries per word, which becomes that word's child.
 */
#include "lib/lpm.h"

#include <errno.h>
#include <stdlib.h>

struct item {
	struct addr addr;
	size_t order; /* where the caller had it: later wins */
	uint32_t value;
	uint8_t len;
};

struct build {
	struct lpm *t;
	size_t room;      /* nodes that words has space for */
	size_t path_room; /* ... and paths */
	const struct item *items;
};

static int
item_compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int c = addr_compare(&x->addr, &y->addr);

	if (c != 0)
		return c;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* Store a node, or nothing where all its words say the same. *word is what the parent is to say. */
static int
keep_node(struct build *b, const uint32_t node[256], uint32_t *word)
{
	struct lpm *t = b->t;
	uint32_t *grown;
	size_t room;

	if (!(node[0] & LPM_CHILD) && !memcmp(node, node + 1, 255 * sizeof(*node))) {
		*word = node[0];
		return 0;
	}
	if (t->nodes == b->room) {
		room = b->room ? 2 * b->room : 4;
		if (room > LPM_INDEX)
			return -ENOMEM;
		grown = realloc(t->words, room * 256 * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		t->words = grown;
		b->room = room;
	}
	memcpy(&t->words[t->nodes * 256], node, 256 * sizeof(*node));
	*word = LPM_CHILD | (uint32_t)t->nodes++;
	return 0;
}

/* Store a path. */
static int
keep_path(struct build *b, const struct lpm_path *path, uint32_t *word)
{
	struct lpm *t = b->t;
	struct lpm_path *grown;
	size_t room;

	if (t->n_paths == b->path_room) {
		room = b->path_room ? 2 * b->path_room : 16;
		if (room > LPM_INDEX)
			return -ENOMEM;
		grown = realloc(t->paths, room * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		t->paths = grown;
		b->path_room = room;
	}
	t->paths[t->n_paths] = *path;
	*word = LPM_CHILD | LPM_PATH | (uint32_t)t->n_paths++;
	return 0;
}

/* How many bits, from the first on, all of items [from, to) have and agree in. Of their lengths
 * only the first one's matters: a shorter one that agrees so far would have been sorted before it.
 */
static unsigned int
common_bits(const struct item *items, size_t from, size_t to)
{
	const uint8_t *x = items[from].addr.b, *y = items[to - 1].addr.b;
	unsigned int i, bits;

	for (i = 0; i < 16 && x[i] == y[i]; i++)
		;
	bits = i == 16 ? 128 : 8 * i + (unsigned int)__builtin_clz(x[i] ^ y[i]) - 24;
	return bits < items[from].len ? bits : items[from].len;
}

static int build_word(struct build *b, size_t from, size_t to, unsigned int depth, uint32_t *word);

/* A path along the first `bits` bits of items [from, to), which end with a byte unless all the
 * items are one prefix. *word as in build_word. */
static int
build_path(struct build *b, size_t from, size_t to, unsigned int bits, uint32_t *word)
{
	static const struct addr ones = { .q = { UINT64_MAX, UINT64_MAX } };
	struct lpm_path path = {
		.key = addr_mask(&b->items[from].addr, bits),
		.mask = addr_mask(&ones, bits),
		.word = *word,
		.outer = *word,
		.depth = bits / 8,
	};
	int rc;

	for (; from < to && b->items[from].len == bits; from++)
		path.word = b->items[from].value;
	rc = build_word(b, from, to, path.depth, &path.word);
	if (rc || path.word == path.outer)
		return rc;
	return keep_path(b, &path, word);
}

/* A node for items [from, to), which are longer than 8 * depth bits. *word as in build_word. */
static int
build_node(struct build *b, size_t from, size_t to, unsigned int depth, uint32_t *word)
{
	uint32_t node[256];
	const struct item *it;
	size_t i, end, v, span;
	int rc;

	for (v = 0; v < 256; v++)
		node[v] = *word;
	for (i = from; i < to; i = end) {
		it = &b->items[i];
		v = it->addr.b[depth];
		end = i + 1;
		if (it->len <= 8 * (depth + 1)) {
			for (span = (size_t)1 << (8 * (depth + 1) - it->len); span > 0; span--)
				node[v++] = it->value;
			continue;
		}
		while (end < to && b->items[end].addr.b[depth] == v)
			end++;
		rc = build_word(b, i, end, depth + 1, &node[v]);
		if (rc)
			return rc;
	}
	return keep_node(b, node, word);
}

/* The word for items [from, to), which agree in their first depth bytes. *word: in, the value of
 * the prefix around them. */
static int
build_word(struct build *b, size_t from, size_t to, unsigned int depth, uint32_t *word)
{
	unsigned int bits;

	for (; from < to && b->items[from].len <= 8 * depth; from++)
		*word = b->items[from].value;
	if (from == to)
		return 0;
	bits = common_bits(b->items, from, to);
	if (b->items[to - 1].len == bits)
		return build_path(b, from, to, bits, word);
	if (bits >= 8 * (depth + 1))
		return build_path(b, from, to, bits / 8 * 8, word);
	return build_node(b, from, to, depth, word);
}

/* Copy the entries of one family, sorted, and build its tree. */
static int
build_family(struct build *b, const struct lpm_entry *entries, size_t n, bool v4)
{
	uint32_t *root = v4 ? &b->t->root4 : &b->t->root6;
	const struct prefix *p;
	struct item *items;
	size_t i, count = 0;
	int rc;

	*root = LPM_NONE;
	items = malloc((n ? n : 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		p = &entries[i].prefix;
		if ((p->len >= 96 && addr_is_v4(&p->addr)) != v4)
			continue;
		items[count].addr = addr_mask(&p->addr, p->len);
		items[count].order = i;
		items[count].value = entries[i].value;
		items[count].len = p->len;
		count++;
	}
	qsort(items, count, sizeof(*items), item_compare);
	b->items = items;
	rc = build_word(b, 0, count, v4 ? 12 : 0, root);
	free(items);
	return rc;
}

int
lpm_build(struct lpm **out, const struct lpm_entry *entries, size_t n)
{
	struct build b = { 0 };
	size_t i;
	int rc;

	for (i = 0; i < n; i++)
		if (entries[i].value >= LPM_NONE || entries[i].prefix.len > 128)
			return -EINVAL;
	b.t = calloc(1, sizeof(*b.t));
	if (!b.t)
		return -ENOMEM;
	rc = build_family(&b, entries, n, true);
	if (!rc)
		rc = build_family(&b, entries, n, false);
	if (rc) {
		lpm_free(b.t);
		return rc;
	}
	*out = b.t;
	return 0;
}

void
lpm_free(struct lpm *t)
{
	if (!t)
		return;
	free(t->words);
	free(t->paths);
	free(t);
}
