/* SPDX-License-Identifier: Apache-2.0 */
/* One datagram, and the answer to it. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "cp/health/probe.h"
#include "lib/hex.h"

#define ANSWER_MAX 4096

static void
judge(struct probe *probe, const uint8_t *answer, size_t len)
{
	uint8_t wanted[HEX_BYTES_MAX];
	int n = probe->config->answer ? hex_bytes(probe->config->answer, wanted) : 0;

	if (n > 0 && !memmem(answer, len, wanted, (size_t)n))
		probe_end(probe, HEALTH_CAUSE_BODY, "another answer than expected (%zu bytes)",
			  len);
	else
		probe_end(probe, HEALTH_CAUSE_NONE, NULL);
}

static void
on_datagram(int fd, uint32_t events, void *arg)
{
	struct probe *probe = arg;
	uint8_t answer[ANSWER_MAX];
	ssize_t n = recv(fd, answer, sizeof(answer), 0);

	(void)events;
	if (n >= 0)
		judge(probe, answer, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		probe_end_errno(probe, errno);
}

void
probe_udp_start(struct probe *probe)
{
	uint8_t payload[HEX_BYTES_MAX];
	int n = probe->config->payload ? hex_bytes(probe->config->payload, payload) : 0;

	if (!probe_socket(probe, SOCK_DGRAM, 0, EPOLLIN, on_datagram))
		return;
	/* A full queue is a lost datagram: the timeout says so. */
	if (send(probe->fd, payload, n > 0 ? (size_t)n : 0, 0) < 0 && errno != EAGAIN)
		probe_end_errno(probe, errno);
}
