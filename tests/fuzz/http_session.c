/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: HTTP sessions, with everything around them (tests/stage/http_world.h): clients and
 * backends that say anything in any order, end, reset, stop reading, and let time pass.
 *
 * Input: a byte of settings, then steps. A step is a byte that says what happens (enum act) and a
 * byte that says whose end it happens to, or how much. What backends get, and what clients get, has
 * to be HTTP by lib/http; at the end nothing may be left, and all invariants hold.
 */
#include <sanitizer/lsan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/stage/http_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLIENTS   4
#define STEPS_MAX 300
#define METHODS   64

enum setting {
	SETTING_BOTH = 1 << 0, /* backends */
	SETTING_WEBSOCKET = 1 << 1,
	SETTING_RETRIES = 1 << 2,
	SETTING_BOUNDS = 1 << 3,  /* of bodies and requests */
	SETTING_ANSWERS = 1 << 4, /* backends answer by themselves */
	SETTING_IP6 = 1 << 5,
	SETTING_FEW = 1 << 6, /* buffers */
	SETTING_SEGMENTS = 1 << 7,
};

enum act {
	ACT_CLIENT_SAYS, /* length, bytes */
	ACT_CLIENT_TEXT, /* which */
	ACT_BACKEND_SAYS,
	ACT_BACKEND_TEXT,
	ACT_CLIENT_ENDS,
	ACT_CLIENT_RESETS,
	ACT_BACKEND_ENDS,
	ACT_BACKEND_RESETS,
	ACT_STEPS,
	ACT_TIME,
	ACT_CLIENT_STOPS, /* or reads on */
	ACT_BACKEND_STOPS,
	ACT_DEAF,
	ACTS,
};

static const char *const requests[] = {
	"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
	"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n",
	"PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
	"5\r\nabcde\r\n",
	"0\r\nX-T: 1\r\n\r\n",
	"012345678",
	"GET /d HTTP/1.0\r\n\r\n",
	"GET /e HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
	"POST /f HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4000\r\n\r\n",
	"GET /w HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"GET /g HTTP/1.1\r\nHost: h\r\nX-Long: ",
	"GET /h HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
};

static const char *const answers[] = {
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	"4\r\nabcd\r\n",
	"0\r\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
	"HTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\n.",
	"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n",
	"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n.",
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n.",
};

struct input {
	const uint8_t *at, *end;
};

/* A client, and what it has asked for as the worker has to understand it. */
struct client {
	struct http_end *end;
	struct http_reader asks;
	char methods[METHODS + 1];
};

struct bed {
	struct http_world *w;
	struct client clients[CLIENTS];
};

static unsigned int
get(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void
asks_head(void *arg, const uint8_t *bytes)
{
	struct client *c = arg;
	size_t n = strlen(c->methods);

	(void)bytes;
	if (n < METHODS)
		c->methods[n] = c->asks.head.method == HTTP_HEAD ? 'H' : 'G';
}

static void
client_forget(struct client *c)
{
	http_reader_free(&c->asks);
	memset(c, 0, sizeof(*c));
}

/* The client with this number: a new one if there is none, or its connection is over. */
static struct client *
client_get(struct bed *b, unsigned int number)
{
	struct client *c = &b->clients[number % CLIENTS];

	if (c->end && !c->end->closed)
		return c;
	client_forget(c);
	c->asks.requests = true;
	c->asks.on_head = asks_head;
	c->asks.arg = c;
	c->end = http_client_open(b->w);
	c->end->reader.methods = c->methods;
	return c;
}

static void
client_says(struct client *c, const void *bytes, size_t length)
{
	if (c->end->fin || strlen(c->methods) == METHODS)
		return;
	http_reader_feed(&c->asks, bytes, length);
	http_say_bytes(c->end, bytes, length);
}

/* An open connection of a backend, NULL: there is none. */
static struct http_end *
backend_get(struct bed *b, unsigned int number)
{
	uint32_t open = http_world_backends(b->w), i;
	struct http_end *e;

	if (!open)
		return NULL;
	number %= open;
	for (i = 0; i < HTTP_WORLD_ENDS; i++) {
		e = &b->w->ends[SERVER][i];
		if (e->used && !e->closed && number-- == 0)
			return e;
	}
	return NULL;
}

static void
backend_says(struct http_end *s, const void *bytes, size_t length)
{
	if (s && !s->fin)
		http_say_bytes(s, bytes, length);
}

static void
silence(struct http_world *w, struct http_end *s)
{
	(void)w;
	(void)s;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void
stop_or_read(struct http_end *e)
{
	if (!e)
		return;
	if (e->stops)
		http_read_on(e);
	else
		e->stops = true;
}

/* What goes through a tunnel is not for a reader of requests. */
static void
steps(struct bed *b, uint32_t n, bool large)
{
	uint32_t i;

	for (; n; n--) {
		if (large)
			http_world_pass(b->w, 100);
		else
			http_world_step(b->w);
		for (i = 0; i < HTTP_WORLD_ENDS && http_world_counters(b->w)->upgrades; i++)
			b->w->ends[SERVER][i].reader.tunnel = true;
		http_world_forget(b->w);
	}
}

static const void *
bytes_of(struct input *in, size_t *length)
{
	const void *bytes = in->at;
	size_t left = (size_t)(in->end - in->at);

	*length = *length < left ? *length : left;
	in->at += *length;
	return bytes;
}

static void
act(struct bed *b, struct input *in)
{
	unsigned int what = get(in) % ACTS, value = get(in);
	size_t length = value / CLIENTS;
	const void *bytes;
	const char *text;

	switch (what) {
	case ACT_CLIENT_SAYS:
		bytes = bytes_of(in, &length);
		client_says(client_get(b, value), bytes, length);
		break;
	case ACT_CLIENT_TEXT:
		text = requests[length % RTE_DIM(requests)];
		client_says(client_get(b, value), text, strlen(text));
		break;
	case ACT_BACKEND_SAYS:
		bytes = bytes_of(in, &length);
		backend_says(backend_get(b, value), bytes, length);
		break;
	case ACT_BACKEND_TEXT:
		text = answers[length % RTE_DIM(answers)];
		backend_says(backend_get(b, value), text, strlen(text));
		break;
	case ACT_CLIENT_ENDS:
		client_get(b, value)->end->fin = true;
		break;
	case ACT_CLIENT_RESETS:
		http_reset(client_get(b, value)->end);
		break;
	case ACT_BACKEND_ENDS:
		if (backend_get(b, value))
			backend_get(b, value)->fin = true;
		break;
	case ACT_BACKEND_RESETS:
		if (backend_get(b, value))
			http_reset(backend_get(b, value));
		break;
	case ACT_STEPS:
		steps(b, value % 32, false);
		break;
	case ACT_TIME:
		steps(b, value % 64, true);
		break;
	case ACT_CLIENT_STOPS:
		stop_or_read(client_get(b, value)->end);
		break;
	case ACT_BACKEND_STOPS:
		stop_or_read(backend_get(b, value));
		break;
	default:
		b->w->wire.deaf = !b->w->wire.deaf;
	}
	steps(b, 1, false);
}

static struct http_world *
world_of(unsigned int settings)
{
	struct http_world *w = http_world_create(&(struct http_world_plan){
	    .wire = { .seed = 1,
		      .ip6 = settings & SETTING_IP6,
		      .segments = settings & SETTING_SEGMENTS,
		      .sessions = 16,
		      .backend_connections = settings & SETTING_BOUNDS ? 3 : 0 },
	    .mbufs = settings & SETTING_FEW ? 63 : 0,
	    .both = settings & SETTING_BOTH });

	w->routes[0].websocket = settings & SETTING_WEBSOCKET;
	if (settings & SETTING_RETRIES) {
		w->routes[0].retry_attempts = 2;
		w->routes[0].retry_on = UINT8_MAX;
		w->routes[0].retry_budget = UINT32_MAX;
	}
	if (settings & SETTING_BOUNDS) {
		w->listener.max_body = 1000;
		w->listener.max_requests = 3;
	}
	if (!(settings & SETTING_ANSWERS))
		w->backend = silence;
	w->listener.timeout_header = w->listener.timeout_idle = 1000 * MS;
	w->listener.timeout_body = w->routes[0].timeout_first_byte = 800 * MS;
	w->routes[0].timeout_idle = 600 * MS;
	w->routes[0].timeout_connect = 500 * MS;
	http_world_start(w);
	return w;
}

/* A world costs more than what happens in it, so one without anything left is used again. */
static struct http_world *
world_for(unsigned int settings)
{
	static struct http_world *world;
	static unsigned int of;

	/* After an upgrade no reader knows any more what requests are. */
	if (world && settings == of && !http_world_counters(world)->upgrades)
		return world;
	if (world && http_world_destroy(world))
		abort();
	of = settings;
	/* Part of it lies in memory where the sanitizer does not look for pointers. */
	__lsan_disable();
	world = world_of(settings);
	__lsan_enable();
	return world;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct bed b = { .w = world_for(get(&in)) };
	uint32_t i;

	for (i = 0; i < STEPS_MAX && in.at < in.end && !b.w->wire.wrong; i++)
		act(&b, &in);
	b.w->wire.deaf = false;
	steps(&b, 20, false);
	for (i = 0; i < CLIENTS; i++)
		http_reader_free(&b.clients[i].asks);
	if (http_world_clear(b.w)) {
		fprintf(stderr, "%s\n", b.w->wire.wrong);
		abort();
	}
	return 0;
}
