/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/state/settled.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/compile.h"
#include "cp/log.h"
#include "cp/loop.h"
#include "cp/state/aside.h"
#include "cp/state/settled_file.h"
#include "cp/state/store.h"

#define FILE_NAME "settled"
/* How soon to look whether the disk has it; to try again when it has refused. */
#define LOOK_DELAY  5000000ull
#define AGAIN_DELAY 10000000000ull

struct settled {
	struct loop *loop;
	struct store *store;
	struct compiler *compiler;
	settled_fn *fn;
	void *fn_arg;
	struct loop_timer *timer; /* looks at the job, or tries again */
	struct aside *job;        /* the disk is writing */
	uint64_t writing;         /* compiler_records of what it writes */
	uint64_t pool_sets;       /* compiler_pool_sets of what it was told last */
	bool failed;              /* the disk has refused what it was told last */
};

/* ---- the file's bytes ---- */

struct collection {
	struct settled_pools pools;
	size_t capacity;
	bool failed;
};

static void
collect(void *arg, const char *pool, const struct membership *m)
{
	struct collection *c = arg;

	if (c->failed)
		return;
	if (c->pools.n == c->capacity) {
		size_t capacity = c->capacity ? c->capacity * 2 : 16;
		struct settled_pool *list = realloc(c->pools.list, capacity * sizeof(*list));

		c->failed = !list;
		if (!list)
			return;
		c->pools.list = list;
		c->capacity = capacity;
	}
	c->pools.list[c->pools.n] = (struct settled_pool){ strdup(pool), shared_get(m) };
	c->failed = !c->pools.list[c->pools.n++].name;
}

/* To be freed; NULL without memory. */
static void *
image(const struct compiler *compiler, size_t *len)
{
	struct collection c = { 0 };
	void *bytes = NULL;

	compiler_each_record(compiler, collect, &c);
	if (!c.failed)
		bytes = settled_encode(&c.pools, len);
	settled_pools_clear(&c.pools);
	return bytes;
}

/* ---- writing ---- */

/* What was written, or not. */
static void
written(struct settled *s, int rc)
{
	s->failed = rc < 0;
	if (rc == 0) {
		compiler_records_kept(s->compiler, s->writing);
		return;
	}
	log_event(LOG_LEVEL_WARNING, "settled-not-saved", "message",
		  "which backends connections have gone to cannot be saved: those in dsr modes may "
		  "break at a restart; rows that move do not settle before it is",
		  "directory", store_dir(s->store), "reason", strerror(-rc), NULL);
	loop_timer_arm(s->timer, loop_now() + AGAIN_DELAY);
}

/* False: the disk is still writing. */
static bool
end_job(struct settled *s, bool wait)
{
	int rc;

	if (!s->job)
		return true;
	if (!aside_done(s->job, wait, &rc))
		return false;
	s->job = NULL;
	written(s, rc);
	return true;
}

static void
begin_job(struct settled *s)
{
	size_t len = 0;
	void *bytes = image(s->compiler, &len);

	s->writing = compiler_records(s->compiler);
	s->pool_sets = compiler_pool_sets(s->compiler);
	s->job = bytes ? aside_write(s->store, FILE_NAME, bytes, len) : NULL;
	if (s->job)
		loop_timer_arm(s->timer, loop_now() + LOOK_DELAY);
	else
		written(s, -ENOMEM);
}

static void
on_timer(void *arg)
{
	struct settled *s = arg;

	if (!s->job && s->failed)
		begin_job(s);
	else if (!end_job(s, false))
		loop_timer_arm(s->timer, loop_now() + LOOK_DELAY);
	else if (!s->failed)
		s->fn(s->fn_arg);
}

void
settled_publishing(struct settled *s)
{
	size_t len = 0;
	void *bytes;

	if (compiler_pool_sets(s->compiler) == s->pool_sets)
		return;
	end_job(s, true);
	bytes = image(s->compiler, &len);
	s->writing = compiler_records(s->compiler);
	s->pool_sets = compiler_pool_sets(s->compiler);
	written(s, bytes ? store_write(s->store, FILE_NAME, bytes, len) : -ENOMEM);
	free(bytes);
}

void
settled_due(struct settled *s, uint64_t now)
{
	if (s->job || s->failed)
		return; /* the timer goes on with it */
	compiler_record_due(s->compiler, now);
	if (compiler_records(s->compiler) != s->writing)
		begin_job(s);
	else
		s->fn(s->fn_arg);
}

/* ---- at start ---- */

/* Have the compiler go on with these. */
static int
adopt(struct settled *s, const struct settled_pools *pools)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < pools->n; i++)
		rc = compiler_adopt_record(s->compiler, pools->list[i].name,
					   pools->list[i].membership);
	s->writing = compiler_records(s->compiler);
	compiler_records_kept(s->compiler, s->writing);
	return rc;
}

void
settled_restore(struct settled *s)
{
	struct settled_pools pools = { 0 };
	const char *why = NULL;
	char count[24];
	size_t len = 0;
	char *bytes = store_read(s->store, FILE_NAME, &len);

	if (!bytes && errno == ENOENT)
		return;
	why = bytes ? settled_decode(bytes, len, &pools) : strerror(errno);
	free(bytes);
	if (!why && adopt(s, &pools) < 0)
		why = "not enough memory";
	snprintf(count, sizeof(count), "%zu", pools.n);
	settled_pools_clear(&pools);
	if (!why)
		log_event(LOG_LEVEL_INFO, "settled-restored", "message",
			  "goes on with the settled tables of the last penstockd", "#pools", count,
			  NULL);
	else
		log_event(LOG_LEVEL_WARNING, "settled-refused", "message",
			  "starts without the settled tables of the last penstockd: connections in "
			  "dsr modes break where its pools were others",
			  "directory", store_dir(s->store), "file", FILE_NAME, "reason", why, NULL);
}

struct settled *
settled_create(struct loop *loop, struct store *store, struct compiler *compiler, settled_fn *fn,
	       void *arg)
{
	struct settled *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct settled){
		.loop = loop, .store = store, .compiler = compiler, .fn = fn, .fn_arg = arg
	};
	s->timer = loop_timer_create(loop, on_timer, s);
	if (!s->timer) {
		free(s);
		return NULL;
	}
	compiler_keep_records(compiler);
	return s;
}

void
settled_destroy(struct settled *s)
{
	if (!s)
		return;
	end_job(s, true);
	loop_timer_free(s->timer);
	free(s);
}
