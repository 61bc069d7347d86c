/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "cp/tls/client.h"
#include "cp/tls/server.h"
#include "dp/snapshot.h"

/* What is in a slot: a server or a client, by the table that it stands in. */
struct entry {
	void *held; /* NULL: none */
	uint32_t epoch;
};

struct tls_store {
	pthread_mutex_t lock;
	struct entry servers[SNAPSHOT_MAX_SERVICES]; /* memory that nobody has touched is none */
	struct entry clients[SNAPSHOT_MAX_POOLS];
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
		tls_server_free(store->servers[i].held);
	for (i = 0; i < SNAPSHOT_MAX_POOLS; i++)
		tls_client_free(store->clients[i].held);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

/* Returns what was there. */
static void *
exchange(struct tls_store *store, struct entry *at, struct entry now)
{
	void *old;

	pthread_mutex_lock(&store->lock);
	old = at->held;
	*at = now;
	pthread_mutex_unlock(&store->lock);
	return old;
}

int
tls_store_put(struct tls_store *store, uint32_t slot, uint32_t epoch, struct tls_server *server)
{
	if (slot >= SNAPSHOT_MAX_SERVICES)
		return -EINVAL;
	tls_server_free(exchange(store, &store->servers[slot], (struct entry){ server, epoch }));
	return 0;
}

struct tls_server *
tls_store_get(struct tls_store *store, uint32_t slot, uint32_t epoch)
{
	struct tls_server *server = NULL;

	if (slot >= SNAPSHOT_MAX_SERVICES)
		return NULL;
	pthread_mutex_lock(&store->lock);
	if (store->servers[slot].epoch == epoch)
		server = store->servers[slot].held;
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

int
tls_store_put_client(struct tls_store *store, uint32_t slot, uint32_t epoch,
		     struct tls_client *client)
{
	if (slot >= SNAPSHOT_MAX_POOLS)
		return -EINVAL;
	tls_client_free(exchange(store, &store->clients[slot], (struct entry){ client, epoch }));
	return 0;
}

struct tls_client *
tls_store_get_client(struct tls_store *store, uint32_t slot, uint32_t epoch)
{
	struct tls_client *client = NULL;

	if (slot >= SNAPSHOT_MAX_POOLS)
		return NULL;
	pthread_mutex_lock(&store->lock);
	if (store->clients[slot].epoch == epoch)
		client = store->clients[slot].held;
	if (client)
		tls_client_get(client);
	pthread_mutex_unlock(&store->lock);
	return client;
}
