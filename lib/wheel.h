/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hierarchical timer wheel (Varghese and Lauck, SOSP 1987) over objects that are array indices.
 *
 * One entry per object. The wheel allocates nothing after init: the links and ticks live in an
 * array that belongs to it, 16 bytes an object. Re-arming is lazy by the caller's choice: leave the
 * entry where it is, look at the object's true deadline when it fires, and arm it again. An entry
 * never fires before its deadline, and at most one tick after:
 *
 *     fired(now) = { i : armed(i) and ceil(deadline(i) / tick_ns) <= floor(now / tick_ns) }
 *
 * One call does a bounded amount of work. Where very many objects are due near to each other, or
 * move to a finer level of the wheel together, the rest is left to the next call (wheel_behind).
 *
 * 4 levels of 256 slots: a span of 2^32 ticks; what is due later is kept, and placed again when it
 * comes near. One thread only (the worker that owns it).
 */
#ifndef LIB_WHEEL_H
#define LIB_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_NIL UINT32_MAX

struct wheel;

/* A wheel for objects 0..n-1 with ticks of tick_ns, starting at now. alloc is the caller's
 * allocator, called once. NULL: no memory, or tick_ns is 0, or n is too large (2^32 - 1025). */
struct wheel *wheel_create(uint32_t n, uint64_t tick_ns, uint64_t now_ns,
			   void *(*alloc)(size_t size, void *arg), void *arg);
/* The bytes that wheel_create asks its allocator for, in one piece; freeing that piece frees the
 * wheel. */
size_t wheel_size(uint32_t n);

bool wheel_armed(const struct wheel *w, uint32_t i);
/* Bring what arming object i will write into the cache. */
void wheel_prefetch(const struct wheel *w, uint32_t i);
/* Arm (or move) object i to fire at or after deadline_ns (rounded up to a tick; past deadlines fire
 * at the next advance). O(1). */
void wheel_arm(struct wheel *w, uint32_t i, uint64_t deadline_ns);
void wheel_disarm(struct wheel *w, uint32_t i);
/* Go on to now and return at most max due objects in out, each disarmed. Call again while it
 * returns max; what remains then (see wheel_behind) comes with the next call. */
size_t wheel_advance(struct wheel *w, uint64_t now_ns, uint32_t *out, size_t max);
/* True if the last call of wheel_advance left work that was due. */
bool wheel_behind(const struct wheel *w);

#endif
