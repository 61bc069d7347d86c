/* SPDX-License-Identifier: Apache-2.0 */
/* Files of ticket keys: what is taken has one or two keys, and says the same when it is written
 * anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/tls/ticket_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_fault fault = { "" };
	char *text = malloc(size + 1), again[300];
	struct tls_ticket_keys *keys, *copy;
	size_t n = 0, i, j;

	must(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	keys = tls_ticket_keys_parse(text, &fault);
	free(text);
	must(!keys == (fault.text[0] != '\0'));
	if (!keys)
		return 0;
	must(keys->n >= 1 && keys->n <= TLS_TICKET_KEYS);
	for (i = 0; i < keys->n; i++) {
		for (j = 0; j < TLS_TICKET_KEY; j++)
			n += (size_t)snprintf(again + n, sizeof(again) - n, "%02x",
					      keys->keys[i][j]);
		n += (size_t)snprintf(again + n, sizeof(again) - n, "\n");
	}
	copy = tls_ticket_keys_parse(again, &fault);
	must(tls_ticket_keys_equal(keys, copy));
	tls_ticket_keys_put(copy);
	tls_ticket_keys_put(keys);
	return 0;
}
