/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses, prefixes and Ethernet addresses as values.
 *
 * An address is always 16 bytes: IPv6 as it is, IPv4 as the mapped address ::ffff:a.b.c.d
 * (RFC 4291, 2.5.5.2). So one key type, one table and one comparison serve both families. A packet
 * that carries a mapped address on the wire is malformed (dropped by parse), so nothing is
 * ambiguous.
 *
 * Pure values: no ownership, any thread.
 */
#ifndef LIB_ADDR_H
#define LIB_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct addr {
	union {
		uint8_t b[16];
		uint32_t w[4]; /* network byte order; w[3] is the IPv4 address of a mapped one */
		uint64_t q[2];
	};
};

struct prefix {
	struct addr addr; /* host bits are zero */
	uint8_t len;      /* in the 128-bit space: 10.0.0.0/8 has len 104 */
};

struct mac {
	uint8_t b[6];
};

#define ADDR_STRLEN   46                /* longest text of an address, with the final NUL */
#define PREFIX_STRLEN (ADDR_STRLEN + 4) /* ... of a prefix */
#define MAC_STRLEN    18

#define ADDR_V4_Q0 0ULL
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ADDR_V4_W2     0xffff0000u
#define ADDR_V4_Q1(be) ((uint64_t)(be) << 32 | ADDR_V4_W2)
/* Where byte i is in its half, counted in bytes. */
#define ADDR_BYTE_SHIFT(i) ((i)&7)
#else
#define ADDR_V4_W2         0x0000ffffu
#define ADDR_V4_Q1(be)     ((uint64_t)ADDR_V4_W2 << 32 | (be))
#define ADDR_BYTE_SHIFT(i) (7 - ((i)&7))
#endif

/* The mapped form of an IPv4 address given in network byte order. In whole words: to read back
 * wider than was just written waits for the writes. */
static inline struct addr
addr_from_v4(uint32_t be)
{
	struct addr a;

	a.q[0] = ADDR_V4_Q0;
	a.q[1] = ADDR_V4_Q1(be);
	return a;
}

/* The address that the 16 bytes at p spell. */
static inline struct addr
addr_from_v6(const void *p)
{
	struct addr a;

	memcpy(&a.q[0], p, 8);
	memcpy(&a.q[1], (const uint8_t *)p + 8, 8);
	return a;
}

static inline bool
addr_is_v4(const struct addr *a)
{
	return a->q[0] == ADDR_V4_Q0 && a->w[2] == ADDR_V4_W2;
}

static inline bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

/* Order for sorting: byte by byte, so all IPv4 addresses stand together. <0, 0, >0. */
int addr_compare(const struct addr *a, const struct addr *b);

/* a with all but its first len bits cleared; len in the 128-bit space (0..128). */
struct addr addr_mask(const struct addr *a, unsigned int len);

/* True for an address that no packet may have as source or that no service may have: unspecified
 * (all of 0.0.0.0/8), loopback, multicast, IPv4 class E and limited broadcast. (RFC 1122 3.2.1.3,
 * RFC 4291 2.7) */
bool addr_is_martian(const struct addr *a);

/* Parse text ("192.0.2.1", "2001:db8::1"); no brackets, no zone, no port. The mapped
 * form "::ffff:192.0.2.1" is refused: IPv4 has one spelling. 0, or -EINVAL. */
int addr_parse(const char *text, struct addr *out);

/* Parse "192.0.2.0/24"; a bare address is a /32 or /128. Host bits that are set: -ERANGE (out is
 * then still the prefix with these bits cleared); otherwise wrong: -EINVAL. */
int prefix_parse(const char *text, struct prefix *out);

/* Parse "198.51.100.2/24" as an interface address: the address with its host bits and the prefix
 * around it. The length must be there: a forgotten one is a mistake, not a /32. 0 or -EINVAL. */
int prefix_parse_interface(const char *text, struct addr *addr, struct prefix *net);

/* Parse "A:P" or "[A6]:P" (port 0..65535, host byte order). 0 or -EINVAL. */
int addr_port_parse(const char *text, struct addr *addr, uint16_t *port);

/* Write as text; returns buf. IPv6 in the form of RFC 5952. */
const char *addr_format(const struct addr *a, char buf[ADDR_STRLEN]);
const char *prefix_format(const struct prefix *p, char buf[PREFIX_STRLEN]);
/* "192.0.2.1:80", "[2001:db8::1]:80"; port in host byte order. */
#define ADDR_PORT_STRLEN (ADDR_STRLEN + 8)
const char *addr_port_format(const struct addr *a, uint16_t port, char buf[ADDR_PORT_STRLEN]);

/* True if a lies in p. The families are apart: ::/0 contains no IPv4 address. */
bool prefix_contains(const struct prefix *p, const struct addr *a);

/* The prefix length as people write it: 24 for a mapped /120. */
static inline unsigned int
prefix_display_len(const struct prefix *p)
{
	return addr_is_v4(&p->addr) && p->len >= 96 ? (unsigned int)p->len - 96 : p->len;
}

/* Parse "02:00:00:00:00:01". 0 or -EINVAL. */
int mac_parse(const char *text, struct mac *out);
const char *mac_format(const struct mac *m, char buf[MAC_STRLEN]);

#endif
