/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners and pools that have TLS, as the control thread has them: one configuration at a time,
 * its certificates in the test's folder (tests/unit/tls_files.h), what is made of it in a store.
 * One thread.
 */
#ifndef TESTS_UNIT_TLS_SCENE_H
#define TESTS_UNIT_TLS_SCENE_H

#include "cp/config/config.h"
#include "cp/tls/listeners.h"
#include "cp/tls/pools.h"
#include "tests/unit/tls_files.h"

/* Where the first listener and the first pool are; the others behind them. */
#define TLS_SCENE_SLOT  5
#define TLS_SCENE_EPOCH 7

struct tls_scene {
	struct loop *loop;
	struct tls_store *store;
	struct tls_listeners *listeners;
	struct tls_pools *pools;
	struct config *config; /* that runs; NULL: none */
};

void tls_scene_begin(struct tls_scene *s);
void tls_scene_end(struct tls_scene *s);

/* A configuration of these; @ stands for the folder. NULL: the log says why it is none. */
struct config *tls_scene_parse(const char *pools, const char *listeners);
/* It must be taken. */
void tls_scene_offer(struct tls_scene *s, const struct config *config);
/* Offer it, and it runs: it is the scene's. */
void tls_scene_run(struct tls_scene *s, struct config *config);
void tls_scene_withdraw(struct tls_scene *s);
/* What the timers do, as often as it takes to read files. */
void tls_scene_look(struct tls_scene *s);

#endif
