/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/places.h"

#include <errno.h>
#include <stdio.h>

#include "cp/log.h"

/* By whatever epoch; NULL: none is in this slot. */
static const struct tls_placed *
find(const struct tls_placed *p, uint32_t slot)
{
	while (p && p->place.slot != slot)
		p = p->next;
	return p;
}

/* Nothing stands any more where these are and the others are not. */
static void
put_none(struct tls_places *t, const struct tls_placed *these, const struct tls_placed *others)
{
	for (; these; these = these->next)
		if (!find(others, these->place.slot))
			t->kind->put(t->store, these->place, NULL);
}

static void
clear(struct tls_places *t, struct tls_placed **list)
{
	struct tls_placed *p;

	while ((p = *list)) {
		*list = p->next;
		t->kind->free_made(p->made);
		t->kind->free(p);
	}
}

/* ---- a configuration ------------------------------------------------------------------------- */

const char *
tls_places_begin(struct tls_places *t)
{
	t->end = &t->offered;
	snprintf(t->error, sizeof(t->error), "not enough memory");
	return t->error;
}

bool
tls_places_add(struct tls_places *t, struct tls_placed *p, struct tls_place place)
{
	const struct tls_placed *before = find(t->running, place.slot);
	char why[200] = "not enough memory";

	if (!p)
		return false;
	*t->end = p;
	t->end = &p->next;
	p->place = place;
	if (before && before->place.epoch != place.epoch)
		before = NULL;
	p->made = t->kind->make(p, before, why, sizeof(why));
	if (!p->made)
		snprintf(t->error, sizeof(t->error), "%s %s: tls: %s", p->owner.kind, p->owner.name,
			 why);
	return p->made != NULL;
}

int
tls_places_offer(struct tls_places *t, bool ok)
{
	const struct tls_placed *p;

	if (!ok) {
		clear(t, &t->offered);
		return -EINVAL;
	}
	for (p = t->offered; p; p = p->next) {
		if (t->kind->put(t->store, p->place, p->made) == 0)
			continue;
		tls_places_withdraw(t);
		return -ENOMEM;
	}
	return 0;
}

void
tls_places_published(struct tls_places *t)
{
	put_none(t, t->running, t->offered);
	clear(t, &t->running);
	t->running = t->offered;
	t->offered = NULL;
	if (t->running)
		loop_timer_arm(t->timer, loop_now() + TLS_LOOK_EVERY);
	else
		loop_timer_disarm(t->timer);
}

void
tls_places_withdraw(struct tls_places *t)
{
	struct tls_placed *p;

	put_none(t, t->offered, t->running);
	/* Those that the store does not take are put again at the next look. */
	for (p = t->running; p; p = p->next)
		if (t->kind->put(t->store, p->place, p->made) < 0)
			p->stale = true;
	clear(t, &t->offered);
}

/* ---- files that change ----------------------------------------------------------------------- */

/* A new one of what has been read. */
static void
renew(struct tls_places *t, struct tls_placed *p)
{
	char why[200] = "not enough memory";
	void *made = t->kind->make(p, p, why, sizeof(why));

	if (!made || t->kind->put(t->store, p->place, made) < 0) {
		log_error("%s %s: the new certificates cannot be used yet: %s", p->owner.kind,
			  p->owner.name, why);
		t->kind->free_made(made);
		return;
	}
	t->kind->free_made(p->made);
	p->made = made;
	p->stale = false;
	t->kind->log(p);
}

void
tls_places_look(struct tls_places *t)
{
	unsigned int left = TLS_READ_MOST;
	struct tls_placed *p;

	for (p = t->running; p; p = p->next) {
		p->stale |= t->kind->read(t, p, &left);
		if (p->stale)
			renew(t, p);
	}
	loop_timer_arm(t->timer, loop_now() + (left ? TLS_LOOK_EVERY : TLS_READ_AGAIN));
}

static void
on_timer(void *arg)
{
	tls_places_look(arg);
}

/* ---- all of it ------------------------------------------------------------------------------- */

bool
tls_places_init(struct tls_places *t, const struct tls_placed_kind *kind, struct loop *loop,
		struct tls_store *store)
{
	t->kind = kind;
	t->store = store;
	t->timer = loop_timer_create(loop, on_timer, t);
	return t->timer != NULL;
}

void
tls_places_end(struct tls_places *t)
{
	clear(t, &t->offered);
	clear(t, &t->running);
	loop_timer_free(t->timer);
}
