/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wheel stands at tick `cur`. With digit(l, t) = t >> 8l, an object that is due at tick t lies
 *
 *     on the lowest level l where digit(l, t) - digit(l, cur) <= 255, in slot digit(l, t) % 256
 *
 * so on every level but 0 the slot of cur's own digit is empty, except while it is being emptied:
 * when cur enters the slot, its objects move down. What is due beyond the top level waits in that
 * level's farthest slot and is placed anew from there. A bitmap of the slots that are not empty
 * makes a jump over empty time as cheap as a tick.
 */
#include "lib/wheel.h"

#include <string.h>

#define LEVELS 4u
#define SLOTS  256u
#define HEADS  (LEVELS * SLOTS)

/* How many objects one call moves down at most, so that it never takes long. */
#define MOVES 1024u

struct entry {
	uint64_t tick;
	uint32_t next; /* an object, or NIL */
	uint32_t prev; /* an object, n + head if it is the first of its slot, NIL if not armed */
};

struct wheel {
	uint64_t tick_ns;
	uint64_t cur;
	uint64_t target; /* the last tick that was asked for */
	uint64_t next;   /* nothing is to be done before this tick */
	uint32_t n;
	uint64_t used[LEVELS][SLOTS / 64];
	uint32_t heads[HEADS];
	struct entry entries[];
};

size_t
wheel_size(uint32_t n)
{
	return sizeof(struct wheel) + (size_t)n * sizeof(struct entry);
}

struct wheel *
wheel_create(uint32_t n, uint64_t tick_ns, uint64_t now_ns, void *(*alloc)(size_t size, void *arg),
	     void *arg)
{
	struct wheel *w;

	if (tick_ns == 0 || n >= WHEEL_NIL - HEADS)
		return NULL;
	w = alloc(wheel_size(n), arg);
	if (!w)
		return NULL;
	memset(w, 0, sizeof(*w));
	w->tick_ns = tick_ns;
	w->cur = now_ns / tick_ns;
	w->target = w->cur;
	w->n = n;
	memset(w->heads, 0xff, sizeof(w->heads)); /* NIL everywhere */
	memset(w->entries, 0xff, (size_t)n * sizeof(struct entry));
	return w;
}

bool
wheel_armed(const struct wheel *w, uint32_t i)
{
	return w->entries[i].prev != WHEEL_NIL;
}

void
wheel_prefetch(const struct wheel *w, uint32_t i)
{
	__builtin_prefetch(&w->entries[i], 1);
}

static void
unlink_entry(struct wheel *w, uint32_t i)
{
	struct entry *e = &w->entries[i];
	uint32_t head;

	if (e->next != WHEEL_NIL)
		w->entries[e->next].prev = e->prev;
	if (e->prev < w->n) {
		w->entries[e->prev].next = e->next;
	} else {
		head = e->prev - w->n;
		w->heads[head] = e->next;
		if (e->next == WHEEL_NIL)
			w->used[head / SLOTS][head % SLOTS / 64] &= ~(1ULL << head % 64);
	}
	e->prev = WHEEL_NIL;
}

/* Link an object by its tick, which is not before cur. */
static void
link_entry(struct wheel *w, uint32_t i)
{
	struct entry *e = &w->entries[i];
	uint64_t digit = e->tick, cur = w->cur;
	uint32_t level = 0, head;

	while (digit - cur >= SLOTS && level < LEVELS - 1) {
		digit >>= 8;
		cur >>= 8;
		level++;
	}
	if (digit - cur >= SLOTS)
		digit = cur + SLOTS - 1;
	head = level * SLOTS + (uint32_t)(digit % SLOTS);
	e->next = w->heads[head];
	e->prev = w->n + head;
	if (e->next != WHEEL_NIL)
		w->entries[e->next].prev = i;
	w->heads[head] = i;
	w->used[level][head % SLOTS / 64] |= 1ULL << head % 64;
	if (digit << 8 * level < w->next)
		w->next = digit << 8 * level;
}

void
wheel_arm(struct wheel *w, uint32_t i, uint64_t deadline_ns)
{
	uint64_t tick = deadline_ns / w->tick_ns + (deadline_ns % w->tick_ns != 0);

	if (wheel_armed(w, i))
		unlink_entry(w, i);
	w->entries[i].tick = tick > w->cur ? tick : w->cur;
	link_entry(w, i);
}

void
wheel_disarm(struct wheel *w, uint32_t i)
{
	if (wheel_armed(w, i))
		unlink_entry(w, i);
}

/* How many slots after slot `from`, around the level, the next used one is; SLOTS if none is. */
static uint32_t
distance_to_used(const uint64_t used[SLOTS / 64], uint32_t from)
{
	uint32_t word = from / 64, k;
	uint64_t bits = used[word] & ~0ULL << from % 64;

	for (k = 0; k <= SLOTS / 64; k++) {
		if (bits)
			return (word * 64 + (uint32_t)__builtin_ctzll(bits) - from) % SLOTS;
		word = (word + 1) % (SLOTS / 64);
		bits = used[word];
	}
	return SLOTS;
}

/* The tick at which something is to be done next, and on which level. UINT64_MAX: nothing. A slot
 * that is being emptied is cur's own, and cur stands at its start: distance 0. */
static uint64_t
next_event(const struct wheel *w, uint32_t *level)
{
	uint64_t best = UINT64_MAX, digit, tick;
	uint32_t l, distance;

	for (l = 0; l < LEVELS; l++) {
		digit = w->cur >> 8 * l;
		distance = distance_to_used(w->used[l], (uint32_t)(digit % SLOTS));
		if (distance == SLOTS)
			continue;
		tick = (digit + distance) << 8 * l;
		if (tick < best) {
			best = tick;
			*level = l;
		}
	}
	return best;
}

size_t
wheel_advance(struct wheel *w, uint64_t now_ns, uint32_t *out, size_t max)
{
	uint64_t target = now_ns / w->tick_ns, tick;
	uint32_t level = 0, head, i, moves = MOVES;
	size_t count = 0;

	/* Time does not run backwards here, though the caller's clock might a little. */
	if (target < w->target)
		target = w->target;
	w->target = target;
	while (count < max && w->next <= target) {
		tick = next_event(w, &level);
		w->next = tick;
		if (tick > target)
			break;
		w->cur = tick;
		head = level * SLOTS + (uint32_t)((tick >> 8 * level) % SLOTS);
		while (level > 0 && (i = w->heads[head]) != WHEEL_NIL) {
			if (moves-- == 0)
				return count;
			unlink_entry(w, i);
			link_entry(w, i);
		}
		while (level == 0 && count < max && (i = w->heads[head]) != WHEEL_NIL) {
			unlink_entry(w, i);
			out[count++] = i;
		}
	}
	if (w->next > target)
		w->cur = target;
	return count;
}

bool
wheel_behind(const struct wheel *w)
{
	uint32_t level;

	return w->next <= w->target && next_event(w, &level) <= w->target;
}
