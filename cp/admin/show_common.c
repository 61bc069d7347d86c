/* SPDX-License-Identifier: Apache-2.0 */
/* What the objects of `show` have in common: values as JSON, options of requests. */
#include <stdlib.h>
#include <string.h>

#include "cp/admin/show.h"
#include "lib/utf8.h"

json_t *
show_text(const char *text)
{
	size_t len = text ? strlen(text) : 0, i = 0, out = 0, n;
	json_t *value = json_string(text ? text : "");
	char *copy;

	if (value)
		return value;
	copy = malloc(len * 3 + 1);
	if (!copy)
		return NULL;
	while (i < len) {
		n = utf8_sequence((const unsigned char *)text + i, len - i);
		memcpy(copy + out, n ? text + i : "\xef\xbf\xbd", n ? n : 3);
		out += n ? n : 3;
		i += n ? n : 1;
	}
	value = json_stringn(copy, out);
	free(copy);
	return value;
}

json_t *
show_prefix(const struct prefix *prefix)
{
	char text[PREFIX_STRLEN];

	if (prefix->len == 128)
		return json_string(addr_format(&prefix->addr, text));
	return json_string(prefix_format(prefix, text));
}

json_t *
show_time(time_t t)
{
	char text[32];
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return json_string("");
	return json_string(text);
}

int
show_service_option(struct show *show, size_t *index)
{
	const struct config *config = show->control->config;
	json_t *option = json_object_get(show->request, "service");
	const char *name;
	size_t i;

	*index = SIZE_MAX;
	if (!option)
		return 0;
	name = json_string_value(option);
	if (!name) {
		snprintf(show->error, sizeof(show->error), "service: must be a name");
		return -1;
	}
	for (i = 0; i < config_n_services(config); i++) {
		if (strcmp(config_service(config, i)->name, name) == 0) {
			*index = i;
			return 0;
		}
	}
	snprintf(show->error, sizeof(show->error), "there is no service \"%.64s\"", name);
	return -1;
}

void
show_add(json_t **object, const char *key, json_t *value)
{
	if (json_object_set_new(*object, key, value) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

void
show_append(json_t **list, json_t *value)
{
	if (json_array_append_new(*list, value) == 0)
		return;
	json_decref(*list);
	*list = NULL;
}
