/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the compiler: what it remembers between snapshots, and one step each in a file of
 * its own. Control thread only.
 *
 *   pending.c       from a compilation to its publication
 *   objects.c       services and backends                  (remembered by name, by address and
 * port) pools.c         members, Maglev tables, settling      (remembered by pool name)
 *   pool_ids.c      members by the ids of affinity cookies (the same)
 *   pool_tls.c      TLS towards backends                   (the same)
 *   destinations.c  service addresses and our own          (rebuilt when the configuration changes)
 *   limits.c        limits, allow and deny lists           (the same)
 *   proxies.c       listeners                              (the same)
 *   server_names.c  listeners that pass TLS on             (rebuilt with the listeners)
 *   http.c          HTTP listeners                         (kept while they stay the same)
 *   network.c       next hops, routes, sources             (rebuilt for every snapshot)
 */
#ifndef CP_COMPILE_INTERNAL_H
#define CP_COMPILE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/compile/compile.h"
#include "cp/compile/identity.h"
#include "cp/compile/membership.h"
#include "cp/compile/shared.h"
#include "lib/lpm.h"

/* One member slot of a pool. A member that has left stays `gone` until settled no longer names its
 * slot. */
struct pool_member {
	struct addr addr;
	uint16_t port;
	uint32_t weight;
	bool present;
	bool used;
};

struct pool_state {
	char *name;
	struct pool_member *members; /* by member slot */
	size_t n_members, n_used, capacity;
	uint32_t *index; /* open addressing over members: slot + 1, 0 empty; slots of members that
			    have left may still stand in it */
	size_t index_mask, n_indexed;
	uint32_t rows, settled_rows;
	uint16_t *candidate, *settled; /* shared blocks; the same one when nothing moves */
	struct membership *built;      /* shared block: what candidate was built from */
	struct membership *record; /* shared block or NULL: what the next process has as settled */
	uint64_t recorded;         /* compiler.records when record was set */
	uint64_t *moving;          /* shared block or NULL */
	uint64_t changed_at;       /* 0: never */
	uint64_t lifetime;         /* ns: the longest timeout of the services that use it */
	bool stale;                /* members changed, but candidate could not be built yet */
	uint32_t *by_id;           /* shared block: see struct pool; NULL: to be made anew */
	uint32_t id_mask;
	bool seen;           /* in the configuration that is being compiled */
	char *tls;           /* settings of TLS towards its backends, as a text; NULL: none */
	uint32_t tls_number; /* what snapshots call them; 0: none */
};

/* Destinations and what goes with them: a shared block, unchanged between two configurations. */
struct destination_set {
	struct lpm *lpm;
	struct destination *destinations;
	struct destination_port *ports;
	uint32_t n_destinations;
	struct lpm *nat_backends;
};

/* Limits of all services, by slot: a shared block, unchanged between two configurations. */
struct limit_set {
	struct service_limits *limits;
	struct access **access; /* limits.c: shared blocks; NULL where a service has no lists */
	uint32_t n;
};

/* What only listeners have, by slot: a shared block, unchanged between two configurations. */
struct proxy_set {
	struct proxy_settings *settings; /* NULL: there are no listeners */
	struct lpm **trusted;            /* by slot */
	struct http_block **https;       /* by slot */
	struct server_names **names;     /* by slot */
	uint32_t n;
};

/* Source addresses of a port and family stand together in `sources`. */
struct source_range {
	uint16_t first, count;
};

/* Next hops and routes under construction. */
struct network_build {
	const struct compile_input *input;
	struct nexthop *nexthops;
	size_t n_nexthops, capacity;
	uint32_t *index; /* open addressing over nexthops: index + 1, 0 empty */
	size_t index_mask;
	struct lpm *routes;
	struct source *sources;
	size_t n_sources;
	struct source_range source_ranges[SNAPSHOT_MAX_PORTS][2]; /* [port][is IPv6] */
	struct network_target *targets;
	size_t n_targets, targets_capacity;
};

/* The configuration's services with the slots that they got. */
struct compile_services {
	const struct config *config;
	const uint32_t *slots; /* by service of config */
};

/* What was compiled last, and what there was before: see pending.c. */
struct pending {
	bool open; /* until it is committed or abandoned */
	const struct config *config;
	uint64_t generation;
	const struct snapshot_parts *parts; /* NULL: not done yet, or it has failed */
	uint32_t *service_slots;            /* as in struct compiler */
	uint32_t **backend_slots;
	size_t n_backend_slots;
	struct network_target *targets;
	size_t n_targets;
	struct pool_state **pools; /* as they were; NULL: the configuration is the same */
	size_t n_pools;
};

struct compiler {
	uint16_t n_workers;
	struct toeplitz *toeplitz;
	struct identity *services, *backends, *pool_slots;
	struct pool_state **pools; /* all that are remembered */
	size_t n_pools;
	uint64_t records; /* rises with each record of a pool that is another, is new or goes */
	uint64_t records_kept; /* up to here they are on disk; UINT64_MAX: nobody keeps them */
	uint64_t pool_sets;    /* rises as pools come and go */
	uint32_t tls_numbers;  /* that pools have been given: the last one */
	uint64_t version;
	struct http_block *https; /* all that live, also those that only requests still use */

	struct pending pending;
	/* of the last compilation that was committed */
	const struct config *config;
	uint64_t generation;
	struct destination_set *destinations; /* shared block */
	struct limit_set *limits;             /* shared block */
	struct proxy_set *proxies;            /* shared block */
	uint32_t *service_slots;              /* by service of config */
	uint32_t **backend_slots;             /* [pool][backend] of config */
	size_t n_backend_slots;
	struct network_target *targets;
	size_t n_targets;
};

/* What a snapshot holds on to, behind snapshot.compile_private. */
struct snapshot_parts {
	struct snapshot snapshot; /* first: the snapshot itself */
	struct service *services;
	struct backend *backends;
	struct pool *pools;
	uint32_t **pool_members; /* [n_pools] */
	uint32_t *pool_by_slot;
	struct destination_set *destinations;
	struct limit_set *limits;
	struct proxy_set *proxies;
	struct nexthop *nexthops;
	struct source *sources;
	struct lpm *routes;
};

/* pending.c: a compilation of this configuration begins. 0 or -ENOMEM. */
int pending_begin(struct compiler *c, const struct config *config);
/* [pool][backend]; NULL is allowed. */
void backend_slots_free(uint32_t **slots, size_t n_pools);

/* renamed.c: listeners of the last configuration that have another name in this one get it, and
 * keep their slots. */
void listeners_rename(struct compiler *c, const struct config *config);
/* The last configuration stays. */
void listeners_rename_back(struct compiler *c);

/* objects.c: the slots of the configuration's services, into slots, and what stands there, into
 * *out (to be freed, also after a failure). 0, -ENOMEM or -E2BIG. */
int service_slots_get(struct compiler *c, const struct config *config, uint32_t *slots,
		      struct service **out);
/* Slots of all backends, [pool][backend] of the configuration, to be freed; NULL if there is no
 * memory or no slot left. */
uint32_t **backend_slots_get(struct compiler *c, const struct config *config);
/* What a backend of this address and port is called in affinity cookies. */
uint64_t backend_id(const struct addr *addr, uint16_t port);
/* What stands at the backends' slots. 0 or -ENOMEM. */
int backends_fill(struct compiler *c, struct snapshot_parts *p, struct network_build *net,
		  uint32_t **slots);

/* pools.c: bring the remembered pool up to date with the configuration and the conditions of its
 * backends: members, candidate, moving rows; settle what is due. Returns the state, or NULL without
 * memory. lifetime in ns. */
struct pool_state *pool_update(struct compiler *c, const struct pool_config *config,
			       const struct backend_condition *conditions, uint64_t lifetime,
			       uint64_t now);
void pool_state_free(struct pool_state *p);
/* The member slot of the backend, UINT16_MAX if it has none. */
uint16_t pool_member_slot(const struct pool_state *p, const struct backend_config *b);
/* When this pool's rows settle, UINT64_MAX if nothing moves. */
uint64_t pool_settles_at(const struct pool_state *p);

/* pool_ids.c: find the pool's members by their backends' ids. 0 or -ENOMEM. */
int pool_ids_update(struct pool_state *p);

/* pool_tls.c: number the pool's settings of TLS anew if they are others than before. 0 or -ENOMEM.
 */
int pool_tls_update(struct compiler *c, struct pool_state *p, const struct pool_tls_config *config);

/* destinations.c: a shared block with one reference, or NULL without memory. */
struct destination_set *destination_set_build(const struct compile_services *services,
					      const struct network_build *net);

/* limits.c: a shared block with one reference, or NULL without memory. */
struct limit_set *limit_set_build(const struct compiler *c,
				  const struct compile_services *services);
/* What of service.flags follows from its limits. */
uint32_t limits_service_flags(const struct service_config *s);

/* proxies.c: a shared block with one reference, or NULL without memory. */
struct proxy_set *proxy_set_build(struct compiler *c, const struct compile_services *services);

/* server_names.c: the pools of a tls-passthrough listener by name; NULL without memory. Pools have
 * their slots. */
struct server_names *server_names_build(struct compiler *c, const struct config *config,
					const struct listener_config *l);
/* NULL is allowed. */
void server_names_free(struct server_names *names);

/* http.c: what the HTTP listener at index i of config_service compiles to: the block that says the
 * same, if there is one, else a new one. One reference; NULL without memory. Pools have their
 * slots. */
struct http_block *http_block_get(struct compiler *c, const struct config *config, size_t i);
/* NULL is allowed. It stays until http_blocks_sweep. */
void http_block_put(struct http_block *block);
const struct http_listener *http_block_listener(const struct http_block *block);
/* Free those that neither snapshots nor requests use. How many are left that only requests use. */
size_t http_blocks_sweep(struct compiler *c);
/* Free all, when there are no workers. */
void http_blocks_free(struct compiler *c);

/* network.c: fill b from its input. sources first (owners decide which worker has which), then next
 * hops and routes, then one next hop for each backend by network_build_nexthop. 0, -ENOMEM or
 * -E2BIG. */
int network_build(struct network_build *b, const struct compiler *c, const uint16_t *owners);
void network_build_free(struct network_build *b);
/* Index of the next hop towards addr (remembered as a target that must stay resolved), UINT32_MAX:
 * no route; UINT32_MAX - 1: no memory. */
uint32_t network_build_nexthop(struct network_build *b, const struct addr *addr);
#define NEXTHOP_NO_MEMORY (UINT32_MAX - 1)

#endif
