/* SPDX-License-Identifier: Apache-2.0 */
/*
 * READ FIRST: the life of a stream.
 *
 *         tls_begin
 *      client │ server
 *       ┌─────┴─────┐
 *       │         HELLO ── bad, or cut ──────────────┐
 *       │           │ complete                       │
 *       └─> HANDSHAKE <─┐ more bytes                 │  handshake.c
 *               │   └───┘                            │
 *               │   └── failed ──────────────────────┤
 *               │ done                               │
 *             OPEN ── a record or alert that ends it ┤  receive.c, send.c
 *               │                                    │
 *               │                                ENDING   alert and FIN go out; no user any more
 *               └── TCP has closed it ──> free <─────┘
 *
 * While a thread has the handshake, what comes waits in `in`; the bytes that the thread reads are
 * its job's, and are taken out of the window again when it has answered.
 */
#include "dp/tls/internal.h"

#include <rte_malloc.h>

#define TICK_NS 10000000ull
/* In one iteration. */
#define TIMERS  32
#define ANSWERS 32
/* For so long the peer may take to close its side of what has ended, and to take what it has not
 * acknowledged before. */
#define LINGER_NS      2000000000ull
#define LINGER_FULL_NS 30000000000ull
/* Of keys that are in use: what a near cache holds. */
#define SCHEDULES 512

/* ---- memory ---------------------------------------------------------------------------------- */

static void *
allocate(size_t size, void *arg)
{
	const int *socket = arg;

	return rte_zmalloc_socket("tls-wheel", size, RTE_CACHE_LINE_SIZE, *socket);
}

static bool
allocate_all(struct tls *t, const struct tls_settings *settings)
{
	int socket = settings->socket;
	const struct tls_jobs_settings jobs = {
		.worker = (uint16_t)t->worker->index,
		.n = settings->handshakes,
		.most = settings->handshakes,
		.ports = settings->ports,
		.n_ports = settings->n_ports,
		.socket = socket,
	};

	t->streams = rte_zmalloc_socket("tls-streams", (size_t)t->n * sizeof(*t->streams),
					RTE_CACHE_LINE_SIZE, socket);
	t->slots = rte_zmalloc_socket("tls-schedules", SCHEDULES * sizeof(*t->slots),
				      RTE_CACHE_LINE_SIZE, socket);
	t->wheel = wheel_create(t->n, TICK_NS, dp_clock_now(&t->worker->dataplane->clock), allocate,
				&socket);
	t->jobs = tls_jobs_create(&jobs);
	if (!t->streams || !t->slots || !t->wheel || !t->jobs)
		return false;
	t->schedules = tls_schedules_of(settings->engine, t->slots, SCHEDULES);
	return true;
}

struct tls *
tls_create(const struct tls_settings *settings, const struct tls_calls *calls)
{
	struct tls *t =
	    rte_zmalloc_socket("tls", sizeof(*t), RTE_CACHE_LINE_SIZE, settings->socket);

	if (!t)
		return NULL;
	t->worker = settings->worker;
	t->tcp = settings->tcp;
	t->mbufs = settings->mbufs;
	t->clones = settings->clones;
	t->calls = *calls;
	t->n = settings->streams;
	t->free_list = INDEX_NONE;
	if (allocate_all(t, settings))
		return t;
	tls_destroy(t);
	return NULL;
}

void
tls_destroy(struct tls *t)
{
	uint32_t i;

	if (!t)
		return;
	for (i = 0; i < t->fresh; i++) {
		if (t->streams[i].state == TLS_STREAM_FREE)
			continue;
		queue_free(&t->streams[i].in);
		queue_free(&t->streams[i].out);
		tls_keys_wipe(&t->streams[i].receive);
		tls_keys_wipe(&t->streams[i].send);
	}
	tls_jobs_destroy(t->jobs);
	rte_free(t->wheel);
	rte_free(t->slots);
	rte_free(t->streams);
	rte_free(t);
}

struct rte_ring *
tls_answers(const struct tls *t)
{
	return t->jobs->answers;
}

const struct tls_counters *
tls_counters(const struct tls *t)
{
	return &t->counters;
}

struct tls_load
tls_load(const struct tls *t)
{
	return (struct tls_load){ t->jobs->taken, t->jobs->unanswered, t->jobs->spent_ns };
}

uint32_t
tls_streams(const struct tls *t)
{
	return t->used;
}

/* ---- streams --------------------------------------------------------------------------------- */

static struct tls_stream *
stream_new(struct tls *t)
{
	struct tls_stream *s;
	uint32_t generation;

	if (t->free_list != INDEX_NONE) {
		s = &t->streams[t->free_list];
		t->free_list = s->next_free;
	} else if (t->fresh < t->n) {
		s = &t->streams[t->fresh++];
	} else {
		return NULL;
	}
	generation = s->generation;
	*s = (struct tls_stream){ .generation = generation };
	t->used++;
	return s;
}

/* Nothing of it is left in TCP. */
static void
stream_free(struct tls *t, struct tls_stream *s)
{
	wheel_disarm(t->wheel, tls_stream_index(t, s));
	if (s->state == TLS_STREAM_HANDSHAKE) {
		t->counters.given_up += !s->client;
		tls_job_give_back(t->jobs, &t->jobs->jobs[s->job]);
	}
	queue_free(&s->in);
	queue_free(&s->out);
	s->lent = 0;
	tls_tell(t, s);
	tls_keys_wipe(&s->receive);
	tls_keys_wipe(&s->send);
	s->generation++;
	s->state = TLS_STREAM_FREE;
	s->next_free = t->free_list;
	t->free_list = tls_stream_index(t, s);
	t->used--;
}

void
tls_tell(struct tls *t, struct tls_stream *s)
{
	uint32_t buffers = queue_buffers(&s->in) + queue_buffers(&s->out) + s->lent;

	if (buffers == s->told)
		return;
	tcp_hold(t->tcp, s->tcp, (int32_t)buffers - (int32_t)s->told);
	s->told = buffers;
}

void
tls_retry_later(struct tls *t, const struct tls_stream *s)
{
	t->counters.no_buffer++;
	wheel_arm(t->wheel, tls_stream_index(t, s), t->worker->now + TLS_RETRY_NS);
}

struct tls_stream *
tls_stream_of(const struct tls *t, tcp_handle h)
{
	uint32_t i = tls_handle_index(h);
	struct tls_stream *s = &t->streams[i];

	if (i >= t->fresh || s->generation != h >> 32 || s->state == TLS_STREAM_FREE ||
	    s->state == TLS_STREAM_ENDING)
		return NULL;
	return s;
}

static struct tls_stream *
stream_of_user(const struct tls *t, uint64_t user)
{
	return &t->streams[user & ~TLS_USER];
}

uint64_t
tls_above(const struct tls *t, uint64_t user)
{
	const struct tls_stream *s = stream_of_user(t, user);

	if (s->state == TLS_STREAM_FREE || s->state == TLS_STREAM_ENDING)
		return UINT64_MAX;
	return s->user;
}

tcp_handle
tls_connection(const struct tls *t, tcp_handle h)
{
	const struct tls_stream *s = tls_stream_of(t, h);

	return s ? s->tcp : TCP_HANDLE_NONE;
}

/* ---- begin ----------------------------------------------------------------------------------- */

tcp_handle
tls_begin(struct tls *t, const struct tls_begin *what)
{
	struct tls_stream *s = stream_new(t);
	tcp_handle h;

	if (!s) {
		t->counters.no_stream++;
		return TCP_HANDLE_NONE;
	}
	t->counters.streams++;
	s->tcp = what->tcp;
	s->user = what->user;
	s->slot = what->slot;
	s->epoch = what->epoch;
	s->client = what->client;
	s->lenient = what->lenient;
	s->state = TLS_STREAM_HELLO;
	if (what->client)
		s->until = (uint32_t)((t->worker->now + what->timeout) / 1000000);
	else
		s->need = 1;
	if (what->in) {
		s->in = *what->in;
		s->told = what->in->told;
		s->in.told = 0;
		*what->in = (struct queue){ 0 };
	}
	h = tls_handle(t, s);
	tcp_set_user(t->tcp, s->tcp, TLS_USER | tls_stream_index(t, s));
	/* The user does not know the handle yet, so nothing may be said to it now. */
	if (!s->client && !s->in.length)
		return h;
	if (t->n_begun < TLS_BEGUN)
		t->begun[t->n_begun++] = tls_stream_index(t, s);
	else
		wheel_arm(t->wheel, tls_stream_index(t, s), t->worker->now);
	return h;
}

/* ---- the end --------------------------------------------------------------------------------- */

void
tls_end(struct tls *t, struct tls_stream *s, enum tcp_close_cause cause)
{
	tcp_handle h = tls_handle(t, s);
	uint64_t user = s->user;
	uint32_t length = s->in.length;

	if (s->state == TLS_STREAM_HANDSHAKE)
		tls_job_give_back(t->jobs, &t->jobs->jobs[s->job]);
	s->state = TLS_STREAM_ENDING;
	s->drains = true;
	s->shut = true;
	s->owes_goodbye = false;
	s->lent = 0;
	queue_free(&s->in);
	tcp_credit(t->tcp, s->tcp, length);
	tls_tell(t, s);
	s->ends = t->worker->now + (s->out.head ? LINGER_FULL_NS : LINGER_NS);
	wheel_arm(t->wheel, tls_stream_index(t, s), s->ends);
	tls_flush(t, s);
	t->calls.closed(t->calls.arg, h, user, cause);
}

void
tls_abort(struct tls *t, tcp_handle h)
{
	struct tls_stream *s = tls_stream_of(t, h);

	if (!s)
		return;
	tcp_abort(t->tcp, s->tcp);
	stream_free(t, s);
}

void
tls_shutdown(struct tls *t, tcp_handle h)
{
	struct tls_stream *s = tls_stream_of(t, h);

	if (s && !s->shut)
		tls_say_goodbye(t, s);
}

void
tls_strict(struct tls *t, tcp_handle h)
{
	struct tls_stream *s = tls_stream_of(t, h);

	if (s)
		s->lenient = false;
}

/* Nothing of the peer's is wanted any more. */
static void
stop_reading(struct tls *t, struct tls_stream *s)
{
	uint32_t length = s->in.length;

	s->drains = true;
	queue_free(&s->in);
	tcp_credit(t->tcp, s->tcp, length);
	tls_tell(t, s);
}

void
tls_abort_later(struct tls *t, tcp_handle h)
{
	struct tls_stream *s = tls_stream_of(t, h);

	if (!s || s->resets)
		return;
	s->resets = true;
	stop_reading(t, s);
	tls_flush(t, s);
}

void
tls_drain(struct tls *t, tcp_handle h)
{
	struct tls_stream *s = tls_stream_of(t, h);

	if (!s || s->drains)
		return;
	stop_reading(t, s);
	if (s->shut)
		tls_flush(t, s);
	else
		tls_say_goodbye(t, s);
}

/* ---- events of TCP --------------------------------------------------------------------------- */

static void
prefetch(const struct tls_stream *s)
{
	uint32_t i;

	for (i = 0; i < sizeof(*s); i += 64)
		__builtin_prefetch((const char *)s + i);
}

/* The stream first, then what is above it. */
tcp_handle
tls_on_expected(const struct tls *t, uint64_t user, uint32_t step)
{
	const struct tls_stream *s = stream_of_user(t, user);

	if (step > 0)
		return s->state == TLS_STREAM_OPEN
			   ? t->calls.expected(t->calls.arg, s->user, step - 1)
			   : TCP_HANDLE_NONE;
	prefetch(s);
	return TCP_HANDLE_NONE;
}

void
tls_prefetch(const struct tls *t, tcp_handle h)
{
	prefetch(&t->streams[tls_handle_index(h)]);
}

void
tls_on_received(struct tls *t, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct tls_stream *s = stream_of_user(t, user);

	if (s->drains || s->peer_done) {
		rte_pktmbuf_free(chain);
		tcp_credit(t->tcp, s->tcp, length);
		return;
	}
	queue_add(&s->in, chain, length);
	if (s->state == TLS_STREAM_OPEN) {
		tls_stream_receive(t, s);
		return;
	}
	tls_tell(t, s);
	if (s->state == TLS_STREAM_HELLO)
		tls_hello_look(t, s);
	else
		tls_handshake_more(t, s);
}

void
tls_on_room(struct tls *t, uint64_t user)
{
	struct tls_stream *s = stream_of_user(t, user);

	if (!tls_flush(t, s) || !s->told_full || s->state != TLS_STREAM_OPEN)
		return;
	s->told_full = false;
	t->calls.room(t->calls.arg, tls_handle(t, s), s->user);
}

void
tls_truncated(struct tls *t, struct tls_stream *s)
{
	t->counters.truncated++;
	if (s->lenient && s->in.length == 0) {
		s->peer_done = true;
		t->calls.half_closed(t->calls.arg, tls_handle(t, s), s->user);
		return;
	}
	tls_end(t, s, TCP_CLOSED_RESET);
}

void
tls_on_half_closed(struct tls *t, uint64_t user)
{
	struct tls_stream *s = stream_of_user(t, user);

	s->tcp_done = true;
	if (s->state == TLS_STREAM_HELLO || s->state == TLS_STREAM_HANDSHAKE)
		tls_handshake_cut(t, s);
	else if (s->state == TLS_STREAM_OPEN)
		tls_stream_receive(t, s);
}

void
tls_on_closed(struct tls *t, uint64_t user, enum tcp_close_cause cause)
{
	struct tls_stream *s = stream_of_user(t, user);
	tcp_handle h = tls_handle(t, s);
	uint64_t above = s->user;
	bool has_user = s->state != TLS_STREAM_ENDING;

	/* What waits here for a buffer is lost. */
	if (s->state == TLS_STREAM_OPEN && !s->peer_done && !s->drains && cause == TCP_CLOSED_DONE)
		cause = TCP_CLOSED_RESET;
	if (s->client && (s->state == TLS_STREAM_HELLO || s->state == TLS_STREAM_HANDSHAKE)) {
		t->counters.backends_failed++;
		t->counters.cause[TLS_CAUSE_BACKEND_GAVE_UP]++;
	}
	stream_free(t, s);
	if (has_user)
		t->calls.closed(t->calls.arg, h, above, cause);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* What had to wait for a buffer, or has taken too long to end. */
static void
stream_again(struct tls *t, struct tls_stream *s)
{
	uint32_t generation = s->generation;
	bool flushed;

	if (s->state == TLS_STREAM_ENDING && t->worker->now >= s->ends) {
		tcp_abort(t->tcp, s->tcp);
		stream_free(t, s);
		return;
	}
	flushed = tls_flush(t, s);
	if (s->state == TLS_STREAM_ENDING && flushed)
		wheel_arm(t->wheel, tls_stream_index(t, s), s->ends);
	if (s->state == TLS_STREAM_HELLO) {
		tls_hello_look(t, s);
		return;
	}
	if (s->state == TLS_STREAM_HANDSHAKE) {
		tls_handshake_timer(t, s);
		return;
	}
	if (s->state != TLS_STREAM_OPEN)
		return;
	if (s->worn) {
		tls_alert(t, s, 0);
		tls_end(t, s, TCP_CLOSED_RESET);
		return;
	}
	tls_stream_receive(t, s);
	if (!flushed || !s->told_full || !tls_is_same(s, generation, TLS_STREAM_OPEN))
		return;
	s->told_full = false;
	t->calls.room(t->calls.arg, tls_handle(t, s), s->user);
}

static void
begin_those(struct tls *t)
{
	uint32_t n = t->n_begun, i;

	t->n_begun = 0;
	for (i = 0; i < n; i++) {
		struct tls_stream *s = &t->streams[t->begun[i]];

		if (s->state == TLS_STREAM_HELLO)
			tls_hello_look(t, s);
	}
}

bool
tls_iterate(struct tls *t)
{
	struct tls_job *job;
	uint32_t due[TIMERS], answers = 0, n, i;

	begin_those(t);
	/* One at a time: what the user does about one may take another one back. */
	for (; answers < ANSWERS && tls_jobs_answered(t->jobs, &job, 1); answers++)
		tls_handshake_answered(t, job);
	n = (uint32_t)wheel_advance(t->wheel, t->worker->now, due, TIMERS);
	for (i = 0; i < n; i++) {
		if (t->streams[due[i]].state != TLS_STREAM_FREE)
			stream_again(t, &t->streams[due[i]]);
	}
	return answers || n;
}
