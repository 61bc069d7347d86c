/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pools whose backends are spoken to by TLS: for each there is a client (cp/tls/client) in the
 * store that handshakes take it from. It is made from what was read with the configuration, and
 * made anew when a file of it has another content (cp/tls/reload):
 *
 *     offer ─> published ─> look ─> look ─> ...
 *         └──> withdraw       └─> other content ─> a new client
 *
 * Connections and configuration know nothing of that. Pools that trust the same file share what was
 * read of it: that of the system's authorities is large.
 *
 * Control thread only; the configuration outlives what is made of it here.
 */
#ifndef CP_TLS_POOLS_H
#define CP_TLS_POOLS_H

#include <stddef.h>
#include <stdint.h>

#include "cp/config/model.h"
#include "cp/loop.h"
#include "cp/tls/store.h"

struct tls_pools;

/* NULL: no memory. The store outlives it. */
struct tls_pools *tls_pools_create(struct loop *loop, struct tls_store *store);
/* NULL is allowed. */
void tls_pools_destroy(struct tls_pools *t);

/* Clients for all pools of a configuration that have TLS, into the store, before workers see it;
 * place: by index of the configuration's pools. 0, or -errno and *error a sentence, good until the
 * next call: then nothing has changed. */
int tls_pools_offer(struct tls_pools *t, const struct config *config, tls_place_fn *place,
		    const void *arg, const char **error);
/* It runs: what only the one before had goes. */
void tls_pools_published(struct tls_pools *t);
/* It does not: the one before has its clients again. */
void tls_pools_withdraw(struct tls_pools *t);

/* Look at the files now, and read those that are due; the timer's work. */
void tls_pools_look(struct tls_pools *t);

/* Call fn for each certificate that backends are shown. NULL is allowed. */
struct tls_certificate;
typedef void tls_pool_certificate_fn(void *arg, const struct pool_config *pool,
				     const struct tls_certificate *certificate);
void tls_pools_each(const struct tls_pools *t, tls_pool_certificate_fn *fn, void *arg);

#endif
