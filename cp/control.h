/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread's state, and what can be asked of it. Control thread only.
 */
#ifndef CP_CONTROL_H
#define CP_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "cp/compile/compile.h"
#include "cp/config/config.h"
#include "cp/loop.h"
#include "cp/net/network.h"
#include "cp/net/twin.h"
#include "cp/state/generation.h"
#include "dp/worker.h"

struct admin;
struct generations;
struct health;
struct publisher;
struct records;
struct settled;
struct store;
struct tables;
struct tls_handshakes;
struct tls_listeners;
struct tls_pools;

struct control {
	const char *config_file; /* --config */
	const char *socket_path; /* --socket */
	struct loop *loop;
	struct dataplane *dp;
	struct network *network;
	struct twins *twins;
	struct compiler *compiler;
	struct health *health;
	struct admin *admin;
	struct publisher *publisher;
	struct records *records;
	struct tls_handshakes *handshakes;
	struct tls_listeners *tls_listeners;
	struct tls_pools *tls_pools;
	struct store *store;             /* what outlives the process; NULL: it goes on without */
	struct generations *generations; /* the last ones; going back to them */
	struct tables *tables;   /* where connections outlive the process; NULL: they do not */
	struct settled *settled; /* where settled tables do; NULL: they do not */
	bool fresh;              /* --fresh: nothing of the last process goes on */
	struct loop_timer *settle_timer;  /* pools are due */
	struct loop_timer *publish_timer; /* coalesces changes of the network */
	uint64_t publish_at;              /* when it fires; UINT64_MAX: not armed */
	uint64_t publish_rest;            /* what follows the last publication waits until then */
	struct loop_timer *reclaim_timer; /* frees snapshots that no worker sees any more */
	struct loop_timer *resolve_timer; /* reads what workers want resolved */
	struct mac port_macs[CONFIG_MAX_INTERFACES];
	char error[512]; /* the last failure, as a sentence */

	struct config *config;           /* running */
	char *config_text;               /* its text as it was read, NUL-terminated */
	char *config_name;               /* what to call it: the file's name */
	uint64_t generation;             /* its number; rises, also over restarts */
	time_t applied_at;               /* wall clock */
	uint64_t started_at;             /* loop_now */
	const struct snapshot *snapshot; /* published last */
};

/* A configuration to take over: its text, and what to do with it. */
struct control_request {
	const char *name; /* what to call it in messages */
	const char *text;
	size_t len;
	bool dry_run; /* publish nothing */
	FILE *diff;   /* if not NULL, the changes are written here, with dry_run or without */
	enum generation_how how;
	uint64_t from;    /* rollback, return: the generation that it is again */
	uint64_t confirm; /* ns, if not 0: it goes back by itself unless it is confirmed in time */
	uint64_t resume;  /* not 0: it is this generation, which runs, or at start: ran last */
	const struct config *before; /* at start: what to compare with; NULL: nothing */
};

/* Create what the control thread needs besides loop, dp and network, which are set. 0 or -ENOMEM.
 */
int control_start(struct control *c);
/* Free it; the workers have ended. False: nothing is freed, as a thread is stuck that still uses it
 * and the workers, which may not be destroyed either. */
bool control_stop(struct control *c);
/* ... and have been destroyed: free what they held on to until then. */
void control_stopped(struct control *c);

/* Take over a configuration: parse, validate, compile, publish, tell Linux. All or nothing: on
 * failure (-EINVAL, -ENOMEM, ...) the running one goes on, and messages has the reasons. */
int control_apply(struct control *c, const struct control_request *request,
		  struct config_messages *messages);
/* Compile and publish again now. 0 or -ENOMEM: logged, and tried again. */
int control_publish(struct control *c);
/* Compile and publish again soon (network changed). */
void control_refresh(struct control *c);

#endif
