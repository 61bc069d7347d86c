/* SPDX-License-Identifier: Apache-2.0 */
/* Opening devices: what comes out, and the sentence of each failure. */
#include <CUnit/CUnit.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cp/device/eal.h"
#include "cp/device/ports.h"
#include "tests/control/fixture.h"

/* Open ports for the interfaces as written; true if that fails with these words. */
static bool
fails_with(const char *interfaces, const char *words)
{
	char text[2048];
	struct config *config;
	int ret;

	snprintf(text, sizeof(text),
		 "dataplane: { workers = [ 1 ]; control = 0; hugepages = false; memory = \"512M\"; "
		 "};\ninterfaces = ( %s );\n",
		 interfaces);
	config = fixture_parse(text);
	if (!config) {
		printf("not parsed: %s\n", fixture.error);
		return false;
	}
	ret = ports_open(&fixture.dp, config, fixture.error, sizeof(fixture.error));
	if (ret == 0)
		ports_close(&fixture.dp);
	config_free(config);
	if (ret < 0 && strstr(fixture.error, words) && !strchr(fixture.error, '\n'))
		return true;
	printf("ports_open returned %d: %s\n", ret, fixture.error);
	return false;
}

#define TWINLESS "twin = false; addresses = [ \"10.1.0.1/24\" ]; "

static void
devices_that_cannot_be_opened(void)
{
	CU_ASSERT_TRUE(fails_with("{ name = \"wan\"; device = \"net_af_xdp0,iface=eth9\"; " TWINLESS
				  "}",
				  "interface \"wan\": cannot open device "
				  "\"net_af_xdp0,iface=eth9\": there is no network device eth9"));
	CU_ASSERT_TRUE(
	    fails_with("{ name = \"wan\"; device = \"net_af_packet0,iface=eth9\"; " TWINLESS "}",
		       "there is no network device eth9"));
	CU_ASSERT_TRUE(fails_with("{ name = \"wan\"; device = \"0000:3b:00.0\"; " TWINLESS "}",
				  "interface \"wan\": cannot open device \"0000:3b:00.0\" (DPDK: "
				  "Cannot find device (0000:3b:00.0))"));
	CU_ASSERT_TRUE(fails_with("{ name = \"wan\"; device = "
				  "\"net_pcap0,rx_pcap=/nowhere/in.pcap\"; " TWINLESS "}",
				  "/nowhere/in.pcap: No such file or directory"));
	CU_ASSERT_TRUE(fails_with("{ name = \"wan\"; device = \"net_nonsense0\"; " TWINLESS "}",
				  "interface \"wan\": cannot open device \"net_nonsense0\""));
	CU_ASSERT_EQUAL(fixture.dp.n_ports, 0);
}

static void
an_mtu_that_is_too_large(void)
{
	CU_ASSERT_TRUE(fails_with("{ name = \"wan\"; device = \"net_af_xdp0,iface=veth-wan\"; mtu "
				  "= 9000; " TWINLESS "}",
				  "cannot carry an MTU of 9000 (only "));
	CU_ASSERT_TRUE(fails_with("{ name = \"wan\"; device = \"net_af_packet0,iface=veth-wan\"; "
				  "mtu = 9000; " TWINLESS "}",
				  "cannot carry an MTU of 9000 (only "));
}

static void
ports_are_filled_in(void)
{
	const uint8_t wan[6] = { 2, 0, 0, 0, 1, 1 }, lan[6] = { 2, 0, 0, 0, 2, 1 };
	const struct port *p = fixture.dp.ports;

	CU_ASSERT_TRUE_FATAL(fixture_start(config_text("addresses = [ \"10.1.0.1/24\" ];",
						       "addresses = [ \"10.2.0.1/24\" ];", "")));
	CU_ASSERT_EQUAL(fixture.dp.n_ports, 2);
	CU_ASSERT_STRING_EQUAL(p[0].name, "wan");
	CU_ASSERT_EQUAL(memcmp(p[0].mac, wan, 6), 0);
	CU_ASSERT_EQUAL(memcmp(p[1].mac, lan, 6), 0);
	CU_ASSERT_TRUE(p[0].rx_queues == 1 && p[0].tx_queues == 1);
	CU_ASSERT_FALSE(p[0].rss_source || p[0].rss_destination);
	CU_ASSERT_PTR_NULL(p[0].tx_shared);
	CU_ASSERT_PTR_NOT_NULL(p[0].to_host);
	fixture_stop();
}

static void
the_mtu_of_a_running_port(void)
{
	CU_ASSERT_TRUE_FATAL(fixture_start(config_text("addresses = [ \"10.1.0.1/24\" ];",
						       "addresses = [ \"10.2.0.1/24\" ];", "")));
	CU_ASSERT_EQUAL(ports_set_mtu(&fixture.dp, 0, 1400, fixture.error, sizeof(fixture.error)),
			0);
	CU_ASSERT_TRUE(here("ip link show veth-wan | grep -q 'mtu 1400'"));
	CU_ASSERT_EQUAL(ports_set_mtu(&fixture.dp, 0, 1500, fixture.error, sizeof(fixture.error)),
			0);
	CU_ASSERT_TRUE(ports_set_mtu(&fixture.dp, 0, 4000, fixture.error, sizeof(fixture.error)) <
		       0);
	CU_ASSERT_PTR_NOT_NULL(strstr(fixture.error, "needs larger packet buffers"));
	CU_ASSERT_TRUE(ports_set_mtu(&fixture.dp, 1, 1700, fixture.error, sizeof(fixture.error)) <
		       0);
	CU_ASSERT_PTR_NOT_NULL(
	    strstr(fixture.error, "interface \"lan\": the device cannot carry an MTU of 1700"));
	fixture_stop();
}

/* A second process, because DPDK starts once. */
static bool
eal_fails_with(const char *dataplane, const char *words)
{
	char text[1024];
	struct config *config;
	int status;
	pid_t pid;

	snprintf(text, sizeof(text),
		 "dataplane: { workers = [ 1 ]; control = 0; %s };\n"
		 "interfaces = ( { name = \"wan\"; device = \"net_null0\"; " TWINLESS "} );\n",
		 dataplane);
	config = fixture_parse(text);
	if (!config) {
		printf("not parsed: %s\n", fixture.error);
		return false;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int ret = ports_eal_init(config, 0, fixture.error, sizeof(fixture.error));

		if (ret < 0 && strstr(fixture.error, words) && !strchr(fixture.error, '\n'))
			_exit(0);
		dprintf(1, "ports_eal_init returned %d: %s\n", ret, fixture.error);
		_exit(1);
	}
	config_free(config);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static void
dpdk_that_does_not_start(void)
{
	CU_ASSERT_TRUE(eal_fails_with("memory = \"64G\";",
				      "dataplane.memory = \"64G\" needs 32768 free hugepages of 2 "
				      "MB, but"));
	CU_ASSERT_TRUE(eal_fails_with("memory = \"64G\";", "sysctl vm.nr_hugepages="));
}

static void
pci_addresses(void)
{
	CU_ASSERT_TRUE(eal_device_is_pci("0000:3b:00.0"));
	CU_ASSERT_TRUE(eal_device_is_pci("3b:00.1"));
	CU_ASSERT_TRUE(eal_device_is_pci("0000:3b:00.0,representor=0"));
	CU_ASSERT_FALSE(eal_device_is_pci("net_af_xdp0,iface=eth0"));
	CU_ASSERT_FALSE(eal_device_is_pci("net_null0"));
	CU_ASSERT_FALSE(eal_device_is_pci(""));
	CU_ASSERT_FALSE(eal_device_is_pci("3b:00"));
}

int
test_ports_register(void)
{
	CU_TestInfo tests[] = {
		{ "PCI addresses", pci_addresses },
		{ "DPDK does not start", dpdk_that_does_not_start },
		{ "devices that cannot be opened", devices_that_cannot_be_opened },
		{ "an MTU that is too large", an_mtu_that_is_too_large },
		{ "ports are filled in", ports_are_filled_in },
		{ "the MTU of a running port", the_mtu_of_a_running_port },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "ports", NULL, NULL, NULL, NULL, tests }, CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
