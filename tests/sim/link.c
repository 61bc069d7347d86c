/* SPDX-License-Identifier: Apache-2.0 */
/* The frames under way lie in a binary heap by time of arrival. */
#include "tests/sim/link.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/wire.h"

void
link_init(struct link *l, struct random *r)
{
	memset(l, 0, sizeof(*l));
	l->random = r;
	for (int i = 0; i < 2; i++)
		l->ways[i].mtu = 1500;
}

void
link_destroy(struct link *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->heap[i]);
	free(l->heap);
	l->heap = NULL;
	l->n = l->room = 0;
}

static bool
before(const struct frame *a, const struct frame *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
push(struct link *l, struct frame *f)
{
	size_t i = l->n;

	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 256;
		l->heap = realloc(l->heap, l->room * sizeof(*l->heap));
		if (!l->heap)
			abort();
	}
	f->order = l->order++;
	l->n++;
	for (; i > 0 && before(f, l->heap[(i - 1) / 2]); i = (i - 1) / 2)
		l->heap[i] = l->heap[(i - 1) / 2];
	l->heap[i] = f;
}

uint64_t
link_next(const struct link *l)
{
	return l->n ? l->heap[0]->at : UINT64_MAX;
}

struct frame *
link_take(struct link *l)
{
	struct frame *first, *last;
	size_t i = 0, child;

	if (!l->n)
		return NULL;
	first = l->heap[0];
	last = l->heap[--l->n];
	while ((child = 2 * i + 1) < l->n) {
		if (child + 1 < l->n && before(l->heap[child + 1], l->heap[child]))
			child++;
		if (!before(l->heap[child], last))
			break;
		l->heap[i] = l->heap[child];
		i = child;
	}
	if (l->n)
		l->heap[i] = last;
	return first;
}

static struct frame *
frame_new(int to, const uint8_t *bytes, size_t len, uint64_t at)
{
	struct frame *f = malloc(sizeof(*f) + len);

	if (!f)
		abort();
	f->at = at;
	f->to = (uint8_t)to;
	f->icmp = false;
	f->damaged = f->forged = false;
	f->len = (uint32_t)len;
	memcpy(f->bytes, bytes, len);
	return f;
}

void
link_inject(struct link *l, int to, const uint8_t *bytes, size_t len, uint64_t at)
{
	struct frame *f = frame_new(to, bytes, len, at);

	f->forged = true;
	push(l, f);
}

static void
send_too_big(struct link *l, int from, const struct frame *about, uint64_t now)
{
	uint8_t bytes[WIRE_MAX];
	const struct way *w = &l->ways[from];
	struct frame *f;

	if (random_chance(l->random, w->icmp_loss))
		return;
	f = frame_new(from, bytes, wire_too_big(about->bytes, about->len, w->mtu, bytes),
		      now + w->delay);
	f->icmp = true;
	push(l, f);
}

/* One byte is changed, which the Internet checksum always sees. The IPv6 header has none, so it is
 * left alone. */
static void
damage(struct link *l, struct frame *f)
{
	size_t from = f->bytes[0] >> 4 == 4 ? 0 : 40;

	if (f->len <= from)
		return;
	f->bytes[from + random_below(l->random, f->len - from)] ^=
	    (uint8_t)random_between(l->random, 1, 255);
	f->damaged = true;
}

/* Congestion experienced, if the packet says that it can bear it (RFC 3168). */
static bool
mark(struct frame *f)
{
	if (f->bytes[0] >> 4 == 4) {
		if (!(f->bytes[1] & 3))
			return false;
		f->bytes[1] |= 3;
	} else {
		if (!(f->bytes[1] >> 4 & 3))
			return false;
		f->bytes[1] |= 3 << 4;
	}
	if (f->bytes[0] >> 4 == 4)
		wire_checksum(f->bytes, f->len);
	return true;
}

static bool
is_lost(struct link *l, struct way *w)
{
	if (w->in_burst)
		w->in_burst = !random_chance(l->random, w->burst_end);
	else if (w->burst_begin)
		w->in_burst = random_chance(l->random, w->burst_begin);
	return w->in_burst || random_chance(l->random, w->loss);
}

static void
deliver(struct link *l, struct way *w, struct frame *f, uint64_t now)
{
	f->at = now + w->delay;
	if (w->jitter)
		f->at += random_below(l->random, w->jitter);
	if (random_chance(l->random, w->late))
		f->at += random_below(l->random, w->late_by + 1);
	if (random_chance(l->random, w->corruption))
		damage(l, f);
	push(l, f);
}

/* Does the packet find room before the rate? Returns when its last bit has left, 0 if not. */
static uint64_t
queued(struct way *w, size_t len, uint64_t now)
{
	uint64_t takes;

	if (!w->rate)
		return now;
	takes = (uint64_t)len * 8000000000ull / w->rate;
	if (w->busy_until < now)
		w->busy_until = now;
	if (w->busy_until - now > w->queue * 8000000000ull / w->rate)
		return 0;
	w->busy_until += takes;
	return w->busy_until;
}

void
link_send(struct link *l, int from, const uint8_t *bytes, size_t len, uint64_t now)
{
	struct way *w = &l->ways[from];
	struct frame *f = frame_new(1 - from, bytes, len, now);
	uint64_t leaves = queued(w, len, now);

	w->sent++;
	if (w->mtu_changes && now >= w->mtu_changes) {
		w->mtu = w->later_mtu;
		w->mtu_changes = 0;
	}
	if (len > w->mtu) {
		w->too_big++;
		send_too_big(l, from, f, now);
		free(f);
		return;
	}
	if (!leaves || (now >= w->dead_from && now < w->dead_until) || is_lost(l, w)) {
		w->lost++;
		free(f);
		return;
	}
	if (random_chance(l->random, w->mark) && !mark(f)) {
		w->lost++;
		free(f);
		return;
	}
	if (w->copied && random_chance(l->random, w->copied)) {
		struct frame *copy = frame_new(1 - from, bytes, len, now);

		copy->at = leaves + w->delay + random_below(l->random, w->copied_by + 1);
		push(l, copy);
	}
	if (random_chance(l->random, w->twice))
		deliver(l, w, frame_new(1 - from, bytes, len, now), leaves);
	deliver(l, w, f, leaves);
}
