/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/tls/handshakes.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/common/samples.h"
#include "bench/tls/floor.h"
#include "cp/tls/serve.h"
#include "tests/unit/tls_peer.h"

#define ROUNDS    41
#define PER_ROUND 8
#define ROOM      32768

struct bench_case {
	const char *name, *short_name;
	enum tls_test_key key;
	int version; /* OpenSSL's number */
	enum floor_group group;
	bool resumed, alone; /* alone: without a key exchange */
};

static const struct bench_case cases[] = {
	{ "1.3, ECDSA P-256, X25519", "13-ecdsa-x25519", TLS_TEST_ECDSA, TLS1_3_VERSION,
	  FLOOR_X25519, false, false },
	{ "1.3, ECDSA P-256, P-256", "13-ecdsa-p256", TLS_TEST_ECDSA, TLS1_3_VERSION, FLOOR_P256,
	  false, false },
	{ "1.3, RSA-2048, X25519", "13-rsa-x25519", TLS_TEST_RSA, TLS1_3_VERSION, FLOOR_X25519,
	  false, false },
	{ "1.2, ECDSA P-256, X25519", "12-ecdsa-x25519", TLS_TEST_ECDSA, TLS1_2_VERSION,
	  FLOOR_X25519, false, false },
	{ "1.2, ECDSA P-256, P-256", "12-ecdsa-p256", TLS_TEST_ECDSA, TLS1_2_VERSION, FLOOR_P256,
	  false, false },
	{ "1.2, RSA-2048, X25519", "12-rsa-x25519", TLS_TEST_RSA, TLS1_2_VERSION, FLOOR_X25519,
	  false, false },
	{ "1.3 resumed, X25519", "13-resumed-x25519", TLS_TEST_ECDSA, TLS1_3_VERSION, FLOOR_X25519,
	  true, false },
	{ "1.3 resumed, P-256", "13-resumed-p256", TLS_TEST_ECDSA, TLS1_3_VERSION, FLOOR_P256, true,
	  false },
	{ "1.3 resumed, no exchange", "13-resumed-alone", TLS_TEST_ECDSA, TLS1_3_VERSION,
	  FLOOR_X25519, true, true },
	{ "1.2 resumed", "12-resumed", TLS_TEST_ECDSA, TLS1_2_VERSION, FLOOR_X25519, true, true },
};

/* The server's side of all handshakes, and the clients' of one case. */
struct bench {
	struct rte_mempool *mbufs;
	struct tls_serving serving;
	struct tls_certificate *certificate; /* the one that the floor signs with */
	SSL_CTX *context;
	SSL_SESSION *session; /* NULL: not resumed */
	uint64_t spent;       /* ns, in the server's steps */
};

static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "bench-tls: handshakes: %s failed\n", what);
	exit(1);
}

/* Of this thread: others may want the same core. */
static uint64_t
spent_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- a handshake ----------------------------------------------------------------------------- */

/* The client's bytes go to the server, and what it says comes back. */
static void
ask(struct bench *b, SSL *client, struct tls_job *job, enum tls_question question)
{
	uint8_t bytes[ROOM];
	int n = BIO_read(SSL_get_wbio(client), bytes, sizeof(bytes));
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->mbufs), *next;
	uint64_t begun;

	must(m && n > 0 && n <= rte_pktmbuf_tailroom(m), "a client");
	memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes, (size_t)n);
	job->question = (uint8_t)question;
	job->in = m;
	job->in_length = (uint32_t)n;
	job->out = NULL;
	begun = spent_ns();
	tls_serve(&b->serving, job);
	b->spent += spent_ns() - begun;
	for (next = job->out; next; next = next->next)
		BIO_write(SSL_get_rbio(client), rte_pktmbuf_mtod(next, void *), next->data_len);
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(job->out);
}

/* The client, which has got all that the server sends, tickets among it. */
static SSL *
shake_hands(struct bench *b, bool resumed)
{
	SSL *client = SSL_new(b->context);
	BIO *to = BIO_new(BIO_s_mem());
	struct tls_job job = { .slot = 1, .epoch = 1 };
	enum tls_question question = TLS_ASK_SERVER;
	char nothing[1];

	must(client && to, "memory");
	BIO_set_mem_eof_return(to, -1);
	SSL_set_bio(client, to, BIO_new(BIO_s_mem()));
	if (resumed)
		SSL_set_session(client, b->session);
	SSL_set_connect_state(client);
	do {
		SSL_do_handshake(client);
		ask(b, client, &job, question);
		question = TLS_ASK_MORE;
	} while (job.answer == TLS_ANSWER_MORE);
	must(job.answer == TLS_ANSWER_DONE && job.handover.resumed == resumed, "a handshake");
	must(SSL_do_handshake(client) == 1, "a client's end of it");
	SSL_read(client, nothing, 0);
	SSL_read(client, nothing, sizeof(nothing));
	return client;
}

static void
part(SSL *client)
{
	/* Else OpenSSL does not resume the session. */
	SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(client);
}

/* ---- a case ---------------------------------------------------------------------------------- */

/* How long such a handshake's arithmetic takes alone; without a key exchange there is none. */
static uint64_t
floor_of(struct bench *b, const struct bench_case *c)
{
	bool is_13 = c->version == TLS1_3_VERSION;
	uint64_t begun = spent_ns();

	if (!c->resumed)
		must(floor_sign(b->certificate, is_13), "signing");
	if (!c->alone)
		must(floor_agree(c->group, is_13), "agreeing");
	return spent_ns() - begun;
}

static void
open_case(struct bench *b, const struct bench_case *c)
{
	struct tls_server_settings settings = tls_test_settings(c->key);
	struct tls_pair_faults faults = { 0 };
	SSL *first;

	settings.ticket_lifetime = 3600;
	settings.tickets = 2;
	settings.without_exchange = c->alone;
	b->certificate =
	    tls_certificate_parse(settings.pairs->certificate, settings.pairs->key, &faults);
	must(b->certificate != NULL, faults.key.text);
	b->serving.store = tls_store_create();
	must(b->serving.store &&
		 tls_store_put(b->serving.store, 1, 1, tls_test_server(&settings)) == 0,
	     "a server");
	/* In 1.2 these are the curves of certificates, too; of both the server takes X25519. */
	b->context = SSL_CTX_new(TLS_client_method());
	must(b->context && SSL_CTX_set_ciphersuites(b->context, "TLS_AES_128_GCM_SHA256") &&
		 SSL_CTX_set_min_proto_version(b->context, c->version) &&
		 SSL_CTX_set_max_proto_version(b->context, c->version) &&
		 SSL_CTX_set1_groups_list(b->context,
					  c->group == FLOOR_P256 ? "P-256" : "X25519:P-256"),
	     "OpenSSL");
	if (c->alone)
		SSL_CTX_set_options(b->context, SSL_OP_ALLOW_NO_DHE_KEX);
	first = shake_hands(b, false);
	if (c->resumed) {
		b->session = SSL_get1_session(first);
		must(SSL_SESSION_is_resumable(b->session), "a session");
	}
	part(first);
}

static void
close_case(struct bench *b)
{
	SSL_SESSION_free(b->session);
	SSL_CTX_free(b->context);
	tls_serving_end(&b->serving);
	tls_store_destroy(b->serving.store);
	tls_certificate_put(b->certificate);
	b->session = NULL;
}

static void
run_case(struct bench *b, const struct bench_case *c, json_t *results)
{
	static struct samples whole, alone, shares;
	uint64_t floor;
	double ns, floor_ns, share;
	int round, i;

	whole.n = alone.n = shares.n = 0;
	open_case(b, c);
	for (round = 0; round < ROUNDS; round++) {
		for (b->spent = floor = 0, i = 0; i < PER_ROUND; i++) {
			part(shake_hands(b, c->resumed));
			floor += floor_of(b, c);
		}
		samples_add(&whole, (double)b->spent / PER_ROUND);
		samples_add(&alone, (double)floor / PER_ROUND);
		samples_add(&shares, (double)floor / (double)b->spent);
	}
	close_case(b);
	ns = samples_quantile(&whole, 0.5);
	floor_ns = samples_quantile(&alone, 0.5);
	share = samples_quantile(&shares, 0.5);
	/* What one without any has as floor is the clock. */
	if (c->alone)
		floor_ns = share = 0;
	printf("%-28s %9.1f %9.1f %9.1f %9.0f %6.2f\n", c->name, ns / 1e3,
	       samples_quantile(&whole, 0) / 1e3, floor_ns / 1e3, 1e9 / ns, share);
	json_array_append_new(results, json_pack("{s:s+, s:f, s:f, s:f, s:f}", "case", "handshake ",
						 c->short_name, "ns", ns, "ns_least",
						 samples_quantile(&whole, 0), "ns_floor", floor_ns,
						 "share", share));
}

static struct rte_mempool *
make_mbufs(void)
{
	static char *arguments[] = {
		"bench-tls",   "--no-huge",      "-m",          "128",  "--no-pci",
		"--no-shconf", "--no-telemetry", "--log-level", "error"
	};
	cpu_set_t allowed;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	must(rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) >= 0 ||
		 rte_errno == EALREADY,
	     "DPDK");
	sched_setaffinity(0, sizeof(allowed), &allowed);
	return rte_pktmbuf_pool_create("handshakes", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
}

void
bench_handshakes(const struct tls_engine *engine, const char *only, json_t *results)
{
	struct bench b = { .mbufs = make_mbufs() };
	size_t i;

	must(b.mbufs != NULL, "buffers");
	b.serving.mbufs = b.mbufs;
	b.serving.engine = engine;
	printf("%-28s %9s %9s %9s %9s %6s\n", "handshakes, microseconds", "median", "least",
	       "floor", "per s", "share");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!only || strstr(only, cases[i].short_name))
			run_case(&b, &cases[i], results);
	rte_mempool_free(b.mbufs);
}
