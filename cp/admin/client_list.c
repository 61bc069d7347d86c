/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/client_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_NS   100000ull     /* between looks */
#define PATIENCE   5000000000ull /* a worker that says nothing for so long does not run */
#define NS_PER_SEC 1000000000ull

/* A client of one worker. */
struct row {
	struct client_view view;
	uint32_t worker;
	uint64_t now; /* of that worker */
};

/* One list on its way. */
struct list {
	struct list *next;
	struct client_list_request request;
	struct row *rows;
	size_t n_rows, size;
	bool failed;                           /* no memory for the rows */
	uint64_t progress_at;                  /* loop_now of the last answer */
	uint32_t cursor[SNAPSHOT_MAX_WORKERS]; /* UINT32_MAX: this worker has told all */
	bool asked[SNAPSHOT_MAX_WORKERS];      /* the worker's query is this list's */
};

struct client_lists {
	struct control *control;
	struct loop_timer *timer;
	struct list *head, **tail; /* head is under way */
};

static void client_lists_turn(void *arg);

struct client_lists *
client_lists_create(struct control *control)
{
	struct client_lists *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->control = control;
	l->tail = &l->head;
	l->timer = loop_timer_create(control->loop, client_lists_turn, l);
	if (!l->timer) {
		free(l);
		return NULL;
	}
	return l;
}

static void
list_free(struct list *list)
{
	free(list->rows);
	free(list);
}

static struct list *
list_remove(struct client_lists *l, struct list **at)
{
	struct list *list = *at;

	*at = list->next;
	if (l->tail == &list->next)
		l->tail = at;
	return list;
}

void
client_lists_destroy(struct client_lists *l)
{
	if (!l)
		return;
	while (l->head)
		list_free(list_remove(l, &l->head));
	loop_timer_free(l->timer);
	free(l);
}

int
client_lists_start(struct client_lists *l, const struct client_list_request *request)
{
	struct list *list = calloc(1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	list->request = *request;
	*l->tail = list;
	l->tail = &list->next;
	if (l->head == list)
		loop_timer_arm(l->timer, loop_now());
	return 0;
}

void
client_lists_cancel(struct client_lists *l, void *arg)
{
	struct list **at;

	for (at = &l->head; *at; at = &(*at)->next) {
		if ((*at)->request.arg != arg)
			continue;
		list_free(list_remove(l, at));
		return;
	}
}

/* ---- what is shown ---- */

/* Heaviest first; of those that have been silent for long, the one that had sent more. */
static int
compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->view.weight != y->view.weight)
		return x->view.weight < y->view.weight ? 1 : -1;
	if (x->view.entry.packets != y->view.entry.packets)
		return x->view.entry.packets < y->view.entry.packets ? 1 : -1;
	return addr_compare(&x->view.entry.client, &y->view.entry.client);
}

/* "198.51.100.7", or "2001:db8:77::/64" for a client that is more than one address. */
static const char *
client_text(const struct heavy_entry *e, char buf[PREFIX_STRLEN])
{
	const struct prefix prefix = { .addr = e->client, .len = e->len };

	return e->len == 128 ? addr_format(&e->client, buf) : prefix_format(&prefix, buf);
}

static void
print_limited(FILE *out, const struct heavy_entry *e)
{
	const char *separator = "";
	int reason;

	for (reason = DROP_LIMIT_FIRST; reason <= DROP_LIMIT_LAST; reason++) {
		uint64_t count = e->counts[reason - DROP_LIMIT_FIRST];

		if (!count)
			continue;
		fprintf(out, "%s\"%s\":%llu", separator, drop_reason_name((enum drop_reason)reason),
			(unsigned long long)count);
		separator = ",";
	}
}

static void
print_row(FILE *out, const struct row *row, bool first)
{
	const struct heavy_entry *e = &row->view.entry;
	char client[PREFIX_STRLEN];

	fprintf(out,
		"%s{\"client\":\"%s\",\"worker\":%u,\"packets\":%llu,\"bytes\":%llu,"
		"\"packets_per_second\":%u,\"connections\":%u,\"seconds\":%llu,"
		"\"idle_seconds\":%llu,\"limited\":{",
		first ? "" : ",", client_text(e, client), row->worker,
		(unsigned long long)e->packets, (unsigned long long)e->bytes, row->view.rate,
		row->view.connections, (unsigned long long)((row->now - e->since) / NS_PER_SEC),
		(unsigned long long)((row->now - e->last) / NS_PER_SEC));
	print_limited(out, e);
	fputs("}}", out);
}

/* The answer's line, or NULL without memory. */
static char *
list_text(struct list *list, size_t *len)
{
	char *text = NULL;
	FILE *out = list->failed ? NULL : open_memstream(&text, len);
	bool failed;
	size_t i;

	if (!out)
		return NULL;
	if (list->n_rows)
		qsort(list->rows, list->n_rows, sizeof(*list->rows), compare_rows);
	fputs("{\"ok\":true,\"result\":[", out);
	for (i = 0; i < list->n_rows && i < list->request.limit; i++)
		print_row(out, &list->rows[i], i == 0);
	fputs("]}\n", out);
	failed = ferror(out);
	if (fclose(out) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}

/* ---- asking ---- */

/* Give the answer, or a refusal if reason is not NULL, and go on with the next list. */
static void
list_finish(struct client_lists *l, const char *reason)
{
	struct list *list = list_remove(l, &l->head);
	struct client_list_request request = list->request;
	size_t len = 0;
	char *text = reason ? command_refusal(reason, &len) : list_text(list, &len);

	list_free(list);
	request.answer(request.arg, text, len);
}

static void
list_take(struct list *list, const struct client_query *q, uint32_t worker)
{
	uint32_t count = q->count < CLIENT_QUERY_MAX ? q->count : CLIENT_QUERY_MAX, i;

	if (list->n_rows + count > list->size) {
		size_t size = 2 * list->size + CLIENT_QUERY_MAX;
		struct row *grown = realloc(list->rows, size * sizeof(*grown));

		if (!grown) {
			list->failed = true;
			return;
		}
		list->rows = grown;
		list->size = size;
	}
	for (i = 0; i < count; i++)
		list->rows[list->n_rows++] =
		    (struct row){ .view = q->views[i], .worker = worker, .now = q->now };
}

/* Take what one worker has answered and ask it again. True if something came. */
static bool
list_worker(struct client_lists *l, struct list *list, uint32_t worker)
{
	struct client_query *q = &l->control->dp->workers[worker]->client_query;
	bool came = false;

	/* Also the question of a list that was cancelled. */
	if (atomic_load_explicit(&q->state, memory_order_acquire) == QUERY_ASKED)
		return false;
	if (list->asked[worker]) {
		came = true;
		list->asked[worker] = false;
		list_take(list, q, worker);
		list->cursor[worker] = q->cursor;
	}
	if (list->cursor[worker] == UINT32_MAX)
		return came;
	q->cursor = list->cursor[worker];
	q->count = 0;
	list->asked[worker] = true;
	atomic_store_explicit(&q->state, QUERY_ASKED, memory_order_release);
	return came;
}

static void
client_lists_turn(void *arg)
{
	struct client_lists *l = arg;
	struct list *list = l->head;
	uint32_t n = l->control->dp->n_workers, told = 0, i;

	if (!list)
		return;
	if (!list->progress_at)
		list->progress_at = loop_now();
	for (i = 0; i < n; i++) {
		if (list_worker(l, list, i))
			list->progress_at = loop_now();
		told += list->cursor[i] == UINT32_MAX;
	}
	if (told == n || list->failed)
		list_finish(l, NULL);
	else if (loop_now() - list->progress_at > PATIENCE)
		list_finish(l, "the workers do not answer");
	if (l->head)
		loop_timer_arm(l->timer, loop_now() + PAUSE_NS);
}
