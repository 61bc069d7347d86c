/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/state/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cp/log.h"
#include "cp/state/shared_file.h"
#include "cp/state/slots.h"
#include "cp/state/store.h"
#include "dp/l4/connection_memory.h"
#include "dp/worker.h"

#define MAGIC   "PENSTOCK"
#define VERSION 1

/* The workers' clock against the kernel's: how far they may be apart after t ns. */
#define CLOCK_TOLERANCE(t) (1000000000 + (t) / 1000)

struct header {
	char magic[8]; /* written last, taken away first */
	uint32_t version, size;
	uint64_t layout; /* connections_layout */
	uint32_t n_workers, connections;
	char boot_id[40];
	char instance[128];
	struct slots_life life;
	/* of the clock */
	uint64_t base, multiplier, hz;
	uint64_t kernel_ns; /* CLOCK_MONOTONIC at base */
};

struct tables {
	struct store *store;
	struct shared_file file;
	struct header *header;
	size_t page, part;    /* bytes: of the header, of each worker */
	struct header wanted; /* what the header says if it is ours: all but life and clock */
	bool restores;
	struct identity *services, *backends; /* of the last process, until they are taken */
	uint64_t saved;                       /* changes of identities that the store knows */
	char notice[64]; /* why the file lies in ordinary memory, for the log */
};

static size_t
round_up(size_t n, size_t page)
{
	return (n + page - 1) / page * page;
}

static uint64_t
kernel_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void
read_boot_id(char id[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, id, 36);

	id[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* The state directory's path as the name of a file. */
static bool
name_make(const struct store *store, char name[NAME_MAX + 1])
{
	char *path = realpath(store_dir(store), NULL);
	int len = path ? snprintf(name, NAME_MAX + 1, "penstock%s", path) : NAME_MAX + 1;
	char *p;

	free(path);
	if (len > NAME_MAX)
		return false;
	for (p = name; *p; p++)
		if (*p == '/')
			*p = '-';
	return true;
}

/* Does the clock of the header go as the kernel's does? */
static bool
clock_goes(const struct header *h)
{
	const struct dp_clock clock = { .base = h->base, .multiplier = h->multiplier };
	uint64_t tsc = rte_rdtsc(), now = kernel_now(), ours, kernel;

	if (h->multiplier == 0 || h->hz == 0 || tsc < h->base || now < h->kernel_ns)
		return false;
	ours = dp_clock_ns(&clock, tsc);
	kernel = now - h->kernel_ns;
	return ours < kernel + CLOCK_TOLERANCE(kernel) + 1000000000 &&
	       kernel < ours + CLOCK_TOLERANCE(kernel);
}

/* Why the connections that lie there cannot be taken over; NULL: they can. */
static const char *
mismatch(const struct header *h, const struct header *wanted)
{
	if (memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0)
		return "the last penstockd has not completed them";
	if (h->version != wanted->version || h->size != wanted->size || h->layout != wanted->layout)
		return "they are of another version of penstockd";
	if (h->n_workers != wanted->n_workers || h->connections != wanted->connections)
		return "dataplane.workers or dataplane.connections have changed";
	if (memcmp(h->boot_id, wanted->boot_id, sizeof(h->boot_id)) != 0)
		return "the machine has been started anew";
	if (memcmp(h->instance, wanted->instance, sizeof(h->instance)) != 0)
		return "instance has changed";
	if (!clock_goes(h))
		return "the processor's clock has not gone on";
	return NULL;
}

/* Open what the last process has left. False, with *why if there was something, when that is
 * useless. */
static bool
find(struct tables *t, const struct shared_place *place, const char *name, size_t size,
     const char **why)
{
	int rc = shared_file_open(&t->file, place, name, size);

	*why = NULL;
	if (rc == -EMSGSIZE)
		*why = "dataplane.workers or dataplane.connections have changed";
	else if (rc < 0 && rc != -ENOENT)
		*why = strerror(-rc);
	if (rc < 0)
		return false;
	*why = mismatch((const struct header *)t->file.base, &t->wanted);
	if (!*why && !slots_load(t->store, &((const struct header *)t->file.base)->life,
				 &t->services, &t->backends))
		*why = "it is not known any more what they lead to";
	if (!*why)
		return true;
	shared_file_close(&t->file);
	return false;
}

static int
make(struct tables *t, const struct shared_place *place, const char *name, size_t size,
     const struct tables_request *request)
{
	int rc = shared_file_create(&t->file, place, name, size);
	uint32_t i;

	if (rc < 0)
		return rc;
	for (i = 0; i < request->n_workers; i++)
		shared_file_near(&t->file, t->page + i * t->part, t->part, request->cores[i]);
	rc = shared_file_populate(&t->file);
	if (rc == 0)
		return 0;
	unlink(t->file.path);
	shared_file_close(&t->file);
	return rc;
}

/* Find or make the file in this place. 0, or -errno and nothing is open. */
static int
settle(struct tables *t, const struct shared_place *place, const char *name,
       const struct tables_request *request)
{
	const char *why = "--fresh asks for it";
	size_t size;

	t->page = round_up(sizeof(struct header), place->page);
	t->part = round_up(connections_memory_size(request->connections), place->page);
	size = t->page + request->n_workers * t->part;
	if (size >= request->budget)
		return -ENOMEM;
	t->restores = !request->fresh && find(t, place, name, size, &why);
	if (t->restores)
		return 0;
	if (why)
		log_event(request->fresh ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
			  "connections-not-taken-over", "message",
			  "starts without the connections of the last penstockd", "reason", why,
			  NULL);
	return make(t, place, name, size, request);
}

static void
wanted_fill(struct header *h, const struct tables_request *request)
{
	*h = (struct header){
		.version = VERSION,
		.size = sizeof(*h),
		.layout = connections_layout(),
		.n_workers = request->n_workers,
		.connections = request->connections,
	};
	read_boot_id(h->boot_id);
	snprintf(h->instance, sizeof(h->instance), "%s", request->instance);
}

/* The first place that has room. */
static int
settle_somewhere(struct tables *t, const struct tables_request *request, const char *name)
{
	struct shared_place huge = shared_place_huge(), tmpfs = shared_place_tmpfs();
	int rc = -ENOENT;

	if (request->hugepages && huge.page)
		rc = settle(t, &huge, name, request);
	if (rc == 0) {
		shared_file_remove(&tmpfs, name);
		return 0;
	}
	shared_file_remove(&huge, name);
	if (request->hugepages && huge.page)
		snprintf(t->notice, sizeof(t->notice),
			 "there are not enough free hugepages of %zu MB", huge.page >> 20);
	else if (request->hugepages)
		snprintf(t->notice, sizeof(t->notice), "no hugetlbfs is mounted");
	return tmpfs.page ? settle(t, &tmpfs, name, request) : rc;
}

struct tables *
tables_open(const struct tables_request *request)
{
	struct tables *t = request->store ? calloc(1, sizeof(*t)) : NULL;
	char name[NAME_MAX + 1];
	int rc = -ENAMETOOLONG;

	if (!t)
		return NULL; /* that nothing will be kept is said by who has no store */
	t->store = request->store;
	t->saved = UINT64_MAX;
	wanted_fill(&t->wanted, request);
	if (name_make(request->store, name))
		rc = settle_somewhere(t, request, name);
	if (rc == 0) {
		t->header = (struct header *)t->file.base;
		return t;
	}
	log_warning("connections will not outlive this penstockd: no room for them on hugetlbfs or "
		    "in /dev/shm (%s)",
		    strerror(-rc));
	free(t);
	return NULL;
}

void
tables_close(struct tables *t, bool used)
{
	if (!t)
		return;
	if (!used && !t->restores)
		unlink(t->file.path);
	identity_destroy(t->services);
	identity_destroy(t->backends);
	shared_file_close(&t->file);
	free(t);
}

size_t
tables_size(const struct tables *t)
{
	return t->file.size;
}

void *
tables_memory(const struct tables *t, uint32_t i)
{
	return t->file.base + t->page + i * t->part;
}

bool
tables_restores(const struct tables *t)
{
	return t->restores;
}

void
tables_start_clock(struct tables *t, struct dp_clock *clock)
{
	struct header *h = t->header;

	if (t->notice[0])
		log_info("connections lie in ordinary memory: %s", t->notice);
	if (t->restores) {
		*clock = (struct dp_clock){ h->base, h->multiplier, h->hz };
		return;
	}
	dp_clock_init(clock);
	*h = t->wanted;
	h->base = clock->base;
	h->multiplier = clock->multiplier;
	h->hz = clock->hz;
	h->kernel_ns = kernel_now();
	if (getrandom(&h->life, sizeof(h->life), 0) != sizeof(h->life))
		return; /* without a magic number it is nobody's */
	atomic_signal_fence(memory_order_release);
	memcpy(h->magic, MAGIC, sizeof(h->magic));
}

void
tables_take_slots(struct tables *t, struct identity **services, struct identity **backends)
{
	*services = t->services;
	*backends = t->backends;
	t->saved = identity_changes(t->services) + identity_changes(t->backends);
	t->services = t->backends = NULL;
}

void
tables_save_slots(struct tables *t, const struct identity *services,
		  const struct identity *backends)
{
	uint64_t changes = identity_changes(services) + identity_changes(backends);
	int rc;

	if (changes == t->saved || memcmp(t->header->magic, MAGIC, sizeof(t->header->magic)) != 0)
		return;
	rc = slots_save(t->store, &t->header->life, services, backends);
	t->saved = changes;
	if (rc == 0)
		return;
	memset(t->header->magic, 0, sizeof(t->header->magic));
	log_warning("connections will not outlive this penstockd: %s: %s", store_dir(t->store),
		    strerror(-rc));
}
