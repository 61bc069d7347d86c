/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of cp/health/: what is remembered of each backend, and where.
 *
 *   members.c     the backends, by (pool, address, port)
 *   health.c      when they are checked, and what a result does
 *   saved.c       what a restart must not forget
 *   condition.c   what that and the operator's orders mean for the tables
 *   probe*.c      one check
 *
 * Control thread only.
 */
#ifndef CP_HEALTH_INTERNAL_H
#define CP_HEALTH_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

#include "cp/health/health.h"
#include "cp/health/probe.h"

/* What an operator said. */
struct order {
	bool drain, disabled, weighted; /* none of them: nothing */
	uint32_t weight;                /* if weighted */
	uint32_t made_for;              /* the configured weight at that time */
};

/* How a pool is, as its members were told last. */
enum pool_mood {
	MOOD_GOOD,
	MOOD_PANIC, /* all fail, all are used */
	MOOD_EMPTY, /* nobody may be chosen */
};

struct member {
	struct member *next; /* in its bucket */
	struct health *health;
	struct addr addr;
	uint16_t port;
	char pool[CONFIG_NAME_MAX + 1];

	/* of the running configuration */
	const struct pool_config *config; /* NULL: not in it */
	uint64_t round;                   /* of health_configure that has found it last */

	/* the check */
	struct probe probe;
	struct loop_timer *due;
	uint64_t begun; /* of the check that runs or ran last; loop_now */
	TAILQ_ENTRY(member) waiting;
	bool waits; /* for a descriptor */
	struct health_state state;
	enum health_cause cause; /* of the last check */
	char detail[96];
	enum health_cause failed; /* of the last check that failed */
	char failed_detail[96];
	time_t last_check;
	uint64_t latency;
	uint64_t back_at; /* when it came back; 0: it was never away */

	struct order order;

	/* what was said last, in the log and to whoever asks */
	enum backend_state said;
	enum health_status said_status;
	enum pool_mood said_mood;
	time_t since;
};

struct health {
	struct loop *loop;
	health_changed_fn *changed;
	void *changed_arg;
	struct prober prober;
	struct member **buckets; /* [mask + 1] */
	size_t mask, n_members;
	const struct config *config; /* the running one */
	uint64_t round;              /* how often one was taken over */
	struct store *store;         /* NULL: nothing is saved */
	struct loop_timer *ramp;     /* the next step of a slow start */
	struct loop_timer *save;
	bool unsaved;
	struct aside *job;           /* the disk is writing */
	void *saving;                /* while it is written: the list (json_t) */
	size_t running, running_max; /* checks; each holds a descriptor */
	bool limit_said;
	TAILQ_HEAD(waiting_list, member) waiting;
};

/* members.c */
struct member *member_find(const struct health *h, const char *pool, const struct addr *addr,
			   uint16_t port);
/* Those of a pool's backends from `first` on, in their order, NULL for one that is not known. How
 * many they are; 0: no backend is left. */
#define MEMBERS_BURST 32
size_t members_burst(const struct health *h, const struct pool_config *pool, size_t first,
		     struct member *out[MEMBERS_BURST]);
/* The same as member_find, made if it is not there; NULL without memory. */
struct member *member_get(struct health *h, const char *pool, const struct addr *addr,
			  uint16_t port);
/* Call fn for each; fn may not add or remove any. */
void members_each(struct health *h, void (*fn)(struct member *m));
/* Free those for which fn is true. */
void members_sweep(struct health *h, bool (*fn)(const struct member *m));

/* health.c: when a member is checked. */
void member_due(void *arg);
void member_checked(struct probe *probe);

/* saved.c */
/* Write now: 0 (also without a store) or -errno. */
int health_save(struct health *h);
/* Write a second from now, aside of the loop. */
void health_save_soon(struct health *h);
/* What that timer calls; arg is the struct health. */
void health_save_aside(void *arg);
/* Nothing is left to be written. */
void health_save_end(struct health *h);
void health_restore(struct health *h);

/* condition.c */
/* What is to be said of a backend that has this member (NULL: none is known). */
struct verdict {
	enum backend_state state;
	uint32_t weight; /* configured, or ordered */
	uint32_t share;  /* of the rows, in this state */
	bool down;       /* may not be chosen */
	bool panic;
};
/* True if the order is in force for the backend. */
bool order_holds(const struct order *order, const struct backend_config *backend);
static inline bool
order_given(const struct order *order)
{
	return order->drain || order->disabled || order->weighted;
}

#endif
