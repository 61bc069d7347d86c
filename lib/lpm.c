/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building the longest-prefix trie: entries are sorted by address, then length, so that a prefix
 * always stands before the ones inside it. A node then is painted from left to right, outer
 * prefixes first, and whatever is longer than the node's 8 bits is one consecutive run of entries
 * per word, which becomes that word's child.
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
	size_t room; /* nodes that words has space for */
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
		room = b->room ? 2 * b->room : 16;
		if (room > LPM_CHILD)
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

/* The word for items [from, to), which agree in their first depth bytes, where `outer` is the value
 * of the prefix around them. */
static int
build_word(struct build *b, size_t from, size_t to, unsigned int depth, uint32_t *word)
{
	uint32_t node[256], outer = *word;
	const struct item *it;
	size_t i, end, v, span;
	int rc;

	for (; from < to && b->items[from].len <= 8 * depth; from++)
		outer = b->items[from].value;
	*word = outer;
	if (from == to)
		return 0;
	for (v = 0; v < 256; v++)
		node[v] = outer;
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
	free(t);
}
