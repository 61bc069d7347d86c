/* SPDX-License-Identifier: Apache-2.0 */
/* One sample a second of what the daemon shows, and the rates in it. */
#include <time.h>

#include "tools/penstock.h"
#include "tools/top.h"

#define PATIENCE_SECONDS 3
#define CLIENTS          100

static const struct {
	const char *object;
	struct rates_fields fields;
} asked[TOP_OBJECTS] = {
	[TOP_SERVICES] = { "services",
			   { { "name" },
			     { "packets_in", "bytes_in", "packets_out", "bytes_out",
			       "connections_total", "drops" } } },
	[TOP_BACKENDS] = { "backends",
			   { { "pool", "address", "port" },
			     { "packets", "bytes", "connections_total" } } },
	[TOP_WORKERS] = { "workers",
			  { { "worker" },
			    { "packets_in", "packets_out", "steered_in", "steered_out" } } },
	[TOP_DROPS] = { "drops", { { "reason" }, { "count" } } },
	[TOP_CLIENTS] = { "clients", { { "client", "worker" }, { "bytes", "limited" } } },
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static json_t *
request_for(enum top_object object)
{
	if (object == TOP_CLIENTS)
		return json_pack("{s:s, s:s, s:i}", "command", "show", "object",
				 asked[object].object, "limit", CLIENTS);
	return json_pack("{s:s, s:s}", "command", "show", "object", asked[object].object);
}

/* An answer in the place of the one before; false if there was none. */
static bool
replace(json_t **place, const char *socket, json_t *request, struct client_failure *f)
{
	json_t *answer = request ? client_try(socket, request, f) : NULL;

	if (!answer)
		return false;
	json_decref(*place);
	*place = answer;
	return true;
}

bool
top_take(struct top_data *data, const char *socket)
{
	struct client_failure f = { .seconds = PATIENCE_SECONDS };
	enum top_object object;

	if (!replace(&data->version, socket, json_pack("{s:s}", "command", "version"), &f)) {
		data->failure = f;
		return false;
	}
	data->refused[0] = '\0';
	for (object = 0; object < TOP_OBJECTS; object++) {
		if (!replace(&data->lists[object], socket, request_for(object), &f)) {
			/* A daemon of another version may not know it. */
			if (f.code == EXIT_REFUSED) {
				snprintf(data->refused, sizeof(data->refused), "show %s: %.120s",
					 asked[object].object, f.text);
				continue;
			}
			data->failure = f;
			return false;
		}
		rates_take(&data->rates[object], data->lists[object], &asked[object].fields, now());
	}
	data->failure.code = EXIT_DONE;
	return true;
}

void
top_free(struct top_data *data)
{
	enum top_object object;

	json_decref(data->version);
	for (object = 0; object < TOP_OBJECTS; object++) {
		json_decref(data->lists[object]);
		rates_free(&data->rates[object]);
	}
}
