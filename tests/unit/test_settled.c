/* SPDX-License-Identifier: Apache-2.0 */
/* Settled tables from one process to the next: the file's bytes, what the compiler makes of them,
 * and that no pool settles before the disk knows. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cp/compile/compile.h"
#include "cp/config/config.h"
#include "cp/log.h"
#include "cp/loop.h"
#include "cp/state/settled.h"
#include "cp/state/settled_file.h"
#include "cp/state/store.h"
#include "lib/maglev.h"
#include "tests/unit/suites.h"

#define SECOND   1000000000ULL
#define LIFETIME (900 * SECOND)

/* ---- the file's bytes ---- */

static struct membership *
members_make(uint64_t *random, uint32_t n)
{
	struct membership *m =
	    membership_new(n > MAGLEV_SMALL_MEMBERS ? MAGLEV_ROWS_LARGE : MAGLEV_ROWS_SMALL, n);
	uint32_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	for (i = 0; i < n; i++) {
		m->members[i].addr.q[0] = test_random(random);
		m->members[i].addr.q[1] = test_random(random);
		m->members[i].port = (uint16_t)test_random(random);
		m->members[i].weight = 1 + test_random(random) % 65535;
	}
	qsort(m->members, n, sizeof(m->members[0]), membership_compare);
	return m;
}

/* Three pools, not in order, one of them empty. */
static struct settled_pools
pools_make(void)
{
	static const char *const names[] = { "web", "Mail_2", "a" };
	static const uint32_t members[] = { 3, 0, 2 };
	struct settled_pools pools = { calloc(3, sizeof(struct settled_pool)), 3 };
	uint64_t random = 1;
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(pools.list);
	for (i = 0; i < 3; i++)
		pools.list[i] =
		    (struct settled_pool){ strdup(names[i]), members_make(&random, members[i]) };
	return pools;
}

static bool
same_pools(const struct settled_pools *a, const struct settled_pools *b)
{
	bool same = a->n == b->n;
	size_t i;

	for (i = 0; same && i < a->n; i++) {
		const struct membership *x = a->list[i].membership, *y = b->list[i].membership;
		uint32_t j;

		same = strcmp(a->list[i].name, b->list[i].name) == 0 && x->rows == y->rows &&
		       x->n == y->n;
		for (j = 0; same && j < x->n; j++)
			same = membership_compare(&x->members[j], &y->members[j]) == 0 &&
			       x->members[j].weight == y->members[j].weight;
	}
	return same;
}

/* The same again; and nothing at all if a byte is missing, too many or another. */
static void
test_bytes(void)
{
	struct settled_pools pools = pools_make(), again;
	size_t len, at;
	uint8_t *bytes = settled_encode(&pools, &len), *copy;

	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	CU_ASSERT_PTR_NULL(settled_decode(bytes, len, &again));
	CU_ASSERT_TRUE(same_pools(&pools, &again));
	CU_ASSERT_STRING_EQUAL(again.list[0].name, "Mail_2");
	settled_pools_clear(&again);
	for (at = 0; at < len; at++) {
		copy = malloc(at + 1); /* so that a read behind it is seen */
		memcpy(copy, bytes, at);
		CU_ASSERT_PTR_NOT_NULL(settled_decode(copy, at, &again));
		CU_ASSERT_PTR_NULL(again.list);
		free(copy);
		bytes[at] ^= 1;
		CU_ASSERT_PTR_NOT_NULL(settled_decode(bytes, len, &again));
		bytes[at] ^= 1;
	}
	copy = calloc(1, len + 1);
	memcpy(copy, bytes, len);
	CU_ASSERT_PTR_NOT_NULL(settled_decode(copy, len + 1, &again));
	settled_seal(copy, len + 1);
	CU_ASSERT_STRING_EQUAL(settled_decode(copy, len + 1, &again),
			       "it does not end with its last pool");
	free(copy);
	free(bytes);
	settled_pools_clear(&pools);
}

/* Somebody who makes the check right as well: refused, or one of the files that are written. */
static void
test_forged_bytes(void)
{
	struct settled_pools pools = pools_make(), again;
	size_t len, at, len_again, refused = 0, taken = 0;
	uint8_t *bytes = settled_encode(&pools, &len), *written;
	unsigned int bit;

	for (at = 16; at < len; at++) {
		for (bit = 0; bit < 8; bit++) {
			bytes[at] ^= 1u << bit;
			settled_seal(bytes, len);
			if (settled_decode(bytes, len, &again)) {
				refused++;
			} else {
				taken++;
				written = settled_encode(&again, &len_again);
				CU_ASSERT_TRUE(len_again == len &&
					       memcmp(written, bytes, len) == 0);
				free(written);
				settled_pools_clear(&again);
			}
			bytes[at] ^= 1u << bit;
		}
	}
	CU_ASSERT(refused > 100 && taken > 100);
	free(bytes);
	settled_pools_clear(&pools);
}

/* Each reason has its sentence. */
static void
test_refused(void)
{
	struct settled_pools pools, again;
	uint8_t *bytes;
	size_t len;
	int i;
	static const struct {
		const char *why;
		size_t at;
		uint8_t value;
	} wrong[] = {
		/* after the head (20): 1 "a" rows(4) n(4) member(22) member(22) */
		{ "it is no such file, or of another version", 7, '2' },
		{ "it has fewer pools than it says", 19, 1 },
		{ "a pool has no name", 20, 0 },
		{ "a pool has no name", 20, 64 },
		{ "a pool has no name", 21, 0 },
		{ "a pool has a table of no known size", 22, 9 },
		{ "a pool has more members than there are", 28, 1 },
		{ "a member of a pool cannot be one", 30 + 16 + 2, 1 }, /* weight */
	};

	for (i = 0; i < (int)(sizeof(wrong) / sizeof(wrong[0])); i++) {
		pools = pools_make();
		pools.n = 3;
		free(pools.list[0].name);
		pools.list[0].name = strdup("b"); /* so that "a" is the first */
		free(pools.list[1].name);
		pools.list[1].name = strdup("c");
		bytes = settled_encode(&pools, &len);
		bytes[wrong[i].at] = wrong[i].value;
		settled_seal(bytes, len);
		CU_ASSERT_STRING_EQUAL(settled_decode(bytes, len, &again), wrong[i].why);
		settled_pools_clear(&pools);
		free(bytes);
	}
	pools = pools_make();
	free(pools.list[1].name);
	pools.list[1].name = strdup("a");
	bytes = settled_encode(&pools, &len);
	CU_ASSERT_STRING_EQUAL(settled_decode(bytes, len, &again), "its pools are not in order");
	free(bytes);
	settled_pools_clear(&pools);
}

/* ---- a life of the daemon ---- */

struct life {
	struct loop *loop;
	struct store *store;
	struct compiler *compiler;
	struct settled *settled;
	struct config *config;
	struct compile_input in;
	const struct snapshot *snapshot;
	unsigned int compiled;
};

static char folder[64];

static void
recompile(struct life *l)
{
	const char *error = NULL;
	const struct snapshot *s = compile(l->compiler, &l->in, &error);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	compiler_commit(l->compiler);
	settled_publishing(l->settled);
	snapshot_free(l->snapshot);
	l->snapshot = s;
	l->compiled++;
}

static void
on_settled(void *arg)
{
	struct life *l = arg;

	recompile(l);
	loop_stop(l->loop);
}

/* Apply a pool "p" of these backends (as text), and another one, if any. */
static void
apply(struct life *l, const char *backends, const char *more, const char *name)
{
	static const char head[] =
	    "dataplane: { workers = [ 0 ]; control = 0; share_cores = true; hugepages = false; };\n"
	    "interfaces = ( { name = \"wan\"; device = \"net_null0\"; side = \"both\"; addresses "
	    "= [ \"10.2.0.1/24\" ]; } );\n";
	struct config_messages messages = { 0 };
	struct config *old = l->config;
	char *text = NULL;

	if (asprintf(&text,
		     "%spools = ( { name = \"p\"; backends = ( %s ); } %s ); services = ( { name = "
		     "\"s\"; address = \"203.0.113.10\"; port = 80; protocol = \"tcp\"; forward = "
		     "\"dsr-gue\"; pool = \"p\"; }, { name = \"t\"; address = \"203.0.113.11\"; "
		     "port = 80; protocol = \"tcp\"; forward = \"dsr-gue\"; pool = \"%s\"; } );",
		     head, backends, more, name) < 0)
		abort();
	l->config = config_parse_for("test", text, strlen(text), NULL, &messages);
	if (!l->config && messages.count)
		printf("%s\n", messages.list[0].text);
	config_messages_free(&messages);
	free(text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(l->config);
	l->in.config = l->config;
	l->in.generation++;
	recompile(l);
	config_free(old);
}

/* now: of the workers' clock. */
static struct life *
life_begin(uint64_t now)
{
	static const struct mac mac = { { 2, 0, 0, 0, 0, 1 } };
	struct life *l = calloc(1, sizeof(*l));
	const char *error = NULL;

	log_configure(&(struct log_config){ .level = LOG_LEVEL_ERROR }, "test");
	CU_ASSERT_PTR_NOT_NULL_FATAL(l);
	l->loop = loop_create();
	l->store = store_open(folder, &error);
	l->compiler = compiler_create(1);
	CU_ASSERT_FATAL(l->loop && l->store && l->compiler);
	l->settled = settled_create(l->loop, l->store, l->compiler, on_settled, l);
	CU_ASSERT_PTR_NOT_NULL_FATAL(l->settled);
	l->in = (struct compile_input){ .port_macs = &mac, .now = now };
	settled_restore(l->settled);
	return l;
}

static void
life_end(struct life *l)
{
	settled_destroy(l->settled);
	snapshot_free(l->snapshot);
	compiler_destroy(l->compiler);
	config_free(l->config);
	store_close(l->store);
	loop_destroy(l->loop);
	free(l);
	log_configure(&(struct log_config){ .level = LOG_LEVEL_INFO }, "test");
}

static void
place_begin(void)
{
	snprintf(folder, sizeof(folder), "/tmp/penstock-settled-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static void
place_end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	CU_ASSERT_EQUAL(system(command), 0);
}

/* The settled table as backends' addresses (the last byte of each), whatever their slots. */
static void
settled_addresses(const struct life *l, uint8_t *out)
{
	const struct pool *p = &l->snapshot->pools[0];
	uint32_t row, backend;

	for (row = 0; row < p->settled_rows; row++) {
		backend = p->members[p->settled[row]];
		out[row] = backend == UINT32_MAX ? 255 : l->snapshot->backends[backend].addr.b[15];
	}
}

/* Rows on which the tables differ, and rows that move. */
static void
count_rows(const struct life *l, uint32_t *differ, uint32_t *moving)
{
	const struct pool *p = &l->snapshot->pools[0];
	uint32_t row;

	*differ = *moving = 0;
	for (row = 0; row < p->rows; row++) {
		*differ += p->candidate[row] != p->settled[row];
		*moving += p->moving && (p->moving[row >> 6] >> (row & 63) & 1);
	}
}

#define B(last)         "{ address = \"10.2.0." #last "\"; port = 80; }"
#define W(last, weight) "{ address = \"10.2.0." #last "\"; port = 80; weight = " #weight "; }"

static uint8_t before[MAGLEV_ROWS_SMALL], after[MAGLEV_ROWS_SMALL];

/* Killed after a change, started with the same or another configuration: the settled table is that
 * of before the change. */
static void
test_restored(void)
{
	static const char *const then[] = {
		B(11) "," B(12) "," B(13) "," B(14), /* as it was when it was killed */
		B(11) "," W(12, 30) "," B(13), W(11, 1) "," B(12) "," B(13) "," B(15),
		B(13) "," B(12) "," B(11), /* as it was when it settled */
	};
	uint32_t differ, moving;
	struct life *l;
	int i, round;

	for (i = 0; i < 4; i++) {
		place_begin();
		l = life_begin(100 * SECOND);
		apply(l, B(11) "," B(12) "," B(13), "", "p");
		settled_addresses(l, before);
		l->in.now += SECOND;
		apply(l, then[0], "", "p");
		settled_addresses(l, after);
		CU_ASSERT_EQUAL(memcmp(before, after, sizeof(before)), 0);
		life_end(l);
		for (round = 0; round < 2; round++) {
			l = life_begin((200 + round) * SECOND);
			apply(l, then[i], "", "p");
			settled_addresses(l, after);
			CU_ASSERT_EQUAL(memcmp(before, after, sizeof(before)), 0);
			count_rows(l, &differ, &moving);
			CU_ASSERT_EQUAL(differ, moving);
			CU_ASSERT(i == 3 ? differ == 0 : differ > 1000 && differ < 40000);
			if (i != 3) {
				CU_ASSERT_EQUAL(l->snapshot->pools[0].changed_at, l->in.now);
				CU_ASSERT_EQUAL(compiler_next_settle(l->compiler),
						l->in.now + LIFETIME);
			}
			life_end(l);
		}
		place_end();
	}
}

/* Who is no longer configured leads nowhere; the others keep their rows. */
static void
test_gone(void)
{
	struct life *l;
	uint32_t row, wrong = 0;

	place_begin();
	l = life_begin(100 * SECOND);
	apply(l, B(11) "," B(12) "," B(13), "", "p");
	settled_addresses(l, before);
	life_end(l);
	l = life_begin(SECOND);
	apply(l, B(11) "," B(13), "", "p");
	settled_addresses(l, after);
	for (row = 0; row < MAGLEV_ROWS_SMALL; row++)
		wrong += after[row] != (before[row] == 12 ? 255 : before[row]);
	CU_ASSERT_EQUAL(wrong, 0);
	life_end(l);
	place_end();
}

/* Run the loop until pools have settled. */
static void
wait_for_disk(struct life *l)
{
	settled_due(l->settled, l->in.now);
	loop_run(l->loop);
}

/* What is due settles when the disk knows, and not before. */
static void
test_settles(void)
{
	struct life *l;
	uint32_t differ, moving;

	place_begin();
	l = life_begin(100 * SECOND);
	apply(l, B(11) "," B(12), "", "p");
	apply(l, B(11) "," B(12) "," B(13), "", "p");
	l->in.now += LIFETIME;
	recompile(l);
	CU_ASSERT_PTR_NOT_NULL(l->snapshot->pools[0].moving);
	settled_addresses(l, before);
	wait_for_disk(l);
	CU_ASSERT_PTR_NULL(l->snapshot->pools[0].moving);
	settled_addresses(l, after);
	CU_ASSERT_NOT_EQUAL(memcmp(before, after, sizeof(before)), 0);
	life_end(l);
	l = life_begin(SECOND);
	apply(l, B(11), "", "p");
	settled_addresses(l, before);
	count_rows(l, &differ, &moving);
	CU_ASSERT(differ > MAGLEV_ROWS_SMALL * 60 / 100); /* the third is there, too */
	life_end(l);
	place_end();
}

/* A change between the pool's record and its settling: it does not settle, and both agree. */
static void
test_changed_meanwhile(void)
{
	struct life *l;

	place_begin();
	l = life_begin(100 * SECOND);
	apply(l, B(11) "," B(12), "", "p");
	settled_addresses(l, before);
	apply(l, B(11) "," B(12) "," B(13), "", "p");
	l->in.now += LIFETIME;
	settled_due(l->settled, l->in.now);
	apply(l, B(11) "," B(12) "," B(14), "", "p");
	loop_run(l->loop);
	CU_ASSERT_PTR_NOT_NULL(l->snapshot->pools[0].moving);
	settled_addresses(l, after);
	CU_ASSERT_EQUAL(memcmp(before, after, sizeof(before)), 0);
	CU_ASSERT_EQUAL(compiler_next_settle(l->compiler), l->in.now + LIFETIME);
	l->in.now += LIFETIME;
	wait_for_disk(l);
	CU_ASSERT_PTR_NULL(l->snapshot->pools[0].moving);
	life_end(l);
	place_end();
}

static bool
in_file(struct life *l, const char *pool)
{
	struct settled_pools pools;
	size_t len = 0, i;
	char *bytes = store_read(l->store, "settled", &len);
	bool found = false;

	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	CU_ASSERT_PTR_NULL(settled_decode(bytes, len, &pools));
	for (i = 0; i < pools.n; i++)
		found |= strcmp(pools.list[i].name, pool) == 0;
	free(bytes);
	settled_pools_clear(&pools);
	return found;
}

#define POOL(name) ", { name = \"" name "\"; backends = ( " B(21) " ); }", name

static time_t
written_at(struct timespec *at)
{
	struct stat st;
	char path[128];

	snprintf(path, sizeof(path), "%s/settled", folder);
	CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
	*at = st.st_mtim;
	return st.st_mtim.tv_sec;
}

/* New pools are on disk before workers know of them, those that have gone are not; and no change of
 * a pool's members is worth a write. */
static void
test_when_written(void)
{
	struct life *l;
	struct timespec first, then;

	place_begin();
	l = life_begin(100 * SECOND);
	apply(l, B(11) "," B(12), POOL("q"));
	CU_ASSERT(in_file(l, "p") && in_file(l, "q") && !in_file(l, "r"));
	apply(l, B(11) "," B(12), POOL("r"));
	CU_ASSERT(in_file(l, "p") && !in_file(l, "q") && in_file(l, "r"));
	written_at(&first);
	usleep(20000);
	apply(l, B(11) "," B(12) "," B(13), POOL("r"));
	apply(l, B(12) "," W(13, 5), POOL("r"));
	recompile(l);
	written_at(&then);
	CU_ASSERT(first.tv_sec == then.tv_sec && first.tv_nsec == then.tv_nsec);
	life_end(l);
	place_end();
}

/* A disk that takes nothing: pools that are due go on as they are. */
static void
test_disk_refuses(void)
{
	struct life *l;
	char command[160];
	int i;

	place_begin();
	l = life_begin(100 * SECOND);
	apply(l, B(11) "," B(12), "", "p");
	settled_addresses(l, before);
	apply(l, B(11) "," B(12) "," B(13), "", "p");
	l->in.now += LIFETIME;
	/* In the place of the temporary file lies what cannot be removed. */
	snprintf(command, sizeof(command), "mkdir -p %s/.settled.new/x", folder);
	CU_ASSERT_EQUAL(system(command), 0);
	for (i = 0; i < 3; i++) {
		settled_due(l->settled, l->in.now);
		recompile(l);
		CU_ASSERT_PTR_NOT_NULL(l->snapshot->pools[0].moving);
	}
	life_end(l);
	l = life_begin(SECOND);
	apply(l, B(11) "," B(12) "," B(13), "", "p");
	settled_addresses(l, after);
	CU_ASSERT_EQUAL(memcmp(before, after, sizeof(before)), 0);
	life_end(l);
	place_end();
}

/* More members than a pool can have slots for, and a file that is none: the pool starts without. */
static void
test_hostile(void)
{
	struct settled_pools pools = { calloc(1, sizeof(struct settled_pool)), 1 };
	struct membership *m = membership_new(MAGLEV_ROWS_LARGE, MEMBERSHIP_MAX);
	const char *error = NULL;
	struct store *store;
	struct life *l;
	size_t len;
	void *bytes;
	uint32_t i;

	CU_ASSERT_FATAL(m && pools.list);
	for (i = 0; i < m->n; i++) {
		m->members[i].addr.w[0] = __builtin_bswap32(i);
		m->members[i].weight = 65535;
	}
	pools.list[0] = (struct settled_pool){ strdup("p"), m };
	bytes = settled_encode(&pools, &len);
	settled_pools_clear(&pools);
	place_begin();
	store = store_open(folder, &error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	CU_ASSERT_EQUAL(store_write(store, "settled", bytes, len), 0);
	store_close(store);
	free(bytes);
	l = life_begin(SECOND);
	apply(l, B(11) "," B(12), "", "p");
	CU_ASSERT_PTR_NULL(l->snapshot->pools[0].moving);
	CU_ASSERT_EQUAL(l->snapshot->pools[0].settled_rows, MAGLEV_ROWS_SMALL);
	CU_ASSERT_EQUAL(l->snapshot->pools[0].n_members, 2);
	life_end(l);
	place_end();
}

int
test_settled_register(void)
{
	CU_pSuite suite = CU_add_suite("settled", NULL, NULL);

	if (!suite || !CU_add_test(suite, "the file's bytes", test_bytes) ||
	    !CU_add_test(suite, "forged bytes", test_forged_bytes) ||
	    !CU_add_test(suite, "reasons to refuse", test_refused) ||
	    !CU_add_test(suite, "restored", test_restored) ||
	    !CU_add_test(suite, "members that are gone", test_gone) ||
	    !CU_add_test(suite, "settles when the disk knows", test_settles) ||
	    !CU_add_test(suite, "changed meanwhile", test_changed_meanwhile) ||
	    !CU_add_test(suite, "when it is written", test_when_written) ||
	    !CU_add_test(suite, "the disk refuses", test_disk_refuses) ||
	    !CU_add_test(suite, "hostile", test_hostile))
		return (int)CU_get_error();
	return 0;
}
