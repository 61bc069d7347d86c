/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One case of bench-stages: a world of its own, its flows, and the cycles that bursts of it take.
 *
 * One after another, on the main thread. A packet that does not leave as it should ends the
 * program with an error.
 */
#ifndef BENCH_STAGES_RUN_H
#define BENCH_STAGES_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/common/samples.h"

enum bench_kind {
	BENCH_KNOWN,        /* all flows have been seen before */
	BENCH_NEW,          /* each packet begins a connection */
	BENCH_DROPPED,      /* each packet is refused */
	BENCH_APART,        /* known, and the second worker runs on a core of its own */
	BENCH_HANDED,       /* packets are handed to the second worker and freed there, no more */
	BENCH_HANDED_APART, /* the same, on a core of its own */
	BENCH_COOKIES,      /* SYNs to a listener, each answered by a cookie */
};

struct bench_case {
	const char *name;
	const char *forward;
	bool v6, tcp;
	bool answers; /* every other burst comes from the backends (nat modes) */
	uint32_t flows, clients;
	const char *limits; /* of the service, or "" */
	bool shortly;       /* also with --short */
	enum bench_kind kind;
	/* 2: all packets are received by the first of two workers, and so many eighths of the
	 * clients are the second one's; the cost is that of both */
	uint32_t workers, steered;
};

/* The stages as they are timed. */
enum {
	STAGE_PARSE,
	STAGE_CLASSIFY,
	STAGE_ECHO,
	STAGE_STEER,
	STAGE_LIMIT,
	STAGE_PROXY,
	STAGE_TRACK,
	STAGE_BALANCE,
	STAGE_HEAVIEST,
	STAGE_REWRITE,
	STAGE_TX,
	STAGES,
};
struct measured {
	struct samples whole, stages[STAGES];
};

/* TSC cycles per packet, a sample for each round. m must be zero at first; it is large. With
 * `shortly`, fewer and shorter rounds. */
void run_case(const struct bench_case *c, bool shortly, struct measured *m);

#endif
