/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, prefixes and Ethernet addresses: order, masks, text. */
#include "lib/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

int
addr_compare(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

struct addr
addr_mask(const struct addr *a, unsigned int len)
{
	struct addr out = *a;
	unsigned int whole = len / 8;

	if (len >= 128)
		return out;
	out.b[whole] &= (uint8_t)(0xff00u >> (len % 8));
	memset(&out.b[whole + 1], 0, 15 - whole);
	return out;
}

bool
addr_is_martian(const struct addr *a)
{
	uint8_t first = a->b[12];

	if (addr_is_v4(a))
		return first == 0 || first == 127 || first >= 224;
	if (a->b[0] == 0xff)
		return true;
	/* :: and ::1. Mapped addresses on the wire are parse's to refuse: here they are IPv4. */
	return a->q[0] == 0 && a->w[2] == 0 && (a->w[3] == 0 || a->w[3] == htonl(1));
}

bool
prefix_contains(const struct prefix *p, const struct addr *a)
{
	struct addr masked = addr_mask(a, p->len);
	bool p4 = p->len >= 96 && addr_is_v4(&p->addr);

	return p4 == addr_is_v4(a) && addr_equal(&masked, &p->addr);
}

/* The bytes text[0..len) as an address. */
static int
parse_span(const char *text, size_t len, struct addr *out)
{
	char copy[ADDR_STRLEN];
	struct in6_addr six;
	struct in_addr four;

	if (len == 0 || len >= sizeof(copy) || memchr(text, '\0', len))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET, copy, &four) == 1) {
		*out = addr_from_v4(four.s_addr);
		return 0;
	}
	if (inet_pton(AF_INET6, copy, &six) != 1)
		return -EINVAL;
	*out = addr_from_v6(&six);
	/* "::ffff:192.0.2.1" would be a second way to write 192.0.2.1, that no packet uses. */
	return addr_is_v4(out) ? -EINVAL : 0;
}

int
addr_parse(const char *text, struct addr *out)
{
	return parse_span(text, strlen(text), out);
}

/* Decimal digits only, without leading zeros, at most max. */
static int
parse_number(const char *text, uint32_t max, uint32_t *out)
{
	uint32_t v = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		v = v * 10 + (uint32_t)(*text - '0');
		if (v > max)
			return -EINVAL;
	}
	*out = v;
	return 0;
}

/* "A/len" as an address and a length in the 128-bit space; "A" alone is all bits. */
static int
parse_slash(const char *text, struct addr *addr, uint8_t *len)
{
	const char *slash = strchr(text, '/');
	uint32_t bits, base;
	int rc;

	rc = parse_span(text, slash ? (size_t)(slash - text) : strlen(text), addr);
	if (rc)
		return rc;
	*len = 128;
	if (!slash)
		return 0;
	base = addr_is_v4(addr) ? 96 : 0;
	rc = parse_number(slash + 1, 128 - base, &bits);
	if (rc)
		return rc;
	*len = (uint8_t)(base + bits);
	return 0;
}

int
prefix_parse(const char *text, struct prefix *out)
{
	struct addr addr;
	int rc;

	rc = parse_slash(text, &addr, &out->len);
	if (rc)
		return rc;
	out->addr = addr_mask(&addr, out->len);
	return addr_equal(&addr, &out->addr) ? 0 : -ERANGE;
}

int
prefix_parse_interface(const char *text, struct addr *addr, struct prefix *net)
{
	int rc;

	if (!strchr(text, '/'))
		return -EINVAL;
	rc = parse_slash(text, addr, &net->len);
	if (rc)
		return rc;
	net->addr = addr_mask(addr, net->len);
	return 0;
}

int
addr_port_parse(const char *text, struct addr *addr, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[';
	uint32_t number;
	int rc;

	if (!colon)
		return -EINVAL;
	if (bracketed) {
		if (colon < text + 2 || colon[-1] != ']')
			return -EINVAL;
		rc = parse_span(text + 1, (size_t)(colon - text) - 2, addr);
	} else {
		rc = parse_span(text, (size_t)(colon - text), addr);
	}
	if (rc)
		return rc;
	/* Without brackets nobody knows where an IPv6 address ends. */
	if (bracketed == addr_is_v4(addr))
		return -EINVAL;
	rc = parse_number(colon + 1, UINT16_MAX, &number);
	if (rc)
		return rc;
	*port = (uint16_t)number;
	return 0;
}

/* The run of zero groups that "::" stands for: the first of the longest, at least two long
 * (RFC 5952 4.2). *start is 8 where there is none. */
static void
longest_zeros(const uint16_t g[8], unsigned int *start, unsigned int *len)
{
	unsigned int i, run = 0;

	*start = 8;
	*len = 1;
	for (i = 0; i < 8; i++) {
		run = g[i] == 0 ? run + 1 : 0;
		if (run > *len) {
			*len = run;
			*start = i + 1 - run;
		}
	}
}

static char *
put_byte(char *p, uint8_t value)
{
	if (value >= 100)
		*p++ = (char)('0' + value / 100);
	if (value >= 10)
		*p++ = (char)('0' + value / 10 % 10);
	*p++ = (char)('0' + value % 10);
	return p;
}

/* Hexadecimal, without zeros in front. */
static char *
put_group(char *p, uint16_t value)
{
	int shift = 12;

	while (shift && !(value >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[value >> shift & 0xf];
	return p;
}

const char *
addr_format(const struct addr *a, char buf[ADDR_STRLEN])
{
	unsigned int i, start, len;
	uint16_t g[8];
	char *p = buf;

	if (addr_is_v4(a)) {
		for (i = 12; i < 16; i++) {
			p = put_byte(p, a->b[i]);
			*p++ = i < 15 ? '.' : '\0';
		}
		return buf;
	}
	for (i = 0; i < 8; i++)
		g[i] = (uint16_t)(a->b[2 * i] << 8 | a->b[2 * i + 1]);
	longest_zeros(g, &start, &len);
	for (i = 0; i < 8; i++) {
		if (i == start) {
			p = stpcpy(p, "::");
			i += len - 1;
			continue;
		}
		if (i > 0 && p[-1] != ':')
			*p++ = ':';
		p = put_group(p, g[i]);
	}
	*p = '\0';
	return buf;
}

const char *
prefix_format(const struct prefix *p, char buf[PREFIX_STRLEN])
{
	char text[ADDR_STRLEN];

	snprintf(buf, PREFIX_STRLEN, "%s/%u", addr_format(&p->addr, text),
		 prefix_display_len(p) & 0xffu);
	return buf;
}

const char *
addr_port_format(const struct addr *a, uint16_t port, char buf[ADDR_PORT_STRLEN])
{
	char text[ADDR_STRLEN];

	snprintf(buf, ADDR_PORT_STRLEN, addr_is_v4(a) ? "%s:%u" : "[%s]:%u", addr_format(a, text),
		 port);
	return buf;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
mac_parse(const char *text, struct mac *out)
{
	unsigned int i;
	int high, low;

	for (i = 0; i < 6; i++, text += 3) {
		high = hex_digit(text[0]);
		if (high < 0)
			return -EINVAL;
		low = hex_digit(text[1]);
		if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		out->b[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

const char *
mac_format(const struct mac *m, char buf[MAC_STRLEN])
{
	snprintf(buf, MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0], m->b[1], m->b[2],
		 m->b[3], m->b[4], m->b[5]);
	return buf;
}
