/* SPDX-License-Identifier: Apache-2.0 */
/* cp/config: what the model holds, what differs between two of them, cores, and texts that want to
 * do harm. What is accepted and refused with which message is tests/conf. */
#include <CUnit/CUnit.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cp/config/config.h"
#include "tests/unit/suites.h"

#define MS 1000000ULL

#define DATAPLANE "dataplane = { workers = [ 2, 1 ]; };\n"
#define INTERFACES                                                                      \
	"interfaces = ( { name = \"wan\"; device = \"net_null0\"; side = \"client\";\n" \
	"    addresses = [ \"198.51.100.2/24\" ]; },\n"                                 \
	"  { name = \"lan\"; device = \"net_null1\"; addresses = [ \"10.2.0.1/24\" ]; } );\n"
#define POOLS                                                                                    \
	"pools = ( { name = \"web\"; backends = ( { address = \"10.2.0.11\"; port = 80; } ); } " \
	");\n"
#define SERVICES                                                                     \
	"services = ( { name = \"web\"; address = \"203.0.113.16/28\"; port = 80;\n" \
	"  protocol = \"tcp\"; forward = \"full-nat\"; pool = \"web\"; } );\n"
#define ALL DATAPLANE INTERFACES POOLS SERVICES

static struct config *
parse_on(const char *machine, const char *text, struct config_messages *messages)
{
	struct config_cpus cpus;

	CU_ASSERT_FATAL(config_cpus_parse(machine, &cpus));
	return config_parse_for("test.conf", text, strlen(text), &cpus, messages);
}

static struct config *
accepted(const char *text)
{
	struct config_messages messages;
	struct config *config = parse_on("0-3", text, &messages);

	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	CU_ASSERT_EQUAL(messages.count, 0);
	config_messages_free(&messages);
	return config;
}

/* Refused with just these lines. */
static void
refused(const char *machine, const char *text, const char *lines)
{
	struct config_messages messages;
	struct config *config = parse_on(machine, text, &messages);
	char all[4096] = "";
	size_t i;

	for (i = 0; i < messages.count; i++) {
		strncat(all, messages.list[i].text, sizeof(all) - strlen(all) - 1);
		strncat(all, "\n", sizeof(all) - strlen(all) - 1);
	}
	CU_ASSERT_PTR_NULL(config);
	CU_ASSERT_STRING_EQUAL(all, lines);
	config_messages_free(&messages);
	config_free(config);
}

/* ---- the model --------------------------------------------------------------------------------
 */

static void
test_config_defaults(void)
{
	struct config *c = accepted(ALL);

	CU_ASSERT_EQUAL(c->dataplane.n_workers, 2);
	CU_ASSERT_EQUAL(c->dataplane.workers[0], 2);
	CU_ASSERT_EQUAL(c->dataplane.workers[1], 1);
	CU_ASSERT_EQUAL(c->dataplane.control, 0);
	CU_ASSERT_TRUE(c->dataplane.hugepages);
	CU_ASSERT_EQUAL(c->dataplane.memory, 2ULL << 30);
	CU_ASSERT_FALSE(c->dataplane.share_cores);
	CU_ASSERT_FALSE(c->dataplane.idle_sleep);
	CU_ASSERT_EQUAL(c->dataplane.connections, 4194304);
	CU_ASSERT_EQUAL(c->dataplane.clients, 1048576);
	CU_ASSERT_EQUAL(c->dataplane.sessions, 65536);
	CU_ASSERT_EQUAL(c->dataplane.backend_connections, 65536);
	CU_ASSERT_EQUAL(c->interfaces[0].side, SIDE_CLIENT);
	CU_ASSERT_EQUAL(c->interfaces[1].side, SIDE_BOTH);
	CU_ASSERT_EQUAL(c->interfaces[1].mtu, 1500);
	CU_ASSERT_TRUE(c->interfaces[1].twin);
	CU_ASSERT_EQUAL(c->interfaces[1].line, 4);
	CU_ASSERT_EQUAL(c->pools[0].backends[0].weight, 100);
	CU_ASSERT_EQUAL(c->pools[0].health.check, HEALTH_NONE);
	CU_ASSERT_EQUAL(c->pools[0].health.interval, 2000 * MS);
	CU_ASSERT_EQUAL(c->pools[0].health.timeout, 1000 * MS);
	CU_ASSERT_EQUAL(c->pools[0].health.rise, 2);
	CU_ASSERT_EQUAL(c->pools[0].health.fall, 3);
	CU_ASSERT_EQUAL(c->services[0].hash, HASH_CONNECTION);
	CU_ASSERT_EQUAL(c->services[0].timeout_established, 900000 * MS);
	CU_ASSERT_EQUAL(c->services[0].timeout_closing, 30000 * MS);
	CU_ASSERT_EQUAL(c->services[0].timeout_udp, 30000 * MS);
	CU_ASSERT_EQUAL(c->services[0].limit_client.burst, 100 * MS);
	CU_ASSERT_EQUAL(c->services[0].limit_client.prefix4, 32);
	CU_ASSERT_EQUAL(c->services[0].limit_client.prefix6, 64);
	CU_ASSERT_FALSE(c->services[0].limit_client.set);
	CU_ASSERT_PTR_NOT_NULL(c->instance);
	CU_ASSERT_PTR_NULL(c->admin.listen);
	config_free(c);
}

static void
test_config_values(void)
{
	struct config *c =
	    accepted("instance = \"a\"; dataplane = { workers = [ 1 ]; memory = \"1536M\"; idle = "
		     "\"sleep\";\n"
		     "  eal = [ \"-x\", \"--y\" ]; };\n" INTERFACES
		     "routes = ( { to = \"default\"; via = \"198.51.100.1\"; } );\n"
		     "neighbours = ( { address = \"10.2.0.9\"; mac = \"02:00:00:00:02:09\";\n"
		     "  interface = \"lan\"; } );\n" POOLS SERVICES);
	const struct service_config *s = &c->services[0];

	CU_ASSERT_STRING_EQUAL(c->instance, "a");
	CU_ASSERT_EQUAL(c->dataplane.memory, 1536ULL << 20);
	CU_ASSERT_TRUE(c->dataplane.idle_sleep);
	CU_ASSERT_EQUAL(c->dataplane.n_eal, 2);
	CU_ASSERT_STRING_EQUAL(c->dataplane.eal[1], "--y");
	CU_ASSERT_EQUAL(c->interfaces[0].addresses[0].addr.b[15], 2);
	CU_ASSERT_EQUAL(c->interfaces[0].addresses[0].net.len, 120);
	CU_ASSERT_EQUAL(c->interfaces[0].addresses[0].net.addr.b[15], 0);
	/* The default route has the family of its gateway. */
	CU_ASSERT_EQUAL(c->routes[0].to.len, 96);
	CU_ASSERT_TRUE(addr_is_v4(&c->routes[0].to.addr));
	CU_ASSERT_EQUAL(c->neighbours[0].interface, 1);
	CU_ASSERT_EQUAL(c->neighbours[0].mac.b[5], 9);
	CU_ASSERT_EQUAL(s->address.len, 124);
	CU_ASSERT_EQUAL(s->port, 80);
	CU_ASSERT_EQUAL(s->protocol, IPPROTO_TCP);
	CU_ASSERT_EQUAL(s->forward, FORWARD_FULL_NAT);
	CU_ASSERT_EQUAL(s->pool, 0);
	CU_ASSERT_STRING_EQUAL(forward_mode_name(s->forward), "full-nat");
	CU_ASSERT_STRING_EQUAL(protocol_name(s->protocol), "tcp");
	config_free(c);
}

/* ---- differences ------------------------------------------------------------------------------
 */

static void
check_diff(const char *a_text, const char *b_text, const char *lines, const char *restart)
{
	struct config *a = a_text ? accepted(a_text) : NULL, *b = accepted(b_text);
	char *text = NULL;
	const char *why = NULL, *p;
	size_t len, n, expected = 0;
	FILE *f = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	n = config_diff(a, b, f);
	fclose(f);
	for (p = lines; *p; p++)
		expected += *p == '\n';
	CU_ASSERT_STRING_EQUAL(text, lines);
	CU_ASSERT_EQUAL(n, expected);
	if (a) {
		CU_ASSERT_EQUAL(config_needs_restart(a, b, &why), restart != NULL);
		if (restart)
			CU_ASSERT_STRING_EQUAL(why, restart);
	}
	free(text);
	config_free(a);
	config_free(b);
}

static void
test_config_diff(void)
{
	check_diff(ALL, ALL, "", NULL);
	check_diff(NULL, ALL, "+ interface lan\n+ interface wan\n+ pool web\n+ service web\n",
		   NULL);
	check_diff(ALL,
		   DATAPLANE INTERFACES
		   "pools = ( { name = \"web\"; backends = (\n"
		   "  { address = \"10.2.0.12\"; port = 80; },\n"
		   "  { address = \"10.2.0.11\"; port = 80; weight = 5; } ); },\n"
		   "  { name = \"new\"; backends = ( { address = \"10.2.0.13\"; } ); } );\n"
		   "services = ( { name = \"web\"; address = \"203.0.113.16/28\"; port = 80;\n"
		   "  protocol = \"tcp\"; forward = \"nat\"; pool = \"web\"; },\n"
		   "  { name = \"new\"; address = \"203.0.113.1\"; port = 0; protocol = \"udp\";\n"
		   "  forward = \"dsr-gue\"; pool = \"new\"; } );\n",
		   "+ pool new\n~ pool web: backend 10.2.0.11:80: weight 100 -> 5\n"
		   "~ pool web: + backend 10.2.0.12:80\n+ service new\n"
		   "~ service web: forward full-nat -> nat\n",
		   NULL);
	/* A pool that moves in the file is the same pool. */
	check_diff(DATAPLANE INTERFACES
		   "pools = ( { name = \"a\"; backends = ( { address = "
		   "\"10.2.0.11\"; port = 80; } ); },\n{ name = \"web\"; "
		   "backends = ( { address = \"10.2.0.11\"; port = 80; } ); } );\n"
		   "services = ( { name = \"web\"; address = \"203.0.113.1\"; port = "
		   "80; protocol = \"tcp\"; forward = \"nat\"; pool = \"web\"; },\n"
		   "{ name = \"a\"; address = \"203.0.113.2\"; port = 80; protocol = "
		   "\"tcp\"; forward = \"nat\"; pool = \"a\"; } );\n",
		   DATAPLANE INTERFACES
		   "pools = ( { name = \"web\"; backends = ( { address = "
		   "\"10.2.0.11\"; port = 80; } ); } );\n"
		   "services = ( { name = \"web\"; address = \"203.0.113.1\"; port = "
		   "80; protocol = \"tcp\"; forward = \"nat\"; pool = \"web\"; } );\n",
		   "- pool a\n- service a\n", NULL);
}

#define SHOP(routes)                                                                      \
	DATAPLANE INTERFACES "pools = ( { name = \"web\"; backends = ( { address = "      \
			     "\"10.2.0.11\"; port = 80; } ); },\n"                        \
			     "{ name = \"api\"; backends = ( { address = \"10.2.0.12\"; " \
			     "port = 80; } ); } );\n"                                     \
			     "listeners = ( { name = \"shop\"; address = "                \
			     "\"203.0.113.20\"; port = 80;\n"                             \
			     "  protocol = \"http\"; routes = ( " routes " ); } );\n"
#define ROUTE(name, rest)                                                                      \
	"{ name = \"" name "\"; match = { path = \"/" name "\"; " rest " }; pools = ( { pool " \
	"= \"web\"; }, { pool = \"api\"; } ); }"

#define TLS(rest)                                                                                \
	DATAPLANE INTERFACES "pools = ( { name = \"web\"; backends = ( { address = "             \
			     "\"10.2.0.11\"; port = 443; } ); },\n"                              \
			     "{ name = \"api\"; backends = ( { address = \"10.2.0.12\"; "        \
			     "port = 443; } ); } );\n"                                           \
			     "listeners = ( { name = \"tls\"; address = \"203.0.113.20\"; "      \
			     "port = 443; protocol = \"tls-passthrough\"; pool = \"web\"; " rest \
			     " } );\n"

/* Rules of server names are told by their pools; which one stands first says nothing. */
static void
test_config_diff_names(void)
{
	static const char plain[] =
	    TLS("server_names = ( { names = [ \"a\", \"*.b\" ]; pool = \"api\"; }, "
		"{ names = [ \"c\" ]; pool = \"web\"; } );");

	check_diff(plain, plain, "", NULL);
	check_diff(plain,
		   TLS("server_names = ( { names = [ \"c\" ]; pool = \"web\"; }, "
		       "{ names = [ \"a\", \"*.b\" ]; pool = \"api\"; } );"),
		   "", NULL);
	check_diff(plain, TLS("server_names = ( { names = [ \"a\", \"x\" ]; pool = \"api\"; } );"),
		   "~ listener tls: server_name api: names - *.b\n"
		   "~ listener tls: server_name api: names + x\n"
		   "~ listener tls: - server_name web\n",
		   NULL);
}

/* Routes are told by their names, and their order says something. */
static void
test_config_diff_routes(void)
{
	static const char plain[] = SHOP(ROUTE("a", "") ", " ROUTE("b", "") ", " ROUTE("c", ""));

	check_diff(plain, plain, "", NULL);
	check_diff(
	    plain,
	    SHOP(ROUTE("a", "") ", " ROUTE("new", "") ", " ROUTE("b", "") ", " ROUTE("c", "")),
	    "~ listener shop: + route new\n", NULL);
	check_diff(plain, SHOP(ROUTE("b", "") ", " ROUTE("c", "")), "~ listener shop: - route a\n",
		   NULL);
	check_diff(plain, SHOP(ROUTE("a", "") ", " ROUTE("c", "") ", " ROUTE("b", "")),
		   "~ listener shop: routes in another order\n", NULL);
	check_diff(plain, SHOP(ROUTE("c", "") ", " ROUTE("b", "host = \"x\";")),
		   "~ listener shop: - route a\n"
		   "~ listener shop: route b: match.host - -> x\n"
		   "~ listener shop: routes in another order\n",
		   NULL);
	check_diff(SHOP(ROUTE("a", "headers = ( { name = \"x\"; value = \"1\"; } );")),
		   SHOP(ROUTE("a", "headers = ( { name = \"x\"; value = \"2\"; } ); "
				   "query = ( { name = \"q\"; } ); methods = [ \"GET\" ];")),
		   "~ listener shop: route a: match.methods + GET\n"
		   "~ listener shop: route a: match.header x: value 1 -> 2\n"
		   "~ listener shop: route a: + match.query q\n",
		   NULL);
	check_diff(
	    SHOP("{ name = \"a\"; pools = ( { pool = \"web\"; weight = 5; }, "
		 "{ pool = \"api\"; } ); }"),
	    SHOP("{ name = \"a\"; pools = ( { pool = \"web\"; }, { pool = \"api\"; } ); "
		 "mirror = { pool = \"api\"; share = \"12.5%\"; }; "
		 "retries = { on = [ \"503\" ]; budget = \"0.05%\"; }; "
		 "headers = { request = { set = ( { name = \"x\"; value = \"y\"; } ); }; }; }"),
	    "~ listener shop: route a: pool web: weight 5 -> 100\n"
	    "~ listener shop: route a: + headers.request.set x\n"
	    "~ listener shop: route a: retries.on + 503\n"
	    "~ listener shop: route a: retries.budget 20% -> 0.05%\n"
	    "~ listener shop: route a: mirror.pool - -> api\n"
	    "~ listener shop: route a: mirror.share 100% -> 12.5%\n",
	    NULL);
}

static void
test_config_restart(void)
{
	check_diff("dataplane = { workers = [ 1, 2 ]; };\n" INTERFACES,
		   "dataplane = { workers = [ 2, 1 ]; };\n" INTERFACES,
		   "~ dataplane.workers in another order\n", "dataplane.workers");
	check_diff("dataplane = { workers = [ 1 ]; };\n" INTERFACES,
		   "dataplane = { workers = [ 1 ]; memory = \"1G\"; };\n" INTERFACES,
		   "~ dataplane.memory 2G -> 1G\n", "dataplane.memory");
	/* what is in force already, written down */
	check_diff("dataplane = { workers = [ 1 ]; sessions = 1000; };\n" INTERFACES,
		   "dataplane = { workers = [ 1 ]; sessions = 1000; backend_connections = 1000; "
		   "};\n" INTERFACES,
		   "", NULL);
	check_diff("dataplane = { workers = [ 1 ]; sessions = 1000; };\n" INTERFACES,
		   "dataplane = { workers = [ 1 ]; sessions = 1000; backend_connections = 999; "
		   "};\n" INTERFACES,
		   "~ dataplane.backend_connections 1000 -> 999\n",
		   "dataplane.backend_connections");
	check_diff(DATAPLANE "interfaces = ( { name = \"a\"; device = \"net_null0\"; } );\n",
		   DATAPLANE "interfaces = ( { name = \"a\"; device = \"net_null1\"; } );\n",
		   "~ interface a: device net_null0 -> net_null1\n", "interfaces.device");
	check_diff(DATAPLANE "interfaces = ( { name = \"a\"; device = \"net_null0\"; } );\n",
		   DATAPLANE "interfaces = ( { name = \"a\"; device = \"net_null0\"; },\n"
			     "  { name = \"b\"; device = \"net_null1\"; } );\n",
		   "+ interface b\n", "interfaces");
	check_diff(DATAPLANE "interfaces = ( { name = \"a\"; device = \"net_null0\"; } );\n",
		   DATAPLANE "interfaces = ( { name = \"a\"; device = \"net_null0\";\n"
			     "  addresses = [ \"10.1.0.1/24\" ]; } );\n",
		   "~ interface a: addresses + 10.1.0.1/24\n", NULL);
}

/* ---- cores ------------------------------------------------------------------------------------
 */

static void
test_config_cpus(void)
{
	struct config_cpus cpus;

	CU_ASSERT_TRUE(config_cpus_parse("0-2,64,127-128", &cpus));
	CU_ASSERT_EQUAL(cpus.bits[0], 7);
	CU_ASSERT_EQUAL(cpus.bits[1], 1ULL << 63 | 1);
	CU_ASSERT_EQUAL(cpus.bits[2], 1);
	CU_ASSERT_FALSE(config_cpus_parse("", &cpus));
	CU_ASSERT_FALSE(config_cpus_parse("1-", &cpus));
	CU_ASSERT_FALSE(config_cpus_parse("2-1", &cpus));
	CU_ASSERT_FALSE(config_cpus_parse("0-99999999", &cpus));
	CU_ASSERT_FALSE(config_cpus_parse("0,x", &cpus));
	CU_ASSERT_TRUE(config_cpus_online(&cpus));

	refused("0,2-3", ALL,
		"test.conf:1: dataplane.workers[1]: there is no core 1 on this machine (it has "
		"0,2-3)\n");
	refused("1-2", ALL,
		"test.conf:1: dataplane.control: there is no core 0 on this machine (it has "
		"1-2)\n");
	refused("0-3", "dataplane = { workers = [ 1, 2, 1 ]; control = 2; };\n" INTERFACES,
		"test.conf:1: dataplane.workers[1]: core 2 is also that of control; share_cores = "
		"true; would allow it\n"
		"test.conf:1: dataplane.workers[2]: core 1 is used twice; share_cores = true; "
		"would allow it\n");
}

/* ---- harm -------------------------------------------------------------------------------------
 */

static struct config_messages
refused_bytes(const char *bytes, size_t len)
{
	struct config_messages messages;
	struct config *config = config_parse("test.conf", bytes, len, &messages);

	CU_ASSERT_PTR_NULL(config);
	CU_ASSERT_TRUE(messages.errors > 0);
	return messages;
}

static void
test_config_large(void)
{
	static const char *const many[] = { "(",          "{",    "[",  "a=", "a=(",
					    "a={",        "a=1;", "\"", "/*", "a=\"\" ",
					    "a=({b=1}),", "\n",   "a-", "1,", "\\" };
	size_t len = 4u << 20, i, j;
	char *text = malloc(CONFIG_MAX_BYTES + 2);
	struct config_messages m;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	for (i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
		for (j = 0; j < len; j++)
			text[j] = many[i][j % strlen(many[i])];
		m = refused_bytes(text, len);
		config_messages_free(&m);
	}
	memset(text, ' ', CONFIG_MAX_BYTES + 1);
	m = refused_bytes(text, CONFIG_MAX_BYTES);
	CU_ASSERT_EQUAL(m.errors, 2);
	config_messages_free(&m);
	m = refused_bytes(text, CONFIG_MAX_BYTES + 1);
	CU_ASSERT_EQUAL(m.count, 1);
	CU_ASSERT_STRING_EQUAL(m.list[0].text, "test.conf: longer than 16 MB");
	config_messages_free(&m);
	free(text);
}

/* As many errors as there are entries: the list of messages ends. */
static void
test_config_many_errors(void)
{
	size_t room = 100000 * 4 + 64, i;
	char *text = calloc(1, room), *p;
	struct config_messages m;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	p = text + sprintf(text, "routes = ( 1");
	for (i = 1; i < 4096; i++)
		p += sprintf(p, ",1\n");
	sprintf(p, ");");
	m = refused_bytes(text, strlen(text));
	CU_ASSERT_EQUAL(m.errors, 4096 + 2);
	CU_ASSERT_EQUAL(m.count, 1001);
	CU_ASSERT_STRING_EQUAL(m.list[1000].text,
			       "test.conf: too many errors; the rest is not shown");
	config_messages_free(&m);
	free(text);
}

/* Cut anywhere, a good configuration is refused or whole, and nothing breaks. */
static void
test_config_cut(void)
{
	struct config_messages m;
	size_t i;

	for (i = 0; i < strlen(ALL); i++) {
		struct config *c = config_parse("test.conf", ALL, i, &m);

		CU_ASSERT_EQUAL(c != NULL, m.errors == 0);
		config_messages_free(&m);
		config_free(c);
	}
}

int
test_config_register(void)
{
	static CU_TestInfo tests[] = {
		{ "defaults", test_config_defaults },
		{ "values", test_config_values },
		{ "differences", test_config_diff },
		{ "differences of routes", test_config_diff_routes },
		{ "differences of server names", test_config_diff_names },
		{ "restart", test_config_restart },
		{ "cores", test_config_cpus },
		{ "large texts", test_config_large },
		{ "many errors", test_config_many_errors },
		{ "cut anywhere", test_config_cut },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "config", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
