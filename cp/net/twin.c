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

#include <rte_mbuf.h>

#include "cp/device/netdev.h"
#include "cp/log.h"
#include "cp/net/frame.h"
#include "cp/net/twin_device.h"
#include "lib/ndp.h"

#define US          1000ull
#define LOOK_BUSY   (250 * US)
#define BUSY_LASTS  (100000 * US) /* after the last frame */
#define BATCH       32
#define TICK_FRAMES 512 /* carried for a port in one go */
#define READ_FRAMES 64  /* received from a twin in one go */

struct twin {
	struct twins *twins;
	uint8_t port;
	uint16_t vlan;
	struct twin_device device;
	unsigned int ifindex;
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
	const char *vhost; /* path of vhost-net's device; NULL: all further twins are TAP devices */
	bool lost;         /* a device was taken away; twins_configure makes it anew */
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
drop(struct twin *twin, enum drop_reason reason, uint16_t n)
{
	twin->stats.errors += n;
	twin->twins->drops[reason] += n;
}

/* Hand a frame to the workers, to leave by the twin's port. */
static bool
carry_to_port(struct twin *twin, struct rte_mbuf *m)
{
	m->port = twin->port;
	return (!twin->vlan || frame_tag(m, twin->vlan)) &&
	       rte_ring_enqueue(twin->twins->dp->workers[0]->from_host, m) == 0;
}

/* ---- to the kernel ---- */

/* True if the frame, without its tag, was a solicitation for one of our prefixes, of which the
 * kernel knows no single address, and the answer is on its way. */
static bool
answer_solicitation(struct twin *twin, const struct rte_mbuf *m)
{
	struct twins *t = twin->twins;
	struct ndp_targets targets = { t->solicited[twin->port],
				       t->n_solicited[twin->port],
				       { { 0 } } };
	uint8_t answer[NDP_ANSWER_LEN];
	struct rte_mbuf *out;

	if (targets.count == 0 || m->nb_segs > 1)
		return false;
	memcpy(targets.mac.b, t->dp->ports[twin->port].mac, 6);
	if (!ndp_answer(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, &targets, answer))
		return false;
	out = frame_make(t->dp->mbufs, answer, sizeof(answer));
	if (out && carry_to_port(twin, out))
		return true;
	rte_pktmbuf_free(out);
	return false;
}

/* Frames that go to one twin together. */
struct outgoing {
	struct twin *twin;
	struct rte_mbuf *frames[BATCH];
	uint16_t count;
};

static void
carry_to_kernel(struct outgoing *out)
{
	struct twin *twin = out->twin;
	enum drop_reason reason = DROP_HOST_INTERFACE_DOWN;
	uint16_t taken = 0;

	if (out->count == 0)
		return;
	if (twin->device.fd >= 0) {
		taken = twin_device_send(&twin->device, out->frames, out->count);
		if (twin->device.by_vhost)
			reason = DROP_HOST_RING_FULL;
	} else {
		rte_pktmbuf_free_bulk(out->frames, out->count);
	}
	twin->stats.to_kernel += taken;
	drop(twin, reason, out->count - taken);
	out->count = 0;
}

/* Add a frame to those on their way, without its tag: the twin is one network. */
static void
sort_out(struct twins *t, uint8_t port, struct rte_mbuf *m, struct outgoing *out)
{
	const struct packet *p = packet_of_mbuf(m);
	struct twin *twin = twin_find(t, port, p->vlan);

	if (!twin) {
		/* A VLAN of no interest: Linux would drop it too. */
		t->drops[DROP_NO_SERVICE]++;
		rte_pktmbuf_free(m);
		return;
	}
	if (p->flags & PACKET_TAGGED)
		frame_untag(m);
	if (answer_solicitation(twin, m)) {
		rte_pktmbuf_free(m);
		return;
	}
	if (out->twin != twin)
		carry_to_kernel(out);
	out->twin = twin;
	out->frames[out->count++] = m;
}

static bool
carry_port(struct twins *t, uint8_t port)
{
	struct rte_ring *ring = t->dp->ports[port].to_host;
	struct rte_mbuf *mbufs[BATCH];
	struct outgoing out = { 0 };
	unsigned int total = 0, n, i;

	if (!ring)
		return false;
	while (total < TICK_FRAMES) {
		n = rte_ring_sc_dequeue_burst(ring, (void **)mbufs, BATCH, NULL);
		for (i = 0; i < n; i++)
			sort_out(t, port, mbufs[i], &out);
		carry_to_kernel(&out);
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
	/* At rest on the beat, at which others look for work, too: the thread wakes once. */
	loop_timer_arm(t->timer, now < t->busy_until ? now + LOOK_BUSY : loop_next_beat(now));
}

/* ---- from the kernel ---- */

static void
twin_close(struct twin *twin)
{
	if (twin->device.fd < 0)
		return;
	loop_fd_remove(twin->twins->loop, twin->device.fd);
	twin_device_close(&twin->device);
}

/* Somebody has deleted the device. A TAP's descriptor would say so for ever. */
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
	struct rte_mbuf *frames[READ_FRAMES];
	int n = twin_device_receive(&twin->device, frames, READ_FRAMES), i;

	(void)fd;
	(void)events;
	if (n < 0)
		twin_lose(twin, -n);
	for (i = 0; i < n; i++) {
		if (frames[i] && carry_to_port(twin, frames[i])) {
			twin->stats.from_kernel++;
			continue;
		}
		drop(twin, frames[i] ? DROP_HOST_RING_FULL : DROP_MBUF_EXHAUSTED, 1);
		rte_pktmbuf_free(frames[i]);
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
	struct vhost_request request = { .path = t->vhost,
					 .name = twin->name,
					 .mac = t->dp->ports[twin->port].mac,
					 .mbufs = t->dp->mbufs };
	int ret = twin_device_open(&twin->device, &request, t->error, sizeof(t->error));

	t->vhost = request.path;
	if (ret)
		return ret;
	twin->ifindex = netdev_index(twin->name);
	ret = loop_fd_add(t->loop, twin->device.fd, EPOLLIN, on_frames, twin);
	if (!ret)
		ret = twin->ifindex
			  ? network_link_add(t->network, twin->port, twin->vlan, twin->ifindex)
			  : -ENODEV;
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
	twin->device.fd = -1;
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
	return twin->device.fd < 0 ? twin_open(t, twin) : 0;
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
	size_t max = config_n_services(config) + interface->n_source_addresses, n = 0, i;
	struct prefix *list = calloc(max + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (i = 0; i < config_n_services(config) && interface->side != SIDE_BACKEND; i++)
		if (config_service(config, i)->address.len < 128)
			list[n++] = config_service(config, i)->address;
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
twins_lost(struct twins *t)
{
	char name[IFNAMSIZ];
	size_t i;

	/* vhost-net does not tell that its device is gone. */
	for (i = 0; i < t->count; i++)
		if (t->list[i]->device.by_vhost && t->list[i]->device.fd >= 0 &&
		    !if_indextoname(t->list[i]->ifindex, name))
			twin_lose(t->list[i], errno);
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
	t->vhost = vhost_path();
	t->timer = loop_timer_create(loop, on_look, t);
	if (t->timer && twins_configure(t, config, error) == 0) {
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
