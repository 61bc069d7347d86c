/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: whatever the segments of requests and answers are, the same is said on the other
 * side. Each exchange here is repeated with either direction cut behind each of its bytes, and by
 * single bytes.
 */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "http_world.h"
#include "suites.h"

#define MESSAGES 4
#define PATIENCE 2000

struct exchange {
	const char *name;
	const char *methods;           /* of the requests, if there is a HEAD among them */
	const char *request;           /* what the client says, */
	const char *answers[MESSAGES]; /* and what backends say to each request */
	const char *asked;             /* what backends get */
	const char *heard;             /* what the client gets */
	bool client_fin, backend_fin;
};

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

static const struct exchange exchanges[] = {
	{
	    .name = "GET",
	    .request =
		"GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-A:  1 \r\nConnection: x-b\r\nX-B: 2\r\n\r\n",
	    .answers = { "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nX-C: 3\r\n\r\nhello" },
	    .asked = "GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n",
	    .heard = "HTTP/1.1 200 Fine\r\nX-C: 3\r\nContent-Length: 5\r\n\r\nhello",
	},
	{
	    .name = "POST",
	    .request = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\nGET / HTTP/1",
	    .answers = { "HTTP/1.1 201 Made\r\nLocation: /q\r\nContent-Length: 0\r\n\r\n" },
	    .asked = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\nGET / HTTP/1",
	    .heard = "HTTP/1.1 201 Made\r\nLocation: /q\r\nContent-Length: 0\r\n\r\n",
	},
	{
	    .name = "chunks and trailers both ways",
	    .request = "PUT /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "3;x=\"y\"\r\nabc\r\n00a\r\n0123456789\r\n0\r\nX-Sum: 1\r\nX-T: u\r\n\r\n",
	    .answers = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			 "1\r\n\n\r\n4\r\n\r\n\r\n\r\n0;last\r\nX-End: 2\r\n\r\n" },
	    .asked = "PUT /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "abc0123456789#X-Sum: 1\r\nX-T: u\r\n\r\n#",
	    .heard = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "\n\r\n\r\n#X-End: 2\r\n\r\n#",
	},
	{
	    .name = "interim answers",
	    .request = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
		       "Content-Length: 4\r\n\r\nbody",
	    .answers = { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: "
			 "</s>\r\n\r\n"
			 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n." },
	    .asked = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: "
		     "4\r\n\r\nbody",
	    .heard = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n"
		     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n.",
	},
	{
	    .name = "no bodies",
	    .methods = "HGGG",
	    .request = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" GET GET GET,
	    .answers = { "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
			 "HTTP/1.1 204 No Content\r\n\r\n",
			 "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 7\r\n\r\n",
			 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
	    .asked = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" GET GET GET,
	    .heard = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
		     "HTTP/1.1 204 No Content\r\n\r\n"
		     "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 7\r\n\r\n"
		     "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	},
	{
	    .name = "until the connection's end",
	    .request = GET,
	    .answers = { "HTTP/1.1 200 OK\r\nServer: s\r\n\r\nall that comes" },
	    .asked = GET ".",
	    .heard = "HTTP/1.1 200 OK\r\nServer: s\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "all that comes#\r\n#",
	    .backend_fin = true,
	},
	{
	    .name = "HTTP/1.0, until the connection's end",
	    .request = "GET / HTTP/1.0\r\nHost: h\r\n\r\n",
	    .answers = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			 "5\r\nhello\r\n0\r\nX-T: lost\r\n\r\n" },
	    .asked = GET,
	    .heard = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello.",
	},
	{
	    .name = "HTTP/1.0 that goes on",
	    .request = "GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"
		       "GET / HTTP/1.0\r\nHost: h\r\n\r\n",
	    .answers = { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
			 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb" },
	    .asked = GET GET,
	    .heard = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na"
		     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nb.",
	},
	{
	    .name = "pipelined, and the client has no more to say",
	    .request = "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none"
		       "POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "3\r\ntwo\r\n0\r\n\r\n"
		       "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n",
	    .answers = { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1",
			 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n2\r\n0\r\n\r\n",
			 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3" },
	    .asked = "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none"
		     "POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\ntwo#\r\n#"
		     "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n",
	    .heard = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
		     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2#\r\n#"
		     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n3.",
	    .client_fin = true,
	},
	{
	    .name = "refused behind a good one",
	    .request = GET "GET / HTTP/1.1\r\nHost : h\r\n\r\n" GET,
	    .answers = { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1" },
	    .asked = GET,
	    .heard = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
		     "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
		     "Connection: close\r\nContent-Length: 16\r\n\r\n400 Bad Request\n.",
	},
	{
	    .name = "WebSocket",
	    .request = "GET /w HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		       "Sec-WebSocket-Key: k\r\n\r\n\x81\x02hi there\r\n\r\n",
	    .answers = { "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
			 "Upgrade: websocket\r\n\r\n0\r\n\r\nand back" },
	    .asked = "GET /w HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
		     "Sec-WebSocket-Key: k\r\nConnection: upgrade\r\n\r\n\x81\x02hi there\r\n\r\n.",
	    .heard = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		     "Connection: upgrade\r\n\r\n0\r\n\r\nand back.",
	    .client_fin = true,
	},
};

/* Where the two directions are cut: 0: nowhere. */
struct cuts {
	size_t request, answer; /* behind this byte */
	size_t piece;           /* both, in pieces of so many */
};

static bool
is_same(const struct exchange *x, struct http_world *w, const struct http_end *c)
{
	return c->reader.seen.bytes && strcmp(c->reader.seen.bytes, x->heard) == 0 &&
	       strcmp(http_world_asked(w), x->asked) == 0;
}

/* One exchange: until all has been said, and a little longer. */
static bool
is_good(struct http_world *w, const struct exchange *x, const struct cuts *cuts)
{
	struct http_end *c;
	bool good;
	uint32_t i;

	http_world_forget(w);
	w->answers = x->answers;
	w->answered = 0;
	w->backend_fin = x->backend_fin;
	w->backend_cut = cuts->answer;
	w->backend_piece = cuts->piece;
	c = http_client_open(w);
	c->reader.methods = x->methods;
	c->cut = cuts->request;
	c->piece = cuts->piece;
	c->fin = x->client_fin;
	http_say(c, x->request);
	for (i = 0; i < PATIENCE && !is_same(x, w, c); i++)
		http_world_step(w);
	http_world_run(w, 3);
	good = is_same(x, w, c);
	if (!good)
		fprintf(
		    stderr,
		    "%s, cut at %zu, %zu, pieces of %zu:\n---- asked\n%s\n---- heard\n%s\n----\n",
		    x->name, cuts->request, cuts->answer, cuts->piece, http_world_asked(w),
		    c->reader.seen.bytes);
	http_reset(c);
	http_world_step(w);
	return good;
}

static size_t
longest_answer(const struct exchange *x)
{
	size_t most = 0;
	uint32_t i;

	for (i = 0; i < MESSAGES && x->answers[i]; i++)
		most = RTE_MAX(most, strlen(x->answers[i]));
	return most;
}

static void
check_exchange(const struct exchange *x, bool ip6)
{
	struct http_world *w =
	    http_world_create(&(struct http_world_plan){ .wire = { .seed = 1, .ip6 = ip6 } });
	size_t request = strlen(x->request), answer = longest_answer(x), i;
	bool good;

	w->routes[0].websocket = true;
	http_world_start(w);
	good = is_good(w, x, &(struct cuts){ 0 });
	for (i = 1; good && i < request; i++)
		good = is_good(w, x, &(struct cuts){ .request = i });
	for (i = 1; good && i < answer; i++)
		good = is_good(w, x, &(struct cuts){ .answer = i });
	for (i = 1; good && i < 4; i++)
		good = is_good(w, x, &(struct cuts){ .piece = i });
	CU_ASSERT(good);
	CU_ASSERT_PTR_NULL(http_world_destroy(w));
}

static void
test_cuts(void)
{
	size_t i;

	for (i = 0; i < RTE_DIM(exchanges); i++)
		check_exchange(&exchanges[i], i & 1);
}

int
test_http_cut_register(void)
{
	CU_TestInfo tests[] = {
		{ "exchanges cut at every byte", test_cuts },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: cuts", tests);
}
