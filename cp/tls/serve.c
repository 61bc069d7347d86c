/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/serve.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cp/tls/client.h"
#include "cp/tls/handshake.h"

/* So many buffers for what one step has to send: four times the largest flight. */
#define BUFFERS_MAX 256u

/* A handshake that goes on, and the server or client that it is made with. */
struct tls_live {
	struct tls_handshake *handshake;
	struct tls_server *server; /* the store's; NULL: we are the client */
	struct tls_client *client; /* the same; NULL: we are the server */
	struct tls_live *next, **link;
};

/* ---- beginning and end of a handshake -------------------------------------------------------- */

/* Each returns why there is no handshake, if there is none. */
static enum tls_cause
begin_server(struct tls_serving *s, const struct tls_job *job, struct tls_live *live)
{
	live->server = tls_store_get(s->store, job->slot, job->epoch);
	if (!live->server)
		return TLS_CAUSE_NO_LISTENER;
	live->handshake = tls_handshake_new(live->server, s->engine);
	return TLS_CAUSE_NO_MEMORY;
}

static enum tls_cause
begin_client(struct tls_serving *s, const struct tls_job *job, struct tls_live *live)
{
	live->client = tls_store_get_client(s->store, job->slot, job->epoch);
	if (!live->client)
		return TLS_CAUSE_NO_POOL;
	live->handshake = tls_handshake_new_client(live->client, s->engine);
	return TLS_CAUSE_NO_MEMORY;
}

static void
free_live(struct tls_serving *s, struct tls_live *live)
{
	tls_handshake_free(live->handshake);
	tls_store_release(s->store, live->server);
	tls_client_free(live->client);
	free(live);
}

/* Which role it is depends on the question. NULL: see cause. */
static struct tls_live *
begin(struct tls_serving *s, struct tls_job *job, enum tls_cause *cause)
{
	struct tls_live *live = calloc(1, sizeof(*live));

	*cause = TLS_CAUSE_NO_MEMORY;
	job->handshake = NULL;
	if (!live)
		return NULL;
	*cause = job->question == TLS_ASK_CLIENT ? begin_client(s, job, live)
						 : begin_server(s, job, live);
	if (!live->handshake) {
		free_live(s, live);
		return NULL;
	}
	job->handshake = live;
	live->link = &s->live;
	live->next = s->live;
	if (live->next)
		live->next->link = &live->next;
	s->live = live;
	s->n_live++;
	return live;
}

static void
end(struct tls_serving *s, struct tls_live *live)
{
	if (!live)
		return;
	*live->link = live->next;
	if (live->next)
		live->next->link = live->link;
	s->n_live--;
	free_live(s, live);
}

void
tls_serving_end(struct tls_serving *s)
{
	struct tls_live *live = s->live, *next;

	for (; live; live = next) {
		next = live->next;
		free_live(s, live);
	}
	s->live = NULL;
	s->n_live = 0;
}

/* ---- what goes to the peer ------------------------------------------------------------------- */

/* How many of the bytes fit behind what the buffer has. */
static size_t
fill(struct rte_mbuf *m, struct rte_mbuf *head, struct tls_bytes bytes)
{
	uint16_t n = (uint16_t)RTE_MIN(bytes.length, (size_t)rte_pktmbuf_tailroom(m));

	memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len), bytes.at, n);
	m->data_len = (uint16_t)(m->data_len + n);
	head->pkt_len += n;
	return n;
}

/* A pool lets the next one who takes wait for the one before, turning in circles, be that one
 * stopped in the middle. Threads share cores with others and with each other, so they sleep
 * instead. */
static bool
take(struct rte_mempool *mbufs, struct rte_mbuf **more, size_t n)
{
	static pthread_mutex_t taking = PTHREAD_MUTEX_INITIALIZER;
	bool taken;

	pthread_mutex_lock(&taking);
	taken = rte_pktmbuf_alloc_bulk(mbufs, more, (unsigned int)n) == 0;
	pthread_mutex_unlock(&taking);
	return taken;
}

/* Put bytes behind what the job has to send already: all of them, or none and false. Buffers are
 * taken at once and never put back: a worker that frees buffers should not have to wait for a
 * thread that was stopped while it freed one. */
static bool
send(struct tls_serving *s, struct tls_job *job, struct tls_bytes bytes)
{
	struct rte_mbuf *tail = job->out ? rte_pktmbuf_lastseg(job->out) : NULL;
	size_t room = rte_pktmbuf_data_room_size(s->mbufs) - RTE_PKTMBUF_HEADROOM;
	size_t here = tail ? rte_pktmbuf_tailroom(tail) : 0, n, i;
	struct rte_mbuf *more[BUFFERS_MAX];

	if (bytes.length == 0)
		return true;
	n = bytes.length > here ? (bytes.length - here + room - 1) / room : 0;
	if (n > BUFFERS_MAX)
		return false;
	if (n > 0 && !take(s->mbufs, more, n))
		return false;
	for (i = 0;; i++) {
		size_t done = tail ? fill(tail, job->out, bytes) : 0;

		bytes.at += done;
		bytes.length -= done;
		if (i == n)
			return true;
		if (tail) {
			tail->next = more[i];
			job->out->nb_segs++;
		} else {
			job->out = more[i];
		}
		tail = more[i];
	}
}

/* ---- a step ---------------------------------------------------------------------------------- */

static void
fail(struct tls_job *job, enum tls_cause cause)
{
	job->answer = TLS_ANSWER_FAILED;
	job->cause = (uint8_t)cause;
}

/* Give the handshake what has come, buffer by buffer. False: no buffers for what it has to send. */
static bool
step(struct tls_serving *s, struct tls_job *job, struct tls_handshake *h, enum tls_step *outcome)
{
	struct rte_mbuf *m = job->in;
	size_t left = job->in_length, used;

	do {
		struct tls_bytes in = { NULL, 0 };

		if (m) {
			in.at = rte_pktmbuf_mtod(m, const uint8_t *);
			in.length = RTE_MIN(left, (size_t)m->data_len);
			m = m->next;
		}
		*outcome = tls_handshake_step(h, in, &used);
		job->used += (uint32_t)used;
		left -= in.length;
		if (!send(s, job, tls_handshake_output(h)))
			return false;
	} while (*outcome == TLS_STEP_MORE && m && left > 0);
	return true;
}

/* Where it stands by now; the handshake is freed if that is its end. */
static void
go_on(struct tls_serving *s, struct tls_job *job, struct tls_live *live)
{
	enum tls_step outcome;

	if (!step(s, job, live->handshake, &outcome)) {
		fail(job, TLS_CAUSE_NO_MEMORY);
	} else if (outcome == TLS_STEP_MORE) {
		job->answer = TLS_ANSWER_MORE;
		return;
	} else if (outcome == TLS_STEP_DONE) {
		job->handover = *tls_handshake_result(live->handshake);
		job->answer = TLS_ANSWER_DONE;
	} else {
		fail(job, tls_handshake_cause(live->handshake));
	}
	end(s, live);
	job->handshake = NULL;
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
answer(struct tls_serving *s, struct tls_job *job)
{
	struct tls_live *live = job->handshake;
	enum tls_cause cause = TLS_CAUSE_INTERNAL;

	if (job->question == TLS_ASK_END) {
		end(s, live);
		job->handshake = NULL;
		job->answer = TLS_ANSWER_ENDED;
		return;
	}
	if (job->question != TLS_ASK_MORE)
		live = begin(s, job, &cause);
	if (live)
		go_on(s, job, live);
	else
		fail(job, cause);
}

void
tls_serve(struct tls_serving *s, struct tls_job *job)
{
	uint64_t since = now_ns();

	job->used = 0;
	answer(s, job);
	job->spent_ns = now_ns() - since;
}
