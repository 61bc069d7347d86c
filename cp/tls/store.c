/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "cp/tls/server.h"
#include "dp/snapshot.h"

struct entry {
	struct tls_server *server; /* NULL: none */
	uint32_t epoch;
};

struct tls_store {
	pthread_mutex_t lock;
	struct entry slots[SNAPSHOT_MAX_SERVICES]; /* memory that nobody has touched is none */
};

struct tls_store *
tls_store_create(void)
{
	struct tls_store *store = calloc(1, sizeof(*store));

	if (store)
		pthread_mutex_init(&store->lock, NULL);
	return store;
}

void
tls_store_destroy(struct tls_store *store)
{
	uint32_t i;

	if (!store)
		return;
	for (i = 0; i < SNAPSHOT_MAX_SERVICES; i++)
		tls_store_release(store, store->slots[i].server);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

int
tls_store_put(struct tls_store *store, uint32_t slot, uint32_t epoch, struct tls_server *server)
{
	struct tls_server *old;

	if (slot >= SNAPSHOT_MAX_SERVICES)
		return -EINVAL;
	pthread_mutex_lock(&store->lock);
	old = store->slots[slot].server;
	store->slots[slot] = (struct entry){ server, epoch };
	pthread_mutex_unlock(&store->lock);
	tls_store_release(store, old);
	return 0;
}

struct tls_server *
tls_store_get(struct tls_store *store, uint32_t slot, uint32_t epoch)
{
	struct tls_server *server = NULL;

	if (slot >= SNAPSHOT_MAX_SERVICES)
		return NULL;
	pthread_mutex_lock(&store->lock);
	if (store->slots[slot].epoch == epoch)
		server = store->slots[slot].server;
	if (server)
		tls_server_get(server);
	pthread_mutex_unlock(&store->lock);
	return server;
}

void
tls_store_release(struct tls_store *store, struct tls_server *server)
{
	(void)store; /* servers count by themselves who uses them */
	tls_server_free(server);
}
