/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames for stage tests, written byte by byte from the RFCs: nothing here uses the code under
 * test, and all checksums are right unless a test breaks them.
 */
#ifndef TESTS_STAGE_FRAMES_H
#define TESTS_STAGE_FRAMES_H

#include <stdint.h>

#define FRAME_MAX 2048

/* What is zero is left out or has a usual value. Numbers in host byte order. */
struct frame_spec {
	const char *src, *dst;  /* both IPv4 or both IPv6 */
	uint8_t proto;          /* IPPROTO_TCP, _UDP: header is made; _ICMP, _ICMPV6: type, code */
	uint16_t sport, dport;  /* ICMP: type and code of an 8-byte header */
	uint8_t tcp_flags;      /* 0: ACK */
	uint16_t vlan;          /* 0: untagged */
	uint8_t ttl;            /* 0: 64 */
	uint16_t id;            /* IPv4 identification, low half of the IPv6 fragment header's */
	uint16_t frag;          /* flags and offset as in the IPv4 header (0x2000 more, 0x4000 DF;
				   offset in units of 8): IPv6 gets a fragment header for it */
	const uint8_t *options; /* IPv4: header options; IPv6: extension headers, next-header
				   bytes right but for the last, which is filled in */
	uint16_t options_len;   /* IPv4: a multiple of 4; IPv6: of 8 */
	uint8_t options_proto;  /* IPv6: protocol number of the first extension header */
	uint16_t options_last;  /* IPv6: offset of the last extension header in options */
	const uint8_t *payload; /* NULL: counting bytes */
	uint16_t payload_len;
	int raw; /* payload follows the IP header directly (later fragments) */
};

/* Write the frame into out[FRAME_MAX]; returns its length. */
uint16_t frame_build(uint8_t *out, const struct frame_spec *spec);

/* An ICMP error (by family) from src to dst about the packet whose frame is `about`, of which
 * `quoted` bytes from its IP header on are embedded. `rest` is the header's second word. */
struct frame_error {
	const char *src, *dst;
	uint8_t type, code;
	uint32_t rest;
	const uint8_t *about; /* an untagged frame */
	uint16_t quoted;
};
uint16_t frame_build_error(uint8_t *out, const struct frame_error *spec);

/* RFC 1071 over bytes, 16 bits at a time; host byte order, not complemented. */
uint32_t frame_sum(uint32_t sum, const uint8_t *p, uint16_t len);
/* True if the IPv4 header checksum and the TCP, UDP or ICMP checksum of a whole frame are right
 * (a UDP checksum of 0 over IPv4 counts as right). No extension headers, no fragments. */
int frame_checksums_right(const uint8_t *frame, uint16_t len);

#endif
