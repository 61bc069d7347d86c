/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build/tcp-peer: dp/tcp on a kernel device, as a server of small services and as a client, for
 * tests against the kernel's TCP.
 *
 *     wire.c     the DPDK port: frames in and out, Ethernet headers, changed order
 *     service.c  what a connection does: echo, sink, source, HTTP, and the client's part
 *     main.c     options, the loop, the report
 *
 * One thread; `struct peer` holds everything.
 */
#ifndef TESTS_TCP_PEER_H
#define TESTS_TCP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp/clock.h"
#include "dp/tcp/tcp.h"
#include "lib/addr.h"

#define PEER_SESSIONS 65536
/* The content: lines of 8 bytes that are counted, again and again. Each mbuf takes a piece of it,
 * as much as a segment does, so that segments share their mbufs; there is one more behind the
 * block. */
#define PEER_BLOCK (1u << 20)
#define PEER_PIECE 1448
#define PEER_HELD  1024
#define PEER_BURST 32

enum service {
	SERVICE_STOP,   /* a sink that gives no credit for 2 s */
	SERVICE_ECHO,   /* */
	SERVICE_SINK,   /* answers the FIN with "BYTES\n" if all was content */
	SERVICE_SOURCE, /* a line "BYTES\n" asks for so much content */
	SERVICE_HTTP,   /* GET /BYTES */
	SERVICES,
	SERVICE_CLIENT, /* sends, half-closes, reads until the end */
};

struct session {
	tcp_handle h;
	enum service service;
	bool used, peer_done, shut, wrong;
	uint64_t received, checked;   /* bytes; checked: of them compared with the content */
	uint64_t to_send, content_at; /* content that remains to be sent, and its offset */
	uint64_t opened, credit_from;
	uint32_t owed;
	struct rte_mbuf *pending; /* what tcp_send did not take yet */
	char text[2048];          /* what has come of a request */
	size_t text_len;
	bool body; /* the client is behind the header of an answer */
};

struct held {
	struct rte_mbuf *mbuf;
	uint64_t until;
	bool in;
};

struct peer_options {
	const char *iface, *driver, *get;
	struct mac mac, peer_mac;
	struct addr own[2]; /* IPv4, IPv6 */
	struct addr to;
	uint16_t to_port, mtu;
	uint32_t reorder; /* of 1,000 packets */
	bool serve, connect, check;
	uint64_t send; /* bytes */
	struct tcp_options tcp;
};

struct peer {
	struct peer_options options;
	struct dp_clock clock;
	uint64_t now;
	struct tcp *tcp;
	struct rte_mempool *mbufs, *clones;
	uint16_t port;
	struct session *sessions;
	uint32_t n_free, *free_sessions;
	uint32_t fresh; /* sessions from here on were never used */
	uint8_t *block;

	struct rte_mbuf *tx[PEER_BURST];
	uint16_t n_tx;
	struct held held[PEER_HELD];
	unsigned int n_held;
	uint64_t chance, tx_dropped;

	bool client_done;
	enum tcp_close_cause client_cause;
	uint64_t client_received, began;
	bool client_wrong;
};

/* wire.c */
void wire_open(struct peer *p);
void wire_close(struct peer *p);
void wire_output(void *arg, struct rte_mbuf *m, uint64_t route);
/* True if anything came. */
bool wire_poll(struct peer *p);
void wire_flush(struct peer *p);
void wire_describe(const struct peer *p);
uint64_t peer_random(void *arg);

/* service.c */
void service_calls(struct peer *p, struct tcp_calls *calls);
void service_listen(struct peer *p);
void service_connect(struct peer *p);
/* What is due without an event. */
void service_advance(struct peer *p);

#endif
