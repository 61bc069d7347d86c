/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listeners that end TLS: for each there is a server (cp/tls/server) in the store that
 * handshakes take it from. It is made from what was read with the configuration, and made anew when
 * a file of it has another content (cp/tls/reload):
 *
 *     offer ─> published ─> look ─> look ─> ...
 *         └──> withdraw       └─> other content ─> a new server
 *
 * Connections and configuration know nothing of that.
 *
 * Control thread only; the configuration outlives what is made of it here.
 */
#ifndef CP_TLS_LISTENERS_H
#define CP_TLS_LISTENERS_H

#include <stddef.h>
#include <stdint.h>

#include "cp/config/model.h"
#include "cp/loop.h"
#include "cp/tls/store.h"

struct tls_listeners;

/* NULL: no memory. The store outlives it. */
struct tls_listeners *tls_listeners_create(struct loop *loop, struct tls_store *store);
/* NULL is allowed. */
void tls_listeners_destroy(struct tls_listeners *t);

/* Servers for all listeners of a configuration, into the store, before workers see it; place: by
 * index of config_service. 0, or -errno and *error a sentence, good until the next call: then
 * nothing has changed. */
int tls_listeners_offer(struct tls_listeners *t, const struct config *config, tls_place_fn *place,
			const void *arg, const char **error);
/* It runs: what only the one before had goes. */
void tls_listeners_published(struct tls_listeners *t);
/* It does not: the one before has its servers again. */
void tls_listeners_withdraw(struct tls_listeners *t);

/* Look at the files now, and read those that are due; the timer's work. */
void tls_listeners_look(struct tls_listeners *t);

/* Call fn for each certificate in use. NULL is allowed. */
struct tls_certificate;
typedef void tls_certificate_fn(void *arg, const struct listener_config *listener,
				const struct tls_pair_config *pair,
				const struct tls_certificate *certificate);
void tls_listeners_each(const struct tls_listeners *t, tls_certificate_fn *fn, void *arg);

#endif
