/* SPDX-License-Identifier: Apache-2.0 */
/* show, once or every second, and version. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/client.h"
#include "tools/columns.h"
#include "tools/penstock.h"
#include "version.h"

#define LIMIT_DEFAULT 1000 /* connections that the daemon shows unless told otherwise */

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

bool
show_knows(const char *object)
{
	return object_find(object) != NULL;
}

static json_t *
show_request(const struct options *o)
{
	json_t *request = json_pack("{s:s, s:s}", "command", "show", "object", o->argument);

	if (request && o->service &&
	    json_object_set_new(request, "service", json_string(o->service)) != 0) {
		json_decref(request);
		return NULL;
	}
	if (request && o->limit)
		json_object_set_new(request, "limit", json_integer(o->limit));
	return request;
}

void
print_json(json_t *value, bool one_line)
{
	size_t flags = JSON_REAL_PRECISION(6) | JSON_ENCODE_ANY;

	json_dumpf(value, stdout, flags | (one_line ? JSON_COMPACT : JSON_INDENT(2)));
	putchar('\n');
}

static void
print_people(const struct options *o, json_t *result)
{
	const struct object *object = object_find(o->argument);
	size_t limit = o->limit ? (size_t)o->limit : LIMIT_DEFAULT;
	const char *text;

	if (object->columns) {
		object_print(object, result, o->all);
		if (strcmp(o->argument, "connections") == 0 && json_array_size(result) == limit)
			fprintf(stderr, "only the first %zu; --limit N shows more\n", limit);
		return;
	}
	text = json_string_value(json_object_get(result, "notice"));
	if (text)
		fprintf(stderr, "penstock: %s\n", text);
	text = json_string_value(json_object_get(result, "text"));
	fputs(text ? text : "", stdout);
	if (text && *text && text[strlen(text) - 1] != '\n')
		putchar('\n');
}

static int
show_once(const struct options *o)
{
	json_t *request = show_request(o), *result;
	int code;

	if (!request)
		return complain(EXIT_USAGE, "--service: not a name");
	result = client_ask(o->socket, request, false, &code);
	if (!result)
		return code;
	if (o->watch && !o->json && isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	if (o->json)
		print_json(result, o->watch);
	else
		print_people(o, result);
	json_decref(result);
	return EXIT_DONE;
}

/* Once a second until Ctrl-C. */
static int
show_watch(const struct options *o)
{
	struct sigaction action = { .sa_handler = on_interrupt };
	struct timespec next;
	int code;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	clock_gettime(CLOCK_MONOTONIC, &next);
	while (!interrupted) {
		code = show_once(o);
		if (code != EXIT_DONE)
			return interrupted ? EXIT_DONE : code;
		if (fflush(stdout) != 0)
			return EXIT_REFUSED;
		next.tv_sec++;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	return EXIT_DONE;
}

int
command_show(const struct options *o)
{
	return o->watch ? show_watch(o) : show_once(o);
}

static void
print_version(json_t *daemon, const char *socket)
{
	const char *version, *build, *dpdk, *mbedtls, *instance;
	json_int_t generation, uptime;

	printf("penstock %s (%s), for %s\n", PENSTOCK_VERSION, PENSTOCK_BUILD, PENSTOCK_DPDK);
	if (!daemon) {
		printf("penstockd: none answers at %s\n", socket);
		return;
	}
	if (json_unpack(daemon, "{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "version", &version, "build",
			&build, "dpdk", &dpdk, "mbedtls", &mbedtls, "instance", &instance,
			"generation", &generation, "uptime_seconds", &uptime) != 0) {
		printf("penstockd: of another version, that says less\n");
		return;
	}
	printf("penstockd %s (%s), %s, %s\n", version, build, dpdk, mbedtls);
	printf("instance %s, generation %" JSON_INTEGER_FORMAT ", up %" JSON_INTEGER_FORMAT " s\n",
	       instance, generation, uptime);
}

int
command_version(const struct options *o)
{
	json_t *request = json_pack("{s:s}", "command", "version"), *daemon, *both;
	int code;

	if (!request)
		return complain(EXIT_REFUSED, "no memory");
	daemon = client_ask(o->socket, request, true, &code);
	if (!o->json) {
		print_version(daemon, o->socket);
		json_decref(daemon);
		return EXIT_DONE;
	}
	both = json_pack("{s:s, s:s, s:s, s:o?}", "version", PENSTOCK_VERSION, "build",
			 PENSTOCK_BUILD, "dpdk", PENSTOCK_DPDK, "daemon", daemon);
	print_json(both, false);
	json_decref(both);
	return EXIT_DONE;
}
