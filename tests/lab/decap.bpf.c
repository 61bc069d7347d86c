/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend of the modes dsr-ipip and dsr-gue needs where the kernel has no tunnel devices: an
 * XDP program that takes the outer headers off (IPIP, 6-in-4, 4-in-6, IP6IP6, GUE on UDP port 6080)
 * and lets the kernel see the client's packet. For the lab and the tests. As strict as a kernel's
 * tunnel: what is for another address (those of the backend end with LAST4 and LAST6), or has a
 * length or a checksum that is wrong, is dropped.
 *
 *     Ethernet | outer IP [| UDP | GUE] | client's packet   ->   Ethernet | client's packet
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define GUE_PORT 6080
#define GUE_LEN  4
#define SUMMED   1600 /* bytes: of longer packets the UDP checksum is not looked at */

/* The EtherType of what protocol `next` carries, 0 if it is no IP. */
static __always_inline __u16
inner_type(__u8 next)
{
	if (next == IPPROTO_IPIP)
		return bpf_htons(ETH_P_IP);
	return next == IPPROTO_IPV6 ? bpf_htons(ETH_P_IPV6) : 0;
}

static __always_inline __u16
fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)((sum & 0xffff) + (sum >> 16));
}

/* Behind the Ethernet header: to us, as long as it says, and its checksum right? */
static __always_inline bool
is_good4(const struct iphdr *ip, const void *end)
{
	const __u16 *word = (const __u16 *)ip;
	__u32 sum = 0;
	int i;

	for (i = 0; i < 10; i++)
		sum += word[i];
	return fold(sum) == 0xffff && bpf_ntohs(ip->tot_len) == end - (const void *)ip &&
	       (bpf_ntohl(ip->daddr) & 0xff) == LAST4 && ip->ttl;
}

static __always_inline bool
is_good6(const struct ipv6hdr *ip6, const void *end)
{
	return bpf_ntohs(ip6->payload_len) == end - (const void *)(ip6 + 1) &&
	       ip6->daddr.s6_addr[15] == LAST6 && ip6->daddr.s6_addr[0] == 0x20 && ip6->hop_limit;
}

/* UDP in IPv6 must have a checksum (RFC 8200, 8.1), and it must be right. */
static __always_inline bool
is_good_udp6(const struct ipv6hdr *ip6, const void *end)
{
	const __u16 *word = (const __u16 *)&ip6->saddr;
	__u32 sum = bpf_htons(IPPROTO_UDP) + ip6->payload_len, i;

	if (bpf_ntohs(ip6->payload_len) > SUMMED)
		return true;
	for (i = 0; i < (32 + SUMMED) / 2; i++) {
		if ((const void *)(word + 1) > end)
			break;
		sum += *word++;
	}
	if ((const void *)word + 1 <= end)
		sum += *(const __u8 *)word;
	return fold(sum) == 0xffff;
}

SEC("xdp")
int
decapsulate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data, saved, *moved;
	__u32 outer = sizeof(*eth);
	struct udphdr *udp;
	__u8 next, *gue;
	__u16 type;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + outer;

		if ((void *)(ip + 1) > end || ip->ihl != 5)
			return XDP_PASS;
		next = ip->protocol;
		if ((next == IPPROTO_UDP || inner_type(next)) && !is_good4(ip, end))
			return next == IPPROTO_UDP ? XDP_PASS : XDP_DROP;
		outer += sizeof(*ip);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = data + outer;

		if ((void *)(ip6 + 1) > end)
			return XDP_PASS;
		next = ip6->nexthdr;
		if (inner_type(next) && !is_good6(ip6, end))
			return XDP_DROP;
		if (next == IPPROTO_UDP && (!is_good6(ip6, end) || !is_good_udp6(ip6, end)))
			return XDP_PASS;
		outer += sizeof(*ip6);
	} else {
		return XDP_PASS;
	}
	if (next == IPPROTO_UDP) {
		udp = data + outer;
		gue = data + outer + sizeof(*udp);
		if ((void *)(gue + GUE_LEN) > end || udp->dest != bpf_htons(GUE_PORT) ||
		    gue[0] != 0)
			return XDP_PASS;
		next = gue[1];
		outer += sizeof(*udp) + GUE_LEN;
	}
	type = inner_type(next);
	if (!type)
		return XDP_PASS;
	saved = *eth;
	if (bpf_xdp_adjust_head(ctx, outer - sizeof(saved)))
		return XDP_DROP;
	moved = (void *)(long)ctx->data;
	if ((void *)(moved + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	saved.h_proto = type;
	*moved = saved;
	return XDP_PASS;
}

char _license[] SEC("license") = "Apache-2.0";
