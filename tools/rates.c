/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/rates.h"

#include <stdio.h>

json_int_t
rates_count(json_t *value)
{
	json_int_t sum = 0;
	const char *key;
	json_t *member;

	if (json_is_number(value))
		return (json_int_t)json_number_value(value);
	json_object_foreach(value, key, member) sum += json_integer_value(member);
	return sum;
}

static void
row_key(json_t *row, const struct rates_fields *fields, char *out, size_t size)
{
	size_t i, len = 0;

	*out = '\0';
	for (i = 0; fields->keys[i] && len < size; i++) {
		json_t *value = json_object_get(row, fields->keys[i]);
		const char *text = json_string_value(value);

		if (text)
			len += (size_t)snprintf(out + len, size - len, "%s ", text);
		else
			len += (size_t)snprintf(out + len, size - len, "%" JSON_INTEGER_FORMAT " ",
						json_integer_value(value));
	}
}

static void
add_rates(json_t *row, json_t *before, const struct rates_fields *fields, double seconds)
{
	size_t i;

	for (i = 0; fields->counters[i]; i++) {
		const char *field = fields->counters[i];
		json_int_t grown = rates_count(json_object_get(row, field)) -
				   rates_count(json_object_get(before, field));
		char name[64];

		if (grown < 0)
			continue;
		snprintf(name, sizeof(name), "%s/s", field);
		json_object_set_new(row, name,
				    json_integer((json_int_t)((double)grown / seconds + 0.5)));
	}
}

void
rates_take(struct rates *r, json_t *list, const struct rates_fields *fields, double now)
{
	json_t *rows = json_object(), *row;
	char key[512];
	size_t i;

	json_array_foreach(list, i, row)
	{
		json_t *before;

		row_key(row, fields, key, sizeof(key));
		before = json_object_get(r->before, key);
		if (before && now > r->at)
			add_rates(row, before, fields, now - r->at);
		json_object_set(rows, key, row);
	}
	json_decref(r->before);
	r->before = rows;
	r->at = now;
}

void
rates_free(struct rates *r)
{
	json_decref(r->before);
	r->before = NULL;
}
