/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device that a twin is: which kind, and what comes instead if vhost-net cannot be had; frames
 * on their way. Where there is a vhost-net, test_twin.c tests it; tests/vm has one.
 */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "cp/device/netdev.h"
#include "cp/net/frame.h"
#include "cp/net/twin_device.h"
#include "tests/control/fixture.h"

#define ROOM 128 /* of an mbuf */

static const uint8_t mac[6] = { 2, 0, 0, 0, 9, 1 };

static struct rte_mempool *
small_pool(unsigned int n)
{
	return rte_pktmbuf_pool_create("frames", n, 0, 0, RTE_PKTMBUF_HEADROOM + ROOM,
				       SOCKET_ID_ANY);
}

static void
frames_of_many_mbufs(void)
{
	struct rte_mempool *pool = small_pool(15);
	uint8_t bytes[ROOM * 9], copy[ROOM * 9];
	struct rte_mbuf *m;
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	m = frame_make(pool, bytes, sizeof(bytes));
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(m), sizeof(bytes));
	CU_ASSERT_EQUAL(m->nb_segs, 9);
	CU_ASSERT_PTR_NOT_NULL(rte_pktmbuf_read(m, 0, sizeof(copy), copy));
	CU_ASSERT_EQUAL(memcmp(bytes, copy, sizeof(copy)), 0);
	/* six are left */
	CU_ASSERT_PTR_NULL(frame_make(pool, bytes, sizeof(bytes)));
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool), 9);
	rte_pktmbuf_free(m);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool), 0);
	rte_mempool_free(pool);
}

static void
a_tag_on_and_off(void)
{
	static const uint8_t plain[] = "ttttttssssss\x08\x00payload";
	static const uint8_t tagged[] = "ttttttssssss\x81\x00\x0a\xbc\x08\x00payload";
	struct rte_mempool *pool = small_pool(3);
	struct rte_mbuf *m;

	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	m = frame_make(pool, plain, sizeof(plain));
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_TRUE(frame_tag(m, 0xabc));
	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_pkt_len(m), sizeof(tagged));
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(m, void *), tagged, sizeof(tagged)), 0);
	CU_ASSERT_TRUE(frame_untag(m));
	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_pkt_len(m), sizeof(plain));
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(m, void *), plain, sizeof(plain)), 0);
	rte_pktmbuf_free(m);
	/* too short for either */
	m = frame_make(pool, plain, 11);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_FALSE(frame_tag(m, 7));
	CU_ASSERT_FALSE(frame_untag(m));
	CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(m), 11);
	rte_pktmbuf_free(m);
	rte_mempool_free(pool);
}

static void
where_vhost_net_is(void)
{
	setenv("PENSTOCK_VHOST_NET", "/nowhere/vhost-net", 1);
	CU_ASSERT_PTR_NULL(vhost_path());
	setenv("PENSTOCK_VHOST_NET", "", 1);
	CU_ASSERT_PTR_NULL(vhost_path());
	setenv("PENSTOCK_VHOST_NET", "/dev/null", 1);
	CU_ASSERT_STRING_EQUAL(vhost_path(), "/dev/null");
	unsetenv("PENSTOCK_VHOST_NET");
}

/* A TAP where `path` is no vhost-net: the request remembers it, for the twins that follow. */
static void
falls_back(const char *path)
{
	struct rte_mempool *pool =
	    rte_pktmbuf_pool_create("many", 16 * VHOST_DESCRIPTORS - 1, 0, 0, 2048, SOCKET_ID_ANY);
	struct vhost_request request = { .path = path, .name = "tw", .mac = mac, .mbufs = pool };
	struct twin_device d;
	struct rte_mbuf *frame;
	char error[256] = "";

	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	CU_ASSERT_EQUAL_FATAL(twin_device_open(&d, &request, error, sizeof(error)), 0);
	CU_ASSERT_FALSE(d.by_vhost);
	CU_ASSERT_PTR_NULL(request.path);
	CU_ASSERT_TRUE(d.fd >= 0);
	CU_ASSERT_NOT_EQUAL(netdev_index("tw"), 0);
	CU_ASSERT_TRUE(here("ip -d link show tw | grep -q 02:00:00:00:09:01"));
	/* down: nothing to receive, and the kernel takes nothing */
	CU_ASSERT_EQUAL(twin_device_receive(&d, &frame, 1), 0);
	frame = frame_make(pool, "ttttttssssss\x08\x00payload", 20);
	CU_ASSERT_EQUAL(twin_device_send(&d, &frame, 1), 0);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool), 0);
	twin_device_close(&d);
	CU_ASSERT_EQUAL(d.fd, -1);
	CU_ASSERT_EQUAL(netdev_index("tw"), 0);
	rte_mempool_free(pool);
}

static void
a_tap_instead(void)
{
	falls_back(NULL);
	falls_back("/dev/null"); /* a device, but another one */
	falls_back("/dev");      /* cannot be opened for writing */
}

/* The rings of a port would keep what others need. */
static void
too_few_mbufs(void)
{
	struct rte_mempool *pool = small_pool(63);
	struct vhost_request request = {
		.path = "/dev/null", .name = "tw", .mac = mac, .mbufs = pool
	};
	struct vhost v;
	char error[256] = "";

	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	CU_ASSERT_TRUE(vhost_open(&v, &request, error, sizeof(error)) < 0);
	CU_ASSERT_STRING_EQUAL(error, "too few packet buffers are free");
	rte_mempool_free(pool);
}

static void
a_whole_twin_without_vhost_net(void)
{
	struct twin_stats stats;

	setenv("PENSTOCK_VHOST_NET", "/dev/null", 1);
	CU_ASSERT_TRUE_FATAL(fixture_start(config_text("addresses = [ \"10.1.0.1/24\" ];",
						       "addresses = [ \"10.2.0.1/24\" ];", "")));
	unsetenv("PENSTOCK_VHOST_NET");
	CU_ASSERT_FALSE(here("ip -d link show wan | grep -q 'vnet_hdr on'"));
	CU_ASSERT_TRUE(peer("ping -c 3 -i 0.05 -W 2 10.1.0.1"));
	CU_ASSERT_TRUE(here("ping -c 2 -i 0.05 -W 2 10.2.0.2"));
	twins_stats(fixture.twins, 0, 0, &stats);
	CU_ASSERT_TRUE(stats.to_kernel >= 3 && stats.from_kernel >= 3);
	fixture_stop();
	CU_ASSERT_FALSE(here("ip link show wan"));
}

int
test_twin_device_register(void)
{
	CU_TestInfo tests[] = {
		{ "frames of many mbufs", frames_of_many_mbufs },
		{ "a VLAN's tag, on and off", a_tag_on_and_off },
		{ "where vhost-net is", where_vhost_net_is },
		{ "a TAP instead", a_tap_instead },
		{ "too few mbufs", too_few_mbufs },
		{ "whole twins without vhost-net", a_whole_twin_without_vhost_net },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "twin's device", NULL, NULL, NULL, NULL, tests },
				  CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
