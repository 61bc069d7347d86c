/* SPDX-License-Identifier: Apache-2.0 */
/* The stage tests: bursts in, verdicts and bytes out. One suite a stage; ends with one line
 * `N passed, N failed`. With a WORD: only suites that have it in their name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/Basic.h>

#include "suites.h"

/* Each adds its suite to CUnit's registry. 0, or a CUnit error. */
/* One a line: additions do not meet. */
/* clang-format off */
static int (*const suites[])(void) = {
	test_waiting_register,
	test_parse_register,
	test_parse_cut_register,
	test_parse_quick_register,
	test_quick_register,
	test_transmit_register,
	test_classify_register,
	test_steer_register,
	test_fragment_register,
	test_connection_register,
	test_track_register,
	test_rewrite_register,
	test_encap_register,
	test_icmp_register,
	test_balance_register,
	test_source_port_register,
	test_refuse_register,
	test_restore_register,
	test_tables_register,
	test_heaviest_register,
	test_capture_register,
	test_explain_register,
	test_limit_register,
	test_client_table_register,
	test_lease_register,
	test_tcp_pair_register,
	test_tcp_recovery_register,
	test_proxy_register,
	test_proxy_cut_register,
	test_proxy_view_register,
	test_proxy_hello_register,
	test_http_cut_register,
	test_http_random_register,
	test_http_pressure_register,
	test_http_full_register,
	test_http_circuit_register,
	test_http_time_register,
	test_http_told_register,
	test_http_mirror_register,
	test_http_affinity_register,
	test_http_lost_register,
	test_http_renamed_register,
	test_http_left_register,
	test_buffers_register,
	test_tls_messages_register,
	test_tls_stream_register,
	test_tls_bounds_register,
};
/* clang-format on */

/* Only suites whose name has this word in it. */
static void
choose(const char *word)
{
	CU_pSuite suite;
	unsigned int i;

	CU_set_fail_on_inactive(CU_FALSE);
	for (i = 1; (suite = CU_get_suite_at_pos(i)); i++)
		CU_set_suite_active(suite, strstr(suite->pName, word) ? CU_TRUE : CU_FALSE);
}

int
main(int argc, char **argv)
{
	unsigned int run, failed;
	size_t i;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return EXIT_FAILURE;
	for (i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		if (suites[i]() != CUE_SUCCESS) {
			fprintf(stderr, "stage-tests: %s\n", CU_get_error_msg());
			return EXIT_FAILURE;
		}
	}
	if (argc > 1)
		choose(argv[1]);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	run = CU_get_number_of_tests_run();
	failed = CU_get_number_of_tests_failed();
	CU_cleanup_registry();
	printf("%u passed, %u failed\n", run - failed, failed);
	return failed || !run ? EXIT_FAILURE : EXIT_SUCCESS;
}
