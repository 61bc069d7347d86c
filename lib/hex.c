/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/hex.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -EINVAL;
}

int
hex_bytes(const char *text, uint8_t out[HEX_BYTES_MAX])
{
	static const char mark[] = "hex:";
	size_t len = strlen(text), i;

	if (strncmp(text, mark, sizeof(mark) - 1) != 0) {
		if (len == 0 || len > HEX_BYTES_MAX)
			return -EINVAL;
		memcpy(out, text, len);
		return (int)len;
	}
	text += sizeof(mark) - 1;
	len -= sizeof(mark) - 1;
	if (len == 0 || len % 2 || len / 2 > HEX_BYTES_MAX)
		return -EINVAL;
	for (i = 0; i < len / 2; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return (int)(len / 2);
}
