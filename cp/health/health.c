/* SPDX-License-Identifier: Apache-2.0 */
/* When backends are checked, and what a result does. */
#include "cp/health/health.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cp/health/internal.h"
#include "cp/log.h"

/* Descriptors that are left to everything else. */
#define DESCRIPTORS_RESERVED 512
#define DESCRIPTORS_WANTED   65536

/* How many descriptors checks may have: raise the limit as far as we may. */
static size_t
descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 128;
	if (limit.rlim_max < DESCRIPTORS_WANTED) {
		struct rlimit more = { DESCRIPTORS_WANTED, DESCRIPTORS_WANTED };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			limit = more;
	}
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur < 2 * DESCRIPTORS_RESERVED)
		return limit.rlim_cur / 2;
	return limit.rlim_cur - DESCRIPTORS_RESERVED;
}

static void
on_ramp(void *arg)
{
	struct health *h = arg;

	h->changed(h->changed_arg);
}

static bool
everybody(const struct member *m)
{
	(void)m;
	return true;
}

void
health_destroy(struct health *h)
{
	if (!h)
		return;
	health_save_end(h);
	members_sweep(h, everybody);
	prober_end(&h->prober);
	loop_timer_free(h->ramp);
	loop_timer_free(h->save);
	free(h->buckets);
	free(h);
}

struct health *
health_create(struct loop *loop, struct store *store, health_changed_fn *changed, void *arg)
{
	struct health *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->loop = loop;
	h->changed = changed;
	h->changed_arg = arg;
	TAILQ_INIT(&h->waiting);
	prober_init(&h->prober, loop);
	h->running_max = descriptors();
	h->store = store;
	h->ramp = loop_timer_create(loop, on_ramp, h);
	h->save = loop_timer_create(loop, health_save_aside, h);
	if (!h->ramp || !h->save) {
		health_destroy(h);
		return NULL;
	}
	health_restore(h);
	return h;
}

/* ---- one check after the other ---- */

static void
wait_for_descriptor(struct health *h, struct member *m)
{
	if (!h->limit_said)
		log_warning("health checks are late: no more than %zu can run at once; raise the "
			    "limit on open files (LimitNOFILE)",
			    h->running_max);
	h->limit_said = true;
	m->waits = true;
	TAILQ_INSERT_TAIL(&h->waiting, m, waiting);
}

void
member_due(void *arg)
{
	struct member *m = arg;
	struct health *h = m->health;

	if (h->running >= h->running_max) {
		wait_for_descriptor(h, m);
		return;
	}
	m->begun = loop_now();
	h->running++;
	probe_start(&m->probe);
}

/* Stop what runs or waits. */
static void
member_stop(struct member *m)
{
	if (m->waits)
		TAILQ_REMOVE(&m->health->waiting, m, waiting);
	m->waits = false;
	if (m->probe.running)
		m->health->running--;
	probe_cancel(&m->probe);
	loop_timer_disarm(m->due);
}

/* We could not check: that says nothing of the backend. */
static void
say_local(const struct member *m, enum health_cause before)
{
	char backend[ADDR_PORT_STRLEN];

	if (before != HEALTH_CAUSE_LOCAL)
		log_event(LOG_LEVEL_ERROR, "check-impossible", "pool", m->pool, "backend",
			  addr_port_format(&m->addr, m->port, backend), "reason", m->probe.detail,
			  NULL);
}

static void
member_result(struct member *m)
{
	const struct health_config *config = &m->config->health;
	bool passed = m->probe.cause == HEALTH_CAUSE_NONE;
	enum health_cause before = m->cause;

	m->last_check = time(NULL);
	m->latency = m->probe.latency;
	m->cause = m->probe.cause;
	memcpy(m->detail, m->probe.detail, sizeof(m->detail));
	if (m->cause == HEALTH_CAUSE_LOCAL) {
		say_local(m, before);
		return;
	}
	if (!passed) {
		m->failed = m->cause;
		memcpy(m->failed_detail, m->detail, sizeof(m->detail));
	}
	if (!health_state_result(&m->state, passed, config->rise, config->fall))
		return;
	if (passed && m->said_status == HEALTH_FAILING)
		m->back_at = loop_now();
	m->health->changed(m->health->changed_arg);
	health_save_soon(m->health);
}

void
member_checked(struct probe *probe)
{
	struct member *m = (struct member *)((char *)probe - offsetof(struct member, probe));
	struct health *h = m->health;
	struct member *first = TAILQ_FIRST(&h->waiting);
	uint64_t wait = health_wait(m->config->health.interval, prober_random(&h->prober));

	h->running--;
	loop_timer_arm(m->due, m->begun + wait);
	if (first) {
		TAILQ_REMOVE(&h->waiting, first, waiting);
		first->waits = false;
		loop_timer_arm(first->due, loop_now());
	}
	member_result(m);
}

/* ---- configurations ---- */

int
health_prepare(struct health *h, const struct config *config)
{
	struct member *found[MEMBERS_BURST];
	size_t i, j, k, n;

	for (i = 0; i < config->n_pools; i++) {
		const struct pool_config *pool = &config->pools[i];

		for (j = 0; (n = members_burst(h, pool, j, found)); j += n) {
			for (k = 0; k < n; k++) {
				const struct backend_config *b = &pool->backends[j + k];

				if (!found[k] && !member_get(h, pool->name, &b->address, b->port))
					return -ENOMEM;
			}
		}
	}
	return 0;
}

static bool
same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* True if both ask the same of a backend. */
static bool
same_check(const struct health_config *a, const struct health_config *b)
{
	return a->check == b->check && a->port == b->port && same_text(a->path, b->path) &&
	       same_text(a->host, b->host) && a->expect_low == b->expect_low &&
	       a->expect_high == b->expect_high && a->interval == b->interval &&
	       a->timeout == b->timeout && addr_equal(&a->source, &b->source) &&
	       a->verify == b->verify && same_text(a->ca, b->ca) && same_text(a->body, b->body) &&
	       same_text(a->payload, b->payload) && same_text(a->answer, b->answer);
}

/* The first check of those that begin together comes anywhere in their interval. */
static void
member_begin(struct member *m, const struct health_config *config)
{
	uint64_t offset = prober_random(&m->health->prober) % config->interval;

	m->state.streak = 0;
	m->begun = loop_now();
	loop_timer_arm(m->due, m->begun + offset);
}

/* The configuration names the backend otherwise than it did when the order was given. */
static void
drop_order(struct member *m)
{
	char backend[ADDR_PORT_STRLEN];

	log_event(
	    LOG_LEVEL_INFO, "order-ended", "message",
	    "the configuration gives the backend another weight: what was ordered for it ends",
	    "pool", m->pool, "backend", addr_port_format(&m->addr, m->port, backend), NULL);
	m->order = (struct order){ 0 };
	health_save_soon(m->health);
}

static void
member_configure(struct member *m, const struct pool_config *pool)
{
	const struct health_config *now = &pool->health;
	bool runs = m->config && m->config->health.check != HEALTH_NONE;
	bool same = runs && same_check(&m->config->health, now);

	if (runs && !same)
		member_stop(m);
	m->config = pool;
	m->round = m->health->round;
	m->probe.config = now;
	m->probe.port = now->port ? now->port : m->port;
	if (now->check == HEALTH_NONE)
		m->state = (struct health_state){ 0 };
	else if (!same)
		member_begin(m, now);
}

/* The configuration does not have it: nothing is asked of it until one does again. */
static void
member_park(struct member *m)
{
	if (m->round == m->health->round || !m->config)
		return;
	member_stop(m);
	m->config = NULL;
}

void
health_configure(struct health *h, const struct config *config)
{
	struct member *found[MEMBERS_BURST];
	size_t i, j, k, n, kept = 0;

	h->round++;
	for (i = 0; i < config->n_pools; i++) {
		const struct pool_config *pool = &config->pools[i];

		for (j = 0; (n = members_burst(h, pool, j, found)); j += n)
			for (k = 0; k < n; k++) {
				if (!found[k])
					continue;
				kept += found[k]->round != h->round;
				member_configure(found[k], pool);
			}
	}
	if (kept < h->n_members)
		members_each(h, member_park);
	h->config = config;
}

static bool
is_gone(const struct member *m)
{
	return !m->config;
}

void
health_settle(struct health *h)
{
	struct member *found[MEMBERS_BURST];
	size_t before = h->n_members, i, j, k, n;

	for (i = 0; i < h->config->n_pools; i++) {
		const struct pool_config *pool = &h->config->pools[i];

		for (j = 0; (n = members_burst(h, pool, j, found)); j += n)
			for (k = 0; k < n; k++)
				if (found[k] && order_given(&found[k]->order) &&
				    !order_holds(&found[k]->order, &pool->backends[j + k]))
					drop_order(found[k]);
	}
	members_sweep(h, is_gone);
	if (h->n_members < before)
		health_save_soon(h);
}

/* ---- the operator ---- */

int
health_order(struct health *h, const struct pool_config *pool, const struct backend_config *backend,
	     const struct health_order_request *request)
{
	struct member *m = member_find(h, pool->name, &backend->address, backend->port);

	if (!m)
		return -ENOENT;
	/* One that waits for its configuration to come back does not mix with this one. */
	if (!order_holds(&m->order, backend))
		m->order = (struct order){ 0 };
	switch (request->order) {
	case HEALTH_ORDER_ENABLE:
		if (m->order.disabled)
			m->back_at = loop_now();
		m->order.drain = m->order.disabled = false;
		break;
	case HEALTH_ORDER_DRAIN:
		m->order.drain = true;
		m->order.disabled = false;
		break;
	case HEALTH_ORDER_DISABLE:
		m->order.disabled = true;
		break;
	case HEALTH_ORDER_WEIGHT:
		m->order.weighted = request->weight != backend->weight;
		m->order.weight = request->weight;
		break;
	}
	m->order.made_for = backend->weight;
	h->changed(h->changed_arg);
	return health_save(h);
}
