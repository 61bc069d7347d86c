/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled routes beside a walk over all of them that tries each condition in the plainest way:
 * thousands of sets of routes, from few words so that they overlap, and requests of the same words.
 */
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cp/compile/http_table.h"
#include "tests/unit/http_asking.h"
#include "tests/unit/suites.h"

#define ROUTES_MOST 160
#define TEXT_MOST   400
#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define PICK(a)     ((char *)(uintptr_t)(a)[below(COUNT(a))])

static uint64_t state;

static size_t
below(size_t n)
{
	return (size_t)(test_random(&state) % n);
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* A request taken apart by hand. */
struct seen {
	char method[20], host[100], path[TEXT_MOST], query[TEXT_MOST];
	bool has_query;
	size_t n;
	char names[20][20], values[20][20];
};

static bool
regex_is_in(const char *regex, const char *text)
{
	regex_t compiled;
	bool found;

	CU_ASSERT_EQUAL_FATAL(regcomp(&compiled, regex, REG_EXTENDED | REG_NOSUB), 0);
	found = regexec(&compiled, text, 0, NULL, 0) == 0;
	regfree(&compiled);
	return found;
}

static bool
same_host(const char *config, const char *host)
{
	char a[100], b[100];
	uint8_t x[16], y[16];

	strcpy(a, config);
	strcpy(b, host);
	if (*a && a[strlen(a) - 1] == '.')
		a[strlen(a) - 1] = '\0';
	if (*b && b[strlen(b) - 1] == '.')
		b[strlen(b) - 1] = '\0';
	if (!*a || !*b)
		return false;
	if (a[0] == '[' && b[0] == '[') {
		a[strlen(a) - 1] = b[strlen(b) - 1] = '\0';
		return inet_pton(AF_INET6, a + 1, x) == 1 && inet_pton(AF_INET6, b + 1, y) == 1 &&
		       memcmp(x, y, 16) == 0;
	}
	return strcasecmp(a, b) == 0;
}

static bool
host_holds(const char *config, const char *host)
{
	size_t i, length = strlen(host);

	if (!config)
		return true;
	if (config[0] != '*')
		return same_host(config, host);
	for (i = 1; i < length; i++)
		if (host[i] == '.' && same_host(config + 2, host + i + 1))
			return true;
	return false;
}

static bool
path_holds(const struct http_match_config *m, const char *path)
{
	if (m->path && strncmp(path, m->path, strlen(m->path)) != 0)
		return false;
	if (m->path_exact && strcmp(path, m->path_exact) != 0)
		return false;
	return !m->path_regex || regex_is_in(m->path_regex, path);
}

static bool
value_holds(const struct http_condition_config *c, const char *value)
{
	if (c->value)
		return strcmp(c->value, value) == 0;
	return !c->regex || regex_is_in(c->regex, value);
}

static bool
header_holds(const struct http_condition_config *c, const struct seen *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcasecmp(c->name, s->names[i]) == 0 && value_holds(c, s->values[i]))
			return true;
	return false;
}

static void
undo_escapes(char *text)
{
	char *out = text, digits[3] = "";

	for (; *text; text++) {
		if (text[0] == '%' && isxdigit((unsigned char)text[1]) &&
		    isxdigit((unsigned char)text[2])) {
			memcpy(digits, text + 1, 2);
			*out++ = (char)strtol(digits, NULL, 16);
			text += 2;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

static bool
query_holds(const struct http_condition_config *c, const struct seen *s)
{
	char copy[TEXT_MOST], *rest = copy, *part, *value;

	if (!s->has_query)
		return false;
	strcpy(copy, s->query);
	while ((part = strsep(&rest, "&")) != NULL) {
		value = strchr(part, '=');
		if (value)
			*value++ = '\0';
		else
			value = part + strlen(part);
		undo_escapes(part);
		undo_escapes(value);
		if (strcmp(c->name, part) == 0 && value_holds(c, value))
			return true;
	}
	return false;
}

static bool
all_hold(const struct http_match_config *m, const struct seen *s)
{
	bool method = m->n_methods == 0;
	size_t i;

	for (i = 0; i < m->n_methods; i++)
		method = method || strcmp(m->methods[i], s->method) == 0;
	if (!method || !host_holds(m->host, s->host) || !path_holds(m, s->path))
		return false;
	for (i = 0; i < m->n_headers; i++)
		if (!header_holds(&m->headers[i], s))
			return false;
	for (i = 0; i < m->n_queries; i++)
		if (!query_holds(&m->queries[i], s))
			return false;
	return true;
}

static uint32_t
walk(const struct http_route_config *routes, size_t n, const struct seen *s)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (all_hold(&routes[i].match, s))
			return (uint32_t)i;
	return HTTP_ROUTE_NONE;
}

/* ---- routes ---------------------------------------------------------------------------------- */

static const char *const hosts[] = {
	"a.test",        "b.a.test", "A.TEST",    "c.b.a.test",      "test",
	"test.",         "*.test",   "*.a.test.", "*.B.a.test",      "*.t",
	"[2001:db8::1]", "*.",       ".",         "[2001:DB8:0::1]", "*.c.b.a.test",
};
static const char *const methods[] = { "GET", "POST", "get", "PURGE", "HEAD" };
static const char *const names[] = { "x-a", "X-B", "Cookie", "x-ab" };
static const char *const parameters[] = { "a", "b", "ab", "a=" };
static const char *const values[] = { "", "1", "2", "a b", "1&2", "%" };
static const char *const regexes[] = { "^1", "^(1|a b)$", "2", "a*", "^$", "b$" };
static const char *const path_regexes[] = { "^/a", "b$", "ab|ba", "^/(a|b)*/", "[ab]/[ab]", "^/$" };

static const char *
random_path(char *out)
{
	size_t i, length = below(below(8) == 0 ? 40 : 6);

	out[0] = '/';
	for (i = 1; i <= length; i++)
		out[i] = "ab/aba"[below(out[i - 1] == '/' ? 2 : 6)];
	out[i] = '\0';
	return out;
}

static struct http_condition_config
random_condition(const char *name)
{
	struct http_condition_config c = { .name = (char *)(uintptr_t)name };

	switch (below(3)) {
	case 0:
		c.value = PICK(values);
		break;
	case 1:
		c.regex = PICK(regexes);
		break;
	default:
		break;
	}
	return c;
}

struct set {
	size_t n;
	struct http_route_config routes[ROUTES_MOST];
	char paths[ROUTES_MOST][TEXT_MOST];
	char *methods[ROUTES_MOST][2];
	struct http_condition_config headers[ROUTES_MOST][2], queries[ROUTES_MOST][2];
};

static void
random_conditions(struct set *s, size_t i, struct http_match_config *m)
{
	size_t j;

	m->methods = s->methods[i];
	m->headers = s->headers[i];
	m->queries = s->queries[i];
	m->n_methods = below(3) ? 0 : 1 + below(2);
	m->n_headers = below(4) ? 0 : 1 + below(2);
	m->n_queries = below(4) ? 0 : 1 + below(2);
	for (j = 0; j < 2; j++) {
		s->methods[i][j] = PICK(methods);
		s->headers[i][j] = random_condition(PICK(names));
		s->queries[i][j] = random_condition(PICK(parameters));
		/* Compared as they are written: a name with "=" can be asked for. */
	}
}

static void
random_set(struct set *s)
{
	size_t i, plain = below(4);

	s->n = 1 + below(below(4) ? 12 : ROUTES_MOST);
	for (i = 0; i < s->n; i++) {
		struct http_match_config *m = &s->routes[i].match;

		*m = (struct http_match_config){ 0 };
		if (below(4))
			m->host = PICK(hosts);
		random_path(s->paths[i]);
		switch (below(6)) {
		case 0:
			break;
		case 1:
			m->path_regex = PICK(path_regexes);
			break;
		case 2:
		case 3:
			m->path_exact = s->paths[i];
			break;
		default:
			m->path = s->paths[i];
			break;
		}
		if (plain != 0)
			random_conditions(s, i, m);
	}
}

/* ---- requests -------------------------------------------------------------------------------- */

static void
add_escaped(char *out, const char *text)
{
	out += strlen(out);
	for (; *text; text++) {
		if (strchr(" &%=", *text) || below(6) == 0)
			out += sprintf(out, below(2) ? "%%%02X" : "%%%02x", (uint8_t)*text);
		else
			*out++ = *text;
	}
	*out = '\0';
}

static void
random_query(char *out)
{
	size_t i, n = below(4);

	*out = '\0';
	for (i = 0; i < n; i++) {
		if (i > 0)
			strcat(out, "&");
		if (below(8) == 0)
			strcat(out, below(2) ? "a=%" : "b=%2");
		else
			add_escaped(out, PICK(parameters));
		if (below(4)) {
			strcat(out, "=");
			add_escaped(out, PICK(values));
		}
	}
}

static void
random_host(char *out)
{
	const char *host = PICK(hosts);
	size_t i;

	snprintf(out, 100, "%s%s%s", host[0] == '*' ? "a" : "", host + (host[0] == '*'),
		 below(8) == 0 && host[0] != '[' ? "." : "");
	for (i = 0; out[i]; i++)
		if (below(4) == 0)
			out[i] = (char)toupper((unsigned char)out[i]);
}

/* The request's text, and what is in it. */
static void
random_request(struct seen *s, char *text, size_t size)
{
	int n;
	size_t i;

	random_host(s->host);
	random_path(s->path);
	strcpy(s->method, PICK(methods));
	s->has_query = below(3) > 0;
	random_query(s->query);
	n = snprintf(text, size, "%s %s%s%s HTTP/1.1\r\nHost: %s%s\r\n", s->method, s->path,
		     s->has_query ? "?" : "", s->has_query ? s->query : "", s->host,
		     below(3) ? "" : ":8080");
	s->n = below(8);
	for (i = 0; i < s->n; i++) {
		strcpy(s->names[i], PICK(names));
		strcpy(s->values[i], PICK(values));
		if (below(2))
			s->names[i][0] ^= 0x20;
		n += snprintf(text + n, size - (size_t)n, "%s: %s\r\n", s->names[i], s->values[i]);
	}
	snprintf(text + n, size - (size_t)n, "\r\n");
}

/* ---- both ------------------------------------------------------------------------------------ */

static void
same_as_the_walk(void)
{
	static struct http_asking asking;
	static struct set set;
	struct http_scratch *scratch = http_scratch_create();
	size_t round, i, found = 0;
	struct http_table *table;
	char text[2000];
	struct seen seen;

	state = 20260501;
	for (round = 0; round < 4000; round++) {
		random_set(&set);
		CU_ASSERT_EQUAL_FATAL(http_table_build(&table, set.routes, set.n), 0);
		for (i = 0; i < 50; i++) {
			uint32_t expected, got;

			random_request(&seen, text, sizeof(text));
			CU_ASSERT_FATAL(http_asking_read(&asking, text, strlen(text)));
			got = http_route_find(table, scratch, &asking.question);
			expected = walk(set.routes, set.n, &seen);
			CU_ASSERT_EQUAL(got, expected);
			if (got != expected && found != SIZE_MAX) {
				printf("set %zu, route %u, not %u: %s", round, got, expected, text);
				found = SIZE_MAX;
			}
			found += found != SIZE_MAX && got != HTTP_ROUTE_NONE;
		}
		http_table_free(table);
	}
	/* Most requests find one, and not all. */
	CU_ASSERT(found > 80000 && found < 190000);
	CU_ASSERT_EQUAL(http_scratch_limited(scratch), 0);
	http_scratch_destroy(scratch);
}

/* Many hosts, as many suffixes, many paths: each is found, and what is next to it is not. */
static void
many(void)
{
	static struct http_asking asking;
	const size_t n = 3000;
	struct http_route_config *routes = calloc(3 * n, sizeof(*routes));
	char(*words)[40] = calloc(3 * n, sizeof(*words)), text[200];
	struct http_scratch *scratch = http_scratch_create();
	struct http_table *table;
	size_t i;

	state = 7;
	for (i = 0; i < 3 * n; i++) {
		static const char *const forms[] = { "h%zu.%s.test", "*.h%zu.%s.test", "/p%zu/%s" };
		const char *form = forms[i % 3];

		snprintf(words[i], sizeof(words[i]), form, i, below(2) ? "a" : "a-longer-name");
		if (i % 3 == 2)
			routes[i].match.path = words[i];
		else
			routes[i].match.host = words[i];
	}
	CU_ASSERT_EQUAL_FATAL(http_table_build(&table, routes, 3 * n), 0);
	for (i = 0; i < 3 * n; i++) {
		const char *host = i % 3 == 2 ? "none.test" : words[i] + (i % 3);

		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s%s\r\n\r\n",
			 i % 3 == 2 ? words[i] : "/", i % 3 == 1 ? "www" : "", host);
		CU_ASSERT_FATAL(http_asking_read(&asking, text, strlen(text)));
		CU_ASSERT_EQUAL(http_route_find(table, scratch, &asking.question), i);
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: x%s\r\n\r\n", host);
		CU_ASSERT_FATAL(http_asking_read(&asking, text, strlen(text)));
		CU_ASSERT_EQUAL(http_route_find(table, scratch, &asking.question),
				i % 3 == 1 ? i : HTTP_ROUTE_NONE);
	}
	http_table_free(table);
	http_scratch_destroy(scratch);
	free(words);
	free(routes);
}

int
test_http_route_differ_register(void)
{
	static const CU_TestInfo tests[] = {
		{ "the same as the walk over all", same_as_the_walk },
		{ "many hosts and paths", many },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {
		{ .pName = "HTTP routes, beside a walk",
		  .pTests = (CU_TestInfo *)(uintptr_t)tests },
		CU_SUITE_INFO_NULL,
	};

	return CU_register_suites(suites);
}
