/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which TLS server answers for which listener: put by the control thread whenever configuration or
 * certificates change, got by handshake threads for each handshake that begins. One that was
 * replaced lives until the last handshake with it has ended. Behind a lock, which nobody holds for
 * longer than it takes to look something up.
 */
#ifndef CP_TLS_STORE_H
#define CP_TLS_STORE_H

#include <stdint.h>

struct tls_server;
struct tls_store;

/* NULL: no memory. */
struct tls_store *tls_store_create(void);
/* When no handshake runs any more. NULL is allowed. */
void tls_store_destroy(struct tls_store *store);

/* From now on this server, whose reference becomes the store's, is the one of the listener in this
 * service slot. NULL: none is. 0, or -EINVAL: there is no such slot (the server stays the
 * caller's). */
int tls_store_put(struct tls_store *store, uint32_t slot, uint32_t epoch,
		  struct tls_server *server);
/* The listener's server, until it is released; NULL: none. Any thread. */
struct tls_server *tls_store_get(struct tls_store *store, uint32_t slot, uint32_t epoch);
/* NULL is allowed. */
void tls_store_release(struct tls_store *store, struct tls_server *server);

#endif
