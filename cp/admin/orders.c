/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/orders.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cp/config/keys.h"
#include "cp/health/health.h"
#include "cp/log.h"
#include "lib/request.h"

/* Which backend of the running configuration is meant. */
struct target {
	const struct pool_config *pool;
	const struct backend_config *backend;
};

static const struct pool_config *
find_pool(const struct config *config, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < config->n_pools; i++) {
		const struct pool_config *pool = &config->pools[i];

		if (strlen(pool->name) == len && memcmp(pool->name, name, len) == 0)
			return pool;
	}
	return NULL;
}

/* Without a port where it has none. */
static const char *
backend_name(const struct addr *addr, uint16_t port, char out[ADDR_PORT_STRLEN])
{
	return port ? addr_port_format(addr, port, out) : addr_format(addr, out);
}

static const struct backend_config *
find_backend(const struct pool_config *pool, const struct addr *addr, uint16_t port)
{
	size_t i;

	for (i = 0; i < pool->n_backends; i++) {
		const struct backend_config *b = &pool->backends[i];

		if (b->port == port && addr_equal(&b->address, addr))
			return b;
	}
	return NULL;
}

static void
refuse_pool(const struct config *config, const char *name, char *error)
{
	const char *nearest = NULL;
	unsigned int least = UINT_MAX, d;
	size_t i;

	for (i = 0; i < config->n_pools; i++) {
		d = edit_distance(name, config->pools[i].name);
		if (d < least)
			nearest = config->pools[i].name;
		least = d < least ? d : least;
	}
	if (nearest)
		snprintf(error, ORDERS_ERROR_LEN, "there is no pool \"%s\"; did you mean %s?", name,
			 nearest);
	else
		snprintf(error, ORDERS_ERROR_LEN, "there is no pool \"%s\"", name);
}

/* The greater, the more alike: the leading bits that agree, then the port. */
static unsigned int
likeness(const struct backend_config *b, const struct addr *addr, uint16_t port)
{
	unsigned int bits = 0;

	while (bits < 128 && !((b->address.b[bits / 8] ^ addr->b[bits / 8]) & (0x80 >> bits % 8)))
		bits++;
	return 2 * bits + (b->port == port);
}

/* Say what of its name is wrong, and which backend may be meant. */
static void
refuse_backend(const struct pool_config *pool, const struct addr *addr, uint16_t port, char *error)
{
	char wrong[ADDR_PORT_STRLEN], right[ADDR_PORT_STRLEN];
	const struct backend_config *near = NULL;
	const char *why = "";
	size_t i;

	for (i = 0; i < pool->n_backends; i++) {
		const struct backend_config *b = &pool->backends[i];

		if (!near || likeness(b, addr, port) > likeness(near, addr, port))
			near = b;
	}
	if (near && addr_equal(&near->address, addr) && !port)
		why = ": its port is missing";
	else if (near && addr_equal(&near->address, addr) && !near->port)
		why = ": it has no port";
	if (near)
		snprintf(error, ORDERS_ERROR_LEN,
			 "pool %s has no backend %s%s; did you mean %s/%s?", pool->name,
			 backend_name(addr, port, wrong), why, pool->name,
			 backend_name(&near->address, near->port, right));
	else
		snprintf(error, ORDERS_ERROR_LEN, "pool %s has no backend %s", pool->name,
			 backend_name(addr, port, wrong));
}

/* "web/10.2.0.11:8080", "web/[2001:db8::1]:8080", or without a port where the backend has none. */
static bool
find_target(const struct config *config, const char *text, struct target *t, char *error)
{
	const char *slash = text ? strchr(text, '/') : NULL;
	char pool[CONFIG_NAME_MAX + 1];
	struct addr addr;
	uint16_t port = 0;

	if (!slash ||
	    (addr_port_parse(slash + 1, &addr, &port) != 0 && addr_parse(slash + 1, &addr) != 0)) {
		snprintf(error, ORDERS_ERROR_LEN,
			 "backend: must be POOL/ADDRESS:PORT, for example web/10.2.0.11:8080 or "
			 "web/[2001:db8::1]:8080");
		return false;
	}
	t->pool = find_pool(config, text, (size_t)(slash - text));
	if (!t->pool) {
		snprintf(pool, sizeof(pool), "%.*s",
			 slash - text > CONFIG_NAME_MAX ? CONFIG_NAME_MAX : (int)(slash - text),
			 text);
		refuse_pool(config, pool, error);
		return false;
	}
	t->backend = find_backend(t->pool, &addr, port);
	if (!t->backend)
		refuse_backend(t->pool, &addr, port, error);
	return t->backend != NULL;
}

static bool
find_weight(json_t *request, uint32_t *weight, char *error)
{
	json_t *value = json_object_get(request, "weight");
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || n > REQUEST_WEIGHT_MAX) {
		snprintf(error, ORDERS_ERROR_LEN, "weight: must be a number from 0 to %d",
			 REQUEST_WEIGHT_MAX);
		return false;
	}
	*weight = (uint32_t)n;
	return true;
}

/* What to tell beside the state: an order that does not do what one might think. */
static const char *
remark(enum health_order order, const struct health_view *now)
{
	if (order == HEALTH_ORDER_ENABLE && now->state == BACKEND_STATE_DRAIN)
		return "its weight is 0";
	if (order == HEALTH_ORDER_ENABLE && now->state == BACKEND_STATE_DOWN)
		return "its check fails";
	if (order == HEALTH_ORDER_WEIGHT && now->state == BACKEND_STATE_DISABLED)
		return "it is disabled";
	return "";
}

static json_t *
run(struct control *control, const struct target *t, enum health_order order, uint32_t weight)
{
	char address[ADDR_STRLEN], name[ADDR_PORT_STRLEN];
	struct health_view before = { 0 }, now = { 0 };
	const char *unsaved = NULL;
	int rc;

	health_show(control->health, t->pool, t->backend, &before);
	rc = health_order(control->health, t->pool, t->backend,
			  &(struct health_order_request){ order, weight });
	if (rc == -ENOENT)
		return NULL;
	if (rc < 0)
		unsaved = strerror(-rc);
	control_publish(control);
	health_show(control->health, t->pool, t->backend, &now);
	log_event(LOG_LEVEL_INFO, "backend-ordered", "pool", t->pool->name, "backend",
		  addr_port_format(&t->backend->address, t->backend->port, name), "was",
		  backend_state_name(before.state), "state", backend_state_name(now.state), NULL);
	return json_pack("{s:s, s:s, s:i, s:I, s:s, s:s, s:s, s:s*}", "pool", t->pool->name,
			 "address", addr_format(&t->backend->address, address), "port",
			 (int)t->backend->port, "weight", (json_int_t)now.weight, "was",
			 backend_state_name(before.state), "state", backend_state_name(now.state),
			 "remark", remark(order, &now), "not_saved", unsaved);
}

json_t *
orders_run(struct control *control, json_t *request, char error[ORDERS_ERROR_LEN])
{
	static const char *const names[] = {
		[HEALTH_ORDER_ENABLE] = "enable",
		[HEALTH_ORDER_DRAIN] = "drain",
		[HEALTH_ORDER_DISABLE] = "disable",
		[HEALTH_ORDER_WEIGHT] = "weight",
	};
	const char *command = json_string_value(json_object_get(request, "command"));
	const char *backend = json_string_value(json_object_get(request, "backend"));
	struct target target;
	uint32_t weight = 0;
	unsigned int order = 0;

	while (strcmp(names[order], command) != 0)
		order++;
	if (!find_target(control->config, backend, &target, error))
		return NULL;
	if (order == HEALTH_ORDER_WEIGHT && !find_weight(request, &weight, error))
		return NULL;
	return run(control, &target, (enum health_order)order, weight);
}
