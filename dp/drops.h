/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every reason for which a worker drops a packet, named once. The list gives the enum, the
 * counter's index, the name that `penstock show drops` prints and the help beside it. There is no
 * silent drop.
 */
#ifndef DP_DROPS_H
#define DP_DROPS_H

/* X(constant, name, help) */
#define DROP_REASONS(X)                                                                            \
	/* parse */                                                                                \
	X(ETHERNET_TRUNCATED, "ethernet-truncated",                                                \
	  "frame shorter than its Ethernet or VLAN header")                                        \
	X(NOT_OURS, "not-our-mac", "unicast frame to an Ethernet address that is not the port's")  \
	X(IP_TRUNCATED, "ip-truncated", "frame shorter than its IP header")                        \
	X(IP_VERSION, "ip-version", "IP version disagrees with the EtherType")                     \
	X(IP_HEADER_LENGTH, "ip-header-length",                                                    \
	  "IPv4 header length below 20 bytes or past the packet")                                  \
	X(IP_TOTAL_LENGTH, "ip-total-length",                                                      \
	  "IP length field past the frame or below the headers")                                   \
	X(IP_CHECKSUM, "ip-checksum", "wrong IPv4 header checksum")                                \
	X(IP6_EXTENSION, "ip6-extension",                                                          \
	  "IPv6 extension headers truncated, malformed or too many")                               \
	X(L4_TRUNCATED, "l4-truncated", "packet shorter than its TCP, UDP or ICMP header")         \
	X(TCP_OFFSET, "tcp-offset", "TCP data offset below 20 bytes or past the packet")           \
	X(UDP_LENGTH, "udp-length", "UDP length below 8 bytes or past the packet")                 \
	X(ICMP_INNER, "icmp-inner", "ICMP error whose embedded packet is malformed")               \
	X(FRAGMENT_MALFORMED, "fragment-malformed",                                                \
	  "fragment that is empty, unaligned, past 65,535 bytes, or too small")                    \
	X(MARTIAN_SOURCE, "martian-source", "source address that no packet may have")              \
	X(MARTIAN_DESTINATION, "martian-destination",                                              \
	  "destination address that no packet may have")                                           \
	X(SPOOFED_SOURCE, "spoofed-source",                                                        \
	  "source is one of our own or of a service's addresses")                                  \
	/* classify, steer, fragments */                                                           \
	X(NO_SERVICE, "no-service", "claimed by no service, and the interface has no twin")        \
	X(STEER_RING_FULL, "steer-ring-full", "the owner worker's inbox was full")                 \
	X(HOST_RING_FULL, "host-ring-full", "the queue to or from the twin was full")              \
	X(HOST_INTERFACE_DOWN, "host-interface-down", "the twin did not take the packet")          \
	X(FRAGMENT_TABLE_FULL, "fragment-table-full", "no room to remember or hold a fragment")    \
	X(FRAGMENT_NO_FIRST, "fragment-no-first", "held fragment whose first fragment never came") \
	/* limit */                                                                                \
	X(DENIED, "denied", "the client is on the service's deny list, or not on its allow list")  \
	X(CLIENT_PACKETS, "client-packets", "the client is over its limit of packets")             \
	X(CLIENT_BYTES, "client-bytes", "the client is over its limit of bytes")                   \
	X(CLIENT_NEW_CONNECTIONS, "client-new-connections",                                        \
	  "the client is over its limit of new connections")                                       \
	X(CLIENT_CONNECTIONS, "client-connections",                                                \
	  "the client has as many connections as it may")                                          \
	X(CLIENT_TABLE_FULL, "client-table-full",                                                  \
	  "over the limits that clients without a place in the client table share")                \
	X(SERVICE_PACKETS, "service-packets", "the service is over its limit of packets")          \
	X(SERVICE_BYTES, "service-bytes", "the service is over its limit of bytes")                \
	X(SERVICE_NEW_CONNECTIONS, "service-new-connections",                                      \
	  "the service is over its limit of new connections")                                      \
	X(SERVICE_CONNECTIONS, "service-connections",                                              \
	  "the service has as many connections as it may")                                         \
	/* track, balance */                                                                       \
	X(NO_BACKEND, "no-backend", "the service's pool has no backend that may be chosen")        \
	X(CONNECTION_TABLE_FULL, "connection-table-full", "no room for a new connection")          \
	X(CONNECTION_UNKNOWN, "connection-unknown",                                                \
	  "belongs to no connection, and cannot begin one")                                        \
	X(CONNECTION_CLASH, "connection-clash", "two connections would look alike to the backend") \
	X(SOURCE_PORT_EXHAUSTED, "source-port-exhausted",                                          \
	  "no free source port towards the backend")                                               \
	X(PROXY_FRAGMENT, "proxy-fragment", "fragment to a listener, which takes whole packets")   \
	X(SYN_FLOOD, "syn-flood",                                                                  \
	  "SYN during a flood of them, beyond those that wait until there is time")                \
	X(TLS_HELLO, "tls-hello", "a client sent no ClientHello that could be read")               \
	X(TLS_HANDSHAKE, "tls-handshake", "the TLS handshake with a client failed")                \
	X(TLS_BUSY, "tls-busy", "more TLS handshakes are asked for than handshake threads can do") \
	X(SERVER_NAME, "server-name",                                                              \
	  "the listener has no pool for the client's server name, or for clients without one")     \
	X(CONNECT_FAILED, "connect-failed",                                                        \
	  "no backend took the connection of a listener's client")                                 \
	/* rewrite */                                                                              \
	X(NO_ROUTE, "no-route", "no route to the next hop")                                        \
	X(NEIGHBOUR_UNRESOLVED, "neighbour-unresolved",                                            \
	  "the next hop's Ethernet address is not known (yet)")                                    \
	X(TTL_EXPIRED, "ttl-expired", "TTL or hop limit used up")                                  \
	X(TOO_BIG, "too-big", "larger than the MTU of the way out")                                \
	X(ICMP_RATE, "icmp-rate", "ICMP answers over their rate")                                  \
	X(ICMP_UNANSWERED, "icmp-unanswered",                                                      \
	  "ICMP to a service that is neither an echo request nor an error")                        \
	X(MBUF_EXHAUSTED, "mbuf-exhausted", "no packet buffer left")                               \
	X(TRANSMIT_FULL, "transmit-full", "the port's transmit queue was full")

enum drop_reason {
#define X(constant, name, help) DROP_##constant,
	DROP_REASONS(X)
#undef X
	    DROP_REASON_COUNT,
	/* the limits stand together */
	DROP_LIMIT_FIRST = DROP_DENIED,
	DROP_LIMIT_LAST = DROP_SERVICE_CONNECTIONS,
};

/* Name and help of a reason (below DROP_REASON_COUNT). Any thread. */
const char *drop_reason_name(enum drop_reason reason);
const char *drop_reason_help(enum drop_reason reason);

#endif
