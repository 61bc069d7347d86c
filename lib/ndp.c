/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ndp.h"

#include <stdbool.h>
#include <string.h>

#include "lib/checksum.h"

/* Offsets in the frame. */
#define IP6               14
#define ICMP              (IP6 + 40)
#define TARGET            (ICMP + 8)
#define OPTIONS           (TARGET + 16)
#define SOLICITATION      135
#define ADVERTISEMENT     136
#define OPTION_TARGET_MAC 2
#define SOLICITED         0x40
#define ICMP6             58

static bool
is_unspecified(const struct addr *a)
{
	return a->q[0] == 0 && a->q[1] == 0;
}

/* RFC 4861, 7.1.1: what makes a solicitation valid, as far as our answer depends on it. */
static bool
is_solicitation(const uint8_t *f, size_t len)
{
	static const uint8_t ethertype[2] = { 0x86, 0xdd };
	struct addr src, dst;
	size_t icmp_len;

	if (len < OPTIONS || memcmp(f + 12, ethertype, 2) != 0 || f[IP6] >> 4 != 6)
		return false;
	icmp_len = (size_t)f[IP6 + 4] << 8 | f[IP6 + 5];
	if (f[IP6 + 6] != ICMP6 || f[IP6 + 7] != 255 || icmp_len < OPTIONS - ICMP ||
	    icmp_len > len - ICMP)
		return false;
	if (f[ICMP] != SOLICITATION || f[ICMP + 1] != 0)
		return false;
	src = addr_from_v6(f + IP6 + 8);
	dst = addr_from_v6(f + IP6 + 24);
	return csum_fold(csum_add_bytes(csum_pseudo(&src, &dst, ICMP6, (uint32_t)icmp_len),
					f + ICMP, icmp_len)) == 0xffff;
}

static bool
is_ours(const struct addr *target, const struct ndp_targets *targets)
{
	size_t i;

	for (i = 0; i < targets->count; i++)
		if (prefix_contains(&targets->list[i], target))
			return true;
	return false;
}

size_t
ndp_answer(const void *frame, size_t len, const struct ndp_targets *targets,
	   uint8_t out[NDP_ANSWER_LEN])
{
	const uint16_t icmp_len = NDP_ANSWER_LEN - ICMP;
	const uint8_t *f = frame;
	struct addr target, asker;
	uint16_t checksum;

	if (!is_solicitation(f, len))
		return 0;
	asker = addr_from_v6(f + IP6 + 8);
	target = addr_from_v6(f + TARGET);
	if (is_unspecified(&asker) || !is_ours(&target, targets))
		return 0;
	memset(out, 0, NDP_ANSWER_LEN);
	memcpy(out, f + 6, 6);
	memcpy(out + 6, targets->mac.b, 6);
	memcpy(out + 12, f + 12, 2);
	out[IP6] = 0x60;
	out[IP6 + 5] = (uint8_t)icmp_len;
	out[IP6 + 6] = ICMP6;
	out[IP6 + 7] = 255;
	memcpy(out + IP6 + 8, target.b, 16);
	memcpy(out + IP6 + 24, asker.b, 16);
	out[ICMP] = ADVERTISEMENT;
	out[ICMP + 4] = SOLICITED;
	memcpy(out + TARGET, target.b, 16);
	out[OPTIONS] = OPTION_TARGET_MAC;
	out[OPTIONS + 1] = 1;
	memcpy(out + OPTIONS + 2, targets->mac.b, 6);
	checksum = (uint16_t)~csum_fold(
	    csum_add_bytes(csum_pseudo(&target, &asker, ICMP6, icmp_len), out + ICMP, icmp_len));
	memcpy(out + ICMP + 2, &checksum, 2);
	return NDP_ANSWER_LEN;
}
