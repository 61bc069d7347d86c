/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two configurations, compared key by key along the table. Objects of a list belong together if
 * they have the same identity: their name, or the keys that the table marks (a backend's address
 * and port).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/config/config.h"
#include "cp/config/keys.h"
#include "cp/config/message.h"
#include "cp/config/value.h"

struct diff {
	const struct config *a, *b;
	FILE *out;
	size_t lines;
	bool no_memory;
};

/* The object inside which things differ: "pool web: ", and how much of a key's path is in that. */
struct scope {
	const char *label;
	size_t strip;
};

struct entry {
	char *identity;
	const char *at;
	size_t index;
};

static void diff_group(struct diff *d, const struct key *group, const char *a, const char *b,
		       const struct scope *scope);

static void __attribute__((format(printf, 2, 3))) line(struct diff *d, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(d->out, fmt, args);
	va_end(args);
	fputc('\n', d->out);
	d->lines++;
}

/* The length of "service" in "services"; "query" and "set" stay. */
static int
singular(const char *name)
{
	size_t n = strlen(name);

	return (int)(n > 0 && name[n - 1] == 's' ? n - 1 : n);
}

/* ---- identities ------------------------------------------------------------------------------ */

static void
append_identity(char buf[VALUE_STRLEN], const struct key *key, const char *text)
{
	bool port = strcmp(key_name(key), "port") == 0;
	size_t n = strlen(buf);

	if (key->type == KEY_INT && strcmp(text, "0") == 0)
		return;
	if (port && strchr(buf, ':') && n + 3 < VALUE_STRLEN) {
		memmove(buf + 1, buf, n + 1);
		buf[0] = '[';
		buf[n + 1] = ']';
		buf[n + 2] = '\0';
		n += 2;
	}
	if (n > 0 && n + 1 < VALUE_STRLEN)
		buf[n++] = port ? ':' : ' ';
	snprintf(buf + n, VALUE_STRLEN - n, "%s", text);
}

static char *
identity(const struct config *config, const struct key *list, const char *at)
{
	char buf[VALUE_STRLEN] = "", text[VALUE_STRLEN];
	const struct key *key = key_child(list, "name");

	if (key)
		return strdup(value_format(config, key, at + key->offset, text));
	while ((key = key_next(list, key))) {
		if (key->flags & KEY_IDENTITY)
			append_identity(buf, key,
					value_format(config, key, at + key->offset, text));
	}
	return strdup(buf);
}

/* A value by which it is found in another list: a text in full, the rest as it is written. */
static char *
value_identity(const struct config *config, const struct key *key, const char *at)
{
	char text[VALUE_STRLEN];
	const char *full;

	if (key->type != KEY_TEXT)
		return strdup(value_format(config, key, at, text));
	memcpy(&full, at, sizeof(full));
	return strdup(full);
}

static int
by_identity(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	int order = strcmp(a->identity, b->identity);

	return order ? order : (a->index > b->index) - (a->index < b->index);
}

static void
free_entries(struct entry *entries, size_t n)
{
	size_t i;

	for (i = 0; entries && i < n; i++)
		free(entries[i].identity);
	free(entries);
}

static const char *
room_of(const struct key *key, const char *base, size_t *n)
{
	const char *room;

	*n = 0;
	if (!base)
		return NULL;
	memcpy(n, base + key->count, sizeof(*n));
	if (key->flags & KEY_INLINE)
		return base + key->offset;
	memcpy(&room, base + key->offset, sizeof(room));
	return room;
}

static bool group_equal(const struct diff *d, const struct key *group, const char *a,
			const char *b);

static bool
element_equal(const struct diff *d, const struct key *key, const char *a, const char *b)
{
	return key->type == KEY_LIST ? group_equal(d, key, a, b)
				     : value_equal(d->a, d->b, key, a, b);
}

static bool
list_equal(const struct diff *d, const struct key *key, const char *a, const char *b)
{
	size_t n, m, i;
	const char *x = room_of(key, a, &n), *y = room_of(key, b, &m);

	for (i = 0; i < n && n == m; i++)
		if (!element_equal(d, key, x + i * key->size, y + i * key->size))
			return false;
	return n == m;
}

/* Do two objects of a list say the same, in the same order? */
static bool
group_equal(const struct diff *d, const struct key *group, const char *a, const char *b)
{
	const struct key *key = NULL;
	bool equal = true;

	while (equal && (key = key_next(group, key))) {
		if (key->type == KEY_LIST || (key->flags & KEY_MANY))
			equal = list_equal(d, key, a, b);
		else if (key->type == KEY_GROUP)
			equal = group_equal(d, key, a, b);
		else if (key->type != KEY_LATER)
			equal = value_equal(d->a, d->b, key, a + key->offset, b + key->offset);
	}
	return equal;
}

/* One side of a list: its elements, but for those that say the same as what stands at the same
 * place on the other side. They are most, and need no name. */
struct side {
	const struct config *config;
	const char *base, *other;
};

/* The elements in the order of what they are called. */
static struct entry *
entries_of(struct diff *d, const struct key *key, const struct side *side, size_t *n)
{
	size_t all, others, i;
	const char *room = room_of(key, side->base, &all);
	const char *other = room_of(key, side->other, &others);
	struct entry *entries = calloc(all + 1, sizeof(*entries));

	*n = 0;
	for (i = 0; entries && i < all; i++) {
		const char *at = room + i * key->size;
		struct entry *e = &entries[*n];

		if (i < others &&
		    (side->config == d->a ? element_equal(d, key, at, other + i * key->size)
					  : element_equal(d, key, other + i * key->size, at)))
			continue;
		e->at = at;
		e->index = i;
		e->identity = key->type == KEY_LIST ? identity(side->config, key, at)
						    : value_identity(side->config, key, at);
		if (!e->identity) {
			free_entries(entries, *n);
			entries = NULL;
		} else {
			++*n;
		}
	}
	if (!entries) {
		d->no_memory = true;
		*n = 0;
		return NULL;
	}
	qsort(entries, *n, sizeof(*entries), by_identity);
	return entries;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void
one_sided(struct diff *d, const struct key *key, char sign, const char *full,
	  const struct scope *scope)
{
	const char *name = key->path + scope->strip;
	char what[QUOTED_LEN];

	text_printable(full, what);
	if (key->type != KEY_LIST)
		line(d, "~ %s%s %c %s", scope->label, name, sign, what);
	else if (scope->label[0])
		line(d, "~ %s%c %.*s %s", scope->label, sign, singular(name), name, what);
	else
		line(d, "%c %.*s %s", sign, singular(name), name, what);
}

static void
both_sided(struct diff *d, const struct key *key, const struct entry *a, const struct entry *b,
	   const struct scope *scope)
{
	char label[2 * VALUE_STRLEN];
	struct scope inner = { label, strlen(key->path) + 1 };
	const char *name = key->path + scope->strip;

	snprintf(label, sizeof(label), "%s%.*s %.*s: ", scope->label, singular(name), name,
		 VALUE_STRLEN / 2, a->identity);
	diff_group(d, key, a->at, b->at, &inner);
}

/* Do the elements that both lists have stand in another order? Those that are alike at the same
 * place stand in neither list of entries, but count: one that passes them has moved. */
static bool
reordered(struct diff *d, const struct key *key, const char *a, const char *b)
{
	size_t n, m, i, j, last = 0;
	struct entry *x = entries_of(d, key, &(struct side){ d->a, a, NULL }, &n);
	struct entry *y = entries_of(d, key, &(struct side){ d->b, b, NULL }, &m);
	size_t *places = calloc(n + 1, sizeof(*places)); /* in b + 1, by place in a; 0: gone */
	bool found = false;

	for (i = j = 0; places && i < n && j < m;) {
		int order = strcmp(x[i].identity, y[j].identity);

		if (order == 0)
			places[x[i].index] = y[j].index + 1;
		i += order <= 0;
		j += order >= 0;
	}
	for (i = 0; places && i < n; i++) {
		found = found || (places[i] && places[i] < last);
		last = places[i] ? places[i] : last;
	}
	d->no_memory = d->no_memory || !places;
	free(places);
	free_entries(x, n);
	free_entries(y, m);
	return found;
}

static void
diff_list(struct diff *d, const struct key *key, const char *a, const char *b,
	  const struct scope *scope)
{
	size_t n, m, i = 0, j = 0, before = d->lines;
	struct entry *x = entries_of(d, key, &(struct side){ d->a, a, b }, &n);
	struct entry *y = entries_of(d, key, &(struct side){ d->b, b, a }, &m);
	bool moved = false;

	while (i < n || j < m) {
		int order = i == n ? 1 : -1; /* what is left on one side only */

		if (i < n && j < m)
			order = strcmp(x[i].identity, y[j].identity);

		if (order < 0) {
			one_sided(d, key, '-', x[i++].identity, scope);
		} else if (order > 0) {
			one_sided(d, key, '+', y[j++].identity, scope);
		} else {
			moved = moved || x[i].index != y[j].index;
			if (key->type == KEY_LIST)
				both_sided(d, key, &x[i], &y[j], scope);
			i++;
			j++;
		}
	}
	if (((key->flags & KEY_MANY) && moved && d->lines == before) ||
	    ((key->flags & KEY_ORDERED) && moved && reordered(d, key, a, b)))
		line(d, "~ %s%s in another order", scope->label, key->path + scope->strip);
	free_entries(x, n);
	free_entries(y, m);
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void
diff_group(struct diff *d, const struct key *group, const char *a, const char *b,
	   const struct scope *scope)
{
	char from[VALUE_STRLEN], to[VALUE_STRLEN];
	const struct key *key = NULL;

	while ((key = key_next(group, key))) {
		if (key->type == KEY_LIST || (key->flags & KEY_MANY)) {
			diff_list(d, key, a, b, scope);
			continue;
		}
		if (!a || !b || key->type == KEY_LATER)
			continue;
		if (key->type == KEY_GROUP)
			diff_group(d, key, a, b, scope);
		else if (!value_equal(d->a, d->b, key, a + key->offset, b + key->offset))
			line(d, "~ %s%s %s -> %s", scope->label, key->path + scope->strip,
			     value_format(d->a, key, a + key->offset, from),
			     value_format(d->b, key, b + key->offset, to));
	}
}

size_t
config_diff(const struct config *running, const struct config *wanted, FILE *out)
{
	struct diff d = { .a = running, .b = wanted, .out = out };
	struct scope file = { "", 0 };

	diff_group(&d, config_keys_root, (const char *)running, (const char *)wanted, &file);
	if (d.no_memory)
		line(&d, "~ out of memory: the comparison is not complete");
	return d.lines;
}

/* ---- restart --------------------------------------------------------------------------------- */

/* The first key marked for restart inside group whose values differ, or NULL. */
static const struct key *
restart_key(const struct diff *d, const struct key *group, const char *a, const char *b)
{
	const struct key *key = NULL, *found = NULL;

	while (!found && (key = key_next(group, key))) {
		const char *x = a + key->offset, *y = b + key->offset;
		size_t n = 1, m = 1, i;

		if (key->type == KEY_GROUP) {
			found = restart_key(d, key, a, b);
			continue;
		}
		if (!(key->flags & KEY_RESTART))
			continue;
		if (key->type == KEY_LIST || (key->flags & KEY_MANY)) {
			x = room_of(key, a, &n);
			y = room_of(key, b, &m);
		}
		if (n != m)
			return key;
		for (i = 0; i < n && !found; i++) {
			if (key->type == KEY_LIST)
				found = restart_key(d, key, x + i * key->size, y + i * key->size);
			else if (!value_equal(d->a, d->b, key, x + i * key->size,
					      y + i * key->size))
				found = key;
		}
	}
	return found;
}

bool
config_needs_restart(const struct config *a, const struct config *b, const char **why)
{
	struct diff d = { .a = a, .b = b };
	const struct key *key = restart_key(&d, config_keys_root, (const char *)a, (const char *)b);

	if (key && why)
		*why = key->path;
	return key != NULL;
}
