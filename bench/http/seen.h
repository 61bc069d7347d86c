/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker spends on what is told of requests (dp/l7/record.h): from the head that was read to
 * the end, the identity of the trace for the backend included. The reader of the ring is this
 * program itself, which throws records away: with another core, lines of the ring change caches.
 */
#ifndef BENCH_HTTP_SEEN_H
#define BENCH_HTTP_SEEN_H

#include <stddef.h>

struct bench_seen;

/* One of the cases, 0 and up: its name, or NULL behind the last. */
const char *bench_seen_name(size_t i);
/* NULL: no memory. */
struct bench_seen *bench_seen_create(size_t i);
void bench_seen_destroy(struct bench_seen *b);
/* n requests. */
void bench_seen_run(struct bench_seen *b, size_t n);

#endif
