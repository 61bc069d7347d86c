/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/config/manual.h"

#include <stdbool.h>
#include <string.h>

#include "cp/config/keys.h"
#include "cp/config/value.h"
#include "dp/drops.h"

void
manual_text(FILE *out, const char *text)
{
	/* A line of text must not begin as a request would. */
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
	}
}

void
manual_entry(FILE *out, const char *title, const char *rest)
{
	fputs(".TP\n\\fB", out);
	manual_text(out, title);
	fputs("\\fR", out);
	if (rest)
		manual_text(out, rest);
	fputc('\n', out);
}

/* ---- settings ---- */

static bool
is_group(const struct key *key)
{
	return key->type == KEY_GROUP || key->type == KEY_LIST;
}

static bool
takes_quotes(const struct key *key)
{
	return key->type != KEY_BOOL && key->type != KEY_INT && !(key->flags & KEY_MANY);
}

/* " = "100ms"": the default, or else an example. */
static void
setting_rest(const struct key *key, char *out, size_t size)
{
	const char *quote = takes_quotes(key) ? "\"" : "";

	*out = '\0';
	if (key->fallback)
		snprintf(out, size, " = %s%s%s", quote, key->fallback, quote);
	else if (key->example)
		snprintf(out, size, " = %s", key->example);
}

static void
print_setting(FILE *out, const struct key *key)
{
	char rest[256], wanted[VALUE_STRLEN];

	setting_rest(key, rest, sizeof(rest));
	manual_entry(out, key_name(key), rest);
	manual_text(out, key->help);
	fputs(".\n", out);
	manual_text(out, key->flags & KEY_MANY ? "A list of values, each " : "Takes ");
	manual_text(out, value_wanted(key, wanted));
	if (key->flags & KEY_REQUIRED)
		fputs("; must be given", out);
	else if (key->fallback)
		fputs("; what is shown is the default", out);
	fputs(".\n", out);
	if (key->flags & KEY_RESTART)
		fputs("A change wants a restart.\n", out);
}

static void
print_group(FILE *out, const struct key *group)
{
	const struct key *key = NULL;

	while ((key = key_next(group, key))) {
		if (!is_group(key) && key->type != KEY_LATER)
			print_setting(out, key);
	}
	while ((key = key_next(group, key))) {
		if (!is_group(key))
			continue;
		fputs(strchr(key->path, '.') ? ".SS " : ".SH ", out);
		manual_text(out, key->path);
		fputs(key->type == KEY_LIST ? " = ( { ... }, ... )\n" : ": { ... }\n", out);
		manual_text(out, key->help);
		fputs(key->flags & KEY_REQUIRED ? "; must be given.\n" : ".\n", out);
		if (key->flags & KEY_RESTART && key->type == KEY_LIST)
			fputs("Another number of them wants a restart.\n", out);
		print_group(out, key);
	}
}

void
manual_settings(FILE *out)
{
	fputs(".SH TOP LEVEL\n", out);
	print_group(out, config_keys_root);
}

/* ---- drops ---- */

void
manual_drops(FILE *out)
{
	enum drop_reason reason;

	for (reason = 0; reason < DROP_REASON_COUNT; reason++) {
		manual_entry(out, drop_reason_name(reason), NULL);
		manual_text(out, drop_reason_help(reason));
		fputc('\n', out);
	}
}
