/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are written as hexadecimal digits, and records to seal and open. One thread. */
#ifndef TESTS_UNIT_TLS_BYTES_H
#define TESTS_UNIT_TLS_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/tls/record.h"

/* The bytes of an even number of digits, with spaces between them as one likes; how many. */
size_t tls_unhex(const char *text, uint8_t *out, size_t size);

/* An engine for all tests, opened at the first call. */
const struct tls_engine *tls_test_engine(void);

/* Schedules for all tests, so few that they are made anew all the time. */
struct tls_schedules *tls_test_schedules(void);

/* Keys, and what to seal or open with. */
struct tls_end {
	struct tls_keys keys;
	struct tls_side side;
};
/* Of a version and cipher; `key`, `iv` and `secret` come from the seed. */
void tls_end_make(struct tls_end *end, enum tls_version version, enum tls_cipher cipher,
		  uint64_t seed);
/* After it has been copied. */
void tls_end_link(struct tls_end *end);

/* Seal `length` bytes into a record that lies in one piece at out, which has room; how long it is,
 * 0 on an error. */
size_t tls_end_seal(struct tls_end *end, uint8_t type, const void *content, size_t length,
		    uint8_t *out);

struct tls_opened {
	enum tls_error error;
	uint8_t type;
	const uint8_t *content;
	size_t length, whole;
};
/* Open a record that lies in one piece, where it is. */
struct tls_opened tls_end_open(struct tls_end *end, uint8_t *record, size_t length);

#endif
