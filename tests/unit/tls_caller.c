/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tls_caller.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "tests/unit/tls_bytes.h"

static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "TLS caller: %s\n", what);
	abort();
}

struct rte_mempool *
tls_caller_pool(const char *name, unsigned int n)
{
	static bool started;
	char *argv[] = {
		"tls", "--no-huge",      "--no-shconf",   "-m", "64", "--no-pci", "-l",
		"0",   "--no-telemetry", "--log-level=4", NULL,
	};
	struct rte_mempool *pool;
	cpu_set_t allowed;

	if (!started) {
		sched_getaffinity(0, sizeof(allowed), &allowed);
		must(rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) >= 0, "no EAL");
		sched_setaffinity(0, sizeof(allowed), &allowed);
		started = true;
	}
	pool = rte_pktmbuf_pool_create(name, n, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	must(pool != NULL, "no pool");
	return pool;
}

static struct tls_caller *
make_caller(void)
{
	struct tls_caller *c = calloc(1, sizeof(*c));

	must(c != NULL, "no memory");
	c->peer = malloc(sizeof(*c->peer));
	must(c->peer != NULL, "no memory");
	return c;
}

struct tls_caller *
tls_caller_begin(enum tls_version version, int suite)
{
	struct tls_caller *c = make_caller();

	tls_mbed_begin(c->peer, version, suite);
	return c;
}

struct tls_caller *
tls_caller_serve(enum tls_version version)
{
	struct tls_caller *c = make_caller();
	struct tls_pair pair = tls_mbed_pair();

	c->is_backend = true;
	tls_mbed_serve(c->peer, &pair, version, 0);
	return c;
}

void
tls_caller_end(struct tls_caller *c)
{
	tls_mbed_end(c->peer);
	free(c->peer);
	free(c);
}

static struct rte_mbuf *
in_buffers(struct rte_mempool *pool, const uint8_t *bytes, size_t length, size_t segment)
{
	struct rte_mbuf *head = NULL, **link = &head, *m;
	size_t n;

	for (; length > 0; bytes += n, length -= n) {
		m = rte_pktmbuf_alloc(pool);
		must(m != NULL, "no mbuf");
		n = rte_pktmbuf_tailroom(m);
		n = segment && segment < n ? segment : n;
		n = length < n ? length : n;
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes, n);
		*link = m;
		link = &m->next;
	}
	return head;
}

/* What a client of TLS 1.3 has to say follows its Finished at once, and what a backend of 1.2 has.
 */
static void
speak(struct tls_caller *c)
{
	if (c->peer->n_out > 0 || tls_mbed_shake(c->peer) != 0 || c->early)
		return;
	must(mbedtls_ssl_write(&c->peer->ssl, (const uint8_t *)"GET /", 5) == 5, "writing");
	c->early = true;
}

bool
tls_caller_ask(struct tls_caller *c, struct tls_jobs *jobs, struct rte_mempool *pool)
{
	enum tls_question question = c->is_backend ? TLS_ASK_CLIENT : TLS_ASK_SERVER;
	struct tls_mbed *peer = c->peer;
	size_t n;

	if (c->job)
		question = TLS_ASK_MORE;
	else
		c->job = tls_job_take(jobs, 0);
	if (!c->job)
		return false;
	speak(c);
	n = c->cut && c->cut < peer->n_out ? c->cut : peer->n_out;
	c->job->slot = c->slot;
	c->job->epoch = c->epoch;
	c->job->in = in_buffers(pool, peer->out, n, c->segment);
	c->job->in_length = (uint32_t)n;
	peer->n_out -= n;
	memmove(peer->out, peer->out + n, peer->n_out);
	tls_job_ask(jobs, c->job, question);
	return true;
}

static void
take_over(struct tls_caller *c)
{
	struct tls_job *job = c->job;
	struct tls_mbed *peer = c->peer;
	struct rte_mbuf *m;
	uint32_t skip = job->used, part;

	for (m = job->in; m; m = m->next) {
		part = skip < m->data_len ? skip : m->data_len;
		memcpy(c->stream + c->n_stream, rte_pktmbuf_mtod_offset(m, uint8_t *, part),
		       m->data_len - part);
		c->n_stream += m->data_len - part;
		skip -= part;
	}
	must(c->n_stream == job->in_length - job->used, "bytes that are left");
	memcpy(c->stream + c->n_stream, peer->out, peer->n_out);
	c->n_stream += peer->n_out;
	peer->n_out = 0;
	c->handover = job->handover;
}

void
tls_caller_answered(struct tls_caller *c, struct tls_jobs *jobs)
{
	struct tls_job *job = c->job;
	struct rte_mbuf *m;
	uint32_t length = 0, segments = 0;

	for (m = job->out; m; m = m->next) {
		tls_mbed_hear(c->peer, rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
		length += m->data_len;
		segments++;
	}
	must(!job->out || (job->out->pkt_len == length && job->out->nb_segs == segments), "chain");
	must(job->answer != TLS_ANSWER_MORE || job->used == job->in_length, "used with MORE");
	must(job->used <= job->in_length, "used");
	c->answer = (enum tls_answer)job->answer;
	c->cause = (enum tls_cause)job->cause;
	if (c->answer == TLS_ANSWER_DONE)
		take_over(c);
	rte_pktmbuf_free(job->in);
	rte_pktmbuf_free(job->out);
	job->in = job->out = NULL;
	if (c->answer == TLS_ANSWER_MORE)
		return;
	tls_job_give_back(jobs, job);
	c->job = NULL;
}

static bool
hears(struct tls_caller *c, const char *text)
{
	size_t length = strlen(text);
	uint8_t got[16];
	int n;

	do
		n = mbedtls_ssl_read(&c->peer->ssl, got, sizeof(got));
	while (n == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
	return n == (int)length && memcmp(got, text, length) == 0;
}

bool
tls_caller_talks(struct tls_caller *c)
{
	struct tls_end receive = { .keys = c->handover.receive },
		       send = { .keys = c->handover.send };
	struct tls_opened o;
	uint8_t record[64];
	size_t n;

	if (c->answer != TLS_ANSWER_DONE || tls_mbed_shake(c->peer) != 0)
		return false;
	tls_end_link(&receive);
	tls_end_link(&send);
	speak(c);
	memcpy(c->stream + c->n_stream, c->peer->out, c->peer->n_out);
	c->n_stream += c->peer->n_out;
	c->peer->n_out = 0;
	o = tls_end_open(&receive, c->stream, c->n_stream);
	if (o.error || o.whole != c->n_stream || o.length != 5 ||
	    memcmp(o.content, "GET /", 5) != 0)
		return false;
	n = tls_end_seal(&send, TLS_APPLICATION_DATA, "200", 3, record);
	tls_mbed_hear(c->peer, record, n);
	return n > 0 && hears(c, "200");
}
