/* SPDX-License-Identifier: Apache-2.0 */
/* The normal form of paths: RFC 3986 5.2.4 and 6.2.2, and that it is one. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/path.h"
#include "tests/unit/suites.h"

#define MERGE  HTTP_PATH_MERGE_SLASHES
#define REFUSE (HTTP_PATH_REFUSE_SLASH | HTTP_PATH_REFUSE_CONTROL | HTTP_PATH_REFUSE_ESCAPE)

static enum http_path_reason
normal(const char *path, unsigned int rules, char *out, size_t size)
{
	uint8_t *bytes = malloc(size);
	struct http_path to = { bytes, size, 0 };
	enum http_path_reason reason =
	    http_path_normal(&to, rules, (const uint8_t *)path, strlen(path));

	memcpy(out, bytes, to.length);
	out[to.length] = '\0';
	free(bytes);
	return reason;
}

static const struct {
	const char *path, *normal;
	unsigned int rules;
} cases_normal[] = {
	{ "/", "/", 0 },
	{ "", "/", 0 },
	{ "/a/b/c", "/a/b/c", 0 },
	{ "a", "/a", 0 },
	/* RFC 3986 5.2.4, 5.4.1, 5.4.2 */
	{ "/a/b/c/./../../g", "/a/g", 0 },
	{ "/mid/content=5/../6", "/mid/6", 0 },
	{ "/b/c/.", "/b/c/", 0 },
	{ "/b/c/./", "/b/c/", 0 },
	{ "/b/c/..", "/b/", 0 },
	{ "/b/c/../", "/b/", 0 },
	{ "/b/c/../..", "/", 0 },
	{ "/../g", "/g", 0 },
	{ "/b/c/../../../../g", "/g", 0 },
	{ "/b/c/g.", "/b/c/g.", 0 },
	{ "/b/c/..g", "/b/c/..g", 0 },
	{ "/b/c/...", "/b/c/...", 0 },
	{ "/b/c/g;x=1/../y", "/b/c/y", 0 },
	{ ".", "/", 0 },
	{ "..", "/", 0 },
	{ "/./.", "/", 0 },
	{ "//..", "/", 0 },
	{ "/a//../b", "/a/b", 0 },
	/* escapes */
	{ "/%61%2D%7e%5F", "/a-~_", 0 },
	{ "/%2e%2E/a/%2e/b", "/a/b", 0 },
	{ "/a/.%2e/b", "/b", 0 },
	{ "/%c3%a9", "/%C3%A9", 0 },
	{ "/a%2fb%5c", "/a%2Fb%5C", 0 },
	{ "/a/..%2fb", "/a/..%2Fb", 0 },
	{ "/%252e%252e/", "/%252e%252e/", 0 },
	{ "/%3f%23%20", "/%3F%23%20", 0 },
	{ "/%01%7f", "/%01%7F", 0 },
	{ "/100%", "/100%25", 0 },
	{ "/%4", "/%254", 0 },
	{ "/%zz", "/%25zz", 0 },
	{ "/%%34%31", "/%2541", 0 },
	/* slashes */
	{ "//a///b//", "//a///b//", 0 },
	{ "//a///b//", "/a/b/", MERGE },
	{ "/a//..//b", "/b", MERGE },
	{ "/a/./b", "/a/b", MERGE },
	{ "///", "/", MERGE },
	{ "/a/%61?", "/a/a?", REFUSE },
};

static void
test_normal(void)
{
	char out[64], again[64];
	size_t i;

	for (i = 0; i < sizeof(cases_normal) / sizeof(cases_normal[0]); i++) {
		CU_ASSERT_EQUAL(normal(cases_normal[i].path, cases_normal[i].rules, out, 60),
				HTTP_PATH_OK);
		CU_ASSERT_STRING_EQUAL(out, cases_normal[i].normal);
		CU_ASSERT_EQUAL(normal(out, cases_normal[i].rules, again, 60), HTTP_PATH_OK);
		CU_ASSERT_STRING_EQUAL(again, out);
	}
}

static void
test_refused(void)
{
	static const struct {
		const char *path;
		enum http_path_reason reason;
		unsigned int rules;
	} cases[] = {
		{ "/a%00", HTTP_PATH_NUL, 0 },
		{ "/%00/..", HTTP_PATH_NUL, 0 },
		{ "/a%2fb", HTTP_PATH_SLASH, HTTP_PATH_REFUSE_SLASH },
		{ "/a%5Cb", HTTP_PATH_SLASH, HTTP_PATH_REFUSE_SLASH },
		{ "/%0d%0a", HTTP_PATH_CONTROL, HTTP_PATH_REFUSE_CONTROL },
		{ "/%7f", HTTP_PATH_CONTROL, HTTP_PATH_REFUSE_CONTROL },
		{ "/%", HTTP_PATH_ESCAPE, HTTP_PATH_REFUSE_ESCAPE },
		{ "/%2", HTTP_PATH_ESCAPE, HTTP_PATH_REFUSE_ESCAPE },
		{ "/%2g", HTTP_PATH_ESCAPE, HTTP_PATH_REFUSE_ESCAPE },
	};
	char out[64];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_EQUAL(normal(cases[i].path, cases[i].rules, out, 60), cases[i].reason);
		CU_ASSERT(strlen(http_path_reason_help(cases[i].reason)) > 5);
		CU_ASSERT_EQUAL(strncmp(http_path_reason_name(cases[i].reason), "path-", 5), 0);
	}
}

static void
test_room(void)
{
	static const char path[] = "/abc/%c3x%y/../d";
	char out[64];
	size_t n;

	for (n = 1; n <= 20; n++) {
		/* Before the two segments are gone they need 16. */
		enum http_path_reason reason = normal(path, 0, out, n);

		CU_ASSERT_EQUAL(reason, n < 16 ? HTTP_PATH_TOO_LONG : HTTP_PATH_OK);
	}
	CU_ASSERT_EQUAL(normal("%%%", 0, out, 10), HTTP_PATH_OK);
	CU_ASSERT_STRING_EQUAL(out, "/%25%25%25");
}

/* Any path of these characters: its normal form is its own, and has no dot segments. */
static void
test_any(void)
{
	static const char alphabet[] = "/./.%%252eEfFa4";
	char path[24], out[80], again[80];
	uint64_t state = 0x9a74;
	size_t i, len;
	int round;

	for (round = 0; round < 100000; round++) {
		unsigned int rules = test_random(&state) & 1 ? MERGE : 0;

		len = test_random(&state) % (sizeof(path) - 1);
		for (i = 0; i < len; i++)
			path[i] = alphabet[test_random(&state) % (sizeof(alphabet) - 1)];
		path[len] = '\0';
		CU_ASSERT_EQUAL(normal(path, rules, out, 3 * len + 1), HTTP_PATH_OK);
		CU_ASSERT_EQUAL(normal(out, rules, again, 79), HTTP_PATH_OK);
		CU_ASSERT_STRING_EQUAL(out, again);
		strcat(again, "/");
		CU_ASSERT(out[0] == '/' && !strstr(again, "/./") && !strstr(again, "/../"));
		CU_ASSERT(!rules || !strstr(out, "//"));
	}
}

int
test_http_path_register(void)
{
	CU_TestInfo tests[] = {
		{ "normal forms", test_normal }, { "refused", test_refused }, { "room", test_room },
		{ "any path", test_any },        CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "http_path", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
