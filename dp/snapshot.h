/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What workers know of the configuration and of the network: one immutable snapshot of arrays and
 * indices.
 *
 * The control thread compiles a snapshot (cp/compile/compile.c), publishes it with one pointer
 * store and frees the old one when every worker has passed a quiescent state. Workers read. Nothing
 * in a published snapshot ever changes.
 *
 * Identity: services and backends live at SLOTS, which stay the same across snapshots for the same
 * name (service) or the same pool, address and port (backend). Pools have slots as well, by their
 * names, but stand at indices of their own: see snapshot_pool. A slot that is given to another
 * object gets a new epoch; a connection remembers slot and epoch, so that it never reaches the
 * wrong object:
 *
 *     connection c is current  <=>  services[c.service].epoch == c.service_epoch,
 *                                   and the same for its backend
 *
 * Counters of a worker are arrays by slot. A free slot has epoch 0.
 *
 *     destination address ──destinations (LPM)──> struct destination ──protocol, port──> service
 *     service ──> pool: settled[row], candidate[row] ──> member slot ──members──> backend
 *     backend ──> nexthop ──> Ethernet header
 *     any address ──routes (LPM; holds neighbours as host routes)──> nexthop
 */
#ifndef DP_SNAPSHOT_H
#define DP_SNAPSHOT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/gcra.h"
#include "lib/lpm.h"
#include "lib/maglev.h"
#include "lib/toeplitz.h"

#define SNAPSHOT_MAX_SERVICES 65536u
#define SNAPSHOT_MAX_BACKENDS 1048576u
#define SNAPSHOT_MAX_POOLS    8192u
#define SNAPSHOT_MAX_WORKERS  64u
#define SNAPSHOT_MAX_PORTS    16u
#define OWNER_TABLE_SIZE      512u /* rows of the indirection table client hash -> worker */

enum forward { /* how packets reach a backend; architecture: forwarding modes */
	       MODE_DSR_L2,
	       MODE_DSR_IPIP,
	       MODE_DSR_GUE,
	       MODE_NAT,
	       MODE_FULL_NAT,
	       MODE_PROXY, /* a listener: connections end here, see dp/proxy/ */
};

/* The modes in which packets come back through us and every connection is remembered. */
static inline bool
forward_tracks(uint8_t mode)
{
	return mode == MODE_NAT || mode == MODE_FULL_NAT;
}

/* The modes whose backends' answers are sent to us. */
static inline bool
forward_returns(uint8_t mode)
{
	return forward_tracks(mode) || mode == MODE_PROXY;
}

enum service_flags {
	SERVICE_HASH_CLIENT = 1 << 0, /* rows are chosen by the client's address alone */
	SERVICE_LIMITED = 1 << 1,     /* snapshot.limits has something to say */
	SERVICE_TRACKED =
	    1 << 2, /* its limits need every connection remembered, whatever the mode */
	SERVICE_REFUSE = 1 << 3, /* clients are told when there is no backend (TCP RST, ICMP) */
};

struct service {
	uint32_t epoch;   /* 0: slot is free */
	uint32_t pool;    /* index in pools; n_pools: of a listener without one */
	uint16_t port;    /* network byte order, 0: all */
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t mode;     /* enum forward */
	uint32_t flags;   /* enum service_flags */
	uint64_t timeout_established, timeout_closing, timeout_udp; /* ns */
	struct prefix address;
};

/* ---- limits ---- */

enum limit_rate { /* what is limited by rate */
		  LIMIT_PACKETS,
		  LIMIT_BYTES,
		  LIMIT_NEW_CONNECTIONS,
		  LIMIT_RATES,
};

enum limits_flags {
	LIMITS_ACCESS = 1 << 0,       /* there are allow or deny lists */
	LIMITS_ALLOW_ONLY = 1 << 1,   /* who is on no list is refused */
	LIMITS_CLIENT = 1 << 2,       /* packets or bytes of clients: every packet is charged */
	LIMITS_CLIENT_BEGIN = 1 << 3, /* clients' new connections or connections */
	LIMITS_CLIENT_COUNT = 1 << 4, /* clients' connections at a time */
	LIMITS_SERVICE = 1 << 5,      /* the same of the service */
	LIMITS_SERVICE_BEGIN = 1 << 6,
	LIMITS_SERVICE_COUNT = 1 << 7,
	LIMITS_BEGIN = LIMITS_CLIENT_BEGIN | LIMITS_SERVICE_BEGIN,
	LIMITS_COUNT = LIMITS_CLIENT_COUNT | LIMITS_SERVICE_COUNT,
};

#define ACCESS_DENY  0 /* values of service_limits.access */
#define ACCESS_ALLOW 1

/* A service's rate, shared by all workers: they take batches of time out of one bucket (see
 * dp/l4/lease.h). gcra.burst is what the bucket itself holds. */
struct lease_rate {
	struct gcra gcra;
	uint64_t batch; /* ticks that a worker takes at most beyond what it needs; 0: one by one */
	uint64_t carry; /* ticks that it may still hold when a burst is done */
	uint32_t shift; /* it takes no more than 1 / 2^shift of what is there */
	uint32_t alone; /* 1: there is one worker */
};

/* A rate as configured, for people. count 0: not limited. */
struct limit_setting {
	uint64_t count, period_ns, burst_ns;
};

/* The limits of a service that has SERVICE_LIMITED; where something is not limited, its gcra is
 * gcra_none. */
struct service_limits {
	_Alignas(64) uint32_t flags; /* enum limits_flags */
	uint32_t mask4;           /* network byte order: what of an IPv4 address makes a client */
	uint64_t mask6[2];        /* the same of an IPv6 address */
	const struct lpm *access; /* prefix -> ACCESS_DENY or ACCESS_ALLOW */
	uint32_t client_connections, service_connections; /* at a time; UINT32_MAX: not limited */
	_Alignas(64) struct gcra client[LIMIT_RATES];
	struct lease_rate service[LIMIT_RATES];
	uint8_t prefix4, prefix6; /* of mask4 and mask6, as configured */
	struct limit_setting client_settings[LIMIT_RATES], service_settings[LIMIT_RATES];
};

/* Does the service remember every connection? */
static inline bool
service_tracks(const struct service *service)
{
	return forward_tracks(service->mode) || (service->flags & SERVICE_TRACKED);
}

/* ---- listeners ---- */

enum proxy_balance { /* how a listener chooses a backend */
		     PROXY_MAGLEV,
		     PROXY_LEAST_CONNECTIONS,
};

enum proxy_header { /* what a backend is told of the client */
		    PROXY_HEADER_NONE,
		    PROXY_HEADER_V1,
		    PROXY_HEADER_V2,
};

struct http_listener; /* dp/l7/settings.h */
struct server_names;  /* dp/proxy/server_names.h */

/* What only services of MODE_PROXY have. */
/* TCP keep-alive, of both connections of a session. */
struct proxy_keepalive {
	uint32_t idle_ms; /* 0: none */
	uint32_t interval_ms, probes;
};

struct proxy_settings {
	const struct http_listener *http;       /* NULL: connections are passed on as they are */
	const struct server_names *names;       /* NULL: without a look at what is in them */
	uint64_t timeout_connect, timeout_idle; /* ns */
	uint64_t timeout_hello;                 /* ns; with names, or tls: of the whole handshake */
	struct proxy_keepalive keepalive;
	const struct lpm *trusted; /* addresses whose connections begin with a PROXY header, if it
				      is accepted; NULL: all do */
	uint8_t balance;           /* enum proxy_balance */
	uint8_t header;            /* enum proxy_header */
	bool accept_header;
	bool syn_cookies; /* always */
	bool tls;         /* connections are TLS, and end here */
};

enum backend_flags {
	BACKEND_UP = 1 << 0,    /* may be chosen; without it neither table's row leads here */
	BACKEND_DRAIN = 1 << 1, /* no rows: keeps what it has, if it is up */
};

struct backend {
	uint32_t epoch;         /* 0: slot is free */
	uint32_t flags;         /* enum backend_flags */
	uint32_t nexthop;       /* index in nexthops; INDEX_NONE (UINT32_MAX): no route */
	uint32_t pool;          /* index in pools */
	uint16_t port;          /* network byte order; 0: the destination port stays */
	uint16_t sources_first; /* full-nat, tunnels: index in sources of the first source address
				   of this family towards it */
	uint16_t sources_count;
	uint16_t weight; /* its share now; 0: gets nothing new */
	uint64_t id; /* of its address and port: the same on every node, and after every restart */
	struct addr addr;
};

/* What HTTP listeners ask of a pool; 0: no bound. */
struct pool_bounds {
	uint32_t connections, pending, requests, retries; /* at a time */
	uint32_t outlier_errors; /* in a row that take a backend out; 0: none do */
	uint32_t unused;         /* connections that a worker keeps unused; 0: none */
	uint32_t reuse;          /* requests on a connection */
	uint64_t outlier_time;   /* ns that a backend is out */
	uint64_t unused_time;    /* ns that a connection is kept unused */
};

/* A pool's two Maglev tables (architecture, section 5). Rows hold member slots; MAGLEV_NONE in an
 * empty pool. */
struct pool {
	uint32_t rows;             /* of candidate, a prime */
	uint32_t settled_rows;     /* of settled; another number than rows after a pool has grown
				      past the smaller table: then all rows move */
	uint32_t n_members;        /* length of members */
	const uint16_t *candidate; /* built from the present members */
	const uint16_t *settled;   /* == candidate when nothing moves */
	const uint64_t
	    *moving; /* bit per row: has differed since settled was set; NULL when nothing moves */
	const uint32_t *members; /* member slot -> index in backends, or UINT32_MAX (gone) */
	uint64_t changed_at;     /* ns on the workers' clock of the last change of candidate */
	uint32_t slot, epoch;    /* its identity */
	uint32_t tls;            /* connections to its backends are TLS; another number when other
				    settings of it are; 0: they are not */
	/* member slots + 1 by backend.id: open addressing, entry = id & mask, linear probing; 0:
	 * empty. Members that are gone may stand in it. NULL: nobody is found. */
	const uint32_t *by_id;
	uint32_t id_mask; /* its size - 1, a power of two less one */
	struct pool_bounds bounds;
};

/* The member slots that the tables name for a flow's hash. */
static inline uint16_t
pool_candidate(const struct pool *pool, uint32_t hash)
{
	return pool->candidate[maglev_row(hash, pool->rows)];
}

static inline uint16_t
pool_settled(const struct pool *pool, uint32_t hash)
{
	return pool->settled[maglev_row(hash, pool->settled_rows)];
}

/* True if flows of this hash need memory: their row has differed since settled was set. */
static inline bool
pool_moving(const struct pool *pool, uint32_t hash)
{
	uint32_t row;

	if (pool->rows != pool->settled_rows)
		return true;
	if (!pool->moving)
		return false;
	row = maglev_row(hash, pool->rows);
	return pool->moving[row >> 6] >> (row & 63) & 1;
}

/* A destination prefix that concerns us: service addresses and our own source addresses. Of nested
 * prefixes the inner one's parent is the outer one: what the inner has no service for is asked of
 * the parent. */
enum destination_flags {
	DESTINATION_SERVICE = 1 << 0, /* services live here */
	DESTINATION_LOCAL =
	    1 << 1, /* an address of ours from which connections to backends are made (full-nat) */
	DESTINATION_OWN = 1 << 2, /* an interface's own address */
};

struct destination {
	uint32_t parent;      /* index in destinations, UINT32_MAX */
	uint32_t flags;       /* enum destination_flags */
	uint32_t ports_first; /* index in ports of this destination's table */
	uint32_t ports_mask;  /* its size - 1, a power of two less one; entry = (hash of proto and
				 port) & mask, linear probing */
	uint32_t all_tcp, all_udp; /* service for port 0, UINT32_MAX */
	uint32_t source;           /* index in sources if LOCAL, UINT32_MAX */
	uint32_t prefix_len;       /* in the 128-bit space; 128: one address */
};

struct destination_port {
	uint16_t port; /* network byte order; an empty entry has protocol 0 */
	uint8_t protocol;
	uint8_t pad;
	uint32_t service;
};

static inline uint32_t
destination_port_hash(uint8_t protocol, uint16_t port_be)
{
	return ((uint32_t)port_be | (uint32_t)protocol << 16) * 0x9e3779b1u >> 15;
}

enum nexthop_state {
	NEXTHOP_READY,      /* header is complete */
	NEXTHOP_UNRESOLVED, /* the gateway's or backend's Ethernet address is not known */
	NEXTHOP_CONNECTED,  /* an on-link network: the destination itself would have to be resolved
			     */
};

/* How a packet leaves: the Ethernet header ready to be copied. */
struct nexthop {
	uint8_t header[16]; /* destination, source; 802.1Q tag protocol and tag if vlan; the
			       EtherType follows, written by rewrite */
	uint8_t header_len; /* 12, or 16 with a tag */
	uint8_t state;      /* enum nexthop_state */
	uint8_t port;       /* index in dataplane.ports */
	uint8_t pad;
	uint16_t mtu;     /* of the interface: IP bytes */
	uint16_t vlan;    /* 0: untagged */
	struct addr addr; /* whom the Ethernet address belongs to; CONNECTED: zero */
};

/* A source address of ours and the worker that owns what is sent to it. */
struct source {
	struct addr addr;
	uint16_t worker; /* SOURCE_BY_PORT: all workers share it, ports decide */
	uint16_t pad[3];
};
#define SOURCE_BY_PORT UINT16_MAX

/* One network of an interface (untagged, or one VLAN), as far as workers are concerned. */
struct snapshot_port {
	uint16_t mtu;
	uint8_t side;       /* enum port_side */
	uint8_t twin;       /* 1: packets for the host go to the twin */
	uint8_t mac[6];     /* ours */
	uint64_t vlans[64]; /* bitmap of VLAN ids in use (bit 0: untagged) */
	struct addr own4,
	    own6; /* an address of ours on this port to send ICMP errors from; zero: none */
};

enum port_side {
	PORT_SIDE_BOTH,
	PORT_SIDE_CLIENT,
	PORT_SIDE_BACKEND,
};

/* What becomes of HTTP requests that are over. */
struct http_seen_settings {
	bool records, tracing;
	uint64_t slow;  /* ns: such a request is always traced; 0: by its share */
	uint64_t share; /* of the traces: lib/http/trace_context.h */
};

struct snapshot {
	uint64_t generation; /* of the configuration */
	uint64_t version;    /* of the snapshot: counts every publication */

	/* ownership */
	uint16_t n_workers;
	uint8_t owner_prefix4,
	    owner_prefix6; /* in the 128-bit space: 128 and 64 unless limits say less */
	uint16_t owners[OWNER_TABLE_SIZE]; /* hash % OWNER_TABLE_SIZE -> worker */
	const struct toeplitz *toeplitz;

	/* by slot */
	const struct service *services;
	const struct service_limits *limits;  /* of services with SERVICE_LIMITED */
	const struct proxy_settings *proxies; /* of services of MODE_PROXY; NULL: there are none */
	uint32_t n_services;                  /* slots in use: highest + 1 */
	uint32_t n_backends;
	const struct backend *backends;
	const struct pool *pools; /* and behind them one that is empty */
	uint32_t n_pools;
	uint32_t n_pool_slots;
	const uint32_t *pool_by_slot; /* slot -> index in pools, UINT32_MAX */

	/* where packets come from and go to */
	uint32_t n_destinations;
	const struct lpm *destination_lpm; /* address -> index in destinations */
	const struct destination *destinations;
	const struct destination_port *destination_ports;
	const struct lpm *nat_backends; /* any value: an address of a backend whose answers come to
					   us: of nat and full-nat services, and of listeners */
	const struct lpm *routes;       /* address -> index in nexthops */
	const struct nexthop *nexthops;
	const struct source *sources;
	uint32_t n_nexthops;
	uint32_t n_sources;

	/* full-nat: ports from which connections are made; the kernel's own range is left to the
	 * kernel */
	uint16_t source_port_low, source_port_high; /* inclusive; host byte order */
	uint16_t kernel_port_low, kernel_port_high; /* a hole in it; host byte order */

	struct http_seen_settings seen;

	uint32_t n_ports;
	struct snapshot_port ports[SNAPSHOT_MAX_PORTS];

	/* control side only: what to free, and with whom it is shared */
	void *compile_private;
};

/* The pool of this identity, or NULL: it is not in the configuration any more. */
static inline const struct pool *
snapshot_pool(const struct snapshot *s, uint32_t slot, uint32_t epoch)
{
	uint32_t i = slot < s->n_pool_slots ? s->pool_by_slot[slot] : UINT32_MAX;

	return i != UINT32_MAX && s->pools[i].epoch == epoch ? &s->pools[i] : NULL;
}

/* The worker that owns a client. Software and hardware compute the same (lib/toeplitz.h). */
static inline uint16_t
snapshot_owner(const struct snapshot *s, const struct addr *client)
{
	struct addr prefix = *client;

	if (s->n_workers == 1)
		return 0;
	if (addr_is_v4(client)) {
		if (s->owner_prefix4 < 128)
			prefix = addr_mask(client, s->owner_prefix4);
	} else if (s->owner_prefix6 == 64) {
		prefix.q[1] = 0;
	} else {
		prefix = addr_mask(client, s->owner_prefix6);
	}
	return s->owners[toeplitz_addr(s->toeplitz, &prefix) % OWNER_TABLE_SIZE];
}

/* The worker that owns a source port of an address that all workers share (port in network byte
 * order). */
static inline uint16_t
snapshot_port_owner(const struct snapshot *s, uint16_t port_be)
{
	return (uint16_t)(__builtin_bswap16(port_be) % s->n_workers);
}

#endif
