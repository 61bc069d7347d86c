/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that one process leaves for the next: found again as it was, or not at all. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cp/log.h"
#include "cp/state/slots.h"
#include "cp/state/store.h"
#include "cp/state/tables.h"
#include "dp/l4/connection_memory.h"
#include "fixture.h"
#include "suites.h"

#define ROOM    100u
#define WORKERS 2u
/* Of the header: all that must be the same. */
#define COMPARED 200u

struct place {
	char folder[64], path[128];
	struct store *store;
	struct tables_request request;
};

static struct place
place_begin(void)
{
	static const unsigned int cores[WORKERS] = { 0, 0 };
	struct place p = { .folder = "/tmp/penstock-tables-XXXXXX" };
	const char *error = NULL;
	char *c;

	fixture_destroy(fixture_create()); /* the clock wants the EAL */
	log_configure(&(struct log_config){ .level = LOG_LEVEL_ERROR }, "test");
	if (!mkdtemp(p.folder))
		abort();
	p.store = store_open(p.folder, &error);
	if (!p.store)
		abort();
	snprintf(p.path, sizeof(p.path), "/dev/shm/penstock%s", p.folder);
	for (c = p.path + strlen("/dev/shm/"); *c; c++)
		*c = *c == '/' ? '-' : *c;
	p.request = (struct tables_request){
		.store = p.store,
		.instance = "test",
		.cores = cores,
		.n_workers = WORKERS,
		.connections = ROOM,
		.budget = 1 << 30,
	};
	return p;
}

static void
place_end(struct place *p)
{
	char command[128];

	store_close(p->store);
	unlink(p->path);
	snprintf(command, sizeof(command), "rm -rf %s", p->folder);
	CU_ASSERT_EQUAL(system(command), 0);
}

/* One life: what it has in memory, and who has which slot. */
static void
live(struct place *p)
{
	struct identity *services = identity_create(10), *backends = identity_create(10);
	struct tables *t = tables_open(&p->request);
	struct dp_clock clock;
	uint32_t epoch;

	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	CU_ASSERT_FALSE(tables_restores(t));
	tables_start_clock(t, &clock);
	identity_get(services, "web", 3, &epoch);
	identity_get(backends, "b1", 2, &epoch);
	tables_save_slots(t, services, backends);
	memset(tables_memory(t, 0), 0x11, connections_memory_size(ROOM));
	memset(tables_memory(t, 1), 0x22, connections_memory_size(ROOM));
	tables_close(t, true);
	identity_destroy(services);
	identity_destroy(backends);
}

static bool
next_finds_it(const struct place *p)
{
	struct tables *t = tables_open(&p->request);
	bool found;

	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	found = tables_restores(t);
	tables_close(t, true);
	return found;
}

static void
test_found_again(void)
{
	struct place p = place_begin();
	struct identity *services, *backends;
	struct dp_clock first, second;
	struct tables *t;
	uint32_t epoch = 0;

	live(&p);
	t = tables_open(&p.request);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	CU_ASSERT_TRUE_FATAL(tables_restores(t));
	tables_start_clock(t, &first);
	tables_take_slots(t, &services, &backends);
	CU_ASSERT_EQUAL(identity_get(services, "web", 3, &epoch), 0);
	CU_ASSERT_EQUAL(epoch, 1);
	CU_ASSERT_EQUAL(*(uint8_t *)tables_memory(t, 0), 0x11);
	CU_ASSERT_EQUAL(((uint8_t *)tables_memory(t, 1))[connections_memory_size(ROOM) - 1], 0x22);
	identity_destroy(services);
	identity_destroy(backends);
	tables_close(t, true);
	/* And by the one after; the clock is still the first one's. */
	t = tables_open(&p.request);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	CU_ASSERT_TRUE(tables_restores(t));
	tables_start_clock(t, &second);
	CU_ASSERT_EQUAL(memcmp(&first, &second, sizeof(first)), 0);
	tables_close(t, true);
	place_end(&p);
}

static void
test_asked_otherwise(void)
{
	struct place p = place_begin();
	struct tables_request request = p.request;

	live(&p);
	p.request.fresh = true;
	CU_ASSERT_FALSE(next_finds_it(&p));
	p.request = request;
	live(&p);
	p.request.instance = "another";
	CU_ASSERT_FALSE(next_finds_it(&p));
	p.request = request;
	live(&p);
	p.request.connections++;
	CU_ASSERT_FALSE(next_finds_it(&p));
	p.request = request;
	live(&p);
	p.request.n_workers--;
	CU_ASSERT_FALSE(next_finds_it(&p));
	p.request = request;
	live(&p);
	CU_ASSERT_TRUE(next_finds_it(&p));
	store_remove(p.store, "slots");
	CU_ASSERT_FALSE(next_finds_it(&p));
	place_end(&p);
}

static void
poke(const struct place *p, long at, uint8_t change)
{
	FILE *f = fopen(p->path, "r+b");
	int byte;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fseek(f, at, SEEK_SET);
	byte = fgetc(f);
	fseek(f, at, SEEK_SET);
	fputc(byte ^ change, f);
	fclose(f);
}

/* Any byte of the header that is not what it was. */
static void
test_another_header(void)
{
	struct place p = place_begin();
	long at;

	for (at = 0; at < (long)COMPARED; at++) {
		live(&p);
		poke(&p, at, 0x40);
		CU_ASSERT_FALSE(next_finds_it(&p));
		unlink(p.path);
	}
	/* The life that slots have in common with it; the clock, by half a year. */
	for (at = COMPARED; at < (long)COMPARED + 16; at++) {
		live(&p);
		poke(&p, at, 1);
		CU_ASSERT_FALSE(next_finds_it(&p));
		unlink(p.path);
	}
	for (at = COMPARED + 16; at < (long)COMPARED + 48; at += 8) {
		if (at == COMPARED + 32)
			continue; /* hertz: only shown */
		live(&p);
		poke(&p, at + 6, 0xff);
		CU_ASSERT_FALSE(next_finds_it(&p));
		unlink(p.path);
	}
	place_end(&p);
}

static void
test_one_owner(void)
{
	struct place p = place_begin();
	struct tables *t;

	live(&p);
	t = tables_open(&p.request);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	CU_ASSERT_PTR_NULL(tables_open(&p.request));
	CU_ASSERT_TRUE(tables_restores(t));
	tables_close(t, false);
	CU_ASSERT_TRUE(next_finds_it(&p));
	place_end(&p);
}

static void
test_nothing_left_behind(void)
{
	struct place p = place_begin();
	struct tables *t = tables_open(&p.request);

	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	CU_ASSERT_TRUE(tables_size(t) >= WORKERS * connections_memory_size(ROOM));
	CU_ASSERT_EQUAL(access(p.path, F_OK), 0);
	tables_close(t, false);
	CU_ASSERT_NOT_EQUAL(access(p.path, F_OK), 0);
	p.request.budget = 4096;
	CU_ASSERT_PTR_NULL(tables_open(&p.request));
	CU_ASSERT_NOT_EQUAL(access(p.path, F_OK), 0);
	p.request.store = NULL;
	CU_ASSERT_PTR_NULL(tables_open(&p.request));
	place_end(&p);
}

/* On hugetlbfs, where the test can have one with free pages. */
static void
test_hugepages(void)
{
	struct place p = place_begin();
	char huge[80], command[256];

	snprintf(huge, sizeof(huge), "%s/huge", p.folder);
	mkdir(huge, 0700);
	/* Others, who run meanwhile, would find a mount that they can see, and use it. */
	if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", huge, "hugetlbfs", 0, "pagesize=2M,size=8M") == 0) {
		p.request.hugepages = true;
		live(&p);
		CU_ASSERT_TRUE(next_finds_it(&p));
		CU_ASSERT_NOT_EQUAL(access(p.path, F_OK), 0); /* not in /dev/shm */
		p.request.hugepages = false;
		CU_ASSERT_FALSE(next_finds_it(&p));
		CU_ASSERT_EQUAL(access(p.path, F_OK), 0);
		/* Room for 4 pages: ordinary memory instead. */
		p.request.hugepages = true;
		p.request.connections = 100000;
		live(&p);
		CU_ASSERT_EQUAL(access(p.path, F_OK), 0);
		CU_ASSERT_TRUE(next_finds_it(&p));
		umount(huge);
	}
	snprintf(command, sizeof(command), "rm -f /dev/hugepages/%s", strrchr(p.path, '/') + 1);
	CU_ASSERT_EQUAL(system(command), 0);
	place_end(&p);
}

/* Slots as bytes: the same again; and nothing at all if a byte is missing, too many or another. */
static void
test_slots(void)
{
	struct place p = place_begin();
	struct slots_life life = { { 1, 2 } }, other = { { 1, 3 } };
	struct identity *services = identity_create(1000), *backends = identity_create(1000);
	struct identity *s = NULL, *b = NULL;
	uint32_t slots[200], epochs[200], epoch, i;
	char key[16], *bytes;
	size_t len = 0, at;

	for (i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "service %u", i);
		if (i == 100)
			identity_sweep(services); /* the first 100 stay one round more */
		slots[i] = identity_get(services, key, strlen(key), &epochs[i]);
	}
	identity_sweep(services); /* 0 to 99 are free now */
	CU_ASSERT_EQUAL(slots_save(p.store, &life, services, backends), 0);
	CU_ASSERT_FALSE(slots_load(p.store, &other, &s, &b));
	CU_ASSERT_TRUE_FATAL(slots_load(p.store, &life, &s, &b));
	for (i = 100; i < 200; i++) {
		snprintf(key, sizeof(key), "service %u", i);
		CU_ASSERT_EQUAL(identity_get(s, key, strlen(key), &epoch), slots[i]);
		CU_ASSERT_EQUAL(epoch, epochs[i]);
	}
	for (i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "new %u", i);
		CU_ASSERT_TRUE(identity_get(s, key, strlen(key), &epoch) < 100);
		CU_ASSERT_TRUE(epoch > epochs[199]);
	}
	identity_destroy(s);
	identity_destroy(b);
	bytes = store_read(p.store, "slots", &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	for (at = 0; at < len; at++) {
		CU_ASSERT_FALSE(slots_parse(bytes, at, &life, &s, &b));
		bytes[at] ^= 1;
		CU_ASSERT_FALSE(slots_parse(bytes, len, &life, &s, &b));
		bytes[at] ^= 1;
	}
	free(bytes);
	identity_destroy(services);
	identity_destroy(backends);
	place_end(&p);
}

static const CU_TestInfo tests[] = {
	{ "found again", test_found_again },
	{ "asked otherwise", test_asked_otherwise },
	{ "another header", test_another_header },
	{ "one owner", test_one_owner },
	{ "nothing left behind", test_nothing_left_behind },
	{ "hugepages", test_hugepages },
	{ "slots", test_slots },
	CU_TEST_INFO_NULL,
};

int
test_tables_register(void)
{
	return suite_add("tables", tests);
}
