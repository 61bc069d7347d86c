/* SPDX-License-Identifier: Apache-2.0 */
/* cp/log and cp/log_line: how lines look, what is counted instead of written, and that nobody waits
 * for whoever reads the log. */
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cp/log_line.h"
#include "tests/unit/suites.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

/* ---- one line ---- */

static struct log_entry
entry_of(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	return (struct log_entry){
		.level = level,
		.event = event,
		.fields = fields,
		.n_fields = n,
		.time = { .tv_sec = 1767225600, .tv_nsec = 7999999 }, /* 2026-01-01 */
		.instance = "edge-1",
	};
}

static void
test_text(void)
{
	static const struct {
		struct log_field fields[4];
		enum log_level level;
		const char *event, *line;
	} cases[] = {
		{ { { NULL, NULL } }, LOG_LEVEL_INFO, "ready", "ready" },
		{ { { "pool", "web" }, { "#count", "7" } },
		  LOG_LEVEL_WARNING,
		  "backend-down",
		  "warning: backend-down pool=web count=7" },
		{ { { "reason", "status 503" }, { "a", "" }, { "b", "x=y" } },
		  LOG_LEVEL_ERROR,
		  "down",
		  "error: down reason=\"status 503\" a=\"\" b=\"x=y\"" },
		{ { { "message", "it \"is\" gone\\" } },
		  LOG_LEVEL_WARNING,
		  "message",
		  "warning: it \"is\" gone\\" },
		{ { { "pool", "web" }, { "message", "no backend is left" } },
		  LOG_LEVEL_WARNING,
		  "pool-down",
		  "warning: pool-down: no backend is left pool=web" },
		{ { { "message", "a\nb\x1b[2J\x7f" }, { "k", "q\"\t\\" } },
		  LOG_LEVEL_INFO,
		  "message",
		  "a\\nb\\u001b[2J\\u007f k=\"q\\\"\\t\\\\\"" },
		{ { { "k", "\xc3\xa4" }, { "bad", "\xff!" } },
		  LOG_LEVEL_INFO,
		  "e",
		  "e k=\"\xc3\xa4\" bad=\"\xef\xbf\xbd!\"" },
	};
	char line[LOG_LINE_MAX];
	size_t i, n;

	for (i = 0; i < N_OF(cases); i++) {
		struct log_entry e;

		for (n = 0; n < 4 && cases[i].fields[n].key; n++)
			;
		e = entry_of(cases[i].level, cases[i].event, cases[i].fields, n);
		CU_ASSERT_EQUAL(log_line_text(&e, line), strlen(cases[i].line));
		CU_ASSERT_STRING_EQUAL(line, cases[i].line);
	}
}

static void
test_json(void)
{
	static const struct log_field fields[] = {
		{ "pool", "a\"b\n" },  { "#generation", "12" }, { "#bad", "1e3" },
		{ "#zero", "0" },      { "#octal", "012" },     { "message", "it is \xff down" },
		{ "#negative", "-5" },
	};
	struct log_entry e = entry_of(LOG_LEVEL_WARNING, "backend-down", fields, N_OF(fields));
	char line[LOG_LINE_MAX];

	log_line_json(&e, line);
	CU_ASSERT_STRING_EQUAL(
	    line, "{\"time\":\"2026-01-01T00:00:00.007Z\",\"level\":\"warning\","
		  "\"gateway_instance\":\"edge-1\",\"event\":\"backend-down\","
		  "\"pool\":\"a\\\"b\\n\",\"generation\":12,\"bad\":\"1e3\",\"zero\":0,"
		  "\"octal\":\"012\",\"message\":\"it is \xef\xbf\xbd down\","
		  "\"negative\":-5}");
	e.repeated = 3;
	e.n_fields = 0;
	log_line_json(&e, line);
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "\"event\":\"backend-down\",\"repeated\":3}"));
}

/* Whatever is in the fields, and however long they are: one line, and JSON is JSON. */
static void
test_any_bytes(void)
{
	uint64_t state = 11;
	unsigned int round;

	for (round = 0; round < 2000; round++) {
		static char texts[4][5000];
		struct log_field fields[4];
		struct log_entry e;
		char line[LOG_LINE_MAX];
		json_t *json;
		size_t i, j;

		for (i = 0; i < 4; i++) {
			size_t len = test_random(&state) % (round % 3 == 0 ? 4999 : 60);

			for (j = 0; j < len; j++)
				texts[i][j] = (char)(1 + test_random(&state) % 255);
			texts[i][len] = '\0';
			fields[i] = (struct log_field){ i == 2 ? "message" : "key", texts[i] };
		}
		fields[1].key = "other";
		fields[3].key = "#number";
		e = entry_of(LOG_LEVEL_INFO, "event", fields, 4);
		e.repeated = round % 2 ? UINT32_MAX : 0;
		CU_ASSERT(log_line_text(&e, line) < LOG_LINE_MAX);
		CU_ASSERT_PTR_NULL(strpbrk(line, "\n\r\x1b"));
		CU_ASSERT(log_line_json(&e, line) < LOG_LINE_MAX);
		CU_ASSERT_PTR_NULL(strpbrk(line, "\n\r\x1b"));
		json = json_loads(line, 0, NULL);
		CU_ASSERT_PTR_NOT_NULL(json);
		json_decref(json);
	}
}

/* ---- many lines ---- */

/* Standard error is a pipe between begin and end. */
struct capture {
	int saved, pipe[2];
	char text[1 << 20];
};
static struct capture capture;

static void
capture_begin(size_t pipe_size)
{
	static const struct log_config config = { .level = LOG_LEVEL_INFO };

	fflush(stderr);
	capture.saved = dup(STDERR_FILENO);
	CU_ASSERT_FATAL(pipe2(capture.pipe, O_CLOEXEC) == 0);
	fcntl(capture.pipe[1], F_SETPIPE_SZ, (int)pipe_size);
	fcntl(capture.pipe[0], F_SETFL, O_NONBLOCK);
	dup2(capture.pipe[1], STDERR_FILENO);
	log_configure(&config, "edge-1");
}

static const char *
capture_read(void)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(capture.pipe[0], capture.text + len, sizeof(capture.text) - 1 - len)) > 0)
		len += (size_t)n;
	capture.text[len] = '\0';
	return capture.text;
}

static void
capture_end(void)
{
	log_flush();
	dup2(capture.saved, STDERR_FILENO);
	close(capture.saved);
	close(capture.pipe[0]);
	close(capture.pipe[1]);
}

static unsigned int
count_lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void
test_repeated(void)
{
	int i;

	capture_begin(1 << 16);
	for (i = 0; i < 5; i++)
		log_event(LOG_LEVEL_WARNING, "backend-down", "pool", "web", NULL);
	log_tick(); /* too early to say how often */
	log_event(LOG_LEVEL_WARNING, "backend-down", "pool", "dns", NULL);
	log_info("%s", "that was it");
	log_info("%s", "that was it");
	log_flush();
	log_info("%s", "that was it");
	CU_ASSERT_STRING_EQUAL(capture_read(),
			       "penstockd: warning: backend-down pool=web\n"
			       "penstockd: warning: backend-down pool=web (repeated 4 times)\n"
			       "penstockd: warning: backend-down pool=dns\n"
			       "penstockd: that was it\n"
			       "penstockd: that was it (repeated 1 times)\n"
			       "penstockd: that was it\n");
	capture_end();
}

static void
test_levels(void)
{
	struct log_config config = { .level = LOG_LEVEL_WARNING, .format = LOG_FORMAT_JSON };
	const char *text;

	capture_begin(1 << 16);
	log_configure(&config, "edge-\"2\"");
	log_info("%s", "not said");
	log_warning("%s", "said");
	text = capture_read();
	CU_ASSERT_EQUAL(count_lines(text), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"gateway_instance\":\"edge-\\\"2\\\"\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"event\":\"message\",\"message\":\"said\"}\n"));
	capture_end();
}

/* However much is said, so many lines are written, and the worse ones find room. */
static void
test_rate(void)
{
	const char *text;
	unsigned int written;
	char left[64];
	int i;

	capture_begin(1 << 20);
	for (i = 0; i < 5000; i++)
		log_info("line %d", i);
	written = count_lines(capture_read());
	CU_ASSERT(written <= 410);
	log_error("a thing that does not work");
	text = capture_read();
	snprintf(left, sizeof(left), "lines were left out: too many count=%u", 5000 - written);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, left));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "error: a thing that does not work\n"));
	for (i = 0; i < 5000; i++)
		log_error("error %d", i);
	CU_ASSERT(count_lines(capture_read()) <= 120);
	capture_end();
}

/* Nobody reads the pipe: this would hang. */
static void
test_full_pipe(void)
{
	const char *text;
	int i;

	usleep(1500000); /* the bound on lines from before is forgotten by then */
	capture_begin(8192);
	for (i = 0; i < 60; i++)
		log_error("%0500d", i);
	CU_ASSERT(count_lines(capture_read()) < 60);
	log_error("at last");
	text = capture_read();
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "whoever reads the log is too slow count="));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "error: at last\n"));
	capture_end();
}

int
test_log_register(void)
{
	static CU_TestInfo tests[] = {
		{ "text", test_text },
		{ "JSON", test_json },
		{ "any bytes, any length", test_any_bytes },
		{ "the same again is counted", test_repeated },
		{ "levels and format", test_levels },
		{ "so many lines and no more", test_rate },
		{ "a full pipe", test_full_pipe },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = {
		{ "log", NULL, NULL, NULL, NULL, tests },
		CU_SUITE_INFO_NULL,
	};

	return CU_register_suites(suites);
}
