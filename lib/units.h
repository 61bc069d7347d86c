/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values with units, as configuration and people write them: rates, durations, sizes. A bare number
 * where a unit is expected is an error. Integer arithmetic; what does not fit is -ERANGE. Pure
 * functions, any thread.
 */
#ifndef LIB_UNITS_H
#define LIB_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* A rate as written: count per period. "10k/s" = {10000, 1e9}; "90/m" = {90, 60e9}. Fractions
 * ("1.5M/s") are exact or -EINVAL. */
struct rate {
	uint64_t count;
	uint64_t period_ns;
};

/* "10k/s", "5M/s", "100/m", "3/h": k M G are powers of 1000. 0, -EINVAL (not a rate), -ERANGE. */
int rate_parse(const char *text, struct rate *out);
/* "2s", "100ms", "15m", "1h", "250us", "10ns", "1.5s" to nanoseconds. 0, -EINVAL, -ERANGE. */
int duration_parse(const char *text, uint64_t *ns);
/* "2G", "512M", "64k", "100B" (also T) to bytes: powers of 1024, as memory is counted. 0, -EINVAL,
 * -ERANGE. */
int size_parse(const char *text, uint64_t *bytes);

/* Shortest exact text that parses back to the same value, in no unit larger than the value
 * ("100ms", not "0.1s"); returns buf. A rate's period is one that rate_parse gives. */
#define UNITS_STRLEN 32
const char *rate_format(const struct rate *r, char buf[UNITS_STRLEN]);
const char *duration_format(uint64_t ns, char buf[UNITS_STRLEN]);
const char *size_format(uint64_t bytes, char buf[UNITS_STRLEN]);
/* For people: 12.3k, 4.56M (at most 4 significant digits). Not exact. */
const char *count_format(uint64_t n, char buf[UNITS_STRLEN]);

#endif
