/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners at random: several clients at a time, each with a chain of requests of any kind,
 * over a wire that loses and turns round, cut anywhere, with pauses in reading. Each request says
 * in its head what its body has to be and what is wanted; each answer says of which request it is.
 * A seed names a run.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "http_world.h"
#include "suites.h"

#define SEEDS    FIXTURE_ROUNDS(300)
#define CLIENTS  5
#define REQUESTS 6
#define LONGEST  9000
#define PATIENCE 60000

enum frame {
	FRAME_NONE,
	FRAME_LENGTH,
	FRAME_CHUNKS,
	FRAME_CLOSE, /* answers */
	FRAMES,
};

static uint32_t
below(struct http_world *w, uint32_t n)
{
	return (uint32_t)(proxy_wire_random(&w->wire) >> 20) % n;
}

/* The body of request or answer `id`. */
static uint8_t
byte_of(uint32_t id, uint32_t at)
{
	return (uint8_t)(at * 13 + (at >> 7) + id * 101);
}

static uint64_t
sum_of(uint32_t id, uint32_t length)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < length; i++)
		sum = http_reader_sum(sum, byte_of(id, i));
	return sum;
}

static uint32_t
any_length(struct http_world *w)
{
	return below(w, 3) ? below(w, 300) : below(w, LONGEST);
}

static void
say_bytes_of(struct http_end *e, uint32_t id, uint32_t from, uint32_t to)
{
	uint8_t bytes[LONGEST];
	uint32_t i;

	for (i = from; i < to; i++)
		bytes[i - from] = byte_of(id, i);
	http_say_bytes(e, bytes, to - from);
}

static void
say_chunks(struct http_world *w, struct http_end *e, uint32_t id, uint32_t length)
{
	uint32_t at = 0, n;
	char line[64];

	while (at < length) {
		n = 1 + below(w, length - at);
		snprintf(line, sizeof(line), below(w, 2) ? "%x\r\n" : "0%X;x=y\r\n", n);
		http_say(e, line);
		say_bytes_of(e, id, at, at + n);
		http_say(e, "\r\n");
		at += n;
	}
	http_say(e, below(w, 2) ? "0\r\n\r\n" : "0\r\nX-Trailer: yes\r\n\r\n");
}

/* The fields that frame a body, the empty line, and the body. */
static void
say_framed(struct http_world *w, struct http_end *e, uint32_t id, enum frame frame)
{
	uint32_t length = any_length(w);
	char text[80];

	snprintf(text, sizeof(text), "X-Sum: %016" PRIx64 "\r\n",
		 frame == FRAME_NONE ? 0 : sum_of(id, length));
	http_say(e, text);
	switch (frame) {
	case FRAME_LENGTH:
		snprintf(text, sizeof(text), "Content-Length: %u\r\n\r\n", length);
		http_say(e, text);
		say_bytes_of(e, id, 0, length);
		break;
	case FRAME_CHUNKS:
		http_say(e, "Transfer-Encoding: chunked\r\n\r\n");
		say_chunks(w, e, id, length);
		break;
	case FRAME_CLOSE:
		http_say(e, "\r\n");
		say_bytes_of(e, id, 0, length);
		e->fin = true;
		break;
	default:
		http_say(e, "\r\n");
	}
}

static void
say_padding(struct http_world *w, struct http_end *e)
{
	uint32_t n = below(w, 4) ? 0 : below(w, 5000);

	if (!n)
		return;
	http_say(e, "X-Padding: ");
	for (; n; n--)
		http_say(e, "-");
	http_say(e, "\r\n");
}

/* ---- what the heads say ---------------------------------------------------------------------- */

/* The value of a field in the last head, as a hexadecimal number. */
static uint64_t
number_of(const struct http_reader *r, const uint8_t *bytes, const char *name)
{
	const struct http_field *f;
	char text[32] = "";

	for (f = r->head.fields; f < r->head.fields + r->head.n_fields; f++)
		if (f->name.length == strlen(name) &&
		    memcmp(bytes + f->name.at, name, f->name.length) == 0)
			memcpy(text, bytes + f->value.at, RTE_MIN(f->value.length, 31));
	return strtoull(text, NULL, 16);
}

struct told {
	uint64_t sum;
	uint32_t id;
};

/* Of each end's message that is under way. */
struct run {
	struct told clients[HTTP_WORLD_ENDS], servers[HTTP_WORLD_ENDS];
	uint32_t done;
};

static struct told *
told_of(struct http_end *e)
{
	struct run *run = e->world->user;
	size_t i = (size_t)(e - e->world->ends[e->where]);

	return e->where == CLIENT ? &run->clients[i] : &run->servers[i];
}

static void
hears_head(void *arg, const uint8_t *bytes)
{
	struct http_end *e = arg;
	struct told *told = told_of(e);

	told->sum = number_of(&e->reader, bytes, "X-Sum");
	told->id = (uint32_t)number_of(&e->reader, bytes, "X-Id");
}

static void
hears_end(void *arg)
{
	struct http_end *e = arg;
	struct told *told = told_of(e);
	struct run *run = e->world->user;
	bool head = e->reader.methods[e->reader.messages - 1] == 'H';

	if (e->reader.sum != (head ? 0 : told->sum))
		proxy_wire_wrong(&e->world->wire, "an answer's body is another one");
	if (told->id != (uint32_t)(e - e->world->ends[CLIENT]) * 16 + e->reader.messages - 1)
		proxy_wire_wrong(&e->world->wire, "an answer to another request");
	run->done++;
}

static void
answers(struct http_world *w, struct http_end *s)
{
	const struct told *told = told_of(s);
	enum frame frame = 1 + below(w, FRAMES - 1);
	char text[64];

	if (s->reader.sum != told->sum)
		proxy_wire_wrong(&w->wire, "a request's body is another one");
	if (below(w, 8) == 0)
		http_say(s, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nX-Id: %x\r\n", told->id);
	http_say(s, text);
	if (s->reader.head.method == HTTP_HEAD) {
		http_say(s, "X-Sum: 0\r\nContent-Length: 10\r\n\r\n");
		return;
	}
	if (below(w, 8) == 0 && frame != FRAME_CLOSE) {
		http_say(s, "Connection: close\r\n");
		s->fin = true;
	}
	say_padding(w, s);
	say_framed(w, s, told->id + 7, frame);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void
say_requests(struct http_world *w, struct http_end *c, char *methods)
{
	uint32_t client = (uint32_t)(c - w->ends[CLIENT]), i, kind;
	static const char *const names[] = { "HEAD", "GET", "POST", "POST" };
	static const uint8_t frames[] = { FRAME_NONE, FRAME_NONE, FRAME_LENGTH, FRAME_CHUNKS };
	char text[64];

	for (i = 0; i < REQUESTS; i++) {
		kind = below(w, 4);
		methods[i] = kind == 0 ? 'H' : 'G';
		snprintf(text, sizeof(text), "%s /%u HTTP/1.1\r\nHost: h\r\nX-Id: %x\r\n",
			 names[kind], i, client * 16 + i);
		http_say(c, text);
		say_padding(w, c);
		say_framed(w, c, client * 16 + i, frames[kind]);
	}
	methods[REQUESTS] = '\0';
}

/* Now and then an end reads nothing for a while. */
static void
pause_some(struct http_world *w)
{
	uint32_t i, k;

	for (i = 0; i < 2; i++) {
		for (k = 0; k < HTTP_WORLD_ENDS; k++) {
			struct http_end *e = &w->ends[i][k];

			if (!e->used || !e->open || e->closed)
				continue;
			if (e->stops && below(w, 16) == 0)
				http_read_on(e);
			else if (!e->stops && below(w, 200) == 0)
				e->stops = true;
			e->random_pieces = below(w, 4) == 0;
		}
	}
}

static void
check_seed(uint64_t seed)
{
	static char methods[CLIENTS][REQUESTS + 1];
	struct run run = { .done = 0 };
	struct http_world *w = http_world_create(&(struct http_world_plan){
	    .wire = { .seed = seed,
		      .ip6 = seed & 1,
		      .checksums = seed & 2,
		      .segments = seed & 4,
		      .tso = (seed & 14) == 14,
		      .lose_one_in = seed % 3 ? 0 : 20 + (uint32_t)seed % 100 },
	    .both = seed % 5 != 0 });
	const char *wrong;
	uint32_t i;

	w->user = &run;
	w->backend = answers;
	w->backend_head = hears_head;
	w->listener.head.head = 16000;
	w->routes[0].timeout_first_byte = w->routes[0].timeout_idle = 0;
	w->listener.timeout_body = w->listener.timeout_header = 600000 * MS;
	http_world_start(w);
	for (i = 0; i < CLIENTS; i++) {
		struct http_end *c = http_client_open(w);

		c->reader.silent = true;
		c->reader.methods = methods[i];
		c->reader.on_head = hears_head;
		c->reader.on_end = hears_end;
		say_requests(w, c, methods[i]);
		c->fin = below(w, 2);
	}
	for (i = 0; i < PATIENCE && run.done < CLIENTS * REQUESTS && !w->wire.wrong; i++) {
		pause_some(w);
		http_world_step(w);
	}
	if (run.done < CLIENTS * REQUESTS)
		proxy_wire_wrong(&w->wire, "answers are missing");
	wrong = http_world_destroy(w);
	CU_ASSERT_PTR_NULL(wrong);
	if (wrong)
		fprintf(stderr, "http at random, seed %" PRIu64 ": %s, %u answers\n", seed, wrong,
			run.done);
}

static void
test_seeds(void)
{
	const char *only = getenv("HTTP_SEED");
	uint64_t seed;

	if (only) {
		check_seed(strtoull(only, NULL, 10));
		return;
	}
	for (seed = 1; seed <= SEEDS; seed++)
		check_seed(seed);
}

int
test_http_random_register(void)
{
	CU_TestInfo tests[] = {
		{ "exchanges at random", test_seeds },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: random", tests);
}
