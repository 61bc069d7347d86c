/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of listeners stand on: clients and servers with a TCP of their own around a
 * worker that has parse, classify, limit and proxy. A wire that may lose and turn round joins them,
 * in a time that the test makes.
 *
 *     client's TCP <== wire ==> worker: session, two legs <== wire ==> server's TCP
 *
 * What the worker leaves to its port's card (checksums, cutting into segments) is done before the
 * wire. What the peers say and how they take what they hear is the test's: its events of TCP get
 * the peer as their argument. One thread; what must not happen is written to `wrong`, the first
 * thing only, and is for the test to look at.
 */
#ifndef TESTS_STAGE_PROXY_WIRE_H
#define TESTS_STAGE_PROXY_WIRE_H

#include "dp/proxy/proxy.h"
#include "dp/tcp/tcp.h"
#include "fixture.h"

#define MS 1000000ull

enum where {
	CLIENT,
	SERVER,
	WORKER,
	PLACES,
};

struct wire_frame {
	uint16_t length;
	uint8_t bytes[1600]; /* from the IP header on */
};

/* A buffer that the worker's card has not given back yet. */
#define WIRE_CARD 2048u

struct wire_buffer {
	struct rte_mbuf *m;
	const uint8_t *bytes;
	uint64_t until;
	uint16_t length;
	uint8_t copy[2304]; /* as it was handed over */
};

struct proxy_peer {
	struct proxy_wire *wire;
	enum where where;
	struct tcp *tcp;
};

/* What a run is of. */
struct proxy_plan {
	uint64_t seed;
	uint32_t lose_one_in;
	bool ip6;
	bool checksums, segments, tso; /* what the worker's port can do */
	bool cookies;                  /* always */
	uint32_t sessions;             /* 0: 32 */
	uint32_t backend_connections;  /* 0: as many */
	uint16_t client_mtu;           /* of its link; 0: 1500 */
};

struct proxy_wire {
	void *user; /* the test's */
	struct fixture *f;
	struct proxy_plan plan;
	struct proxy_settings settings[FIXTURE_MAX];
	struct proxy_peer peers[2];
	struct wire_frame *frames[PLACES];
	uint32_t n_frames[PLACES];
	struct rte_ring *out;
	struct wire_buffer *card;
	uint32_t card_in, card_out; /* buffers that it took, and gave back */
	uint64_t now, random;
	bool deaf;         /* nothing reaches the servers */
	uint32_t cut;      /* packets that the card has cut */
	const char *wrong; /* NULL: nothing so far */
};

/* Service 0 with backends 0 and 1 on port 8080. The worker has no proxy yet: settings, and all else
 * in the fixture, may be changed first. events: of the peers, all NULL but those of interest. */
void proxy_wire_create(struct proxy_wire *w, const struct proxy_plan *plan,
		       const struct tcp_calls *events);
void proxy_wire_start(struct proxy_wire *w);
/* After the worker's proxy has ended, too. */
void proxy_wire_destroy(struct proxy_wire *w);

/* A millisecond of the peers, and all that is on its way to them; then of the worker. */
void proxy_wire_peer(struct proxy_wire *w, struct proxy_peer *p);
void proxy_wire_worker(struct proxy_wire *w);

/* A client's connection from this port. False: no room. */
bool proxy_wire_connect(struct proxy_wire *w, uint16_t port, uint64_t user, tcp_handle *h);

uint64_t proxy_wire_random(struct proxy_wire *w);
void proxy_wire_wrong(struct proxy_wire *w, const char *what);
/* Connections of services and backends that have begun and not ended. */
uint64_t proxy_wire_connections(const struct proxy_wire *w);

#endif
