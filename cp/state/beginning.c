/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/state/beginning.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool
same_text(const struct beginning *b, const struct generation *g)
{
	return b->text && strlen(b->text) == g->text_len && strcmp(b->text, g->text) == 0;
}

static const struct generation *
newest(const struct history *h)
{
	size_t n = history_count(h);

	return n ? history_at(h, n - 1) : NULL;
}

/* The newest generation with the file's text, if that was published to be confirmed and never was.
 */
static const struct generation *
never_confirmed(const struct beginning *b, const struct generations *g)
{
	const struct history *h = generations_history(g);
	size_t i;

	for (i = history_count(h); i-- > 0;) {
		const struct generation *old = history_at(h, i);

		if (same_text(b, old) && strcmp(old->file, generations_file(g)) == 0)
			return old->confirmed ? NULL : old;
	}
	return NULL;
}

static struct config *
parse_quietly(const struct generation *g)
{
	struct config_messages messages = { 0 };
	struct config *config = config_parse(g->name, g->text, g->text_len, &messages);

	config_messages_free(&messages);
	return config;
}

static void
use(struct beginning *b, const struct generation *g, struct config *config)
{
	config_free(b->config);
	free(b->text);
	free(b->name);
	b->config = config;
	b->text = strdup(g->text);
	b->name = strdup(g->name);
	b->len = g->text_len;
	b->from = g->number;
	if (b->text && b->name)
		return;
	config_free(b->config);
	b->config = NULL;
}

/* A sentence with why and what instead; NULL without memory is as good as no notice. */
static char *
notice(const struct beginning *b, const struct generation *unconfirmed, const char *file)
{
	char *text = NULL;
	int n;

	if (unconfirmed)
		n = asprintf(&text,
			     "%s has what was generation %" PRIu64
			     ", which nobody confirmed; generation %" PRIu64 " runs instead",
			     file, unconfirmed->number, b->from);
	else
		n = asprintf(&text, "%s is not valid; generation %" PRIu64 " runs instead", file,
			     b->from);
	return n < 0 ? NULL : text;
}

/* The last good generation that is still valid, instead of the file. */
static void
fall_back(struct beginning *b, const struct generations *g)
{
	const struct history *h = generations_history(g);
	const struct generation *unconfirmed = b->config ? never_confirmed(b, g) : NULL;
	const struct generation *good = history_good(h, UINT64_MAX, generations_file(g));
	struct config *config = NULL;

	while (good && !(config = parse_quietly(good)))
		good = history_good(h, good->number, generations_file(g));
	if (!good)
		return;
	use(b, good, config);
	b->notice = notice(b, unconfirmed, generations_file(g));
}

void
beginning_choose(struct beginning *b, const struct generations *g, const char *config_file)
{
	const struct generation *last = newest(generations_history(g));

	*b = (struct beginning){ .name = strdup(config_file) };
	b->text = config_load_text(config_file, &b->len, &b->messages);
	if (b->text)
		b->config = config_parse(config_file, b->text, b->len, &b->messages);
	if (!b->config || never_confirmed(b, g))
		fall_back(b, g);
	if (!b->name) {
		config_free(b->config);
		b->config = NULL;
	}
	if (!b->config || !last)
		return;
	if (last->confirmed && same_text(b, last) && strcmp(last->file, generations_file(g)) == 0)
		b->resume = last->number;
	else
		b->before = parse_quietly(last);
}

void
beginning_clear(struct beginning *b)
{
	config_free(b->config);
	config_free(b->before);
	config_messages_free(&b->messages);
	free(b->notice);
	free(b->name);
	free(b->text);
	*b = (struct beginning){ 0 };
}
