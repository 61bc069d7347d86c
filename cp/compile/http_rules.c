/* SPDX-License-Identifier: Apache-2.0 */
/* What routes ask for beside host and path, and regular expressions. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cp/compile/http_table_parts.h"
#include "lib/http/head.h"

/* Bytes, not characters of an encoding: what a request contains need not be valid in one. */
#define REGEX_OPTIONS (PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_DOLLAR_ENDONLY)

/* ---- regular expressions --------------------------------------------------------------------- */

static pcre2_code *
compile(const char *regex, int *error, size_t *offset)
{
	return pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, REGEX_OPTIONS, error, offset,
			     NULL);
}

const char *
http_regex_check(const char *regex, size_t *offset)
{
	static char message[256];
	pcre2_code *code;
	int error;

	code = compile(regex, &error, offset);
	if (code) {
		pcre2_code_free(code);
		return NULL;
	}
	if (pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof(message)) < 0)
		snprintf(message, sizeof(message), "error %d", error);
	return message;
}

static int
add_regex(struct http_build *b, const char *regex, uint32_t *out)
{
	struct http_table *t = b->table;
	size_t offset, size = 0, jit_size = 0;
	pcre2_code *code;
	int error;

	*out = HTTP_REGEX_NONE;
	if (!regex)
		return 0;
	code = compile(regex, &error, &offset);
	if (!code)
		return error == PCRE2_ERROR_NOMEMORY ? -ENOMEM : -EINVAL;
	*out = (uint32_t)t->n_regexes;
	t->regexes[t->n_regexes++] = code;
	/* Without machine code it is interpreted: slower, the same otherwise. */
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	pcre2_pattern_info(code, PCRE2_INFO_SIZE, &size);
	pcre2_pattern_info(code, PCRE2_INFO_JITSIZE, &jit_size);
	t->bytes += size + jit_size;
	return t->bytes > HTTP_TABLE_MOST ? -E2BIG : 0;
}

void
http_free_regexes(struct http_table *table)
{
	size_t i;

	for (i = 0; i < table->n_regexes; i++)
		pcre2_code_free(table->regexes[i]);
}

/* ---- conditions ------------------------------------------------------------------------------ */

/* The text that they need is counted in http_build_rules_room. */
static int
add_condition(struct http_build *b, const struct http_condition_config *config,
	      enum http_condition_kind kind)
{
	struct http_table *t = b->table;
	struct http_condition *c = &t->conditions[t->n_conditions++];
	size_t length = strlen(config->name);

	c->kind = (uint8_t)kind;
	c->test = HTTP_TEST_PRESENT;
	if (kind == HTTP_CONDITION_HEADER)
		c->known = (uint8_t)http_known((const uint8_t *)config->name, length);
	c->name = http_build_text(b, config->name, length);
	c->name_length = (uint32_t)length;
	if (config->value) {
		length = strlen(config->value);
		c->test = HTTP_TEST_VALUE;
		c->value = http_build_text(b, config->value, length);
		c->value_length = (uint32_t)length;
	} else if (config->regex) {
		c->test = HTTP_TEST_REGEX;
	}
	return add_regex(b, c->test == HTTP_TEST_REGEX ? config->regex : NULL, &c->regex);
}

static const struct {
	const char *name;
	enum http_method method;
} methods[] = {
	{ "GET", HTTP_GET },       { "PUT", HTTP_PUT },         { "HEAD", HTTP_HEAD },
	{ "POST", HTTP_POST },     { "PATCH", HTTP_PATCH },     { "TRACE", HTTP_TRACE },
	{ "DELETE", HTTP_DELETE }, { "CONNECT", HTTP_CONNECT }, { "OPTIONS", HTTP_OPTIONS },
};

static void
add_method(struct http_build *b, struct http_rule *rule, const char *name)
{
	struct http_table *t = b->table;
	size_t i, length = strlen(name);

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(name, methods[i].name) != 0)
			continue;
		rule->methods |= 1u << methods[i].method;
		return;
	}
	t->words[t->n_words++] = (struct http_word){
		.text = http_build_text(b, name, length),
		.length = (uint32_t)length,
	};
	rule->n_words++;
}

static int
add_conditions(struct http_build *b, struct http_rule *rule, const struct http_match_config *m)
{
	size_t i;
	int rc = 0;

	rule->conditions = (uint32_t)b->table->n_conditions;
	rule->n_conditions = (uint32_t)(m->n_headers + m->n_queries);
	for (i = 0; i < m->n_headers && rc == 0; i++)
		rc = add_condition(b, &m->headers[i], HTTP_CONDITION_HEADER);
	for (i = 0; i < m->n_queries && rc == 0; i++)
		rc = add_condition(b, &m->queries[i], HTTP_CONDITION_QUERY);
	return rc;
}

bool
http_route_conditional(const struct http_match_config *match)
{
	return match->n_methods + match->n_headers + match->n_queries > 0 || match->path_regex;
}

int
http_build_rules(struct http_build *b, const struct http_route_config *routes, size_t n)
{
	size_t i, j;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		const struct http_match_config *m = &routes[i].match;
		struct http_rule *rule = &b->table->rules[i];

		rule->words = (uint32_t)b->table->n_words;
		for (j = 0; j < m->n_methods; j++)
			add_method(b, rule, m->methods[j]);
		rc = add_conditions(b, rule, m);
		if (rc == 0)
			rc = add_regex(b, m->path_regex, &rule->regex);
	}
	return rc;
}

/* ---- room ------------------------------------------------------------------------------------ */

struct room {
	size_t text, conditions, words, regexes;
};

static void
count_conditions(struct room *room, const struct http_condition_config *c, size_t n)
{
	size_t i;

	room->conditions += n;
	for (i = 0; i < n; i++) {
		room->text += strlen(c[i].name) + (c[i].value ? strlen(c[i].value) : 0);
		room->regexes += c[i].regex != NULL;
	}
}

int
http_build_rules_room(struct http_build *b, const struct http_route_config *routes, size_t n)
{
	struct http_table *t = b->table;
	struct room room = { 0 };
	size_t i, j;
	int rc;

	for (i = 0; i < n; i++) {
		const struct http_match_config *m = &routes[i].match;

		for (j = 0; j < m->n_methods; j++)
			room.text += strlen(m->methods[j]);
		room.words += m->n_methods;
		room.regexes += m->path_regex != NULL;
		count_conditions(&room, m->headers, m->n_headers);
		count_conditions(&room, m->queries, m->n_queries);
	}
	b->text_room += room.text;
	rc = http_build_memory(b, (void **)&t->rules, n, sizeof(*t->rules));
	if (rc == 0)
		rc = http_build_memory(b, (void **)&t->conditions, room.conditions,
				       sizeof(*t->conditions));
	if (rc == 0)
		rc = http_build_memory(b, (void **)&t->words, room.words, sizeof(*t->words));
	if (rc == 0)
		rc = http_build_memory(b, (void **)&t->regexes, room.regexes, sizeof(*t->regexes));
	return rc;
}
