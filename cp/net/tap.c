/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/net/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "cp/device/netdev.h"
#include "cp/net/frame.h"

#define FRAME_MAX    65536
#define SEGMENTS_MAX 32

static int
tap_failed(int err, const char *name, char *error, size_t error_size)
{
	const char *mend = "";

	if (err == EPERM || err == EACCES)
		mend = ": run penstockd as root";
	else if (err == ENOENT || err == ENODEV)
		mend = ": there is no /dev/net/tun (modprobe tun), or set twin = false";
	else if (err == ENOTTY || err == EINVAL || err == ENXIO || err == EISDIR)
		mend = ": /dev/net/tun is not the kernel's device for it (remove it, then "
		       "mknod /dev/net/tun c 10 200), or set twin = false";
	snprintf(error, error_size, "interface \"%s\": cannot create its twin in the kernel (%s)%s",
		 name, strerror(err), mend);
	return -err;
}

int
tap_vacant(const char *name, char *error, size_t error_size)
{
	if (netdev_index(name) == 0)
		return 0;
	snprintf(error, error_size,
		 "interface \"%s\": the kernel has a network device of this name already: "
		 "choose another name, or remove it (ip link delete %s)",
		 name, name);
	return -EEXIST;
}

int
tap_open(const char *name, const uint8_t mac[6], char *error, size_t error_size)
{
	struct ifreq request = { 0 };
	int fd, err;

	/* The kernel would attach to a TAP that somebody else has made. */
	err = tap_vacant(name, error, error_size);
	if (err)
		return err;
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return tap_failed(errno, name, error, error_size);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (ioctl(fd, TUNSETIFF, &request) == 0) {
		request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(request.ifr_hwaddr.sa_data, mac, 6);
		if (ioctl(fd, SIOCSIFHWADDR, &request) == 0)
			return fd;
	}
	err = errno;
	close(fd);
	return tap_failed(err, name, error, error_size);
}

void
tap_close(int fd)
{
	close(fd);
}

int
tap_receive(int fd, struct rte_mempool *pool, struct rte_mbuf **frame)
{
	static uint8_t bytes[FRAME_MAX]; /* the control thread's */
	ssize_t len = read(fd, bytes, sizeof(bytes));

	if (len < 0)
		return -errno;
	*frame = frame_make(pool, bytes, (size_t)len);
	return 0;
}

bool
tap_send(int fd, const struct rte_mbuf *frame)
{
	struct iovec parts[SEGMENTS_MAX];
	const struct rte_mbuf *segment;
	int n = 0;

	for (segment = frame; segment && n < SEGMENTS_MAX; segment = segment->next) {
		parts[n].iov_base = rte_pktmbuf_mtod(segment, void *);
		parts[n++].iov_len = segment->data_len;
	}
	return !segment && writev(fd, parts, n) >= 0;
}
