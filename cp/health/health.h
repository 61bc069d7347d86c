/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The health of backends: checks that run on the control thread's loop, what the operator has said
 * of a backend, and what both mean for the tables.
 *
 * A backend here is (pool, address, port); what is known of it is remembered across configurations.
 * It is, in this order:
 *
 *     disabled  the operator said so                    never chosen
 *     drain     the operator said so, or its weight is 0  no rows: keeps its connections
 *     down      its check fails                         never chosen
 *     up        else; also if all that could be up fail and pool.all_down is "panic"
 *
 * What an operator said stays until a configuration names the backend with another weight than it
 * had then, or not at all; it survives a restart of penstockd, as does that a check failed.
 * Control thread only.
 */
#ifndef CP_HEALTH_HEALTH_H
#define CP_HEALTH_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "cp/compile/compile.h"
#include "cp/config/model.h"
#include "cp/health/state.h"
#include "cp/loop.h"

struct health;
struct store;

/* A backend's condition may have changed: compile and publish soon. */
typedef void health_changed_fn(void *arg);

/* What the last process knew is taken from the store (NULL: nothing is kept). Raises the limit on
 * descriptors as far as it may. NULL without memory. */
struct health *health_create(struct loop *loop, struct store *store, health_changed_fn *changed,
			     void *arg);
void health_destroy(struct health *h);

/* Make room for what config needs. Changes nothing that can be seen. 0 or -ENOMEM. */
int health_prepare(struct health *h, const struct config *config);
/* config, prepared last, is the running one from now on, and stays so until the next one is: start,
 * change and stop checks. Call it while the configuration before still exists. Orders and what is
 * known of backends that config does not have are kept, in case it goes back. */
void health_configure(struct health *h, const struct config *config);
/* The running configuration does not go back by itself: what it contradicts is forgotten. */
void health_settle(struct health *h);

/* A backend_conditions_fn; arg is the struct health. pool may be of a configuration that is only
 * prepared. */
void health_conditions(void *arg, const struct pool_config *pool, struct backend_condition *out);
/* What was compiled last has been published: say what changed for whom. */
void health_published(struct health *h);

enum backend_state {
	BACKEND_STATE_UP,
	BACKEND_STATE_DOWN,
	BACKEND_STATE_DRAIN,
	BACKEND_STATE_DISABLED,
};
const char *backend_state_name(enum backend_state state);

/* What there is to show of a backend. */
struct health_view {
	enum backend_state state;
	time_t since;    /* wall clock: in this state */
	uint32_t weight; /* as the configuration or the operator says */
	uint32_t share;  /* the weight that counts now: less while it starts slowly */
	bool ordered;    /* the operator has said something of it */
	bool panic;      /* up although it fails, since all do */
	bool checked;    /* it has a check */
	enum health_status status;
	enum health_cause cause; /* of the last check; if it fails: of the last that did */
	char detail[96];
	time_t last_check; /* wall clock; 0: none yet */
	uint64_t latency;  /* of the last check, ns */
};
/* False: no such backend. */
bool health_show(const struct health *h, const struct pool_config *pool,
		 const struct backend_config *backend, struct health_view *view);

enum health_order {
	HEALTH_ORDER_ENABLE,
	HEALTH_ORDER_DRAIN,
	HEALTH_ORDER_DISABLE,
	HEALTH_ORDER_WEIGHT,
};
struct health_order_request {
	enum health_order order;
	uint32_t weight; /* for HEALTH_ORDER_WEIGHT */
};
/* What an operator says of a backend. 0; -ENOENT: there is no such backend; another -errno: done,
 * but it could not be saved. */
int health_order(struct health *h, const struct pool_config *pool,
		 const struct backend_config *backend, const struct health_order_request *request);

#endif
