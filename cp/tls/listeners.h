/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listeners that end TLS: for each there is a server (cp/tls/server) in the store that
 * handshakes take it from. It is made from what was read with the configuration, and made anew when
 * a file of it has another content:
 *
 *     offer ─> published ─> look ─> look ─> ...
 *         └──> withdraw       └─> another stamp, twice the same ─> read ─┬─> good: a new server
 *                                                                        └─> bad: log, keep the old
 *
 * Connections and configuration know nothing of that. A file is read again only when its stamp
 * changes, and after a bad one when it changes again. Certificate and key are read when both have
 * kept still from one look to the next, so that one may be replaced a moment after the other.
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

/* How often files are looked at. */
#define TLS_LOOK_EVERY 2000000000ULL /* ns */

struct tls_listeners;

/* Where the listener at an index of config_service has its slot. */
struct tls_place {
	uint32_t slot, epoch;
};
typedef struct tls_place tls_place_fn(const void *arg, size_t service);

/* NULL: no memory. The store outlives it. */
struct tls_listeners *tls_listeners_create(struct loop *loop, struct tls_store *store);
/* NULL is allowed. */
void tls_listeners_destroy(struct tls_listeners *t);

/* Servers for all listeners of a configuration, into the store, before workers see it. 0, or -errno
 * and *error a sentence, good until the next call: then nothing has changed. */
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
