/* SPDX-License-Identifier: Apache-2.0 */
/* cp/tls/places, of things that are texts: what goes wrong, and listeners and pools do not show. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/tls/places.h"
#include "tests/unit/suites.h"

#define SLOTS 4

struct thing {
	struct tls_placed placed;
	const char *text; /* "bad": nothing can be made of it */
};

/* ---- a world --------------------------------------------------------------------------------- */

static struct {
	struct loop *loop;
	struct tls_places places;
	char store[SLOTS][20]; /* "": none */
	uint32_t refused;      /* the store does not take this slot's */
	char before[20];       /* what ran at the place of what was made last; "": nothing */
	const char *error;     /* of the last offer */
	unsigned int reads, logs;
} world;

static void *
make(struct tls_placed *p, const struct tls_placed *before, char *error, size_t size)
{
	const struct thing *thing = (struct thing *)p;

	snprintf(world.before, sizeof(world.before), "%s",
		 before ? (const char *)before->made : "");
	snprintf(error, size, "no good");
	return strcmp(thing->text, "bad") == 0 ? NULL : strdup(thing->text);
}

static int
put(struct tls_store *store, struct tls_place place, void *made)
{
	CU_ASSERT_PTR_EQUAL(store, &world.store);
	if (place.slot == world.refused)
		return -EINVAL;
	snprintf(world.store[place.slot], sizeof(world.store[0]), "%s",
		 made ? (const char *)made : "");
	return 0;
}

static void
free_thing(struct tls_placed *p)
{
	free(p);
}

/* Each look reads all that it may, and finds nothing new. */
static bool
read_thing(const struct tls_places *t, struct tls_placed *p, unsigned int *left)
{
	(void)t, (void)p;
	*left = 0;
	if (++world.reads == 3)
		loop_stop(world.loop);
	return false;
}

static void
log_thing(struct tls_placed *p)
{
	(void)p;
	world.logs++;
}

/* One thing for each word, from slot 0. */
static int
offer(uint32_t epoch, const char *first, const char *second, const char *third)
{
	const char *words[] = { first, second, third };
	static const char *const names[] = { "one", "two", "three" };
	bool ok = true;
	uint32_t i;

	world.error = tls_places_begin(&world.places);
	for (i = 0; ok && i < 3 && words[i]; i++) {
		struct thing *thing = calloc(1, sizeof(*thing));

		thing->placed.owner = (struct tls_owner){ "thing", names[i] };
		thing->text = words[i];
		ok = tls_places_add(&world.places, &thing->placed, (struct tls_place){ i, epoch });
	}
	return tls_places_offer(&world.places, ok);
}

static bool
stands(const char *first, const char *second, const char *third)
{
	return strcmp(world.store[0], first) == 0 && strcmp(world.store[1], second) == 0 &&
	       strcmp(world.store[2], third) == 0;
}

/* Two things run. */
static void
begin(void)
{
	static const struct tls_placed_kind kind = {
		.make = make,
		.put = put,
		.free_made = free,
		.free = free_thing,
		.read = read_thing,
		.log = log_thing,
	};

	memset(&world, 0, sizeof(world));
	world.refused = SLOTS;
	world.loop = loop_create();
	CU_ASSERT_FATAL(
	    tls_places_init(&world.places, &kind, world.loop, (struct tls_store *)&world.store));
	CU_ASSERT_EQUAL(offer(7, "a", "b", NULL), 0);
	tls_places_published(&world.places);
	CU_ASSERT(stands("a", "b", ""));
}

static void
end(void)
{
	tls_places_end(&world.places);
	loop_destroy(world.loop);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_not_made(void)
{
	begin();
	CU_ASSERT_EQUAL(offer(7, "c", "bad", "d"), -EINVAL);
	CU_ASSERT_STRING_EQUAL(world.error, "thing two: tls: no good");
	CU_ASSERT(stands("a", "b", ""));
	CU_ASSERT_EQUAL(offer(7, "c", NULL, NULL), 0);
	CU_ASSERT(stands("c", "b", ""));
	tls_places_published(&world.places);
	CU_ASSERT(stands("c", "", ""));
	end();
}

static void
test_not_taken(void)
{
	begin();
	world.refused = 2;
	CU_ASSERT_EQUAL(offer(7, "c", "d", "e"), -ENOMEM);
	CU_ASSERT_STRING_EQUAL(world.error, "not enough memory");
	CU_ASSERT(stands("a", "b", ""));
	world.error = tls_places_begin(&world.places);
	CU_ASSERT_FALSE(tls_places_add(&world.places, NULL, (struct tls_place){ 0, 7 }));
	CU_ASSERT_EQUAL(tls_places_offer(&world.places, false), -EINVAL);
	CU_ASSERT_STRING_EQUAL(world.error, "not enough memory");
	CU_ASSERT(stands("a", "b", ""));
	end();
}

/* What the store does not take back is put again when it does. */
static void
test_stale(void)
{
	begin();
	CU_ASSERT_EQUAL(offer(7, "c", "d", NULL), 0);
	world.refused = 0;
	tls_places_withdraw(&world.places);
	CU_ASSERT(stands("c", "b", ""));
	tls_places_look(&world.places);
	CU_ASSERT(stands("c", "b", "") && world.logs == 0);
	world.refused = SLOTS;
	tls_places_look(&world.places);
	CU_ASSERT(stands("a", "b", "") && world.logs == 1);
	tls_places_look(&world.places);
	CU_ASSERT_EQUAL(world.logs, 1);
	end();
}

/* Another thing has had the slot before. */
static void
test_epoch(void)
{
	begin();
	CU_ASSERT_EQUAL(offer(7, "c", NULL, NULL), 0);
	CU_ASSERT_STRING_EQUAL(world.before, "a");
	tls_places_withdraw(&world.places);
	CU_ASSERT_EQUAL(offer(8, "c", NULL, NULL), 0);
	CU_ASSERT_STRING_EQUAL(world.before, "");
	tls_places_published(&world.places);
	CU_ASSERT(stands("c", "", ""));
	end();
}

/* A look that could not read all is soon followed by another. */
static void
test_soon_again(void)
{
	uint64_t start;

	begin();
	start = loop_now();
	tls_places_look(&world.places);
	CU_ASSERT_EQUAL(world.reads, 2);
	loop_run(world.loop);
	CU_ASSERT(loop_now() - start < TLS_LOOK_EVERY);
	end();
}

int
test_tls_places_register(void)
{
	static CU_TestInfo tests[] = {
		{ "one that cannot be made", test_not_made },
		{ "one that the store does not take", test_not_taken },
		{ "... when those before come again", test_stale },
		{ "a slot of another one", test_epoch },
		{ "more files than one look reads", test_soon_again },
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = { { "tls_places", NULL, NULL, NULL, NULL, tests },
					 CU_SUITE_INFO_NULL };

	return CU_register_suites(suites);
}
