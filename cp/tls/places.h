/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands at which place of the store (cp/tls/store): listeners' servers (cp/tls/listeners) or
 * pools' clients (cp/tls/pools), of the configuration that runs and of one that is offered. They
 * are made of files, and made anew when these change. Between two calls, of each slot:
 *
 *     in the store = what is offered there, else what runs there, else none
 *
 * Control thread only.
 */
#ifndef CP_TLS_PLACES_H
#define CP_TLS_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "cp/loop.h"
#include "cp/tls/reload.h"
#include "cp/tls/store.h"

/* What a listener or pool begins with. */
struct tls_placed {
	struct tls_placed *next; /* of the same configuration */
	struct tls_owner owner;
	struct tls_place place;
	void *made; /* its server or client, a reference */
	bool stale; /* older than what it is made of */
};

struct tls_places {
	const struct tls_placed_kind *kind;
	struct tls_store *store;
	struct loop_timer *timer;
	struct tls_placed *running, *offered, **end; /* end: of those that are offered */
	char error[300];
};

/* What listeners and pools do each in their way. */
struct tls_placed_kind {
	/* NULL, and a sentence. before: what ran at its place, or itself, or NULL. */
	void *(*make)(struct tls_placed *p, const struct tls_placed *before, char *error,
		      size_t size);
	/* Into the store, or none (NULL). 0 or -errno. */
	int (*put)(struct tls_store *store, struct tls_place place, void *made);
	void (*free_made)(void *made); /* NULL is allowed */
	/* The rest of it. */
	void (*free)(struct tls_placed *p);
	/* Read the files that are due (tls_watched_due). True: it is to be made anew. */
	bool (*read)(const struct tls_places *t, struct tls_placed *p, unsigned int *left);
	/* What has been read is in use: say so. */
	void (*log)(struct tls_placed *p);
};

/* t: zeros; the store outlives it. False: no memory, and nothing to end. */
bool tls_places_init(struct tls_places *t, const struct tls_placed_kind *kind, struct loop *loop,
		     struct tls_store *store);
void tls_places_end(struct tls_places *t);

/* A configuration is offered: begin, add each in its order while that is well, offer. Returns where
 * it says then why it is not taken. */
const char *tls_places_begin(struct tls_places *t);
/* p becomes t's; NULL: no memory. False: nothing can be made of it. */
bool tls_places_add(struct tls_places *t, struct tls_placed *p, struct tls_place place);
/* ok: all could be made. 0, or -errno: then nothing has changed. */
int tls_places_offer(struct tls_places *t, bool ok);

/* As in cp/tls/listeners and cp/tls/pools. */
void tls_places_published(struct tls_places *t);
void tls_places_withdraw(struct tls_places *t);
void tls_places_look(struct tls_places *t);

#endif
