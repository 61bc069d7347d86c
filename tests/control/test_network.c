/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbours and routes followed; addresses, service addresses and routes set. */
#include <CUnit/CUnit.h>
#include <string.h>

#include "tests/control/fixture.h"

#define WAN "addresses = [ \"10.1.0.1/24\", \"2001:db8:1::1/64\" ];"
#define LAN "addresses = [ \"10.2.0.1/24\", \"2001:db8:2::1/64\" ];"
#define SERVICE(name, address, pool)                  \
	"{ name = \"" name "\"; address = \"" address \
	"\"; port = 80; protocol = \"tcp\"; forward = \"nat\"; pool = \"" pool "\"; }"

/* clang-format off */
#define POOL                                                                                       \
	"pools = ( { name = \"web\"; backends = ( { address = \"10.2.0.2\"; port = 80; } ); },\n"      \
	"          { name = \"six\"; backends = ( { address = \"2001:db8:2::2\"; port = 80; } ); } );\n"
#define SERVICES                                                                                   \
	POOL "services = (\n"                                                                      \
	SERVICE("a", "10.1.0.10", "web") ",\n"                                                     \
	SERVICE("b", "10.1.0.64/28", "web") ",\n"                                                  \
	SERVICE("c", "10.1.0.1", "web") ",\n"                                                      \
	SERVICE("d", "2001:db8:1::10", "six") ",\n"                                                \
	SERVICE("e", "2001:db8:1::f00/120", "six") " );"
#define FEWER                                                                                      \
	POOL "services = (\n"                                                                      \
	SERVICE("c", "10.1.0.1", "web") ",\n"                                                      \
	SERVICE("f", "2001:db8:1::1", "six") " );"
/* clang-format on */

static bool
usable(void *arg)
{
	const struct network_neighbour *n = neighbour(arg);

	return n && n->usable;
}

static bool
not_usable(void *arg)
{
	return !usable(arg);
}

static bool
has_neighbour(void *arg)
{
	return neighbour(arg) != NULL;
}

static bool
has_route(void *arg)
{
	return route(arg) != NULL;
}

static bool
has_no_route(void *arg)
{
	return route(arg) == NULL;
}

static void
neighbours_are_resolved_and_followed(void)
{
	const struct mac mac = { { 2, 0, 0, 0, 2, 2 } };
	const struct network_neighbour *n;
	struct network_target targets[2] = { { .port = 1 }, { .port = 1 } };

	CU_ASSERT_TRUE_FATAL(fixture_start(config_text(WAN, LAN, "")));
	addr_parse("10.2.0.2", &targets[0].addr);
	addr_parse("2001:db8:2::2", &targets[1].addr);
	CU_ASSERT_FALSE(usable("10.2.0.2"));
	network_keep(fixture.network, targets, 2);
	CU_ASSERT_TRUE(run_until(usable, "10.2.0.2", 3000));
	CU_ASSERT_TRUE(run_until(usable, "2001:db8:2::2", 3000));
	CU_ASSERT_TRUE(fixture.changes > 0);
	n = neighbour("10.2.0.2");
	CU_ASSERT_TRUE(n && n->port == 1 && n->vlan == 0 && !n->fixed &&
		       memcmp(&n->mac, &mac, sizeof(mac)) == 0);
	/* one that moves to another Ethernet address */
	CU_ASSERT_TRUE(here("ip neigh replace 10.2.0.2 lladdr 02:00:00:00:0a:0a dev lan nud "
			    "reachable"));
	run_for(50);
	n = neighbour("10.2.0.2");
	CU_ASSERT_TRUE(n && n->mac.b[5] == 0x0a);
	/* one that is gone, and comes back: a kept one is asked for again and again */
	CU_ASSERT_TRUE(here("ip neigh del 10.2.0.2 dev lan"));
	CU_ASSERT_TRUE(run_until(usable, "10.2.0.2", 3000));
	/* one that a packet asked for */
	network_resolve(fixture.network, 0, 0, &(struct addr){ .q = { 0, 0 } });
	addr_parse("10.1.0.2", &targets[0].addr);
	network_resolve(fixture.network, 0, 0, &targets[0].addr);
	CU_ASSERT_TRUE(run_until(usable, "10.1.0.2", 3000));
	/* one that does not answer */
	addr_parse("10.1.0.77", &targets[0].addr);
	network_resolve(fixture.network, 0, 0, &targets[0].addr);
	CU_ASSERT_TRUE(run_until(has_neighbour, "10.1.0.77", 6000));
	CU_ASSERT_TRUE(neighbour("10.1.0.77") && !neighbour("10.1.0.77")->usable &&
		       strcmp(neighbour("10.1.0.77")->state, "failed") == 0);
	fixture_stop();
}

static void
a_neighbour_that_dies_is_found_out(void)
{
	struct network_target target = { .port = 1 };

	CU_ASSERT_TRUE_FATAL(fixture_start(config_text(WAN, LAN, "")));
	addr_parse("10.2.0.2", &target.addr);
	network_keep(fixture.network, &target, 1);
	CU_ASSERT_TRUE(run_until(usable, "10.2.0.2", 3000));
	CU_ASSERT_TRUE(peer("ip link set peer-lan down"));
	CU_ASSERT_TRUE(here("ip neigh change 10.2.0.2 dev lan nud stale"));
	/* at most one round of looking, the kernel's delay of 5 s and its three probes */
	CU_ASSERT_TRUE(run_until(not_usable, "10.2.0.2", 25000));
	CU_ASSERT_TRUE(peer("ip link set peer-lan up"));
	CU_ASSERT_TRUE(run_until(usable, "10.2.0.2", 5000));
	fixture_stop();
}

static void
routes_are_followed(void)
{
	const struct network_route *r;

	CU_ASSERT_TRUE_FATAL(fixture_start(config_text(WAN, LAN, "")));
	r = route("10.1.0.0/24");
	CU_ASSERT_TRUE(r && r->port == 0 && r->via.q[0] == 0 && r->via.q[1] == 0);
	r = route("2001:db8:2::/64");
	CU_ASSERT_TRUE(r && r->port == 1);
	CU_ASSERT_TRUE(here("ip route add 10.7.0.0/16 via 10.2.0.9"));
	CU_ASSERT_TRUE(run_until(has_route, "10.7.0.0/16", 1000));
	r = route("10.7.0.0/16");
	CU_ASSERT_TRUE(r && r->port == 1 && r->via.b[15] == 9);
	CU_ASSERT_TRUE(here("ip route change 10.7.0.0/16 via 10.1.0.8"));
	run_for(50);
	r = route("10.7.0.0/16");
	CU_ASSERT_TRUE(r && r->port == 0 && r->via.b[15] == 8);
	CU_ASSERT_TRUE(here("ip route del 10.7.0.0/16"));
	CU_ASSERT_TRUE(run_until(has_no_route, "10.7.0.0/16", 1000));
	/* several next hops */
	CU_ASSERT_TRUE(here("ip route add 10.8.0.0/16 nexthop via 10.2.0.5 nexthop via 10.2.0.6"));
	CU_ASSERT_TRUE(here("ip -6 route add 2001:db8:8::/48 nexthop via 2001:db8:2::5 nexthop via "
			    "2001:db8:2::6"));
	CU_ASSERT_TRUE(run_until(has_route, "2001:db8:8::/48", 1000));
	r = route("10.8.0.0/16");
	CU_ASSERT_TRUE(r && r->port == 1 && r->via.b[15] == 5);
	CU_ASSERT_TRUE(here("ip -6 route del 2001:db8:8::/48 via 2001:db8:2::5"));
	run_for(100);
	r = route("2001:db8:8::/48");
	CU_ASSERT_TRUE(r && r->via.b[15] == 6);
	/* not ours */
	CU_ASSERT_TRUE(here("ip route add blackhole 10.6.0.0/16; ip route add 10.5.0.0/16 dev lo"));
	run_for(50);
	CU_ASSERT_PTR_NULL(route("10.6.0.0/16"));
	CU_ASSERT_PTR_NULL(route("10.5.0.0/16"));
	CU_ASSERT_TRUE(here("ip route del blackhole 10.6.0.0/16; ip route del 10.5.0.0/16 dev lo"));
	fixture_stop();
}

static void
a_link_that_goes_down_and_up(void)
{
	CU_ASSERT_TRUE_FATAL(fixture_start(
	    config_text(WAN, LAN,
			"routes = ( { to = \"default\"; via = \"10.1.0.254\"; }, { to = "
			"\"2001:db8:9::/48\"; via = \"2001:db8:1::fe\"; } );")));
	CU_ASSERT_TRUE(here("ip route | grep -q 'default via 10.1.0.254 dev wan'"));
	CU_ASSERT_TRUE(here("ip route add 10.7.0.0/16 via 10.1.0.9"));
	CU_ASSERT_TRUE(run_until(has_route, "10.7.0.0/16", 1000));
	/* Linux drops its routes without a word, and we our own are back when it is up */
	CU_ASSERT_TRUE(here("ip link set wan down"));
	CU_ASSERT_TRUE(run_until(has_no_route, "10.7.0.0/16", 1000));
	CU_ASSERT_TRUE(here("ip link set wan up"));
	run_for(100);
	CU_ASSERT_TRUE(here("ip route | grep -q 'default via 10.1.0.254 dev wan'"));
	CU_ASSERT_TRUE(here("ip -6 route | grep -q '^2001:db8:9::/48 via 2001:db8:1::fe dev wan'"));
	CU_ASSERT_PTR_NOT_NULL(route("10.1.0.0/24"));
	fixture_stop();
}

static void
an_apply_changes_only_what_is_ours(void)
{
	CU_ASSERT_TRUE_FATAL(fixture_start(
	    config_text("mtu = 1400; addresses = [ \"10.1.0.1/24\", \"2001:db8:1::1/64\" ];", LAN,
			"routes = ( { to = \"10.9.0.0/16\"; via = \"10.1.0.254\"; } );\n"
			"neighbours = ( { address = \"10.1.0.254\"; mac = \"02:00:00:00:00:99\"; "
			"interface = \"wan\"; } );")));
	CU_ASSERT_TRUE(here("ip link show wan | grep -q 'mtu 1400'"));
	CU_ASSERT_TRUE(here("ip neigh show dev wan | grep -q '10.1.0.254 lladdr 02:00:00:00:00:99 "
			    "PERMANENT'"));
	CU_ASSERT_TRUE(neighbour("10.1.0.254") && neighbour("10.1.0.254")->fixed);
	CU_ASSERT_TRUE(here("ip addr add 10.77.0.1/24 dev wan"));
	CU_ASSERT_TRUE(fixture_apply(
	    config_text("mtu = 1500; addresses = [ \"10.1.0.3/24\", \"2001:db8:1::1/48\" ];", LAN,
			"routes = ( { to = \"10.9.0.0/16\"; via = \"10.1.0.253\"; } );")));
	CU_ASSERT_TRUE(here("ip link show wan | grep -q 'mtu 1500'"));
	CU_ASSERT_FALSE(here("ip addr show wan | grep -q 10.1.0.1/24"));
	CU_ASSERT_TRUE(here("ip addr show wan | grep -q 10.1.0.3/24"));
	CU_ASSERT_TRUE(here("ip addr show wan | grep -q 2001:db8:1::1/48"));
	CU_ASSERT_FALSE(here("ip addr show wan | grep -q 2001:db8:1::1/64"));
	CU_ASSERT_TRUE(here("ip addr show wan | grep -q 10.77.0.1/24"));
	CU_ASSERT_TRUE(here("ip route | grep -q '10.9.0.0/16 via 10.1.0.253 dev wan'"));
	CU_ASSERT_FALSE(here("ip neigh show dev wan | grep -q PERMANENT"));
	CU_ASSERT_TRUE(route("10.9.0.0/16") && route("10.9.0.0/16")->via.b[15] == 253);
	CU_ASSERT_PTR_NULL(neighbour("10.1.0.254"));
	fixture_stop();
}

static void
service_addresses_answer(void)
{
	CU_ASSERT_TRUE_FATAL(fixture_start(config_text(WAN, LAN, SERVICES)));
	CU_ASSERT_TRUE(peer("ping -c 1 -W 3 10.1.0.10"));
	CU_ASSERT_TRUE(peer("ping -c 1 -W 3 10.1.0.70"));
	CU_ASSERT_TRUE(peer("ping -c 1 -W 3 2001:db8:1::10"));
	CU_ASSERT_TRUE(peer("ping -c 1 -W 3 2001:db8:1::f05"));
	CU_ASSERT_FALSE(peer("ping -c 1 -W 1 2001:db8:1::e05"));
	CU_ASSERT_FALSE(here("ip addr show lan | grep -q 10.1.0.10"));
	/* not chosen as source by the kernel */
	CU_ASSERT_TRUE(here("ip route get 10.1.0.2 | grep -q 'src 10.1.0.1 '"));
	CU_ASSERT_TRUE(here("ip route get 2001:db8:1::2 | grep -q 'src 2001:db8:1::1 '"));
	CU_ASSERT_TRUE(fixture_apply(config_text(WAN, LAN, FEWER)));
	CU_ASSERT_FALSE(here("ip addr show wan | grep -q 10.1.0.10"));
	CU_ASSERT_FALSE(here("ip addr show wan | grep -q 2001:db8:1::10"));
	CU_ASSERT_FALSE(here("ip route show table local | grep -q 10.1.0.64/28"));
	CU_ASSERT_TRUE(here("ip addr show wan | grep -q 10.1.0.1/24"));
	CU_ASSERT_TRUE(here("ip addr show wan | grep -q 2001:db8:1::1/64"));
	fixture_stop();
}

static void
mistakes_are_sentences(void)
{
	CU_ASSERT_FALSE(fixture_start(
	    config_text(WAN, LAN, "routes = ( { to = \"10.9.0.0/16\"; via = \"10.99.0.1\"; } );")));
	CU_ASSERT_PTR_NOT_NULL(strstr(fixture.error, "10.99.0.1"));
}

static void
the_range_of_ports(void)
{
	uint16_t low, high;

	CU_ASSERT_TRUE(here("echo 40000 50000 > /proc/sys/net/ipv4/ip_local_port_range"));
	network_port_range(&low, &high);
	CU_ASSERT_TRUE(low == 40000 && high == 50000);
}

int
test_network_register(void)
{
	CU_TestInfo tests[] = {
		{ "neighbours", neighbours_are_resolved_and_followed },
		{ "a neighbour that dies", a_neighbour_that_dies_is_found_out },
		{ "routes", routes_are_followed },
		{ "down and up", a_link_that_goes_down_and_up },
		{ "apply", an_apply_changes_only_what_is_ours },
		{ "service addresses", service_addresses_answer },
		{ "mistakes", mistakes_are_sentences },
		{ "the range of ports", the_range_of_ports },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "network", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
