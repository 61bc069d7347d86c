/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/net/twin_device.h"

#include <errno.h>

#include "cp/log.h"
#include "cp/net/tap.h"

int
twin_device_open(struct twin_device *d, struct vhost_request *request, char *error,
		 size_t error_size)
{
	char why[256];

	/* Either would attach to a device that somebody else has made. */
	int ret = tap_vacant(request->name, error, error_size);

	d->fd = -1;
	d->by_vhost = false;
	d->mbufs = request->mbufs;
	if (ret)
		return ret;
	if (request->path) {
		d->by_vhost = vhost_open(&d->vhost, request, why, sizeof(why)) == 0;
		if (d->by_vhost) {
			d->fd = d->vhost.fd;
			return 0;
		}
		log_warning("interface \"%s\": no vhost-net for its twin, a TAP device instead: %s",
			    request->name, why);
		request->path = NULL;
	}
	d->fd = tap_open(request->name, request->mac, error, error_size);
	return d->fd < 0 ? d->fd : 0;
}

void
twin_device_close(struct twin_device *d)
{
	if (d->by_vhost)
		vhost_close(&d->vhost);
	else
		tap_close(d->fd);
	d->fd = -1;
}

int
twin_device_receive(struct twin_device *d, struct rte_mbuf **frames, uint16_t n)
{
	int count, ret = 0;

	if (d->by_vhost)
		return vhost_receive(&d->vhost, frames, n);
	for (count = 0; count < n; count++) {
		ret = tap_receive(d->fd, d->mbufs, &frames[count]);
		if (ret)
			break;
	}
	/* What came before an error is delivered first; it is met again. */
	return count > 0 || ret == -EAGAIN || ret == -EINTR ? count : ret;
}

uint16_t
twin_device_send(struct twin_device *d, struct rte_mbuf **frames, uint16_t n)
{
	uint16_t taken = 0, i;

	if (d->by_vhost) {
		taken = vhost_send(&d->vhost, frames, n);
		rte_pktmbuf_free_bulk(frames + taken, n - taken);
		return taken;
	}
	for (i = 0; i < n; i++)
		taken += tap_send(d->fd, frames[i]);
	rte_pktmbuf_free_bulk(frames, n);
	return taken;
}
