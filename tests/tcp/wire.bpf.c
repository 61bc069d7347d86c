/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link that loses packets where the kernel has no netem: for tc (clsact), where packets come in.
 * A section for each share that the tests use; what is not lost is for the next filter. And a
 * program for XDP that does nothing but be there, so that packets to the kernel go the way that
 * packets to AF_XDP go.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

static __always_inline int
lose(__u32 per_mille)
{
	return bpf_get_prandom_u32() % 1000 < per_mille ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("lose10")
int
lose_10(struct __sk_buff *skb)
{
	(void)skb;
	return lose(10);
}

SEC("lose50")
int
lose_50(struct __sk_buff *skb)
{
	(void)skb;
	return lose(50);
}

SEC("xdp")
int
pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char _license[] SEC("license") = "Apache-2.0";
