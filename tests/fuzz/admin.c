/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on the admin socket, a line each, to a control side that is whole but for its workers,
 * which do not run: each line is answered at most once, by one line of JSON, and at once unless it
 * is a question to the workers; what runs is always a configuration that is kept. */
#include <jansson.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cp/admin/command.h"
#include "cp/control.h"
#include "cp/device/ports.h"
#include "cp/publish.h"
#include "cp/state/generations.h"

#define LINES_MAX 32

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char initial[] =
    "instance = \"fuzz\";\n"
    "dataplane: { workers = [ 0 ]; control = 0; share_cores = true; hugepages = false;\n"
    "  memory = \"128M\"; idle = \"sleep\"; connections = 1024; clients = 1024; };\n"
    "interfaces = ( { name = \"wan\"; device = \"net_null0,no-rx=1\"; twin = false;\n"
    "  addresses = [ \"10.9.0.1/24\" ]; } );\n"
    "neighbours = ( { address = \"10.9.0.11\"; mac = \"02:00:00:00:00:0b\"; interface = "
    "\"wan\"; } );\n"
    "pools = ( { name = \"web\"; backends = ( { address = \"10.9.0.11\"; port = 80; },\n"
    "  { address = \"10.9.0.12\"; port = 80; } ); } );\n"
    "services = ( { name = \"web\"; address = \"203.0.113.10\"; port = 80; protocol = \"tcp\";\n"
    "  forward = \"nat\"; pool = \"web\"; } );\n";

static struct dataplane dataplane;
static struct control control;
static struct commands *commands;
static struct loop_timer *once;

static int on_take(void *arg);

static void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "admin fuzz: %s\n", what);
	abort();
}

/* ---- the control side ---- */

static void
changed(void *arg)
{
	control_refresh(arg);
}

static void
end_of_turn(void *arg)
{
	loop_stop(arg);
}

static void
open_dataplane(const struct config *config)
{
	char error[512] = "";

	must(ports_eal_init(config, 0, error, sizeof(error)) == 0, error);
	dataplane.n_workers = 1;
	must(ports_open(&dataplane, config, error, sizeof(error)) == 0, error);
	memcpy(control.port_macs[0].b, dataplane.ports[0].mac, 6);
	dp_clock_init(&dataplane.clock);
	dataplane.connections = config->dataplane.connections;
	dataplane.rcu = calloc(1, rte_rcu_qsbr_get_memsize(SNAPSHOT_MAX_WORKERS) + 64);
	dataplane.resolve = rte_ring_create_elem("resolve", sizeof(struct resolve_request), 64,
						 SOCKET_ID_ANY, RING_F_SC_DEQ);
	must(dataplane.rcu && dataplane.resolve, "no memory");
	rte_rcu_qsbr_init(dataplane.rcu, SNAPSHOT_MAX_WORKERS);
	must(worker_create(&dataplane, 0, 1, 0) == 0, "no worker");
}

static int
apply(const char *text)
{
	struct config_messages messages = { 0 };
	struct control_request request = { .name = "fuzz.conf", .text = text, .len = strlen(text) };
	int rc = control_apply(&control, &request, &messages);

	config_messages_free(&messages);
	return rc;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct config_messages messages = { 0 };
	const char *error = "";
	struct config *config;
	cpu_set_t cpus;

	(void)argc;
	(void)argv;
	/* A network of its own: addresses and routes are set for real. */
	must(unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0,
	     "no network namespace");
	sched_getaffinity(0, sizeof(cpus), &cpus);
	config = config_parse("fuzz.conf", initial, strlen(initial), &messages);
	must(config != NULL, messages.count ? messages.list[0].text : "no configuration");
	open_dataplane(config);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	control.config_file = "/nonexistent/fuzz.conf";
	control.socket_path = "/nonexistent/fuzz.sock";
	control.loop = loop_create();
	must(control.loop != NULL, "no loop");
	control.dp = &dataplane;
	control.network = network_create(control.loop, changed, &control, &error);
	must(control.network != NULL, error);
	control.twins = twins_create(control.loop, &dataplane, config, control.network, &error);
	control.generations = generations_create(NULL, control.config_file);
	must(control.twins && control.generations && control_start(&control) == 0 &&
		 generations_start(control.generations, &control) == 0,
	     "cannot start");
	must(apply(initial) == 0, "the first configuration is refused");
	commands = commands_create(&control);
	once = loop_timer_create(control.loop, end_of_turn, control.loop);
	must(commands && once, "no memory");
	commands_allow_streams(commands, on_take);
	config_free(config);
	config_messages_free(&messages);
	return 0;
}

/* ---- requests ---- */

/* One request. */
struct asked {
	unsigned int answers;
	bool gone;
	int peer; /* the other end of the socket that a command has taken; -1: none has */
};

static void
on_answer(void *arg, char *line, size_t len)
{
	struct asked *asked = arg;
	json_t *answer;

	must(line && len > 0 && strlen(line) == len, "an answer with a NUL, or none");
	must(memchr(line, '\n', len) == line + len - 1, "an answer of several lines");
	must(++asked->answers == 1 && !asked->gone, "an answer too many");
	answer = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	must(json_is_object(answer), "an answer that is no object");
	must(json_is_boolean(json_object_get(answer, "ok")), "an answer without ok");
	if (json_is_true(json_object_get(answer, "ok")))
		must(json_object_get(answer, "result") != NULL, "done, but no result");
	else
		must(json_string_length(json_object_get(answer, "error")) > 0, "refused, but why?");
	json_decref(answer);
	free(line);
}

/* A command streams: whoever reads it goes away after a turn of the loop. */
static int
on_take(void *arg)
{
	struct asked *asked = arg;
	int ends[2];

	must(asked->answers == 0 && asked->peer < 0, "an answer, and a stream");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	asked->peer = ends[1];
	return ends[0];
}

static void
check_state(void)
{
	const struct history *h = generations_history(control.generations);
	const struct generation *running = history_find(h, control.generation);

	must(control.config && control.snapshot, "nothing runs");
	must(running && strcmp(running->text, control.config_text) == 0, "what runs is not kept");
	must(history_count(h) <= HISTORY_MAX, "too much is kept");
	must(history_good(h, UINT64_MAX, NULL) != NULL, "nothing to go back to");
}

/* What is due on the loop. */
static void
turn(void)
{
	loop_timer_arm(once, loop_now());
	loop_run(control.loop);
}

static void
ask(const char *line, size_t len)
{
	struct asked asked = { .peer = -1 };
	/* On the heap and no longer than the line, so that a read behind it is seen. */
	char *copy = malloc(len ? len : 1);

	must(copy != NULL, "no memory");
	memcpy(copy, line, len);
	command_run(commands, copy, len, on_answer, &asked);
	free(copy);
	commands_published(commands);
	turn();
	if (asked.peer >= 0) {
		must(asked.answers == 0, "a stream, and an answer");
		close(asked.peer);
		turn();
	}
	asked.gone = true;
	command_cancel(commands, &asked);
	check_state();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t before = control.generation;
	const char *line = (const char *)data;
	unsigned int n;

	for (n = 0; size > 0 && n < LINES_MAX; n++) {
		const char *end = memchr(line, '\n', size);
		size_t len = end ? (size_t)(end - line) : size;

		ask(line, len);
		line += len + (end != NULL);
		size -= len + (end != NULL);
	}
	commands_tick(commands);
	if (control.generation != before)
		must(apply(initial) == 0, "the first configuration is refused");
	publisher_reclaim(control.publisher);
	return 0;
}
