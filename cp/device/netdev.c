/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/device/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

bool
netdev_of_device(const char *device, char name[NETDEV_NAME_SIZE])
{
	const char *value;
	size_t len;

	if (strncmp(device, "net_af_xdp", 10) != 0 && strncmp(device, "net_af_packet", 13) != 0)
		return false;
	value = strstr(device, ",iface=");
	if (!value)
		return false;
	value += strlen(",iface=");
	len = strcspn(value, ",");
	if (len == 0 || len >= NETDEV_NAME_SIZE)
		return false;
	memcpy(name, value, len);
	name[len] = '\0';
	return true;
}

unsigned int
netdev_index(const char *name)
{
	return if_nametoindex(name);
}

int
netdev_flags(const char *name, unsigned int set, unsigned int clear)
{
	struct ifreq request = { 0 };
	int fd, ret = 0;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0) {
		ret = -errno;
	} else {
		unsigned int flags = (unsigned short)request.ifr_flags;

		request.ifr_flags = (short)((flags & ~clear) | set);
		if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
			ret = -errno;
	}
	close(fd);
	return ret;
}

int
netdev_setting(const char *family, const char *name, const char *key, const char *value)
{
	char path[128];
	ssize_t written;
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, name, key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	written = write(fd, value, strlen(value));
	if (written < 0)
		ret = -errno;
	close(fd);
	return ret;
}

void
netdev_hand_over(const char *name)
{
	/* Packets to a service would also reach the kernel's own stack by this device, and be
	 * answered with a reset: the service's address is local, on the twin. No route points to
	 * this device, so the strict reverse path check refuses them; ARP and IPv6 are switched
	 * off. */
	netdev_setting("ipv4", name, "rp_filter", "1");
	netdev_setting("ipv4", name, "arp_ignore", "8");
	netdev_setting("ipv6", name, "disable_ipv6", "1");
	netdev_flags(name, IFF_UP, 0);
}
