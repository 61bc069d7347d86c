/* SPDX-License-Identifier: Apache-2.0 */
/* Records of requests: the ring when it is full, their JSON, and where lines go. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cp/record/line.h"
#include "cp/record/sink.h"
#include "cp/trace/span.h"
#include "dp/l7/record.h"
#include "tests/unit/folder.h"
#include "tests/unit/suites.h"

/* A record with these texts. */
static void
make(struct http_record *r, const char *method, const char *host, const char *path)
{
	memset(r, 0, sizeof(*r));
	r->method_length = (uint8_t)strlen(method);
	r->host_length = (uint8_t)strlen(host);
	r->listener_length = 4;
	r->path_length = (uint16_t)strlen(path);
	r->route_length = 3;
	sprintf(r->text, "%s%sshop%sapi", method, host, path);
	r->status = 200;
	r->minor = 1;
	r->bytes_out = 1234567890123456789;
	r->total = 1500;
}

/* What does not fit is counted, and what fits comes out in order, also when the positions wrap. */
static void
test_ring(void)
{
	struct http_records *records = http_records_create();
	const struct http_record *out;
	struct http_record r;
	uint32_t i, turn;

	CU_ASSERT_PTR_NOT_NULL_FATAL(records);
	make(&r, "GET", "h", "/");
	records->head = records->tail = records->tail_seen = UINT32_MAX - 7;
	CU_ASSERT_PTR_NULL(http_records_peek(records));
	for (turn = 1; turn <= 3; turn++) {
		for (i = 0; i < RECORD_RING + 5; i++) {
			r.bytes_in = i;
			CU_ASSERT_EQUAL(http_records_put(records, &r), i < RECORD_RING);
		}
		CU_ASSERT_EQUAL(http_records_dropped(records), 5 * turn);
		for (i = 0; (out = http_records_peek(records)); i++) {
			CU_ASSERT_EQUAL(out->bytes_in, i);
			CU_ASSERT_EQUAL(out->route_length, 3);
			http_records_next(records);
		}
		CU_ASSERT_EQUAL(i, RECORD_RING);
	}
	http_records_destroy(records);
}

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void
test_line(void)
{
	struct record_context c = {
		.instance = "edge \"1\"", .pool = "web", .wall = 1767225600123456789, .worker = 3
	};
	char line[RECORD_LINE_MAX];
	struct http_record r;
	json_t *object;
	size_t length;

	make(&r, "GET", "shop.example", "/a?\"\\\x01\xff\xc3\xa9");
	r.flags = HTTP_RECORD_BACKEND | HTTP_RECORD_CUT_OFF | HTTP_RECORD_TRACED;
	r.cause = HTTP_CAUSE_CLIENT_GONE;
	r.trace_id[15] = 0xab;
	addr_parse("10.0.0.1", &r.backend);
	addr_parse("2001:db8::9", &r.client);
	r.backend_port = 80;
	length = record_line(&r, &c, line);
	CU_ASSERT_EQUAL(line[length - 1], '\n');
	object = json_loadb(line, length, 0, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(object);
	CU_ASSERT_STRING_EQUAL(text_of(object, "time"), "2026-01-01T00:00:00.123456Z");
	CU_ASSERT_STRING_EQUAL(text_of(object, "gateway_instance"), "edge \"1\"");
	CU_ASSERT_STRING_EQUAL(text_of(object, "service_name"), "shop");
	CU_ASSERT_STRING_EQUAL(text_of(object, "route"), "api");
	CU_ASSERT_STRING_EQUAL(text_of(object, "path"), "/a?\"\\\x01\xef\xbf\xbd\xc3\xa9");
	CU_ASSERT_STRING_EQUAL(text_of(object, "client"), "2001:db8::9");
	CU_ASSERT_STRING_EQUAL(text_of(object, "backend"), "10.0.0.1:80");
	CU_ASSERT_STRING_EQUAL(text_of(object, "cause"), "client-gone");
	CU_ASSERT_STRING_EQUAL(text_of(object, "trace_id"), "000000000000000000000000000000ab");
	CU_ASSERT_PTR_NULL(json_object_get(object, "span_id"));
	CU_ASSERT(json_is_true(json_object_get(object, "cut_off")));
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "\"bytes_out\":1234567890123456789,"));
	json_decref(object);
}

/* The longest texts of the worst bytes fit, as lines and as spans. */
static void
test_longest(void)
{
	struct record_context c = { .instance = "i", .pool = "p" };
	char line[RECORD_LINE_MAX], span[SPAN_MAX];
	struct http_record r;
	json_t *object;

	memset(&r, 0x7f, sizeof(r));
	memset(r.text, 1, sizeof(r.text));
	r.method_length = r.listener_length = r.route_length = RECORD_NAME_MAX;
	r.host_length = RECORD_HOST_MAX;
	r.path_length = RECORD_TEXT - 3 * RECORD_NAME_MAX - RECORD_HOST_MAX;
	r.cause = HTTP_CAUSE_COUNT - 1;
	CU_ASSERT_EQUAL(record_size(&r), sizeof(r));
	object = json_loadb(line, record_line(&r, &c, line), 0, NULL);
	CU_ASSERT_PTR_NOT_NULL(object);
	json_decref(object);
	object = json_loadb(span, span_write(&r, &c, span), 0, NULL);
	CU_ASSERT_PTR_NOT_NULL(object);
	json_decref(object);
}

/* ---- sinks ----------------------------------------------------------------------------------- */

static size_t
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

/* Until the thread has dealt with so many lines. */
static struct sink_counts
wait_for(struct sink *s, uint64_t lines)
{
	struct sink_counts counts;
	unsigned int i;

	for (i = 0; i < 5000; i++) {
		sink_counts(s, &counts);
		if (counts.written + counts.dropped >= lines)
			break;
		usleep(1000);
	}
	return counts;
}

/* A disk that takes only half of a line: the half goes, and later lines are whole. */
static void
test_full_disk(void)
{
	struct rlimit before, little;
	char path[256], text[64] = "";
	struct sink_counts counts;
	struct sink *s;
	FILE *file;

	folder_file("log", path, sizeof(path));
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	little = before;
	little.rlim_cur = 25;
	setrlimit(RLIMIT_FSIZE, &little);
	s = sink_create(&(struct sink_settings){ .file = path });
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT(sink_put(s, "{\"line\":1}\n{\"line\":2}\n{\"line\":3}\n", 33, 3));
	counts = wait_for(s, 3);
	CU_ASSERT_EQUAL(counts.written, 2);
	CU_ASSERT_EQUAL(counts.dropped, 1);
	CU_ASSERT_EQUAL(counts.error, EFBIG);
	CU_ASSERT_EQUAL(size_of(path), 22);
	setrlimit(RLIMIT_FSIZE, &before);
	CU_ASSERT(sink_put(s, "{\"line\":4}\n", 11, 1));
	counts = wait_for(s, 4);
	CU_ASSERT_EQUAL(counts.written, 3);
	CU_ASSERT_EQUAL(counts.error, 0);
	sink_end(s, true);
	file = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fread(text, 1, sizeof(text), file), 33);
	CU_ASSERT_EQUAL(memcmp(text, "{\"line\":1}\n{\"line\":2}\n{\"line\":4}\n", 33), 0);
	fclose(file);
}

/* A socket that nobody reads: what has no room in the queue is dropped at once. */
static void
test_slow_reader(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	static char lines[65536];
	char got[128];
	struct sink_counts counts;
	unsigned int i, refused = 0;
	struct sink *s;
	int fd;

	folder_file("sock", at.sun_path, sizeof(at.sun_path));
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	for (i = 0; i < sizeof(lines); i += 64) {
		memset(lines + i, 'x', 63);
		lines[i + 63] = '\n';
	}
	s = sink_create(&(struct sink_settings){ .socket = at.sun_path });
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	for (i = 0; i < 200; i++)
		refused += !sink_put(s, lines, sizeof(lines), 1024);
	CU_ASSERT(refused >= 200 - SINK_QUEUE / sizeof(lines) - 1);
	sink_counts(s, &counts);
	CU_ASSERT(counts.dropped >= refused * 1024);
	CU_ASSERT_EQUAL(recv(fd, got, sizeof(got), 0), 63);
	close(fd);
	counts = wait_for(s, 200 * 1024);
	CU_ASSERT_EQUAL(counts.written + counts.dropped, 200 * 1024);
	CU_ASSERT(counts.written > 0);
	sink_end(s, true);
}

int
test_record_register(void)
{
	CU_TestInfo tests[] = {
		{ "a full ring", test_ring },          { "a line", test_line },
		{ "the longest texts", test_longest }, { "a full disk", test_full_disk },
		{ "a slow reader", test_slow_reader }, CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "record", NULL, NULL, folder_begin, folder_end, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
