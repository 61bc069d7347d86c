/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handshake as the worker has to do with it: the client's hello is read here, as a whole and
 * strictly (lib/tls/hello); then bytes go to a handshake thread and come from it, until there are
 * keys.
 */
#include "dp/tls/internal.h"

static struct tls_job *
job_of(const struct tls *t, const struct tls_stream *s)
{
	return &t->jobs->jobs[s->job];
}

/* ---- the client's hello ---------------------------------------------------------------------- */

static void
hello_refuse(struct tls *t, struct tls_stream *s, enum tls_bad bad)
{
	uint8_t alert[TLS_ALERT_BYTES];

	t->counters.hellos_bad++;
	t->counters.bad_hello[bad]++;
	worker_count_drop(t->worker, s->slot, DROP_TLS_HELLO);
	tls_alert_write(bad, alert);
	tls_alert(t, s, alert[TLS_ALERT_BYTES - 1]);
	tls_end(t, s, TCP_CLOSED_RESET);
}

/* To a thread with all that is here. */
static void
ask(struct tls *t, struct tls_stream *s, enum tls_question question)
{
	struct tls_job *job = job_of(t, s);

	job->slot = s->slot;
	job->epoch = s->epoch;
	job->in = s->in.head;
	job->in_length = s->in.length;
	s->lent = queue_buffers(&s->in);
	s->in = (struct queue){ 0 };
	tls_job_ask(t->jobs, job, question);
}

/* The last of the jobs are for backends. */
static bool
is_room(const struct tls *t, const struct tls_stream *s)
{
	return s->client || t->jobs->taken < t->jobs->n - t->jobs->n / 16;
}

/* Clients that begin handshakes and do not go on with them shall not keep out those that would. */
static void
make_room(struct tls *t)
{
	struct tls_job *job = tls_jobs_scarce(t->jobs) ? tls_jobs_longest(t->jobs) : NULL;

	if (!job)
		return;
	t->counters.gave_way++;
	tls_end(t, &t->streams[job->connection], TCP_CLOSED_RESET);
}

/* A backend that fails is no drop of a service yet: there may be others. */
static void
count_drop(struct tls *t, const struct tls_stream *s, enum drop_reason reason)
{
	if (!s->client)
		worker_count_drop(t->worker, s->slot, reason);
}

/* ms that a client's handshake has left. */
static int32_t
time_left(const struct tls *t, const struct tls_stream *s)
{
	return (int32_t)(s->until - (uint32_t)(t->worker->now / 1000000));
}

static void
watch(struct tls *t, const struct tls_stream *s)
{
	uint64_t left = (uint64_t)RTE_MAX(time_left(t, s), 0) * 1000000;

	if (s->out.head) /* which may have to be tried again */
		left = RTE_MIN(left, TLS_RETRY_NS);
	wheel_arm(t->wheel, tls_stream_index(t, s), t->worker->now + left);
}

static void
handshake_begin(struct tls *t, struct tls_stream *s)
{
	struct tls_job *job;

	make_room(t);
	job = is_room(t, s) ? tls_job_take(t->jobs, tls_stream_index(t, s)) : NULL;
	if (!job) {
		t->counters.busy++;
		t->counters.backends_failed += s->client;
		count_drop(t, s, DROP_TLS_BUSY);
		tls_end(t, s, TCP_CLOSED_LOCAL);
		return;
	}
	s->job = (uint32_t)(job - t->jobs->jobs);
	s->state = TLS_STREAM_HANDSHAKE;
	ask(t, s, s->client ? TLS_ASK_CLIENT : TLS_ASK_SERVER);
	if (s->client)
		watch(t, s);
}

void
tls_hello_look(struct tls *t, struct tls_stream *s)
{
	uint8_t room[TLS_HELLO_BYTES];
	uint32_t length = RTE_MIN(s->in.length, (uint32_t)sizeof(room));
	struct tls_hello hello;
	enum tls_hello_result result;

	if (s->client) {
		handshake_begin(t, s);
		return;
	}
	if (length < s->need)
		return;
	result =
	    tls_hello_parse(&hello, rte_pktmbuf_read(s->in.head, 0, length, room), length, room);
	if (result == TLS_HELLO_MORE)
		s->need = hello.need;
	else if (result == TLS_HELLO_DONE)
		handshake_begin(t, s);
	else
		hello_refuse(t, s, hello.bad);
}

/* ---- its steps ------------------------------------------------------------------------------- */

void
tls_handshake_more(struct tls *t, struct tls_stream *s)
{
	if (!job_of(t, s)->asked && s->in.length)
		ask(t, s, TLS_ASK_MORE);
}

/* What the thread has used is gone; the rest comes before what has come meanwhile. */
static void
take_back(struct tls *t, struct tls_stream *s, struct tls_job *job)
{
	struct queue rest = { .head = job->in, .length = job->in_length }, behind = s->in;
	uint32_t used = RTE_MIN(job->used, job->in_length);

	job->in = NULL;
	job->in_length = 0;
	s->lent = 0;
	if (rest.head) {
		rest.tail = rte_pktmbuf_lastseg(rest.head);
		queue_cut(&rest, used);
		tcp_credit(t->tcp, s->tcp, used);
	}
	if (behind.head)
		queue_add(&rest, behind.head, behind.length);
	s->in = rest;
	tls_tell(t, s);
}

/* Is it no fault of the peer's? */
static bool
is_ours(enum tls_cause cause)
{
	return cause == TLS_CAUSE_NO_MEMORY || cause == TLS_CAUSE_NO_POOL ||
	       cause == TLS_CAUSE_NO_LISTENER || cause == TLS_CAUSE_INTERNAL;
}

static void
failed(struct tls *t, struct tls_stream *s, enum tls_cause cause)
{
	if (s->client)
		t->counters.backends_failed++;
	else
		t->counters.failed++;
	t->counters.cause[cause]++;
	count_drop(t, s, DROP_TLS_HANDSHAKE);
	tls_end(t, s, is_ours(cause) ? TCP_CLOSED_LOCAL : TCP_CLOSED_RESET);
}

void
tls_handshake_timer(struct tls *t, struct tls_stream *s)
{
	if (!s->client)
		return;
	if (time_left(t, s) > 0) {
		watch(t, s);
		return;
	}
	t->counters.backends_failed++;
	t->counters.cause[TLS_CAUSE_TIMEOUT]++;
	tls_end(t, s, job_of(t, s)->asked ? TCP_CLOSED_LOCAL : TCP_CLOSED_TIMEOUT);
}

static void
count_done(struct tls_counters *c, const struct tls_stream *s, const struct tls_handover *result)
{
	uint64_t *const ciphers[TLS_CIPHERS] = {
		[TLS_AES_128_GCM] = &c->cipher_aes_128_gcm,
		[TLS_AES_256_GCM] = &c->cipher_aes_256_gcm,
		[TLS_CHACHA20_POLY1305] = &c->cipher_chacha20_poly1305,
	};
	bool is_13 = result->send.version == TLS_1_3;

	++*ciphers[result->send.cipher];
	if (s->client) {
		c->backends++;
		++*(is_13 ? &c->backends_tls13 : &c->backends_tls12);
	} else if (result->resumed) {
		c->resumed++;
		++*(is_13 ? &c->resumed_tls13 : &c->resumed_tls12);
	} else {
		c->full++;
		++*(is_13 ? &c->full_tls13 : &c->full_tls12);
	}
}

static void
done(struct tls *t, struct tls_stream *s, struct tls_job *job)
{
	uint32_t generation = s->generation;

	count_done(&t->counters, s, &job->handover);
	s->receive = job->handover.receive;
	s->send = job->handover.send;
	s->state = TLS_STREAM_OPEN;
	s->n_head = 0;
	t->calls.secured(t->calls.arg, tls_handle(t, s), s->user, &job->handover);
	tls_job_give_back(t->jobs, job);
	if (tls_is_same(s, generation, TLS_STREAM_OPEN) && (s->in.length || s->tcp_done))
		tls_stream_receive(t, s);
}

/* Send what the thread has made. The threads' buffers are few, and a client may take as long as it
 * likes to acknowledge: it goes in buffers of the worker's, which TCP bounds. False: there are
 * none. */
static bool
take_output(struct tls *t, struct tls_stream *s, struct tls_job *job)
{
	struct rte_mbuf *copy;

	if (!job->out)
		return true;
	copy = rte_pktmbuf_copy(job->out, t->mbufs, 0, UINT32_MAX);
	rte_pktmbuf_free(job->out);
	job->out = NULL;
	if (copy)
		tls_push(t, s, copy);
	return copy != NULL;
}

void
tls_handshake_answered(struct tls *t, struct tls_job *job)
{
	struct tls_stream *s = &t->streams[job->connection];
	bool sent = take_output(t, s, job);

	take_back(t, s, job);
	if (!sent)
		failed(t, s, TLS_CAUSE_NO_MEMORY);
	else if (job->answer == TLS_ANSWER_DONE)
		done(t, s, job);
	else if (job->answer == TLS_ANSWER_FAILED)
		failed(t, s, (enum tls_cause)job->cause);
	else if (s->tcp_done && !s->in.length)
		tls_handshake_cut(t, s);
	else
		tls_handshake_more(t, s);
}

void
tls_handshake_cut(struct tls *t, struct tls_stream *s)
{
	/* Its last bytes may complete it. */
	if (s->state == TLS_STREAM_HANDSHAKE && (job_of(t, s)->asked || s->in.length))
		return;
	if (s->client) {
		failed(t, s, TLS_CAUSE_BACKEND_GAVE_UP);
		return;
	}
	if (s->state == TLS_STREAM_HANDSHAKE)
		t->counters.given_up++;
	else if (s->in.length) {
		hello_refuse(t, s, TLS_HELLO_BAD_INCOMPLETE);
		return;
	}
	tls_end(t, s, TCP_CLOSED_RESET);
}
