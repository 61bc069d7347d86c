/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server names of a listener that passes TLS on: each is one that a ClientHello can have, and
 * leads to one pool.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cp/config/message.h"
#include "cp/config/validate.h"
#include "lib/tls/hello.h"

/* A name, and where it stands. */
struct named {
	const char *name;
	const struct server_name_config *rule;
	const config_setting_t *setting;
	size_t index;
};

static int
by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcasecmp(x->name, y->name);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static bool
is_usable(const char *name)
{
	if (strncmp(name, "*.", 2) == 0)
		name += 2;
	return tls_name_usable(name, strlen(name));
}

/* The good ones of a rule, into names; how many. */
static size_t
check_rule(struct load *load, const struct server_name_config *rule, const config_setting_t *group,
	   struct named *names)
{
	char text[QUOTED_LEN];
	size_t n = 0, i;

	if (!usable(group, "names"))
		return 0;
	for (i = 0; i < rule->n_names; i++) {
		const config_setting_t *setting = inner_element(group, "names", i);

		if (!usable(setting, NULL))
			continue;
		if (is_usable(rule->names[i]))
			names[n++] = (struct named){ rule->names[i], rule, setting, 0 };
		else
			report(load, setting, NULL,
			       "\"%s\" is not a server name, for example \"shop.example\", nor "
			       "\"*.\" and a domain",
			       text_printable(rule->names[i], text));
	}
	return n;
}

static void
check_twice(struct load *load, struct named *names, size_t n)
{
	char text[QUOTED_LEN];
	size_t i;

	for (i = 0; i < n; i++)
		names[i].index = i;
	qsort(names, n, sizeof(*names), by_name);
	for (i = 1; i < n; i++)
		if (strcasecmp(names[i].name, names[i - 1].name) == 0)
			report(load, names[i].setting, NULL,
			       "\"%s\" is in this listener twice (also on line %u)",
			       text_printable(names[i].name, text),
			       config_setting_source_line(names[i - 1].setting));
}

bool
validate_server_names(struct load *load, const struct listener_config *l,
		      const config_setting_t *listener)
{
	struct named *names;
	size_t room = 0, n = 0, i;

	if (!usable(listener, "server_names"))
		return true;
	for (i = 0; i < l->n_server_names; i++)
		room += l->server_names[i].n_names;
	names = calloc(room + 1, sizeof(*names));
	if (!names)
		return false;
	for (i = 0; i < l->n_server_names; i++) {
		const config_setting_t *group = inner_element(listener, "server_names", i);

		if (usable(group, NULL))
			n += check_rule(load, &l->server_names[i], group, names + n);
	}
	check_twice(load, names, n);
	free(names);
	return true;
}
