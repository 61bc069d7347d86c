/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/state/history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/log.h"

#define PREFIX "generation-"
/* Files that are looked at; more were not put there by us. */
#define FILES_MAX 64

struct refused {
	char name[STORE_NAME_MAX + 1];
	char why[128];
};

struct history {
	struct store *store;
	struct generation list[HISTORY_MAX + 1]; /* one more while one is added */
	size_t n;
	uint64_t highest; /* number ever given, as far as files tell */
	struct refused refused[FILES_MAX];
	size_t n_refused;
};

struct file_name {
	char text[STORE_NAME_MAX + 1];
};

static struct file_name
name_of(uint64_t number)
{
	struct file_name name;

	snprintf(name.text, sizeof(name.text), PREFIX "%" PRIu64, number);
	return name;
}

/* The number in a file's name; 0 if it is not one that we would give. */
static uint64_t
number_of(const char *name)
{
	uint64_t number = strtoull(name + strlen(PREFIX), NULL, 10);

	if (number == 0 || number > GENERATION_NUMBER_MAX)
		return 0;
	return strcmp(name_of(number).text, name) == 0 ? number : 0;
}

/* ---- reading ---- */

static void
refuse(struct history *h, const char *name, const char *why)
{
	struct refused *r = &h->refused[h->n_refused];

	if (h->n_refused == FILES_MAX)
		return;
	h->n_refused++;
	snprintf(r->name, sizeof(r->name), "%s", name);
	snprintf(r->why, sizeof(r->why), "%s", why);
}

void
history_report(const struct history *h)
{
	size_t i;

	for (i = 0; i < h->n_refused; i++)
		log_event(LOG_LEVEL_WARNING, "state-refused", "directory", store_dir(h->store),
			  "file", h->refused[i].name, "reason", h->refused[i].why, NULL);
}

struct listing {
	uint64_t numbers[FILES_MAX];
	size_t n;
	struct history *history;
};

/* Keeps the highest numbers, highest first. */
static void
list_name(void *arg, const char *name)
{
	struct listing *l = arg;
	uint64_t number = number_of(name);
	size_t i;

	if (!number) {
		refuse(l->history, name, "its name has no number");
		return;
	}
	if (l->n == FILES_MAX && number < l->numbers[FILES_MAX - 1])
		return;
	i = l->n < FILES_MAX ? l->n++ : FILES_MAX - 1;
	for (; i > 0 && l->numbers[i - 1] < number; i--)
		l->numbers[i] = l->numbers[i - 1];
	l->numbers[i] = number;
}

static void
read_one(struct history *h, uint64_t number)
{
	struct file_name name = name_of(number);
	struct generation g = { 0 };
	size_t len = 0;
	char *data = store_read(h->store, name.text, &len);
	const char *error = data ? generation_decode(data, len, &g) : strerror(errno);

	free(data);
	if (error) {
		refuse(h, name.text, error);
		return;
	}
	if (g.number != number) {
		refuse(h, name.text, "its number is not that of its name");
		generation_clear(&g);
		return;
	}
	h->list[h->n++] = g;
}

/* ---- changing ---- */

/* Take list[i] out, and its file away. */
static void
drop(struct history *h, size_t i)
{
	if (h->store)
		store_remove(h->store, name_of(h->list[i].number).text);
	generation_clear(&h->list[i]);
	h->n--;
	memmove(&h->list[i], &h->list[i + 1], (h->n - i) * sizeof(h->list[0]));
}

/* Let the oldest go, but not the newest confirmed one. */
static void
prune(struct history *h)
{
	const struct generation *good = history_good(h, UINT64_MAX, NULL);

	if (h->n > HISTORY_MAX)
		drop(h, good == &h->list[0] ? 1 : 0);
}

/* Files that could not be read go when their time has come, as if they had been read. */
static void
prune_refused(struct history *h)
{
	size_t i = 0;

	while (i < h->n_refused) {
		uint64_t number = number_of(h->refused[i].name);

		if (number == 0 || number >= h->list[0].number) {
			i++;
			continue;
		}
		store_remove(h->store, h->refused[i].name);
		h->refused[i] = h->refused[--h->n_refused];
	}
}

/* 0 or -errno. */
static int
write_one(struct history *h, const struct generation *g)
{
	size_t len = 0;
	char *data;
	int rc;

	if (!h->store)
		return 0;
	data = generation_encode(g, &len);
	rc = data ? store_write(h->store, name_of(g->number).text, data, len) : -ENOMEM;
	free(data);
	return rc;
}

int
history_add(struct history *h, const struct generation *g)
{
	int rc = generation_copy(g, &h->list[h->n]);

	if (rc < 0)
		return rc;
	h->n++;
	h->highest = g->number;
	rc = write_one(h, g);
	prune(h);
	prune_refused(h);
	return rc;
}

/* Its index, or n. */
static size_t
find(const struct history *h, uint64_t number)
{
	size_t i = 0;

	while (i < h->n && h->list[i].number != number)
		i++;
	return i;
}

int
history_confirm(struct history *h, uint64_t number)
{
	size_t i = find(h, number);

	if (i == h->n)
		return -ENOENT;
	h->list[i].confirmed = true;
	return write_one(h, &h->list[i]);
}

void
history_forget(struct history *h, uint64_t number)
{
	size_t i = find(h, number);

	if (i < h->n)
		drop(h, i);
}

/* ---- loading, asking ---- */

struct history *
history_load(struct store *store)
{
	struct history *h = calloc(1, sizeof(*h));
	struct listing l = { .history = h };
	size_t i;

	if (!h)
		return NULL;
	h->store = store;
	if (store && store_list(store, PREFIX, list_name, &l) < 0)
		return h;
	h->highest = l.n ? l.numbers[0] : 0;
	for (i = l.n; i-- > 0;) {
		read_one(h, l.numbers[i]);
		prune(h);
	}
	return h;
}

void
history_free(struct history *h)
{
	if (!h)
		return;
	while (h->n > 0)
		generation_clear(&h->list[--h->n]);
	free(h);
}

uint64_t
history_next(const struct history *h)
{
	return h->highest + 1;
}

size_t
history_count(const struct history *h)
{
	return h->n;
}

const struct generation *
history_at(const struct history *h, size_t i)
{
	return &h->list[i];
}

const struct generation *
history_find(const struct history *h, uint64_t number)
{
	size_t i = find(h, number);

	return i < h->n ? &h->list[i] : NULL;
}

const struct generation *
history_good(const struct history *h, uint64_t number, const char *file)
{
	size_t i;

	for (i = h->n; i-- > 0;) {
		const struct generation *g = &h->list[i];

		if (g->confirmed && g->number < number && (!file || strcmp(g->file, file) == 0))
			return g;
	}
	return NULL;
}
