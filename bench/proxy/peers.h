/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of proxied connections: clients, and the backends' servers. A TCP that does what an
 * orderly peer on a wire without losses has to, and no more: handshake, data in order, one FIN,
 * and what got no answer for a while is sent again. So that it costs little beside what it
 * measures:
 *
 *   - client i is an array element, and its address and port say which: nothing is looked up
 *         address = CLIENTS | i mod addresses        port = CLIENT_PORT + i / addresses
 *   - a server remembers nothing where a segment itself says what the answer is (handshakes,
 *     requests, FINs); for bulk data it keeps the next sequence number
 *
 * With HTTP (http.h) a message is a request of a client, or the answer to it; with TLS (tls.h) of
 * clients in records.
 *
 * One thread.
 */
#ifndef BENCH_PROXY_PEERS_H
#define BENCH_PROXY_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/proxy/frame.h"
#include "bench/proxy/histogram.h"
#include "bench/proxy/options.h"
#include "bench/proxy/wire.h"

#define CLIENTS_MAX (1u << 20)
#define CLIENT_PORT 1024

enum client_state {
	CLIENT_CLOSED,
	CLIENT_OPENING, /* SYN sent */
	CLIENT_OPEN,
	CLIENT_CLOSING, /* FIN sent */
};

struct client {
	uint32_t snd_una, snd_nxt, rcv_nxt;
	uint32_t ts_recent;
	uint32_t window; /* that the proxy allows, bytes */
	uint8_t state;   /* enum client_state */
	uint8_t scale;
	bool waiting;    /* for an answer */
	bool owed;       /* the next request was due while it still waited */
	bool ended;      /* by the proxy, with a FIN */
	bool securing;   /* in the TLS handshake */
	uint8_t unacked; /* segments */
	uint32_t got;    /* bytes of the answer */
	uint64_t sent;   /* TSC: when what waits was sent, or should have been */
	uint64_t tried;  /* TSC: when it was sent last */
};

/* What a server has of a connection with bulk data. */
struct stream {
	uint32_t next;    /* sequence number */
	uint32_t unacked; /* segments */
};

struct peers_count {
	uint64_t opened, closed; /* by clients */
	uint64_t answers;        /* whole answers received */
	uint64_t bytes;          /* bulk data that servers received in order */
	uint64_t resent;         /* by clients */
	uint64_t broken;         /* clients' connections that were reset */
	uint64_t strange;        /* segments that should not come */
	uint64_t wrong;          /* answers and requests that are not what they should be */
	uint64_t accepted;       /* handshakes that servers answered */
	uint64_t cookies;        /* answers to SYNs of the flood */
	uint64_t rushed;         /* clients of a rush whose hello was answered by one */
	uint64_t voided;         /* answers that were not measured, see `not_before` */
	uint64_t late;           /* requests that were due before the answer to the last one */
};

struct http_peers;
struct tls_peers;

struct peers {
	const struct options *options;
	struct frames frames;
	struct wire *wire;
	struct client *clients;
	uint32_t n_clients, addresses, shift; /* addresses = 1 << shift */
	uint32_t n_kept;                      /* the others only rush */
	uint32_t next, watched;
	struct stream *streams;
	struct http_peers *http; /* NULL: messages are MESSAGE bytes */
	struct tls_peers *tls;   /* NULL: clients speak HTTP alone */
	struct peers_count count;
	struct histogram *latency; /* NULL: not measured */
	uint64_t now;              /* TSC, once an iteration */
	uint64_t not_before;       /* TSC: what was asked before is not measured, and what was
				    * due then counts from it */
	uint32_t now_ms;
	uint64_t patience, period; /* TSC; between two requests of a client, 0: as soon as it can */
	uint32_t random;
	/* what clients do: ask as soon as they are connected; and again as soon as they have their
	 * answer; or end it as soon as they are connected */
	bool talk, again, leave;
};

void peers_init(struct peers *p, const struct options *o, struct wire *wire);
/* Client i sends its SYN. It is CLIENT_CLOSED. */
void client_open(struct peers *p, uint32_t i);
/* ... and again; or what else it has sent last without an answer. */
void client_try(struct peers *p, uint32_t i);
/* It is open and waits for nothing; `due`: TSC that latency counts from. */
void client_request(struct peers *p, uint32_t i, uint64_t due);
/* At most `most` segments of bulk data, as many as its window allows; how many. */
uint32_t client_pour(struct peers *p, uint32_t i, uint32_t most);
/* A SYN of the flood, of a source that nobody has. */
void flood_syn(struct peers *p);
/* A segment that has come. */
void peers_input(struct peers *p, const struct rte_mbuf *m);
/* Of a server: `s` to whom `to` has come from. */
void server_send(struct peers *p, const struct segment *to, struct segment *s);
/* Look at one client: has it waited too long? */
void peers_watch(struct peers *p);
/* Clients that have waited for an answer for longer than a second. */
uint32_t peers_stuck(const struct peers *p);

#endif
