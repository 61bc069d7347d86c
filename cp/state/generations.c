/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/state/generations.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cp/config/message.h"
#include "cp/health/health.h"
#include "cp/log.h"
#include "cp/service_manager.h"

/* How soon to try again to go back. */
#define RETURN_AGAIN 5000000000ull

struct generations {
	struct control *control;
	struct history *history;
	char *file;
	char *notice;
	struct loop_timer *timer;
	uint64_t waiting; /* number; 0: none */
	uint64_t due;     /* when it goes back, loop_now */
};

/* ---- from start to end ---- */

/* Absolute, whether the file is there or not; a link at its end stays a link. */
static char *
absolute(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char *text = NULL, *real = NULL;
	char *folder = slash ? strndup(path, (size_t)(name - path)) : strdup(".");

	if (folder)
		real = realpath(folder, NULL);
	if (!real)
		text = strdup(path);
	else if (asprintf(&text, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name) < 0)
		text = NULL;
	free(real);
	free(folder);
	return text;
}

struct generations *
generations_create(struct store *store, const char *config_file)
{
	struct generations *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->history = history_load(store);
	g->file = absolute(config_file);
	if (g->history && g->file)
		return g;
	generations_destroy(g);
	return NULL;
}

void
generations_destroy(struct generations *g)
{
	if (!g)
		return;
	history_free(g->history);
	free(g->file);
	free(g->notice);
	free(g);
}

const struct history *
generations_history(const struct generations *g)
{
	return g->history;
}

const char *
generations_file(const struct generations *g)
{
	return g->file;
}

const char *
generations_notice(const struct generations *g)
{
	return g->notice;
}

void
generations_set_notice(struct generations *g, char *notice)
{
	char status[1024];

	if (!g->notice && !notice)
		return;
	snprintf(status, sizeof(status), "STATUS=%s", notice ? notice : "");
	service_manager_notify(status);
	free(g->notice);
	g->notice = notice;
}

/* ---- keeping ---- */

char *
generations_diff(const struct config *from, const struct config *to)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	config_diff(from, to, out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* A copy that is not too long to be kept. */
static char *
shortened(const char *changes)
{
	static const char more[] = "... and more\n";
	size_t len = strlen(changes);
	char *copy;

	if (len <= GENERATION_CHANGES_MAX)
		return strdup(changes);
	len = GENERATION_CHANGES_MAX - sizeof(more);
	while (len > 0 && changes[len - 1] != '\n')
		len--;
	return asprintf(&copy, "%.*s%s", (int)len, changes, more) < 0 ? NULL : copy;
}

static int
keep(struct generations *g, const struct control_request *request, uint64_t number,
     const char *changes)
{
	struct generation record = {
		.number = number,
		.time = time(NULL),
		.how = request->how,
		.from = request->from,
		.confirmed = request->confirm == 0,
		.name = (char *)request->name,
		.file = g->file,
		.changes = shortened(changes),
		.text = (char *)request->text,
		.text_len = strnlen(request->text, request->len),
	};
	int rc = record.changes ? history_add(g->history, &record) : -ENOMEM;

	free(record.changes);
	return rc;
}

int
generations_publishing(struct generations *g, const struct control_request *request,
		       uint64_t number, const char *changes)
{
	/* A crash from here on must not leave one that nobody has confirmed and nobody knows of. */
	return request->confirm ? keep(g, request, number, changes) : 0;
}

void
generations_failed(struct generations *g, const struct control_request *request, uint64_t number)
{
	if (request->confirm)
		history_forget(g->history, number);
}

int
generations_published(struct generations *g, const struct control_request *request, uint64_t number,
		      const char *changes)
{
	if (request->how != GENERATION_START)
		generations_set_notice(g, NULL);
	/* The same again is nobody's word that it is good. */
	if (request->resume && g->waiting == number)
		return 0;
	g->waiting = 0;
	loop_timer_disarm(g->timer);
	if (!request->confirm)
		return request->resume ? 0 : keep(g, request, number, changes);
	g->waiting = number;
	g->due = loop_now() + request->confirm;
	loop_timer_arm(g->timer, g->due);
	return 0;
}

/* ---- confirming, going back ---- */

uint64_t
generations_waiting(const struct generations *g, uint64_t *left)
{
	uint64_t now = loop_now();

	*left = g->waiting && g->due > now ? g->due - now : 0;
	return g->waiting;
}

uint64_t
generations_confirm(struct generations *g, struct config_messages *messages)
{
	uint64_t number = g->waiting;
	char text[24];
	int rc;

	if (!number)
		return 0;
	g->waiting = 0;
	loop_timer_disarm(g->timer);
	health_settle(g->control->health);
	rc = history_confirm(g->history, number);
	if (rc < 0)
		message_add(messages, generations_file(g), 0, true,
			    "generation %" PRIu64 " is confirmed, but not on disk: %s", number,
			    strerror(-rc));
	snprintf(text, sizeof(text), "%" PRIu64, number);
	log_event(LOG_LEVEL_INFO, "generation-confirmed", "#generation", text, NULL);
	return number;
}

/* Publish what `old` had. It may be gone from the history afterwards. */
static int
publish_again(struct generations *g, const struct generation *old, struct control_request *request,
	      struct config_messages *messages)
{
	struct generation copy;
	int rc = generation_copy(old, &copy);

	if (rc < 0)
		return rc;
	request->name = copy.name;
	request->text = copy.text;
	request->len = copy.text_len;
	request->from = copy.number;
	rc = control_apply(g->control, request, messages);
	generation_clear(&copy);
	return rc;
}

/* The newest confirmed one before the running one; it differs from that. */
static const struct generation *
previous(const struct generations *g)
{
	const char *running = g->control->config_text;
	const struct generation *old = history_good(g->history, g->control->generation, NULL);

	while (old && strcmp(old->text, running) == 0)
		old = history_good(g->history, old->number, NULL);
	return old;
}

int
generations_rollback(struct generations *g, uint64_t number, struct control_request *request,
		     struct config_messages *messages)
{
	const struct generation *old = number ? history_find(g->history, number) : previous(g);

	if (!old && number) {
		message_add(messages, g->file, 0, false,
			    "there is no generation %" PRIu64 " any more; show history lists them",
			    number);
		return -ENOENT;
	}
	if (!old) {
		message_add(messages, g->file, 0, false,
			    "there is no earlier configuration that differs");
		return -ENOENT;
	}
	request->how = GENERATION_ROLLBACK;
	return publish_again(g, old, request, messages);
}

/* Nobody has confirmed it in time. */
static void
on_due(void *arg)
{
	struct generations *g = arg;
	const struct generation *good = history_good(g->history, g->waiting, NULL);
	struct control_request request = { .how = GENERATION_RETURN };
	struct config_messages messages = { 0 };
	char number[24];
	size_t i;

	if (!g->waiting || !good)
		return;
	snprintf(number, sizeof(number), "%" PRIu64, g->waiting);
	log_event(LOG_LEVEL_WARNING, "generation-not-confirmed", "#generation", number, NULL);
	if (publish_again(g, good, &request, &messages) < 0) {
		for (i = 0; i < messages.count; i++)
			log_error("%s", messages.list[i].text);
		log_error("cannot go back to the configuration before generation %s", number);
		loop_timer_arm(g->timer, loop_now() + RETURN_AGAIN);
	}
	config_messages_free(&messages);
}

int
generations_start(struct generations *g, struct control *c)
{
	g->control = c;
	g->timer = loop_timer_create(c->loop, on_due, g);
	history_report(g->history);
	return g->timer ? 0 : -ENOMEM;
}

void
generations_stop(struct generations *g)
{
	loop_timer_free(g->timer);
	g->timer = NULL;
}
