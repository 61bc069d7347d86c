/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/record/json_text.h"

#include <stdio.h>

#include "lib/utf8.h"

char *
json_put_number(char *at, uint64_t number)
{
	char digits[20];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	while (n)
		*at++ = digits[--n];
	return at;
}

char *
json_put_text(char *at, const char *bytes, size_t length)
{
	size_t i = 0, n;

	*at++ = '"';
	while (i < length) {
		uint8_t c = (uint8_t)bytes[i];

		if (c >= 0x20 && c < 0x7f) {
			if (c == '"' || c == '\\')
				*at++ = '\\';
			*at++ = (char)c;
			i++;
			continue;
		}
		n = c < 0x80 ? 0 : utf8_sequence((const unsigned char *)bytes + i, length - i);
		if (n) {
			memcpy(at, bytes + i, n);
			at += n;
			i += n;
		} else {
			at += sprintf(at, "\\u%04x", c < 0x80 ? c : 0xfffdu);
			i++;
		}
	}
	*at++ = '"';
	return at;
}

char *
json_put_hex(char *at, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	*at++ = '"';
	for (i = 0; i < n; i++) {
		*at++ = digits[bytes[i] >> 4];
		*at++ = digits[bytes[i] & 15];
	}
	*at++ = '"';
	return at;
}
