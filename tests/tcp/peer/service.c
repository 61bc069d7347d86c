/* SPDX-License-Identifier: Apache-2.0 */
/* What connections do. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "tests/tcp/peer/peer.h"

#define STOP_NS   2000000000ull
#define CHAIN_MAX (45 * PEER_PIECE)
#define OWN_PORT  30000

static struct session *
session_new(struct peer *p, enum service service)
{
	struct session *s;

	if (!p->n_free)
		return NULL;
	s = &p->sessions[p->free_sessions[--p->n_free]];
	p->fresh = RTE_MAX(p->fresh, (uint32_t)(s - p->sessions) + 1);
	memset(s, 0, sizeof(*s));
	s->used = true;
	s->service = service;
	s->opened = p->now;
	return s;
}

static void
session_free(struct peer *p, struct session *s)
{
	rte_pktmbuf_free(s->pending);
	s->pending = NULL;
	s->used = false;
	p->free_sessions[p->n_free++] = (uint32_t)(s - p->sessions);
}

/* ---- sending -------------------------------------------------------------------------------- */

static bool
append(struct peer *p, struct rte_mbuf **head, const void *bytes, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->mbufs);

	if (!m)
		return false;
	memcpy(rte_pktmbuf_mtod(m, void *), bytes, len);
	m->data_len = (uint16_t)len;
	m->pkt_len = (uint32_t)len;
	if (!*head)
		*head = m;
	else if (rte_pktmbuf_chain(*head, m) != 0) {
		rte_pktmbuf_free(m);
		return false;
	}
	return true;
}

/* Content until the stack takes no more. */
static void
send_content(struct peer *p, struct session *s)
{
	struct rte_mbuf *chain;
	size_t len, begin, n;

	/* Until -EAGAIN, which is what brings the event `room`. */
	while (s->to_send) {
		chain = NULL;
		for (len = 0; len < CHAIN_MAX && len < s->to_send; len += n) {
			begin = (s->content_at + len) % PEER_BLOCK;
			n = RTE_MIN(PEER_PIECE, s->to_send - len);
			if (!append(p, &chain, p->block + begin, n))
				break;
		}
		if (!chain)
			return; /* service_advance comes back to it */
		if (tcp_send(p->tcp, s->h, chain) != 0) {
			rte_pktmbuf_free(chain);
			return;
		}
		s->to_send -= len;
		s->content_at += len;
	}
}

static void
send_text(struct peer *p, struct session *s, const char *text)
{
	struct rte_mbuf *chain = NULL;

	if (append(p, &chain, text, strlen(text)) && tcp_send(p->tcp, s->h, chain) != 0)
		rte_pktmbuf_free(chain);
}

static void
shut(struct peer *p, struct session *s)
{
	if (s->shut)
		return;
	s->shut = true;
	tcp_shutdown(p->tcp, s->h);
}

/* ---- services ------------------------------------------------------------------------------- */

static void
echo_pending(struct peer *p, struct session *s)
{
	uint32_t len;

	if (s->pending) {
		len = s->pending->pkt_len;
		if (tcp_send(p->tcp, s->h, s->pending) != 0)
			return;
		s->pending = NULL;
		tcp_credit(p->tcp, s->h, len);
	}
	if (s->peer_done)
		shut(p, s);
}

static void
echo(struct peer *p, struct session *s, struct rte_mbuf *chain)
{
	if (s->pending && rte_pktmbuf_chain(s->pending, chain) != 0) {
		fprintf(stderr, "tcp-peer: a chain that is too long\n");
		rte_pktmbuf_free(chain);
		tcp_abort(p->tcp, s->h);
		session_free(p, s);
		return;
	}
	if (!s->pending)
		s->pending = chain;
	echo_pending(p, s);
}

static void
check(struct peer *p, struct session *s, const struct rte_mbuf *chain)
{
	const uint8_t *bytes;
	size_t begin, n, left;

	for (const struct rte_mbuf *m = chain; m; m = m->next) {
		bytes = rte_pktmbuf_mtod(m, const uint8_t *);
		for (left = m->data_len; left; left -= n, bytes += n, s->checked += n) {
			begin = s->checked % PEER_BLOCK;
			n = RTE_MIN(left, PEER_BLOCK - begin);
			s->wrong |= memcmp(bytes, p->block + begin, n) != 0;
		}
	}
}

static void
keep_text(struct session *s, const struct rte_mbuf *chain)
{
	size_t n;

	for (const struct rte_mbuf *m = chain; m; m = m->next) {
		n = RTE_MIN((size_t)m->data_len, sizeof(s->text) - 1 - s->text_len);
		memcpy(s->text + s->text_len, rte_pktmbuf_mtod(m, const char *), n);
		s->text_len += n;
	}
	s->text[s->text_len] = '\0';
}

static void
forget_text(struct session *s, const char *until)
{
	s->text_len -= (size_t)(until - s->text);
	memmove(s->text, until, s->text_len + 1);
}

static void
source(struct peer *p, struct session *s)
{
	const char *end = strchr(s->text, '\n');

	if (!end)
		return;
	s->to_send = strtoull(s->text, NULL, 10);
	forget_text(s, end + 1);
	send_content(p, s);
	if (!s->to_send)
		shut(p, s);
}

static void
http(struct peer *p, struct session *s)
{
	char answer[128];
	const char *end;
	unsigned long long n;

	while (!s->to_send && (end = strstr(s->text, "\r\n\r\n")) != NULL) {
		n = 0;
		sscanf(s->text, "GET /%llu", &n);
		forget_text(s, end + 4);
		snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
			 n);
		send_text(p, s, answer);
		s->to_send = n;
		s->content_at = 0;
		send_content(p, s);
	}
	if (s->peer_done && !s->to_send)
		shut(p, s);
}

/* The client's answer to GET: its header is text, the rest is counted and checked. */
static void
answer(struct peer *p, struct session *s, struct rte_mbuf *chain)
{
	const char *end;
	size_t before = s->text_len;

	if (!p->options.get || s->body) {
		check(p, s, chain);
		return;
	}
	keep_text(s, chain);
	end = strstr(s->text, "\r\n\r\n");
	if (!end)
		return;
	s->body = true;
	if (rte_pktmbuf_adj(chain, (uint16_t)((size_t)(end + 4 - s->text) - before)))
		check(p, s, chain);
}

static void
sink_done(struct peer *p, struct session *s)
{
	char text[48];

	snprintf(text, sizeof(text), s->wrong ? "wrong\n" : "%llu\n",
		 (unsigned long long)s->received);
	send_text(p, s, text);
	shut(p, s);
}

/* ---- events --------------------------------------------------------------------------------- */

static struct session *
session_of(struct peer *p, uint64_t user)
{
	return &p->sessions[user];
}

static uint64_t
accepted(void *arg, tcp_handle h, uint32_t listener, const struct tuple *tuple)
{
	struct peer *p = arg;
	struct session *s = session_new(p, (enum service)listener);

	(void)tuple;
	if (!s) {
		tcp_abort(p->tcp, h);
		return 0;
	}
	s->h = h;
	return (uint64_t)(s - p->sessions);
}

static void
connected(void *arg, tcp_handle h, uint64_t user)
{
	struct peer *p = arg;

	(void)h;
	send_content(p, session_of(p, user));
}

static void
received(void *arg, tcp_handle h, uint64_t user, struct rte_mbuf *chain, uint32_t length)
{
	struct peer *p = arg;
	struct session *s = session_of(p, user);

	s->received += length;
	if (s->service == SERVICE_ECHO) {
		echo(p, s, chain);
		return;
	}
	if (s->service == SERVICE_SINK || s->service == SERVICE_STOP)
		check(p, s, chain);
	else if (s->service == SERVICE_CLIENT)
		answer(p, s, chain);
	else
		keep_text(s, chain);
	rte_pktmbuf_free(chain);
	if (s->service == SERVICE_SOURCE)
		source(p, s);
	else if (s->service == SERVICE_HTTP)
		http(p, s);
	if (s->service == SERVICE_STOP && p->now < s->opened + STOP_NS)
		s->owed += length;
	else
		tcp_credit(p->tcp, h, length);
}

static void
go_on(struct peer *p, struct session *s)
{
	bool had = s->to_send > 0;

	send_content(p, s);
	if (s->service == SERVICE_ECHO)
		echo_pending(p, s);
	else if (s->service == SERVICE_HTTP)
		http(p, s);
	else if (had && !s->to_send)
		shut(p, s);
}

static void
room(void *arg, tcp_handle h, uint64_t user)
{
	(void)h;
	go_on(arg, session_of(arg, user));
}

static void
half_closed(void *arg, tcp_handle h, uint64_t user)
{
	struct peer *p = arg;
	struct session *s = session_of(p, user);

	(void)h;
	s->peer_done = true;
	if (s->service == SERVICE_ECHO)
		echo_pending(p, s);
	else if (s->service == SERVICE_SINK || s->service == SERVICE_STOP)
		sink_done(p, s);
	else if (!s->to_send)
		shut(p, s);
}

static void
closed(void *arg, tcp_handle h, uint64_t user, enum tcp_close_cause cause)
{
	struct peer *p = arg;
	struct session *s = session_of(p, user);

	(void)h;
	if (s->service == SERVICE_CLIENT) {
		p->client_done = true;
		p->client_cause = cause;
		p->client_received = p->options.get ? s->checked : s->received;
		p->client_wrong = s->wrong;
	}
	session_free(p, s);
}

void
service_calls(struct peer *p, struct tcp_calls *calls)
{
	*calls = (struct tcp_calls){
		.arg = p,
		.output = wire_output,
		.random = peer_random,
		.accepted = accepted,
		.connected = connected,
		.received = received,
		.room = room,
		.half_closed = half_closed,
		.closed = closed,
	};
}

void
service_listen(struct peer *p)
{
	for (uint32_t i = 0; i < SERVICES; i++) {
		if (tcp_listen(p->tcp, i, &p->options.tcp) != 0) {
			fprintf(stderr, "tcp-peer: cannot listen\n");
			exit(2);
		}
	}
}

void
service_connect(struct peer *p)
{
	struct session *s = session_new(p, SERVICE_CLIENT);
	struct tcp_connect what = {
		.tuple = { .src = p->options.to,
			   .dst = p->options.own[!addr_is_v4(&p->options.to)],
			   .sport = htons(p->options.to_port),
			   .dport = htons((uint16_t)(OWN_PORT + peer_random(p) % 30000)),
			   .proto = IPPROTO_TCP },
		.user = (uint64_t)(s - p->sessions),
		.options = &p->options.tcp,
	};
	char text[256];

	if (tcp_connect(p->tcp, &what, &s->h) != 0) {
		fprintf(stderr, "tcp-peer: cannot connect\n");
		exit(2);
	}
	s->to_send = p->options.send;
	if (p->options.get) {
		snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\nHost: peer\r\n\r\n",
			 p->options.get);
		send_text(p, s, text);
	} else if (!s->to_send) {
		shut(p, s);
	} else {
		go_on(p, s);
	}
}

void
service_advance(struct peer *p)
{
	for (uint32_t i = 0; i < p->fresh && p->n_free < PEER_SESSIONS; i++) {
		struct session *s = &p->sessions[i];

		if (!s->used)
			continue;
		if (s->owed && p->now >= s->opened + STOP_NS) {
			tcp_credit(p->tcp, s->h, s->owed);
			s->owed = 0;
		}
		if (s->to_send)
			go_on(p, s);
	}
}
