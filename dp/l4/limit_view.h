/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the limits of a service say to a packet, as limit_peek (dp/l4/limit.h) finds it and explain
 * shows it. Values; whoever has one owns it.
 */
#ifndef DP_L4_LIMIT_VIEW_H
#define DP_L4_LIMIT_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/drops.h"
#include "lib/addr.h"

enum limit_kind {
	LIMIT_KIND_CLIENT_PACKETS,
	LIMIT_KIND_CLIENT_BYTES,
	LIMIT_KIND_CLIENT_NEW_CONNECTIONS,
	LIMIT_KIND_CLIENT_CONNECTIONS,
	LIMIT_KIND_SERVICE_PACKETS,
	LIMIT_KIND_SERVICE_BYTES,
	LIMIT_KIND_SERVICE_NEW_CONNECTIONS,
	LIMIT_KIND_SERVICE_CONNECTIONS,
	LIMIT_KINDS,
};
/* The reason for which what is over it is dropped; its name is the limit's too:
 * drop_reason_name(limit_kind_reason(kind)). */
enum drop_reason limit_kind_reason(enum limit_kind kind);

struct limit_view {
	uint8_t kind;              /* enum limit_kind */
	uint8_t exceeded;          /* 1: this packet would be refused by it */
	uint64_t count, period_ns; /* the rate; period 0: connections at a time */
	uint64_t burst_ns;         /* 0 for connections */
	uint64_t used;             /* connections: how many there are; else 0 */
	uint64_t left;             /* how many (packets, bytes, connections) may come now */
};

enum access_verdict {
	ACCESS_ANYBODY, /* the service has no lists */
	ACCESS_ALLOWED, /* by the allow list, or on no list where only deny has entries */
	ACCESS_DENIED,  /* by the deny list */
	ACCESS_MISSING, /* on no list, and there is an allow list */
};

enum client_place {
	CLIENT_UNLIMITED,    /* the service does not limit clients */
	CLIENT_KNOWN,        /* has an entry */
	CLIENT_NEW,          /* has none, and would get one */
	CLIENT_SHARED_PLACE, /* finds no place: the service's shared bucket counts */
};

/* What is asked: a packet that a client could send now. */
struct limit_query {
	uint32_t service; /* slot */
	struct addr client;
	uint16_t ip_len;
	bool begins; /* it would begin a connection */
};

struct limits_view {
	uint8_t access; /* enum access_verdict */
	uint8_t place;  /* enum client_place */
	uint8_t count;  /* of views */
	/* The reason for which the packet would be dropped; DROP_REASON_COUNT: it passes. */
	enum drop_reason reason;
	struct prefix client;        /* what counts as the client */
	uint32_t client_connections; /* counted now, if the service limits them */
	struct limit_view views[LIMIT_KINDS];
};

#endif
