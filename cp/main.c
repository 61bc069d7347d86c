/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penstockd: the list of subsystems, in the order in which they start; they end in the reverse
 * order. The only file that exits.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_malloc.h>

#include "cp/admin/admin.h"
#include "cp/admin/admin_socket.h"
#include "cp/admin/metrics.h"
#include "cp/config/config.h"
#include "cp/config/manual.h"
#include "cp/control.h"
#include "cp/device/ports.h"
#include "cp/log.h"
#include "cp/net/tap.h"
#include "cp/options.h"
#include "cp/record/records.h"
#include "cp/service_manager.h"
#include "cp/state/beginning.h"
#include "cp/state/generations.h"
#include "cp/state/store.h"
#include "cp/state/tables.h"
#include "cp/state/take_over.h"
#include "dp/l4/connection_memory.h"
#include "lib/units.h"

#define RESOLVE_RING_SIZE 1024

/* Everything that main starts and ends. */
struct penstockd {
	struct options options;
	struct control control;
	struct dataplane dataplane;
	int background; /* from daemon_start, -1 in the foreground */
	int signals;
	bool eal, launched;
	const char *no_store; /* why control.store is NULL */
	struct beginning beginning;
};

static void
print_messages(const struct config_messages *messages)
{
	size_t i;

	for (i = 0; i < messages->count; i++)
		(messages->list[i].warning ? log_warning : log_error)("%s", messages->list[i].text);
}

static void
reload(struct control *c)
{
	struct config_messages messages = { 0 };
	size_t len = 0;
	char *text = config_load_text(c->config_file, &len, &messages);
	struct control_request request = {
		.name = c->config_file, .text = text, .len = len, .how = GENERATION_SIGHUP
	};
	int rc;

	/* Who rotates logs sends SIGHUP every day: a history of ten times the same is none. */
	if (text && strcmp(text, c->config_text) == 0)
		request.resume = c->generation;
	rc = text ? control_apply(c, &request, &messages) : -ENOENT;
	print_messages(&messages);
	if (rc < 0)
		log_error("%s was not applied, generation %lu goes on", c->config_file,
			  (unsigned long)c->generation);
	config_messages_free(&messages);
	free(text);
}

static void
on_signal(int fd, uint32_t events, void *arg)
{
	struct penstockd *d = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			service_manager_notify("RELOADING=1");
			reload(&d->control);
			records_reopen(d->control.records);
			service_manager_notify("READY=1");
		} else {
			loop_stop(d->control.loop);
		}
	}
}

/* Block signals early, so that all threads inherit it and only the loop sees them. */
static int
start_signals(struct penstockd *d)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	d->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return d->signals < 0 ? -errno : 0;
}

/* The shared part of the data plane, then a worker for each core. */
static int
start_workers(struct penstockd *d, const struct config *config)
{
	struct dataplane *dp = &d->dataplane;
	size_t rcu_size = rte_rcu_qsbr_get_memsize(SNAPSHOT_MAX_WORKERS);
	uint16_t i;

	if (d->control.tables)
		tables_start_clock(d->control.tables, &dp->clock);
	else
		dp_clock_init(&dp->clock);
	dp->connections = config->dataplane.connections;
	dp->clients = config->dataplane.clients;
	dp->sessions = config->dataplane.sessions;
	dp->backend_connections = config->dataplane.backend_connections;
	dp->idle_sleep = config->dataplane.idle_sleep;
	dp->rcu = rte_zmalloc("rcu", rcu_size, RTE_CACHE_LINE_SIZE);
	dp->resolve = rte_ring_create_elem("resolve", sizeof(struct resolve_request),
					   RESOLVE_RING_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (dataplane_create(dp) < 0 || !dp->rcu || !dp->resolve ||
	    rte_rcu_qsbr_init(dp->rcu, SNAPSHOT_MAX_WORKERS))
		return -ENOMEM;
	for (i = 0; i < config->dataplane.n_workers; i++) {
		int rc;

		if (d->control.tables)
			dp->connection_memory[i] = tables_memory(d->control.tables, i);
		rc = worker_create(dp, i, i + 1u, config->dataplane.workers[i]);

		if (rc < 0)
			return rc;
	}
	dp->n_workers = i;
	return 0;
}

static void
open_tables(struct penstockd *d, const struct config *config)
{
	const struct tables_request request = {
		.store = d->control.store,
		.instance = config->instance,
		.cores = config->dataplane.workers,
		.n_workers = (uint32_t)config->dataplane.n_workers,
		.connections = config->dataplane.connections,
		.budget = config->dataplane.memory,
		.hugepages = config->dataplane.hugepages,
		.fresh = d->options.fresh,
	};

	d->control.tables = tables_open(&request);
}

static int
fail(const char *what, const char *why)
{
	log_error("%s: %s", what, why);
	return -1;
}

/* Bytes that the workers take at the least: packets, clients and sessions come on top. */
static uint64_t
workers_memory(const struct dataplane_config *dp)
{
	return dp->n_workers * connections_table_size(dp->connections);
}

static int
fail_workers(const struct dataplane_config *dp)
{
	char text[200], size[UNITS_STRLEN];

	snprintf(text, sizeof(text),
		 "not enough memory: %zu worker%s with %u connections need more than %s; raise "
		 "dataplane.memory (and vm.nr_hugepages), or lower dataplane.connections",
		 dp->n_workers, dp->n_workers == 1 ? "" : "s", dp->connections,
		 size_format(workers_memory(dp) >> 20 << 20, size));
	return fail("cannot create the workers", text);
}

/* DPDK, devices, workers' memory: what the configuration fixes for the life of the process. */
static int
start_dataplane(struct penstockd *d, const struct config *config)
{
	char error[512] = "";
	uint64_t elsewhere;
	size_t i;

	d->control.fresh = d->options.fresh;
	/* Hugepages can be had later, too; ordinary memory is all there at the start. */
	if (!config->dataplane.hugepages &&
	    workers_memory(&config->dataplane) >= config->dataplane.memory)
		return fail_workers(&config->dataplane);
	open_tables(d, config);
	elsewhere = d->control.tables ? tables_size(d->control.tables) : 0;
	if (ports_eal_init(config, elsewhere, error, sizeof(error)) < 0)
		return fail("cannot start DPDK", error);
	d->eal = true;
	d->dataplane.n_workers = (uint32_t)config->dataplane.n_workers;
	if (ports_open(&d->dataplane, config, error, sizeof(error)) < 0)
		return fail("cannot open the interfaces", error);
	for (i = 0; i < config->n_interfaces; i++)
		memcpy(d->control.port_macs[i].b, d->dataplane.ports[i].mac, 6);
	if (start_workers(d, config) < 0)
		return fail_workers(&config->dataplane);
	return 0;
}

static void
on_network_changed(void *arg)
{
	control_refresh(arg);
}

static int
start_control(struct penstockd *d, const struct config *config)
{
	struct control *c = &d->control;
	const char *error = NULL;
	int rc;

	c->dp = &d->dataplane;
	c->started_at = loop_now();
	c->network = network_create(c->loop, on_network_changed, c, &error);
	if (!c->network)
		return fail("cannot follow the kernel's network", error);
	c->twins = twins_create(c->loop, c->dp, config, c->network, &error);
	if (!c->twins)
		return fail("cannot create the twins", error);
	rc = control_start(c);
	if (rc == 0)
		rc = generations_start(c->generations, c);
	return rc < 0 ? fail("cannot start", strerror(-rc)) : 0;
}

/* The first configuration goes the same way as every later one. */
static int
start_forwarding(struct penstockd *d)
{
	struct control *c = &d->control;
	struct config_messages messages = { 0 };
	const struct beginning *b = &d->beginning;
	struct control_request request = {
		.name = b->name,
		.text = b->text,
		.len = b->len,
		.how = GENERATION_START,
		.from = b->from,
		.resume = b->resume,
		.before = b->before,
	};
	int rc = control_apply(c, &request, &messages);
	uint32_t i;

	print_messages(&messages);
	config_messages_free(&messages);
	if (rc < 0)
		return -1;
	if (c->tables && tables_restores(c->tables) && take_over_connections(c->dp) < 0)
		return -1;
	for (i = 0; i < d->dataplane.n_workers; i++) {
		struct worker *w = d->dataplane.workers[i];

		rc = rte_eal_remote_launch(worker_run, w, w->lcore);
		if (rc < 0)
			return fail("cannot start a worker", strerror(-rc));
	}
	d->launched = true;
	return 0;
}

static int
start_admin(struct penstockd *d)
{
	const char *error = NULL;

	d->control.admin = admin_create(&d->control, &error);
	return d->control.admin ? 0 : fail("cannot open the admin socket", error);
}

/* Before a device is touched: to open one that another penstockd uses may take its packets away for
 * good, even if it fails (the AF_XDP driver takes the XDP program off). */
static int
check_alone(const struct penstockd *d, const struct config *config)
{
	char error[512];
	size_t i;

	if (admin_socket_vacant(d->control.socket_path, error, sizeof(error)) < 0)
		return fail("cannot open the admin socket", error);
	for (i = 0; i < config->n_interfaces; i++)
		if (config->interfaces[i].twin &&
		    tap_vacant(config->interfaces[i].name, error, sizeof(error)) < 0)
			return fail("cannot create the twins", error);
	return 0;
}

/* It does not run what its file says: every start says so. */
static void
warn_of_beginning(struct penstockd *d)
{
	struct beginning *b = &d->beginning;
	char number[24];

	print_messages(&b->messages);
	snprintf(number, sizeof(number), "%lu", (unsigned long)b->from);
	log_event(LOG_LEVEL_WARNING, "last-good-generation", "message", b->notice, "#generation",
		  number, NULL);
	generations_set_notice(d->control.generations, b->notice);
	b->notice = NULL;
}

/* Start everything; what was started is ended by stop() in any case. */
static int
start(struct penstockd *d, const struct config *config)
{
	int rc = start_signals(d);

	if (rc < 0)
		return fail("cannot handle signals", strerror(-rc));
	d->control.loop = loop_create();
	if (!d->control.loop)
		return fail("cannot create the event loop", strerror(errno));
	if (loop_fd_add(d->control.loop, d->signals, EPOLLIN, on_signal, d) < 0)
		return fail("cannot watch for signals", strerror(errno));
	if (check_alone(d, config) < 0 || start_dataplane(d, config) < 0)
		return -1;
	if (start_control(d, config) < 0)
		return -1;
	if (start_admin(d) < 0)
		return -1;
	if (!d->control.store)
		log_warning("nothing will be kept for the next start: %s", d->no_store);
	if (d->beginning.notice)
		warn_of_beginning(d);
	return start_forwarding(d);
}

static void
stop_ports(struct penstockd *d)
{
	if (d->control.twins)
		twins_destroy(d->control.twins);
	if (d->control.network)
		network_destroy(d->control.network);
	ports_stop(&d->dataplane);
}

/* False: a thread is stuck, so that memory it uses cannot be freed; what others see is gone. */
static bool
stop(struct penstockd *d)
{
	struct control *c = &d->control;
	uint32_t i;

	if (c->admin)
		admin_destroy(c->admin);
	atomic_store(&d->dataplane.stop, true);
	if (d->eal)
		rte_eal_mp_wait_lcore();
	if (c->dp && !control_stop(c)) {
		log_warning("a thread for TLS handshakes does not end: penstockd ends without it");
		stop_ports(d);
		return false;
	}
	stop_ports(d);
	for (i = 0; i < SNAPSHOT_MAX_WORKERS; i++)
		worker_destroy(d->dataplane.workers[i]);
	control_stopped(c);
	tables_close(c->tables, d->launched);
	dataplane_destroy(&d->dataplane);
	if (d->eal) {
		ports_close(&d->dataplane);
		rte_eal_cleanup();
	}
	generations_stop(c->generations);
	if (c->loop)
		loop_destroy(c->loop);
	return true;
}

static void
ready(struct penstockd *d)
{
	if (d->background >= 0) {
		log_background();
		daemon_ready(d->background);
	}
	log_event_always("ready", "message", "penstockd: ready", NULL);
	service_manager_notify("READY=1");
}

static int
run(struct penstockd *d)
{
	bool ended;
	int rc;

	log_configure(&d->beginning.config->log, d->beginning.config->instance);
	rc = start(d, d->beginning.config);
	if (rc == 0) {
		ready(d);
		loop_run(d->control.loop);
		service_manager_notify("STOPPING=1");
		log_event(LOG_LEVEL_INFO, "stopping", NULL);
	}
	ended = stop(d);
	log_flush();
	rc = rc == 0 ? 0 : 1;
	if (!ended)
		_exit(rc); /* exit() takes apart what the thread may wake up in */
	return rc;
}

/* Read and validate before anything is started or goes into the background: errors then reach the
 * terminal. */
static int
begin(struct penstockd *d)
{
	struct beginning *b = &d->beginning;
	struct control *c = &d->control;
	size_t i;
	int rc = 1;

	c->store = store_open(d->options.state_dir, &d->no_store);
	c->generations = generations_create(c->store, c->config_file);
	if (!c->generations) {
		store_close(c->store);
		fail("cannot start", "not enough memory");
		return 1;
	}
	beginning_choose(b, c->generations, c->config_file);
	for (i = 0; i < b->messages.count && !b->config; i++)
		fprintf(stderr, "%s\n", b->messages.list[i].text);
	if (b->config && !d->options.foreground) {
		d->background = daemon_start();
		if (d->background < 0)
			log_error("cannot go into the background: %s", strerror(-d->background));
	}
	if (b->config && (d->options.foreground || d->background >= 0))
		rc = run(d);
	beginning_clear(b);
	generations_destroy(c->generations);
	store_close(c->store);
	return rc;
}

/* What the build puts into the manual pages. */
static int
print_manual(const char *part)
{
	if (strcmp(part, "settings") == 0)
		manual_settings(stdout);
	else if (strcmp(part, "metrics") == 0)
		metrics_manual(stdout);
	else if (strcmp(part, "drops") == 0)
		manual_drops(stdout);
	else {
		fprintf(stderr, "penstockd: --manual: \"%s\" is not settings, metrics or drops\n",
			part);
		return 2;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	static struct penstockd d;
	int rc = program_options_parse(&d.options, argc, argv);

	if (rc != 0)
		return rc < 0 ? 2 : 0;
	if (d.options.manual)
		return print_manual(d.options.manual);
	if (d.options.check)
		return config_check_main(d.options.config_file);
	d.background = -1;
	d.control.config_file = d.options.config_file;
	d.control.socket_path = d.options.socket_path;
	return begin(&d);
}
