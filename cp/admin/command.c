/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/command.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cp/admin/change.h"
#include "cp/admin/client_list.h"
#include "cp/admin/counters.h"
#include "cp/admin/explain.h"
#include "cp/admin/limit_watch.h"
#include "cp/admin/orders.h"
#include "cp/admin/show.h"
#include "cp/admin/walk.h"
#include "cp/capture/captures.h"

/* A request is a flat object with a handful of members: more structure than this is refused before
 * a tree is built from it. */
#define STRUCTURE_MAX 64

struct commands {
	struct control *control;
	struct counters *counters;
	struct limit_watch *limit_watch;
	struct walks *walks;
	struct client_lists *client_lists;
	struct explains *explains;
	struct captures *captures;
	command_take_fn *take; /* NULL: no streams */
};

/* One request on its way through a command. */
struct command {
	struct commands *commands;
	json_t *request;
	command_answer_fn *answer;
	void *arg;
	/* out: one of */
	json_t *result;
	char error[512];
	bool later; /* the command answers by itself */
	/* out: beside an error */
	json_t *messages;
};

typedef void command_fn(struct command *cmd);

struct commands *
commands_create(struct control *control)
{
	struct commands *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->control = control;
	c->counters = counters_create(control);
	c->walks = walks_create(control);
	c->client_lists = client_lists_create(control);
	c->explains = explains_create(control);
	if (c->counters)
		c->limit_watch = limit_watch_create(control, c->counters);
	c->captures = captures_create(control);
	if (!c->counters || !c->limit_watch || !c->walks || !c->client_lists || !c->explains ||
	    !c->captures) {
		commands_destroy(c);
		return NULL;
	}
	return c;
}

void
commands_destroy(struct commands *c)
{
	if (!c)
		return;
	captures_destroy(c->captures);
	explains_destroy(c->explains);
	client_lists_destroy(c->client_lists);
	walks_destroy(c->walks);
	limit_watch_destroy(c->limit_watch);
	counters_destroy(c->counters);
	free(c);
}

struct counters *
commands_counters(const struct commands *c)
{
	return c->counters;
}

void
commands_allow_streams(struct commands *c, command_take_fn *take)
{
	c->take = take;
}

void
commands_tick(struct commands *c)
{
	counters_follow(c->counters);
	counters_sample(c->counters);
	limit_watch_tick(c->limit_watch);
}

void
commands_published(struct commands *c)
{
	counters_follow(c->counters);
}

void
command_cancel(struct commands *c, void *arg)
{
	walks_cancel(c->walks, arg);
	client_lists_cancel(c->client_lists, arg);
	explains_cancel(c->explains, arg);
}

/* ---- changes of the configuration ---- */

static void
run_change(struct command *cmd, change_fn *run)
{
	struct change change = { .control = cmd->commands->control, .request = cmd->request };

	cmd->result = run(&change);
	cmd->messages = change.messages;
	memcpy(cmd->error, change.error, sizeof(change.error));
}

static void
command_apply(struct command *cmd)
{
	run_change(cmd, change_apply);
}

static void
command_confirm(struct command *cmd)
{
	run_change(cmd, change_confirm);
}

static void
command_rollback(struct command *cmd)
{
	run_change(cmd, change_rollback);
}

/* ---- show ---- */

static const struct show_object {
	const char *name;
	show_fn *show;
} show_objects[] = {
	{ "services", show_services },
	{ "pools", show_pools },
	{ "backends", show_backends },
	{ "interfaces", show_interfaces },
	{ "workers", show_workers },
	{ "drops", show_drops },
	{ "neighbours", show_neighbours },
	{ "config", show_config },
	{ "history", show_history },
	{ "listeners", show_listeners },
	{ "tcp", show_tcp },
	{ "http", show_http },
	{ "tls", show_tls },
};

/* How many to show, if the request says; false: cmd->error says what is wrong. */
static bool
limit_option(struct command *cmd, uint32_t *limit)
{
	json_t *value = json_object_get(cmd->request, "limit");
	json_int_t n = json_integer_value(value);

	if (value && (n < 1 || n > WALK_LIMIT_MAX)) {
		snprintf(cmd->error, sizeof(cmd->error), "limit: must be a number from 1 to %d",
			 WALK_LIMIT_MAX);
		return false;
	}
	if (value)
		*limit = (uint32_t)n;
	return true;
}

static void
command_show_connections(struct command *cmd, struct show *show)
{
	struct commands *c = cmd->commands;
	struct walk_request request = {
		.service = INDEX_NONE,
		.limit = WALK_LIMIT_DEFAULT,
		.answer = cmd->answer,
		.arg = cmd->arg,
	};
	size_t service;

	if (!limit_option(cmd, &request.limit))
		return;
	if (show_service_option(show, &service) < 0) {
		memcpy(cmd->error, show->error, sizeof(show->error));
		return;
	}
	if (service != SIZE_MAX)
		request.service = compiler_service_slot(c->control->compiler, service);
	cmd->later = walks_start(c->walks, &request) == 0;
}

static void
command_show_clients(struct command *cmd)
{
	struct client_list_request request = {
		.limit = CLIENT_LIST_LIMIT_DEFAULT,
		.answer = cmd->answer,
		.arg = cmd->arg,
	};

	if (limit_option(cmd, &request.limit))
		cmd->later = client_lists_start(cmd->commands->client_lists, &request) == 0;
}

static void
command_show(struct command *cmd)
{
	struct commands *c = cmd->commands;
	const char *object = json_string_value(json_object_get(cmd->request, "object"));
	struct show show = {
		.control = c->control,
		.counters = c->counters,
		.request = cmd->request,
	};
	size_t i;

	counters_follow(c->counters);
	if (object && strcmp(object, "connections") == 0) {
		command_show_connections(cmd, &show);
		return;
	}
	if (object && strcmp(object, "clients") == 0) {
		command_show_clients(cmd);
		return;
	}
	for (i = 0; object && i < sizeof(show_objects) / sizeof(show_objects[0]); i++) {
		if (strcmp(object, show_objects[i].name) != 0)
			continue;
		cmd->result = show_objects[i].show(&show);
		memcpy(cmd->error, show.error, sizeof(show.error));
		return;
	}
	snprintf(cmd->error, sizeof(cmd->error),
		 "object: must be one of services, listeners, pools, backends, "
		 "clients, connections, interfaces, workers, drops, "
		 "neighbours, config, history, tcp, http, tls");
}

static void
command_explain(struct command *cmd)
{
	const struct explain_caller caller = { cmd->answer, cmd->arg };
	char error[256] = "";

	cmd->later = explains_start(cmd->commands->explains, cmd->request, &caller, error) == 0;
	memcpy(cmd->error, error, sizeof(error));
}

/* ---- capture ---- */

static void
command_capture(struct command *cmd)
{
	struct commands *c = cmd->commands;
	struct capture_request request = { .take = c->take, .arg = cmd->arg };
	char error[256] = "";
	int rc;

	if (!c->take || !c->control->snapshot) {
		snprintf(cmd->error, sizeof(cmd->error), "nothing can be captured here");
		return;
	}
	if (capture_request_read(c->control, cmd->request, &request, error) < 0) {
		memcpy(cmd->error, error, sizeof(error));
		return;
	}
	rc = captures_start(c->captures, &request);
	cmd->later = rc == 0;
	if (rc == -EBUSY)
		snprintf(cmd->error, sizeof(cmd->error),
			 "a capture is running already; there is one at a time");
}

static void
command_version(struct command *cmd)
{
	struct show show = { .control = cmd->commands->control };

	cmd->result = show_version(&show);
}

static void
command_order(struct command *cmd)
{
	cmd->result = orders_run(cmd->commands->control, cmd->request, cmd->error);
}

static const struct {
	const char *name;
	command_fn *run;
} command_table[] = {
	{ "apply", command_apply },       { "confirm", command_confirm },
	{ "rollback", command_rollback }, { "explain", command_explain },
	{ "show", command_show },         { "version", command_version },
	{ "disable", command_order },     { "drain", command_order },
	{ "enable", command_order },      { "weight", command_order },
	{ "capture", command_capture },
};

/* ---- from line to line ---- */

/* Takes the reference to value. */
static char *
to_line(json_t *value, size_t *len)
{
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
	char *line;
	size_t n;

	json_decref(value);
	if (!text)
		return NULL;
	n = strlen(text);
	line = realloc(text, n + 2);
	if (!line) {
		free(text);
		return NULL;
	}
	line[n] = '\n';
	line[n + 1] = '\0';
	*len = n + 1;
	return line;
}

char *
command_result(json_t *value, size_t *len)
{
	return value ? to_line(json_pack("{s:b, s:o}", "ok", 1, "result", value), len) : NULL;
}

char *
command_refusal(const char *reason, size_t *len)
{
	return to_line(json_pack("{s:b, s:o}", "ok", 0, "error", show_text(reason)), len);
}

/* Nothing but a flat object: how deep, and how many members and elements, strings left out. */
static bool
is_small(const char *line, size_t len)
{
	unsigned int structure = 0;
	bool string = false;
	size_t i;

	for (i = 0; i < len; i++) {
		if (string) {
			if (line[i] == '\\')
				i++; /* whatever it is, it does not end the string */
			else
				string = line[i] != '"';
			continue;
		}
		string = line[i] == '"';
		structure += strchr("{[,:", line[i]) != NULL && line[i] != '\0';
		if (structure > STRUCTURE_MAX)
			return false;
	}
	return true;
}

static void
dispatch(struct command *cmd)
{
	const char *name = json_string_value(json_object_get(cmd->request, "command"));
	size_t i;

	if (!name) {
		snprintf(cmd->error, sizeof(cmd->error), "command: must be a command's name");
		return;
	}
	for (i = 0; i < sizeof(command_table) / sizeof(command_table[0]); i++) {
		if (strcmp(name, command_table[i].name) == 0) {
			command_table[i].run(cmd);
			return;
		}
	}
	snprintf(cmd->error, sizeof(cmd->error), "there is no command \"%.64s\"", name);
}

static char *
answer_line(struct command *cmd, size_t *len)
{
	json_t *answer;

	if (cmd->result)
		return to_line(json_pack("{s:b, s:o}", "ok", 1, "result", cmd->result), len);
	answer = json_pack("{s:b, s:o}", "ok", 0, "error",
			   show_text(cmd->error[0] ? cmd->error : "no memory"));
	if (answer && cmd->messages) {
		show_add(&answer, "messages", cmd->messages);
		cmd->messages = NULL;
	}
	json_decref(cmd->messages);
	return to_line(answer, len);
}

void
command_run(struct commands *c, const char *line, size_t len, command_answer_fn *answer, void *arg)
{
	struct command cmd = { .commands = c, .answer = answer, .arg = arg };
	json_error_t error;
	size_t n = 0;
	char *text;

	if (!is_small(line, len)) {
		snprintf(cmd.error, sizeof(cmd.error), "not a request: too many parts");
	} else {
		cmd.request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
		if (!cmd.request)
			snprintf(cmd.error, sizeof(cmd.error), "not JSON: %s", error.text);
		else if (!json_is_object(cmd.request))
			snprintf(cmd.error, sizeof(cmd.error), "not a request: not an object");
		else
			dispatch(&cmd);
	}
	json_decref(cmd.request);
	if (cmd.later)
		return;
	text = answer_line(&cmd, &n);
	answer(arg, text, n);
}
