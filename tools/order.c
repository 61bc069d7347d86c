/* SPDX-License-Identifier: Apache-2.0 */
/* drain, enable, disable, weight: what an operator says of one backend. */
#include <stdio.h>

#include "tools/client.h"
#include "tools/penstock.h"
#include "tools/values.h"

static const char *
text_of(json_t *result, const char *name)
{
	const char *text = json_string_value(json_object_get(result, name));

	return text ? text : "";
}

static void
print_result(const char *backend, json_t *result)
{
	const char *remark = text_of(result, "remark"), *lost = text_of(result, "not_saved");

	printf("%s: %s, weight %" JSON_INTEGER_FORMAT " (was %s)%s%s\n", backend,
	       text_of(result, "state"), json_integer_value(json_object_get(result, "weight")),
	       text_of(result, "was"), *remark ? ": " : "", remark);
	if (*lost)
		fprintf(stderr, "penstock: done, but a restart of penstockd would forget it: %s\n",
			lost);
}

int
command_order(const struct options *o)
{
	json_t *request, *result;
	long weight = 0;
	int code = value_backend(o->argument);

	if (!code && o->argument2)
		code = value_weight(o->argument2, &weight);
	if (code)
		return code;
	request = json_pack("{s:s, s:s}", "command", o->command, "backend", o->argument);
	if (!request)
		return complain(EXIT_USAGE, "a backend's name must be UTF-8");
	if (o->argument2)
		json_object_set_new(request, "weight", json_integer(weight));
	result = client_ask(o->socket, request, false, &code);
	if (!result)
		return code;
	print_result(o->argument, result);
	json_decref(result);
	return EXIT_DONE;
}
