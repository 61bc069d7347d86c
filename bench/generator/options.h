/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bench-generator is asked to do: its command line after DPDK's own part.
 */
#ifndef BENCH_GENERATOR_OPTIONS_H
#define BENCH_GENERATOR_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"

struct options {
	bool v6, tcp, connect, answers, syn;
	bool once;    /* every flow's packet once, instead of for some seconds */
	bool one_way; /* nothing will come back */
	bool linger;  /* the wire stays when all is done */
	bool still;   /* packets are written once and sent again and again */
	uint32_t flows, clients;
	uint32_t window;   /* at most so many packets on the way; 0: as many as the port takes */
	uint32_t good;     /* packets per second of clients that keep to their limits; 0: none */
	uint32_t overhead; /* bytes that a forwarded packet has before its own IP header */
	uint16_t frame, port;
	double seconds;
	struct addr service, backends; /* the first of the backends' addresses */
	uint8_t mac[6];                /* whom to send to */
};

/* Wrong usage ends the program with 2. */
void options_parse(struct options *o, int argc, char **argv);

#endif
