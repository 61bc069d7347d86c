/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-tls: what TLS costs on one core: its record layer, and handshakes.
 *
 *     bench-tls [--json FILE] [--only NAMES] [PART...]
 *
 * Parts (all of them, if none is named):
 *
 * records    TLS 1.3 records sealed and opened by lib/tls/record, hot in the cache: of one
 *            connection; of 32 connections by turns; in pieces of 1,400 bytes, as
 *            they lie in packets (those of 100 bytes in two halves)
 * cryptodev  the same by DPDK's cryptodev, sealed only: of one connection, and of 32
 * keys       schedules and keys: to make them, to update them
 * slots      records of 1,000 and of 50,000 connections in no order: with a schedule for each,
 * kept; with one that is made again for each record
 * handshakes what they cost a handshake thread, beside their arithmetic alone; --only: of these
 *            short names (13-resumed-x25519)
 *
 * Beside it: openssl speed -elapsed -seconds 3 -bytes 1400 -aead -evp aes-128-gcm
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench/common/samples.h"
#include "bench/tls/cryptodev.h"
#include "bench/tls/handshakes.h"
#include "lib/tls/record.h"

#define ROUNDS 41
#define BURST  CRYPTODEV_BURST

static const uint32_t sizes[] = { 100, 1400, 16384 };
static const char *const names[TLS_CIPHERS] = { "AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305" };

#define SLOTS     1024
#define SLOTS_MAX 65536

static struct tls_engine engine;
static json_t *results;

static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "bench-tls: %s failed\n", what);
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double
tsc_per_ns(void)
{
	static double ratio;
	uint64_t begun = now_ns(), tsc = __builtin_ia32_rdtsc();

	if (ratio == 0) {
		while (now_ns() - begun < 50000000)
			;
		ratio = (double)(__builtin_ia32_rdtsc() - tsc) / (double)(now_ns() - begun);
	}
	return ratio;
}

/* A row; bytes 0: not of records. */
static void
show(const char *name, const char *cipher, uint32_t bytes, struct samples *s)
{
	double ns = samples_quantile(s, 0.5), least = samples_quantile(s, 0);

	printf("%-34s %-18s %6u %9.1f %9.1f", name, cipher, bytes, ns, least);
	if (bytes)
		printf(" %8.2f %8.1f %7.3f", 1e3 / ns, 8 * bytes / ns, ns * tsc_per_ns() / bytes);
	printf("\n");
	json_array_append_new(results,
			      json_pack("{s:s, s:s, s:i, s:f, s:f}", "case", name, "cipher", cipher,
					"bytes", bytes, "ns", ns, "ns_least", least));
	s->n = 0;
}

static void
make(struct tls_keys *c, enum tls_cipher cipher, uint32_t seed)
{
	memset(c, 0, sizeof(*c));
	c->cipher = (uint8_t)cipher;
	memset(c->secret, (int)seed + 1, sizeof(c->secret));
	memcpy(c->secret, &seed, sizeof(seed));
	tls_keys_from_secret(c, &engine);
}

/* ---- records, hot ---------------------------------------------------------------------------- */

#define SLOT (TLS_RECORD_MAX + 64)

/* n records of `length` bytes that lie one after the other, and their connections. */
struct world {
	struct tls_keys keys[BURST];
	struct tls_side sides[BURST];
	struct tls_piece pieces[BURST][16], sealed[BURST][16];
	struct tls_seal seals[BURST];
	struct tls_open opens[BURST];
	struct tls_slot *slots; /* SLOTS_MAX */
	struct tls_schedules schedules;
	uint8_t *bytes; /* BURST of SLOT */
};

/* One connection for all records, or one for each; in pieces, or in one. */
static void
arrange(struct world *w, enum tls_cipher cipher, uint32_t length, bool one, uint32_t piece)
{
	uint32_t i, at, n;

	for (i = 0; i < BURST; i++) {
		struct tls_keys *c = &w->keys[one ? 0 : i];
		uint8_t *slot = w->bytes + (size_t)i * SLOT;
		struct tls_piece *p = w->pieces[i];

		make(c, cipher, i);
		w->sides[i] = (struct tls_side){ c, &w->schedules };
		for (n = 0, at = 0; at < length; at += p[n++].length) {
			p[n].from = p[n].to = slot + TLS_HEADER + at;
			p[n].length = length - at < piece ? length - at : piece;
		}
		w->seals[i] = (struct tls_seal){ p,    (uint16_t)n,
						 0,    TLS_APPLICATION_DATA,
						 slot, slot + TLS_HEADER + length };
	}
}

/* The sealed records, in the same pieces. */
static void
arrange_open(struct world *w, uint32_t length, uint32_t piece)
{
	uint32_t whole = TLS_HEADER + length + TLS_TAIL_MAX, i, at, n;

	for (i = 0; i < BURST; i++) {
		uint8_t *slot = w->bytes + (size_t)i * SLOT;
		struct tls_piece *p = w->sealed[i];

		for (n = 0, at = 0; at < whole; at += p[n++].length) {
			p[n].from = p[n].to = slot + at;
			p[n].length = whole - at < piece ? whole - at : piece;
		}
		w->opens[i] = (struct tls_open){ .pieces = p, .n_pieces = (uint16_t)n };
	}
}

/* As many records as take a millisecond or so. */
static uint32_t
bursts_of(uint32_t length)
{
	return length < 1000 ? 200 : 1 + 100000 / length;
}

static void
seal_each(struct world *w)
{
	uint32_t i;

	for (i = 0; i < BURST; i++)
		must(tls_seal(&w->sides[i], &w->seals[i]) == TLS_OK, "sealing");
}

static void
open_each(struct world *w)
{
	uint32_t i;

	for (i = 0; i < BURST; i++)
		must(tls_open(&w->sides[i], &w->opens[i]) == TLS_OK, "opening");
}

static void
seal_all(struct world *w, uint32_t length, struct samples *s)
{
	uint32_t bursts = bursts_of(length), i, round;
	uint64_t begun;

	for (round = 0; round < ROUNDS; round++) {
		begun = now_ns();
		for (i = 0; i < bursts; i++)
			seal_each(w);
		samples_add(s, (double)(now_ns() - begun) / bursts / BURST);
	}
}

/* Each record is opened once: a burst is sealed, the clock started, and it is opened. */
static void
open_all(struct world *w, uint32_t length, uint32_t piece, struct samples *s)
{
	uint32_t bursts = bursts_of(length), i, k, round;
	uint64_t begun, spent;
	struct tls_keys keys[BURST];

	for (round = 0; round < ROUNDS; round++) {
		for (spent = 0, i = 0; i < bursts; i++) {
			for (k = 0; k < BURST; k++)
				keys[k] = w->keys[k];
			seal_each(w);
			for (k = 0; k < BURST; k++)
				w->keys[k] = keys[k];
			arrange_open(w, length, piece);
			begun = now_ns();
			open_each(w);
			spent += now_ns() - begun;
		}
		samples_add(s, (double)spent / bursts / BURST);
	}
}

static void
run_records(struct world *w, struct samples *s)
{
	uint32_t cipher, i;

	for (cipher = 0; cipher < TLS_CIPHERS; cipher++) {
		for (i = 0; i < 3; i++) {
			uint32_t size = sizes[i], piece = size <= 1400 ? size / 2 : 1400;
			enum tls_cipher c = (enum tls_cipher)cipher;

			arrange(w, c, size, true, size);
			seal_all(w, size, s);
			show("seal: one connection", names[cipher], size, s);
			arrange(w, c, size, false, size);
			seal_all(w, size, s);
			show("seal: 32 connections", names[cipher], size, s);
			arrange(w, c, size, false, piece);
			seal_all(w, size, s);
			show("seal: 32 connections, in pieces", names[cipher], size, s);
			arrange(w, c, size, false, size);
			open_all(w, size, SLOT, s);
			show("open: 32 connections", names[cipher], size, s);
			arrange(w, c, size, false, size);
			open_all(w, size, piece, s);
			show("open: 32 connections, in pieces", names[cipher], size, s);
		}
	}
}

/* ---- the other way --------------------------------------------------------------------------- */

static void
seal_cryptodev(struct world *w, uint32_t length, bool one, struct samples *s)
{
	struct bench_cryptodev_record records[BURST];
	uint32_t bursts = bursts_of(length), i, round;
	uint64_t begun;

	for (i = 0; i < BURST; i++) {
		uint8_t *slot = w->bytes + (size_t)i * SLOT;

		records[i] =
		    (struct bench_cryptodev_record){ one ? 0 : i, slot, slot + TLS_HEADER, length };
	}
	for (round = 0; round < ROUNDS; round++) {
		begun = now_ns();
		for (i = 0; i < bursts; i++)
			must(bench_cryptodev_seal(records, BURST) == BURST, "cryptodev");
		samples_add(s, (double)(now_ns() - begun) / bursts / BURST);
	}
}

static void
seal_cryptodev_singly(struct world *w, uint32_t length, struct samples *s)
{
	struct bench_cryptodev_record record = { 0, w->bytes, w->bytes + TLS_HEADER, length };
	uint32_t n = bursts_of(length) * BURST, i, round;
	uint64_t begun;

	for (round = 0; round < ROUNDS; round++) {
		begun = now_ns();
		for (i = 0; i < n; i++)
			must(bench_cryptodev_seal(&record, 1) == 1, "cryptodev");
		samples_add(s, (double)(now_ns() - begun) / n);
	}
}

static void
run_cryptodev(struct world *w, struct samples *s)
{
	uint32_t cipher, i;

	if (!bench_cryptodev_open()) {
		printf("cryptodev: no device crypto_aesni_gcm that computes synchronously\n");
		return;
	}
	printf("cryptodev: a session takes %u bytes\n", bench_cryptodev_session_size());
	for (cipher = 0; cipher < TLS_CIPHERS; cipher++) {
		if (!bench_cryptodev_sessions((enum tls_cipher)cipher, BURST)) {
			printf("cryptodev: no session for %s\n", names[cipher]);
			continue;
		}
		for (i = 0; i < 3; i++) {
			seal_cryptodev_singly(w, sizes[i], s);
			show("cryptodev: one at a time", names[cipher], sizes[i], s);
			seal_cryptodev(w, sizes[i], true, s);
			show("cryptodev: one connection, by 32", names[cipher], sizes[i], s);
			seal_cryptodev(w, sizes[i], false, s);
			show("cryptodev: 32 connections", names[cipher], sizes[i], s);
		}
	}
}

/* ---- keys ------------------------------------------------------------------------------------ */

enum key_work { MAKE_SCHEDULE, MAKE_KEYS, UPDATE_KEYS };

static void
work_on_keys(struct tls_keys *c, enum key_work work)
{
	struct tls_schedule schedule;

	if (work == MAKE_SCHEDULE)
		tls_schedule_make(&schedule, c, &engine);
	else if (work == MAKE_KEYS)
		tls_keys_from_secret(c, &engine);
	else
		tls_keys_update(c, &engine);
}

static void
run_keys(struct world *w, struct samples *s)
{
	static const char *const works[] = { "a schedule", "keys of a secret", "the next keys" };
	uint32_t cipher, work, i, round;
	uint64_t begun;

	for (cipher = 0; cipher < TLS_CIPHERS; cipher++) {
		for (work = cipher == TLS_CHACHA20_POLY1305; work <= UPDATE_KEYS; work++) {
			make(&w->keys[0], (enum tls_cipher)cipher, 1);
			for (round = 0; round < ROUNDS; round++) {
				begun = now_ns();
				for (i = 0; i < 1000; i++)
					work_on_keys(&w->keys[0], (enum key_work)work);
				samples_add(s, (double)(now_ns() - begun) / 1000);
			}
			show(works[work], names[cipher], 0, s);
		}
	}
}

#define MANY 50000
#define FEW  1000

/* Records of n connections in no order, and so many slots for their schedules. */
static void
run_slots_case(struct world *w, struct tls_keys *many, uint32_t n, uint32_t length)
{
	static const uint32_t slots[] = { 1, SLOTS, SLOTS_MAX };
	uint32_t kind, round, i, k;
	static struct samples s;
	uint64_t begun, random = 1;
	char name[64];

	arrange(w, TLS_AES_128_GCM, length, true, length);
	for (kind = 0; kind < 3; kind++) {
		w->schedules = tls_schedules_of(&engine, w->slots, slots[kind]);
		for (round = 0; round < ROUNDS; round++) {
			begun = now_ns();
			for (i = 0; i < 200; i++) {
				for (k = 0; k < BURST; k++) {
					random =
					    random * 6364136223846793005u + 1442695040888963407u;
					w->sides[k].keys = &many[(random >> 33) % n];
				}
				seal_each(w);
			}
			samples_add(&s, (double)(now_ns() - begun) / (200 * BURST));
		}
		snprintf(name, sizeof(name), "%u connections, %u slots", n, slots[kind]);
		show(name, names[TLS_AES_128_GCM], length, &s);
	}
	w->schedules = tls_schedules_of(&engine, w->slots, SLOTS);
}

static void
run_slots(struct world *w)
{
	static struct tls_keys many[MANY];
	uint32_t i;

	for (i = 0; i < MANY; i++)
		make(&many[i], TLS_AES_128_GCM, i);
	for (i = 0; i < 2; i++) {
		run_slots_case(w, many, FEW, sizes[i]);
		run_slots_case(w, many, MANY, sizes[i]);
	}
}

static bool
asked(int argc, char **argv, const char *part)
{
	int i, parts = 0;

	for (i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0)
			i++;
		else if (strcmp(argv[i], part) == 0)
			return true;
		else
			parts++;
	}
	return parts == 0;
}

/* What stands behind an option; NULL: it is not there. */
static const char *
value_of(int argc, char **argv, const char *option)
{
	int i;

	for (i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], option) == 0)
			return argv[i + 1];
	return NULL;
}

int
main(int argc, char **argv)
{
	const char *json = value_of(argc, argv, "--json");
	static struct world w;
	static struct samples s;

	results = json_array();
	must(tls_engine_open(&engine) == 0, "the engine");
	must(posix_memalign((void **)&w.bytes, 64, (size_t)BURST * SLOT) == 0, "memory");
	memset(w.bytes, 0, (size_t)BURST * SLOT);
	w.slots = mmap(NULL, SLOTS_MAX * sizeof(*w.slots), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(w.slots != MAP_FAILED, "memory");
	madvise(w.slots, SLOTS_MAX * sizeof(*w.slots), MADV_HUGEPAGE);
	w.schedules = tls_schedules_of(&engine, w.slots, SLOTS);
	if (asked(argc, argv, "records") || asked(argc, argv, "cryptodev") ||
	    asked(argc, argv, "keys") || asked(argc, argv, "slots"))
		printf("%-34s %-18s %6s %9s %9s %8s %8s %7s\n", "", "", "bytes", "ns", "least",
		       "M/s", "Gb/s", "TSC/B");
	if (asked(argc, argv, "records"))
		run_records(&w, &s);
	if (asked(argc, argv, "cryptodev"))
		run_cryptodev(&w, &s);
	if (asked(argc, argv, "keys"))
		run_keys(&w, &s);
	if (asked(argc, argv, "slots"))
		run_slots(&w);
	if (asked(argc, argv, "handshakes"))
		bench_handshakes(&engine, value_of(argc, argv, "--only"), results);
	if (json)
		must(json_dump_file(results, json, JSON_INDENT(1)) == 0, json);
	json_decref(results);
	tls_engine_close(&engine);
	free(w.bytes);
	return 0;
}
