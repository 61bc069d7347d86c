/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One turn of the loop:
 *
 *     for each worker:  query DONE  -> print its views, remember the cursor, query IDLE
 *                       query IDLE  -> ask for the next ones, query ASKED (the worker's turn)
 *
 * A walk that is cancelled may leave queries behind that a worker has still to answer; `asked`
 * tells them from those of the walk that follows, which throws such answers away.
 */
#include "cp/admin/walk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dp/tcp/tcp.h"

#define TURN_NS    300000ull     /* no longer than this at a time */
#define PAUSE_NS   100000ull     /* between turns */
#define PATIENCE   5000000000ull /* a worker that says nothing for so long does not run */
#define NS_PER_SEC 1000000000ull

struct walk {
	struct walk *next;
	struct walk_request request;
	FILE *out; /* writes text */
	char *text;
	size_t len;
	uint32_t found;
	uint64_t progress_at;                  /* loop_now of the last answer */
	uint32_t cursor[SNAPSHOT_MAX_WORKERS]; /* UINT32_MAX: this worker's table is through */
	bool asked[SNAPSHOT_MAX_WORKERS];      /* the worker's query is this walk's */
};

struct walks {
	struct control *control;
	struct loop_timer *timer;
	struct walk *head, **tail; /* head is under way */
	/* service slot -> index in the configuration, of snapshot `version` */
	uint32_t *service_index;
	uint32_t n_services;
	uint64_t version;
};

static void walks_turn(void *arg);

struct walks *
walks_create(struct control *control)
{
	struct walks *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->control = control;
	w->tail = &w->head;
	w->timer = loop_timer_create(control->loop, walks_turn, w);
	if (!w->timer) {
		free(w);
		return NULL;
	}
	return w;
}

static void
walk_free(struct walk *walk)
{
	if (walk->out)
		fclose(walk->out);
	free(walk->text);
	free(walk);
}

static struct walk *
walks_remove(struct walks *w, struct walk **at)
{
	struct walk *walk = *at;

	*at = walk->next;
	if (w->tail == &walk->next)
		w->tail = at;
	return walk;
}

void
walks_destroy(struct walks *w)
{
	if (!w)
		return;
	while (w->head)
		walk_free(walks_remove(w, &w->head));
	loop_timer_free(w->timer);
	free(w->service_index);
	free(w);
}

int
walks_start(struct walks *w, const struct walk_request *request)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	if (!walk)
		return -ENOMEM;
	walk->request = *request;
	walk->out = open_memstream(&walk->text, &walk->len);
	if (!walk->out) {
		free(walk);
		return -ENOMEM;
	}
	fputs("{\"ok\":true,\"result\":[", walk->out);
	*w->tail = walk;
	w->tail = &walk->next;
	if (w->head == walk)
		loop_timer_arm(w->timer, loop_now());
	return 0;
}

void
walks_cancel(struct walks *w, void *arg)
{
	struct walk **at;

	for (at = &w->head; *at; at = &(*at)->next) {
		if ((*at)->request.arg != arg)
			continue;
		walk_free(walks_remove(w, at));
		return;
	}
}

/* ---- what is shown ---- */

static void
map_services(struct walks *w)
{
	const struct control *control = w->control;
	const struct snapshot *s = control->snapshot;
	uint32_t *map;
	size_t i;

	if (!s || (w->service_index && w->version == s->version))
		return;
	map = realloc(w->service_index, (s->n_services + 1) * sizeof(*map));
	if (!map)
		return;
	memset(map, 0xff, (s->n_services + 1) * sizeof(*map));
	for (i = 0; i < config_n_services(control->config); i++) {
		uint32_t slot = compiler_service_slot(control->compiler, i);

		if (slot < s->n_services)
			map[slot] = (uint32_t)i;
	}
	w->service_index = map;
	w->n_services = s->n_services;
	w->version = s->version;
}

/* Empty for a service that is gone. Names need no escape in JSON: letters, digits, '.', '_', '-'.
 */
static const char *
service_name(const struct walks *w, const struct connection_view *v)
{
	const struct config *config = w->control->config;
	const struct snapshot *s = w->control->snapshot;

	if (v->service >= w->n_services ||
	    w->service_index[v->service] >= config_n_services(config) || !s ||
	    v->service >= s->n_services || s->services[v->service].epoch != v->service_epoch)
		return "";
	return config_service(config, w->service_index[v->service])->name;
}

static const char *
backend_text(const struct walks *w, const struct connection_view *v, char buf[ADDR_PORT_STRLEN])
{
	const struct snapshot *s = w->control->snapshot;
	const struct backend *b;

	if (!s || v->backend >= s->n_backends || s->backends[v->backend].epoch != v->backend_epoch)
		return "";
	b = &s->backends[v->backend];
	return addr_port_format(&b->addr, ntohs(b->port ? b->port : v->forward.dport), buf);
}

/* One of the two connections of a session through a listener. */
static void
print_tcp(FILE *out, const char *name, const struct tcp_view *v)
{
	if (v->state == TCP_CLOSED || v->state >= TCP_STATES) {
		fprintf(out, ",\"%s\":null", name);
		return;
	}
	fprintf(out,
		",\"%s\":{\"state\":\"%s\",\"rtt_ms\":%.3f,\"cwnd\":%u,\"in_flight\":%u,"
		"\"queued\":%u,\"retransmissions\":%u,\"bytes_in\":%llu,\"bytes_out\":%llu}",
		name, tcp_state_name((enum tcp_state)v->state), (double)v->rtt / 1e6, v->cwnd,
		v->in_flight, v->queued, v->retransmits, (unsigned long long)v->bytes_in,
		(unsigned long long)v->bytes_out);
}

static void
print_view(const struct walks *w, struct walk *walk, uint32_t worker,
	   const struct connection_view *v)
{
	char client[ADDR_PORT_STRLEN], service[ADDR_PORT_STRLEN], backend[ADDR_PORT_STRLEN];
	char local[ADDR_PORT_STRLEN];
	uint8_t state = v->state < CONNECTION_STATES ? v->state : CONNECTION_FREE;

	fprintf(walk->out,
		"%s{\"client\":\"%s\",\"service\":\"%s\",\"destination\":\"%s\",\"backend\":\"%s\","
		"\"protocol\":\"%s\",\"state\":\"%s\",\"expires_seconds\":%llu,"
		"\"packets_in\":%llu,\"packets_out\":%llu,\"worker\":%u",
		walk->found ? "," : "",
		addr_port_format(&v->forward.src, ntohs(v->forward.sport), client),
		service_name(w, v),
		addr_port_format(&v->forward.dst, ntohs(v->forward.dport), service),
		backend_text(w, v, backend), protocol_name(v->forward.proto),
		connection_state_name((enum connection_state)state),
		(unsigned long long)((v->expires + NS_PER_SEC - 1) / NS_PER_SEC),
		(unsigned long long)v->packets_in, (unsigned long long)v->packets_out, worker);
	if (v->local.q[0] || v->local.q[1])
		fprintf(walk->out, ",\"local\":\"%s\"",
			addr_port_format(&v->local, ntohs(v->local_port), local));
	if (v->proxied) {
		print_tcp(walk->out, "client_tcp", &v->tcp[0]);
		print_tcp(walk->out, "backend_tcp", &v->tcp[1]);
	}
	fputc('}', walk->out);
	walk->found++;
}

/* ---- the walk ---- */

/* Give the answer, or a refusal if reason is not NULL, and go on with the next walk. */
static void
walk_finish(struct walks *w, const char *reason)
{
	struct walk *walk = walks_remove(w, &w->head);
	struct walk_request request = walk->request;
	char *text = NULL;
	size_t len = 0;
	int failed;

	fputs("]}\n", walk->out);
	failed = ferror(walk->out);
	failed |= fclose(walk->out);
	walk->out = NULL;
	if (reason) {
		text = command_refusal(reason, &len);
	} else if (!failed) {
		text = walk->text;
		len = walk->len;
		walk->text = NULL;
	}
	walk_free(walk);
	request.answer(request.arg, text, len);
}

/* Take what one worker has answered and ask it again. True if something came. */
static bool
walk_worker(struct walks *w, struct walk *walk, uint32_t worker)
{
	struct worker_query *q = &w->control->dp->workers[worker]->query;
	uint32_t i, count;
	bool came = false;

	if (atomic_load_explicit(&q->state, memory_order_acquire) == QUERY_ASKED)
		return false;
	if (walk->asked[worker]) {
		came = true;
		walk->asked[worker] = false;
		count = q->count < QUERY_MAX ? q->count : QUERY_MAX;
		for (i = 0; i < count && walk->found < walk->request.limit; i++)
			print_view(w, walk, worker, &q->views[i]);
		walk->cursor[worker] = q->cursor;
	}
	atomic_store_explicit(&q->state, QUERY_IDLE, memory_order_relaxed);
	if (walk->cursor[worker] == UINT32_MAX || walk->found >= walk->request.limit)
		return came;
	q->cursor = walk->cursor[worker];
	q->service = walk->request.service;
	q->count = 0;
	walk->asked[worker] = true;
	atomic_store_explicit(&q->state, QUERY_ASKED, memory_order_release);
	return came;
}

static bool
walk_complete(const struct walk *walk, uint32_t n_workers)
{
	uint32_t i;

	if (walk->found >= walk->request.limit)
		return true;
	for (i = 0; i < n_workers; i++) {
		if (walk->cursor[i] != UINT32_MAX)
			return false;
	}
	return true;
}

static void
walks_turn(void *arg)
{
	struct walks *w = arg;
	struct walk *walk = w->head;
	uint32_t n = w->control->dp->n_workers, i;
	uint64_t begin = loop_now(), now = begin;
	bool came;

	if (!walk)
		return;
	map_services(w);
	if (!walk->progress_at)
		walk->progress_at = begin;
	do {
		came = false;
		for (i = 0; i < n && now - begin < TURN_NS; i++) {
			came |= walk_worker(w, walk, i);
			now = loop_now();
		}
		if (came)
			walk->progress_at = now;
	} while (came && now - begin < TURN_NS && !walk_complete(walk, n));

	if (walk_complete(walk, n))
		walk_finish(w, NULL);
	else if (now - walk->progress_at > PATIENCE)
		walk_finish(w, "the workers do not answer");
	if (w->head)
		loop_timer_arm(w->timer, loop_now() + PAUSE_NS);
}
