/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: what backends are told of clients and of whom they ask for, and what of what
 * clients say themselves does not come to them; and where redirects lead to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "http_world.h"
#include "lib/http/known.h"
#include "lib/lpm.h"
#include "suites.h"

#define GET "GET / HTTP/1.1\r\nHost: h\r\n"

static const char *const client_of[] = { "198.51.100.7", "2001:db8:1::7" };
static const char *const forwarded_of[] = { "for=198.51.100.7", "for=\"[2001:db8:1::7]\"" };

/* A listener that trusts all clients, or none. */
struct told {
	struct http_world *w;
	struct lpm *trusted;
};

static struct told
told_create(bool ip6, bool trusted)
{
	struct told t = { .w = http_world_create(
			      &(struct http_world_plan){ .wire = { .seed = 11, .ip6 = ip6 } }) };
	struct lpm_entry all[2] = { { .value = 1 }, { .value = 1 } };

	CU_ASSERT_EQUAL_FATAL(prefix_parse("0.0.0.0/0", &all[0].prefix), 0);
	CU_ASSERT_EQUAL_FATAL(prefix_parse("::/0", &all[1].prefix), 0);
	if (trusted) {
		CU_ASSERT_EQUAL_FATAL(lpm_build(&t.trusted, all, 2), 0);
		t.w->wire.settings[0].trusted = t.trusted;
	}
	return t;
}

static void
told_destroy(struct told *t)
{
	CU_ASSERT_PTR_NULL(http_world_destroy(t->w));
	lpm_free(t->trusted);
}

static void
see_all(void *end, const uint8_t *bytes)
{
	(void)bytes;
	((struct http_end *)end)->reader.whole = true;
}

/* All that the backend has got of one request, and its answer's status. */
static const char *
ask(struct told *t, const char *request, uint16_t status)
{
	struct http_end *c = http_client_open(t->w);

	t->w->backend_head = see_all;
	http_world_forget(t->w);
	http_say(c, request);
	CU_ASSERT(http_world_wait(t->w, c, 1));
	if (c->reader.status != status)
		fprintf(stderr, "%.60s: %s\n", request, c->reader.seen.bytes);
	CU_ASSERT_EQUAL(c->reader.status, status);
	http_reset(c);
	http_world_run(t->w, 5);
	return http_world_asked(t->w);
}

/* The first request on a connection is looked at from its end only: this makes the backend's
 * connection, which is kept for what follows. */
static void
begin(struct told *t)
{
	http_world_start(t->w);
	ask(t, GET "\r\n", 200);
}

static bool
has(const char *text, const char *part)
{
	if (strcasestr(text, part))
		return true;
	fprintf(stderr, "not told: %.200s\nbut: %s\n", part, text);
	return false;
}

static bool
lacks(const char *text, const char *part)
{
	if (!strcasestr(text, part))
		return true;
	fprintf(stderr, "told: %s\nin: %s\n", part, text);
	return false;
}

/* ---- identity -------------------------------------------------------------------------------- */

static const char *const identities[] = {
	"X-Real-IP",        "True-Client-IP",       "X-Client-IP",
	"X-Forwarded-Port", "X-Forwarded-User",     "X-Forwarded-Prefix",
	"x-forwarded-ssl",  "X-Forwarded-Scheme",   "X-Forwarded-Server",
	"X-Original-URL",   "X-Rewrite-URL",        "Front-End-Https",
	"CF-Connecting-IP", "CF-Connecting-IPv6",   "Fastly-Client-IP",
	"Fly-Client-IP",    "X-Cluster-Client-IP",  "X-Original-Host",
	"X-Forwarded",      "x-remote-user",        "X-Remote-Addr",
	"X-Remote-IP",      "X-Url-Scheme",         "X-Original-Forwarded-For",
	"Client-IP",        "X-Originating-IP",     "X-Envoy-External-Address",
	"X-Real_IP",        "X-SSL-Client-Verify",  "X-SSL-Client-Cert",
	"X-Forwarded-Uri",  "X-Forwarded-For-More",
};

/* What says who the client is comes from trusted ones only, but for names that only look so. */
static void
test_identity(void)
{
	uint32_t k, i;

	for (k = 0; k < 4; k++) {
		bool trusted = k & 2;
		struct told t = told_create(k & 1, trusted);

		begin(&t);
		for (i = 0; i < RTE_DIM(identities); i++) {
			char request[256], line[128];
			const char *asked;

			snprintf(line, sizeof(line), "%s: forged\r\n", identities[i]);
			snprintf(request, sizeof(request), GET "X-Else: a\r\n%sX-Kept: b\r\n\r\n",
				 line);
			asked = ask(&t, request, 200);
			CU_ASSERT(trusted && !strchr(identities[i], '_') ? has(asked, line)
									 : lacks(asked, "forged"));
			CU_ASSERT(has(asked, "X-Else: a\r\n") && has(asked, "X-Kept: b\r\n"));
		}
		told_destroy(&t);
	}
}

/* The sets agree: what only others may say is a part of what says who the client is. */
static void
test_sets(void)
{
	CU_ASSERT_EQUAL(HTTP_CLIENT_SAYS & ~HTTP_IDENTITY, 0);
	CU_ASSERT(http_known_bit(HTTP_X_REAL_IP) & HTTP_CLIENT_SAYS);
}

/* ---- names that look alike ------------------------------------------------------------------- */

static const struct {
	const char *line;
	bool passed;
} alike[] = {
	{ "Content_Length: 5\r\n", false },
	{ "Transfer_Encoding: chunked\r\n", false },
	{ "transfer.encoding: chunked\r\n", false },
	{ "X_Forwarded_For: 1.2.3.4\r\n", false },
	{ "X_Real_IP: 1.2.3.4\r\n", false },
	{ "Max_Forwards: 1\r\n", false },
	{ "X_Env: prod\r\n", false },
	{ "x.debug: 1\r\n", false },
	{ "X_More: 1\r\n", false },
	{ "X_Other: 1\r\n", true },
	{ "X_Env_: 1\r\n", true },
	{ "Content_Lengths: 5\r\n", true },
	{ "ContentLength: 5\r\n", true },
};

static void
test_alike(void)
{
	struct http_edit edits[] = {
		http_edit_text(HTTP_EDIT_SET, "X-Env", "mine"),
		http_edit_text(HTTP_EDIT_REMOVE, "X-Debug", ""),
		http_edit_text(HTTP_EDIT_ADD, "x-more", "2"),
	};
	uint32_t k, i;

	for (k = 0; k < 4; k++) {
		struct told t = told_create(k & 1, k & 2);
		uint64_t hidden = 0;

		t.w->routes[0].request_edits = edits;
		t.w->routes[0].n_request_edits = RTE_DIM(edits);
		begin(&t);
		for (i = 0; i < RTE_DIM(alike); i++) {
			char request[256];
			const char *asked;

			snprintf(request, sizeof(request), GET "%s\r\n", alike[i].line);
			asked = ask(&t, request, 200);
			CU_ASSERT(alike[i].passed ? has(asked, alike[i].line)
						  : lacks(asked, alike[i].line));
			CU_ASSERT(has(asked, "X-Env: mine\r\n") && has(asked, "x-more: 2\r\n"));
			hidden += !alike[i].passed;
			CU_ASSERT_EQUAL(http_world_counters(t.w)->fields_alike, hidden);
		}
		told_destroy(&t);
	}
}

/* ---- lists that are too long ----------------------------------------------------------------- */

/* Elements e<from>, ... e<to - 1> with commas. Its length. */
static int
elements(char *out, const char *form, int from, int to)
{
	int i, n = 0;

	out[0] = '\0';
	for (i = from; i < to; i++) {
		n += sprintf(out + n, i == from ? "" : ", ");
		n += sprintf(out + n, form, i);
	}
	return n;
}

struct list {
	const char *field, *form;
	int before; /* elements in a first field of that name */
};

/* What is told is an end of what was said, whole elements, as long as may be. */
static void
check_list(struct told *t, const struct list *l, int n, const char *ours)
{
	static char request[16000], first[6000], second[6000], one[64], want[8000];
	uint64_t cut = http_world_counters(t->w)->forwarded_cut;
	int from = 0, length;
	const char *asked;

	elements(first, l->form, 0, l->before);
	elements(second, l->form, l->before, n);
	sprintf(request, GET "%s: %s\r\nX-Else: a\r\n%s: %s\r\n\r\n", l->field, first, l->field,
		second);
	/* each is followed by a comma and a blank */
	for (length = elements(want, l->form, from, n) + 2; length > 1024; length -= 2)
		length -= sprintf(one, l->form, from++);
	elements(want, l->form, from, n);
	asked = ask(t, request, 200);
	sprintf(first, "%s: %s, %s", l->field, want, ours);
	CU_ASSERT(has(asked, first));
	CU_ASSERT_EQUAL(http_world_counters(t->w)->forwarded_cut, cut + (from > 0));
	CU_ASSERT(n < 100 || from > 0);
}

static void
test_long_lists(void)
{
	static const struct list lists[] = {
		{ "X-Forwarded-For", "192.0.2.%d", 1 },
		{ "X-Forwarded-For", "192.0.2.%d", 60 },
		{ "X-Forwarded-For", "2001:db8:0:1::%d", 10 },
		{ "Forwarded", "for=192.0.2.%1$d;by=\"a, \\\"b%1$d\"", 1 },
		{ "Forwarded", "for=\"[2001:db8::%d]:80\"", 33 },
	};
	uint32_t k, i;
	int n;

	for (k = 0; k < 2; k++) {
		struct told t = told_create(k, true);

		begin(&t);
		for (i = 0; i < RTE_DIM(lists); i++)
			for (n = lists[i].before + 1; n < 130; n += 3)
				check_list(&t, &lists[i], n,
					   strcmp(lists[i].field, "Forwarded") ? client_of[k]
									       : forwarded_of[k]);
		told_destroy(&t);
	}
}

/* Both at once, and what is one element: there is room for each, and nothing in pieces. */
static void
test_long_both(void)
{
	static char long_one[1100], request[8000], want[2100], list[2100];
	struct told t = told_create(false, true);
	const char *asked;

	memset(long_one, 'x', sizeof(long_one) - 1);
	begin(&t);
	elements(list, "192.0.2.%d", 0, 100);
	sprintf(request, GET "X-Forwarded-For: %s\r\nForwarded: for=a, for=%.900s\r\n\r\n", list,
		long_one);
	asked = ask(&t, request, 200);
	CU_ASSERT(has(asked, "X-Forwarded-For: 192.0.2.") &&
		  has(asked, "192.0.2.99, 198.51.100.7\r\n"));
	sprintf(want, "Forwarded: for=a, for=%.900s, for=198.51.100.7;", long_one);
	CU_ASSERT(has(asked, want));
	sprintf(request,
		GET "X-Forwarded-For: 192.0.2.1, %s\r\nForwarded: for=a;by=\"%s, x\"\r\n\r\n",
		long_one, long_one);
	asked = ask(&t, request, 200);
	CU_ASSERT(has(asked, "X-Forwarded-For: 198.51.100.7\r\n"));
	CU_ASSERT(has(asked, "Forwarded: for=198.51.100.7;"));
	CU_ASSERT_EQUAL(http_world_counters(t.w)->forwarded_cut, 3);
	told_destroy(&t);
}

/* ---- Via ------------------------------------------------------------------------------------- */

/* Behind what is there, with the version that the message has come with; both ways. */
static void
test_via(void)
{
	static const char *const answers[] = {
		"HTTP/1.0 200 OK\r\nVia: 1.1 inner\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL
	};
	struct http_edit edit = http_edit_text(HTTP_EDIT_SET, "X-More", "1");
	char name[257], want[300];
	uint32_t k;

	memset(name, 'n', 256);
	for (k = 0; k < 2; k++) {
		struct told t = told_create(k, k);
		struct http_end *c;
		const char *asked;

		t.w->listener.via = (struct http_text){ k ? name : "edge-1", k ? 256 : 6 };
		t.w->routes[0].response_edits = &edit;
		t.w->routes[0].n_response_edits = k;
		sprintf(want, "Via: 1.1 %.*s\r\n", k ? 256 : 6, k ? name : "edge-1");
		begin(&t);
		asked = ask(&t, GET "Via: 1.0 outer\r\n\r\n", 200);
		CU_ASSERT(has(asked, "Via: 1.0 outer\r\n") && has(asked, want));
		t.w->answers = answers;
		c = http_client_open(t.w);
		http_say(c, GET "\r\nGET / HTTP/1.0\r\nHost: h\r\n\r\n");
		CU_ASSERT(http_world_wait(t.w, c, 2));
		CU_ASSERT(has(c->reader.seen.bytes, "Via: 1.1 inner\r\n"));
		CU_ASSERT(has(c->reader.seen.bytes, want));
		want[7] = '0';
		CU_ASSERT(has(c->reader.seen.bytes, want));
		CU_ASSERT(has(http_world_asked(t.w), want));
		CU_ASSERT(!k == !strstr(c->reader.seen.bytes, "X-More: 1\r\n"));
		told_destroy(&t);
	}
}

/* ---- HTTP/1.0 without Host ------------------------------------------------------------------- */

static void
test_no_host(void)
{
	static const char *const own[] = { "192.0.2.10", "[2001:db8::10]" };
	char want[128];
	uint32_t k;

	for (k = 0; k < 2; k++) {
		struct told t = told_create(k, false);
		const char *asked;

		begin(&t);
		asked = ask(&t, "GET /a?b HTTP/1.0\r\nX-Forwarded-Host: forged\r\n\r\n", 200);
		sprintf(want, "GET /a?b HTTP/1.1\r\nHost: %s\r\n", own[k]);
		CU_ASSERT(has(asked, want));
		CU_ASSERT(lacks(asked, "X-Forwarded-Host") && lacks(asked, "forged"));
		sprintf(want, "Forwarded: %s;proto=http\r\n", forwarded_of[k]);
		CU_ASSERT(has(asked, want));
		asked = ask(&t, "GET http://other:81/ HTTP/1.0\r\n\r\n", 200);
		CU_ASSERT(has(asked, "Host: other:81\r\n"));
		/* That the route says another one counts. */
		t.w->routes[0].host = (struct http_text){ "inner", 5 };
		asked = ask(&t, "GET / HTTP/1.0\r\n\r\n", 200);
		CU_ASSERT(has(asked, "Host: inner\r\n"));
		CU_ASSERT_EQUAL(http_world_counters(t.w)->heads_unfit, 0);
		told_destroy(&t);
	}
}

/* What the route makes of a head may be no head. */
static void
test_unfit(void)
{
	static char prefix[60001], request[8000];
	struct told t = told_create(true, false);
	struct http_end *c;
	int n;

	memset(prefix, '/', 1);
	memset(prefix + 1, 'x', sizeof(prefix) - 2);
	t.w->matches[0].path = (char *)(uintptr_t) "/";
	t.w->routes[0].match_prefix = (struct http_text){ "/", 1 };
	t.w->routes[0].path_prefix = (struct http_text){ prefix, sizeof(prefix) - 1 };
	http_world_start(t.w);
	n = sprintf(request, "GET /");
	memset(request + n, 'y', 6000);
	sprintf(request + n + 6000, " HTTP/1.1\r\nHost: h\r\n\r\n");
	c = http_client_open(t.w);
	http_say(c, request);
	CU_ASSERT(http_world_wait(t.w, c, 1));
	CU_ASSERT_EQUAL(c->reader.status, 400);
	CU_ASSERT_EQUAL(http_world_counters(t.w)->heads_unfit, 1);
	told_destroy(&t);
}

/* ---- redirects ------------------------------------------------------------------------------- */

static const struct {
	const char *location, *request, *want;
	unsigned int rules;
} redirects[] = {
	{ "$path$query", "GET //evil.com/../redir/x HTTP/1.1\r\nHost: h\r\n\r\n", "/redir/x",
	  HTTP_PATH_MERGE_SLASHES },
	{ "$path$query", "GET //evil.com/x?a=//b HTTP/1.1\r\nHost: h\r\n\r\n", "/evil.com/x?a=//b",
	  HTTP_PATH_MERGE_SLASHES },
	{ "$path$query", "GET //evil.com/x HTTP/1.1\r\nHost: h\r\n\r\n", "/evil.com/x", 0 },
	{ "$path", "GET ///evil.com//x HTTP/1.1\r\nHost: h\r\n\r\n", "/evil.com//x", 0 },
	{ "/$path", "GET /evil.com HTTP/1.1\r\nHost: h\r\n\r\n", "/evil.com", 0 },
	{ "//$host$path", "GET /a/%7eb/./c HTTP/1.1\r\nHost: h:81\r\n\r\n", "//h/a/~b/c", 0 },
	{ "https://$host$path$query", "GET /a//b? HTTP/1.1\r\nHost: h\r\n\r\n", "https://h/a//b?",
	  0 },
	{ "$scheme://$host/x$path", "GET http://o HTTP/1.0\r\n\r\n", "http://o/x/", 0 },
};

static const char *
location_of(struct told *t, const char *request)
{
	static char text[256];
	struct http_end *c = http_client_open(t->w);
	const char *at;

	http_say(c, request);
	CU_ASSERT(http_world_wait(t->w, c, 1));
	CU_ASSERT_EQUAL(c->reader.status, 301);
	at = strstr(c->reader.seen.bytes, "Location: ");
	text[0] = '\0';
	if (at)
		sscanf(at, "Location: %255s", text);
	return text;
}

static struct told
redirecting(bool ip6, const char *location)
{
	struct told t = told_create(ip6, false);

	t.w->routes[0].action = HTTP_ACTION_REDIRECT;
	t.w->routes[0].status = 301;
	t.w->routes[0].location = (struct http_text){ location, (uint32_t)strlen(location) };
	return t;
}

static void
test_redirects(void)
{
	uint32_t i, k;

	for (i = 0; i < RTE_DIM(redirects); i++) {
		/* At once, and after a delay, when the head is read again. */
		for (k = 0; k < 2; k++) {
			struct told t = redirecting(k, redirects[i].location);
			const char *got;

			t.w->listener.path_rules = redirects[i].rules;
			if (k)
				t.w->routes[0].fault =
				    (struct http_fault){ .delay = 50 * MS,
							 .delay_share = UINT32_MAX };
			http_world_start(t.w);
			got = location_of(&t, redirects[i].request);
			CU_ASSERT_STRING_EQUAL(got, redirects[i].want);
			told_destroy(&t);
		}
	}
}

static void
test_redirect_no_host(void)
{
	static const char *const want[] = { "https://192.0.2.10/a", "https://[2001:db8::10]/a" };
	uint32_t k;

	for (k = 0; k < 2; k++) {
		struct told t = redirecting(k, "https://$host$path");

		http_world_start(t.w);
		CU_ASSERT_STRING_EQUAL(location_of(&t, "GET /a HTTP/1.0\r\n\r\n"), want[k]);
		told_destroy(&t);
	}
}

int
test_http_told_register(void)
{
	CU_TestInfo tests[] = {
		{ "who the client is", test_identity },
		{ "the sets of names", test_sets },
		{ "names that look alike", test_alike },
		{ "lists that are too long", test_long_lists },
		{ "... both, and long elements", test_long_both },
		{ "Via", test_via },
		{ "HTTP/1.0 without Host", test_no_host },
		{ "a head that cannot be", test_unfit },
		{ "redirects", test_redirects },
		{ "redirects without Host", test_redirect_no_host },
		CU_TEST_INFO_NULL,
	};

	return suite_add("http: what is told", tests);
}
