/* SPDX-License-Identifier: Apache-2.0 */
/* From what is known of a pool's backends to what becomes of them, and saying so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/health/internal.h"
#include "cp/log.h"

bool
order_holds(const struct order *order, const struct backend_config *backend)
{
	return order_given(order) && order->made_for == backend->weight;
}

static bool
is_failing(const struct pool_config *pool, const struct member *m)
{
	return pool->health.check != HEALTH_NONE && m && m->state.status == HEALTH_FAILING;
}

/* A backend by itself: all but panic. */
static void
judge(const struct pool_config *pool, const struct backend_config *b, const struct member *m,
      struct verdict *v)
{
	bool ordered = m && order_holds(&m->order, b);

	*v = (struct verdict){ .state = BACKEND_STATE_UP, .weight = b->weight };
	if (ordered && m->order.weighted)
		v->weight = m->order.weight;
	v->down = is_failing(pool, m);
	if (ordered && m->order.disabled) {
		v->state = BACKEND_STATE_DISABLED;
		v->down = true;
	} else if (v->weight == 0 || (ordered && m->order.drain)) {
		v->state = BACKEND_STATE_DRAIN;
	} else if (v->down) {
		v->state = BACKEND_STATE_DOWN;
	} else {
		v->share =
		    slow_start_weight(v->weight, m ? m->back_at : 0, pool->slow_start, loop_now());
	}
}

/* All backends of a pool; what each is, and what becomes of it. */
struct judged {
	struct member **members; /* NULL: not known */
	struct verdict *verdicts;
};

static void
judged_free(struct judged *judged)
{
	free(judged->members);
	free(judged->verdicts);
}

/* False without memory. */
static bool
pool_judge(const struct health *h, const struct pool_config *pool, struct judged *judged)
{
	struct verdict *out = calloc(pool->n_backends + 1, sizeof(*out));
	struct member **members = calloc(pool->n_backends + 1, sizeof(struct member *));
	size_t up = 0, i, n;

	*judged = (struct judged){ members, out };
	if (!out || !members) {
		judged_free(judged);
		return false;
	}
	for (i = 0; (n = members_burst(h, pool, i, &members[i])); i += n)
		;
	for (i = 0; i < pool->n_backends; i++) {
		judge(pool, &pool->backends[i], members[i], &out[i]);
		up += out[i].state == BACKEND_STATE_UP;
	}
	if (up > 0 || pool->all_down != ALL_DOWN_PANIC)
		return true;
	/* Rather a guess than nothing: it may be the check that is wrong. */
	for (i = 0; i < pool->n_backends; i++) {
		if (out[i].state != BACKEND_STATE_DOWN)
			continue;
		out[i].state = BACKEND_STATE_UP;
		out[i].share = out[i].weight;
		out[i].down = false;
		out[i].panic = true;
	}
	return true;
}

void
health_conditions(void *arg, const struct pool_config *pool, struct backend_condition *out)
{
	struct judged judged;
	size_t i;

	/* Without memory the pool is what its configuration says. */
	if (!pool_judge(arg, pool, &judged))
		return;
	for (i = 0; i < pool->n_backends; i++)
		out[i] = (struct backend_condition){ .weight = judged.verdicts[i].share,
						     .down = judged.verdicts[i].down };
	judged_free(&judged);
}

/* ---- saying so ---- */

const char *
backend_state_name(enum backend_state state)
{
	static const char *const names[] = {
		[BACKEND_STATE_UP] = "up",
		[BACKEND_STATE_DOWN] = "down",
		[BACKEND_STATE_DRAIN] = "drain",
		[BACKEND_STATE_DISABLED] = "disabled",
	};

	return names[state];
}

/* "status: status 503" would say it twice. */
static const char *
reason_of(const struct member *m, char out[160])
{
	const char *name = health_cause_name(m->failed), *detail = m->failed_detail;
	bool twice = strncmp(detail, name, strlen(name)) == 0;

	if (detail[0] && !twice)
		snprintf(out, 160, "%s: %s", name, detail);
	else
		snprintf(out, 160, "%s", detail[0] ? detail : name);
	return out;
}

/* The state or the health of a backend is another one than was said last. */
static void
say_member(struct member *m, const struct verdict *v)
{
	static const char *const events[] = {
		[BACKEND_STATE_UP] = "backend-up",
		[BACKEND_STATE_DOWN] = "backend-down",
		[BACKEND_STATE_DRAIN] = "backend-drain",
		[BACKEND_STATE_DISABLED] = "backend-disabled",
	};
	bool failing = m->state.status == HEALTH_FAILING;
	const char *event = events[v->state];
	char backend[ADDR_PORT_STRLEN], reason[160], seconds[24];
	time_t now = time(NULL);

	if (m->since && m->said == v->state) {
		if (m->said_status == m->state.status ||
		    (!failing && m->said_status != HEALTH_FAILING)) {
			m->said_status = m->state.status;
			return;
		}
		event = failing ? "backend-failing" : "backend-passing";
	} else if (v->panic) {
		event = "backend-panic";
	}
	snprintf(seconds, sizeof(seconds), "%lld", m->since ? (long long)(now - m->since) : 0ll);
	/* What is up from the beginning is no news. */
	if (m->since || v->state != BACKEND_STATE_UP || failing)
		log_event(failing ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, event, "pool", m->pool,
			  "backend", addr_port_format(&m->addr, m->port, backend), "reason",
			  failing ? reason_of(m, reason) : NULL, "#after_seconds",
			  m->since ? seconds : NULL, NULL);
	if (!m->since || m->said != v->state)
		m->since = now;
	m->said = v->state;
	m->said_status = m->state.status;
}

static void
say_mood(const struct pool_config *pool, enum pool_mood before, enum pool_mood mood)
{
	if (mood == before)
		return;
	if (mood == MOOD_GOOD)
		log_event(LOG_LEVEL_INFO, "pool-up", "pool", pool->name, NULL);
	else
		log_event(LOG_LEVEL_ERROR, mood == MOOD_PANIC ? "pool-panic" : "pool-empty",
			  "message",
			  mood == MOOD_PANIC ? "all backends fail their checks: all are used"
					     : "no backend may be chosen",
			  "pool", pool->name, NULL);
}

static void
say_pool(const struct health *h, const struct pool_config *pool)
{
	enum pool_mood mood = MOOD_EMPTY, before = MOOD_GOOD;
	struct judged judged;
	size_t i;

	if (!pool_judge(h, pool, &judged))
		return;
	for (i = 0; i < pool->n_backends; i++) {
		if (judged.verdicts[i].state == BACKEND_STATE_UP)
			mood = judged.verdicts[i].panic ? MOOD_PANIC : MOOD_GOOD;
	}
	for (i = 0; i < pool->n_backends; i++) {
		struct member *m = judged.members[i];

		if (!m)
			continue;
		if (m->said_mood != MOOD_GOOD)
			before = m->said_mood;
		m->said_mood = mood;
		say_member(m, &judged.verdicts[i]);
	}
	say_mood(pool, before, mood);
	judged_free(&judged);
}

/* Wake when a slow start takes its next step. */
static void
arm_ramp(struct health *h)
{
	uint64_t now = loop_now(), next = UINT64_MAX, at;
	size_t i, j;

	for (i = 0; i < h->config->n_pools; i++) {
		const struct pool_config *pool = &h->config->pools[i];

		for (j = 0; pool->slow_start && j < pool->n_backends; j++) {
			const struct backend_config *b = &pool->backends[j];
			const struct member *m = member_find(h, pool->name, &b->address, b->port);

			at = m ? slow_start_next(m->back_at, pool->slow_start, now) : UINT64_MAX;
			next = at < next ? at : next;
		}
	}
	if (next == UINT64_MAX)
		loop_timer_disarm(h->ramp);
	else
		loop_timer_arm(h->ramp, next);
}

void
health_published(struct health *h)
{
	size_t i;

	if (!h || !h->config)
		return;
	for (i = 0; i < h->config->n_pools; i++)
		say_pool(h, &h->config->pools[i]);
	arm_ramp(h);
}

bool
health_show(const struct health *h, const struct pool_config *pool,
	    const struct backend_config *backend, struct health_view *view)
{
	const struct member *m = member_find(h, pool->name, &backend->address, backend->port);
	bool failing;
	struct verdict v;

	if (!m)
		return false;
	failing = m->state.status == HEALTH_FAILING;
	judge(pool, backend, m, &v);
	*view = (struct health_view){
		.state = m->said,
		.since = m->since,
		.weight = v.weight,
		.share = v.share,
		.ordered = order_holds(&m->order, backend),
		.panic = m->said == BACKEND_STATE_UP && m->said_mood == MOOD_PANIC,
		.checked = pool->health.check != HEALTH_NONE,
		.status = m->state.status,
		.cause = failing ? m->failed : m->cause,
		.last_check = m->last_check,
		.latency = m->latency,
	};
	memcpy(view->detail, failing ? m->failed_detail : m->detail, sizeof(view->detail));
	return true;
}
