/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repeated measurements of one thing: kept all, shown as median and spread. The caller owns it.
 */
#ifndef BENCH_COMMON_SAMPLES_H
#define BENCH_COMMON_SAMPLES_H

#include <stddef.h>

#define SAMPLES_MAX 1024

struct samples {
	double values[SAMPLES_MAX];
	size_t n;
};

/* One more; beyond SAMPLES_MAX it is left out. */
void samples_add(struct samples *s, double value);
/* The value that a share q of the samples does not pass: 0 least, 0.5 median, 1 greatest. 0 if
 * there are none. Sorts. */
double samples_quantile(struct samples *s, double q);

#endif
