/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the model and what Linux knows to a snapshot.
 *
 * The compiler remembers identities across snapshots: the slot and epoch of each service (by name)
 * and each backend (by pool, address and port) and each pool (by name), each pool's Maglev tables
 * with what is settled, and it shares between snapshots what did not change (reference counts).
 * Control thread only.
 */
#ifndef CP_COMPILE_COMPILE_H
#define CP_COMPILE_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/config/model.h"
#include "cp/net/network.h"
#include "dp/snapshot.h"

struct compiler;
struct identity;
struct membership;

/* What becomes of a backend, whatever its configuration says of it. */
struct backend_condition {
	uint32_t weight; /* share of the rows; 0: no row, it keeps what it has */
	bool down;       /* may not be chosen at all, by no table */
};

/* The conditions of all backends of a pool, in its order. */
typedef void backend_conditions_fn(void *arg, const struct pool_config *pool,
				   struct backend_condition *out);

/* What a compilation looks at. */
struct compile_input {
	const struct config *config;
	uint64_t generation;
	const struct network_neighbour *neighbours;
	size_t n_neighbours;
	const struct network_route *routes;
	size_t n_routes;
	const struct mac *port_macs; /* by interface */
	backend_conditions_fn
	    *conditions; /* NULL: all are up, with the weights of the configuration */
	void *conditions_arg;
	uint16_t kernel_port_low, kernel_port_high;
	uint64_t now; /* ns, the workers' clock */
};

struct compiler *compiler_create(uint16_t n_workers);
/* Who has which slot, of services and of backends; the compiler's own. */
const struct identity *compiler_services(const struct compiler *c);
const struct identity *compiler_backends(const struct compiler *c);
/* Before the first compilation: go on with these, which are the compiler's now. */
void compiler_adopt(struct compiler *c, struct identity *services, struct identity *backends);
void compiler_destroy(struct compiler *c);

/* A new snapshot with one reference, or NULL with *error a sentence (no memory, too many objects):
 * then the compiler's state is what it was. Else it is pending, until one of the two that follow
 * says what comes of it. The configuration of the last one that was committed is still there. */
const struct snapshot *compile(struct compiler *c, const struct compile_input *input,
			       const char **error);
/* The snapshot will be published: identities that it has not are given up. */
void compiler_commit(struct compiler *c);
/* It will not: the compiler's state is what it was before, and the snapshot is the caller's to
 * free. Without one that is pending nothing happens. */
void compiler_abandon(struct compiler *c);
/* The slot that a service has in the pending snapshot. */
uint32_t compiler_pending_slot(const struct compiler *c, size_t service);
/* Free a snapshot that no worker can see any more. */
void snapshot_free(const struct snapshot *s);

/* Free what only requests have used that have ended since. How much is left of that: to be called
 * again. */
size_t compiler_reclaim(struct compiler *c);

/* What of an address decides which worker owns it: the coarsest prefix that any limit calls a
 * client. */
void compile_owner_prefixes(const struct config *config, uint8_t *prefix4, uint8_t *prefix6);

/* When a pool's moving rows become settled: compile again at this time (ns; UINT64_MAX: nothing
 * moves). */
uint64_t compiler_next_settle(const struct compiler *c);
/* The same for one pool; UINT64_MAX also for a pool that is not known. */
uint64_t compiler_pool_settle(const struct compiler *c, const char *pool);

/*
 * What the next process is to know of the settled tables: for each pool a record, the membership
 * that its settled table is built from. A pool settles only after its record does:
 *
 *     pool is due -> its record is the candidate's -> it is on disk -> the pool settles
 *
 * So what is on disk is never older than what workers go by. It may be newer for a while, and that
 * does no harm: by the time that a pool is due, what of its flows still lives has an entry, or is
 * on a row where both tables agree.
 */
/* From now on pools wait for compiler_records_kept. Without this they settle when they are due. */
void compiler_keep_records(struct compiler *c);
/* Before the first compilation: what the last process has recorded for a pool (m: one reference
 * more is taken). Each name once. 0 or -ENOMEM. */
int compiler_adopt_record(struct compiler *c, const char *pool, struct membership *m);
/* Record those that are due. */
void compiler_record_due(struct compiler *c, uint64_t now);
/* Call fn for each record, in no order. */
typedef void compiler_record_fn(void *arg, const char *pool, const struct membership *m);
void compiler_each_record(const struct compiler *c, compiler_record_fn *fn, void *arg);
/* How new the records are; how often pools have come and gone. */
uint64_t compiler_records(const struct compiler *c);
uint64_t compiler_pool_sets(const struct compiler *c);
/* They are on disk as they were when compiler_records returned this. */
void compiler_records_kept(struct compiler *c, uint64_t records);

/* Which addresses must stay resolved for this configuration: backends, or the gateways towards
 * them; gateways of configured routes. Of the snapshot committed last, valid until the next one. */
const struct network_target *compiler_targets(struct compiler *c, size_t *count);

/* Slots of the configuration committed last; UINT32_MAX if there is none. Indices as in struct
 * config. */
uint32_t compiler_service_slot(const struct compiler *c, size_t service);
uint32_t compiler_backend_slot(const struct compiler *c, size_t pool, size_t backend);

#endif
