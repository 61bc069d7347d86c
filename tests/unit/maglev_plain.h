/* SPDX-License-Identifier: Apache-2.0 */
/* maglev_fill without AVX-512, whatever the tests are built for. */
#ifndef TESTS_UNIT_MAGLEV_PLAIN_H
#define TESTS_UNIT_MAGLEV_PLAIN_H

#include "lib/maglev.h"

int maglev_fill_plain(uint16_t *rows, uint32_t m, const struct maglev_permutation *perm, size_t n);

#endif
