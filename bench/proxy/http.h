/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients and servers that speak HTTP/1.1: what a request and an answer look like, and whether what
 * comes is one. Requests are GETs of a path, with the fields that curl sends; an answer has a body
 * of DATA_BYTE. Each request has to come to a server in one segment, to its empty line; an answer
 * may come in pieces, its head in one.
 *
 * The first answer is read, and the next ones have to have the same bytes, which is quick to see;
 * one that differs is read again. Each has to be 200, and to have the length of body that servers
 * send.
 */
#ifndef BENCH_PROXY_HTTP_H
#define BENCH_PROXY_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/proxy/frame.h"

#define HTTP_POURS_MAX 1024

struct peers;
struct client;

/* The answer that a server is sending: of a long body. */
struct http_pour {
	struct segment to;   /* the last one that has come */
	uint32_t una, nxt;   /* sequence numbers: not acknowledged, to be sent next, */
	uint32_t begin, end; /* of the answer */
	uint32_t ack;
	uint32_t window; /* bytes */
	uint16_t full;   /* bytes of data in a full segment */
	uint8_t scale;
	bool used;
	uint64_t tried; /* TSC */
};

struct http_peers {
	struct text *requests;
	uint32_t n_requests;
	struct text answer; /* without the body if that is long */
	bool pours;         /* bodies are long */
	uint32_t total;     /* bytes of an answer as clients get it, 0: none has come yet */
	uint16_t known;     /* of them are in `seen` */
	uint8_t seen[SEGMENT];
	struct http_pour pour[HTTP_POURS_MAX];
	uint32_t n_pours, turn;
};

enum http_answer {
	HTTP_ANSWER_MORE,
	HTTP_ANSWER_WHOLE,
	HTTP_ANSWER_WRONG,
};

void http_peers_init(struct peers *p);
/* The request of client i. */
const struct text *http_request_of(const struct peers *p, uint32_t i);
/* Data of an answer has come, in order. */
enum http_answer http_answer_take(struct peers *p, struct client *c, const struct segment *s);
/* A segment for a server, which is not a reset. */
void http_server_input(struct peers *p, const struct segment *s);
/* At most `most` segments of long answers; how many. */
uint32_t http_pour_some(struct peers *p, uint32_t most);

#endif
