/* SPDX-License-Identifier: Apache-2.0 */
/* lib/maglev.c as it is for processors that look at one row after the other. */
#undef __AVX512F__
#define maglev_fill  maglev_fill_plain
#define maglev_build maglev_build_plain
#include "lib/maglev.c"
