/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X25519 (RFC 7748, section 5) on processors that multiply 52-bit integers in vectors (AVX-512
 * IFMA): half the time of the fastest that has no such instructions, or less. What it takes does
 * not depend on the scalar or the point. Any thread.
 */
#ifndef CP_TLS_X25519_H
#define CP_TLS_X25519_H

#include <stdbool.h>
#include <stdint.h>

#define X25519_BYTES 32

/* Whether this processor is one of these; the others here are for no other. */
bool x25519_is_possible(void);

/* out = scalar * point, little-endian, X25519_BYTES each; the scalar's bits are clamped and the
 * point's highest bit is ignored, as the RFC says. Zeros for a point of small order, which the
 * caller has to refuse (section 6.1). `out` may be one of the others. */
void x25519(uint8_t *out, const uint8_t *scalar, const uint8_t *point);
/* out = scalar * the base point, 9: a public key, in a third of the time. */
void x25519_public(uint8_t *out, const uint8_t *scalar);

#endif
