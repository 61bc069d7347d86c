/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/proxy_protocol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- version 1: a line of text (2.1) --------------------------------------------------------- */

#define V1_START "PROXY "
#define V1_LEN   (sizeof(V1_START) - 1)

/* ---- version 2: binary (2.2) ----------------------------------------------------------------- */

#define V2_SIGNATURE_LEN 12
#define V2_HEADER_LEN    16
#define V2_ADDRESSES4    12
#define V2_ADDRESSES6    36

static const uint8_t v2_signature[V2_SIGNATURE_LEN] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
							0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

enum v2_command {
	V2_LOCAL = 0x20,
	V2_PROXY = 0x21,
};

enum v2_family { /* and transport */
		 V2_UNSPEC = 0x00,
		 V2_TCP4 = 0x11,
		 V2_TCP6 = 0x21,
};

/* The highest values that are assigned. */
#define V2_FAMILY_MAX    3
#define V2_TRANSPORT_MAX 2

static uint16_t
be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void
put_be16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static struct addr
addr4_at(const uint8_t *p)
{
	uint32_t be;

	memcpy(&be, p, 4);
	return addr_from_v4(be);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The next word of the line, ended by a space or the line's end: cut out in place. NULL: none. */
static char *
next_word(char **line)
{
	char *word = *line, *space;

	if (!word || !*word)
		return NULL;
	space = strchr(word, ' ');
	*line = space ? space + 1 : NULL;
	if (space)
		*space = '\0';
	return *word ? word : NULL;
}

/* IPv6 may be written with an IPv4 address in it, which for us is that one. */
static bool
read_address(const char *word, bool v6, struct addr *out)
{
	if (!word)
		return false;
	if (v6 && strncmp(word, "::ffff:", 7) == 0 && strchr(word, '.'))
		return addr_parse(word + 7, out) == 0;
	return addr_parse(word, out) == 0 && addr_is_v4(out) == !v6;
}

static bool
read_port(const char *word, uint16_t *out)
{
	uint32_t value = 0;
	const char *p;

	if (!word || strlen(word) > 5 || (word[0] == '0' && word[1]))
		return false;
	for (p = word; *p; p++) {
		if (*p < '0' || *p > '9')
			return false;
		value = value * 10 + (uint32_t)(*p - '0');
	}
	*out = (uint16_t)value;
	return value <= UINT16_MAX;
}

/* The line behind "PROXY ", without its end. */
static bool
read_line(char *line, struct proxy_ends *out)
{
	const char *protocol = next_word(&line);
	bool v6;

	if (protocol && strcmp(protocol, "UNKNOWN") == 0)
		return true;
	if (!protocol || (strcmp(protocol, "TCP4") != 0 && strcmp(protocol, "TCP6") != 0))
		return false;
	v6 = protocol[3] == '6';
	out->known = read_address(next_word(&line), v6, &out->src) &&
		     read_address(next_word(&line), v6, &out->dst) &&
		     read_port(next_word(&line), &out->sport) &&
		     read_port(next_word(&line), &out->dport);
	return out->known && !line && addr_is_v4(&out->src) == addr_is_v4(&out->dst);
}

static int
parse_v1(const uint8_t *bytes, size_t len, struct proxy_ends *out)
{
	size_t seen = len < PROXY_PROTOCOL_V1_MAX ? len : PROXY_PROTOCOL_V1_MAX;
	const uint8_t *end = memchr(bytes, '\r', seen);
	char line[PROXY_PROTOCOL_V1_MAX + 1];
	size_t text = end ? (size_t)(end - bytes) : seen;

	if (memchr(bytes, '\0', text) || memchr(bytes, '\n', text))
		return -EINVAL;
	/* The line's end has two bytes, and both have to fit. */
	if (text + 2 > PROXY_PROTOCOL_V1_MAX)
		return -EINVAL;
	if (!end || text + 1 == len)
		return 0;
	if (bytes[text + 1] != '\n' || text < V1_LEN)
		return -EINVAL;
	memcpy(line, bytes + V1_LEN, text - V1_LEN);
	line[text - V1_LEN] = '\0';
	return read_line(line, out) ? (int)text + 2 : -EINVAL;
}

/* The addresses of version 2, of `len` bytes. */
static bool
read_addresses(const uint8_t *p, size_t len, uint8_t family, struct proxy_ends *out)
{
	if (family >> 4 > V2_FAMILY_MAX || (family & 0xf) > V2_TRANSPORT_MAX)
		return false;
	if (family == V2_TCP4) {
		if (len < V2_ADDRESSES4)
			return false;
		out->src = addr4_at(p);
		out->dst = addr4_at(p + 4);
		out->sport = be16(p + 8);
		out->dport = be16(p + 10);
		out->known = true;
	} else if (family == V2_TCP6) {
		if (len < V2_ADDRESSES6)
			return false;
		out->src = addr_from_v6(p);
		out->dst = addr_from_v6(p + 16);
		out->sport = be16(p + 32);
		out->dport = be16(p + 34);
		out->known = addr_is_v4(&out->src) == addr_is_v4(&out->dst);
	}
	return true;
}

static int
parse_v2(const uint8_t *bytes, size_t len, struct proxy_ends *out)
{
	size_t rest;

	/* What is wrong is said as soon as it is seen. */
	if (len > 12 && bytes[12] != V2_LOCAL && bytes[12] != V2_PROXY)
		return -EINVAL;
	if (len < V2_HEADER_LEN)
		return 0;
	rest = be16(bytes + 14);
	if (V2_HEADER_LEN + rest > PROXY_PROTOCOL_MAX)
		return -EINVAL;
	if (len < V2_HEADER_LEN + rest)
		return 0;
	/* LOCAL: the proxy itself, whatever else it says. */
	if (bytes[12] == V2_PROXY && !read_addresses(bytes + V2_HEADER_LEN, rest, bytes[13], out))
		return -EINVAL;
	return (int)(V2_HEADER_LEN + rest);
}

int
proxy_protocol_parse(const uint8_t *bytes, size_t len, struct proxy_ends *out)
{
	size_t v1 = len < V1_LEN ? len : V1_LEN;
	size_t v2 = len < V2_SIGNATURE_LEN ? len : V2_SIGNATURE_LEN;

	*out = (struct proxy_ends){ .known = false };
	if (len == 0)
		return 0;
	if (memcmp(bytes, V1_START, v1) == 0)
		return v1 < V1_LEN ? 0 : parse_v1(bytes, len, out);
	if (memcmp(bytes, v2_signature, v2) == 0)
		return v2 < V2_SIGNATURE_LEN ? 0 : parse_v2(bytes, len, out);
	return -EINVAL;
}

/* ---- writing --------------------------------------------------------------------------------- */

size_t
proxy_protocol_write_v1(const struct proxy_ends *ends, uint8_t out[PROXY_PROTOCOL_V1_MAX])
{
	static const char unknown[] = "PROXY UNKNOWN\r\n";
	char src[ADDR_STRLEN], dst[ADDR_STRLEN], line[PROXY_PROTOCOL_V1_MAX + 1];
	int n;

	if (!ends->known) {
		memcpy(out, unknown, sizeof(unknown) - 1);
		return sizeof(unknown) - 1;
	}
	n = snprintf(line, sizeof(line), "PROXY TCP%c %s %s %u %u\r\n",
		     addr_is_v4(&ends->src) ? '4' : '6', addr_format(&ends->src, src),
		     addr_format(&ends->dst, dst), ends->sport, ends->dport);
	memcpy(out, line, (size_t)n);
	return (size_t)n;
}

size_t
proxy_protocol_write_v2(const struct proxy_ends *ends, uint8_t out[PROXY_PROTOCOL_V2_LEN])
{
	bool v4 = addr_is_v4(&ends->src);
	size_t addresses = v4 ? V2_ADDRESSES4 : V2_ADDRESSES6;
	uint8_t *p = out + V2_HEADER_LEN;
	size_t each = v4 ? 4 : 16;

	memcpy(out, v2_signature, V2_SIGNATURE_LEN);
	out[12] = V2_PROXY;
	if (!ends->known) {
		out[12] = V2_LOCAL;
		out[13] = V2_UNSPEC;
		put_be16(out + 14, 0);
		return V2_HEADER_LEN;
	}
	out[13] = v4 ? V2_TCP4 : V2_TCP6;
	put_be16(out + 14, (uint16_t)addresses);
	memcpy(p, ends->src.b + 16 - each, each);
	memcpy(p + each, ends->dst.b + 16 - each, each);
	put_be16(p + 2 * each, ends->sport);
	put_be16(p + 2 * each + 2, ends->dport);
	return V2_HEADER_LEN + addresses;
}
