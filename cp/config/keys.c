/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/config/keys.h"

#include <netinet/in.h>
#include <string.h>

#include "cp/config/model.h"

const struct key_choice choices_side[] = {
	{ "client", SIDE_CLIENT }, { "backend", SIDE_BACKEND }, { "both", SIDE_BOTH }, { NULL, 0 }
};
const struct key_choice choices_forward[] = {
	{ "dsr-l2", FORWARD_DSR_L2 },     { "dsr-ipip", FORWARD_DSR_IPIP },
	{ "dsr-gue", FORWARD_DSR_GUE },   { "nat", FORWARD_NAT },
	{ "full-nat", FORWARD_FULL_NAT }, { NULL, 0 }
};
const struct key_choice choices_hash[] = { { "connection", HASH_CONNECTION },
					   { "client", HASH_CLIENT },
					   { NULL, 0 } };
const struct key_choice choices_health[] = {
	{ "tcp", HEALTH_TCP }, { "http", HEALTH_HTTP }, { "https", HEALTH_HTTPS },
	{ "udp", HEALTH_UDP }, { "icmp", HEALTH_ICMP }, { "none", HEALTH_NONE },
	{ NULL, 0 },
};
const struct key_choice choices_protocol[] = { { "tcp", IPPROTO_TCP },
					       { "udp", IPPROTO_UDP },
					       { NULL, 0 } };
const struct key_choice choices_idle[] = { { "poll", 0 }, { "sleep", 1 }, { NULL, 0 } };
const struct key_choice choices_log_format[] = { { "text", LOG_FORMAT_TEXT },
						 { "json", LOG_FORMAT_JSON },
						 { NULL, 0 } };
const struct key_choice choices_log_target[] = { { "stderr", LOG_TARGET_STDERR },
						 { "syslog", LOG_TARGET_SYSLOG },
						 { NULL, 0 } };
const struct key_choice choices_log_level[] = { { "error", LOG_LEVEL_ERROR },
						{ "warning", LOG_LEVEL_WARNING },
						{ "info", LOG_LEVEL_INFO },
						{ NULL, 0 } };

const struct key_choice choices_all_down[] = { { "panic", ALL_DOWN_PANIC },
					       { "refuse", ALL_DOWN_REFUSE },
					       { NULL, 0 } };

const struct key_choice choices_listener_protocol[] = { { "tcp", LISTENER_TCP },
							{ "http", LISTENER_HTTP },
							{ "tls-passthrough",
							  LISTENER_TLS_PASSTHROUGH },
							{ "https", LISTENER_HTTPS },
							{ "tls", LISTENER_TLS },
							{ NULL, 0 } };
const struct key_choice choices_balance[] = { { "maglev", BALANCE_MAGLEV },
					      { "least-connections", BALANCE_LEAST_CONNECTIONS },
					      { NULL, 0 } };
const struct key_choice choices_proxy_protocol[] = { { "none", PROXY_PROTOCOL_NONE },
						     { "v1", PROXY_PROTOCOL_V1 },
						     { "v2", PROXY_PROTOCOL_V2 },
						     { NULL, 0 } };
const struct key_choice choices_cookies[] = { { "auto", 0 }, { "always", 1 }, { NULL, 0 } };

/* Rows of limits of what (client, service), in a list of objects of struct s in which the limits
 * are at member m. */
#define LIMIT_RATE(list, s, m, what, name, text, example_)                                      \
	{                                                                                       \
		.path = list ".limits." #what "." #name, .type = KEY_RATE, .example = example_, \
		.help = text, AT(s, m.name)                                                     \
	}
#define LIMITS(list, s, m, what, whose)                                                            \
	LIMIT_RATE(list, s, m, what, packets, "packets of " whose, "\"10k/s\""),                   \
	    LIMIT_RATE(list, s, m, what, bytes, "bytes of " whose, "\"5M/s\""),                    \
	    LIMIT_RATE(list, s, m, what, new_connections, "new connections of " whose,             \
		       "\"100/s\""),                                                               \
	    { .path = list ".limits." #what ".connections",                                        \
	      .type = KEY_INT,                                                                     \
	      .example = "200",                                                                    \
	      .min = 1,                                                                            \
	      .max = UINT32_MAX,                                                                   \
	      .help = "connections of " whose " at a time",                                        \
	      AT(s, m.connections) },                                                              \
	{                                                                                          \
		.path = list ".limits." #what ".burst", .type = KEY_DURATION, .fallback = "100ms", \
		.min = 1000, .max = 24 * HOUR, .help = "how much may come at once, as time",       \
		AT(s, m.burst)                                                                     \
	}

/* One paragraph a key reads better than one line a field. */
/* clang-format off */
const struct key config_keys[] = {
	{ .path = "", GROUP, .help = "the whole file" },
	{ .path = "instance", .type = KEY_NAME, .example = "\"edge-1\"", AT(config, instance),
	  .help = "name of this machine in logs and metrics (default: the host's name)" },

	{ .path = "dataplane", .type = KEY_GROUP, .flags = KEY_REQUIRED,
	  .line = offsetof(struct config, dataplane.line), .example = "{ workers = [ 1 ]; }",
	  .help = "the cores and the memory that packets are handled with" },
	{ .path = "dataplane.workers", .type = KEY_INT,
	  .flags = KEY_REQUIRED | KEY_MANY | KEY_INLINE | KEY_RESTART, .example = "[ 1, 2 ]",
	  MANY(config, dataplane.workers, dataplane.n_workers), .max = 1023, .most = CONFIG_MAX_WORKERS,
	  .help = "CPU cores that poll, one worker each" },
	{ .path = "dataplane.control", .type = KEY_INT, .flags = KEY_RESTART, .fallback = "0",
	  .max = 1023, AT(config, dataplane.control), .help = "CPU core of the control thread" },
	{ .path = "dataplane.hugepages", .type = KEY_BOOL, .flags = KEY_RESTART,
	  .fallback = "true", AT(config, dataplane.hugepages),
	  .help = "false: ordinary memory, to try it out" },
	{ .path = "dataplane.memory", .type = KEY_SIZE, .flags = KEY_RESTART, .fallback = "2G",
	  .min = 64ULL << 20, .max = 1ULL << 40, AT(config, dataplane.memory),
	  .help = "memory for packets and tables" },
	{ .path = "dataplane.share_cores", .type = KEY_BOOL, .flags = KEY_RESTART,
	  .fallback = "false", AT(config, dataplane.share_cores),
	  .help = "true: several workers, or a worker and control, may be on one core" },
	{ .path = "dataplane.idle", .type = KEY_CHOICE, .flags = KEY_RESTART, .fallback = "poll",
	  .choices = choices_idle, AT(config, dataplane.idle_sleep),
	  .help = "\"poll\": never sleep; \"sleep\": when there is nothing to do, up to 1 ms at a time" },
	{ .path = "dataplane.connections", .type = KEY_INT, .flags = KEY_RESTART,
	  .fallback = "4194304", .min = 64, .max = 1u << 28, AT(config, dataplane.connections),
	  .help = "connections that a worker can track" },
	{ .path = "dataplane.clients", .type = KEY_INT, .flags = KEY_RESTART,
	  .fallback = "1048576", .min = 64, .max = 1u << 28, AT(config, dataplane.clients),
	  .help = "limited clients that a worker can tell apart" },
	{ .path = "dataplane.sessions", .type = KEY_INT, .flags = KEY_RESTART,
	  .fallback = "65536", .min = 64, .max = 1u << 24, AT(config, dataplane.sessions),
	  .help = "connections of clients to listeners that a worker can have, idle ones included; memory for them is taken when the first listener is applied" },
	{ .path = "dataplane.backend_connections", .type = KEY_INT, .flags = KEY_RESTART,
	  .min = 64, .max = 1u << 24, .example = "16384", AT(config, dataplane.backend_connections),
	  .help = "HTTP requests under way, with their connections to backends, that a worker can have (503 beyond: requests_full; WebSockets, slow uploads, mirrored copies, delays and unread answers count while they last), and as many connections through other listeners (reset beyond: sessions_full); default: as many as sessions" },
	{ .path = "dataplane.eal", .type = KEY_TEXT, .flags = KEY_MANY | KEY_RESTART,
	  .example = "[ \"--log-level=info\" ]", MANY(config, dataplane.eal, dataplane.n_eal),
	  .most = 64, .help = "further arguments for DPDK, as they are" },

	{ .path = "interfaces", .flags = KEY_REQUIRED | KEY_RESTART, .min = 1, .max = CONFIG_MAX_INTERFACES,
	  LIST(config, interfaces, interface_config),
	  .example = "( { name = \"wan\"; device = \"0000:3b:00.0\"; } )",
	  .help = "the network ports" },
	{ .path = "interfaces.name", .type = KEY_NAME, .flags = KEY_REQUIRED | KEY_RESTART,
	  .example = "\"wan\"", .max = 15, AT(interface_config, name),
	  .help = "name of the interface, and of its twin in the kernel" },
	{ .path = "interfaces.device", .type = KEY_DEVICE, .flags = KEY_REQUIRED | KEY_RESTART,
	  .example = "\"0000:3b:00.0\"", AT(interface_config, device),
	  .help = "PCI address, or a DPDK device with its arguments (net_af_xdp0,iface=eth0)" },
	{ .path = "interfaces.side", .type = KEY_CHOICE, .fallback = "both",
	  .choices = choices_side, AT(interface_config, side),
	  .help = "who is reached by it: \"client\", \"backend\" or \"both\" (one-armed)" },
	{ .path = "interfaces.addresses", .type = KEY_IFADDRESS, .flags = KEY_MANY,
	  .example = "[ \"198.51.100.2/24\" ]", MANY(interface_config, addresses, n_addresses),
	  .most = 256, .help = "own addresses, with the length of their subnet" },
	{ .path = "interfaces.source_addresses", .type = KEY_PREFIX, .flags = KEY_MANY,
	  .example = "[ \"10.2.0.64/26\" ]",
	  MANY(interface_config, source_addresses, n_source_addresses), .most = 256,
	  .help = "full NAT and listeners connect to backends from these (default: addresses)" },
	{ .path = "interfaces.vlans", .max = 256, LIST(interface_config, vlans, vlan_config),
	  .example = "( { id = 7; addresses = [ \"10.7.0.1/24\" ]; } )",
	  .help = "tagged networks on this interface" },
	{ .path = "interfaces.vlans.id", .type = KEY_INT, .flags = KEY_REQUIRED | KEY_IDENTITY,
	  .example = "7", .min = 1, .max = 4094, AT(vlan_config, id),
	  .help = "VLAN identifier" },
	{ .path = "interfaces.vlans.addresses", .type = KEY_IFADDRESS, .flags = KEY_MANY,
	  .example = "[ \"10.7.0.1/24\" ]", MANY(vlan_config, addresses, n_addresses),
	  .most = 256, .help = "own addresses in this VLAN" },
	{ .path = "interfaces.mtu", .type = KEY_INT, .flags = KEY_RESTART, .fallback = "1500",
	  .min = 576, .max = 9216, AT(interface_config, mtu),
	  .help = "longest packet without its Ethernet header" },
	{ .path = "interfaces.twin", .type = KEY_BOOL, .flags = KEY_RESTART, .fallback = "true",
	  AT(interface_config, twin),
	  .help = "false: no interface in the kernel (packet files, benches)" },

	{ .path = "routes", .max = 4096, LIST(config, routes, route_config),
	  .example = "( { to = \"default\"; via = \"198.51.100.1\"; } )",
	  .help = "static routes; the kernel's are followed as well" },
	{ .path = "routes.to", .type = KEY_DESTINATION, .flags = KEY_REQUIRED | KEY_IDENTITY,
	  .example = "\"10.9.0.0/16\"", AT(route_config, to),
	  .help = "destination, or \"default\"" },
	{ .path = "routes.via", .type = KEY_ADDRESS, .flags = KEY_REQUIRED | KEY_IDENTITY,
	  .example = "\"198.51.100.1\"", AT(route_config, via), .help = "gateway" },

	{ .path = "neighbours", .max = 4096, LIST(config, neighbours, neighbour_config),
	  .example = "( { address = \"10.2.0.11\"; mac = \"02:00:00:00:02:0b\"; interface = \"lan\"; } )",
	  .help = "static neighbours; the rest is learned" },
	{ .path = "neighbours.address", .type = KEY_ADDRESS,
	  .flags = KEY_REQUIRED | KEY_IDENTITY, .example = "\"10.2.0.11\"",
	  AT(neighbour_config, address), .help = "its address" },
	{ .path = "neighbours.mac", .type = KEY_MAC, .flags = KEY_REQUIRED,
	  .example = "\"02:00:00:00:02:0b\"", AT(neighbour_config, mac),
	  .help = "its Ethernet address" },
	{ .path = "neighbours.interface", .type = KEY_REFERENCE, .refers = "interfaces",
	  .flags = KEY_REQUIRED | KEY_IDENTITY, .example = "\"lan\"",
	  AT(neighbour_config, interface), .help = "the interface that it is on" },
	{ .path = "neighbours.vlan", .type = KEY_INT, .flags = KEY_IDENTITY, .fallback = "0",
	  .max = 4094, AT(neighbour_config, vlan), .help = "its VLAN; 0: untagged" },

	{ .path = "pools", .max = 4096, LIST(config, pools, pool_config),
	  .example = "( { name = \"web\"; backends = ( { address = \"10.2.0.11\"; } ); } )",
	  .help = "groups of backends" },
	{ .path = "pools.name", .type = KEY_NAME, .flags = KEY_REQUIRED, .example = "\"web\"",
	  AT(pool_config, name), .help = "name of the pool" },
	{ .path = "pools.backends", .flags = KEY_REQUIRED, .min = 1, .max = 16384,
	  LIST(pool_config, backends, backend_config),
	  .example = "( { address = \"10.2.0.11\"; port = 8080; } )", .help = "the servers" },
	{ .path = "pools.backends.address", .type = KEY_ADDRESS,
	  .flags = KEY_REQUIRED | KEY_IDENTITY, .example = "\"10.2.0.11\"",
	  AT(backend_config, address), .help = "address of the server" },
	{ .path = "pools.backends.port", .type = KEY_INT, .flags = KEY_IDENTITY, .fallback = "0",
	  .example = "8080", .max = 65535, AT(backend_config, port),
	  .help = "port of the server; 0: the one that the client asked for" },
	{ .path = "pools.backends.weight", .type = KEY_INT, .fallback = "100", .max = 65535,
	  AT(backend_config, weight), .help = "share of the connections; 0 drains" },
	{ .path = "pools.health", .type = KEY_GROUP,
	  .line = offsetof(struct pool_config, health.line),
	  .help = "how to find out whether a backend works" },
	{ .path = "pools.health.check", .type = KEY_CHOICE, .fallback = "none",
	  .choices = choices_health, AT(pool_config, health.check), .help = "what is tried" },
	{ .path = "pools.health.path", .type = KEY_URL_PATH, .fallback = "/",
	  AT(pool_config, health.path), .help = "HTTP: what is asked for" },
	{ .path = "pools.health.host", .type = KEY_TEXT, .example = "\"www.example.net\"",
	  AT(pool_config, health.host), .help = "HTTP: Host header (default: the address)" },
	{ .path = "pools.health.expect", .type = KEY_STATUS, .fallback = "200-299",
	  .offset = offsetof(struct pool_config, health.expect_low), .size = 4,
	  .help = "HTTP: status codes that mean yes" },
	{ .path = "pools.health.port", .type = KEY_INT, .fallback = "0", .max = 65535,
	  AT(pool_config, health.port), .help = "port to try; 0: the backend's" },
	{ .path = "pools.health.interval", .type = KEY_DURATION, .fallback = "2s",
	  .min = 10 * MS, .max = 24 * HOUR, AT(pool_config, health.interval),
	  .help = "time between two tries" },
	{ .path = "pools.health.timeout", .type = KEY_DURATION, .fallback = "1s", .min = MS,
	  .max = 24 * HOUR, AT(pool_config, health.timeout),
	  .help = "how long an answer may take; less than interval" },
	{ .path = "pools.health.rise", .type = KEY_INT, .fallback = "2", .min = 1, .max = 1000,
	  AT(pool_config, health.rise), .help = "successes in a row that bring a backend up" },
	{ .path = "pools.health.fall", .type = KEY_INT, .fallback = "3", .min = 1, .max = 1000,
	  AT(pool_config, health.fall), .help = "failures in a row that take it down" },
	{ .path = "pools.health.source", .type = KEY_ADDRESS, .example = "\"10.2.0.1\"",
	  AT(pool_config, health.source),
	  .help = "address of ours that backends of its family are checked from (default: by route)" },
	{ .path = "pools.health.verify", .type = KEY_BOOL, .fallback = "true",
	  AT(pool_config, health.verify), .help = "HTTPS: false takes any certificate" },
	{ .path = "pools.health.ca", .type = KEY_TEXT, .example = "\"/etc/penstock/ca.pem\"",
	  AT(pool_config, health.ca),
	  .help = "HTTPS: file of the certificates that are trusted (default: the system's)" },
	{ .path = "pools.health.body", .type = KEY_TEXT, .example = "\"OK\"",
	  AT(pool_config, health.body),
	  .help = "HTTP: what the first 64 KB of the body must contain (default: any body)" },
	{ .path = "pools.health.payload", .type = KEY_BYTES, .example = "\"ping\"",
	  AT(pool_config, health.payload),
	  .help = "UDP: what is sent, a text or \"hex:\" and digits (default: an empty datagram)" },
	{ .path = "pools.health.answer", .type = KEY_BYTES, .example = "\"hex:1234\"",
	  AT(pool_config, health.answer),
	  .help = "UDP: what the answer must contain (default: any answer)" },
	{ .path = "pools.slow_start", .type = KEY_DURATION, .fallback = "0s", .max = 24 * HOUR,
	  .example = "\"30s\"", AT(pool_config, slow_start),
	  .help = "how long until a backend that has come back gets its whole share" },
	{ .path = "pools.all_down", .type = KEY_CHOICE, .fallback = "panic",
	  .choices = choices_all_down, AT(pool_config, all_down),
	  .help = "when all backends fail: \"panic\" uses all of them, \"refuse\" refuses clients" },
	{ .path = "pools.limits", GROUP,
	  .help = "http: what is over at one time is answered 503 (circuit breaking)" },
	{ .path = "pools.limits.connections", .type = KEY_INT, .fallback = "0", .max = UINT32_MAX,
	  .example = "10000", AT(pool_config, limits.connections),
	  .help = "connections to the pool; unused ones give way to new ones; 0: no bound" },
	{ .path = "pools.limits.pending", .type = KEY_INT, .fallback = "0", .max = UINT32_MAX,
	  .example = "1000", AT(pool_config, limits.pending),
	  .help = "requests that wait for a connection; 0: no bound" },
	{ .path = "pools.limits.requests", .type = KEY_INT, .fallback = "0", .max = UINT32_MAX,
	  .example = "10000", AT(pool_config, limits.requests),
	  .help = "requests that are under way; 0: no bound" },
	{ .path = "pools.limits.retries", .type = KEY_INT, .fallback = "0", .max = UINT32_MAX,
	  .example = "100", AT(pool_config, limits.retries),
	  .help = "requests that are being tried again; 0: no bound" },
	{ .path = "pools.outlier", GROUP, .help = "http: judge backends by their answers" },
	{ .path = "pools.outlier.errors", .type = KEY_INT, .fallback = "5", .max = 1000000,
	  AT(pool_config, outlier.errors),
	  .help = "failures in a row that take a backend out; never more than half of them; 0: none do" },
	{ .path = "pools.outlier.time", .type = KEY_DURATION, .fallback = "30s", .min = 10 * MS,
	  .max = 24 * HOUR, AT(pool_config, outlier.time), .help = "how long it stays out" },
	{ .path = "pools.keepalive", GROUP, .help = "http: connections to backends that wait for requests" },
	{ .path = "pools.keepalive.idle", .type = KEY_DURATION, .fallback = "30s", .min = 10 * MS,
	  .max = 24 * HOUR, AT(pool_config, keepalive.idle),
	  .help = "how long one is kept unused; less than backends keep it" },
	{ .path = "pools.keepalive.connections", .type = KEY_INT, .fallback = "1024",
	  .max = UINT32_MAX, AT(pool_config, keepalive.connections),
	  .help = "unused ones that each worker keeps; 0: none" },
	{ .path = "pools.keepalive.requests", .type = KEY_INT, .fallback = "0", .max = UINT32_MAX,
	  .example = "1000", AT(pool_config, keepalive.requests),
	  .help = "requests on one connection; 0: no bound" },
	{ .path = "pools.tls", .type = KEY_GROUP, .line = offsetof(struct pool_config, tls.line),
	  .inside = config_keys_pool_tls, .example = "{ server_name = \"shop.example\"; }",
	  .help = "speak TLS to the backends; only for pools of listeners with protocol \"tcp\", \"tls\", \"http\" and \"https\" (default: no TLS)" },

	{ .path = "services", .max = 16384, LIST(config, services, service_config),
	  .example = "( { name = \"web\"; address = \"203.0.113.10\"; port = 80; ... } )",
	  .help = "what clients connect to" },
	{ .path = "services.name", .type = KEY_NAME, .flags = KEY_REQUIRED, .example = "\"web\"",
	  AT(service_config, name), .help = "name of the service" },
	{ .path = "services.address", .type = KEY_PREFIX, .flags = KEY_REQUIRED,
	  .example = "\"203.0.113.10\"", AT(service_config, address),
	  .help = "address that clients connect to, or a prefix" },
	{ .path = "services.port", .type = KEY_INT, .flags = KEY_REQUIRED, .example = "80",
	  .max = 65535, AT(service_config, port), .help = "port; 0: all ports" },
	{ .path = "services.protocol", .type = KEY_CHOICE, .flags = KEY_REQUIRED,
	  .example = "\"tcp\"", .choices = choices_protocol, AT(service_config, protocol),
	  .help = "\"tcp\" or \"udp\"" },
	{ .path = "services.forward", .type = KEY_CHOICE, .flags = KEY_REQUIRED,
	  .example = "\"nat\"", .choices = choices_forward, AT(service_config, forward),
	  .help = "how packets reach the backend" },
	{ .path = "services.pool", .type = KEY_REFERENCE, .refers = "pools",
	  .flags = KEY_REQUIRED, .example = "\"web\"", AT(service_config, pool),
	  .help = "the pool of backends" },
	{ .path = "services.hash", .type = KEY_CHOICE, .fallback = "connection",
	  .choices = choices_hash, AT(service_config, hash),
	  .help = "\"client\": all connections of a client to one backend" },
	{ .path = "services.timeouts", GROUP, .help = "how long an idle connection is known" },
	{ .path = "services.timeouts.established", .type = KEY_DURATION, .fallback = "15m",
	  .min = 10 * MS, .max = 720 * HOUR, AT(service_config, timeout_established),
	  .help = "TCP, established" },
	{ .path = "services.timeouts.closing", .type = KEY_DURATION, .fallback = "30s",
	  .min = 10 * MS, .max = 720 * HOUR, AT(service_config, timeout_closing),
	  .help = "TCP, not yet established, or closing" },
	{ .path = "services.timeouts.udp", .type = KEY_DURATION, .fallback = "30s",
	  .min = 10 * MS, .max = 720 * HOUR, AT(service_config, timeout_udp), .help = "UDP" },
	{ .path = "services.limits", GROUP, .help = "limits on clients and on the service" },
	{ .path = "services.limits.client", GROUP, .help = "limits on each client" },
	LIMITS("services", service_config, limit_client, client, "a client"),
	{ .path = "services.limits.client.prefix4", .type = KEY_INT, .fallback = "32", .min = 8,
	  .max = 32, AT(service_config, limit_client.prefix4),
	  .help = "IPv4 addresses that share so many bits are one client" },
	{ .path = "services.limits.client.prefix6", .type = KEY_INT, .fallback = "64", .min = 16,
	  .max = 128, AT(service_config, limit_client.prefix6),
	  .help = "IPv6 addresses that share so many bits are one client" },
	{ .path = "services.limits.service", GROUP, .help = "limits on the whole service" },
	LIMITS("services", service_config, limit_service, service, "the service"),
	{ .path = "services.allow", .type = KEY_PREFIX, .flags = KEY_MANY,
	  .example = "[ \"0.0.0.0/0\" ]", MANY(service_config, allow, n_allow), .most = 65536,
	  .help = "clients that may come (default: all)" },
	{ .path = "services.deny", .type = KEY_PREFIX, .flags = KEY_MANY,
	  .example = "[ \"192.0.2.0/24\" ]", MANY(service_config, deny, n_deny), .most = 65536,
	  .help = "clients that may not" },

	{ .path = "listeners", .max = 4096, LIST(config, listeners, listener_config),
	  .example = "( { name = \"db\"; address = \"203.0.113.20\"; port = 5432; ... } )",
	  .help = "where clients' connections end, and others to backends begin" },
	{ .path = "listeners.name", .type = KEY_NAME, .flags = KEY_REQUIRED, .example = "\"db\"",
	  AT(listener_config, service.name),
	  .help = "name of the listener; no service may have the same" },
	{ .path = "listeners.address", .type = KEY_PREFIX, .flags = KEY_REQUIRED,
	  .example = "\"203.0.113.20\"", AT(listener_config, service.address),
	  .help = "address that clients connect to, or a prefix" },
	{ .path = "listeners.port", .type = KEY_INT, .flags = KEY_REQUIRED, .example = "5432",
	  .min = 1, .max = 65535, AT(listener_config, service.port), .help = "port" },
	{ .path = "listeners.protocol", .type = KEY_CHOICE, .flags = KEY_REQUIRED,
	  .example = "\"tcp\"", .choices = choices_listener_protocol,
	  AT(listener_config, protocol), .help = "what clients speak" },
	{ .path = "listeners.pool", .type = KEY_REFERENCE, .refers = "pools",
	  .example = "\"db\"", AT(listener_config, pool),
	  .help = "the pool of backends; http and https may have routes instead; tls-passthrough: that of clients whose server name is in no rule, or who send none (default: they are refused)" },
	{ .path = "listeners.server_names", .min = 1, .max = 4096,
	  LIST(listener_config, server_names, server_name_config),
	  .example = "( { names = [ \"shop.example\", \"*.shop.example\" ]; pool = \"shop\"; } )",
	  .help = "tls-passthrough: pools by the server name that clients ask for (SNI); the whole name counts before the longest domain" },
	{ .path = "listeners.server_names.names", .type = KEY_TEXT,
	  .flags = KEY_REQUIRED | KEY_MANY, .example = "[ \"shop.example\", \"*.shop.example\" ]",
	  MANY(server_name_config, names, n_names), .most = 4096,
	  .help = "names, or \"*.\" and a domain: every name below that" },
	{ .path = "listeners.server_names.pool", .type = KEY_REFERENCE, .refers = "pools",
	  .flags = KEY_REQUIRED | KEY_IDENTITY, .example = "\"shop\"",
	  AT(server_name_config, pool), .help = "the pool of backends" },
	{ .path = "listeners.routes", .flags = KEY_ORDERED, .max = 16384,
	  LIST_AT(listener_config, http.routes, http.n_routes, http_route_config),
	  .inside = config_keys_http_routes,
	  .example = "( { name = \"api\"; match = { path = \"/api/\"; }; pools = ( { pool = \"web\"; } ); } )",
	  .help = "http, https: what becomes of requests; the first one that matches has it" },
	{ .path = "listeners.http", GROUP, .inside = config_keys_http,
	  .help = "http, https: what clients may send" },
	{ .path = "listeners.tls", .type = KEY_GROUP,
	  .line = offsetof(struct listener_config, tls.line), .inside = config_keys_tls,
	  .example = "{ certificates = ( { cert = \"/etc/penstock/tls/shop.pem\"; key = \"/etc/penstock/tls/shop.key\"; } ); }",
	  .help = "https, tls: who we are, and what is agreed on with clients" },
	{ .path = "listeners.errors", .max = 200,
	  LIST_AT(listener_config, http.errors, http.n_errors, http_error_page_config),
	  .example = "( { status = 503; file = \"/etc/penstock/503.html\"; } )",
	  .help = "http, https: pages for answers of our own that report an error" },
	{ .path = "listeners.errors.status", .type = KEY_INT, .flags = KEY_REQUIRED | KEY_IDENTITY,
	  .example = "503", .min = 400, .max = 599, AT(http_error_page_config, status),
	  .help = "status code" },
	{ .path = "listeners.errors.file", .type = KEY_TEXT, .flags = KEY_REQUIRED,
	  .example = "\"/etc/penstock/503.html\"", AT(http_error_page_config, file),
	  .help = "file of the page, up to 64 KB of HTML, read with the configuration" },
	{ .path = "listeners.balance", .type = KEY_CHOICE, .fallback = "maglev",
	  .choices = choices_balance, AT(listener_config, balance),
	  .help = "how a backend is chosen; \"least-connections\": the one that has the fewest for its weight" },
	{ .path = "listeners.hash", .type = KEY_CHOICE, .fallback = "connection",
	  .choices = choices_hash, AT(listener_config, service.hash),
	  .help = "maglev: \"client\": all connections of a client to one backend" },
	{ .path = "listeners.proxy_protocol", .type = KEY_CHOICE, .fallback = "none",
	  .choices = choices_proxy_protocol, AT(listener_config, proxy_protocol),
	  .help = "tell backends who the client is, by a PROXY protocol header" },
	{ .path = "listeners.accept_proxy_protocol", .type = KEY_BOOL, .fallback = "false",
	  AT(listener_config, accept_proxy_protocol),
	  .help = "true: clients are proxies, whose connections begin with a PROXY protocol header" },
	{ .path = "listeners.trusted_proxies", .type = KEY_PREFIX, .flags = KEY_MANY,
	  .example = "[ \"192.0.2.0/24\" ]",
	  MANY(listener_config, trusted_proxies, n_trusted_proxies), .most = 4096,
	  .help = "only these send the header, and are believed (default: all clients); http, https: who is believed in X-Forwarded-For and the like (default: nobody)" },
	{ .path = "listeners.syn_cookies", .type = KEY_CHOICE, .fallback = "auto",
	  .choices = choices_cookies, AT(listener_config, syn_cookies),
	  .help = "\"auto\": when many connections are half open; \"always\"" },
	{ .path = "listeners.tcp_keepalive", GROUP,
	  .help = "tcp, tls, tls-passthrough: TCP keep-alive: are a silent client and its backend still there?" },
	{ .path = "listeners.tcp_keepalive.idle", .type = KEY_DURATION, .fallback = "0s",
	  .max = 24 * HOUR, .example = "\"10m\"", AT(listener_config, keepalive.idle),
	  .help = "probe a peer that has been silent for so long; \"0s\": none" },
	{ .path = "listeners.tcp_keepalive.interval", .type = KEY_DURATION, .fallback = "75s",
	  .min = 100 * MS, .max = HOUR, AT(listener_config, keepalive.interval),
	  .help = "from one probe to the next" },
	{ .path = "listeners.tcp_keepalive.probes", .type = KEY_INT, .fallback = "9", .min = 1,
	  .max = 100, AT(listener_config, keepalive.probes),
	  .help = "so many without an answer end the connection" },
	{ .path = "listeners.timeouts", GROUP, .help = "how long things may take" },
	{ .path = "listeners.timeouts.connect", .type = KEY_DURATION, .fallback = "3s",
	  .min = 10 * MS, .max = HOUR, AT(listener_config, timeout_connect),
	  .help = "until a backend has taken the connection; then another is tried" },
	{ .path = "listeners.timeouts.idle", .type = KEY_DURATION, .fallback = "1h",
	  .min = 10 * MS, .max = 720 * HOUR, AT(listener_config, service.timeout_established),
	  .help = "until a connection is ended on which nothing comes and nothing is acknowledged" },
	{ .path = "listeners.timeouts.header", .type = KEY_DURATION, .fallback = "10s",
	  .min = 10 * MS, .max = HOUR, AT(listener_config, http.timeout_header),
	  .help = "http, https: from the first byte of a request's head to its end; tls-passthrough: until the ClientHello has come; https, tls: until the handshake is over" },
	{ .path = "listeners.timeouts.body", .type = KEY_DURATION, .fallback = "30s",
	  .min = 10 * MS, .max = 24 * HOUR, AT(listener_config, http.timeout_body),
	  .help = "http, https: until the next bytes of a request's body have come" },
	{ .path = "listeners.timeouts.keepalive", .type = KEY_DURATION, .fallback = "60s",
	  .min = 10 * MS, .max = 24 * HOUR, AT(listener_config, http.timeout_keepalive),
	  .help = "http, https: until the next request has begun" },
	{ .path = "listeners.limits", GROUP, .help = "limits on clients and on the listener" },
	{ .path = "listeners.limits.client", GROUP, .help = "limits on each client" },
	LIMITS("listeners", listener_config, service.limit_client, client, "a client"),
	{ .path = "listeners.limits.client.prefix4", .type = KEY_INT, .fallback = "32", .min = 8,
	  .max = 32, AT(listener_config, service.limit_client.prefix4),
	  .help = "IPv4 addresses that share so many bits are one client" },
	{ .path = "listeners.limits.client.prefix6", .type = KEY_INT, .fallback = "64", .min = 16,
	  .max = 128, AT(listener_config, service.limit_client.prefix6),
	  .help = "IPv6 addresses that share so many bits are one client" },
	{ .path = "listeners.limits.client.requests", .type = KEY_RATE, .example = "\"100/s\"",
	  AT(listener_config, http.limit_client.requests),
	  .help = "http, https: requests of a client; what is over is answered 429" },
	{ .path = "listeners.limits.client.requests_burst", .type = KEY_DURATION, .fallback = "1s",
	  .min = 1000, .max = 24 * HOUR, AT(listener_config, http.limit_client.burst),
	  .help = "http, https: how many may come at once, as time" },
	{ .path = "listeners.limits.key", GROUP,
	  .help = "http, https: limits on all requests with the same value of a header" },
	{ .path = "listeners.limits.key.header", .type = KEY_TEXT, .flags = KEY_REQUIRED,
	  .example = "\"x-api-key\"", AT(listener_config, http.limit_key_header),
	  .help = "name of the header; a request that has it twice is answered 400" },
	{ .path = "listeners.limits.key.requests", .type = KEY_RATE, .flags = KEY_REQUIRED,
	  .example = "\"100/s\"", AT(listener_config, http.limit_key.requests),
	  .help = "requests with one value; what is over is answered 429" },
	{ .path = "listeners.limits.key.burst", .type = KEY_DURATION, .fallback = "1s",
	  .min = 1000, .max = 24 * HOUR, AT(listener_config, http.limit_key.burst),
	  .help = "how many may come at once, as time" },
	{ .path = "listeners.limits.service", GROUP, .help = "limits on the whole listener" },
	LIMITS("listeners", listener_config, service.limit_service, service, "the listener"),
	{ .path = "listeners.allow", .type = KEY_PREFIX, .flags = KEY_MANY,
	  .example = "[ \"0.0.0.0/0\" ]", MANY(listener_config, service.allow, service.n_allow),
	  .most = 65536, .help = "clients that may come (default: all)" },
	{ .path = "listeners.deny", .type = KEY_PREFIX, .flags = KEY_MANY,
	  .example = "[ \"192.0.2.0/24\" ]", MANY(listener_config, service.deny, service.n_deny),
	  .most = 65536, .help = "clients that may not" },

	{ .path = "tls", GROUP, .help = "TLS with clients and backends: what its handshakes may take" },
	{ .path = "tls.handshake_threads", .type = KEY_INT, .flags = KEY_RESTART, .fallback = "2",
	  .min = 1, .max = 64, AT(config, tls.threads),
	  .help = "threads that handshakes are computed on, beside the workers; none runs before there is a listener or pool that needs them" },
	{ .path = "tls.handshakes", .type = KEY_INT, .flags = KEY_RESTART, .fallback = "4096",
	  .min = 16, .max = 65536, AT(config, tls.handshakes),
	  .help = "handshakes that a worker may have under way; each takes about 50 KB" },

	{ .path = "admin", GROUP, .help = "who may ask and steer" },
	{ .path = "admin.group", .type = KEY_NAME, .example = "\"adm\"", AT(config, admin.group),
	  .help = "group of the admin socket (default: the daemon's)" },
	{ .path = "admin.listen", .type = KEY_LISTEN, .example = "\"127.0.0.1:9470\"",
	  AT(config, admin.listen), .help = "address and port of the metrics" },

	{ .path = "records", GROUP, .help = "http: a record of each request, as JSON, one a line" },
	{ .path = "records.file", .type = KEY_TEXT, .example = "\"/var/log/penstock/access.json\"",
	  AT(config, records.file),
	  .help = "file that they are written to; opened anew when it was moved away, and on SIGHUP" },
	{ .path = "records.socket", .type = KEY_TEXT, .example = "\"/run/collector.sock\"",
	  AT(config, records.socket),
	  .help = "UNIX datagram socket, or address and port for UDP, that they are sent to; one a datagram" },
	{ .path = "records.rotate_size", .type = KEY_SIZE, .example = "\"1G\"", .min = 1 << 16,
	  .max = 1ULL << 50, AT(config, records.rotate_size),
	  .help = "a file of this size is moved to FILE.1, that to FILE.2 and so on (default: never)" },
	{ .path = "records.keep", .type = KEY_INT, .fallback = "5", .min = 1, .max = 1000,
	  AT(config, records.keep), .help = "how many such files are kept" },

	{ .path = "tracing", .type = KEY_GROUP, .line = offsetof(struct config, tracing.line),
	  .help = "http: W3C trace context to backends, and spans to a collector" },
	{ .path = "tracing.endpoint", .type = KEY_TEXT, .flags = KEY_REQUIRED,
	  .example = "\"http://collector:4318/v1/traces\"", AT(config, tracing.endpoint),
	  .help = "where spans go, by OTLP over HTTP as JSON" },
	{ .path = "tracing.share", .type = KEY_SHARE, .fallback = "10%", .max = CONFIG_SHARE_WHOLE,
	  AT(config, tracing.share),
	  .help = "requests that leave a span; decided by the trace's id, alike on all gateways" },
	{ .path = "tracing.slow", .type = KEY_DURATION, .fallback = "1s", .max = 24 * HOUR,
	  AT(config, tracing.slow),
	  .help = "requests that take so long always do, as do those with errors; \"0s\": none is slow" },
	{ .path = "tracing.service_name", .type = KEY_TEXT, .fallback = "penstock",
	  AT(config, tracing.service_name), .help = "service.name of the spans" },

	{ .path = "log", GROUP, .help = "what the daemon says, and where" },
	{ .path = "log.format", .type = KEY_CHOICE, .fallback = "text",
	  .choices = choices_log_format, AT(config, log.format),
	  .help = "\"text\" for people, \"json\" for programs" },
	{ .path = "log.target", .type = KEY_CHOICE, .example = "\"syslog\"",
	  .choices = choices_log_target, AT(config, log.target),
	  .help = "default: standard error with --foreground, else syslog" },
	{ .path = "log.level", .type = KEY_CHOICE, .fallback = "info",
	  .choices = choices_log_level, AT(config, log.level),
	  .help = "say this and what is worse; \"penstockd: ready\" is always said" },

	{ .path = "cluster", .type = KEY_LATER, .help = "several machines as one" },
	{ .path = NULL },
};

/* clang-format on */

const struct key *const config_keys_root = config_keys;

const char *
key_name(const struct key *key)
{
	const char *dot = strrchr(key->path, '.');

	return dot ? dot + 1 : key->path;
}

const struct key *
key_next(const struct key *parent, const struct key *after)
{
	size_t len = strlen(parent->path);
	const struct key *key = parent->inside ? parent->inside : parent + 1;

	for (key = after ? after + 1 : key; key->path; key++) {
		const char *rest = key->path + len;

		if (strncmp(key->path, parent->path, len) != 0)
			return NULL;
		if (len && *rest++ != '.')
			return NULL;
		if (!strchr(rest, '.'))
			return key;
	}
	return NULL;
}

const struct key *
key_child(const struct key *parent, const char *name)
{
	const struct key *key = NULL;

	while ((key = key_next(parent, key))) {
		if (strcmp(key_name(key), name) == 0)
			return key;
	}
	return NULL;
}

const struct key *
key_nearest(const struct key *parent, const char *name)
{
	const struct key *key = NULL, *best = NULL;
	unsigned int least = UINT32_MAX;

	while ((key = key_next(parent, key))) {
		unsigned int d = edit_distance(name, key_name(key));

		if (key->type == KEY_LATER || d >= least)
			continue;
		least = d;
		best = key;
	}
	return best;
}

const char *
choice_text(const struct key_choice *choices, unsigned int value)
{
	for (; choices->text; choices++) {
		if (choices->value == value)
			return choices->text;
	}
	return "?";
}

/* Optimal string alignment; what is longer than a key can be is cut, which does not change which
 * key is the nearest by much. Three rows of the matrix are enough. */
unsigned int
edit_distance(const char *a, const char *b)
{
	unsigned int rows[3][34] = { 0 };
	size_t n = strnlen(a, 32), m = strnlen(b, 32);
	size_t i, j;

	for (j = 0; j <= m; j++)
		rows[0][j] = (unsigned int)j;
	for (i = 1; i <= n; i++) {
		unsigned int *now = rows[i % 3], *one = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];

		now[0] = (unsigned int)i;
		for (j = 1; j <= m; j++) {
			unsigned int best = one[j - 1] + (a[i - 1] != b[j - 1]);

			if (one[j] + 1 < best)
				best = one[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    two[j - 2] + 1 < best)
				best = two[j - 2] + 1;
			now[j] = best;
		}
	}
	return rows[n % 3][m];
}
