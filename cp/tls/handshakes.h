/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What handshakes need on this machine: the arithmetic, the servers by listener and the clients by
 * pool, the threads, and the workers' part of it. Made when the first configuration has a listener
 * that ends TLS or a pool that speaks it, and kept from then on. Control thread only.
 */
#ifndef CP_TLS_HANDSHAKES_H
#define CP_TLS_HANDSHAKES_H

#include <stddef.h>

#include "cp/config/model.h"
#include "cp/tls/store.h"
#include "dp/worker.h"

struct tls_handshakes;

/* Nothing runs yet. NULL: no memory. */
struct tls_handshakes *tls_handshakes_create(void);
/* Have all of it, before workers see such a listener or pool; they are prepared for listeners. 0,
 * or -errno and *error a sentence. */
int tls_handshakes_prepare(struct tls_handshakes *h, struct dataplane *dp,
			   const struct tls_machine_config *config, const char **error);
/* The threads end: when workers do not run any more, and before they are destroyed. False: one is
 * stuck; neither workers nor this may be destroyed. */
bool tls_handshakes_stop(struct tls_handshakes *h);
/* When they are. NULL is allowed. */
void tls_handshakes_destroy(struct tls_handshakes *h);

struct tls_store *tls_handshakes_store(const struct tls_handshakes *h);

#endif
