/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON written straight into a buffer, for what is written a million times a second. The caller
 * sees to the room: a text takes up to six times its bytes. No state: any thread.
 */
#ifndef CP_RECORD_JSON_TEXT_H
#define CP_RECORD_JSON_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* As it is. */
static inline char *
json_put(char *at, const char *text)
{
	size_t n = strlen(text);

	memcpy(at, text, n);
	return at + n;
}

char *json_put_number(char *at, uint64_t number);
/* In quotes; bytes that are not UTF-8 become U+FFFD. */
char *json_put_text(char *at, const char *bytes, size_t length);
/* In quotes, two digits a byte. */
char *json_put_hex(char *at, const uint8_t *bytes, size_t n);

#endif
