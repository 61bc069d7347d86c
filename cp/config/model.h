/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration as the user wrote it, parsed and validated: plain values, no runtime state.
 *
 * Made by config_parse (config.h), immutable afterwards, freed by config_free. What the program
 * derives from it (identities, tables, next hops) lives in other types: see cp/compile/compile.h
 * and dp/snapshot.h. Control thread only. All strings are owned by the config. Durations are
 * nanoseconds. Invariant of a config that was accepted: names are unique within their kind, every
 * reference (pool, interface) resolves.
 */
#ifndef CP_CONFIG_MODEL_H
#define CP_CONFIG_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/config/model_http.h"
#include "cp/config/model_tls.h"
#include "cp/log.h"
#include "lib/addr.h"
#include "lib/units.h"

#define CONFIG_MAX_WORKERS    64
#define CONFIG_NAME_MAX       63 /* longest name of an object; letters, digits, '.', '_', '-' */
#define CONFIG_MAX_INTERFACES 16

enum interface_side {
	SIDE_BOTH,
	SIDE_CLIENT,
	SIDE_BACKEND,
};

enum forward_mode {
	FORWARD_DSR_L2,
	FORWARD_DSR_IPIP,
	FORWARD_DSR_GUE,
	FORWARD_NAT,
	FORWARD_FULL_NAT,
	FORWARD_PROXY, /* of listeners: not a service's `forward` */
};

enum listener_protocol {
	LISTENER_TCP,
	LISTENER_HTTP,
	LISTENER_TLS_PASSTHROUGH, /* TCP whose pool the ClientHello chooses */
	LISTENER_HTTPS,
	LISTENER_TLS, /* TCP, inside of TLS that ends here */
};

enum listener_balance {
	BALANCE_MAGLEV,
	BALANCE_LEAST_CONNECTIONS,
};

enum proxy_protocol {
	PROXY_PROTOCOL_NONE,
	PROXY_PROTOCOL_V1,
	PROXY_PROTOCOL_V2,
};

enum hash_mode {
	HASH_CONNECTION,
	HASH_CLIENT,
};

enum health_check {
	HEALTH_NONE,
	HEALTH_TCP,
	HEALTH_HTTP,
	HEALTH_HTTPS,
	HEALTH_UDP,
	HEALTH_ICMP,
};

struct dataplane_config {
	unsigned int workers[CONFIG_MAX_WORKERS]; /* CPU numbers */
	size_t n_workers;
	unsigned int control; /* CPU number */
	bool hugepages;       /* default true */
	uint64_t memory;      /* bytes, for DPDK; default 2G */
	bool share_cores;
	bool idle_sleep;              /* idle = "sleep" */
	uint32_t connections;         /* per worker; default 4194304 */
	uint32_t clients;             /* per worker; default 1048576 */
	uint32_t sessions;            /* per worker; default 65536 */
	uint32_t backend_connections; /* per worker; default: as many as sessions */
	char **eal;                   /* further arguments for DPDK */
	size_t n_eal;
	int line;
};

struct interface_address {
	struct addr addr;  /* the interface's own */
	struct prefix net; /* the subnet around it */
};

struct vlan_config {
	uint16_t id; /* 1..4094 */
	struct interface_address *addresses;
	size_t n_addresses;
	int line;
};

struct interface_config {
	char *name;   /* at most 15 characters: it names the twin */
	char *device; /* PCI address, or a DPDK device with its arguments */
	enum interface_side side;
	struct interface_address *addresses;
	size_t n_addresses;
	struct prefix *source_addresses; /* empty: the interface's own addresses */
	size_t n_source_addresses;
	struct vlan_config
	    *vlans; /* tagged networks on this interface; the twin gets NAME.ID for each */
	size_t n_vlans;
	uint16_t mtu; /* default 1500 */
	bool twin;    /* default true */
	int line;
};

struct route_config {
	struct prefix to; /* "default" in `to`: both families' /0 by the family of via */
	struct addr via;
	int line;
};

struct neighbour_config {
	struct addr address;
	struct mac mac;
	size_t interface; /* index in interfaces */
	uint16_t vlan;    /* 0: untagged */
	int line;
};

struct backend_config {
	struct addr address;
	uint16_t port;   /* 0: the port that the client asked for (services on port 0 or DSR) */
	uint32_t weight; /* default 100; 0 drains; at most 65535 */
	int line;
};

struct health_config {
	enum health_check check; /* default HEALTH_NONE */
	char *path, *host;
	uint16_t expect_low, expect_high; /* HTTP status range */
	uint16_t port;                    /* 0: the backend's */
	uint64_t interval, timeout;
	unsigned int rise, fall;
	struct addr source; /* of the check's packets; zero: the kernel chooses */
	bool verify;        /* HTTPS: the certificate and its name */
	char *ca;           /* HTTPS: file of certificates to trust; NULL: the system's */
	char *body;         /* HTTP: text that the body must contain; NULL: any body */
	char *payload;      /* UDP: what is sent, text or "hex:..."; NULL: an empty datagram */
	char *answer;       /* UDP: what the answer must contain; NULL: any answer */
	int line;
};

enum all_down {                  /* what becomes of a pool whose backends all fail their checks */
		ALL_DOWN_PANIC,  /* all of them are used */
		ALL_DOWN_REFUSE, /* clients are refused */
};

struct pool_config {
	char *name;
	struct backend_config *backends; /* in the order of the file */
	size_t n_backends;
	struct health_config health;
	uint64_t
	    slow_start; /* ns until a backend that has come back gets its whole share; 0: at once */
	enum all_down all_down;
	/* of HTTP listeners */
	struct {
		uint32_t connections, pending, requests, retries; /* 0: no bound */
	} limits;
	struct {
		uint32_t errors; /* in a row that take a backend out; 0: none do */
		uint64_t time;   /* ns that it is out */
	} outlier;
	struct {
		uint64_t idle;        /* ns that an unused connection is kept */
		uint32_t connections; /* unused ones that are kept; 0: none */
		uint32_t requests;    /* on a connection; 0: no bound */
	} keepalive;
	struct pool_tls_config tls; /* towards the backends */
	int line;
};

/* One set of limits; a rate whose count is 0 is not set. */
struct limits_config {
	struct rate packets, bytes, new_connections;
	uint64_t connections; /* 0: not set */
	uint64_t burst;       /* ns; default 100 ms */
	uint8_t prefix4, prefix6;
	bool set;
};

struct service_config {
	char *name;
	struct prefix address; /* a single address is a /32 or /128 */
	uint16_t port;         /* 0: all */
	uint8_t protocol;      /* IPPROTO_TCP or IPPROTO_UDP */
	enum forward_mode forward;
	size_t pool; /* index in pools */
	enum hash_mode hash;
	uint64_t timeout_established, timeout_closing, timeout_udp; /* default 15m, 30s, 30s */
	struct limits_config limit_client, limit_service;
	struct prefix *allow, *deny;
	size_t n_allow, n_deny;
	int line;
};

/* Clients that ask for these names get this pool. */
struct server_name_config {
	char **names; /* "shop.example" or "*.shop.example" */
	size_t n_names;
	size_t pool; /* index in pools */
	int line;
};

/* A listener ends the client's TCP and makes a connection of its own to the backend. To clients it
 * is a service like others; what only listeners have stands beside that. */
struct listener_config {
	struct service_config service; /* forward is FORWARD_PROXY, protocol IPPROTO_TCP,
					  timeout_established the idle time; pool: as written, or
					  that of the first HTTP route that has one, or SIZE_MAX */
	enum listener_protocol protocol;
	size_t pool;             /* as written; SIZE_MAX: none, there are routes or server names */
	struct http_config http; /* HTTP, HTTPS */
	struct tls_config tls;   /* HTTPS, TLS that ends here */
	struct server_name_config *server_names; /* TLS that is passed on */
	size_t n_server_names;
	size_t *pools; /* all that it uses, each once */
	size_t n_pools;
	enum listener_balance balance;
	enum proxy_protocol proxy_protocol; /* what backends are told */
	bool accept_proxy_protocol;
	struct prefix *trusted_proxies; /* whose connections begin with a PROXY header, if it is
					   accepted; none: all do */
	size_t n_trusted_proxies;
	uint64_t timeout_connect; /* that of a ClientHello and of a handshake is
				     http.timeout_header */
	bool syn_cookies;         /* always, not only when many connections are half open */
	struct {
		uint64_t idle, interval; /* idle 0: peers are not probed */
		uint32_t probes;
	} keepalive; /* of TCP; not HTTP, HTTPS */
	int line;
};

struct admin_config {
	char *group;  /* group of the admin socket; NULL: that of the process */
	char *listen; /* address of the HTTP metrics; NULL: none */
};

/* One record of each request. */
struct records_config {
	char *file, *socket;  /* NULL: not there */
	uint64_t rotate_size; /* bytes; 0: never */
	uint32_t keep;
};

struct tracing_config {
	char *endpoint; /* NULL: no tracing */
	uint32_t share; /* of CONFIG_SHARE_WHOLE */
	uint64_t slow;  /* ns; 0: none is slow */
	char *service_name;
	int line;
};

struct config {
	char *instance; /* default: the host's name */
	struct dataplane_config dataplane;
	struct interface_config *interfaces;
	size_t n_interfaces;
	struct route_config *routes;
	size_t n_routes;
	struct neighbour_config *neighbours;
	size_t n_neighbours;
	struct pool_config *pools;
	size_t n_pools;
	struct service_config *services;
	size_t n_services;
	struct listener_config *listeners;
	size_t n_listeners;
	struct admin_config admin;
	struct tls_machine_config tls;
	struct records_config records;
	struct tracing_config tracing;
	struct log_config log;
};

/* All that clients connect to: services, then listeners, by one index. */
static inline size_t
config_n_services(const struct config *config)
{
	return config->n_services + config->n_listeners;
}

static inline const struct service_config *
config_service(const struct config *config, size_t i)
{
	return i < config->n_services ? &config->services[i]
				      : &config->listeners[i - config->n_services].service;
}

/* What only a listener has; NULL: the service at this index is none. */
static inline const struct listener_config *
config_listener(const struct config *config, size_t i)
{
	return i < config->n_services ? NULL : &config->listeners[i - config->n_services];
}

/* Does it speak HTTP, whatever is around that? */
static inline bool
listener_has_http(const struct listener_config *l)
{
	return l->protocol == LISTENER_HTTP || l->protocol == LISTENER_HTTPS;
}

/* Does the client's TLS end in it? */
static inline bool
listener_ends_tls(const struct listener_config *l)
{
	return l->protocol == LISTENER_HTTPS || l->protocol == LISTENER_TLS;
}

/* Are its backends spoken to by TLS? */
static inline bool
pool_speaks_tls(const struct pool_config *pool)
{
	return pool->tls.line != 0;
}

/* The pools that the service at this index uses, each once; *n may be 0. */
static inline const size_t *
config_service_pools(const struct config *config, size_t i, size_t *n)
{
	if (i < config->n_services) {
		*n = config->services[i].pool < config->n_pools;
		return &config->services[i].pool;
	}
	*n = config_listener(config, i)->n_pools;
	return config_listener(config, i)->pools;
}

/* Text of an enum's value as the configuration writes it: "dsr-gue", "client", "connection", "tcp".
 */
const char *forward_mode_name(enum forward_mode mode);
const char *interface_side_name(enum interface_side side);
const char *hash_mode_name(enum hash_mode mode);
const char *health_check_name(enum health_check check);
const char *all_down_name(enum all_down all_down);
const char *protocol_name(uint8_t protocol);
const char *listener_protocol_name(enum listener_protocol protocol);
const char *listener_balance_name(enum listener_balance balance);
const char *proxy_protocol_name(enum proxy_protocol version);

#endif
