/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An echo request. The kernel's ping sockets where net.ipv4.ping_group_range lets us have them;
 * else a raw socket, connected, so that it sees nobody else's answers.
 */
#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cp/health/probe.h"
#include "lib/checksum.h"

#define HEADER 8 /* of both families: type, code, checksum, identifier, sequence */

struct echo {
	uint8_t type, code;
	uint16_t checksum, identifier, sequence;
	uint64_t token;
};

/* Is it the answer to ours? Where the token is, there is nothing else to ask for: the kernel of a
 * ping socket chooses the identifier. */
static bool
is_answer(const struct probe *probe, const uint8_t *bytes, size_t len)
{
	struct echo echo;
	uint8_t type = addr_is_v4(&probe->addr) ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;

	/* A raw IPv4 socket gives the IP header too. */
	if (probe->raw && addr_is_v4(&probe->addr)) {
		size_t header = len > 0 ? (bytes[0] & 15) * 4u : 0;

		if (header < 20 || header > len)
			return false;
		bytes += header;
		len -= header;
	}
	if (len < sizeof(echo))
		return false;
	memcpy(&echo, bytes, sizeof(echo));
	return echo.type == type && echo.sequence == probe->sequence && echo.token == probe->token;
}

static void
on_answer(int fd, uint32_t events, void *arg)
{
	struct probe *probe = arg;
	uint8_t bytes[256];
	unsigned int budget;
	ssize_t n = 0;

	(void)events;
	for (budget = 16; budget > 0; budget--) {
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n < 0)
			break;
		if (is_answer(probe, bytes, (size_t)n)) {
			probe_end(probe, HEALTH_CAUSE_NONE, NULL);
			return;
		}
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		probe_end_errno(probe, errno);
}

/* Only answers, and errors as errors of the socket. */
static void
set_options(const struct probe *probe)
{
	struct icmp_filter filter4 = { .data = ~(1u << ICMP_ECHOREPLY) };
	struct icmp6_filter filter6;
	int on = 1;

	if (addr_is_v4(&probe->addr)) {
		if (probe->raw)
			setsockopt(probe->fd, SOL_RAW, ICMP_FILTER, &filter4, sizeof(filter4));
		setsockopt(probe->fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
		return;
	}
	ICMP6_FILTER_SETBLOCKALL(&filter6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter6);
	if (probe->raw)
		setsockopt(probe->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6, sizeof(filter6));
	setsockopt(probe->fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
}

static bool
ping_socket_allowed(int family, int protocol)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, protocol);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void
probe_icmp_start(struct probe *probe)
{
	bool v4 = addr_is_v4(&probe->addr);
	int protocol = v4 ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6;
	struct echo echo = { .type = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST };

	probe->raw = !ping_socket_allowed(v4 ? AF_INET : AF_INET6, protocol);
	if (!probe_socket(probe, probe->raw ? SOCK_RAW : SOCK_DGRAM, protocol, EPOLLIN, on_answer))
		return;
	set_options(probe);
	probe->token = prober_random(probe->prober);
	probe->sequence = htons(++probe->prober->echo_sequence);
	echo.identifier = htons((uint16_t)getpid());
	echo.sequence = probe->sequence;
	echo.token = probe->token;
	/* Of ICMPv6 the kernel makes the checksum: it knows the pseudo header. */
	if (v4)
		echo.checksum = csum_compute(&echo, sizeof(echo));
	if (send(probe->fd, &echo, sizeof(echo), 0) < 0 && errno != EAGAIN)
		probe_end_errno(probe, errno);
}
