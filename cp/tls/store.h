/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which TLS server answers for which listener, and which TLS client speaks to the backends of which
 * pool: put by the control thread whenever configuration or certificates change, got by handshake
 * threads for each handshake that begins. One that was replaced lives until the last handshake with
 * it has ended. Behind a lock, which nobody holds for longer than it takes to look something up.
 */
#ifndef CP_TLS_STORE_H
#define CP_TLS_STORE_H

#include <stddef.h>
#include <stdint.h>

struct tls_client;
struct tls_server;
struct tls_store;

/* Where the listener at an index of config_service, or the pool at an index of the configuration's
 * pools, has its slot. */
struct tls_place {
	uint32_t slot, epoch;
};
typedef struct tls_place tls_place_fn(const void *arg, size_t index);

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

/* The same for the client of the pool in this pool slot; what is got is given back with
 * tls_client_free. */
int tls_store_put_client(struct tls_store *store, uint32_t slot, uint32_t epoch,
			 struct tls_client *client);
struct tls_client *tls_store_get_client(struct tls_store *store, uint32_t slot, uint32_t epoch);

#endif
