/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a seed chooses: the link, the two stacks, the connections, and what the programs above them
 * do with each. Most troubles are absent from most runs, so that each meets the others alone and in
 * company. A value; made once before the run, read by it.
 */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/link.h"
#include "tests/sim/random.h"

#define SCENARIO_CONNECTIONS 48
#define MS                   1000000ull
#define SECOND               1000000000ull

/* How the program reads. */
enum reading {
	READ_AT_ONCE,
	READ_LATE,    /* each piece is given back after read_pause */
	READ_STOPS,   /* nothing is given back from stop_at on, for stop_for */
	READ_TRICKLE, /* read_piece bytes every read_pause */
	READ_MODES
};

/* How the program ends. */
enum ending {
	END_SHUTDOWN, /* half-closes when it has sent everything */
	END_SECOND,   /* ... and when the peer has half-closed */
	END_ABORT,    /* aborts at abort_at after its beginning */
	END_MODES
};

struct program {
	uint64_t bytes;       /* to send */
	uint32_t piece;       /* handed over at a time */
	uint64_t write_pause; /* between pieces */
	enum reading reading;
	uint64_t read_pause, stop_at, stop_for;
	uint32_t read_piece;
	enum ending ending;
	uint64_t abort_at;
};

enum opening {
	OPEN_BY_0, /* side 0 connects, side 1 listens */
	OPEN_BY_1,
	OPEN_BOTH, /* at the same time (RFC 9293, 3.5) */
};

struct scenario_connection {
	enum opening opening;
	uint64_t begin; /* ns after the run's beginning */
	bool ip6;
	struct program programs[2]; /* of each side */
};

/* What a stack is told. */
struct scenario_side {
	uint64_t clock;  /* its time at the run's beginning */
	uint64_t period; /* ns between two looks at its queue while packets come */
	uint16_t mtu;
	uint32_t buffer, send_buffer;
	uint32_t budget;               /* buffers; 0: no bound */
	uint32_t flights;              /* connections under way at a time; 0: all */
	uint32_t delayed_ack, min_rto; /* ms; 0: the default */
	bool timestamps, sack, scale, ecn, nagle, no_rack, no_cubic, keepalive;
	bool cookies;                         /* always */
	bool offload;                         /* checksums and cutting are left to the card */
	bool verified;                        /* checksums of what comes in are checked before */
	unsigned int pieces;                  /* mbuf segments of what comes in */
	uint64_t stall_from[2], stall_for[2]; /* it does not run at all */
	uint64_t leap_at, leap_by;            /* its clock leaps ahead */
};

struct scenario {
	uint64_t seed;
	struct way ways[2];
	struct scenario_side sides[2];
	struct scenario_connection connections[SCENARIO_CONNECTIONS];
	unsigned int n_connections;
	uint32_t forged; /* chance (1/65536) of a forged segment with each real one */
	bool aborts;     /* some program aborts */
	bool clean;      /* a link that loses, changes and reorders nothing */
};

/* Choose everything; r is seeded with the seed. */
void scenario_choose(struct scenario *s, uint64_t seed, struct random *r);
/* A few lines for people. */
void scenario_print(const struct scenario *s);

#endif
