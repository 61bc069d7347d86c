/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/control/fixture.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>

#include "cp/device/ports.h"

#define MS 1000000ull

struct fixture fixture;

static struct worker carrier;
static atomic_bool carrier_stop;
static pid_t peers;

static void
need(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "control tests: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- frames, instead of workers ---- */

/* As parse and the verdict "host" leave a packet. */
static void
to_host(struct rte_mbuf *m, uint8_t port)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	struct packet *p = packet_of_mbuf(m);

	memset(p, 0, sizeof(*p));
	p->in_port = port;
	if (m->data_len >= 16 && frame[12] == 0x81 && frame[13] == 0) {
		p->flags = PACKET_TAGGED;
		p->vlan = (uint16_t)((frame[14] & 15) << 8 | frame[15]);
	}
	if (!fixture.dp.ports[port].to_host ||
	    rte_ring_enqueue(fixture.dp.ports[port].to_host, m) != 0)
		rte_pktmbuf_free(m);
}

static int
carry(void *arg)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	uint16_t n, i;
	uint8_t port;

	(void)arg;
	while (!carrier_stop) {
		for (port = 0; port < fixture.dp.n_ports; port++) {
			n = rte_eth_rx_burst(fixture.dp.ports[port].port_id, 0, mbufs, BURST_MAX);
			for (i = 0; i < n; i++)
				to_host(mbufs[i], port);
		}
		n = (uint16_t)rte_ring_sc_dequeue_burst(carrier.from_host, (void **)mbufs,
							BURST_MAX, NULL);
		for (i = 0; i < n; i++) {
			uint16_t id = fixture.dp.ports[mbufs[i]->port].port_id;

			if (rte_eth_tx_burst(id, 0, &mbufs[i], 1) != 1)
				rte_pktmbuf_free(mbufs[i]);
		}
		usleep(100);
	}
	return 0;
}

/* ---- commands ---- */

struct command {
	pid_t pid;
	int status;
};

static bool
command_ended(void *arg)
{
	struct command *command = arg;

	return waitpid(command->pid, &command->status, WNOHANG) == command->pid;
}

static bool
run_command(const char *text)
{
	struct command command = { 0 };

	fflush(stdout);
	command.pid = fork();
	need(command.pid >= 0, "fork");
	if (command.pid == 0) {
		/* Child: the loop's descriptors are closed on exec. */
		if (!getenv("CONTROL_TESTS_VERBOSE") &&
		    (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)))
			_exit(126);
		execl("/bin/sh", "sh", "-c", text, NULL);
		_exit(127);
	}
	if (!run_until(command_ended, &command, 30000)) {
		kill(command.pid, SIGKILL);
		waitpid(command.pid, &command.status, 0);
		return false;
	}
	return WIFEXITED(command.status) && WEXITSTATUS(command.status) == 0;
}

bool
here(const char *format, ...)
{
	char text[1024];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	return run_command(text);
}

bool
peer(const char *format, ...)
{
	char text[1024];
	va_list list;
	int len = snprintf(text, sizeof(text), "nsenter --net=/proc/%d/ns/net ", peers);

	va_start(list, format);
	vsnprintf(text + len, sizeof(text) - (size_t)len, format, list);
	va_end(list);
	return run_command(text);
}

/* ---- the loop ---- */

struct waiting {
	bool (*condition)(void *arg);
	void *arg;
	uint64_t until;
	struct loop_timer *timer;
	bool holds;
};

static void
on_wait(void *arg)
{
	struct waiting *w = arg;

	w->holds = w->condition && w->condition(w->arg);
	if (w->holds || loop_now() >= w->until)
		loop_stop(fixture.loop);
	else
		loop_timer_arm(w->timer, loop_now() + 5 * MS);
}

bool
run_until(bool (*condition)(void *arg), void *arg, unsigned int ms)
{
	struct waiting w = { condition, arg, loop_now() + ms * MS, NULL, false };

	w.timer = loop_timer_create(fixture.loop, on_wait, &w);
	need(w.timer != NULL, "no timer");
	loop_timer_arm(w.timer, loop_now());
	loop_run(fixture.loop);
	loop_timer_free(w.timer);
	return w.holds;
}

void
run_for(unsigned int ms)
{
	run_until(NULL, NULL, ms);
}

/* ---- beginning and end ---- */

static void
begin_peers(void)
{
	int ready[2];
	char byte;

	need(pipe(ready) == 0, "pipe");
	peers = fork();
	need(peers >= 0, "fork");
	if (peers == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		need(unshare(CLONE_NEWNET) == 0, "cannot make a network namespace (root?)");
		need(write(ready[1], "", 1) == 1, "pipe");
		for (;;)
			pause();
	}
	close(ready[1]);
	need(read(ready[0], &byte, 1) == 1, "no second namespace");
	close(ready[0]);
}

struct config *
fixture_parse(const char *text)
{
	struct config_messages messages = { 0 };
	struct config *config = config_parse("test.conf", text, strlen(text), &messages);

	if (!config && messages.count > 0)
		snprintf(fixture.error, sizeof(fixture.error), "%s", messages.list[0].text);
	config_messages_free(&messages);
	return config;
}

/* Made anew for each start: DPDK's AF_XDP driver keeps a socket of a closed port until the process
 * ends. Peers have the addresses .2 of 10.1.0.0/24 and 10.2.0.0/24, and ::2 alike. */
static void
make_devices(void)
{
	here("ip link del veth-wan; ip link del veth-lan");
	need(here("ip link add veth-wan address 02:00:00:00:01:01 type veth peer name peer-wan "
		  "address 02:00:00:00:01:02 netns %d && "
		  "ip link add veth-lan address 02:00:00:00:02:01 type veth peer name peer-lan "
		  "address 02:00:00:00:02:02 netns %d",
		  peers, peers),
	     "cannot make veth devices");
	need(peer("sh -ec 'n=1; for d in peer-wan peer-lan; do "
		  "echo 0 > /proc/sys/net/ipv6/conf/$d/accept_dad; "
		  "ethtool -K $d tx off txvlan off; "
		  "ip addr add 10.$n.0.2/24 dev $d; ip addr add 2001:db8:$n::2/64 dev $d nodad; "
		  "ip link set $d up; n=2; done'"),
	     "cannot set up the peers");
}

void
fixture_begin(void)
{
	struct config *config;

	need(geteuid() == 0, "only root can do this");
	need(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0, "cannot make a network namespace");
	need(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mount");
	need(mount("sysfs", "/sys", "sysfs", 0, NULL) == 0, "mount /sys");
	begin_peers();
	fixture.loop = loop_create();
	need(fixture.loop != NULL, "no event loop");
	need(here("ip link set lo up"), "ip");
	make_devices();
	config = fixture_parse(config_text("", "", ""));
	need(config != NULL, fixture.error);
	need(ports_eal_init(config, 0, fixture.error, sizeof(fixture.error)) == 0, fixture.error);
	config_free(config);
	carrier.from_host = rte_ring_create("test-from-host", 1024, 0, RING_F_SC_DEQ);
	need(carrier.from_host != NULL, "no ring");
	fixture.dp.workers[0] = &carrier;
	fixture.dp.n_workers = 1;
}

void
fixture_end(void)
{
	loop_destroy(fixture.loop);
	kill(peers, SIGKILL);
	waitpid(peers, NULL, 0);
}

static void
on_changed(void *arg)
{
	((struct fixture *)arg)->changes++;
}

bool
fixture_start(const char *text)
{
	const char *error = fixture.error;

	if (fixture.config)
		fixture_stop(); /* a test that ended in the middle */
	fixture.changes = 0;
	make_devices();
	fixture.config = fixture_parse(text);
	if (!fixture.config)
		return false;
	if (ports_open(&fixture.dp, fixture.config, fixture.error, sizeof(fixture.error)) == 0) {
		carrier_stop = false;
		rte_eal_remote_launch(carry, NULL, 1);
		fixture.network = network_create(fixture.loop, on_changed, &fixture, &error);
		if (fixture.network)
			fixture.twins = twins_create(fixture.loop, &fixture.dp, fixture.config,
						     fixture.network, &error);
		if (fixture.twins &&
		    network_configure(fixture.network, fixture.config, &error) == 0)
			return true;
		snprintf(fixture.error, sizeof(fixture.error), "%s", error);
	}
	fixture_stop();
	return false;
}

void
fixture_stop(void)
{
	twins_destroy(fixture.twins);
	network_destroy(fixture.network);
	carrier_stop = true;
	rte_eal_wait_lcore(1);
	ports_close(&fixture.dp);
	config_free(fixture.config);
	fixture.twins = NULL;
	fixture.network = NULL;
	fixture.config = NULL;
}

bool
fixture_apply(const char *text)
{
	struct config *config = fixture_parse(text);
	const char *error = "";

	if (!config)
		return false;
	if (twins_configure(fixture.twins, config, &error) != 0 ||
	    network_configure(fixture.network, config, &error) != 0) {
		snprintf(fixture.error, sizeof(fixture.error), "%s", error);
		config_free(config);
		return false;
	}
	config_free(fixture.config);
	fixture.config = config;
	return true;
}

/* ---- looking at the network ---- */

const struct network_neighbour *
neighbour(const char *text)
{
	const struct network_neighbour *list;
	struct addr addr;
	size_t count, i;

	need(addr_parse(text, &addr) == 0, text);
	list = network_neighbours(fixture.network, &count);
	for (i = 0; i < count; i++)
		if (addr_equal(&list[i].addr, &addr))
			return &list[i];
	return NULL;
}

const struct network_route *
route(const char *text)
{
	const struct network_route *list;
	struct prefix to;
	size_t count, i;

	need(prefix_parse(text, &to) == 0, text);
	list = network_routes(fixture.network, &count);
	for (i = 0; i < count; i++)
		if (addr_equal(&list[i].to.addr, &to.addr) && list[i].to.len == to.len)
			return &list[i];
	return NULL;
}

const char *
config_text(const char *wan, const char *lan, const char *rest)
{
	static char text[8192];

	snprintf(text, sizeof(text),
		 "dataplane: { workers = [ 1 ]; control = 0; hugepages = false; memory = \"512M\"; "
		 "connections = 1024; };\n"
		 "interfaces = (\n"
		 "  { name = \"wan\"; device = \"net_af_xdp0,iface=veth-wan\"; side = \"client\"; "
		 "%s },\n"
		 "  { name = \"lan\"; device = \"net_af_packet1,iface=veth-lan\"; side = "
		 "\"backend\"; %s }\n);\n%s",
		 wan, lan, rest);
	return text;
}
