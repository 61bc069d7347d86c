/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP codec beside another reader of HTTP/1: many made-up messages, good and nearly good, the
 * same in each run. Where the two understand something else, http_explained.c says why; what it
 * does not explain fails, and so does an explanation that nothing needs.
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#include "lib/http/chunked.h"
#include "tests/unit/http_case.h"
#include "tests/unit/http_message.h"
#include "tests/unit/suites.h"

#define HEADS  400000
#define BODIES 200000

/* ---- both read them -------------------------------------------------------------------------- */

static void
read_head(struct message *m)
{
	const uint8_t *bytes = (const uint8_t *)m->text;

	if (m->kind == MESSAGE_RESPONSE) {
		http_response_start(&m->ours, HTTP_GET);
		m->result = http_response_parse(&m->ours, &http_case_limits, bytes, m->len);
	} else {
		http_request_start(&m->ours);
		m->result = http_request_parse(&m->ours, &http_case_limits, bytes, m->len);
	}
	m->bad = (enum http_bad)m->ours.bad;
	other_read_head(m->text, m->len, m->kind == MESSAGE_RESPONSE, &m->theirs);
}

static void
read_body(struct message *m)
{
	struct http_chunked c = { 0 };
	struct http_run run;
	size_t at = 0;

	m->n_payload = 0;
	do {
		m->result =
		    http_chunked_next(&c, 256, (const uint8_t *)m->text + at, m->len - at, &run);
		if (run.kind == HTTP_RUN_PAYLOAD) {
			memcpy(m->payload + m->n_payload, m->text + at + run.at, run.length);
			m->n_payload += run.length;
		}
		at += run.used;
	} while (m->result == HTTP_MORE && at < m->len);
	m->bad = (enum http_bad)c.bad;
	other_read_chunked(m->text, m->len, &m->theirs);
}

/* ---- in what do they differ? ----------------------------------------------------------------- */

static bool
same_text(const struct message *m, struct http_span ours, struct other_span theirs)
{
	return ours.length == theirs.length &&
	       (ours.length == 0 ||
		memcmp(m->text + ours.at, m->text + theirs.at, ours.length) == 0);
}

bool
message_same_fields(const struct message *m)
{
	size_t i;

	if (m->ours.n_fields != m->theirs.n_fields)
		return false;
	for (i = 0; i < m->ours.n_fields; i++)
		if (!same_text(m, m->ours.fields[i].name, m->theirs.names[i]) ||
		    !same_text(m, m->ours.fields[i].value, m->theirs.values[i]))
			return false;
	return true;
}

/* The name of what both have read but not as the same, or NULL. */
static const char *
difference_of_heads(const struct message *m)
{
	const struct http_head *h = &m->ours;
	const struct http_seen *t = &m->theirs;

	if (h->minor != t->minor || h->status != t->status)
		return "first line";
	if (m->kind == MESSAGE_REQUEST && (!same_text(m, h->target, t->target) ||
					   !http_case_is(m->text, h->method_name, t->method)))
		return "first line";
	if (!message_same_fields(m))
		return "fields";
	if (h->has_length != t->has_length || (h->has_length && h->content_length != t->length) ||
	    h->chunked != t->chunked)
		return "framing";
	return h->keep_alive != t->keep_alive ? "keep-alive" : NULL;
}

static const char *
difference_of_bodies(const struct message *m)
{
	return m->n_payload != m->theirs.n_payload ||
		       memcmp(m->payload, m->theirs.payload, m->n_payload) != 0
		   ? "payload"
		   : NULL;
}

/* False: they agree. */
static bool
differ(const struct message *m, struct verdicts *v)
{
	v->ours = m->result == HTTP_BAD ? http_bad_name(m->bad) : "ok";
	if (m->result == HTTP_MORE)
		v->ours = "incomplete";
	v->theirs = m->theirs.good ? "ok" : m->theirs.error;
	if (m->result == HTTP_DONE && m->theirs.good) {
		v->theirs =
		    m->kind == MESSAGE_BODY ? difference_of_bodies(m) : difference_of_heads(m);
		return v->theirs != NULL;
	}
	return (m->result == HTTP_DONE) != m->theirs.good;
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void
tell(const struct message *m, const struct verdicts *v)
{
	size_t i;

	printf("not explained: ours %s, theirs %s: ", v->ours, v->theirs);
	for (i = 0; i < m->len; i++)
		printf(m->text[i] >= 0x20 && m->text[i] < 0x7f ? "%c" : "\\%03o",
		       (unsigned char)m->text[i]);
	printf("\n");
}

/* So many messages; *good counts those that both take for the same, `used` the explanations. */
static void
compare(int n, bool body, int *good, int used[EXPLANATIONS])
{
	const struct explanation *e;
	uint64_t state = body ? 0xb0d7 : 0x4ead;
	static struct message m;
	struct verdicts v;
	int unexplained = 0;

	*good = 0;
	while (n--) {
		if (body) {
			message_make_body(&m, &state);
			read_body(&m);
		} else {
			message_make_head(&m, &state);
			read_head(&m);
		}
		if (!differ(&m, &v)) {
			*good += m.result == HTTP_DONE;
			continue;
		}
		e = message_explain(&m, &v);
		if (e)
			used[e - explanations]++;
		else if (unexplained++ < 5)
			tell(&m, &v);
	}
	CU_ASSERT_EQUAL(unexplained, 0);
}

static void
test_corpus(void)
{
	int used[EXPLANATIONS] = { 0 }, good;
	size_t i;

	compare(HEADS, false, &good, used);
	CU_ASSERT(good > HEADS / 4);
	compare(BODIES, true, &good, used);
	CU_ASSERT(good > BODIES / 4);
	for (i = 0; i < EXPLANATIONS; i++) {
		CU_ASSERT(used[i] > 0);
		if (!used[i])
			printf("explains nothing: %s, %s\n", explanations[i].ours,
			       explanations[i].why);
	}
}

/* A reader that understands a little else is noticed, and nothing explains it. */
static void
test_notices(void)
{
	static const char text[] = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
	static struct message m, wrong;
	struct verdicts v;
	int i;

	m.len = sizeof(text) - 1;
	m.kind = MESSAGE_REQUEST;
	memcpy(m.text, text, m.len);
	read_head(&m);
	CU_ASSERT_EQUAL(m.result, HTTP_DONE);
	CU_ASSERT_FALSE(differ(&m, &v));
	for (i = 0; i < 9; i++) {
		wrong = m;
		wrong.ours.content_length += i == 0;
		wrong.ours.has_length ^= i == 1;
		wrong.ours.chunked ^= i == 2;
		wrong.ours.keep_alive ^= i == 3;
		wrong.ours.n_fields -= i == 4;
		wrong.ours.fields[1].value.length -= i == 5;
		wrong.ours.fields[0].name.at += i == 6;
		wrong.ours.target.length -= i == 7;
		if (i == 8) {
			wrong.result = HTTP_BAD;
			wrong.bad = HTTP_BAD_OBS_FOLD;
		}
		CU_ASSERT(differ(&wrong, &v));
		CU_ASSERT_PTR_NULL(message_explain(&wrong, &v));
	}
}

int
test_http_differ_register(void)
{
	CU_TestInfo tests[] = {
		{ "differences are noticed", test_notices },
		{ "made-up messages, beside another reader", test_corpus },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "http_differ", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
