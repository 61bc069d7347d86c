/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unit tests: one suite per module of lib/, and those of the control side that need no kernel.
 * A new one is a file, a declaration here and a line in main.c's table. Each function registers its
 * suite; 0, or a CUnit error. One thread.
 */
#ifndef TESTS_UNIT_SUITES_H
#define TESTS_UNIT_SUITES_H

#include <stdint.h>

int test_addr_register(void);
int test_checksum_register(void);
int test_compile_register(void);
int test_compile_http_register(void);
int test_compile_renamed_register(void);
int test_compile_tls_register(void);
int test_config_register(void);
int test_flow_table_register(void);
int test_gcra_register(void);
int test_http_chunked_register(void);
int test_http_differ_register(void);
int test_http_framing_register(void);
int test_http_head_register(void);
int test_http_limit_register(void);
int test_http_path_register(void);
int test_http_route_register(void);
int test_http_route_differ_register(void);
int test_http_scan_register(void);
int test_http_trace_register(void);
int test_http_write_register(void);
int test_heavy_register(void);
int test_history_register(void);
int test_limit_watch_register(void);
int test_log_register(void);
int test_health_register(void);
int test_loop_register(void);
int test_lpm_register(void);
int test_maglev_register(void);
int test_ndp_register(void);
int test_pcapng_register(void);
int test_proxy_protocol_register(void);
int test_record_register(void);
int test_settled_register(void);
int test_shared_file_register(void);
int test_siphash_register(void);
int test_store_register(void);
int test_table_register(void);
int test_tcp_congestion_register(void);
int test_tcp_numbers_register(void);
int test_tcp_options_register(void);
int test_tcp_rack_register(void);
int test_tcp_rtt_register(void);
int test_tcp_sent_register(void);
int test_tls_aead_register(void);
int test_tls_arithmetic_register(void);
int test_tls_x25519_register(void);
int test_tls_certificate_register(void);
int test_tls_client_register(void);
int test_tls_client_peer_register(void);
int test_tls_handshake_register(void);
int test_tls_keys_register(void);
int test_tls_mbed_register(void);
int test_tls_record_register(void);
int test_tls_listeners_register(void);
int test_tls_places_register(void);
int test_tls_pools_register(void);
int test_tls_server_register(void);
int test_tls_verify_register(void);
int test_tls_hello_register(void);
int test_tls_jobs_register(void);
int test_tls_threads_register(void);
int test_toeplitz_register(void);
int test_units_register(void);
int test_wheel_register(void);

/* Random numbers that are the same in each run (splitmix64), so that a failure comes again. */
static inline uint64_t
test_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

#endif
