/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP and ICMPv6 messages that we send ourselves: a packet becomes, in its own buffer, the error
 * that its sender gets. Each kind (echo replies, "time exceeded", "too big") keeps to a rate of its
 * own per worker: whoever floods us with pings must not silence path MTU discovery.
 *
 * Never about an ICMP error, a later fragment or a link-layer multicast (RFC 1122, 3.2.2; RFC 4443,
 * 2.4). Worker only.
 */
#ifndef DP_L4_ICMP_H
#define DP_L4_ICMP_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/packet.h"
#include "dp/worker.h"

/* Type and code of either family. */
#define ICMP4_ECHO_REPLY       0
#define ICMP4_UNREACHABLE      3
#define ICMP4_PORT_UNREACHABLE 3 /* code */
#define ICMP4_FRAG_NEEDED      4 /* code */
#define ICMP4_ECHO_REQUEST     8
#define ICMP4_TIME_EXCEEDED    11
#define ICMP6_UNREACHABLE      1
#define ICMP6_PORT_UNREACHABLE 4 /* code */
#define ICMP6_TOO_BIG          2
#define ICMP6_TIME_EXCEEDED    3
#define ICMP6_ECHO_REQUEST     128
#define ICMP6_ECHO_REPLY       129
#define ICMP_HEADER            8 /* of both families */

#define IP4_MTU_MIN 68   /* RFC 791 */
#define IP6_MTU_MIN 1280 /* RFC 8200 */

struct icmp_error {
	struct addr src, dst; /* of one family */
	uint8_t type, code;
	uint16_t mtu;   /* 0: none */
	uint16_t quote; /* offset from the frame's start of the packet that the error is about */
	uint32_t quote_len;
};

/* Make p the ICMP error e: quotes as much as is allowed, writes all headers, VERDICT_TRANSMIT.
 * Rate-limited. False if it may not be sent now or no memory is left; p is then dropped. */
bool icmp_error_send(struct worker *w, struct packet *p, const struct icmp_error *e);

/* p does not fit the way out; its sender may send `mtu` bytes. p becomes the answer, or is dropped.
 */
void icmp_too_big(struct worker *w, struct packet *p, uint16_t mtu);
/* p has used up its hops. */
void icmp_time_exceeded(struct worker *w, struct packet *p);

/* True if p is nothing of which a message must never be sent (RFC 1122, 3.2.2; RFC 4443, 2.4). */
bool icmp_may_answer(const struct packet *p);
/* May one more ICMP message of this kind be sent now? */
bool icmp_allowed(struct worker *w, enum icmp_kind kind);

#endif
