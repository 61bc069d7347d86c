/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a run: shared by run.c (the loop), side.c (a stack and its card), end.c (the
 * programs) and forge.c (the attacker).
 *
 *     world --- link
 *       +------ side 0: struct tcp, its queue of frames, its clock
 *       |         +---- ends[i]: the program at this side of connection i
 *       |         +---- flows[i]: the judge of what this side sends for it
 *       +------ side 1: ...
 *
 * Time is virtual, ns since the run began; each side's stack sees its own clock.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "dp/tcp/tcp.h"
#include "tests/sim/flow.h"
#include "tests/sim/link.h"
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

#define NEVER        UINT64_MAX
#define CLIENT_PORT  10000 /* + index of the connection */
#define SERVER_PORT  80
#define SECOND_PORT  20000 /* + index, of side 1 where both open */
#define QUEUE_FRAMES 1024

struct world;

struct end {
	struct world *world;
	int side;
	unsigned int index;
	const struct program *program;
	tcp_handle h;
	bool open;     /* has a handle that lives */
	bool up;       /* accepted or connected */
	bool shut;     /* has called tcp_shutdown */
	bool aborted;  /* has called tcp_abort */
	bool heard;    /* half_closed */
	bool closed;   /* event closed */
	bool blocked;  /* waits for room */
	bool stopped;  /* READ_STOPS has begun */
	bool given_up; /* by either stack, for want of buffers */
	enum tcp_close_cause cause;
	uint64_t sent, received, owed; /* bytes; owed: received and not credited */
	uint64_t write_at, credit_at, abort_at, closed_at;
};

struct side {
	struct world *world;
	int index;
	const struct scenario_side *plan;
	struct tcp *tcp;
	struct frame *queue[QUEUE_FRAMES];
	unsigned int queued;
	uint64_t next_poll, active_at, polls;
	uint64_t asked;    /* whether packets wait to leave */
	uint64_t probes;   /* tail loss probes so far */
	uint64_t given_up; /* connections, for want of buffers */
	struct end ends[SCENARIO_CONNECTIONS];
	struct flow flows[SCENARIO_CONNECTIONS];
};

struct world {
	struct scenario plan;
	struct random random;
	struct link link;
	struct side sides[2];
	uint64_t now;
	unsigned int begun; /* connections */
	bool trace;
	struct run_result *result;
};

/* The process's pools. */
struct pools {
	struct rte_mempool *wire, *user, *headers[2], *clones[2];
};
const struct pools *pools(void);

/* The first failure of a run counts. */
void fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trace(const struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* side.c */
void side_create(struct world *w, int index);
void side_destroy(struct side *s);
uint64_t side_clock(const struct side *s);
/* The time at or after `at` when the side runs again. */
uint64_t side_awake(const struct side *s, uint64_t at);
/* Has its stack buffers for another connection? */
bool side_may_open(const struct side *s);
/* A frame has come for the side. */
void side_arrival(struct side *s, struct frame *f);
/* One turn of its loop: packets, programs, timers, flush. */
void side_poll(struct side *s);
/* The addresses of a connection as the packets that reach the side show them. */
struct tuple side_tuple(const struct side *s, unsigned int connection);
/* The connection that such a packet belongs to, or -1. */
int side_connection(const struct side *s, const struct wire *w);

/* end.c */
void end_init(struct world *w, int side, unsigned int index);
/* The side accepts what comes for SERVER_PORT. */
void end_listen(struct world *w, int side);
void end_connect(struct end *e);
void end_accepted(struct end *e, tcp_handle h);
void end_connected(struct end *e);
void end_received(struct end *e, struct rte_mbuf *chain, uint32_t length);
void end_room(struct end *e);
void end_half_closed(struct end *e);
void end_closed(struct end *e, enum tcp_close_cause cause);
/* What is due now; returns when something is due next, or NEVER. */
uint64_t end_act(struct end *e);
/* At the end of the run: what the program has to have seen. */
void end_judge(struct end *e);

/* forge.c: perhaps a segment that the peer never sent, to the side, now. */
void forge(struct world *w, int to);

#endif
