/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stage test stands on: a worker, a snapshot built by hand, and frames as mbufs. Nothing of
 * the control side takes part.
 *
 *     struct fixture *f = fixture_create();
 *     service = fixture_service(f, "192.0.2.10/32", IPPROTO_TCP, 80, MODE_NAT);
 *     fixture_backend(f, service, "10.0.0.1", 8080);
 *     fixture_publish(f);
 *     fixture_receive(&burst, bytes, length);
 *     stage_parse(f->worker, &burst);
 *
 * Fields may be changed by hand, before fixture_publish or after it. One thread. A failure inside
 * the fixture ends the program: it is no result of a test.
 */
#ifndef TESTS_STAGE_FIXTURE_H
#define TESTS_STAGE_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "dp/worker.h"

#define FIXTURE_MAX  48
#define FIXTURE_ROWS 251u
#define FIXTURE_MAC  "02:00:00:00:00:01" /* of the port */
#define FIXTURE_PEER "02:00:00:00:00:99" /* of whoever sends to it */
#define FIXTURE_VLAN 100                 /* in use besides untagged */

/* Rounds of a test by chance: under sanitizers each is slow, and the usual build has all of them.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIXTURE_ROUNDS(n) ((n) / 4)
#endif
#endif
#ifndef FIXTURE_ROUNDS
#define FIXTURE_ROUNDS(n) (n)
#endif

struct fixture {
	struct dataplane dataplane;
	struct worker *worker;    /* index 0; connections and fragments are the test's to make */
	struct snapshot snapshot; /* worker->snapshot points here */

	struct toeplitz toeplitz;
	struct service services[FIXTURE_MAX];
	struct service_limits limits[FIXTURE_MAX]; /* of services with SERVICE_LIMITED */
	struct pool pools[FIXTURE_MAX];            /* of the service with the same index */
	struct backend backends[FIXTURE_MAX];
	uint32_t members[FIXTURE_MAX][FIXTURE_MAX];
	uint16_t rows[FIXTURE_MAX][FIXTURE_ROWS];
	struct nexthop nexthops[FIXTURE_MAX];
	struct source sources[FIXTURE_MAX];

	/* filled by fixture_publish */
	struct destination destinations[4 * FIXTURE_MAX];
	struct prefix destination_prefixes[4 * FIXTURE_MAX];
	struct destination_port ports[4 * FIXTURE_MAX][64];
	struct lpm *destination_lpm, *nat_backends, *routes;

	struct addr own[FIXTURE_MAX];
	struct lpm_entry route_entries[FIXTURE_MAX];
	size_t n_own, n_routes;
};

/* One port (index 0, FIXTURE_MAC, both sides, MTU 1500, untagged and FIXTURE_VLAN, a twin), one
 * worker, nothing else. The EAL is initialised once, without hugepages. */
struct fixture *fixture_create(void);
void fixture_destroy(struct fixture *f);

/* Text as people write it; ports in host byte order. Each returns the index of what it has made. */
uint32_t fixture_service(struct fixture *f, const char *prefix, uint8_t protocol, uint16_t port,
			 enum forward mode);
/* In the service's pool, up, weight 1, without a next hop. */
uint32_t fixture_backend(struct fixture *f, uint32_t service, const char *addr, uint16_t port);
/* A local address for full-nat and tunnels, of `worker` or SOURCE_BY_PORT. */
uint32_t fixture_source(struct fixture *f, const char *addr, uint16_t worker);
/* Ready, on port 0, from FIXTURE_MAC to `mac`; vlan 0: untagged. */
uint32_t fixture_nexthop(struct fixture *f, const char *mac, uint16_t vlan);
void fixture_route(struct fixture *f, const char *prefix, uint32_t nexthop);
/* An interface's own address. */
void fixture_own(struct fixture *f, const char *addr);
/* Client hashes spread over n workers; ours stays index 0. */
void fixture_workers(struct fixture *f, uint16_t n);
/* Build tables and tries from all this. May be called again after changes. */
void fixture_publish(struct fixture *f);

/* The bytes as an mbuf in one segment, with room for struct packet and default headroom. */
struct rte_mbuf *fixture_mbuf(const void *bytes, size_t len);
/* ... appended to a burst, as received on port 0. Returns its packet. */
struct packet *fixture_receive(struct burst *b, const void *bytes, size_t len);
/* Free all mbufs of the burst that no stage has taken, and empty it. */
void fixture_free(struct burst *b);
/* mbufs that are in use: 0 after a test that leaks nothing. */
unsigned int fixture_mbufs_in_use(void);
/* Where they come from. */
struct rte_mempool *fixture_pool(void);

struct addr fixture_addr(const char *text);

#endif
