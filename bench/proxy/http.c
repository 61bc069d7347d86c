/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/proxy/http.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <rte_common.h>

#include "bench/common/world.h"
#include "bench/proxy/peers.h"
#include "dp/tcp/sequence.h"

#define SERVER_ISN 0x10000000u
#define TEXT_ROOM  SEGMENT_V6
#define POUR_TURN  8 /* segments of one answer in a row */

/* ---- what is said ---------------------------------------------------------------------------- */

/* A text that stays. */
static struct text
keep(const char *bytes, size_t length)
{
	uint8_t *copy = malloc(length);
	struct text t;

	if (!copy || length > TEXT_ROOM)
		world_fail("no memory, or too long a text");
	memcpy(copy, bytes, length);
	text_init(&t, copy, (uint16_t)length);
	return t;
}

static struct text
request_text(const struct options *o, uint32_t host)
{
	char line[TEXT_ROOM];
	int n = snprintf(line, sizeof(line),
			 "GET /path/%u/index.html HTTP/1.1\r\nHost: h%u.example\r\n"
			 "User-Agent: curl/7.88.1\r\nAccept: */*\r\n%s\r\n",
			 host % 10, host, o->load == LOAD_OPEN ? "Connection: close\r\n" : "");

	return keep(line, (size_t)n);
}

static struct text
answer_text(const struct options *o)
{
	char line[TEXT_ROOM + 1];
	int n = snprintf(line, sizeof(line),
			 "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\n"
			 "Content-Length: %u\r\n\r\n",
			 o->body);

	if (o->load == LOAD_BULK)
		return keep(line, (size_t)n);
	if ((size_t)n + o->body > TEXT_ROOM)
		world_fail("such a long answer is for bulk");
	memset(line + n, DATA_BYTE, o->body);
	return keep(line, (size_t)n + o->body);
}

void
http_peers_init(struct peers *p)
{
	const struct options *o = p->options;
	struct http_peers *h = calloc(1, sizeof(*h));
	uint32_t i;

	if (h)
		h->requests = calloc(o->hosts, sizeof(*h->requests));
	if (!h || !h->requests)
		world_fail("no memory");
	for (i = 0; i < o->hosts; i++)
		h->requests[i] = request_text(o, i);
	h->n_requests = o->hosts;
	h->answer = answer_text(o);
	h->pours = o->load == LOAD_BULK;
	p->frames.dirty = TEXT_ROOM;
	if (h->pours) /* no other text is sent */
		p->frames.dirty = RTE_MAX(h->requests[o->hosts - 1].length, h->answer.length);
	p->http = h;
}

const struct text *
http_request_of(const struct peers *p, uint32_t i)
{
	return &p->http->requests[i % p->http->n_requests];
}

/* ---- answers, as clients see them ------------------------------------------------------------ */

/* The value of Content-Length, -1: there is none. */
static long
content_length(const char *head, const char *end)
{
	static const char name[] = "\r\ncontent-length:";
	const char *at;

	for (at = head; at + sizeof(name) < end; at++)
		if (strncasecmp(at, name, sizeof(name) - 1) == 0)
			return atol(at + sizeof(name) - 1);
	return -1;
}

/* Read the head that is at the beginning of `s`. */
static bool
learn(struct peers *p, const struct segment *s)
{
	static const char ok[] = "HTTP/1.1 200 ";
	struct http_peers *h = p->http;
	const char *head = (const char *)s->bytes, *end;

	end = memmem(s->bytes, s->data, "\r\n\r\n", 4);
	if (!end || s->data > sizeof(h->seen) || memcmp(head, ok, sizeof(ok) - 1) != 0 ||
	    content_length(head, end + 4) != (long)p->options->body)
		return false;
	h->known = s->data;
	h->total = (uint32_t)(end + 4 - head) + p->options->body;
	memcpy(h->seen, s->bytes, s->data);
	return true;
}

/* Are these bytes of the answer those that are known, or of the body? */
static bool
as_known(const struct http_peers *h, uint32_t at, const struct segment *s)
{
	uint32_t n = at < h->known ? RTE_MIN(h->known - at, (uint32_t)s->data) : 0;

	return at + s->data <= h->total && memcmp(h->seen + at, s->bytes, n) == 0 &&
	       (n == s->data || (s->bytes[n] == DATA_BYTE && s->bytes[s->data - 1] == DATA_BYTE));
}

enum http_answer
http_answer_take(struct peers *p, struct client *c, const struct segment *s)
{
	struct http_peers *h = p->http;

	if (!c->waiting ||
	    (!as_known(h, c->got, s) && (c->got || !learn(p, s) || !as_known(h, 0, s)))) {
		p->count.wrong++;
		return HTTP_ANSWER_WRONG;
	}
	c->got += s->data;
	p->count.bytes += s->data;
	if (c->got < h->total)
		return HTTP_ANSWER_MORE;
	c->got = 0;
	return HTTP_ANSWER_WHOLE;
}

/* ---- servers --------------------------------------------------------------------------------- */

/* A whole request, and nothing else. */
static bool
is_request(const struct segment *s)
{
	return s->data > 16 && memcmp(s->bytes, "GET /", 5) == 0 &&
	       memmem(s->bytes, s->data, "\r\n\r\n", 4) == s->bytes + s->data - 4;
}

static bool
same_ends(const struct segment *a, const struct segment *b)
{
	return a->sport == b->sport && a->dport == b->dport &&
	       memcmp(&a->src, &b->src, sizeof(a->src)) == 0 &&
	       memcmp(&a->dst, &b->dst, sizeof(a->dst)) == 0;
}

/* There are few of them, as bulk connections are few. */
static struct http_pour *
pour_of(struct http_peers *h, const struct segment *s)
{
	uint32_t i;

	for (i = 0; i < h->n_pours; i++)
		if (h->pour[i].used && same_ends(&h->pour[i].to, s))
			return &h->pour[i];
	return NULL;
}

static void
pour_begin(struct peers *p, const struct segment *s, uint32_t ack)
{
	struct http_peers *h = p->http;
	struct http_pour *r = pour_of(h, s);
	uint32_t i = 0;

	while (!r && i < h->n_pours && h->pour[i].used)
		i++;
	if (!r && i == HTTP_POURS_MAX)
		world_fail("too many connections to servers");
	if (!r) {
		r = &h->pour[i];
		h->n_pours = RTE_MAX(h->n_pours, i + 1);
	}
	*r = (struct http_pour){ .to = *s, .scale = s->scale, .used = true, .ack = ack };
	r->full = p->options->v6 ? SEGMENT_V6 : SEGMENT;
	if (s->mss > TIMESTAMPS)
		r->full = RTE_MIN(r->full, (uint16_t)((s->mss - TIMESTAMPS) & ~3u));
	r->una = r->nxt = r->begin = r->end = SERVER_ISN + 1;
}

static void
pour_input(struct peers *p, const struct segment *s)
{
	struct http_pour *r = pour_of(p->http, s);
	struct segment fin = { .flags = TCP_ACK | TCP_FIN };

	if (!r)
		return;
	r->to = *s;
	r->window = (uint32_t)s->window << r->scale;
	if (seq_lt(r->una, s->ack) && seq_le(s->ack, r->end)) {
		r->una = s->ack;
		r->tried = p->now;
		if (seq_lt(r->nxt, r->una))
			r->nxt = r->una;
	}
	if (s->data && s->seq == r->ack) {
		r->ack += s->data;
		p->count.wrong += !is_request(s) || r->nxt != r->end;
		r->begin = r->nxt = r->end;
		r->end += p->http->answer.length + p->options->body;
		r->tried = p->now;
	}
	if (!(s->flags & TCP_FIN))
		return;
	fin.seq = r->nxt;
	fin.ack = s->seq + s->data + 1;
	server_send(p, s, &fin);
	r->used = false;
}

/* The next segment of an answer. */
static void
pour_one(struct peers *p, struct http_pour *r)
{
	const struct text *head = &p->http->answer;
	struct segment s = { .seq = r->nxt, .ack = r->ack, .flags = TCP_ACK };

	if (r->nxt == r->begin) {
		s.text = head;
		s.data = head->length;
	} else {
		s.data = (uint16_t)RTE_MIN(r->end - r->nxt, (uint32_t)r->full);
	}
	r->nxt += s.data;
	if (r->nxt == r->end)
		s.flags |= FLAG_PSH;
	server_send(p, &r->to, &s);
}

static uint32_t
pour(struct peers *p, struct http_pour *r, uint32_t most)
{
	uint32_t n = 0;

	if (!r->used || r->begin == r->end)
		return 0;
	if (r->una != r->nxt && p->now - r->tried > p->patience && r->una != r->begin) {
		p->count.resent++;
		r->tried = p->now;
		r->nxt = r->una;
	}
	for (; n < most && r->nxt != r->end && r->nxt + r->full - r->una <= r->window; n++)
		pour_one(p, r);
	return n;
}

uint32_t
http_pour_some(struct peers *p, uint32_t most)
{
	struct http_peers *h = p->http;
	uint32_t left = most, i;

	for (i = 0; i < h->n_pours && left; i++) {
		left -= pour(p, &h->pour[h->turn], RTE_MIN(left, (uint32_t)POUR_TURN));
		h->turn = h->turn + 1 < h->n_pours ? h->turn + 1 : 0;
	}
	return most - left;
}

void
http_server_input(struct peers *p, const struct segment *s)
{
	struct http_peers *h = p->http;
	struct segment answer = { .seq = s->ack, .ack = s->seq + s->data, .flags = TCP_ACK };

	if (s->flags & TCP_SYN) {
		answer.seq = SERVER_ISN;
		answer.ack++;
		answer.flags |= TCP_SYN;
		p->count.accepted++;
		if (h->pours)
			pour_begin(p, s, answer.ack);
		server_send(p, s, &answer);
		return;
	}
	if (h->pours) {
		pour_input(p, s);
		return;
	}
	if (s->flags & TCP_FIN) {
		answer.ack++;
		answer.flags |= TCP_FIN;
	}
	if (s->data) {
		p->count.wrong += !is_request(s);
		answer.text = &h->answer;
		answer.data = h->answer.length;
		answer.flags |= FLAG_PSH;
	}
	if (s->data || s->flags & TCP_FIN)
		server_send(p, s, &answer);
}
