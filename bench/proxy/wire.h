/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one port: bursts in, and frames out that are gathered to bursts. What is sent lies in a few
 * buffers that are used again and again, as the driver has copied it when it returns (memif does).
 */
#ifndef BENCH_PROXY_WIRE_H
#define BENCH_PROXY_WIRE_H

#include <stdint.h>

#include <rte_mbuf.h>

#define WIRE_BURST 64

struct wire {
	struct rte_mempool *pool;
	struct rte_mbuf *out[WIRE_BURST];
	uint16_t n_out;
	uint64_t pause, receive_next; /* TSC */
	uint64_t sent, received;
	uint64_t full; /* times that the port did not take all */
	uint64_t lost; /* frames that it did not take for long: not sent */
};

void wire_open(struct wire *p);
/* A buffer for the next frame, which goes out with it at the next wire_flush at the latest. */
struct rte_mbuf *wire_next(struct wire *p);
void wire_flush(struct wire *p);
/* As many of the gathered frames as the port takes at once; the others are forgotten. How many it
 * took. */
uint16_t wire_offer(struct wire *p);
/* Up to WIRE_BURST frames, which wire_done takes back. */
uint16_t wire_receive(struct wire *p, struct rte_mbuf **burst, uint64_t now);
void wire_done(struct rte_mbuf **burst, uint16_t n);
void wire_close(void);

#endif
