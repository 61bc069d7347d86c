/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows for the tests of connections: packets as parse and classify would have left them, without a
 * frame, since the stages track and balance look at no byte of one. One thread.
 */
#ifndef TESTS_STAGE_FLOWS_H
#define TESTS_STAGE_FLOWS_H

#include "dp/l4/connection.h"
#include "dp/l4/stages.h"
#include "fixture.h"

#define SECOND      1000000000ull
#define FLOW_IP_LEN 100 /* of each packet */

/* Ports in host byte order. */
struct tuple flow_tuple(const char *src, uint16_t sport, const char *dst, uint16_t dport,
			uint8_t proto);
/* The n-th of many different flows to 192.0.2.10:80. */
struct tuple flow_number(uint32_t n, uint8_t proto);
/* What a backend answers to it (nat). */
struct tuple flow_answer(const struct tuple *forward, const char *backend, uint16_t port);

/* Append a packet to the burst. */
struct packet *flow_forward(struct burst *b, uint32_t service, struct tuple t, uint8_t tcp_flags);
struct packet *flow_reply(struct burst *b, struct tuple t, uint8_t tcp_flags);
/* The stages track and balance. */
void flow_run(struct fixture *f, struct burst *b);

/* One packet alone through both stages, in a burst of its own that the next call takes again. */
struct packet *flow_send(struct fixture *f, uint32_t service, struct tuple t, uint8_t tcp_flags);
struct packet *flow_answered(struct fixture *f, struct tuple t, uint8_t tcp_flags);

/* The connection of a forward tuple, whatever its age, or NULL. */
struct connection *flow_connection(struct fixture *f, const struct tuple *t);
/* entries in hash = sum over live connections of (1 + has reply tuple), and all counters agree. */
bool flow_invariant(struct fixture *f);

/* A fixture with a table of n connections. */
struct fixture *flow_fixture(uint32_t n);
void flow_fixture_destroy(struct fixture *f);

#endif
