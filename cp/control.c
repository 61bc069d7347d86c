/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applying configurations, and keeping the published snapshot up to date with the network.
 *
 * A configuration becomes the running one in this order: parse and validate, tell Linux, compile,
 * publish. Whatever fails, Linux is told the old one again and nothing was published.
 */
#include "cp/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cp/admin/admin.h"
#include "cp/config/message.h"
#include "cp/device/ports.h"
#include "cp/health/health.h"
#include "cp/log.h"
#include "cp/publish.h"
#include "cp/record/records.h"
#include "cp/state/generations.h"
#include "cp/state/settled.h"
#include "cp/state/tables.h"
#include "cp/tls/handshakes.h"
#include "cp/tls/listeners.h"
#include "cp/tls/pools.h"

/* Changes of the network wait this long for more of them. */
#define REFRESH_DELAY 10000000ULL
/* ... and for so long at most after one that took long. */
#define REST_MAX 250000000ULL
/* How soon to look again whether old snapshots can be freed. */
#define RECLAIM_DELAY 5000000ULL
/* ... and what requests still use that began before. */
#define REQUESTS_DELAY 1000000000ULL
/* Pools that are due within the same time settle together. */
#define SETTLE_TOGETHER 1000000000ULL
/* How soon to try again to make a twin anew. */
#define HEAL_AGAIN 5000000000ULL

/* Compile `config` as of now. */
static const struct snapshot *
compile_now(struct control *c, const struct config *config, uint64_t generation, const char **error)
{
	struct compile_input in = {
		.config = config,
		.generation = generation,
		.port_macs = c->port_macs,
		.conditions = health_conditions,
		.conditions_arg = c->health,
		.now = dp_clock_now(&c->dp->clock),
	};

	in.neighbours = network_neighbours(c->network, &in.n_neighbours);
	in.routes = network_routes(c->network, &in.n_routes);
	network_port_range(&in.kernel_port_low, &in.kernel_port_high);
	return compile(c->compiler, &in, error);
}

static void
arm_earlier(struct control *c, uint64_t at)
{
	if (at >= c->publish_at)
		return;
	c->publish_at = at;
	loop_timer_arm(c->publish_timer, at);
}

/* Arm the timer for when moving rows settle: the compiler speaks the workers' clock. */
static void
arm_settle(struct control *c)
{
	uint64_t at = compiler_next_settle(c->compiler);
	uint64_t now = dp_clock_now(&c->dp->clock);

	if (at != UINT64_MAX)
		loop_timer_arm(c->settle_timer,
			       loop_now() + (at > now ? at - now : 0) + SETTLE_TOGETHER);
	else
		loop_timer_disarm(c->settle_timer);
}

/* Publish a compiled snapshot and all that follows from it: publish_prepare has succeeded, and
 * nothing can fail any more. */
static void
publish_snapshot(struct control *c, const struct snapshot *s)
{
	const struct network_target *targets;
	size_t n;

	compiler_commit(c->compiler);
	if (c->tables)
		tables_save_slots(c->tables, compiler_services(c->compiler),
				  compiler_backends(c->compiler));
	if (c->settled)
		settled_publishing(c->settled);
	publish(c->publisher, s);
	c->snapshot = s;
	targets = compiler_targets(c->compiler, &n);
	network_keep(c->network, targets, n);
	loop_timer_arm(c->reclaim_timer, loop_now() + RECLAIM_DELAY);
	arm_settle(c);
}

/* MTUs, twins and addresses as `config` wants them. 0, or -errno with *error a sentence. */
static int
tell_linux(struct control *c, const struct config *config, const char **error)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < config->n_interfaces; i++) {
		rc = ports_set_mtu(c->dp, (unsigned int)i, config->interfaces[i].mtu, c->error,
				   sizeof(c->error));
		*error = c->error;
	}
	if (rc == 0 && c->twins)
		rc = twins_configure(c->twins, config, error);
	if (rc == 0)
		rc = network_configure(c->network, config, error);
	return rc;
}

/* Make twins anew that somebody has deleted, with all that was on them. */
static void
heal_twins(struct control *c)
{
	const char *error = NULL;

	if (!c->twins || !twins_lost(c->twins))
		return;
	if (tell_linux(c, c->config, &error) == 0) {
		log_warning("made anew, with its addresses and routes");
		return;
	}
	log_error("%s", error);
	arm_earlier(c, loop_now() + HEAL_AGAIN);
}

int
control_publish(struct control *c)
{
	uint64_t began = loop_now(), cost;
	const char *error = NULL;
	const struct snapshot *s = compile_now(c, c->config, c->generation, &error);

	if (s && publish_prepare(c->publisher) < 0) {
		compiler_abandon(c->compiler);
		snapshot_free(s);
		s = NULL;
		error = "not enough memory";
	}
	if (s)
		publish_snapshot(c, s);
	/* Large pools take their time to compile: four times as long is everybody else's. */
	cost = loop_now() - began;
	c->publish_rest = began + cost + (cost < REST_MAX / 4 ? 4 * cost : REST_MAX);
	if (s) {
		health_published(c->health);
		admin_published(c->admin);
		return 0;
	}
	log_error("cannot follow a change, the last snapshot stays: %s", error);
	arm_earlier(c, loop_now() + 100 * REFRESH_DELAY);
	return -ENOMEM;
}

static void
on_publish_timer(void *arg)
{
	struct control *c = arg;

	c->publish_at = UINT64_MAX;
	heal_twins(c);
	control_publish(c);
}

static void
on_settled(void *arg)
{
	control_publish(arg);
}

static void
on_settle_timer(void *arg)
{
	struct control *c = arg;

	if (!c->settled) {
		control_publish(c);
		return;
	}
	settled_due(c->settled, dp_clock_now(&c->dp->clock));
	arm_settle(c);
}

static void
on_reclaim_timer(void *arg)
{
	struct control *c = arg;

	size_t snapshots = publisher_reclaim(c->publisher);
	size_t kept = compiler_reclaim(c->compiler);

	if (snapshots)
		loop_timer_arm(c->reclaim_timer, loop_now() + RECLAIM_DELAY);
	else if (kept)
		loop_timer_arm(c->reclaim_timer, loop_now() + REQUESTS_DELAY);
}

/* Workers met addresses on the link that nobody has resolved. */
static void
on_resolve_timer(void *arg)
{
	struct control *c = arg;
	struct resolve_request r;
	unsigned int budget = 256;

	while (budget-- && rte_ring_sc_dequeue_elem(c->dp->resolve, &r, sizeof(r)) == 0)
		network_resolve(c->network, r.port, r.vlan, &r.addr);
	loop_timer_arm(c->resolve_timer, loop_next_beat(loop_now()));
}

void
control_refresh(struct control *c)
{
	uint64_t at = loop_now() + REFRESH_DELAY;

	if (c->config)
		arm_earlier(c, at > c->publish_rest ? at : c->publish_rest);
}

static void
on_health_changed(void *arg)
{
	control_refresh(arg);
}

/* Slots mean what they meant to the last process. */
static void
adopt_slots(struct control *c)
{
	struct identity *services, *backends;

	if (!c->tables || !tables_restores(c->tables))
		return;
	tables_take_slots(c->tables, &services, &backends);
	compiler_adopt(c->compiler, services, backends);
}

/* ... and so do settled tables. */
static int
start_settled(struct control *c)
{
	if (!c->store)
		return 0; /* that nothing will be kept is said by who has no store */
	c->settled = settled_create(c->loop, c->store, c->compiler, on_settled, c);
	if (!c->settled)
		return -ENOMEM;
	if (!c->fresh)
		settled_restore(c->settled);
	return 0;
}

int
control_start(struct control *c)
{
	c->publish_at = UINT64_MAX;
	c->publish_timer = loop_timer_create(c->loop, on_publish_timer, c);
	c->settle_timer = loop_timer_create(c->loop, on_settle_timer, c);
	c->reclaim_timer = loop_timer_create(c->loop, on_reclaim_timer, c);
	c->resolve_timer = loop_timer_create(c->loop, on_resolve_timer, c);
	c->publisher = publisher_create(c->dp);
	c->compiler = compiler_create((uint16_t)c->dp->n_workers);
	c->health = health_create(c->loop, c->store, on_health_changed, c);
	c->records = records_create(c);
	c->handshakes = tls_handshakes_create();
	if (c->handshakes) {
		struct tls_store *store = tls_handshakes_store(c->handshakes);

		c->tls_listeners = tls_listeners_create(c->loop, store);
		c->tls_pools = tls_pools_create(c->loop, store);
	}
	if (!c->publish_timer || !c->settle_timer || !c->reclaim_timer || !c->resolve_timer ||
	    !c->publisher || !c->compiler || !c->health || !c->records || !c->tls_listeners ||
	    !c->tls_pools)
		return -ENOMEM;
	adopt_slots(c);
	if (start_settled(c) < 0)
		return -ENOMEM;
	loop_timer_arm(c->resolve_timer, loop_next_beat(loop_now()));
	return 0;
}

bool
control_stop(struct control *c)
{
	if (c->handshakes && !tls_handshakes_stop(c->handshakes))
		return false;
	tls_listeners_destroy(c->tls_listeners);
	tls_pools_destroy(c->tls_pools);
	records_destroy(c->records);
	publisher_destroy(c->publisher);
	settled_destroy(c->settled);
	compiler_destroy(c->compiler);
	health_destroy(c->health);
	config_free(c->config);
	free(c->config_text);
	free(c->config_name);
	c->config = NULL;
	c->snapshot = NULL;
	return true;
}

void
control_stopped(struct control *c)
{
	tls_handshakes_destroy(c->handshakes);
}

/* A configuration on its way in. */
struct candidate {
	struct config *config;
	char *text, *name;
	char *changes; /* from the running one */
	uint64_t number;
	enum generation_how how;
};

static void
candidate_free(struct candidate *n)
{
	config_free(n->config);
	free(n->text);
	free(n->name);
	free(n->changes);
}

static void
log_published(const struct control *c, enum generation_how how)
{
	char generation[24];

	snprintf(generation, sizeof(generation), "%lu", (unsigned long)c->generation);
	log_event(LOG_LEVEL_INFO, "generation-published", "#generation", generation, "name",
		  c->config_name, "how", generation_how_name(how), NULL);
}

/* Limits on clients need all of their memory. 0 or -errno. */
static int
prepare_limits(struct control *c, const struct config *config)
{
	size_t i;

	for (i = 0; i < config_n_services(config); i++)
		if (config_service(config, i)->limit_client.set)
			return dataplane_prepare_clients(c->dp);
	return 0;
}

/* Listeners need a TCP. 0 or -errno. */
static int
prepare_listeners(struct control *c, const struct config *config)
{
	bool http = false;
	int rc = 0;
	size_t i;

	for (i = 0; i < config->n_listeners; i++)
		http = http || listener_has_http(&config->listeners[i]);
	if (config->n_listeners)
		rc = dataplane_prepare_proxies(c->dp, http);
	if (rc == 0 && http &&
	    (config->records.file || config->records.socket || config->tracing.endpoint))
		rc = dataplane_prepare_records(c->dp);
	return rc;
}

/* TLS with clients or backends needs threads for handshakes, and what workers have for these. 0 or
 * -errno. */
static int
prepare_tls(struct control *c, const struct config *config, const char **error)
{
	bool tls = false;
	size_t i;

	for (i = 0; i < config->n_listeners; i++)
		tls = tls || listener_ends_tls(&config->listeners[i]);
	for (i = 0; i < config->n_pools; i++)
		tls = tls || pool_speaks_tls(&config->pools[i]);
	return tls ? tls_handshakes_prepare(c->handshakes, c->dp, &config->tls, error) : 0;
}

/* What is to be published, of which listeners and pools with TLS need to know where they are. */
struct compiled {
	const struct compiler *compiler;
	const struct snapshot *snapshot;
};

static struct tls_place
place_of(const void *arg, size_t service)
{
	const struct compiled *compiled = arg;
	uint32_t slot = compiler_pending_slot(compiled->compiler, service);

	return (struct tls_place){ slot, compiled->snapshot->services[slot].epoch };
}

/* A snapshot's pools stand in the order of its configuration. */
static struct tls_place
pool_place_of(const void *arg, size_t pool)
{
	const struct compiled *compiled = arg;
	const struct pool *p = &compiled->snapshot->pools[pool];

	return (struct tls_place){ p->slot, p->epoch };
}

/* What handshakes are made with, for both or for none. 0 or -errno. */
static int
offer_tls(struct control *c, const struct config *config, const struct snapshot *s,
	  const char **error)
{
	struct compiled compiled = { c->compiler, s };
	int rc = tls_listeners_offer(c->tls_listeners, config, place_of, &compiled, error);

	if (rc < 0)
		return rc;
	rc = tls_pools_offer(c->tls_pools, config, pool_place_of, &compiled, error);
	if (rc < 0)
		tls_listeners_withdraw(c->tls_listeners);
	return rc;
}

/* Certificates first: no worker may see a listener that has none, or a pool whose backends cannot
 * be spoken to. 0 or -errno. */
static int
publish_config(struct control *c, const struct config *config, const struct snapshot *s,
	       const char **error)
{
	int rc = offer_tls(c, config, s, error);

	if (rc < 0)
		return rc;
	*error = "not enough memory";
	rc = publish_prepare(c->publisher);
	if (rc < 0) {
		tls_listeners_withdraw(c->tls_listeners);
		tls_pools_withdraw(c->tls_pools);
		return rc;
	}
	publish_snapshot(c, s);
	tls_listeners_published(c->tls_listeners);
	tls_pools_published(c->tls_pools);
	return 0;
}

/* Make n the running configuration; takes it over on success only. On failure *error says why. */
static int
take_over(struct control *c, const struct candidate *n, const char **error)
{
	const struct snapshot *s = NULL;
	int rc = tell_linux(c, n->config, error);

	if (rc == 0) {
		*error = "not enough memory";
		rc = health_prepare(c->health, n->config);
	}
	if (rc == 0) {
		*error = "not enough memory for dataplane.clients";
		rc = prepare_limits(c, n->config);
	}
	if (rc == 0) {
		*error =
		    "not enough memory for dataplane.sessions and backend_connections of listeners";
		rc = prepare_listeners(c, n->config);
	}
	if (rc == 0)
		rc = prepare_tls(c, n->config, error);
	if (rc == 0) {
		*error = "not enough memory";
		s = compile_now(c, n->config, n->number, error);
		rc = s ? publish_config(c, n->config, s, error) : -ENOMEM;
	}
	if (rc < 0) {
		compiler_abandon(c->compiler);
		snapshot_free(s);
		control_refresh(c);
		return rc;
	}
	health_configure(c->health, n->config);
	candidate_free(&(struct candidate){
	    .config = c->config, .text = c->config_text, .name = c->config_name });
	c->config = n->config;
	c->config_text = n->text;
	c->config_name = n->name;
	c->generation = n->number;
	c->applied_at = time(NULL);
	log_configure(&c->config->log, c->config->instance);
	log_published(c, n->how);
	health_published(c->health);
	records_published(c->records);
	admin_published(c->admin);
	return 0;
}

/* Workers that own other clients than before do not know these clients' connections. */
static void
warn_of_owners(const struct control *c, const struct config *config, const char *name,
	       struct config_messages *messages)
{
	uint8_t before[2], after[2];

	if (!c->config || config->dataplane.n_workers < 2)
		return;
	compile_owner_prefixes(c->config, &before[0], &before[1]);
	compile_owner_prefixes(config, &after[0], &after[1]);
	if (before[0] != after[0] || before[1] != after[1])
		message_add(messages, name, 0, true,
			    "clients are now /%u and /%u where they were /%u and /%u (prefix4, "
			    "prefix6 of limits): they move to other workers, and what these do not "
			    "know of them begins anew: connections in nat modes, use of limits",
			    after[0], after[1], before[0], before[1]);
}

/* Parse and validate; an error in messages if the result cannot become the running configuration.
 */
static struct config *
examine(struct control *c, const struct control_request *request, struct config_messages *messages)
{
	struct config *config = config_parse(request->name, request->text, request->len, messages);
	const char *why = NULL;

	if (!config)
		return NULL;
	if (c->config && config_needs_restart(c->config, config, &why)) {
		message_add(messages, request->name, 0, false,
			    "%s cannot be changed while penstockd runs: restart it", why);
		config_free(config);
		return NULL;
	}
	warn_of_owners(c, config, request->name, messages);
	return config;
}

/* take_over, and the history has it. */
static int
publish_generation(struct control *c, const struct candidate *n,
		   const struct control_request *request, struct config_messages *messages)
{
	const char *error = "not enough memory";
	int kept = generations_publishing(c->generations, request, n->number, n->changes);
	int rc = take_over(c, n, &error), late;
	uint64_t left;

	if (rc < 0) {
		generations_failed(c->generations, request, n->number);
		message_add(messages, request->name, 0, false, "%s", error);
		return rc;
	}
	late = generations_published(c->generations, request, n->number, n->changes);
	if (generations_waiting(c->generations, &left) == 0)
		health_settle(c->health);
	kept = kept < 0 ? kept : late;
	if (kept < 0)
		message_add(messages, request->name, 0, true,
			    "generation %lu is not kept for a rollback or a restart: %s",
			    (unsigned long)n->number, strerror(-kept));
	return 0;
}

int
control_apply(struct control *c, const struct control_request *request,
	      struct config_messages *messages)
{
	struct candidate n = { .config = examine(c, request, messages), .how = request->how };
	const char *back = NULL;
	int rc;

	if (!n.config)
		return -EINVAL;
	n.number =
	    request->resume ? request->resume : history_next(generations_history(c->generations));
	n.changes = generations_diff(c->config ? c->config : request->before, n.config);
	if (n.changes && request->diff)
		fputs(n.changes, request->diff);
	if (n.changes && request->dry_run) {
		candidate_free(&n);
		return 0;
	}
	n.text = strndup(request->text, request->len);
	n.name = strdup(request->name);
	if (!n.changes || !n.text || !n.name) {
		message_add(messages, request->name, 0, false, "not enough memory");
		candidate_free(&n);
		return -ENOMEM;
	}
	rc = publish_generation(c, &n, request, messages);
	if (rc == 0) {
		free(n.changes);
		return 0;
	}
	if (c->config && tell_linux(c, c->config, &back) < 0)
		log_error("cannot go back to the running configuration: %s", back);
	candidate_free(&n);
	return rc;
}
