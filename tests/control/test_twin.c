/* SPDX-License-Identifier: Apache-2.0 */
/* Twins: frames to the kernel and back, VLANs, names. */
#include <CUnit/CUnit.h>
#include <string.h>

#include "tests/control/fixture.h"

#define ADDRESSES                                                 \
	"addresses = [ \"10.1.0.1/24\", \"2001:db8:1::1/64\" ];", \
	    "addresses = [ \"10.2.0.1/24\", \"2001:db8:2::1/64\" ];"

static void
ping_both_families_on_both_drivers(void)
{
	struct twin_stats stats;

	CU_ASSERT_TRUE_FATAL(fixture_start(config_text(ADDRESSES, "")));
	CU_ASSERT_TRUE(peer("ping -c 3 -i 0.05 -W 2 10.1.0.1"));
	CU_ASSERT_TRUE(peer("ping -c 3 -i 0.05 -W 2 2001:db8:1::1"));
	CU_ASSERT_TRUE(peer("ping -c 3 -i 0.05 -W 2 10.2.0.1"));
	CU_ASSERT_TRUE(peer("ping -c 3 -i 0.05 -W 2 2001:db8:2::1"));
	/* from this side, and full-size frames */
	CU_ASSERT_TRUE(here("ping -c 2 -i 0.05 -W 2 -s 1472 -M do 10.2.0.2"));
	CU_ASSERT_TRUE(here("ping -c 2 -i 0.05 -W 2 -s 1452 -M do 2001:db8:1::2"));
	twins_stats(fixture.twins, 0, 0, &stats);
	CU_ASSERT_TRUE(stats.to_kernel >= 8 && stats.from_kernel >= 8);
	CU_ASSERT_EQUAL(stats.errors, 0);
	fixture_stop();
	CU_ASSERT_FALSE(here("ip link show wan"));
}

/* Ask for an address in VLAN 100 from a peer that tags by itself: no VLAN device needed there. */
static bool
arp_in_vlan(const char *device, int net)
{
	return peer("/usr/bin/python3 -c '\n"
		    "from scapy.all import *\n"
		    "r = srp1(Ether(dst=\"ff:ff:ff:ff:ff:ff\", src=\"02:00:00:00:0%d:02\") / "
		    "Dot1Q(vlan=100) / ARP(pdst=\"10.%d.100.1\", psrc=\"10.%d.100.2\", "
		    "hwsrc=\"02:00:00:00:0%d:02\"), iface=\"%s\", timeout=3, verbose=0)\n"
		    "exit(not (r and r[Dot1Q].vlan == 100 and r[ARP].hwsrc == "
		    "\"02:00:00:00:0%d:01\"))'",
		    net, net, net, net, device, net);
}

static void
vlans_are_twins_of_their_own(void)
{
	CU_ASSERT_TRUE_FATAL(fixture_start(
	    config_text("addresses = [ \"10.1.0.1/24\" ]; vlans = ( { id = 100; addresses = [ "
			"\"10.1.100.1/24\", \"2001:db8:100::1/64\" ]; } );",
			"addresses = [ \"10.2.0.1/24\" ]; vlans = ( { id = 100; addresses = [ "
			"\"10.2.100.1/24\" ]; } );",
			"")));
	CU_ASSERT_TRUE(here("ip link show wan.100"));
	CU_ASSERT_TRUE(arp_in_vlan("peer-wan", 1));
	CU_ASSERT_TRUE(arp_in_vlan("peer-lan", 2));
	CU_ASSERT_TRUE(fixture_apply(
	    config_text("addresses = [ \"10.1.0.1/24\" ]; vlans = ( { id = 200; addresses = [ "
			"\"10.1.200.1/24\" ]; } );",
			"addresses = [ \"10.2.0.1/24\" ];", "")));
	CU_ASSERT_FALSE(here("ip link show wan.100"));
	CU_ASSERT_TRUE(here("ip addr show wan.200 | grep -q 10.1.200.1/24"));
	CU_ASSERT_PTR_NULL(route("10.1.100.0/24"));
	CU_ASSERT_PTR_NOT_NULL(route("10.1.200.0/24"));
	fixture_stop();
}

static void
a_taken_name_is_a_sentence(void)
{
	CU_ASSERT_TRUE(here("ip link add lan type veth peer name lan-peer"));
	CU_ASSERT_FALSE(fixture_start(config_text(ADDRESSES, "")));
	CU_ASSERT_PTR_NOT_NULL(strstr(fixture.error, "interface \"lan\": the kernel has a network "
						     "device of this name already"));
	CU_ASSERT_TRUE(here("ip link del lan"));
	/* nothing is left behind */
	CU_ASSERT_FALSE(here("ip link show wan"));
}

static void
a_long_name_with_a_vlan_is_a_sentence(void)
{
	CU_ASSERT_TRUE_FATAL(fixture_start(config_text(ADDRESSES, "")));
	CU_ASSERT_FALSE(fixture_apply(
	    config_text("addresses = [ \"10.1.0.1/24\" ]; vlans = ( { id = 7; addresses = [ "
			"\"10.1.0.1/24\" ]; } );",
			"addresses = [ \"10.2.0.1/33\" ];", "")));
	fixture_stop();
}

static void
without_a_twin_nothing_is_made(void)
{
	const struct network_route *r;

	CU_ASSERT_TRUE_FATAL(fixture_start(config_text(
	    "addresses = [ \"10.1.0.1/24\" ];", "twin = false; addresses = [ \"10.2.0.1/24\" ];",
	    "routes = ( { to = \"10.9.0.0/16\"; via = \"10.2.0.254\"; } );\n"
	    "neighbours = ( { address = \"10.2.0.254\"; mac = \"02:00:00:00:00:99\"; "
	    "interface = \"lan\"; } );")));
	CU_ASSERT_FALSE(here("ip link show lan"));
	CU_ASSERT_PTR_NULL(fixture.dp.ports[1].to_host);
	r = route("10.2.0.0/24");
	CU_ASSERT_TRUE(r && r->port == 1 && r->via.q[0] == 0 && r->via.q[1] == 0);
	r = route("10.9.0.0/16");
	CU_ASSERT_TRUE(r && r->port == 1 && r->via.b[15] == 254);
	CU_ASSERT_TRUE(neighbour("10.2.0.254") && neighbour("10.2.0.254")->fixed &&
		       neighbour("10.2.0.254")->usable);
	fixture_stop();
}

static bool
is_lost(void *arg)
{
	(void)arg;
	return twins_lost(fixture.twins);
}

/* Somebody deletes it: noticed, and made anew with all that was on it. */
static void
a_deleted_twin_comes_back(void)
{
	CU_ASSERT_TRUE_FATAL(fixture_start(config_text(ADDRESSES, "")));
	CU_ASSERT_FALSE(twins_lost(fixture.twins));
	CU_ASSERT_TRUE(here("ip link del wan"));
	CU_ASSERT_TRUE(run_until(is_lost, NULL, 2000));
	CU_ASSERT_TRUE(fixture_apply(config_text(ADDRESSES, "")));
	CU_ASSERT_FALSE(twins_lost(fixture.twins));
	CU_ASSERT_TRUE(here("ip addr show wan | grep -q 10.1.0.1/24"));
	CU_ASSERT_PTR_NOT_NULL(route("10.1.0.0/24"));
	CU_ASSERT_TRUE(peer("ping -c 3 -i 0.05 -W 2 10.1.0.1"));
	CU_ASSERT_TRUE(peer("ping -c 3 -i 0.05 -W 2 2001:db8:1::1"));
	fixture_stop();
}

int
test_twin_register(void)
{
	CU_TestInfo tests[] = {
		{ "ping, both families, both drivers", ping_both_families_on_both_drivers },
		{ "VLANs", vlans_are_twins_of_their_own },
		{ "a name that is taken", a_taken_name_is_a_sentence },
		{ "a configuration that is refused", a_long_name_with_a_vlan_is_a_sentence },
		{ "deleted by somebody", a_deleted_twin_comes_back },
		{ "no twin", without_a_twin_nothing_is_made },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "twin", NULL, NULL, NULL, NULL, tests }, CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
