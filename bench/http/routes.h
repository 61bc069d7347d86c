/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it takes to find a request's route, for tables small and large. Request after request asks
 * for another host and path, in no order, so that a large table is not in the nearest cache; the
 * request itself is, as a worker has just read it.
 */
#ifndef BENCH_HTTP_ROUTES_H
#define BENCH_HTTP_ROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_routes;

/* One of the cases, 0 and up: its name, or NULL behind the last. */
const char *bench_routes_name(size_t i);
/* NULL: it could not be set up. */
struct bench_routes *bench_routes_create(size_t i);
void bench_routes_destroy(struct bench_routes *b);
/* Find n routes. False: one of them was not the right one. */
bool bench_routes_run(struct bench_routes *b, size_t n);
/* Of the table, in bytes. */
size_t bench_routes_size(const struct bench_routes *b);

#endif
