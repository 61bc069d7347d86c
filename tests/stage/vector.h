/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames before and after stage rewrite (vectors_rewrite.h, made by make_vectors.py), and the world
 * in which they are run: see vector.c. Tests only, one thread.
 */
#ifndef TESTS_STAGE_VECTOR_H
#define TESTS_STAGE_VECTOR_H

#include <stdint.h>

#include "dp/drops.h"
#include "dp/snapshot.h"
#include "dp/worker.h"
#include "fixture.h"

#define VECTOR_OUT_MAX 4

struct vector {
	const char *group, *name;
	enum forward mode;
	const char *backend;
	uint8_t reply;                   /* the packet comes from the backend */
	uint16_t vlan;                   /* of the next hop */
	uint16_t mtu;                    /* of the next hops, 0: 1500 */
	uint8_t no_route;                /* to the client */
	uint8_t no_own;                  /* the port has no address of its own */
	enum drop_reason drop;           /* counted; nothing leaves unless out says so */
	const char *in;                  /* hexadecimal */
	const char *out[VECTOR_OUT_MAX]; /* ... in the order in which they leave */
};

/* Services, backends, next hops, a connection as in make_vectors.py, for one vector. */
struct fixture *vector_fixture(const struct vector *v);
void vector_fixture_free(struct fixture *f);
/* The packet of a vector, parsed and classified as the stages before rewrite would. */
struct packet *vector_receive(struct fixture *f, const struct vector *v, struct burst *b);
/* The vector with this group and name. */
const struct vector *vector_find(const char *group, const char *name);
/* Run all vectors of a group, by the stage that it belongs to, in one segment and with the payload
 * in a second one; CUnit assertions. */
void vectors_run(const char *group);

#endif
