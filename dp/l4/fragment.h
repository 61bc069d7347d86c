/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stage fragment remembers: the ports of datagrams whose first fragment has passed, and
 * fragments that came before theirs. One table a worker.
 */
#ifndef DP_L4_FRAGMENT_H
#define DP_L4_FRAGMENT_H

#include "dp/worker.h"

/* A table for `entries` datagrams (rounded up to a power of two). NULL without memory. Control
 * thread. */
struct fragment_table *fragment_table_create(unsigned int entries, int socket);
/* Frees held fragments too. Control thread, after the worker has ended. */
void fragment_table_destroy(struct fragment_table *t);
/* Forget what has timed out; bounded work, once per iteration. Worker. */
void fragments_expire(struct worker *w);

#endif
