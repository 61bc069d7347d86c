/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as people write them: a text as it is, or "hex:" and pairs of hexadecimal digits for what
 * is no text. Pure functions, any thread.
 */
#ifndef LIB_HEX_H
#define LIB_HEX_H

#include <stdint.h>

#define HEX_BYTES_MAX 1024

/* The bytes that text means. How many, or -EINVAL: an odd number of digits, another character, none
 * at all, more than HEX_BYTES_MAX. */
int hex_bytes(const char *text, uint8_t out[HEX_BYTES_MAX]);

#endif
