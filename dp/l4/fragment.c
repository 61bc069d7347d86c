/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage fragment: later fragments get the ports of their datagram.
 *
 *                     first fragment                       2 s, or all bytes seen
 *     (unknown) ───────────────────────────> KNOWN ports ───────────────────────> (unknown)
 *         │ later fragment                     ^ later fragments pass with these ports
 *         v                     first fragment │
 *      WAITING, holds up to 16 ────────────────┘ and releases them
 *         │ 1 s
 *         v all dropped
 *
 * The table is an array of sets of 16 ways. All datagrams of one client lie in one group of 4 sets,
 * chosen by a keyed hash of its address, and a group holds only so many fragments: a flood from one
 * client takes the room of those that share its group, not of all. Answers come from backends, who
 * are trusted: these spread over all groups.
 *
 * Invariant: held = sum over WAITING datagrams of their lists = length of the used part of slots.
 */
#include "dp/l4/fragment.h"

#include <netinet/in.h>

#include <rte_malloc.h>
#include <rte_random.h>

#include "dp/capture.h"
#include "dp/l4/classify.h"
#include "dp/l4/stages.h"
#include "lib/siphash.h"

#define WAYS            16u
#define GROUP_SETS      4u
#define GROUP_ENTRIES   (WAYS * GROUP_SETS)
#define HELD_MAX        1024u
#define HELD_PER_GROUP  128u
#define HELD_PER_PACKET 16u
#define EXPIRE_MAX      32 /* datagrams a call */
#define KNOWN_NS        2000000000ull
#define HELD_NS         1000000000ull
#define NIL             UINT32_MAX

struct fragment_key {
	struct addr src, dst;
	uint32_t id;
	uint32_t proto; /* IPv4 only (RFC 791); an IPv6 datagram has none before its last header */
};
static_assert(sizeof(struct fragment_key) == 40, "hashed as bytes");

enum datagram_state {
	DATAGRAM_FREE,
	DATAGRAM_WAITING,
	DATAGRAM_KNOWN,
};

struct datagram {
	struct fragment_key key;
	uint8_t state; /* enum datagram_state */
	uint8_t ip_proto;
	uint16_t sport, dport; /* network byte order */
	uint16_t held;
	uint32_t held_first, held_last; /* slots, in the order of arrival */
	uint32_t seen, total;           /* bytes; total 0: last fragment not seen */
	uint32_t older, newer;          /* WAITING ones, by deadline */
	uint64_t deadline;
};

struct slot {
	struct rte_mbuf *mbuf; /* with its struct packet in the private area */
	uint32_t next;
};

struct fragment_table {
	struct siphash_key hash_key;
	uint32_t groups;
	uint32_t held;
	uint32_t oldest, newest; /* WAITING datagrams */
	uint32_t free_slot;
	struct slot slots[HELD_MAX];
	uint16_t *group_held; /* [groups] */
	uint32_t *tags;       /* [entries]: of the key's hash, 0: free */
	struct datagram *datagrams;
};

/* ---- the table ---- */

struct fragment_table *
fragment_table_create(unsigned int entries, int socket)
{
	struct fragment_table *t = rte_zmalloc_socket("fragments", sizeof(*t), 0, socket);
	uint32_t i;

	if (!t)
		return NULL;
	t->groups = rte_align32pow2(RTE_MAX(entries, GROUP_ENTRIES)) / GROUP_ENTRIES;
	entries = t->groups * GROUP_ENTRIES;
	t->group_held =
	    rte_zmalloc_socket("fragments", t->groups * sizeof(*t->group_held), 0, socket);
	t->tags = rte_zmalloc_socket("fragments", entries * sizeof(*t->tags), RTE_CACHE_LINE_SIZE,
				     socket);
	t->datagrams = rte_zmalloc_socket("fragments", entries * sizeof(*t->datagrams),
					  RTE_CACHE_LINE_SIZE, socket);
	if (!t->group_held || !t->tags || !t->datagrams) {
		fragment_table_destroy(t);
		return NULL;
	}
	t->hash_key = (struct siphash_key){ rte_rand(), rte_rand() };
	t->oldest = t->newest = NIL;
	for (i = 0; i < HELD_MAX; i++)
		t->slots[i].next = i + 1 < HELD_MAX ? i + 1 : NIL;
	return t;
}

void
fragment_table_destroy(struct fragment_table *t)
{
	uint32_t i;

	if (!t)
		return;
	for (i = 0; i < HELD_MAX; i++)
		rte_pktmbuf_free(t->slots[i].mbuf);
	rte_free(t->group_held);
	rte_free(t->tags);
	rte_free(t->datagrams);
	rte_free(t);
}

/* Where a datagram's entry may be. */
struct place {
	struct fragment_key key;
	uint32_t group;
	uint32_t first; /* of the set's ways */
	uint32_t tag;
};

static struct place
place_of(const struct fragment_table *t, const struct packet *p)
{
	struct place at = {
		.key = {
			.src = p->tuple.src,
			.dst = p->tuple.dst,
			.id = p->frag_id,
			.proto = p->flags & PACKET_V4 ? p->ip_proto : 0,
		},
	};
	uint64_t hash = siphash13(&t->hash_key, &at.key, sizeof(at.key));
	struct addr client = p->tuple.src;
	uint64_t group = hash >> 32;

	if (p->direction == DIR_FORWARD) {
		/* Who has one IPv6 address has the network's other ones too. */
		if (!addr_is_v4(&client))
			client.q[1] = 0;
		group = siphash13(&t->hash_key, &client, sizeof(client));
	}
	at.group = (uint32_t)group & (t->groups - 1);
	at.first = at.group * GROUP_ENTRIES + ((uint32_t)hash & (GROUP_SETS - 1)) * WAYS;
	at.tag = (uint32_t)hash | 1;
	return at;
}

static struct datagram *
find(struct fragment_table *t, const struct place *at, uint64_t now)
{
	uint32_t i;

	for (i = at->first; i < at->first + WAYS; i++) {
		struct datagram *d = &t->datagrams[i];

		if (t->tags[i] != at->tag || memcmp(&d->key, &at->key, sizeof(d->key)) != 0)
			continue;
		if (d->state == DATAGRAM_KNOWN && d->deadline <= now) {
			t->tags[i] = 0;
			d->state = DATAGRAM_FREE;
			return NULL;
		}
		return d;
	}
	return NULL;
}

/* A free way of the set, or that of the KNOWN datagram that has been out of date the longest; NULL:
 * full. */
static struct datagram *
claim(struct fragment_table *t, const struct place *at, uint64_t now)
{
	uint64_t earliest = now + 1;
	struct datagram *d;
	uint32_t best = NIL;
	uint32_t i;

	for (i = at->first; i < at->first + WAYS; i++) {
		d = &t->datagrams[i];
		if (d->state == DATAGRAM_FREE) {
			best = i;
			break;
		}
		if (d->state == DATAGRAM_KNOWN && d->deadline < earliest) {
			earliest = d->deadline;
			best = i;
		}
	}
	if (best == NIL)
		return NULL;
	d = &t->datagrams[best];
	*d = (struct datagram){ .key = at->key, .held_first = NIL, .held_last = NIL };
	t->tags[best] = at->tag;
	return d;
}

static void
forget(struct fragment_table *t, struct datagram *d)
{
	t->tags[d - t->datagrams] = 0;
	d->state = DATAGRAM_FREE;
}

/* ---- WAITING datagrams ---- */

static void
begin_waiting(struct fragment_table *t, struct datagram *d, uint64_t now)
{
	uint32_t i = (uint32_t)(d - t->datagrams);

	d->state = DATAGRAM_WAITING;
	d->deadline = now + HELD_NS;
	d->older = t->newest;
	d->newer = NIL;
	if (t->newest == NIL)
		t->oldest = i;
	else
		t->datagrams[t->newest].newer = i;
	t->newest = i;
}

static void
end_waiting(struct fragment_table *t, struct datagram *d)
{
	if (d->older == NIL)
		t->oldest = d->newer;
	else
		t->datagrams[d->older].newer = d->newer;
	if (d->newer == NIL)
		t->newest = d->older;
	else
		t->datagrams[d->newer].older = d->older;
}

static uint32_t
group_of(const struct fragment_table *t, const struct datagram *d)
{
	return (uint32_t)(d - t->datagrams) / GROUP_ENTRIES;
}

static void
hold(struct fragment_table *t, struct datagram *d, struct packet *p)
{
	uint16_t *group_held = &t->group_held[group_of(t, d)];
	uint32_t i = t->free_slot;

	if (i == NIL || *group_held >= HELD_PER_GROUP || d->held >= HELD_PER_PACKET) {
		packet_drop(p, DROP_FRAGMENT_TABLE_FULL);
		return;
	}
	t->free_slot = t->slots[i].next;
	t->slots[i] = (struct slot){ .mbuf = p->mbuf, .next = NIL };
	*packet_of_mbuf(p->mbuf) = *p;
	if (d->held_last == NIL)
		d->held_first = i;
	else
		t->slots[d->held_last].next = i;
	d->held_last = i;
	d->held++;
	(*group_held)++;
	t->held++;
	p->verdict = VERDICT_TAKEN;
}

/* The mbuf that d has held longest, or NULL. */
static struct rte_mbuf *
unhold(struct fragment_table *t, struct datagram *d)
{
	uint32_t i = d->held_first;
	struct rte_mbuf *m;

	if (i == NIL)
		return NULL;
	m = t->slots[i].mbuf;
	d->held_first = t->slots[i].next;
	if (d->held_first == NIL)
		d->held_last = NIL;
	t->slots[i] = (struct slot){ .next = t->free_slot };
	t->free_slot = i;
	d->held--;
	t->group_held[group_of(t, d)]--;
	t->held--;
	return m;
}

/* ---- the stage ---- */

/* Byte offset of a fragment's payload in its datagram. */
static uint32_t
payload_offset(const struct packet *p)
{
	const uint8_t *at = packet_at(p, p->frag_off ? p->frag_off + 2u : p->l3 + 6u);
	uint32_t field = (uint32_t)(at[0] << 8 | at[1]);

	return p->frag_off ? field & 0xfff8u : (field & 0x1fffu) * 8;
}

static uint32_t
payload_length(const struct packet *p)
{
	uint32_t start = p->l4;

	if (p->frag_off)
		start = p->frag_off + 8u;
	return (uint32_t)p->l3 + p->ip_len - start;
}

static void
account(struct datagram *d, const struct packet *p)
{
	uint32_t length = payload_length(p);

	d->seen += length;
	if (!(p->flags & PACKET_MORE))
		d->total = payload_offset(p) + length;
}

/* An identification comes round again within a second on a fast path (RFC 4963), so what is known
 * is forgotten as soon as nothing more should come. */
static bool
complete(const struct datagram *d)
{
	return d->total && d->seen >= d->total;
}

/* Ports are known now: it is a packet of its flow like any other. */
static void
resolve(struct worker *w, const struct datagram *d, struct packet *p)
{
	p->tuple.sport = d->sport;
	p->tuple.dport = d->dport;
	p->tuple.proto = d->ip_proto;
	p->ip_proto = d->ip_proto;
	p->frag_resolved = 1;
	classify_packet(w->snapshot, p);
}

static void
drop_held(struct worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	struct packet *p = packet_of_mbuf(m);

	packet_drop(p, reason);
	capture_drop(w, p, false);
	worker_count_drop(w, INDEX_NONE, reason);
	rte_pktmbuf_free(m);
}

static void
release(struct worker *w, struct datagram *d, struct burst *released)
{
	struct rte_mbuf *m;

	while ((m = unhold(w->fragments, d)) != NULL) {
		struct packet *p;

		if (released->count == BURST_MAX) {
			drop_held(w, m, DROP_FRAGMENT_TABLE_FULL);
			continue;
		}
		p = &released->packets[released->count++];
		*p = *packet_of_mbuf(m);
		resolve(w, d, p);
	}
}

static void
first_fragment(struct worker *w, struct packet *p, struct burst *released)
{
	struct fragment_table *t = w->fragments;
	struct place at = place_of(t, p);
	struct datagram *d = find(t, &at, w->now);

	if (!d)
		d = claim(t, &at, w->now);
	if (!d) {
		packet_drop(p, DROP_FRAGMENT_TABLE_FULL);
		return;
	}
	if (d->state == DATAGRAM_WAITING)
		end_waiting(t, d);
	else
		d->seen = d->total = 0; /* another datagram, or the same once more */
	d->state = DATAGRAM_KNOWN;
	d->deadline = w->now + KNOWN_NS;
	d->ip_proto = p->ip_proto;
	d->sport = p->tuple.sport;
	d->dport = p->tuple.dport;
	account(d, p);
	resolve(w, d, p);
	release(w, d, released);
	if (complete(d))
		forget(t, d);
}

static void
later_fragment(struct worker *w, struct packet *p)
{
	struct fragment_table *t = w->fragments;
	struct place at = place_of(t, p);
	struct datagram *d = find(t, &at, w->now);

	if (d && d->state == DATAGRAM_KNOWN) {
		account(d, p);
		resolve(w, d, p);
		if (complete(d))
			forget(t, d);
		return;
	}
	if (!d) {
		d = claim(t, &at, w->now);
		if (!d) {
			packet_drop(p, DROP_FRAGMENT_TABLE_FULL);
			return;
		}
		begin_waiting(t, d, w->now);
	}
	hold(t, d, p);
	if (p->verdict == VERDICT_TAKEN)
		account(d, p);
	else if (!d->held) {
		end_waiting(t, d);
		forget(t, d);
	}
}

bool
stage_fragment(struct worker *w, struct burst *b, struct burst *released)
{
	bool any = false;
	uint16_t i;

	for (i = 0; i < b->count; i++) {
		struct packet *p = &b->packets[i];

		if (likely(!(p->flags & PACKET_FRAGMENT)) || p->verdict != VERDICT_CONTINUE ||
		    p->frag_resolved)
			continue;
		any = true;
		if (p->flags & PACKET_LATER)
			later_fragment(w, p);
		else
			first_fragment(w, p, released);
	}
	if (any)
		w->stats.fragments_held = w->fragments->held;
	return any;
}

void
fragments_expire(struct worker *w)
{
	struct fragment_table *t = w->fragments;
	unsigned int n;

	for (n = 0; n < EXPIRE_MAX && t->oldest != NIL; n++) {
		struct datagram *d = &t->datagrams[t->oldest];
		struct rte_mbuf *m;

		if (d->deadline > w->now)
			return;
		while ((m = unhold(t, d)) != NULL)
			drop_held(w, m, DROP_FRAGMENT_NO_FIRST);
		end_waiting(t, d);
		forget(t, d);
		w->stats.fragments_held = t->held;
	}
}
