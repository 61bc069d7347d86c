/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a restart must not forget: the operator's orders, and whose checks failed. A file of the
 * state directory:
 *
 *     {"version": 1, "backends": [{"pool": "web", "address": "10.2.0.11", "port": 8080,
 *       "drain": true, "disabled": true, "weight": 5, "made_for": 100,
 *       "cause": "timeout", "detail": "no answer within 1s", "since": 1767225600}, ...]}
 *
 * Of what is read nothing is trusted: an entry that cannot be is left out, a file that is none is
 * left alone, and said.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cp/health/internal.h"
#include "cp/log.h"
#include "cp/state/aside.h"
#include "cp/state/store.h"

#define FILE_NAME   "health"
#define ENTRIES_MAX 1048576
#define WEIGHT_MAX  65535
#define SAVE_DELAY  1000000000ull

/* ---- writing ---- */

static json_t *
to_entry(const struct member *m)
{
	char address[ADDR_STRLEN];
	json_t *entry = json_pack("{s:s, s:s, s:i}", "pool", m->pool, "address",
				  addr_format(&m->addr, address), "port", (int)m->port);
	int bad = entry ? 0 : -1;

	if (order_given(&m->order))
		bad |= json_object_set_new(entry, "made_for", json_integer(m->order.made_for));
	if (m->order.drain)
		bad |= json_object_set_new(entry, "drain", json_true());
	if (m->order.disabled)
		bad |= json_object_set_new(entry, "disabled", json_true());
	if (m->order.weighted)
		bad |= json_object_set_new(entry, "weight", json_integer(m->order.weight));
	if (m->state.status == HEALTH_FAILING) {
		bad |=
		    json_object_set_new(entry, "cause", json_string(health_cause_name(m->failed)));
		bad |= json_object_set_new(entry, "since", json_integer(m->since));
	}
	/* What a server has said need not be UTF-8. */
	if (bad == 0 && m->state.status == HEALTH_FAILING)
		(void)json_object_set_new(entry, "detail", json_string(m->failed_detail));
	if (bad == 0)
		return entry;
	json_decref(entry);
	return NULL;
}

static void
add_entry(struct member *m)
{
	json_t *list = m->health->saving;

	if (order_given(&m->order) || m->state.status == HEALTH_FAILING)
		json_array_append_new(list, to_entry(m));
}

/* The file's text, to be freed; NULL without memory. */
static char *
to_text(struct health *h)
{
	json_t *all;
	char *text;

	h->saving = json_array();
	if (h->saving)
		members_each(h, add_entry);
	all = json_pack("{s:i, s:o}", "version", 1, "backends", h->saving);
	h->saving = NULL;
	text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	json_decref(all);
	return text;
}

/* False: the disk is still writing. */
static bool
end_job(struct health *h, bool wait)
{
	int rc;

	if (!h->job)
		return true;
	if (!aside_done(h->job, wait, &rc))
		return false;
	h->job = NULL;
	if (rc < 0)
		log_warning("the backends' health cannot be saved: %s", strerror(-rc));
	return true;
}

int
health_save(struct health *h)
{
	char *text;
	int rc;

	end_job(h, true);
	loop_timer_disarm(h->save);
	h->unsaved = false;
	if (!h->store)
		return 0;
	text = to_text(h);
	rc = text ? store_write(h->store, FILE_NAME, text, strlen(text)) : -ENOMEM;
	free(text);
	return rc;
}

void
health_save_aside(void *arg)
{
	struct health *h = arg;
	char *text;

	if (!end_job(h, false)) {
		loop_timer_arm(h->save, loop_now() + SAVE_DELAY);
		return;
	}
	h->unsaved = false;
	text = h->store ? to_text(h) : NULL;
	if (text)
		h->job = aside_write(h->store, FILE_NAME, text, strlen(text));
}

void
health_save_soon(struct health *h)
{
	if (h->unsaved)
		return;
	h->unsaved = true;
	loop_timer_arm(h->save, loop_now() + SAVE_DELAY);
}

void
health_save_end(struct health *h)
{
	end_job(h, true);
	if (h->unsaved)
		(void)health_save(h);
}

/* ---- reading ---- */

static bool
is_weight(json_t *value, uint32_t *out)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || n > WEIGHT_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

static void
take_order(struct member *m, json_t *entry)
{
	json_t *weight = json_object_get(entry, "weight");

	if (!is_weight(json_object_get(entry, "made_for"), &m->order.made_for))
		return;
	m->order.drain = json_is_true(json_object_get(entry, "drain"));
	m->order.disabled = json_is_true(json_object_get(entry, "disabled"));
	m->order.weighted = is_weight(weight, &m->order.weight);
}

static void
take_health(struct member *m, json_t *entry)
{
	const char *cause = json_string_value(json_object_get(entry, "cause"));
	const char *detail = json_string_value(json_object_get(entry, "detail"));
	enum health_cause found = cause ? health_cause_find(cause) : HEALTH_CAUSE_COUNT;

	if (found == HEALTH_CAUSE_COUNT || found == HEALTH_CAUSE_NONE ||
	    found == HEALTH_CAUSE_LOCAL)
		return;
	m->state.status = HEALTH_FAILING;
	m->cause = m->failed = found;
	if (detail)
		strncpy(m->failed_detail, detail, sizeof(m->failed_detail) - 1);
	memcpy(m->detail, m->failed_detail, sizeof(m->detail));
}

static void
take_entry(struct health *h, json_t *entry)
{
	const char *pool = json_string_value(json_object_get(entry, "pool"));
	const char *address = json_string_value(json_object_get(entry, "address"));
	json_int_t port = json_integer_value(json_object_get(entry, "port"));
	struct member *m;
	struct addr addr;

	if (!pool || !*pool || strlen(pool) > CONFIG_NAME_MAX || !address ||
	    addr_parse(address, &addr) != 0 || port < 0 || port > 65535)
		return;
	m = member_get(h, pool, &addr, (uint16_t)port);
	if (!m)
		return;
	take_order(m, entry);
	take_health(m, entry);
}

void
health_restore(struct health *h)
{
	size_t len = 0, i;
	char *text = h->store ? store_read(h->store, FILE_NAME, &len) : NULL;
	json_t *all = NULL, *list;

	if (text)
		all = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	list = json_object_get(all, "backends");
	if (json_integer_value(json_object_get(all, "version")) == 1 && json_is_array(list)) {
		for (i = 0; i < json_array_size(list) && i < ENTRIES_MAX; i++)
			take_entry(h, json_array_get(list, i));
	} else if (text) {
		log_warning("%s/%s is not what penstockd writes: orders given to backends are lost",
			    store_dir(h->store), FILE_NAME);
	}
	json_decref(all);
	free(text);
}
