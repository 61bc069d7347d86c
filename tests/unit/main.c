/* SPDX-License-Identifier: Apache-2.0 */
/* Runs all unit tests; prints each failure; ends with `N passed, N failed`. */
#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/suites.h"

/* One a line: additions do not meet. */
/* clang-format off */
static int (*const registers[])(void) = {
	test_addr_register, test_checksum_register, test_compile_register, test_compile_http_register, test_compile_renamed_register, test_config_register, test_flow_table_register, test_health_register, test_heavy_register, test_history_register, test_log_register, test_loop_register, test_lpm_register, test_maglev_register, test_ndp_register, test_pcapng_register, test_siphash_register, test_store_register, test_table_register, test_toeplitz_register, test_units_register, test_wheel_register, test_limit_watch_register,
	test_gcra_register,
	test_http_chunked_register,
	test_http_differ_register,
	test_http_framing_register,
	test_http_head_register,
	test_http_limit_register,
	test_http_path_register,
	test_http_route_register,
	test_http_route_differ_register,
	test_http_scan_register,
	test_http_trace_register, test_http_write_register,
	test_proxy_protocol_register,
	test_record_register, test_settled_register,
	test_shared_file_register,
	test_tcp_congestion_register,
	test_tcp_numbers_register,
	test_tcp_options_register,
	test_tcp_rack_register,
	test_tcp_rtt_register,
	test_tcp_sent_register,
	test_tls_aead_register,
	test_tls_arithmetic_register,
	test_tls_x25519_register,
	test_tls_certificate_register,
	test_tls_client_register,
	test_tls_client_peer_register,
	test_tls_handshake_register,
	test_tls_keys_register,
	test_tls_mbed_register,
	test_tls_record_register,
	test_tls_listeners_register,
	test_tls_places_register,
	test_tls_pools_register,
	test_tls_server_register,
	test_tls_verify_register,
	test_compile_tls_register,
	test_tls_hello_register,
	test_tls_jobs_register,
	test_tls_threads_register,
};
/* clang-format on */

/* One line for each place and test that failed; a loop fails at one place very often. */
static void
print_failures(CU_pFailureRecord f)
{
	unsigned int times;

	for (; f; f = f->pNext) {
		for (times = 1; f->pNext && f->pNext->uiLineNumber == f->uiLineNumber &&
				f->pNext->pTest == f->pTest;
		     times++)
			f = f->pNext;
		printf("%s:%u: %s, %s: %s", f->strFileName, f->uiLineNumber,
		       f->pSuite ? f->pSuite->pName : "?", f->pTest ? f->pTest->pName : "?",
		       f->strCondition);
		printf(times > 1 ? " (%u times)\n" : "\n", times);
	}
}

int
main(void)
{
	unsigned int run, failed;
	size_t i;

	if (CU_initialize_registry() != CUE_SUCCESS) {
		fprintf(stderr, "unit tests: %s\n", CU_get_error_msg());
		return 1;
	}
	for (i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		if (registers[i]() != CUE_SUCCESS) {
			fprintf(stderr, "unit tests: %s\n", CU_get_error_msg());
			return 1;
		}
	}
	CU_run_all_tests();
	print_failures(CU_get_failure_list());
	run = CU_get_number_of_tests_run();
	failed = CU_get_number_of_tests_failed() + CU_get_number_of_suites_failed();
	printf("%u passed, %u failed\n", run - CU_get_number_of_tests_failed(), failed);
	CU_cleanup_registry();
	return failed > 0 || run == 0;
}
