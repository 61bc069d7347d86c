/* SPDX-License-Identifier: Apache-2.0 */
/* Generations on disk: whatever lies there is refused, or is what it says to the last byte. The
 * input is the file behind its first line; as it is, it is decoded too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cp/state/generation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
decode(const char *data, size_t len)
{
	struct generation g;
	size_t again_len = 0;
	char *again;

	if (generation_decode(data, len, &g) != NULL) {
		must(!g.name && !g.file && !g.changes && !g.text);
		return;
	}
	must(g.number > 0 && g.number <= GENERATION_NUMBER_MAX);
	must(strlen(g.text) == g.text_len && strlen(g.name) <= GENERATION_NAME_MAX);
	again = generation_encode(&g, &again_len);
	must(again != NULL);
	must(again_len == len && memcmp(again, data, len) == 0);
	free(again);
	generation_clear(&g);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* On the heap and no longer than the file, so that a read behind it is seen. */
	char first[GENERATION_FIRST_LINE];
	size_t first_len;
	char *file = malloc(size + sizeof(first));

	must(file != NULL);
	if (size)
		memcpy(file, data, size);
	generation_first_line(file, size, first);
	first_len = strlen(first);
	file = realloc(file, first_len + size);
	must(file != NULL);
	memmove(file + first_len, file, size);
	memcpy(file, first, first_len);
	decode(file, first_len + size);
	free(file);

	file = malloc(size ? size : 1);
	must(file != NULL);
	if (size)
		memcpy(file, data, size);
	decode(file, size);
	free(file);
	return 0;
}
