/* SPDX-License-Identifier: Apache-2.0 */
/* The file "settled" of the state directory: whatever lies there is refused, or is to the last byte
 * what would be written of it. The input is the file; it is decoded as it is, and with its check
 * made right. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cp/state/settled_file.h"
#include "lib/maglev.h"

#define HEAD 20u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
check_membership(const struct membership *m)
{
	uint32_t i;

	must(m->n <= MEMBERSHIP_MAX);
	must(m->rows == MAGLEV_ROWS_SMALL || m->rows == MAGLEV_ROWS_LARGE);
	for (i = 0; i < m->n; i++) {
		must(m->members[i].weight > 0);
		must(i == 0 || membership_compare(&m->members[i - 1], &m->members[i]) < 0);
	}
}

static void
decode(const uint8_t *file, size_t len)
{
	struct settled_pools pools;
	size_t again_len = 0, i;
	void *again;

	if (settled_decode(file, len, &pools) != NULL) {
		must(!pools.list && !pools.n);
		return;
	}
	for (i = 0; i < pools.n; i++)
		check_membership(pools.list[i].membership);
	again = settled_encode(&pools, &again_len);
	must(again != NULL);
	must(again_len == len && memcmp(again, file, len) == 0);
	free(again);
	settled_pools_clear(&pools);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* On the heap and no longer than the file, so that a read behind it is seen. */
	uint8_t *file = malloc(size ? size : 1);

	must(file != NULL);
	if (size)
		memcpy(file, data, size);
	decode(file, size);
	if (size >= HEAD) {
		settled_seal(file, size);
		decode(file, size);
	}
	free(file);
	return 0;
}
