/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/proxy/peers.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench/common/world.h"
#include "bench/proxy/http.h"
#include "bench/proxy/tls.h"
#include "dp/tcp/sequence.h"
#include "lib/tls/record.h"

/* The first byte of IPv4 addresses, and the same bits in IPv6: 2001:db8:80XX:XXXX::1. */
#define CLIENTS    0x14000000u
#define FLOODERS   0x15000000u
#define KIND       0xff000000u
#define IPV6_CLASS 0x80000000u /* 2001:db8: with this bit set in the next word is ours */

#define CLIENT_BITS_MAX 14 /* addresses of clients */
#define PATIENCE_MS     300
#define SERVER_ISN      0x10000000u
/* Streams: 4 backends, whose last address byte counts from 1, and what tells connections of
 * Penstock apart. */
#define BACKENDS     4
#define SOURCE_BITS  8
#define STREAM_COUNT (BACKENDS << (SOURCE_BITS + 16))

static struct addr
outside(const struct peers *p, uint32_t n)
{
	struct addr a = { 0 };

	if (!p->options->v6)
		return addr_from_v4(htonl(n));
	a.w[0] = htonl(0x20010db8);
	a.w[1] = htonl(n | IPV6_CLASS);
	a.b[15] = 1;
	return a;
}

/* The number of an address outside, 0: it is of a backend. */
static inline uint32_t
outside_number(const struct peers *p, const struct addr *a)
{
	uint32_t n;

	if (!p->options->v6) {
		n = ntohl(a->w[3]);
		return (n & KIND) == CLIENTS || (n & KIND) == FLOODERS ? n : 0;
	}
	n = ntohl(a->w[1]);
	return n & IPV6_CLASS ? n & ~IPV6_CLASS : 0;
}

void
peers_init(struct peers *p, const struct options *o, struct wire *wire)
{
	*p = (struct peers){ .options = o,
			     .wire = wire,
			     .n_clients = o->connections + o->rush,
			     .n_kept = o->connections };
	frames_init(&p->frames, o->v6, o->mac);
	while (p->shift < CLIENT_BITS_MAX && 1u << p->shift < p->n_clients)
		p->shift++;
	p->addresses = 1u << p->shift;
	p->clients = calloc(p->n_clients, sizeof(*p->clients));
	p->streams = NULL;
	if (o->load == LOAD_BULK && !o->http)
		p->streams = calloc(STREAM_COUNT, sizeof(*p->streams));
	if (!p->clients || (o->load == LOAD_BULK && !o->http && !p->streams))
		world_fail("no memory");
	if (o->http)
		http_peers_init(p);
	if (o->tls)
		tls_peers_init(p);
	p->patience = rte_get_tsc_hz() / 1000 * PATIENCE_MS;
	p->random = (uint32_t)rte_rdtsc() | 1;
}

static uint32_t
next_random(struct peers *p)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 17;
	p->random ^= p->random << 5;
	return p->random;
}

static void
send_segment(struct peers *p, struct segment *s)
{
	s->ts_value = p->now_ms;
	frame_write(&p->frames, wire_next(p->wire), s);
}

/* ---- clients -------------------------------------------------------------------------------- */

/* A segment of client i, without data. */
static struct segment
client_segment(const struct peers *p, uint32_t i, uint32_t seq, uint8_t flags)
{
	const struct client *c = &p->clients[i];

	return (struct segment){
		.src = outside(p, CLIENTS | (i & (p->addresses - 1))),
		.dst = p->options->listener,
		.sport = htons((uint16_t)(CLIENT_PORT + (i >> p->shift))),
		.dport = htons(p->options->port),
		.seq = seq,
		.ack = flags & TCP_SYN ? 0 : c->rcv_nxt,
		.ts_echo = c->ts_recent,
		.window = WINDOW_FULL,
		.flags = flags,
	};
}

static void
client_send(struct peers *p, uint32_t i, uint32_t seq, uint8_t flags, uint16_t data)
{
	struct segment s = client_segment(p, i, seq, flags);

	s.data = data;
	send_segment(p, &s);
}

/* A text, or MESSAGE bytes; how many. */
static uint32_t
client_say(struct peers *p, uint32_t i, uint32_t seq, const struct text *text)
{
	struct segment s = client_segment(p, i, seq, TCP_ACK | FLAG_PSH);

	s.text = text;
	s.data = text ? text->length : MESSAGE;
	send_segment(p, &s);
	return s.data;
}

/* The client's message; its length. */
static uint32_t
client_ask(struct peers *p, uint32_t i, uint32_t seq)
{
	const struct text *text = p->http ? http_request_of(p, i) : NULL;

	if (p->tls)
		text = tls_peer_say(p, i, text);
	return client_say(p, i, seq, text);
}

void
client_open(struct peers *p, uint32_t i)
{
	struct client *c = &p->clients[i];
	uint32_t isn = next_random(p);

	*c = (struct client){ .snd_una = isn,
			      .snd_nxt = isn + 1,
			      .state = CLIENT_OPENING,
			      .waiting = true,
			      .sent = p->now,
			      .tried = p->now };
	client_send(p, i, isn, TCP_SYN, 0);
}

void
client_request(struct peers *p, uint32_t i, uint64_t due)
{
	struct client *c = &p->clients[i];

	c->snd_nxt += client_ask(p, i, c->snd_nxt);
	c->waiting = true;
	c->owed = false;
	c->sent = RTE_MAX(due, p->not_before);
	c->tried = p->now;
}

uint32_t
client_pour(struct peers *p, uint32_t i, uint32_t most)
{
	struct client *c = &p->clients[i];
	uint16_t size = p->options->v6 ? SEGMENT_V6 : SEGMENT;
	uint32_t n = 0;

	if (c->state != CLIENT_OPEN)
		return 0;
	for (; n < most && c->snd_nxt + size - c->snd_una <= c->window; n++) {
		client_send(p, i, c->snd_nxt, TCP_ACK, size);
		if (c->snd_nxt == c->snd_una)
			c->tried = p->now;
		c->snd_nxt += size;
	}
	return n;
}

static void
client_opened(struct peers *p, uint32_t i)
{
	p->clients[i].waiting = false;
	p->count.opened++;
	if (p->talk)
		client_request(p, i, p->now);
}

static void
client_connected(struct peers *p, uint32_t i, const struct segment *s)
{
	struct client *c = &p->clients[i];

	c->rcv_nxt = s->seq + 1;
	c->snd_una = s->ack;
	c->scale = s->scale;
	c->window = s->window;
	c->state = CLIENT_OPEN;
	client_send(p, i, c->snd_nxt, TCP_ACK, 0);
	if (p->tls) {
		c->securing = true;
		c->snd_nxt += client_say(
		    p, i, c->snd_nxt, i < p->n_kept ? tls_peer_begin(p, i) : tls_peer_rush(p, i));
		return;
	}
	client_opened(p, i);
	if (!p->leave || p->http)
		return;
	client_send(p, i, c->snd_nxt, TCP_ACK | TCP_FIN, 0);
	c->snd_nxt++;
	c->state = CLIENT_CLOSING;
	c->tried = p->now;
}

/* The server has done its part of the work. */
static void
client_rushed(struct peers *p, uint32_t i, const struct segment *s)
{
	if (s->bytes[0] == TLS_HANDSHAKE)
		p->count.rushed++;
	else
		p->count.broken++;
	client_send(p, i, p->clients[i].snd_nxt, TCP_RST | TCP_ACK, 0);
	p->clients[i].state = CLIENT_CLOSED;
	p->clients[i].waiting = false;
}

/* More of the handshake. */
static void
client_secures(struct peers *p, uint32_t i, const struct segment *s)
{
	struct client *c = &p->clients[i];
	bool done;
	const struct text *text = tls_peer_shake(p, i, s, &done);

	if (text)
		c->snd_nxt += client_say(p, i, c->snd_nxt, text);
	else
		client_send(p, i, c->snd_nxt, TCP_ACK, 0);
	c->tried = p->now;
	if (!done)
		return;
	c->securing = false;
	client_opened(p, i);
}

static void
client_answered(struct peers *p, uint32_t i)
{
	struct client *c = &p->clients[i];
	uint64_t began = c->sent;

	p->count.answers++;
	c->waiting = false;
	if (p->latency && began < p->not_before)
		p->count.voided++;
	else if (p->latency)
		histogram_add(p->latency, p->now > began ? p->now - began : 0);
	if (p->again)
		client_request(p, i, p->now);
	else if (c->owed)
		client_request(p, i, began + p->period);
	else if (!p->period && !p->leave) /* nothing follows that would say it */
		client_send(p, i, c->snd_nxt, TCP_ACK, 0);
}

/* Some of an answer. */
static void
client_part(struct peers *p, uint32_t i, const struct segment *s)
{
	struct client *c = &p->clients[i];

	switch (p->tls ? tls_peer_take(p, i, s) : http_answer_take(p, c, s)) {
	case HTTP_ANSWER_WHOLE:
		c->unacked = 0;
		client_answered(p, i);
		break;
	case HTTP_ANSWER_MORE:
		if (++c->unacked < 2)
			break;
		c->unacked = 0;
		client_send(p, i, c->snd_nxt, TCP_ACK, 0);
		break;
	default:
		break;
	}
}

/* The proxy has ended the connection. */
static void
client_ended(struct peers *p, uint32_t i)
{
	struct client *c = &p->clients[i];

	c->rcv_nxt++;
	if (p->http && p->leave && c->state == CLIENT_OPEN && !c->waiting) {
		client_send(p, i, c->snd_nxt++, TCP_ACK | TCP_FIN, 0);
		c->state = CLIENT_CLOSING;
		c->ended = true;
		c->tried = p->now;
		return;
	}
	client_send(p, i, c->snd_nxt, TCP_ACK, 0);
	p->count.closed += c->state == CLIENT_CLOSING;
	p->count.broken += c->state != CLIENT_CLOSING;
	c->state = CLIENT_CLOSED;
}

/* Data and FIN. */
static void
client_data(struct peers *p, uint32_t i, const struct segment *s)
{
	struct client *c = &p->clients[i];

	if (s->seq != c->rcv_nxt) {
		client_send(p, i, c->snd_nxt, TCP_ACK, 0);
		return;
	}
	c->rcv_nxt += s->data;
	if (s->data && c->securing && i >= p->n_kept) {
		client_rushed(p, i, s);
		return;
	}
	if (s->data && c->securing)
		client_secures(p, i, s);
	else if (s->data && p->http)
		client_part(p, i, s);
	else if (s->data && (s->data != MESSAGE || s->bytes[0] != DATA_BYTE || !c->waiting))
		p->count.strange++;
	else if (s->data)
		client_answered(p, i);
	if (s->flags & TCP_FIN)
		client_ended(p, i);
}

/* What may still come for a connection that is over. */
static void
client_gone(struct peers *p, uint32_t i, const struct segment *s)
{
	struct client *c = &p->clients[i];

	if (s->flags & TCP_RST || !(s->flags & TCP_FIN))
		return;
	c->rcv_nxt = s->seq + s->data + 1;
	client_send(p, i, s->ack, TCP_ACK, 0);
}

static void
client_input(struct peers *p, uint32_t i, const struct segment *s)
{
	struct client *c = &p->clients[i];

	if (c->state == CLIENT_CLOSED) {
		client_gone(p, i, s);
		return;
	}
	if (s->flags & TCP_RST) {
		p->count.broken++;
		c->state = CLIENT_CLOSED;
		return;
	}
	c->ts_recent = s->ts_value;
	if (c->state == CLIENT_OPENING) {
		if ((s->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK) && s->ack == c->snd_nxt)
			client_connected(p, i, s);
		else
			p->count.strange++;
		return;
	}
	if (s->flags & TCP_SYN) { /* it has missed our ACK */
		client_send(p, i, c->snd_nxt, TCP_ACK, 0);
		return;
	}
	if (seq_lt(c->snd_una, s->ack) && seq_le(s->ack, c->snd_nxt)) {
		c->snd_una = s->ack;
		c->tried = p->now;
	}
	c->window = (uint32_t)s->window << c->scale;
	if (c->ended && c->snd_una == c->snd_nxt) {
		p->count.closed++;
		c->state = CLIENT_CLOSED;
		return;
	}
	if (s->data || s->flags & TCP_FIN)
		client_data(p, i, s);
}

/* ---- servers -------------------------------------------------------------------------------- */

void
server_send(struct peers *p, const struct segment *to, struct segment *s)
{
	s->src = to->dst;
	s->dst = to->src;
	s->sport = to->dport;
	s->dport = to->sport;
	s->ts_echo = to->ts_value;
	s->window = WINDOW_FULL;
	send_segment(p, s);
}

static struct stream *
stream_of(struct peers *p, const struct segment *s)
{
	uint32_t backend = (s->dst.b[15] - 1u) % BACKENDS, source = s->src.b[15];

	return &p->streams[backend << (SOURCE_BITS + 16) | source << 16 | ntohs(s->sport)];
}

/* Every second segment is acknowledged, and the last one. */
static void
server_stream(struct peers *p, const struct segment *s)
{
	struct stream *t = stream_of(p, s);
	struct segment ack = { .seq = s->ack, .flags = TCP_ACK };

	if (s->seq == t->next) {
		t->next += s->data;
		p->count.bytes += s->data;
		if (++t->unacked < 2 && !(s->flags & FLAG_PSH))
			return;
	}
	t->unacked = 0;
	ack.ack = t->next;
	server_send(p, s, &ack);
}

static void
server_input(struct peers *p, const struct segment *s)
{
	struct segment answer = { .seq = s->ack, .ack = s->seq + s->data, .flags = TCP_ACK };

	if (s->flags & TCP_RST)
		return;
	if (p->http) {
		http_server_input(p, s);
		return;
	}
	if (s->flags & TCP_SYN) {
		answer.seq = SERVER_ISN;
		answer.ack = s->seq + 1;
		answer.flags |= TCP_SYN;
		p->count.accepted++;
		if (p->streams)
			*stream_of(p, s) = (struct stream){ answer.ack, 0 };
		server_send(p, s, &answer);
		return;
	}
	if (s->data && p->streams) {
		server_stream(p, s);
		return;
	}
	if (s->flags & TCP_FIN) {
		answer.ack++;
		answer.flags |= TCP_FIN;
	}
	if (s->data) {
		p->count.strange += s->data != MESSAGE;
		answer.data = MESSAGE;
		answer.flags |= FLAG_PSH;
	}
	if (s->data || s->flags & TCP_FIN)
		server_send(p, s, &answer);
}

/* ---- both ----------------------------------------------------------------------------------- */

void
flood_syn(struct peers *p)
{
	uint32_t n = next_random(p);
	struct segment s = {
		.src = outside(p, FLOODERS | (n >> 8)),
		.dst = p->options->listener,
		.sport = (uint16_t)(n | 0x04),
		.dport = htons(p->options->port),
		.seq = n * 0x9e3779b9u,
		.window = WINDOW_FULL,
		.flags = TCP_SYN,
	};

	send_segment(p, &s);
}

void
peers_input(struct peers *p, const struct rte_mbuf *m)
{
	struct segment s;
	uint32_t n, i;

	if (!frame_read(m, &s)) {
		p->count.strange++;
		return;
	}
	n = outside_number(p, &s.dst);
	if ((n & KIND) == CLIENTS) {
		i = (n & (p->addresses - 1)) | (uint32_t)(ntohs(s.dport) - CLIENT_PORT) << p->shift;
		if (i < p->n_clients)
			client_input(p, i, &s);
		else
			p->count.strange++;
	} else if (n) {
		p->count.cookies++;
	} else {
		server_input(p, &s);
	}
}

void
client_try(struct peers *p, uint32_t i)
{
	struct client *c = &p->clients[i];

	c->tried = p->now = rte_rdtsc();
	if (c->state == CLIENT_CLOSED) {
		client_open(p, i);
	} else if (c->state == CLIENT_OPENING) {
		client_send(p, i, c->snd_una, TCP_SYN, 0);
	} else if (c->state == CLIENT_CLOSING) {
		client_send(p, i, c->snd_nxt - 1, TCP_ACK | TCP_FIN, 0);
	} else if (p->streams) {
		c->snd_nxt = c->snd_una;
	} else if (p->tls) {
		client_say(p, i, c->snd_una, tls_peer_said(p, i));
	} else {
		client_ask(p, i, c->snd_una);
	}
}

void
peers_watch(struct peers *p)
{
	uint32_t i = p->watched;
	struct client *c = &p->clients[i];

	p->watched = i + 1 < p->n_clients ? i + 1 : 0;
	if (c->state == CLIENT_CLOSED || c->snd_una == c->snd_nxt ||
	    p->now - c->tried < p->patience)
		return;
	p->count.resent++;
	client_try(p, i);
}

uint32_t
peers_stuck(const struct peers *p)
{
	uint64_t second = rte_get_tsc_hz();
	uint32_t n = 0, i;

	for (i = 0; i < p->n_clients; i++) {
		const struct client *c = &p->clients[i];

		n += c->waiting && p->now > c->sent && p->now - c->sent > second;
	}
	return n;
}
