/* SPDX-License-Identifier: Apache-2.0 */
/* The walk along IPv6 extension headers (RFC 8200 section 4, AH of RFC 4302). */
#include "dp/l4/parse.h"

/* Bytes of the extension header at off, or 0 if that is not one of those with a length. */
static uint32_t
extension_length(const struct head *h, uint8_t proto, uint32_t off)
{
	switch (proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return ((uint32_t)h->data[off + 1] + 1) * 8;
	case IPPROTO_AH:
		return ((uint32_t)h->data[off + 1] + 2) * 4;
	case IPPROTO_FRAGMENT:
		return FRAGMENT_HEADER;
	default:
		return 0;
	}
}

enum chain_end
parse_chain(const struct head *h, struct chain *c)
{
	uint32_t start = c->off;
	unsigned int headers = 0;

	while (is_extension(c->proto)) {
		uint32_t len;

		if (headers++ == CHAIN_MAX_HEADERS)
			return CHAIN_BAD;
		/* Hop-by-hop options stand first or nowhere (RFC 8200 4.1). */
		if (c->proto == IPPROTO_HOPOPTS && c->off != start)
			return CHAIN_BAD;
		if (!readable(h, c->off, 8))
			return CHAIN_SHORT;
		len = extension_length(h, c->proto, c->off);
		if (c->off + len - start > CHAIN_MAX_BYTES)
			return CHAIN_BAD;
		if (!readable(h, c->off, len))
			return CHAIN_SHORT;
		/* With segments left the destination is not the one that the header names. */
		if (c->proto == IPPROTO_ROUTING && h->data[c->off + 3] != 0)
			return CHAIN_FOREIGN;
		if (c->proto == IPPROTO_FRAGMENT) {
			if (c->frag_off)
				return CHAIN_BAD;
			c->frag_off = c->off;
		}
		c->proto = h->data[c->off];
		c->off += len;
		if (c->frag_off && c->frag_off + FRAGMENT_HEADER == c->off &&
		    (get16(h, c->frag_off + 2) & IPV6_OFFSET))
			return CHAIN_LATER;
	}
	return CHAIN_UPPER;
}
