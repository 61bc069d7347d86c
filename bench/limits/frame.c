/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/limits/frame.h"

#include <netinet/in.h>
#include <string.h>

#include "lib/checksum.h"

static void
put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* IP header; returns its length. */
static uint16_t
write_ip(const struct frame *f, uint8_t *ip)
{
	const struct tuple *t = &f->tuple;
	uint16_t sum;

	if (!addr_is_v4(&t->src)) {
		ip[0] = 0x60;
		put16(ip + 4, (uint16_t)(f->ip_len - 40));
		ip[6] = t->proto;
		ip[7] = 64;
		memcpy(ip + 8, t->src.b, 16);
		memcpy(ip + 24, t->dst.b, 16);
		return 40;
	}
	ip[0] = 0x45;
	put16(ip + 2, f->ip_len);
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = t->proto;
	memcpy(ip + 12, t->src.b + 12, 4);
	memcpy(ip + 16, t->dst.b + 12, 4);
	sum = csum_compute(ip, 20);
	memcpy(ip + 10, &sum, 2);
	return 20;
}

void
frame_write(const struct frame *f, uint8_t *bytes)
{
	const struct tuple *t = &f->tuple;
	uint8_t *l4 = bytes + FRAME_L3;
	uint16_t len, sum;

	memset(bytes, 0, FRAME_L3 + f->ip_len);
	memcpy(bytes, f->mac, 6);
	memcpy(bytes + 6, "\x02\0\0\0\1\1", 6);
	put16(bytes + 12, addr_is_v4(&t->src) ? 0x0800 : 0x86dd);
	len = write_ip(f, l4);
	l4 += len;
	len = (uint16_t)(f->ip_len - len);
	memcpy(l4, &t->sport, 2);
	memcpy(l4 + 2, &t->dport, 2);
	if (t->proto == IPPROTO_TCP) {
		l4[12] = 0x50;
		l4[13] = f->tcp_flags;
	} else {
		put16(l4 + 4, len);
	}
	sum = (uint16_t)~csum_fold(
	    csum_add_bytes(csum_pseudo(&t->src, &t->dst, t->proto, len), l4, len));
	memcpy(l4 + (t->proto == IPPROTO_TCP ? 16 : 6), &sum, 2);
}
