/* SPDX-License-Identifier: Apache-2.0 */
/* Health: what results mean, what becomes of a pool, and each kind of check against servers on the
 * loopback that answer well, badly or not at all. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cp/health/health.h"
#include "cp/health/probe.h"
#include "lib/hex.h"
#include "tests/unit/suites.h"

#define MS     1000000ull
#define SECOND 1000000000ull

/* ---- what results mean ---- */

/* '+' a success, '-' a failure; the statuses after each: u, p, f. */
static void
expect_states(const char *results, const char *statuses, unsigned int rise, unsigned int fall)
{
	struct health_state s = { 0 };
	size_t i;

	for (i = 0; results[i]; i++) {
		enum health_status before = s.status;
		bool changed = health_state_result(&s, results[i] == '+', rise, fall);

		CU_ASSERT_EQUAL("upf"[s.status], statuses[i]);
		CU_ASSERT_EQUAL(changed, s.status != before);
	}
}

static void
test_state(void)
{
	/* unknown: a success is enough, failures need their number */
	expect_states("+", "p", 3, 3);
	expect_states("---", "uuf", 3, 3);
	expect_states("--+", "uup", 3, 3);
	/* down by fall in a row, up by rise in a row */
	expect_states("+--+---", "ppppppf", 2, 3);
	expect_states("+---+-+-++", "pppffffffp", 2, 3);
	expect_states("-+", "fp", 1, 1);
	/* a backend that flaps at each check never changes with fall and rise above 1 */
	expect_states("+-+-+-+-+-+-", "pppppppppppp", 2, 2);
	expect_states("+--+-+-+-+-", "ppfffffffff", 2, 2);
	/* long rows change once */
	expect_states("+-----", "pppfff", 5, 3);
}

static void
test_causes(void)
{
	unsigned int cause;

	for (cause = 0; cause < HEALTH_CAUSE_COUNT; cause++)
		CU_ASSERT_EQUAL(health_cause_find(health_cause_name((enum health_cause)cause)),
				cause);
	CU_ASSERT_EQUAL(health_cause_find("nonsense"), HEALTH_CAUSE_COUNT);
	CU_ASSERT_EQUAL(probe_cause_of(ECONNREFUSED), HEALTH_CAUSE_REFUSED);
	CU_ASSERT_EQUAL(probe_cause_of(EHOSTUNREACH), HEALTH_CAUSE_UNREACHABLE);
	CU_ASSERT_EQUAL(probe_cause_of(ENETUNREACH), HEALTH_CAUSE_UNREACHABLE);
	CU_ASSERT_EQUAL(probe_cause_of(ETIMEDOUT), HEALTH_CAUSE_TIMEOUT);
	CU_ASSERT_EQUAL(probe_cause_of(ECONNRESET), HEALTH_CAUSE_CLOSED);
	CU_ASSERT_EQUAL(probe_cause_of(EMFILE), HEALTH_CAUSE_LOCAL);
}

/* Never longer than the interval, never shorter than nine tenths, and not always the same. */
static void
test_wait(void)
{
	uint64_t state = 7, least = UINT64_MAX, most = 0;
	unsigned int i;

	for (i = 0; i < 100000; i++) {
		uint64_t wait = health_wait(2 * SECOND, test_random(&state));

		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	CU_ASSERT_TRUE(least >= 1800 * MS && least < 1801 * MS);
	CU_ASSERT_TRUE(most <= 2 * SECOND && most > 1999 * MS);
	CU_ASSERT_EQUAL(health_wait(5, UINT64_MAX), 5);
}

static void
test_slow_start(void)
{
	uint64_t length = 30 * SECOND, since = 12345678901, now, next;
	uint32_t before = 0, steps = 0, weight;

	/* it grows in steps, each at the time that was foretold, and ends at the whole weight */
	for (now = since; now < since + length + 5 * SECOND; now += 10 * MS) {
		weight = slow_start_weight(100, since, length, now);
		next = slow_start_next(since, length, now);
		CU_ASSERT_TRUE(weight >= before && weight >= 10 && weight <= 100);
		CU_ASSERT_TRUE(next > now);
		if (next != UINT64_MAX)
			CU_ASSERT_EQUAL(weight, slow_start_weight(100, since, length, next - 1));
		steps += weight != before;
		before = weight;
	}
	CU_ASSERT_EQUAL(before, 100);
	CU_ASSERT_EQUAL(steps, 10);
	CU_ASSERT_EQUAL(slow_start_next(since, length, now), UINT64_MAX);
	CU_ASSERT_EQUAL(slow_start_weight(100, since, length, since + length), 100);
	CU_ASSERT_TRUE(slow_start_weight(100, since, length, since + 26 * SECOND) < 100);
	/* nobody who has a weight gets nothing, nobody without gets some */
	CU_ASSERT_EQUAL(slow_start_weight(1, since, length, since), 1);
	CU_ASSERT_EQUAL(slow_start_weight(0, since, length, since), 0);
	CU_ASSERT_EQUAL(slow_start_weight(65535, since, length, since), 6553);
	/* not away, or not slow */
	CU_ASSERT_EQUAL(slow_start_weight(100, 0, length, since), 100);
	CU_ASSERT_EQUAL(slow_start_weight(100, since, 0, since), 100);
	CU_ASSERT_EQUAL(slow_start_next(0, length, since), UINT64_MAX);
	/* those that come back at different times step together */
	CU_ASSERT_EQUAL(slow_start_next(since, length, since + SECOND),
			slow_start_next(since + SECOND / 2, length, since + SECOND));
}

static void
test_hex(void)
{
	uint8_t out[HEX_BYTES_MAX];
	char text[2100];

	CU_ASSERT_EQUAL(hex_bytes("ping", out), 4);
	CU_ASSERT_EQUAL(memcmp(out, "ping", 4), 0);
	CU_ASSERT_EQUAL(hex_bytes("hex:00fFA5", out), 3);
	CU_ASSERT_EQUAL(memcmp(out, "\x00\xff\xa5", 3), 0);
	CU_ASSERT_EQUAL(hex_bytes("hex:", out), -EINVAL);
	CU_ASSERT_EQUAL(hex_bytes("hex:0", out), -EINVAL);
	CU_ASSERT_EQUAL(hex_bytes("hex:0g", out), -EINVAL);
	CU_ASSERT_EQUAL(hex_bytes("", out), -EINVAL);
	CU_ASSERT_EQUAL(hex_bytes("hex", out), 3);
	memset(text, '0', sizeof(text));
	memcpy(text, "hex:", 4);
	text[4 + 2048] = '\0';
	CU_ASSERT_EQUAL(hex_bytes(text, out), 1024);
	strcpy(text + 4 + 2048, "00");
	CU_ASSERT_EQUAL(hex_bytes(text, out), -EINVAL);
}

/* ---- servers on the loopback ---- */

static struct loop *loop;
static const char *reply; /* of the servers; NULL: they say nothing */

struct server {
	int fd;
	uint16_t port;
};

static void
on_request(int fd, uint32_t events, void *arg)
{
	char request[4096];
	ssize_t n = recv(fd, request, sizeof(request), 0);

	(void)events;
	(void)arg;
	if (n > 0 && !reply)
		return;
	if (n > 0)
		(void)!send(fd, reply, strlen(reply), MSG_NOSIGNAL);
	loop_fd_remove(loop, fd);
	close(fd);
}

static void
on_connection(int fd, uint32_t events, void *arg)
{
	int connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (connection >= 0)
		loop_fd_add(loop, connection, EPOLLIN, on_request, arg);
}

static void
on_server_datagram(int fd, uint32_t events, void *arg)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char request[64];

	(void)events;
	(void)arg;
	if (recvfrom(fd, request, sizeof(request), 0, (struct sockaddr *)&from, &len) >= 0 && reply)
		(void)!sendto(fd, reply, strlen(reply), 0, (struct sockaddr *)&from, len);
}

static struct server
server_open(int type)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	struct server s = { socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 0 };

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CU_ASSERT_EQUAL_FATAL(bind(s.fd, (struct sockaddr *)&at, len), 0);
	CU_ASSERT_EQUAL_FATAL(getsockname(s.fd, (struct sockaddr *)&at, &len), 0);
	s.port = ntohs(at.sin_port);
	if (type == SOCK_STREAM)
		CU_ASSERT_EQUAL_FATAL(listen(s.fd, 64), 0);
	loop_fd_add(loop, s.fd, EPOLLIN, type == SOCK_STREAM ? on_connection : on_server_datagram,
		    NULL);
	return s;
}

static void
server_close(struct server *s)
{
	loop_fd_remove(loop, s->fd);
	close(s->fd);
}

static void
on_done(struct probe *probe)
{
	(void)probe;
	loop_stop(loop);
}

/* One check to its end. */
static enum health_cause
probe_once(const struct health_config *config, uint16_t port, char detail[96])
{
	struct prober prober;
	struct probe probe = { .config = config, .port = port, .done = on_done };
	uint64_t began = loop_now();

	CU_ASSERT_EQUAL(addr_parse("127.0.0.1", &probe.addr), 0);
	prober_init(&prober, loop);
	CU_ASSERT_EQUAL_FATAL(probe_init(&probe, &prober), 0);
	probe_start(&probe);
	loop_run(loop);
	CU_ASSERT_FALSE(probe.running);
	CU_ASSERT_TRUE(probe.latency <= loop_now() - began);
	if (detail)
		memcpy(detail, probe.detail, 96);
	probe_free(&probe);
	prober_end(&prober);
	return probe.cause;
}

static struct health_config
health_of(enum health_check check)
{
	return (struct health_config){
		.check = check,
		.path = "/",
		.expect_low = 200,
		.expect_high = 299,
		.interval = 2 * SECOND,
		.timeout = 300 * MS,
		.rise = 2,
		.fall = 3,
		.verify = true,
	};
}

static void
test_probe_tcp(void)
{
	struct health_config config = health_of(HEALTH_TCP);
	struct server s;

	loop = loop_create();
	s = server_open(SOCK_STREAM);
	reply = NULL;
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_NONE);
	CU_ASSERT_EQUAL(addr_parse("127.0.0.2", &config.source), 0);
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_NONE);
	/* a source that is not ours says nothing of the backend */
	CU_ASSERT_EQUAL(addr_parse("192.0.2.1", &config.source), 0);
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_LOCAL);
	config.source = (struct addr){ 0 };
	server_close(&s);
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_REFUSED);
	loop_destroy(loop);
}

static void
test_probe_udp(void)
{
	struct health_config config = health_of(HEALTH_UDP);
	struct server s;

	loop = loop_create();
	s = server_open(SOCK_DGRAM);
	reply = "xx pong xx";
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_NONE);
	config.payload = "hex:00ff";
	config.answer = "pong";
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_NONE);
	config.answer = "hex:706f6e6721";
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_BODY);
	reply = NULL;
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_TIMEOUT);
	server_close(&s);
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_REFUSED);
	loop_destroy(loop);
}

static void
test_probe_icmp(void)
{
	struct health_config config = health_of(HEALTH_ICMP);

	loop = loop_create();
	if (geteuid() == 0)
		CU_ASSERT_EQUAL(probe_once(&config, 0, NULL), HEALTH_CAUSE_NONE);
	loop_destroy(loop);
}

#define UMLAUTS                                                                                    \
	"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4" \
	"\xc3\xa4"
#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n"

static void
test_probe_http(void)
{
	static const struct {
		const char *reply, *body, *host;
		enum health_cause cause;
		const char *detail;
	} cases[] = {
		{ OK_HEAD "Content-Length: 2\r\n\r\nOK", NULL, NULL, HEALTH_CAUSE_NONE, "" },
		{ OK_HEAD "Content-Length: 0\r\n\r\n", NULL, NULL, HEALTH_CAUSE_NONE, "" },
		{ OK_HEAD "\r\nup and running", "and", "www.example.net", HEALTH_CAUSE_NONE, "" },
		{ OK_HEAD "\r\nup and running", "down", NULL, HEALTH_CAUSE_BODY, "down" },
		{ OK_HEAD "Content-Length: 0\r\n\r\n", "x", NULL, HEALTH_CAUSE_BODY, "" },
		{ "HTTP/1.1 204 No Content\r\n\r\n", NULL, NULL, HEALTH_CAUSE_NONE, "" },
		{ "HTTP/1.0 503 Busy\r\n\r\nOK", "OK", NULL, HEALTH_CAUSE_STATUS, "status 503" },
		{ "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n",
		  NULL, NULL, HEALTH_CAUSE_STATUS, "status 302" },
		{ "220 smtp.example.net\r\n", NULL, NULL, HEALTH_CAUSE_PROTOCOL, "" },
		{ "", NULL, NULL, HEALTH_CAUSE_CLOSED, "" },
		{ NULL, NULL, NULL, HEALTH_CAUSE_TIMEOUT, "300ms" },
		/* what is said of it is UTF-8 and no command to a terminal, wherever it is cut */
		{ OK_HEAD "\r\nup", "\xff\x1b[2J\n\xc2\x9b", NULL, HEALTH_CAUSE_BODY,
		  "\"??[2J???\"" },
		{ OK_HEAD "\r\nup", "x" UMLAUTS UMLAUTS, NULL, HEALTH_CAUSE_BODY,
		  "\"x" UMLAUTS "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4?\"" },
	};
	static char endless[400000];
	struct health_config config = health_of(HEALTH_HTTP);
	struct server s;
	char detail[96];
	size_t i;

	loop = loop_create();
	s = server_open(SOCK_STREAM);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		reply = cases[i].reply;
		config.body = (char *)cases[i].body;
		config.host = (char *)cases[i].host;
		CU_ASSERT_EQUAL(probe_once(&config, s.port, detail), cases[i].cause);
		CU_ASSERT_PTR_NOT_NULL(strstr(detail, cases[i].detail));
	}
	/* a header without end: the backend's fault, not ours */
	memset(endless, 'x', sizeof(endless) - 1);
	memcpy(endless, OK_HEAD, sizeof(OK_HEAD) - 1);
	reply = endless;
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_PROTOCOL);
	/* no TLS where TLS is asked for */
	config = health_of(HEALTH_HTTPS);
	reply = OK_HEAD "\r\n";
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_TLS);
	config.ca = "/nonexistent/ca.pem";
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_LOCAL);
	server_close(&s);
	config = health_of(HEALTH_HTTP);
	CU_ASSERT_EQUAL(probe_once(&config, s.port, NULL), HEALTH_CAUSE_REFUSED);
	loop_destroy(loop);
}

/* ---- what becomes of a pool ---- */

#define N 3
static struct backend_config backends[N];
static struct service_config service;
static struct pool_config pool;
static struct config config = { .pools = &pool, .n_pools = 1, .services = &service };
static struct server servers[N];
static unsigned int changes;

static void
on_change(void *arg)
{
	(void)arg;
	changes++;
}

static struct health *
health_begin(enum health_check check)
{
	struct health *h;
	unsigned int i;

	loop = loop_create();
	reply = NULL;
	pool = (struct pool_config){ .name = "web", .backends = backends, .n_backends = N };
	pool.health = health_of(check);
	pool.health.interval = 40 * MS;
	pool.health.timeout = 30 * MS;
	for (i = 0; i < N; i++) {
		servers[i] = server_open(SOCK_STREAM);
		backends[i] = (struct backend_config){ .port = servers[i].port, .weight = 100 };
		CU_ASSERT_EQUAL(addr_parse("127.0.0.1", &backends[i].address), 0);
	}
	h = health_create(loop, NULL, on_change, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(h);
	CU_ASSERT_EQUAL(health_prepare(h, &config), 0);
	health_configure(h, &config);
	health_published(h);
	return h;
}

static void
health_finish(struct health *h)
{
	unsigned int i;

	health_destroy(h);
	for (i = 0; i < N; i++)
		if (servers[i].fd >= 0)
			server_close(&servers[i]);
	loop_destroy(loop);
}

static void
on_end(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void
run_for(unsigned int ms)
{
	struct loop_timer *timer = loop_timer_create(loop, on_end, NULL);

	loop_timer_arm(timer, loop_now() + ms * MS);
	loop_run(loop);
	loop_timer_free(timer);
}

/* The weights of all, 'x' for down, 'd' for no rows. */
static void
expect_pool(struct health *h, const char *text)
{
	struct backend_condition c[N];
	char got[64] = "";
	size_t i, n = 0;

	health_conditions(h, &pool, c);
	for (i = 0; i < N; i++) {
		if (c[i].down)
			n += (size_t)snprintf(got + n, sizeof(got) - n, "x ");
		else if (!c[i].weight)
			n += (size_t)snprintf(got + n, sizeof(got) - n, "d ");
		else
			n += (size_t)snprintf(got + n, sizeof(got) - n, "%u ", c[i].weight);
	}
	CU_ASSERT_STRING_EQUAL(got, text);
	if (strcmp(got, text) != 0)
		printf("%s instead of %s\n", got, text);
	health_published(h);
}

static void
order(struct health *h, unsigned int i, enum health_order what, uint32_t weight)
{
	const struct health_order_request request = { what, weight };

	CU_ASSERT_EQUAL(health_order(h, &pool, &backends[i], &request), 0);
}

static struct health_view
view_of(struct health *h, unsigned int i)
{
	struct health_view v = { 0 };

	CU_ASSERT_TRUE(health_show(h, &pool, &backends[i], &v));
	return v;
}

static void
test_pool_orders(void)
{
	struct health *h = health_begin(HEALTH_NONE);

	expect_pool(h, "100 100 100 ");
	order(h, 0, HEALTH_ORDER_DRAIN, 0);
	order(h, 1, HEALTH_ORDER_DISABLE, 0);
	order(h, 2, HEALTH_ORDER_WEIGHT, 7);
	expect_pool(h, "d x 7 ");
	CU_ASSERT_EQUAL(view_of(h, 0).state, BACKEND_STATE_DRAIN);
	CU_ASSERT_EQUAL(view_of(h, 1).state, BACKEND_STATE_DISABLED);
	CU_ASSERT_TRUE(view_of(h, 2).ordered);
	/* nobody fails, so there is no panic: the operator wants it so */
	order(h, 2, HEALTH_ORDER_WEIGHT, 0);
	expect_pool(h, "d x d ");
	order(h, 0, HEALTH_ORDER_ENABLE, 0);
	order(h, 1, HEALTH_ORDER_ENABLE, 0);
	expect_pool(h, "100 100 d ");
	/* the configuration says the same: it stays; another weight: it ends */
	health_configure(h, &config);
	expect_pool(h, "100 100 d ");
	backends[2].weight = 50;
	expect_pool(h, "100 100 50 ");
	health_configure(h, &config);
	/* but not before that configuration is there to stay */
	backends[2].weight = 100;
	health_configure(h, &config);
	expect_pool(h, "100 100 d ");
	backends[2].weight = 50;
	health_configure(h, &config);
	health_settle(h);
	backends[2].weight = 100;
	health_configure(h, &config);
	expect_pool(h, "100 100 100 ");
	/* slow start after disable, not after drain */
	pool.slow_start = 3600 * SECOND;
	order(h, 0, HEALTH_ORDER_DRAIN, 0);
	order(h, 0, HEALTH_ORDER_ENABLE, 0);
	order(h, 1, HEALTH_ORDER_DISABLE, 0);
	order(h, 1, HEALTH_ORDER_ENABLE, 0);
	expect_pool(h, "100 10 100 ");
	CU_ASSERT_EQUAL(view_of(h, 1).share, 10);
	health_finish(h);
}

static void
stop_server(unsigned int i)
{
	server_close(&servers[i]);
	servers[i].fd = -1;
}

static void
test_pool_health(void)
{
	struct health *h = health_begin(HEALTH_TCP);

	run_for(100);
	CU_ASSERT_EQUAL(view_of(h, 0).status, HEALTH_PASSING);
	expect_pool(h, "100 100 100 ");
	stop_server(0);
	changes = 0;
	run_for(300);
	CU_ASSERT_EQUAL(changes, 1); /* not one for each failure */
	expect_pool(h, "x 100 100 ");
	CU_ASSERT_EQUAL(view_of(h, 0).cause, HEALTH_CAUSE_REFUSED);
	CU_ASSERT_EQUAL(view_of(h, 0).state, BACKEND_STATE_DOWN);
	/* all that may be used fail: panic, or nobody */
	order(h, 2, HEALTH_ORDER_DISABLE, 0);
	stop_server(1);
	run_for(300);
	expect_pool(h, "100 100 x ");
	CU_ASSERT_TRUE(view_of(h, 0).panic);
	pool.all_down = ALL_DOWN_REFUSE;
	expect_pool(h, "x x x ");
	/* what is known is remembered by the next configuration, also by one whose check is another
	 */
	pool.health.interval = 50 * MS;
	health_configure(h, &config);
	expect_pool(h, "x x x ");
	order(h, 2, HEALTH_ORDER_ENABLE, 0);
	expect_pool(h, "x x 100 ");
	/* no check: nothing is known */
	pool.health.check = HEALTH_NONE;
	health_configure(h, &config);
	expect_pool(h, "100 100 100 ");
	health_finish(h);
}

/* A server that never answers, and one that comes back. */
static void
test_pool_back(void)
{
	struct health *h = health_begin(HEALTH_HTTP);

	pool.slow_start = 3600 * SECOND;
	run_for(400);
	/* all hang */
	CU_ASSERT_EQUAL(view_of(h, 0).cause, HEALTH_CAUSE_TIMEOUT);
	CU_ASSERT_EQUAL(view_of(h, 2).status, HEALTH_FAILING);
	expect_pool(h, "100 100 100 ");
	CU_ASSERT_TRUE(view_of(h, 1).panic);
	reply = OK_HEAD "\r\n";
	run_for(400);
	CU_ASSERT_EQUAL(view_of(h, 0).status, HEALTH_PASSING);
	expect_pool(h, "10 10 10 ");
	CU_ASSERT_FALSE(view_of(h, 1).panic);
	health_finish(h);
}

/* Backends that leave the configuration while their checks run. */
static void
test_pool_gone(void)
{
	struct health *h = health_begin(HEALTH_HTTP);
	unsigned int i;

	reply = OK_HEAD "\r\n";
	for (i = 0; i < 20; i++) {
		pool.n_backends = i % 2 ? N : 1;
		CU_ASSERT_EQUAL(health_prepare(h, &config), 0);
		health_configure(h, &config);
		health_published(h);
		run_for(15);
	}
	pool.n_backends = N;
	expect_pool(h, "100 100 100 ");
	health_finish(h);
}

int
test_health_register(void)
{
	static CU_TestInfo tests[] = {
		{ "rise and fall", test_state },
		{ "causes", test_causes },
		{ "jitter", test_wait },
		{ "slow start", test_slow_start },
		{ "bytes as text", test_hex },
		{ "tcp", test_probe_tcp },
		{ "udp", test_probe_udp },
		{ "icmp", test_probe_icmp },
		{ "http and https", test_probe_http },
		{ "orders", test_pool_orders },
		{ "failing, panic, refuse", test_pool_health },
		{ "hanging, coming back", test_pool_back },
		{ "gone while it is checked", test_pool_gone },
		CU_TEST_INFO_NULL,
	};

	static CU_SuiteInfo suites[] = {
		{ "health", NULL, NULL, NULL, NULL, tests },
		CU_SUITE_INFO_NULL,
	};

	return CU_register_suites(suites);
}
