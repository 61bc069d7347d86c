/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/net/neighbours.h"

#include <string.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "cp/net/netlink.h"

/* States in which the kernel itself sends to the address. */
#define NUD_USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

void
neighbours_init(struct neighbours *n)
{
	table_init(&n->table, sizeof(struct neighbour_entry), sizeof(struct neighbour_key));
	n->round = 0;
}

void
neighbours_free(struct neighbours *n)
{
	table_free(&n->table);
}

bool
neighbour_usable(const struct neighbour_entry *e)
{
	return e->state & NUD_USABLE;
}

const char *
neighbour_state(const struct neighbour_entry *e)
{
	if (e->state & (NUD_PERMANENT | NUD_NOARP))
		return "static";
	if (e->state & NUD_REACHABLE)
		return "reachable";
	if (e->state & (NUD_STALE | NUD_DELAY | NUD_PROBE))
		return "stale";
	return e->state & NUD_FAILED ? "failed" : "incomplete";
}

static struct neighbour_key
key_of(const struct addr *addr, uint8_t port, uint16_t vlan)
{
	return (struct neighbour_key){ .addr = *addr, .port = port, .vlan = vlan };
}

static bool
is_multicast(const struct addr *addr)
{
	return addr_is_v4(addr) ? addr->b[12] >= 224 : addr->b[0] == 0xff;
}

static bool
neighbours_delete(struct neighbours *n, const struct neighbour_key *key)
{
	struct neighbour_entry *e = table_find(&n->table, key);
	bool mattered;

	if (!e)
		return false;
	mattered = neighbour_usable(e);
	table_remove(&n->table, e);
	return mattered;
}

bool
neighbours_message(struct neighbours *n, const struct links *links, const struct nlmsghdr *header)
{
	const struct ndmsg *message = mnl_nlmsg_get_payload(header);
	const struct network_link *link;
	const struct nlattr *list[NDA_LLADDR + 1];
	struct neighbour_entry *e, next;
	struct neighbour_key key;
	struct addr addr;
	bool created, changed;

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*message))
		return false;
	link = links_by_ifindex(links, (unsigned int)message->ndm_ifindex);
	netlink_attributes(header, sizeof(*message), list, NDA_LLADDR + 1);
	if (!link || !netlink_get_addr(list[NDA_DST], message->ndm_family, &addr) ||
	    is_multicast(&addr) || message->ndm_flags & NTF_PROXY)
		return false;
	key = key_of(&addr, link->port, link->vlan);
	if (header->nlmsg_type == RTM_DELNEIGH)
		return neighbours_delete(n, &key);
	next =
	    (struct neighbour_entry){ .key = key, .state = message->ndm_state, .round = n->round };
	if (list[NDA_LLADDR] && mnl_attr_get_payload_len(list[NDA_LLADDR]) >= sizeof(next.mac))
		memcpy(next.mac.b, mnl_attr_get_payload(list[NDA_LLADDR]), sizeof(next.mac));
	else
		next.state &= (uint16_t)~NUD_USABLE; /* nothing to send to */
	e = table_insert(&n->table, &key, &created);
	if (!e)
		return false; /* not known is what it was before */
	changed = neighbour_usable(e) != neighbour_usable(&next) ||
		  (neighbour_usable(&next) && memcmp(&e->mac, &next.mac, sizeof(e->mac)) != 0);
	*e = next;
	return changed;
}

void
neighbours_read_begin(struct neighbours *n)
{
	n->round++;
}

struct sweep {
	uint32_t round;
	bool *mattered;
};

static bool
not_seen(const void *entry, const void *arg)
{
	const struct neighbour_entry *e = entry;
	const struct sweep *sweep = arg;

	if (e->round == sweep->round)
		return false;
	*sweep->mattered |= neighbour_usable(e);
	return true;
}

bool
neighbours_read_end(struct neighbours *n)
{
	bool mattered = false;
	struct sweep sweep = { n->round, &mattered };

	table_sweep(&n->table, not_seen, &sweep);
	return mattered;
}

static bool
on_link(const void *entry, const void *arg)
{
	const struct neighbour_entry *e = entry;
	const struct neighbour_key *key = arg;

	return e->key.port == key->port && e->key.vlan == key->vlan;
}

bool
neighbours_forget(struct neighbours *n, uint8_t port, uint16_t vlan)
{
	struct neighbour_key key = { .port = port, .vlan = vlan };

	return table_sweep(&n->table, on_link, &key) > 0;
}

const struct neighbour_entry *
neighbours_find(const struct neighbours *n, uint8_t port, uint16_t vlan, const struct addr *addr)
{
	struct neighbour_key key = key_of(addr, port, vlan);

	return table_find(&n->table, &key);
}
