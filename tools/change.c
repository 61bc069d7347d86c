/* SPDX-License-Identifier: Apache-2.0 */
/* check, diff, apply, confirm, rollback: what is done with configurations. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/client.h"
#include "tools/penstock.h"

#define FILE_MAX (16u << 20)

/* ---- check: the daemon's own program does it, without a daemon ---- */

/* penstockd beside our own binary, or where `make install` puts it relative to us. */
static bool
find_daemon(char *out, size_t size)
{
	static const char *const places[] = { "penstockd", "../sbin/penstockd" };
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;
	size_t i;

	if (len <= 0)
		return false;
	self[len] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return false;
	slash[1] = '\0';
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int n = snprintf(out, size, "%s%s", self, places[i]);

		if (n > 0 && (size_t)n < size && access(out, X_OK) == 0)
			return true;
	}
	return false;
}

int
command_check(const struct options *o)
{
	char path[4096 + 32];

	if (find_daemon(path, sizeof(path)))
		execl(path, "penstockd", "--check", o->argument, (char *)NULL);
	else
		execlp("penstockd", "penstockd", "--check", o->argument, (char *)NULL);
	return complain(EXIT_REFUSED, "cannot run penstockd, which checks: %s", strerror(errno));
}

/* ---- apply, diff ---- */

/* The file's content (len bytes, to be freed), or NULL after saying why. */
static char *
load(const char *name, size_t *len)
{
	FILE *file = fopen(name, "re");
	char *text = malloc(FILE_MAX + 1);
	int error = 0;

	if (!file || !text) {
		complain(EXIT_REFUSED, "cannot read %s: %s", name, strerror(errno));
		goto failed;
	}
	errno = 0;
	*len = fread(text, 1, FILE_MAX + 1, file);
	if (ferror(file)) {
		error = errno;
		complain(EXIT_REFUSED, "cannot read %s: %s", name, strerror(error));
		goto failed;
	}
	if (*len > FILE_MAX) {
		complain(EXIT_REFUSED, "%s is longer than 16 MiB", name);
		goto failed;
	}
	fclose(file);
	return text;

failed:
	if (file)
		fclose(file);
	free(text);
	return NULL;
}

/* What apply asks, or NULL after saying why. */
static json_t *
file_request(const char *name)
{
	json_t *request = NULL, *text, *name_text = json_string(name);
	size_t len;
	char *content = load(name, &len);

	if (!content) {
		json_decref(name_text);
		return NULL;
	}
	text = json_stringn(content, len);
	if (!text || memchr(content, '\0', len)) {
		complain(EXIT_REFUSED, "%s is not a text in UTF-8", name);
		json_decref(text);
		json_decref(name_text);
	} else if (!name_text) {
		complain(EXIT_REFUSED, "the file's name is not UTF-8");
		json_decref(text);
	} else {
		request = json_pack("{s:s, s:o, s:o}", "command", "apply", "name", name_text,
				    "text", text);
	}
	free(content);
	return request;
}

/* Send a request (stolen; may be NULL after a complaint) with these options. */
static json_t *
ask(const struct options *o, json_t *request, bool dry_run, int *code)
{
	*code = EXIT_REFUSED;
	if (!request)
		return NULL;
	json_object_set_new(request, "dry_run", json_boolean(dry_run));
	if (o->confirm)
		json_object_set_new(request, "confirm", json_string(o->confirm));
	return client_ask(o->socket, request, false, code);
}

static void
print_diff(json_t *result)
{
	const char *diff = json_string_value(json_object_get(result, "diff"));
	bool changes = diff && *diff;

	fputs(changes ? diff : "no changes\n", stdout);
	if (changes && diff[strlen(diff) - 1] != '\n')
		putchar('\n');
}

/* Warnings: accepted all the same. */
static void
print_messages(json_t *result)
{
	json_t *messages = json_object_get(result, "messages");
	size_t i;

	for (i = 0; i < json_array_size(messages); i++) {
		const char *text = json_string_value(json_array_get(messages, i));

		fprintf(stderr, "%s\n", text ? text : "");
	}
}

int
command_diff(const struct options *o)
{
	int code;
	json_t *result = ask(o, file_request(o->argument), true, &code);

	if (!result)
		return code;
	print_diff(result);
	json_decref(result);
	return EXIT_DONE;
}

/* Of apply and rollback; takes the result, which may be NULL. */
static int
print_published(const struct options *o, json_t *result, int code)
{
	json_int_t generation = json_integer_value(json_object_get(result, "generation"));

	if (!result)
		return code;
	print_messages(result);
	print_diff(result);
	if (!o->dry_run)
		printf("generation %" JSON_INTEGER_FORMAT "\n", generation);
	if (!o->dry_run && o->confirm)
		fprintf(stderr, "goes back by itself in %s unless you say: penstock confirm\n",
			o->confirm);
	json_decref(result);
	return EXIT_DONE;
}

int
command_apply(const struct options *o)
{
	int code;
	json_t *result = ask(o, file_request(o->argument), o->dry_run, &code);

	return print_published(o, result, code);
}

int
command_rollback(const struct options *o)
{
	json_t *request = json_pack("{s:s}", "command", "rollback"), *result;
	char *end = NULL;
	long long number = 0;
	int code;

	if (o->argument) {
		errno = 0;
		number = strtoll(o->argument, &end, 10);
		if (errno || end == o->argument || *end || number < 1) {
			json_decref(request);
			return complain(EXIT_USAGE, "\"%s\" is not a generation's number",
					o->argument);
		}
		json_object_set_new(request, "generation", json_integer(number));
	}
	result = ask(o, request, o->dry_run, &code);
	return print_published(o, result, code);
}

int
command_confirm(const struct options *o)
{
	json_t *request = json_pack("{s:s}", "command", "confirm");
	int code = EXIT_REFUSED;
	json_t *result = request ? client_ask(o->socket, request, false, &code) : NULL;

	if (!result)
		return code;
	print_messages(result);
	printf("generation %" JSON_INTEGER_FORMAT " confirmed\n",
	       json_integer_value(json_object_get(result, "generation")));
	json_decref(result);
	return EXIT_DONE;
}
