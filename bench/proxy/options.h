/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bench-proxy is asked to do: its command line after DPDK's own part.
 */
#ifndef BENCH_PROXY_OPTIONS_H
#define BENCH_PROXY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"

enum load {
	LOAD_EXCHANGE, /* one request and answer at a time on each of the kept connections */
	LOAD_OPEN,     /* connections are opened, and closed at once */
	LOAD_BULK,     /* clients send as much as the windows let through */
	LOAD_IDLE,     /* connections are opened, and nothing happens until SIGTERM comes */
	LOAD_FLOOD,    /* exchanges at a steady rate, without and with a flood of SYNs */
	LOAD_PACED,    /* exchanges at a steady rate */
	LOAD_RUSH,     /* ... without and with many TLS handshakes at once */
};

struct options {
	enum load load;
	bool v6;
	uint32_t connections; /* at a time */
	uint32_t rate;        /* of exchanges in a flood, all connections together, per second */
	uint32_t flood;       /* SYNs per second */
	uint32_t rush;        /* clients that shake hands at once, besides `connections` */
	bool http;            /* requests and answers; bulk: answers, and open ends after one */
	bool tls;             /* ... and clients speak TLS */
	uint32_t body;        /* bytes of an answer's */
	uint32_t hosts;       /* that requests are for, in turn */
	uint16_t port;
	double seconds;
	struct addr listener;
	uint8_t mac[6]; /* whom to send to */
};

/* Wrong usage ends the program with 2. */
void options_parse(struct options *o, int argc, char **argv);

#endif
