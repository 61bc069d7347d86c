/* SPDX-License-Identifier: Apache-2.0 */
/* DPDK without a device. */
#include "tests/sim/nic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "lib/checksum.h"
#include "tests/sim/wire.h"

#define HEADER_ROOM 128 /* IP and TCP headers lie in one piece */
#define PACKET_MAX  (65535 + 40)

void
nic_start(const char *name, unsigned int megabytes)
{
	char program[32], memory[16];
	char *argv[] = {
		program, "--no-huge",     "--no-shconf",    "-m", memory, "--no-pci", "-l",
		"0",     "--log-level=4", "--no-telemetry",
	};

	snprintf(program, sizeof(program), "%s", name);
	snprintf(memory, sizeof(memory), "%u", megabytes);
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])), argv) >= 0)
		return;
	fprintf(stderr, "%s: DPDK does not start\n", name);
	exit(2);
}

static struct rte_mempool *
need(struct rte_mempool *pool, const char *name)
{
	if (pool)
		return pool;
	fprintf(stderr, "no memory for pool %s\n", name);
	exit(2);
}

struct rte_mempool *
nic_pool(const char *name, unsigned int n)
{
	return need(
	    rte_pktmbuf_pool_create(name, n, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY), name);
}

struct rte_mempool *
nic_clones(const char *name, unsigned int n)
{
	return need(rte_pktmbuf_pool_create(name, n, 0, 0, 0, SOCKET_ID_ANY), name);
}

struct rte_mbuf *
nic_receive(struct rte_mempool *pool, const uint8_t *bytes, size_t len, unsigned int pieces)
{
	struct rte_mbuf *head = NULL, *last = NULL, *m;
	size_t piece = len / pieces > HEADER_ROOM ? len / pieces : HEADER_ROOM, n;

	do {
		m = rte_pktmbuf_alloc(pool);
		if (!m) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		n = len < piece ? len : piece;
		if (n > rte_pktmbuf_tailroom(m))
			n = rte_pktmbuf_tailroom(m);
		memcpy(rte_pktmbuf_mtod(m, void *), bytes, n);
		m->data_len = (uint16_t)n;
		if (last)
			last->next = m;
		else
			head = m;
		head->pkt_len += last ? (uint32_t)n : 0;
		if (!last)
			head->pkt_len = (uint32_t)n;
		else
			head->nb_segs++;
		last = m;
		bytes += n;
		len -= n;
	} while (len);
	return head;
}

/* The checksums that the packet's flags leave to the card. */
static void
fill_checksums(const struct rte_mbuf *m, uint8_t *bytes, size_t len)
{
	uint8_t kept[2], *tcp = bytes + m->l2_len + m->l3_len;
	uint16_t sum;

	if (m->ol_flags & (RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG)) {
		wire_checksum(bytes, len);
		return;
	}
	if (!(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM))
		return;
	memcpy(kept, tcp + 16, 2);
	memset(bytes + 10, 0, 2);
	sum = csum_compute(bytes, m->l3_len);
	memcpy(bytes + 10, &sum, 2);
	memcpy(tcp + 16, kept, 2);
}

/* One frame of a packet that is cut: `len` bytes of payload from `at`. */
static size_t
cut(const struct rte_mbuf *m, const uint8_t *whole, size_t at, size_t len, uint8_t *out)
{
	size_t headers = (size_t)m->l3_len + m->l4_len;
	size_t left = m->pkt_len - headers;
	uint8_t *tcp = out + m->l3_len;
	uint32_t seq;
	size_t ip_len;

	memcpy(out, whole, headers);
	memcpy(out + headers, whole + headers + at, len);
	ip_len = headers + len - (out[0] >> 4 == 4 ? 0 : 40);
	out[out[0] >> 4 == 4 ? 2 : 4] = (uint8_t)(ip_len >> 8);
	out[out[0] >> 4 == 4 ? 3 : 5] = (uint8_t)ip_len;
	seq = ((uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 | (uint32_t)tcp[6] << 8 | tcp[7]) +
	      (uint32_t)at;
	for (int i = 0; i < 4; i++)
		tcp[4 + i] = (uint8_t)(seq >> (24 - 8 * i));
	if (at + len < left)
		tcp[13] &= (uint8_t) ~(WIRE_FIN | WIRE_PSH);
	if (at)
		tcp[13] &= (uint8_t)~WIRE_CWR;
	wire_checksum(out, headers + len);
	return headers + len;
}

void
nic_transmit(const struct rte_mbuf *m, nic_frame_fn *frame, void *arg)
{
	uint8_t whole[PACKET_MAX], out[WIRE_MAX + WIRE_HEADERS_MAX];
	size_t headers = (size_t)m->l3_len + m->l4_len, payload, n;
	const struct rte_mbuf *s;
	size_t len = 0;

	for (s = m; s && len + s->data_len <= sizeof(whole); s = s->next) {
		memcpy(whole + len, rte_pktmbuf_mtod(s, const void *), s->data_len);
		len += s->data_len;
	}
	if (s || len != m->pkt_len) {
		frame(arg, whole, 0);
		return;
	}
	if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)) {
		fill_checksums(m, whole, len);
		frame(arg, whole, len);
		return;
	}
	payload = len - headers;
	for (size_t at = 0; at < payload; at += n) {
		n = payload - at < m->tso_segsz ? payload - at : m->tso_segsz;
		frame(arg, out, cut(m, whole, at, n, out));
	}
}
