/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend of the modes dsr-ipip and dsr-gue needs where the kernel has no tunnel devices: an
 * XDP program that takes the outer headers off (IPIP, 6-in-4, 4-in-6, IP6IP6, GUE on UDP port 6080)
 * and lets the kernel see the client's packet. For the lab and the tests.
 *
 *     Ethernet | outer IP [| UDP | GUE] | client's packet   ->   Ethernet | client's packet
 */
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

/* The EtherType of what protocol `next` carries, 0 if it is no IP. */
static __always_inline __u16
inner_type(__u8 next)
{
	if (next == IPPROTO_IPIP)
		return bpf_htons(ETH_P_IP);
	return next == IPPROTO_IPV6 ? bpf_htons(ETH_P_IPV6) : 0;
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
		outer += sizeof(*ip);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = data + outer;

		if ((void *)(ip6 + 1) > end)
			return XDP_PASS;
		next = ip6->nexthdr;
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
