/* SPDX-License-Identifier: Apache-2.0 */
/* `show history`: the generations that are kept, newest first. */
#include <stdlib.h>
#include <string.h>

#include "cp/admin/show.h"
#include "cp/state/generations.h"

static json_t *
change_lines(const char *changes)
{
	json_t *list = json_array();
	const char *end;

	for (; *changes; changes = end + (*end == '\n')) {
		char *line;

		end = strchrnul(changes, '\n');
		line = strndup(changes, (size_t)(end - changes));
		show_append(&list, line ? show_text(line) : NULL);
		free(line);
	}
	return list;
}

/* The one change, or how many of each kind. */
static json_t *
summary(json_t *lines)
{
	static const char kinds[] = "+-~";
	static const char *const words[] = { "added", "removed", "changed" };
	unsigned int counts[3] = { 0 };
	char text[96] = "";
	size_t i, len = 0;

	if (json_array_size(lines) == 1)
		return json_incref(json_array_get(lines, 0));
	for (i = 0; i < json_array_size(lines); i++) {
		const char *line = json_string_value(json_array_get(lines, i));
		const char *kind = line[0] ? strchr(kinds, line[0]) : NULL;

		if (kind)
			counts[kind - kinds]++;
	}
	for (i = 0; i < 3; i++)
		if (counts[i])
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u %s",
						len ? ", " : "", counts[i], words[i]);
	return json_string(len ? text : "nothing");
}

/* What it is to the daemon now. */
static const char *
state(const struct generation *g, uint64_t running, uint64_t waiting)
{
	if (g->number == waiting)
		return "waiting";
	if (!g->confirmed)
		return "unconfirmed";
	return g->number == running ? "running" : "confirmed";
}

static json_t *
show_generation(const struct control *control, const struct generation *g)
{
	uint64_t left, waiting = generations_waiting(control->generations, &left);
	json_t *lines = change_lines(g->changes);
	json_t *result = json_pack(
	    "{s:I, s:o, s:s, s:b, s:s, s:o, s:o, s:o}", "generation", (json_int_t)g->number, "time",
	    show_time((time_t)g->time), "state", state(g, control->generation, waiting), "running",
	    (int)(g->number == control->generation), "how", generation_how_name(g->how), "name",
	    show_text(g->name), "summary", summary(lines), "changes", lines);

	if (result && g->from)
		show_add(&result, "from", json_integer((json_int_t)g->from));
	if (result && g->number == waiting)
		show_add(&result, "returns_in_seconds", json_real((double)left / 1e9));
	return result;
}

json_t *
show_history(struct show *show)
{
	const struct history *h = generations_history(show->control->generations);
	json_t *list = json_array();
	size_t i;

	for (i = history_count(h); i-- > 0;)
		show_append(&list, show_generation(show->control, history_at(h, i)));
	return list;
}
