/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP segment as bytes of an IP packet and as a struct: what the simulation, the scripts and the
 * fuzz target read and write. It shares no code with dp/tcp, so that a mistake there is seen here.
 *
 * Values without ownership; any thread.
 */
#ifndef TESTS_SIM_WIRE_H
#define TESTS_SIM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

#define WIRE_FIN 0x01
#define WIRE_SYN 0x02
#define WIRE_RST 0x04
#define WIRE_PSH 0x08
#define WIRE_ACK 0x10
#define WIRE_URG 0x20
#define WIRE_ECE 0x40
#define WIRE_CWR 0x80

#define WIRE_HEADERS_MAX 128 /* IPv6 and TCP with all options */
#define WIRE_MAX         9216

enum wire_error {
	WIRE_OK,
	WIRE_NOT_TCP,
	WIRE_SHORT,
	WIRE_IP_CHECKSUM,
	WIRE_CHECKSUM,
	WIRE_OPTIONS,
};

struct wire {
	struct addr src, dst; /* IPv4 if both are mapped */
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint16_t window, urgent;
	uint8_t flags;
	uint8_t ecn; /* of the IP header: 0..3 */
	uint8_t ttl;

	bool has_mss, has_scale, sack_permitted, has_time;
	uint16_t mss;
	uint8_t scale;
	uint32_t time_value, time_echo;
	uint8_t n_sacks;
	uint32_t sacks[4][2]; /* left and right edge */

	const uint8_t *payload;
	uint32_t length;
	uint16_t ip_header, tcp_header; /* their lengths */
};

/* The segment in len bytes that begin at the IP header. Its payload points into them. */
enum wire_error wire_parse(struct wire *w, const uint8_t *bytes, size_t len);
const char *wire_error_text(enum wire_error e);

/* The packet, with checksums, in at most WIRE_MAX bytes at out. Returns its length. */
size_t wire_build(const struct wire *w, uint8_t *out);

/* Write the checksums of a whole packet anew (IPv4 header and TCP). */
void wire_checksum(uint8_t *bytes, size_t len);

/* An ICMP or ICMPv6 error in out about the packet that begins at `about`: too big, with this MTU.
 * Returns its length. */
size_t wire_too_big(const uint8_t *about, size_t len, uint16_t mtu, uint8_t *out);

/* One line for people, e.g. "SA 1000:1000(0) ack 5 win 65535 mss 1460". Returns text. */
const char *wire_text(const struct wire *w, char *text, size_t size);

/* How much sequence space it takes. */
static inline uint32_t
wire_span(const struct wire *w)
{
	return w->length + !!(w->flags & WIRE_SYN) + !!(w->flags & WIRE_FIN);
}

#endif
