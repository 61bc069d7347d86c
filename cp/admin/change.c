/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/change.h"

#include <stdlib.h>
#include <string.h>

#include "cp/admin/show.h"
#include "cp/state/generations.h"
#include "lib/request.h"
#include "lib/units.h"

#define NAME_MAX_LEN 4096

static json_t *
message_texts(const struct config_messages *messages)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < messages->count; i++)
		show_append(&list, show_text(messages->list[i].text));
	return list;
}

static bool
printable(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static bool
refuse(struct change *change, const char *why)
{
	snprintf(change->error, sizeof(change->error), "%s", why);
	return false;
}

/* The options that apply and rollback share; false with change->error. */
static bool
take_options(struct change *change, struct control_request *request)
{
	json_t *dry_run = json_object_get(change->request, "dry_run");
	json_t *confirm = json_object_get(change->request, "confirm");
	const char *text = json_string_value(confirm);

	if (dry_run && !json_is_boolean(dry_run))
		return refuse(change, "dry_run: must be true or false");
	request->dry_run = json_is_true(dry_run);
	if (!confirm)
		return true;
	if (!text || duration_parse(text, &request->confirm) < 0 ||
	    request->confirm < REQUEST_CONFIRM_MIN || request->confirm > REQUEST_CONFIRM_MAX)
		return refuse(change, "confirm: must be a time from \"1s\" to \"24h\"");
	return true;
}

static bool
take_configuration(struct change *change, struct control_request *request)
{
	json_t *name = json_object_get(change->request, "name");
	json_t *text = json_object_get(change->request, "text");

	request->name = "configuration";
	if (!json_is_string(text))
		return refuse(change, "text: must be the configuration's text");
	if (name) {
		request->name = json_string_value(name);
		if (!request->name || !*request->name || !printable(request->name) ||
		    json_string_length(name) > NAME_MAX_LEN)
			return refuse(change, "name: must be a file's name");
	}
	request->text = json_string_value(text);
	request->len = json_string_length(text);
	return true;
}

/* How the caller is told. */
static json_t *
published(struct change *change, const struct control_request *request, const char *diff,
	  const struct config_messages *messages)
{
	json_t *result = json_pack(
	    "{s:I, s:o, s:b, s:o}", "generation", (json_int_t)change->control->generation, "diff",
	    show_text(diff), "dry_run", (int)request->dry_run, "messages", message_texts(messages));

	if (result && request->from)
		show_add(&result, "from", json_integer((json_int_t)request->from));
	if (result && request->confirm && !request->dry_run)
		show_add(&result, "confirm_seconds", json_real((double)request->confirm / 1e9));
	return result;
}

/* Publish the request, or generation `number` (0: the one before) if it has no text. */
static json_t *
publish_request(struct change *change, struct control_request *request, uint64_t number)
{
	struct control *control = change->control;
	struct config_messages messages = { 0 };
	char *diff = NULL;
	size_t diff_len = 0;
	json_t *result = NULL;
	int rc;

	request->diff = open_memstream(&diff, &diff_len);
	if (!request->diff)
		return NULL;
	if (request->text)
		rc = control_apply(control, request, &messages);
	else
		rc = generations_rollback(control->generations, number, request, &messages);
	if (fclose(request->diff) != 0 && rc == 0)
		refuse(change, "applied, but no memory for the diff");
	else if (rc == 0)
		result = published(change, request, diff, &messages);
	else if (messages.count)
		refuse(change, "refused: the configuration goes on as it was");
	else
		snprintf(change->error, sizeof(change->error), "refused: %s", strerror(-rc));
	if (rc != 0)
		change->messages = message_texts(&messages);
	free(diff);
	config_messages_free(&messages);
	return result;
}

json_t *
change_apply(struct change *change)
{
	struct control_request request = { .how = GENERATION_APPLY };

	if (!take_configuration(change, &request) || !take_options(change, &request))
		return NULL;
	return publish_request(change, &request, 0);
}

json_t *
change_rollback(struct change *change)
{
	json_t *option = json_object_get(change->request, "generation");
	struct control_request request = { .how = GENERATION_ROLLBACK };

	if (!take_options(change, &request))
		return NULL;
	if (option && (!json_is_integer(option) || json_integer_value(option) < 1)) {
		refuse(change, "generation: must be a number above 0");
		return NULL;
	}
	return publish_request(change, &request, (uint64_t)json_integer_value(option));
}

json_t *
change_confirm(struct change *change)
{
	struct config_messages messages = { 0 };
	uint64_t number = generations_confirm(change->control->generations, &messages);
	json_t *result = NULL;

	if (number)
		result = json_pack("{s:I, s:o}", "generation", (json_int_t)number, "messages",
				   message_texts(&messages));
	else
		refuse(change, "no generation waits to be confirmed");
	config_messages_free(&messages);
	return result;
}
