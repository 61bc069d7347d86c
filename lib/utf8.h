/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8, as far as texts of unknown origin must be looked at before they are written into JSON or a
 * log. Pure, any thread.
 */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include <stddef.h>

/* Length of the well-formed sequence at p (len > 0 bytes left): 1 to 4; 0 if there is none. No
 * overlong forms, no surrogates, nothing above U+10FFFF. (RFC 3629) */
size_t utf8_sequence(const unsigned char *p, size_t len);

#endif
