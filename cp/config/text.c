/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object as bytes that say all of it: equal bytes, equal objects. For comparison, not for
 * people.
 */
#include <string.h>

#include "cp/config/config.h"
#include "cp/config/keys.h"
#include "cp/config/value.h"

static void write_group(const struct config *config, const struct key *group, const char *base,
			FILE *out);

/* Texts in full, by length; the rest as it is written, which is exact. */
static void
write_value(const struct config *config, const struct key *key, const char *at, FILE *out)
{
	char buf[VALUE_STRLEN];
	const char *text;

	switch (key->type) {
	case KEY_TEXT:
	case KEY_NAME:
	case KEY_DEVICE:
	case KEY_LISTEN:
	case KEY_URL_PATH:
	case KEY_BYTES:
		memcpy(&text, at, sizeof(text));
		fprintf(out, "%zu:%s\n", text ? strlen(text) + 1 : 0, text ? text : "");
		break;
	default:
		fprintf(out, "%s\n", value_format(config, key, at, buf));
	}
}

static void
write_list(const struct config *config, const struct key *key, const char *base, FILE *out)
{
	const char *room;
	size_t n, i;

	memcpy(&n, base + key->count, sizeof(n));
	memcpy(&room, base + key->offset, sizeof(room));
	fprintf(out, "%zu\n", n);
	for (i = 0; i < n; i++) {
		if (key->type == KEY_LIST)
			write_group(config, key, room + i * key->size, out);
		else
			write_value(config, key, room + i * key->size, out);
	}
}

static void
write_group(const struct config *config, const struct key *group, const char *base, FILE *out)
{
	const struct key *key = NULL;

	while ((key = key_next(group, key))) {
		if (key->type == KEY_LIST || (key->flags & KEY_MANY))
			write_list(config, key, base, out);
		else if (key->type == KEY_GROUP)
			write_group(config, key, base, out);
		else if (key->type != KEY_LATER)
			write_value(config, key, base + key->offset, out);
	}
}

void
config_listener_write(const struct config *config, const struct listener_config *listener,
		      FILE *out)
{
	size_t i;

	write_group(config, key_child(config_keys_root, "listeners"), (const char *)listener, out);
	for (i = 0; i < listener->http.n_errors; i++)
		fwrite(listener->http.errors[i].body, 1, listener->http.errors[i].length, out);
}
