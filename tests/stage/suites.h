/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of the stage tests: each adds itself to CUnit's registry and returns CUnit's error
 * code. Called once by main. */
#ifndef TESTS_STAGE_SUITES_H
#define TESTS_STAGE_SUITES_H

#include <CUnit/CUnit.h>

/* For the definition of a suite: CU_add_suite and all its tests. */
static inline int
suite_add(const char *name, const CU_TestInfo *tests)
{
	CU_pSuite suite = CU_add_suite(name, NULL, NULL);

	for (; suite && tests->pName; tests++) {
		if (!CU_add_test(suite, tests->pName, tests->pTestFunc))
			break;
	}
	return CU_get_error();
}

int test_limit_register(void);
int test_client_table_register(void);
int test_lease_register(void);
int test_tcp_pair_register(void);
int test_tcp_recovery_register(void);
int test_proxy_register(void);
int test_proxy_cut_register(void);
int test_proxy_view_register(void);
int test_proxy_hello_register(void);
int test_http_cut_register(void);
int test_http_random_register(void);
int test_http_pressure_register(void);
int test_http_full_register(void);
int test_http_circuit_register(void);
int test_http_time_register(void);
int test_http_told_register(void);
int test_http_mirror_register(void);
int test_http_affinity_register(void);
int test_http_lost_register(void);
int test_http_renamed_register(void);
int test_http_left_register(void);
int test_buffers_register(void);
int test_tls_messages_register(void);
int test_tls_stream_register(void);
int test_tls_bounds_register(void);
int test_parse_register(void);
int test_parse_cut_register(void);
int test_parse_quick_register(void);
int test_quick_register(void);
int test_transmit_register(void);
int test_fragment_register(void);
int test_steer_register(void);
int test_classify_register(void);
int test_connection_register(void);
int test_track_register(void);
int test_refuse_register(void);
int test_rewrite_register(void);
int test_waiting_register(void);
int test_encap_register(void);
int test_icmp_register(void);
int test_balance_register(void);
int test_source_port_register(void);
int test_restore_register(void);
int test_tables_register(void);
int test_heaviest_register(void);
int test_capture_register(void);
int test_explain_register(void);

#endif
