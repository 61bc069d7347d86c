/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/net/resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "cp/log.h"

#define SECOND       1000000000ull
#define TICK         (SECOND / 4)
#define AGAIN        SECOND        /* between questions for an address that is not known */
#define REFRESH      (10 * SECOND) /* between looks at one that is */
#define RECENT       1024          /* a power of two */
#define ASK_BUDGET   64            /* questions a tick for addresses that packets name */
#define KEEP_BUDGET  512           /* ... for addresses that must stay resolved */
#define WARN_SILENCE (60 * SECOND)

struct kept {
	struct network_target target;
	uint64_t next; /* when to look at it again */
};

struct recent {
	struct network_target target;
	uint64_t at;
};

struct resolver {
	struct netlink *requests;
	const struct links *links;
	const struct neighbours *neighbours;
	struct loop_timer *timer;
	struct kept *kept; /* sorted by target */
	size_t n_kept;
	size_t position; /* where the next tick goes on */
	bool look;       /* at all of them, at the next tick */
	unsigned int budget;
	uint64_t warned;
	struct recent recent[RECENT];
};

/* Ask the kernel to use the neighbour: an unknown one is asked for, a stale one is probed. */
static void
use(struct resolver *r, const struct network_link *link, const struct addr *addr)
{
	struct netlink_request request;
	struct ndmsg *message =
	    netlink_begin(&request, RTM_NEWNEIGH, NLM_F_CREATE, sizeof(*message));

	message->ndm_family = (uint8_t)netlink_family(addr);
	message->ndm_ifindex = (int)link->ifindex;
	message->ndm_flags = NTF_USE;
	netlink_put_addr(&request, NDA_DST, addr);
	if (netlink_send(r->requests, &request) != -ENOBUFS || loop_now() < r->warned)
		return;
	r->warned = loop_now() + WARN_SILENCE;
	log_warning("the kernel's neighbour table is full: raise "
		    "net.ipv4.neigh.default.gc_thresh3 and net.ipv6.neigh.default.gc_thresh3");
}

static void
keep_one(struct resolver *r, struct kept *k, uint64_t now)
{
	const struct network_target *t = &k->target;
	const struct network_link *link = links_find(r->links, t->port, t->vlan);
	const struct neighbour_entry *e;

	if (!link) {
		k->next = now + REFRESH; /* no twin: nobody to ask */
		return;
	}
	e = neighbours_find(r->neighbours, t->port, t->vlan, &t->addr);
	if (!e || !(e->state & (NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP | NUD_DELAY | NUD_PROBE)))
		use(r, link, &t->addr);
	if (!e || !neighbour_usable(e))
		k->next = now + AGAIN;
	else /* not all at the same time */
		k->next = now + REFRESH + (uint64_t)rand() % SECOND;
}

/* One that was known at the last look may have to wait long for the next. */
static void
bring_forward(struct resolver *r, struct kept *k, uint64_t now)
{
	const struct network_target *t = &k->target;
	const struct neighbour_entry *e;

	if (k->next <= now + AGAIN)
		return;
	e = neighbours_find(r->neighbours, t->port, t->vlan, &t->addr);
	if (!e || !neighbour_usable(e))
		k->next = now;
}

void
resolver_look(struct resolver *r)
{
	r->look = true;
}

static void
on_tick(void *arg)
{
	struct resolver *r = arg;
	uint64_t now = loop_now();
	size_t looked, asked = 0;

	r->budget = ASK_BUDGET;
	for (looked = 0; r->look && looked < r->n_kept; looked++)
		bring_forward(r, &r->kept[looked], now);
	r->look = false;
	for (looked = 0; looked < r->n_kept && asked < KEEP_BUDGET; looked++) {
		struct kept *k = &r->kept[r->position];

		r->position = (r->position + 1) % r->n_kept;
		if (k->next > now)
			continue;
		keep_one(r, k, now);
		asked++;
	}
	loop_timer_arm(r->timer, now + TICK);
}

struct resolver *
resolver_create(struct loop *loop, struct netlink *requests, const struct links *links,
		const struct neighbours *neighbours)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->requests = requests;
	r->links = links;
	r->neighbours = neighbours;
	r->timer = loop_timer_create(loop, on_tick, r);
	if (!r->timer) {
		free(r);
		return NULL;
	}
	loop_timer_arm(r->timer, loop_now() + TICK);
	return r;
}

void
resolver_destroy(struct resolver *r)
{
	if (!r)
		return;
	loop_timer_free(r->timer);
	free(r->kept);
	free(r);
}

static int
target_compare(const void *a, const void *b)
{
	const struct network_target *x = a, *y = b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	if (x->vlan != y->vlan)
		return x->vlan < y->vlan ? -1 : 1;
	return addr_compare(&x->addr, &y->addr);
}

void
resolver_ask(struct resolver *r, const struct network_target *target)
{
	const struct network_link *link = links_find(r->links, target->port, target->vlan);
	const struct neighbour_entry *e;
	uint64_t now = loop_now();
	uint32_t h = target->addr.w[0] ^ target->addr.w[1] ^ target->addr.w[2] ^ target->addr.w[3];
	struct recent *seen = &r->recent[(h * 0x9e3779b1u >> 16) & (RECENT - 1)];

	if (!link || r->budget == 0)
		return;
	if (seen->at + AGAIN > now && seen->at != 0 && target_compare(&seen->target, target) == 0)
		return;
	e = neighbours_find(r->neighbours, target->port, target->vlan, &target->addr);
	if (e && neighbour_usable(e))
		return;
	*seen = (struct recent){ *target, now };
	r->budget--;
	use(r, link, &target->addr);
}

void
resolver_keep(struct resolver *r, const struct network_target *targets, size_t count)
{
	struct kept *kept = calloc(count + 1, sizeof(*kept)), *old;
	size_t i, n = 0;

	/* Without memory the old list stays: better than none. */
	if (!kept)
		return;
	for (i = 0; i < count; i++)
		kept[i].target = targets[i];
	qsort(kept, count, sizeof(*kept), target_compare);
	for (i = 0; i < count; i++) {
		if (n > 0 && target_compare(&kept[n - 1].target, &kept[i].target) == 0)
			continue;
		kept[n] = kept[i];
		old = r->n_kept
			  ? bsearch(&kept[n], r->kept, r->n_kept, sizeof(*kept), target_compare)
			  : NULL;
		kept[n].next = old ? old->next : 0;
		n++;
	}
	free(r->kept);
	r->kept = kept;
	r->n_kept = n;
	if (r->position >= n)
		r->position = 0;
	if (n > 0)
		loop_timer_arm(r->timer, loop_now());
}
