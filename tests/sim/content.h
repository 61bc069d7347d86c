/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What flows on a stream: the byte at offset i of stream s is a row of random bytes of prime length
 * read from a place that s chooses. So a byte that is lost, doubled or at the wrong place is seen
 * at once, and making and checking are memcpy and memcmp.
 */
#ifndef TESTS_SIM_CONTENT_H
#define TESTS_SIM_CONTENT_H

#include <stddef.h>
#include <stdint.h>

/* Write bytes [offset, offset + len) of the stream to out. */
void content_fill(uint64_t stream, uint64_t offset, uint8_t *out, size_t len);
/* The first i in 0..len-1 where bytes[i] is not what stands at offset + i; len if all are right. */
size_t content_check(uint64_t stream, uint64_t offset, const uint8_t *bytes, size_t len);

#endif
