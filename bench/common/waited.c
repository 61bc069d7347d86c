/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/common/waited.h"

#include <inttypes.h>
#include <stdio.h>

uint64_t
thread_waited(void)
{
	FILE *f = fopen("/proc/thread-self/schedstat", "r");
	uint64_t ran, waits = 0;

	if (f && fscanf(f, "%" SCNu64 " %" SCNu64, &ran, &waits) != 2)
		waits = 0;
	if (f)
		fclose(f);
	return waits;
}
