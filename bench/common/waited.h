/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has something else computed on a thread's core? As the kernel's scheduler tells it.
 */
#ifndef BENCH_COMMON_WAITED_H
#define BENCH_COMMON_WAITED_H

#include <stdint.h>

/* ns that this thread has waited for its core, since it began; 0 if the kernel does not say. */
uint64_t thread_waited(void);

#endif
