/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <CUnit/CUnit.h>
#include <openssl/pem.h>
#include <rte_ring.h>

#include "cp/tls/client.h"

#define JOBS  8
#define PIECE 1400u
/* Milliseconds of the simulation that anything may take. */
#define PATIENCE 120000u

static struct tls_world *
world_of(void *arg)
{
	return ((struct proxy_peer *)arg)->wire->user;
}

static struct tls_side_end *
end_of(void *arg)
{
	return &world_of(arg)->ends[((struct proxy_peer *)arg)->where];
}

/* ---- texts ----------------------------------------------------------------------------------- */

static uint8_t
nth(enum where who, size_t i)
{
	return (uint8_t)((i * 31 + i / 251) ^ (who == CLIENT ? 0x5a : 0));
}

static void
write_text(enum where who, size_t at, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = nth(who, at + i);
}

static void
hear(struct tls_world *w, enum where who, const uint8_t *bytes, size_t n)
{
	struct tls_side_end *e = &w->ends[who];

	for (size_t i = 0; i < n; i++)
		e->wrong |= bytes[i] != nth(who == CLIENT ? SERVER : CLIENT, e->heard + i);
	e->heard += n;
}

/* The end that speaks plain TCP. */
static enum where
plain(const struct tls_world *w)
{
	return w->secure == CLIENT ? SERVER : CLIENT;
}

/* ---- OpenSSL --------------------------------------------------------------------------------- */

static void
ssl_forget(struct tls_world *w)
{
	SSL_free(w->ssl); /* with its BIOs */
	w->ssl = NULL;
}

/* A connection of its end begins. */
static void
ssl_begin(struct tls_world *w)
{
	ssl_forget(w);
	w->failed = w->peer_notify = false;
	w->ssl = SSL_new(w->context);
	w->in = BIO_new(BIO_s_mem());
	w->out = BIO_new(BIO_s_mem());
	CU_ASSERT_FATAL(w->ssl && w->in && w->out);
	BIO_set_mem_eof_return(w->in, -1);
	SSL_set_bio(w->ssl, w->in, w->out);
	if (w->secure == SERVER) {
		SSL_set_accept_state(w->ssl);
	} else {
		SSL_set_connect_state(w->ssl);
		SSL_set_tlsext_host_name(w->ssl, "shop.example");
	}
}

/* ---- events of TCP --------------------------------------------------------------------------- */

static uint64_t
on_accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	(void)listener;
	(void)tuple;
	end_of(arg)->handle = h; /* of the backend that is tried now */
	end_of(arg)->open = true;
	end_of(arg)->closed = end_of(arg)->half_closed = false;
	if (world_of(arg)->secure == SERVER)
		ssl_begin(world_of(arg));
	return 0;
}

static void
on_connected(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	(void)user;
	end_of(arg)->open = true;
}

static void
on_received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct proxy_peer *p = arg;
	struct tls_world *w = world_of(arg);
	struct rte_mbuf *m;

	(void)user;
	for (m = h == end_of(arg)->handle ? chain : NULL; m; m = m->next) {
		const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);

		if (p->where != w->secure)
			hear(w, p->where, bytes, m->data_len);
		else
			BIO_write(w->in, bytes, m->data_len);
		if (p->where == w->secure && w->tap)
			BIO_write(w->tap, bytes, m->data_len);
	}
	rte_pktmbuf_free(chain);
	if (p->where != w->secure || !w->deaf)
		tcp_credit(p->tcp, h, length);
}

static void
on_half_closed(void *arg, tcp_handle h, uint64_t user)
{
	struct proxy_peer *p = arg;

	(void)user;
	end_of(arg)->half_closed = true;
	if (p->where != world_of(arg)->secure)
		tcp_shutdown(p->tcp, h);
}

static void
on_closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	(void)user;
	if (h != end_of(arg)->handle)
		return;
	end_of(arg)->closed = true;
	end_of(arg)->cause = cause;
}

/* ---- the ends -------------------------------------------------------------------------------- */

static void
secure_speaks(struct tls_world *w)
{
	struct tls_side_end *e = &w->ends[w->secure];
	uint8_t bytes[4 * PIECE];
	int n;

	while (e->says.sent < e->says.n && SSL_is_init_finished(w->ssl)) {
		size_t left = e->says.n - e->says.sent;

		n = (int)(left < sizeof(bytes) ? left : sizeof(bytes));
		n = w->tiny ? 1 : n;
		write_text(w->secure, e->says.sent, bytes, (size_t)n);
		n = SSL_write(w->ssl, bytes, n);
		if (n <= 0)
			break;
		e->says.sent += (size_t)n;
	}
}

static void
secure_listens(struct tls_world *w)
{
	uint8_t bytes[16384];
	int n, error;

	if (w->deaf)
		return;
	while ((n = SSL_read(w->ssl, bytes, sizeof(bytes))) > 0)
		hear(w, w->secure, bytes, (size_t)n);
	error = SSL_get_error(w->ssl, n);
	if (error == SSL_ERROR_ZERO_RETURN)
		w->peer_notify = true;
	else if (error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL)
		w->failed = true;
}

/* What OpenSSL has to send. */
static void
secure_sends(struct tls_world *w)
{
	struct tls_side_end *e = &w->ends[w->secure];
	struct tcp *tcp = w->wire.peers[w->secure].tcp;
	uint8_t bytes[PIECE];
	int n;

	while (BIO_ctrl_pending(w->out) && tcp_send_room(tcp, e->handle)) {
		n = BIO_read(w->out, bytes, w->trickle ? (int)w->trickle : (int)PIECE);
		CU_ASSERT_FATAL(n > 0);
		if (tcp_send(tcp, e->handle, fixture_mbuf(bytes, (size_t)n)) < 0)
			break;
		if (w->trickle)
			return;
	}
	if (e->shut && !BIO_ctrl_pending(w->out))
		tcp_shutdown(tcp, e->handle);
}

static void
plain_speaks(struct tls_world *w)
{
	struct tls_side_end *e = &w->ends[plain(w)];
	struct tcp *tcp = w->wire.peers[plain(w)].tcp;
	uint8_t bytes[PIECE];

	while (e->open && e->says.sent < e->says.n && tcp_send_room(tcp, e->handle)) {
		size_t left = e->says.n - e->says.sent, n = left < PIECE ? left : PIECE;

		write_text(plain(w), e->says.sent, bytes, n);
		if (tcp_send(tcp, e->handle, fixture_mbuf(bytes, n)) < 0)
			break;
		e->says.sent += n;
	}
}

static void
serve(struct tls_world *w)
{
	struct rte_ring *answers = proxy_tls_answers(worker_proxy(w->f->worker));
	void *job;

	while (!w->no_threads && rte_ring_dequeue(w->threads.asked, &job) == 0) {
		tls_serve(&w->serving, job);
		CU_ASSERT_EQUAL_FATAL(rte_ring_enqueue(answers, job), 0);
	}
}

void
tls_world_step(struct tls_world *w)
{
	w->wire.now += MS;
	if (w->ssl && !w->silent && w->ends[w->secure].open && !w->ends[w->secure].closed) {
		secure_listens(w);
		secure_speaks(w);
		secure_sends(w);
	}
	plain_speaks(w);
	proxy_wire_peer(&w->wire, &w->wire.peers[CLIENT]);
	proxy_wire_peer(&w->wire, &w->wire.peers[SERVER]);
	serve(w);
	proxy_wire_worker(&w->wire);
}

void
tls_world_steps(struct tls_world *w, uint32_t n)
{
	while (n--)
		tls_world_step(w);
}

/* ---- the world ------------------------------------------------------------------------------- */

static void
show_certificate(SSL_CTX *context)
{
	const struct tls_pair pair = tls_test_pair(TLS_TEST_ECDSA);
	BIO *certificate = BIO_new_mem_buf(pair.certificate, -1);
	BIO *key = BIO_new_mem_buf(pair.key, -1);
	X509 *x509 = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);

	CU_ASSERT_FATAL(x509 && pkey);
	CU_ASSERT_EQUAL(SSL_CTX_use_certificate(context, x509), 1);
	CU_ASSERT_EQUAL(SSL_CTX_use_PrivateKey(context, pkey), 1);
	X509_free(x509);
	EVP_PKEY_free(pkey);
	BIO_free(certificate);
	BIO_free(key);
}

static void
context_create(struct tls_world *w, const struct tls_world_plan *plan)
{
	w->context = SSL_CTX_new(plan->to_backend ? TLS_server_method() : TLS_client_method());
	CU_ASSERT_FATAL(w->context != NULL);
	if (plan->to_backend)
		show_certificate(w->context);
	SSL_CTX_set_min_proto_version(w->context, plan->version);
	SSL_CTX_set_max_proto_version(w->context, plan->version);
	if (plan->suite && plan->version == TLS1_3_VERSION) {
		CU_ASSERT_EQUAL(SSL_CTX_set_ciphersuites(w->context, plan->suite), 1);
	} else if (plan->suite) {
		CU_ASSERT_EQUAL(SSL_CTX_set_cipher_list(w->context, plan->suite), 1);
	}
}

/* Who speaks to the backend: with the pool in slot 0. */
static void
client_put(struct tls_world *w, const char *name)
{
	const struct tls_client_settings settings = {
		.ca = tls_test_pair(TLS_TEST_ECDSA).certificate,
		.server_name = name ? name : "shop.example",
		.verify = true,
		.minimum = TLS_1_2,
		.maximum = TLS_1_3,
	};
	char error[200];
	struct tls_client *client = tls_client_create(&settings, error, sizeof(error));

	CU_ASSERT_FATAL(client != NULL);
	CU_ASSERT_EQUAL_FATAL(tls_store_put_client(w->store, 0, 1, client), 0);
}

static void
threads_create(struct tls_world *w, const struct tls_world_plan *plan)
{
	struct tls_server_settings settings = tls_test_settings(TLS_TEST_ECDSA);

	CU_ASSERT_EQUAL_FATAL(tls_engine_open(&w->engine), 0);
	w->store = tls_store_create();
	w->threads.asked = rte_ring_create("tls-world", 64, SOCKET_ID_ANY, 0);
	w->threads.wake = eventfd(0, 0);
	CU_ASSERT_FATAL(w->store && w->threads.asked);
	CU_ASSERT_EQUAL_FATAL(tls_store_put(w->store, 0, 1, tls_test_server(&settings)), 0);
	if (plan->to_backend)
		client_put(w, plan->name);
	w->serving = (struct tls_serving){ .mbufs = fixture_pool(),
					   .store = w->store,
					   .engine = &w->engine };
}

struct tls_world *
tls_world_create(const struct tls_world_plan *plan)
{
	const struct tcp_calls events = {
		.accepted = on_accepted,
		.connected = on_connected,
		.received = on_received,
		.half_closed = on_half_closed,
		.closed = on_closed,
	};
	struct tls_world *w = aligned_alloc(_Alignof(struct tls_world), sizeof(*w));

	CU_ASSERT_FATAL(w != NULL);
	memset(w, 0, sizeof(*w));
	w->secure = plan->to_backend ? SERVER : CLIENT;
	context_create(w, plan);
	proxy_wire_create(&w->wire, &plan->wire, &events);
	w->wire.user = w;
	w->f = w->wire.f;
	w->f->services[0].epoch = 1;
	w->wire.settings[0].tls = !plan->to_backend;
	w->wire.settings[0].timeout_hello = 20000 * MS;
	w->f->pools[0].tls = plan->to_backend;
	w->f->pools[0].epoch = 1;
	w->port = 5000;
	threads_create(w, plan);
	proxy_wire_start(&w->wire);
	CU_ASSERT_EQUAL_FATAL(
	    proxy_prepare_tls(worker_proxy(w->f->worker), &w->threads, 1, &w->engine, JOBS), 0);
	proxy_iterate(w->f->worker);
	return w;
}

/* Nothing is left of anything. */
void
tls_world_destroy(struct tls_world *w)
{
	struct proxy *proxy = worker_proxy(w->f->worker);

	ssl_forget(w);
	CU_ASSERT_PTR_NULL(w->wire.wrong);
	CU_ASSERT_EQUAL(proxy_sessions(proxy), 0);
	CU_ASSERT_EQUAL(tls_streams(proxy_tls(proxy)), 0);
	CU_ASSERT_EQUAL(w->serving.n_live, 0);
	CU_ASSERT_EQUAL(proxy_wire_connections(&w->wire), 0);
	CU_ASSERT_PTR_NULL(tcp_check(proxy_tcp(proxy)));
	proxy_wire_destroy(&w->wire);
	tls_serving_end(&w->serving);
	tls_store_destroy(w->store);
	tls_engine_close(&w->engine);
	rte_ring_free(w->threads.asked);
	close(w->threads.wake);
	SSL_CTX_free(w->context);
	free(w);
	CU_ASSERT_EQUAL(fixture_mbufs_in_use(), 0);
}

void
tls_world_open(struct tls_world *w)
{
	uint32_t i;

	ssl_forget(w);
	w->silent = false;
	memset(w->ends, 0, sizeof(w->ends));
	w->failed = w->peer_notify = w->deaf = false;
	if (w->secure == CLIENT)
		ssl_begin(w);
	CU_ASSERT_FATAL(proxy_wire_connect(&w->wire, w->port++, 0, &w->ends[CLIENT].handle));
	for (i = 0; i < PATIENCE && !w->ends[CLIENT].open; i++)
		tls_world_step(w);
}

void
tls_world_say(struct tls_world *w, const void *bytes, size_t n)
{
	CU_ASSERT_EQUAL(tcp_send(w->wire.peers[w->secure].tcp, w->ends[w->secure].handle,
				 fixture_mbuf(bytes, n)),
			0);
}

static bool
is_secure(const struct tls_world *w)
{
	return w->ssl && SSL_is_init_finished(w->ssl);
}

bool
tls_world_shake(struct tls_world *w)
{
	uint32_t i;

	for (i = 0; i < PATIENCE && !is_secure(w) && !w->failed && !w->ends[CLIENT].closed; i++)
		tls_world_step(w);
	return is_secure(w) && !w->failed;
}

bool
tls_world_talk(struct tls_world *w, size_t up, size_t down)
{
	struct tls_side_end *client = &w->ends[CLIENT], *server = &w->ends[SERVER];
	uint32_t i;

	client->says.n += up;
	server->says.n += down;
	for (i = 0; i < PATIENCE && !w->failed && !client->closed && !server->closed &&
		    (server->heard < client->says.n || client->heard < server->says.n);
	     i++)
		tls_world_step(w);
	return !w->failed && !client->wrong && !server->wrong && server->heard == client->says.n &&
	       client->heard == server->says.n;
}

uint64_t
tls_world_unread(struct tls_world *w)
{
	struct tcp *tcp = proxy_tcp(worker_proxy(w->f->worker));
	struct tcp_info info;
	uint32_t cursor = 0;
	uint64_t unread = 0;

	while (cursor != UINT32_MAX)
		if (tcp_walk(tcp, &cursor, 1024, &info))
			unread += info.unread;
	return unread;
}

bool
tls_world_close(struct tls_world *w)
{
	struct tls_side_end *secure = &w->ends[w->secure], *other = &w->ends[plain(w)];
	uint32_t i;

	SSL_shutdown(w->ssl);
	secure->shut = true;
	for (i = 0; i < PATIENCE && !(secure->closed && other->closed); i++)
		tls_world_step(w);
	secure_listens(w);
	return secure->closed && other->closed && secure->cause == TCP_CLOSED_DONE &&
	       other->cause == TCP_CLOSED_DONE && other->half_closed && w->peer_notify;
}

const struct tls_counters *
tls_world_counters(const struct tls_world *w)
{
	return proxy_tls_counters(worker_proxy(w->f->worker));
}
