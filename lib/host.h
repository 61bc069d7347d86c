/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts, and tables by host: HTTP routes and the server names of TLS are found in these.
 *
 * A host is compared in lower case, without the dot that may end a name, IPv6 addresses in their
 * one spelling (RFC 5952). Pure, any thread; the builder of a table and the worker that reads it
 * have to agree. What "*.example.org" stands for is a table of suffixes, in which it is
 * "example.org": one label or more are cut off from the left of what is looked for.
 *
 * A table is immutable once it is built; its memory is the builder's. Open addressing, at most two
 * thirds of the slots in use.
 */
#ifndef LIB_HOST_H
#define LIB_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/fold.h"

#define HOST_MOST   255
#define HOST_INLINE 50

/* Behind the name there are zeros, enough for a word to be read at each of its characters. */
struct host {
	size_t length;
	uint8_t bytes[HOST_MOST + 1 + 8];
};

/* Empty if length is 0. */
struct host_slot {
	uint32_t value[2]; /* the user's */
	uint32_t text;     /* where the name stands if it is longer than HOST_INLINE */
	uint16_t length;
	uint8_t name[HOST_INLINE];
};
_Static_assert(sizeof(struct host_slot) == 64, "one cache line");

struct host_table {
	struct host_slot *slots; /* host_slots(n) of them, on cache lines, zero at first; NULL if
				    there are to be no names */
	size_t mask;             /* slots - 1 */
	size_t n;                /* of them in use */
	uint64_t lengths[(HOST_MOST + 1) / 64]; /* bit n: some name has n characters */
};

/* The host, without port, in that form. False: it is empty or too long, no table has it. */
bool host_read(struct host *out, const uint8_t *bytes, size_t length);

/* How many slots n names need; none for none. */
size_t host_slots(size_t n);
/* The slot of a new name, which is the whole host and stands at text + where. There is
 * room, and it is not in the table. Its value is the caller's to set. */
struct host_slot *host_add(struct host_table *table, const uint8_t *text, uint32_t where,
			   const struct host *host);

/* Of the part of a host that is left from `at` on. */
static inline uint64_t
host_hash(const struct host *host, size_t at)
{
	uint64_t hash = host->length - at, word;

	for (; at < host->length; at += 8) {
		memcpy(&word, host->bytes + at, 8);
		hash = multiply_fold(hash ^ word, 0x9e3779b97f4a7c15ULL);
	}
	return multiply_fold(hash, 0xd6e8feb86659fd93ULL);
}

/* The slot of that part, or the empty one where it would be. The table has slots. */
static inline struct host_slot *
host_slot(const struct host_table *table, const uint8_t *text, const struct host *host, size_t at)
{
	size_t length = host->length - at, i = host_hash(host, at) & table->mask;
	struct host_slot *s;

	for (;; i = (i + 1) & table->mask) {
		s = &table->slots[i];
		if (s->length == 0)
			return s;
		if (s->length == length && memcmp(length > HOST_INLINE ? text + s->text : s->name,
						  host->bytes + at, length) == 0)
			return s;
	}
}

/* NULL: it is not in the table. */
static inline const struct host_slot *
host_find(const struct host_table *table, const uint8_t *text, const struct host *host, size_t at)
{
	size_t length = host->length - at;
	const struct host_slot *s;

	if (!(table->lengths[length / 64] >> length % 64 & 1))
		return NULL;
	s = host_slot(table, text, host, at);
	return s->length ? s : NULL;
}

/* Where the next shorter suffix begins behind that at `at` (0: the whole host); 0: there is none.
 */
static inline size_t
host_suffix(const struct host *host, size_t at)
{
	size_t from = at ? at : 1;
	const uint8_t *dot;

	if (from >= host->length)
		return 0;
	dot = memchr(host->bytes + from, '.', host->length - from);
	if (!dot || dot + 1 == host->bytes + host->length)
		return 0;
	return (size_t)(dot + 1 - host->bytes);
}

#endif
