/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a handshake costs a handshake thread (cp/tls/serve): clients of OpenSSL's in the same
 * process shake hands with it, and only its steps are counted, by the time that the processor
 * spends in them. Beside it the floor, what the arithmetic alone takes that such a handshake cannot
 * do without. One thread.
 */
#ifndef BENCH_TLS_HANDSHAKES_H
#define BENCH_TLS_HANDSHAKES_H

#include <jansson.h>

#include "lib/tls/engine.h"

/* Prints a table and adds its rows to the results; only: short names of cases, NULL: all. What
 * cannot be made ends the program. */
void bench_handshakes(const struct tls_engine *engine, const char *only, json_t *results);

#endif
