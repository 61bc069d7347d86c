/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twins: carrying frames between workers' rings and devices in the kernel.
 *
 * The workers cannot wake the control thread (that would be a system call), so a timer looks at
 * their rings: often while there is something to carry, seldom otherwise.
 */
#include "cp/net/twin.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include <rte_mbuf.h>

#include "cp/device/netdev.h"
#include "cp/log.h"
#include "cp/net/tap.h"
#include "lib/ndp.h"

#define US           1000ull
#define LOOK_BUSY    (250 * US)
#define LOOK_IDLE    (4000 * US)
#define BUSY_LASTS   (100000 * US) /* after the last frame */
#define BATCH        32
#define TICK_FRAMES  512 /* carried for a port in one go */
#define READ_FRAMES  64  /* read from a twin in one go */
#define FRAME_MAX    65536
#define SEGMENTS_MAX 32
#define MAC_BYTES    12 /* what stands before a VLAN tag */
#define TAG_BYTES    4

struct twin {
	struct twins *twins;
	uint8_t port;
	uint16_t vlan;
	int fd;
	char name[IFNAMSIZ];
	struct twin_stats stats;
	bool wanted; /* by the configuration that is being applied */
};

struct twins {
	struct prefix
	    *solicited[SNAPSHOT_MAX_PORTS]; /* prefixes that we answer solicitations for */
	size_t n_solicited[SNAPSHOT_MAX_PORTS];
	uint64_t drops[DROP_REASON_COUNT]; /* what got lost here, between worker and kernel */
	struct loop *loop;
	struct dataplane *dp;
	struct network *network;
	struct loop_timer *timer;
	struct twin **list; /* sorted by port and VLAN */
	size_t count, size;
	uint64_t busy_until;
	bool lost;      /* a device was taken away; twins_configure makes it anew */
	uint8_t *frame; /* one frame on its way from the kernel */
	char error[256];
};

/* ---- which twin ---- */

static int
twin_compare(const void *a, const void *b)
{
	const struct twin *x = *(struct twin *const *)a, *y = *(struct twin *const *)b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return x->vlan < y->vlan ? -1 : x->vlan > y->vlan;
}

static struct twin *
twin_find(const struct twins *t, uint8_t port, uint16_t vlan)
{
	const struct twin wanted = { .port = port, .vlan = vlan }, *key = &wanted;
	struct twin **found = NULL;

	if (t->count > 0)
		found = bsearch(&key, t->list, t->count, sizeof(*t->list), twin_compare);
	return found ? *found : NULL;
}

static void
drop(struct twin *twin, enum drop_reason reason)
{
	twin->stats.errors++;
	twin->twins->drops[reason]++;
}

static struct rte_mbuf *frame_to_mbuf(const struct twin *twin, const uint8_t *frame, size_t len);

/* ---- to the kernel ---- */

/* True if the frame was a solicitation for one of our prefixes, of which the kernel knows no single
 * address, and the answer is on its way. */
static bool
answer_solicitation(struct twin *twin, const struct rte_mbuf *m, bool tagged)
{
	struct twins *t = twin->twins;
	struct ndp_targets targets = { t->solicited[twin->port],
				       t->n_solicited[twin->port],
				       { { 0 } } };
	uint8_t question[256], answer[NDP_ANSWER_LEN];
	uint32_t skip = tagged ? TAG_BYTES : 0, len = rte_pktmbuf_pkt_len(m);
	struct rte_mbuf *out;

	if (targets.count == 0 || len > sizeof(question) || len < MAC_BYTES + skip ||
	    m->nb_segs > 1)
		return false;
	memcpy(question, rte_pktmbuf_mtod(m, const void *), MAC_BYTES);
	memcpy(question + MAC_BYTES, rte_pktmbuf_mtod_offset(m, const void *, MAC_BYTES + skip),
	       len - MAC_BYTES - skip);
	memcpy(targets.mac.b, t->dp->ports[twin->port].mac, 6);
	if (!ndp_answer(question, len - skip, &targets, answer))
		return false;
	out = frame_to_mbuf(twin, answer, sizeof(answer));
	if (out && rte_ring_enqueue(t->dp->workers[0]->from_host, out) == 0)
		return true;
	rte_pktmbuf_free(out);
	return false;
}

/* Write a frame without its VLAN tag, if it has one: the twin is one network. */
static void
carry_to_kernel(struct twin *twin, struct rte_mbuf *m, bool tagged)
{
	struct iovec parts[SEGMENTS_MAX + 1];
	const struct rte_mbuf *segment;
	int n = 0;

	for (segment = m; segment && n < SEGMENTS_MAX; segment = segment->next) {
		parts[n].iov_base = rte_pktmbuf_mtod(segment, void *);
		parts[n++].iov_len = segment->data_len;
		if (segment == m && tagged && segment->data_len >= MAC_BYTES + TAG_BYTES) {
			parts[0].iov_len = MAC_BYTES;
			parts[1].iov_base =
			    rte_pktmbuf_mtod_offset(segment, void *, MAC_BYTES + TAG_BYTES);
			parts[1].iov_len = segment->data_len - MAC_BYTES - TAG_BYTES;
			n = 2;
		}
	}
	if (!segment && tap_write(twin->fd, parts, n) >= 0)
		twin->stats.to_kernel++;
	else
		drop(twin, DROP_HOST_INTERFACE_DOWN);
}

static bool
carry_port(struct twins *t, uint8_t port)
{
	struct rte_ring *ring = t->dp->ports[port].to_host;
	struct rte_mbuf *mbufs[BATCH];
	unsigned int total = 0, n, i;

	if (!ring)
		return false;
	while (total < TICK_FRAMES) {
		n = rte_ring_sc_dequeue_burst(ring, (void **)mbufs, BATCH, NULL);
		for (i = 0; i < n; i++) {
			const struct packet *p = packet_of_mbuf(mbufs[i]);
			struct twin *twin = twin_find(t, port, p->vlan);

			/* A VLAN of no interest: Linux would drop it too. */
			if (!twin)
				t->drops[DROP_NO_SERVICE]++;
			else if (!answer_solicitation(twin, mbufs[i], p->flags & PACKET_TAGGED))
				carry_to_kernel(twin, mbufs[i], p->flags & PACKET_TAGGED);
			rte_pktmbuf_free(mbufs[i]);
		}
		total += n;
		if (n < BATCH)
			break;
	}
	return total > 0;
}

static void
on_look(void *arg)
{
	struct twins *t = arg;
	uint64_t now = loop_now();
	bool carried = false;
	uint32_t port;

	for (port = 0; port < t->dp->n_ports; port++)
		carried |= carry_port(t, (uint8_t)port);
	if (carried)
		t->busy_until = now + BUSY_LASTS;
	loop_timer_arm(t->timer, now + (now < t->busy_until ? LOOK_BUSY : LOOK_IDLE));
}

/* ---- from the kernel ---- */

/* Append bytes to the frame, chaining mbufs where one is too small. */
static bool
append(struct rte_mempool *pool, struct rte_mbuf *head, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		struct rte_mbuf *last = rte_pktmbuf_lastseg(head);
		uint16_t room = rte_pktmbuf_tailroom(last);
		uint16_t part = (uint16_t)RTE_MIN(len, (size_t)room);

		if (room == 0) {
			struct rte_mbuf *next = rte_pktmbuf_alloc(pool);

			if (!next)
				return false;
			if (rte_pktmbuf_chain(head, next) != 0) {
				rte_pktmbuf_free(next);
				return false;
			}
			continue;
		}
		memcpy(rte_pktmbuf_append(head, part), bytes, part);
		bytes += part;
		len -= part;
	}
	return true;
}

static struct rte_mbuf *
frame_to_mbuf(const struct twin *twin, const uint8_t *frame, size_t len)
{
	struct rte_mempool *pool = twin->twins->dp->mbufs;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	const uint8_t tag[TAG_BYTES] = { 0x81, 0x00, (uint8_t)(twin->vlan >> 8),
					 (uint8_t)twin->vlan };
	bool fits;

	if (!m)
		return NULL;
	m->port = twin->port;
	fits = append(pool, m, frame, MAC_BYTES);
	if (twin->vlan)
		fits = fits && append(pool, m, tag, sizeof(tag));
	if (fits && append(pool, m, frame + MAC_BYTES, len - MAC_BYTES))
		return m;
	rte_pktmbuf_free(m);
	return NULL;
}

static void
twin_close(struct twin *twin)
{
	if (twin->fd < 0)
		return;
	loop_fd_remove(twin->twins->loop, twin->fd);
	tap_close(twin->fd);
	twin->fd = -1;
}

/* Somebody has deleted the device. The descriptor would say so for ever. */
static void
twin_lose(struct twin *twin, int err)
{
	log_warning("the kernel's network device %s is gone (%s)", twin->name, strerror(err));
	twin_close(twin);
	twin->twins->lost = true;
}

static void
on_frames(int fd, uint32_t events, void *arg)
{
	struct twin *twin = arg;
	struct twins *t = twin->twins;
	struct rte_ring *ring = t->dp->workers[0]->from_host;
	unsigned int i;

	(void)events;
	for (i = 0; i < READ_FRAMES; i++) {
		ssize_t len = tap_read(fd, t->frame, FRAME_MAX);
		struct rte_mbuf *m;

		if (len < 0) {
			if (len != -EAGAIN && len != -EINTR)
				twin_lose(twin, (int)-len);
			return;
		}
		m = len >= MAC_BYTES ? frame_to_mbuf(twin, t->frame, (size_t)len) : NULL;
		if (m && rte_ring_enqueue(ring, m) == 0) {
			twin->stats.from_kernel++;
			continue;
		}
		drop(twin, m ? DROP_HOST_RING_FULL : DROP_MBUF_EXHAUSTED);
		rte_pktmbuf_free(m);
	}
}

/* ---- coming and going ---- */

static void
twin_free(struct twin *twin)
{
	twin_close(twin);
	free(twin);
}

/* The device and its place in the network. 0 or -errno with the sentence in t->error. */
static int
twin_open(struct twins *t, struct twin *twin)
{
	unsigned int index;
	int ret;

	twin->fd = tap_open(twin->name, t->dp->ports[twin->port].mac, t->error, sizeof(t->error));
	if (twin->fd < 0)
		return twin->fd;
	ret = loop_fd_add(t->loop, twin->fd, EPOLLIN, on_frames, twin);
	index = netdev_index(twin->name);
	if (!ret)
		ret = index ? network_link_add(t->network, twin->port, twin->vlan, index) : -ENODEV;
	if (!ret)
		return 0;
	snprintf(t->error, sizeof(t->error),
		 "interface \"%s\": cannot set up its twin in the kernel: %s", twin->name,
		 strerror(-ret));
	twin_close(twin);
	return ret;
}

static int
twin_add(struct twins *t, const struct config *config, uint8_t port, uint16_t vlan)
{
	const char *name = config->interfaces[port].name;
	struct twin *twin;
	int len, ret;

	if (t->count == t->size) {
		size_t size = t->size ? t->size * 2 : 16;
		struct twin **list = realloc(t->list, size * sizeof(struct twin *));

		if (!list)
			return -ENOMEM;
		t->list = list;
		t->size = size;
	}
	twin = calloc(1, sizeof(*twin));
	if (!twin)
		return -ENOMEM;
	twin->twins = t;
	twin->port = port;
	twin->vlan = vlan;
	twin->fd = -1;
	twin->wanted = true;
	len = vlan ? snprintf(twin->name, sizeof(twin->name), "%s.%u", name, vlan)
		   : snprintf(twin->name, sizeof(twin->name), "%s", name);
	if (len >= (int)sizeof(twin->name)) {
		snprintf(t->error, sizeof(t->error),
			 "interface \"%s\": the name is too long for a twin of VLAN %u (at most %d "
			 "characters with the VLAN)",
			 name, vlan, IFNAMSIZ - 1);
		ret = -ENAMETOOLONG;
	} else {
		ret = twin_open(t, twin);
	}
	if (ret) {
		twin_free(twin);
		return ret;
	}
	t->list[t->count++] = twin;
	qsort(t->list, t->count, sizeof(struct twin *), twin_compare);
	return 0;
}

static int
twin_want(struct twins *t, const struct config *config, uint8_t port, uint16_t vlan)
{
	struct twin *twin = twin_find(t, port, vlan);

	if (!twin)
		return twin_add(t, config, port, vlan);
	twin->wanted = true;
	return twin->fd < 0 ? twin_open(t, twin) : 0;
}

static void
remove_unwanted(struct twins *t)
{
	size_t i, n = 0;

	for (i = 0; i < t->count; i++) {
		if (t->list[i]->wanted)
			t->list[n++] = t->list[i];
		else
			twin_free(t->list[i]);
	}
	t->count = n;
}

/* The IPv6 prefixes that a port answers solicitations for: services' (where clients are) and source
 * addresses. */
static int
solicited_collect(struct twins *t, const struct config *config, size_t port)
{
	const struct interface_config *interface = &config->interfaces[port];
	size_t max = config->n_services + interface->n_source_addresses, n = 0, i;
	struct prefix *list = calloc(max + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (i = 0; i < config->n_services && interface->side != SIDE_BACKEND; i++)
		if (config->services[i].address.len < 128)
			list[n++] = config->services[i].address;
	for (i = 0; i < interface->n_source_addresses; i++)
		list[n++] = interface->source_addresses[i];
	free(t->solicited[port]);
	t->solicited[port] = list;
	t->n_solicited[port] = n;
	return 0;
}

int
twins_configure(struct twins *t, const struct config *config, const char **error)
{
	size_t i, p, v;
	int ret = 0;

	*error = t->error;
	snprintf(t->error, sizeof(t->error), "not enough memory for a twin");
	for (i = 0; i < t->count; i++)
		t->list[i]->wanted = false;
	for (p = 0; ret == 0 && p < config->n_interfaces && p < t->dp->n_ports; p++) {
		const struct interface_config *interface = &config->interfaces[p];

		if (!interface->twin)
			continue;
		ret = solicited_collect(t, config, p);
		if (ret == 0)
			ret = twin_want(t, config, (uint8_t)p, 0);
		for (v = 0; ret == 0 && v < interface->n_vlans; v++)
			ret = twin_want(t, config, (uint8_t)p, interface->vlans[v].id);
	}
	/* After a failure the caller goes back to the earlier configuration, and needs its twins.
	 */
	if (ret == 0) {
		remove_unwanted(t);
		t->lost = false;
	}
	return ret;
}

bool
twins_lost(const struct twins *t)
{
	return t->lost;
}

struct twins *
twins_create(struct loop *loop, struct dataplane *dp, const struct config *config,
	     struct network *network, const char **error)
{
	static char last_error[256];
	struct twins *t = calloc(1, sizeof(*t));

	*error = "not enough memory for twins";
	if (!t)
		return NULL;
	t->loop = loop;
	t->dp = dp;
	t->network = network;
	t->frame = malloc(FRAME_MAX);
	t->timer = loop_timer_create(loop, on_look, t);
	if (t->frame && t->timer && twins_configure(t, config, error) == 0) {
		loop_timer_arm(t->timer, loop_now());
		return t;
	}
	if (*error == t->error) {
		snprintf(last_error, sizeof(last_error), "%s", t->error);
		*error = last_error;
	}
	twins_destroy(t);
	return NULL;
}

void
twins_destroy(struct twins *t)
{
	size_t i;

	if (!t)
		return;
	for (i = 0; i < t->count; i++)
		twin_free(t->list[i]);
	for (i = 0; i < SNAPSHOT_MAX_PORTS; i++)
		free(t->solicited[i]);
	loop_timer_free(t->timer);
	free(t->list);
	free(t->frame);
	free(t);
}

void
twins_stats(const struct twins *t, uint8_t port, uint16_t vlan, struct twin_stats *out)
{
	const struct twin *twin = twin_find(t, port, vlan);

	*out = twin ? twin->stats : (struct twin_stats){ 0 };
}

void
twins_drops(const struct twins *t, uint64_t sums[DROP_REASON_COUNT])
{
	enum drop_reason reason;

	for (reason = 0; reason < DROP_REASON_COUNT; reason++)
		sums[reason] += t->drops[reason];
}
