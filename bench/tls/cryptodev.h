/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same arithmetic by DPDK's cryptodev, its synchronous call
 * (rte_cryptodev_sym_cpu_crypto_process) on the software device crypto_aesni_gcm, which stands on
 * ipsec-mb, too. To be compared with lib/tls/record. One thread; one at a time.
 */
#ifndef BENCH_TLS_CRYPTODEV_H
#define BENCH_TLS_CRYPTODEV_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/tls/keys.h"

#define CRYPTODEV_BURST 32

/* False: there is no such device, or no session for this cipher. */
bool bench_cryptodev_open(void);
/* n sessions, one for each connection. */
bool bench_cryptodev_sessions(enum tls_cipher cipher, uint32_t n);

struct bench_cryptodev_record {
	uint32_t session;
	uint8_t *head;    /* 5 bytes, sealed with it */
	uint8_t *content; /* in its place; the tag goes behind it */
	uint32_t length;
};
/* At most CRYPTODEV_BURST. How many were good. */
uint32_t bench_cryptodev_seal(const struct bench_cryptodev_record *records, uint32_t n);
/* Bytes that a session takes. */
uint32_t bench_cryptodev_session_size(void);

#endif
