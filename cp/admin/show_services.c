/* SPDX-License-Identifier: Apache-2.0 */
/* `show` of what the configuration balances: services, pools, backends. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "cp/admin/counters_http.h"
#include "cp/admin/show.h"
#include "cp/health/health.h"

static json_t *
drops_by_reason(const struct service_sums *sums)
{
	json_t *drops = json_object();
	enum drop_reason reason;

	for (reason = 0; reason < DROP_REASON_COUNT; reason++) {
		if (sums->drops[reason])
			show_add(&drops, drop_reason_name(reason),
				 json_integer((json_int_t)sums->drops[reason]));
	}
	return drops;
}

/* "-": an HTTP listener whose routes lead to none. */
static const char *
pool_name(const struct config *config, const struct service_config *s)
{
	return s->pool < config->n_pools ? config->pools[s->pool].name : "-";
}

json_t *
show_services(struct show *show)
{
	const struct config *config = show->control->config;
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < config_n_services(config); i++) {
		const struct service_config *s = config_service(config, i);
		uint32_t slot = compiler_service_slot(show->control->compiler, i);
		struct service_sums sums = { 0 };

		if (slot != UINT32_MAX)
			counters_service(show->counters, slot, &sums);
		show_append(
		    &list,
		    json_pack("{s:s, s:o, s:i, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
			      "name", s->name, "address", show_prefix(&s->address), "port",
			      (int)s->port, "protocol", protocol_name(s->protocol), "forward",
			      forward_mode_name(s->forward), "pool", pool_name(config, s),
			      "packets_in", (json_int_t)sums.stats.packets_in, "bytes_in",
			      (json_int_t)sums.stats.bytes_in, "packets_out",
			      (json_int_t)sums.stats.packets_out, "bytes_out",
			      (json_int_t)sums.stats.bytes_out, "connections_active",
			      (json_int_t)counters_active(sums.stats.connections_total,
							  sums.stats.connections_ended),
			      "connections_total", (json_int_t)sums.stats.connections_total,
			      "drops", drops_by_reason(&sums)));
	}
	return list;
}

/* Requests, and how many of them were answered with 5xx or not at all. */
static void
add_requests(json_t **object, const uint64_t classes[HTTP_CLASSES])
{
	show_add(object, "requests", json_integer((json_int_t)http_classes_all(classes)));
	show_add(object, "errors", json_integer((json_int_t)http_classes_errors(classes)));
}

/* Which pools names lead to, in the order of the file. */
static json_t *
server_names_json(const struct config *config, const struct listener_config *l)
{
	json_t *list = json_array();
	size_t i, j;

	for (i = 0; i < l->n_server_names; i++) {
		const struct server_name_config *rule = &l->server_names[i];
		json_t *names = json_array(), *row;

		for (j = 0; j < rule->n_names; j++)
			show_append(&names, json_string(rule->names[j]));
		row =
		    json_pack("{s:o, s:s}", "names", names, "pool", config->pools[rule->pool].name);
		show_append(&list, row);
	}
	return list;
}

/* What only listeners have; the rest is with the services. */
static json_t *
show_listener(struct show *show, size_t i)
{
	const struct config *config = show->control->config;
	const struct listener_config *l = config_listener(config, i);
	const struct service_config *s = &l->service;
	uint32_t slot = compiler_service_slot(show->control->compiler, i);
	struct service_sums sums = { 0 };
	struct http_latency latency;
	json_t *object;

	if (slot != UINT32_MAX)
		counters_service(show->counters, slot, &sums);
	object = json_pack(
	    "{s:s, s:o, s:i, s:s, s:s, s:s, s:s, s:b, s:s, s:f, s:f, s:I, s:I}", "name", s->name,
	    "address", show_prefix(&s->address), "port", (int)s->port, "protocol",
	    listener_protocol_name(l->protocol), "pool", pool_name(config, s), "balance",
	    listener_balance_name(l->balance), "proxy_protocol",
	    proxy_protocol_name(l->proxy_protocol), "accept_proxy_protocol",
	    (int)l->accept_proxy_protocol, "syn_cookies", l->syn_cookies ? "always" : "auto",
	    "connect_timeout_seconds", (double)l->timeout_connect / 1e9, "idle_timeout_seconds",
	    (double)s->timeout_established / 1e9, "connections_active",
	    (json_int_t)counters_active(sums.stats.connections_total, sums.stats.connections_ended),
	    "connections_total", (json_int_t)sums.stats.connections_total);
	if (listener_has_http(l) && slot != UINT32_MAX) {
		counters_http_listener(counters_http(show->counters), slot, &latency);
		add_requests(&object, latency.classes);
		show_add(&object, "cut_off", json_integer((json_int_t)latency.cut));
	}
	if (l->protocol == LISTENER_TLS_PASSTHROUGH)
		show_add(&object, "server_names", server_names_json(config, l));
	if (listener_ends_tls(l))
		show_add(&object, "certificates", show_certificates_of(show->control, l));
	return object;
}

json_t *
show_listeners(struct show *show)
{
	const struct config *config = show->control->config;
	json_t *list = json_array();
	size_t i;

	for (i = config->n_services; i < config_n_services(config); i++)
		show_append(&list, show_listener(show, i));
	return list;
}

/* The backend's entry in the snapshot, NULL if there is none (yet). */
static const struct backend *
backend_of(const struct control *control, uint32_t slot)
{
	const struct snapshot *s = control->snapshot;

	if (!s || slot >= s->n_backends || !s->backends[slot].epoch)
		return NULL;
	return &s->backends[slot];
}

/* Why its packets do not get there although it may be chosen. */
static const char *
way_reason(const struct snapshot *s, const struct backend *b)
{
	if (!b)
		return "not published yet";
	if (b->nexthop >= s->n_nexthops)
		return "no route to it";
	if (s->nexthops[b->nexthop].state != NEXTHOP_READY)
		return "the next hop's Ethernet address is not known";
	return "";
}

static const char *
order_reason(const struct health_view *view)
{
	if (view->state == BACKEND_STATE_DISABLED)
		return "disabled by command";
	if (view->weight == 0)
		return view->ordered ? "weight 0 by command" : "weight 0";
	return "drained by command";
}

/* "timeout: no answer within 1s"; the name is left out where the detail begins with it. */
static const char *
cause_reason(const struct health_view *view, char out[160])
{
	const char *name = health_cause_name(view->cause);

	if (!view->detail[0] || strncmp(view->detail, name, strlen(name)) == 0)
		snprintf(out, 160, "%s", view->detail[0] ? view->detail : name);
	else
		snprintf(out, 160, "%s: %s", name, view->detail);
	return out;
}

/* Why it is not up, or why it does not get all that it might although it is. */
static const char *
backend_reason(const struct snapshot *s, const struct backend *b, const struct health_view *view,
	       char out[160])
{
	char cause[160];

	if (view->state == BACKEND_STATE_DRAIN || view->state == BACKEND_STATE_DISABLED)
		return order_reason(view);
	if (view->panic) {
		snprintf(out, 160, "used although it fails, as all do: %.100s",
			 cause_reason(view, cause));
		return out;
	}
	if (view->checked && view->cause != HEALTH_CAUSE_NONE)
		return cause_reason(view, out);
	if (view->state == BACKEND_STATE_UP && view->share < view->weight) {
		snprintf(out, 160, "starts slowly: weight %u of %u", view->share, view->weight);
		return out;
	}
	return way_reason(s, b);
}

static const char *
health_text(const struct health_view *view)
{
	if (!view->checked)
		return "none";
	if (view->status == HEALTH_UNKNOWN)
		return "unknown";
	return view->status == HEALTH_PASSING ? "passing" : "failing";
}

static json_t *
show_backend(struct show *show, size_t pool_index, size_t index)
{
	const struct control *control = show->control;
	const struct pool_config *pool = &control->config->pools[pool_index];
	const struct backend_config *c = &pool->backends[index];
	uint32_t slot = compiler_backend_slot(control->compiler, pool_index, index);
	const struct backend *b = backend_of(control, slot);
	struct backend_stats stats = { 0 };
	struct health_view view = { 0 };
	char address[ADDR_STRLEN], reason[160];
	struct http_attempts attempts;
	json_t *object;

	if (b)
		counters_backend(show->counters, slot, &stats);
	health_show(control->health, pool, c, &view);
	object =
	    json_pack("{s:s, s:s, s:i, s:I, s:s, s:s, s:o, s:s, s:o, s:I, s:o, s:f, s:I, s:I, s:I, "
		      "s:I}",
		      "pool", pool->name, "address", addr_format(&c->address, address), "port",
		      (int)c->port, "weight", (json_int_t)view.weight, "state",
		      backend_state_name(view.state), "health", health_text(&view), "reason",
		      show_text(backend_reason(control->snapshot, b, &view, reason)), "cause",
		      view.checked ? health_cause_name(view.cause) : "", "since",
		      show_time(view.since), "effective_weight", (json_int_t)view.share,
		      "last_check", view.last_check ? show_time(view.last_check) : json_null(),
		      "check_ms", (double)view.latency / 1e6, "connections_active",
		      (json_int_t)counters_active(stats.connections_total, stats.connections_ended),
		      "connections_total", (json_int_t)stats.connections_total, "packets",
		      (json_int_t)stats.packets, "bytes", (json_int_t)stats.bytes);
	if (b) {
		counters_http_backend(counters_http(show->counters), slot, &attempts);
		add_requests(&object, attempts.classes);
	}
	return object;
}

json_t *
show_backends(struct show *show)
{
	const struct config *config = show->control->config;
	json_t *list = json_array();
	size_t i, j;

	for (i = 0; i < config->n_pools; i++)
		for (j = 0; j < config->pools[i].n_backends; j++)
			show_append(&list, show_backend(show, i, j));
	return list;
}

static uint32_t
rows_moving(const struct pool *pool)
{
	uint32_t word, n = 0;

	if (pool->rows != pool->settled_rows)
		return pool->rows;
	for (word = 0; pool->moving && word <= pool->rows / 64; word++)
		n += (uint32_t)__builtin_popcountll(pool->moving[word]);
	return n;
}

static json_t *
show_pool(const struct control *control, size_t index)
{
	const struct pool_config *c = &control->config->pools[index];
	uint32_t up = 0, rows = 0, moving = 0, passing = 0, failing = 0;
	const struct pool *pool = NULL;
	bool panic = false;
	json_t *object;
	size_t j;

	for (j = 0; j < c->n_backends; j++) {
		uint32_t slot = compiler_backend_slot(control->compiler, index, j);
		const struct backend *b = backend_of(control, slot);
		struct health_view view = { 0 };

		health_show(control->health, c, &c->backends[j], &view);
		passing += view.checked && view.status == HEALTH_PASSING;
		failing += view.checked && view.status == HEALTH_FAILING;
		panic |= view.panic;
		if (!b || b->pool >= control->snapshot->n_pools)
			continue;
		up += (b->flags & (BACKEND_UP | BACKEND_DRAIN)) == BACKEND_UP;
		pool = &control->snapshot->pools[b->pool];
	}
	if (pool) {
		rows = pool->rows;
		moving = rows_moving(pool);
	}
	object = json_pack("{s:s, s:I, s:I, s:s, s:I, s:I, s:b, s:I, s:I}", "name", c->name,
			   "backends", (json_int_t)c->n_backends, "up", (json_int_t)up, "check",
			   health_check_name(c->health.check), "passing", (json_int_t)passing,
			   "failing", (json_int_t)failing, "panic", (int)panic, "rows",
			   (json_int_t)rows, "moving_rows", (json_int_t)moving);
	if (moving > 0) {
		uint64_t at = compiler_pool_settle(control->compiler, c->name),
			 now = dp_clock_now(&control->dp->clock);

		show_add(
		    &object, "settles_in_seconds",
		    json_integer((json_int_t)(at > now ? (at - now + 999999999) / 1000000000 : 0)));
	}
	return object;
}

json_t *
show_pools(struct show *show)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < show->control->config->n_pools; i++)
		show_append(&list, show_pool(show->control, i));
	return list;
}
