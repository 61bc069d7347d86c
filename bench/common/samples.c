/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/common/samples.h"

#include <stdlib.h>

void
samples_add(struct samples *s, double value)
{
	if (s->n < SAMPLES_MAX)
		s->values[s->n++] = value;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
samples_quantile(struct samples *s, double q)
{
	if (!s->n)
		return 0;
	qsort(s->values, s->n, sizeof(s->values[0]), ascending);
	return s->values[(size_t)(q * (double)(s->n - 1) + 0.5)];
}
