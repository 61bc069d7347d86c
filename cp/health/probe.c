/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a probe, and the simplest kind: can a TCP connection be made? */
#include "cp/health/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cp/socket_address.h"
#include "lib/units.h"
#include "lib/utf8.h"

/* A timer that is late by less says nothing of the loop. */
#define LATE 2000000ull /* ns */

void
prober_init(struct prober *prober, struct loop *loop)
{
	*prober = (struct prober){ .loop = loop };
	if (getrandom(&prober->random, sizeof(prober->random), GRND_NONBLOCK) < 0 ||
	    !prober->random)
		prober->random = loop_now() | 1;
}

void
prober_end(struct prober *prober)
{
	probe_http_end(prober);
}

uint64_t
prober_random(struct prober *prober)
{
	uint64_t x = prober->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	prober->random = x;
	return x * 0x2545f4914f6cdd1dull >> 16;
}

/* ---- the end ---- */

static void
release(struct probe *probe)
{
	probe->running = false;
	loop_timer_disarm(probe->timer);
	if (probe->fd >= 0) {
		loop_fd_remove(probe->prober->loop, probe->fd);
		close(probe->fd);
		probe->fd = -1;
	}
	if (probe->http)
		probe_http_cancel(probe);
}

/* Parts of a text may come from a server, and what did not fit may have been cut off in the middle
 * of a character: what is kept is one line of UTF-8, with a '?' for each byte that cannot be. */
static void
keep_detail(struct probe *probe, const char *text)
{
	size_t left = strlen(text), used = 0, n;

	for (; left > 0; text += n, left -= n) {
		const unsigned char *p = (const unsigned char *)text;
		bool odd;

		n = utf8_sequence(p, left);
		/* Control characters of either set would be commands to somebody's terminal. */
		odd = n == 0 || *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
		n = n ? n : 1;
		if (used + n >= sizeof(probe->detail))
			break;
		memcpy(probe->detail + used, odd ? "??" : text, n);
		used += n;
	}
	probe->detail[used] = '\0';
}

void
probe_end(struct probe *probe, enum health_cause cause, const char *detail, ...)
{
	char text[512] = "";
	va_list args;

	probe->latency = loop_now() - probe->started;
	probe->cause = cause;
	va_start(args, detail);
	if (detail)
		vsnprintf(text, sizeof(text), detail, args);
	va_end(args);
	keep_detail(probe, text);
	release(probe);
	probe->done(probe);
}

enum health_cause
probe_cause_of(int error)
{
	switch (error) {
	case 0:
		return HEALTH_CAUSE_NONE;
	case ECONNREFUSED:
		return HEALTH_CAUSE_REFUSED;
	case ETIMEDOUT:
		return HEALTH_CAUSE_TIMEOUT;
	case ECONNRESET:
	case EPIPE:
		return HEALTH_CAUSE_CLOSED;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EADDRNOTAVAIL:
	case EADDRINUSE:
	case EPERM:
	case EACCES:
	case EAFNOSUPPORT:
	case EPROTONOSUPPORT:
		return HEALTH_CAUSE_LOCAL;
	default:
		return HEALTH_CAUSE_UNREACHABLE;
	}
}

void
probe_end_errno(struct probe *probe, int error)
{
	enum health_cause cause = probe_cause_of(error);

	if (cause == HEALTH_CAUSE_NONE)
		probe_end(probe, cause, NULL);
	else
		probe_end(probe, cause, "%s", strerror(error));
}

/* The loop was late by so much: give the answer that time, to come and to be seen. */
static bool
extend(struct probe *probe)
{
	uint64_t now = loop_now(), late = now - probe->started - probe->config->timeout;

	if (probe->extended || late < LATE)
		return false;
	probe->extended = true;
	if (late > probe->config->timeout)
		late = probe->config->timeout;
	loop_timer_arm(probe->timer, now + late);
	return true;
}

static void
on_timeout(void *arg)
{
	struct probe *probe = arg;
	struct pollfd ready = { .fd = probe->fd, .events = POLLIN | POLLOUT };
	char text[UNITS_STRLEN];

	if (extend(probe))
		return;
	/* A datagram's socket can always be written to: only what has come counts there. */
	if (probe->on_event && probe->config->check != HEALTH_TCP)
		ready.events = POLLIN;
	if (probe->on_event && poll(&ready, 1, 0) == 1)
		probe->on_event(probe->fd, 0, probe);
	if (!probe->running)
		return;
	probe_end(probe, HEALTH_CAUSE_TIMEOUT, "no answer within %s",
		  duration_format(probe->config->timeout, text));
}

/* ---- the beginning ---- */

/* 0, or the error number of what went wrong; EINPROGRESS is none. */
static int
bind_and_connect(struct probe *probe, int fd, uint16_t port)
{
	static const struct addr unset;
	const struct addr *source = &probe->config->source;
	struct sockaddr_storage at;
	socklen_t len;

	if (!addr_equal(source, &unset) && addr_is_v4(source) == addr_is_v4(&probe->addr)) {
		len = socket_address(source, 0, &at);
		if (bind(fd, (struct sockaddr *)&at, len) < 0)
			return errno;
	}
	len = socket_address(&probe->addr, port, &at);
	if (connect(fd, (struct sockaddr *)&at, len) < 0 && errno != EINPROGRESS)
		return errno;
	return 0;
}

bool
probe_socket(struct probe *probe, int type, int protocol, uint32_t events, loop_fd_fn *fn)
{
	static const struct linger reset = { .l_onoff = 1 };
	int family = addr_is_v4(&probe->addr) ? AF_INET : AF_INET6;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	int error = fd < 0 ? errno : 0;

	/* Thousands of checks a second must not leave connections that wait for their end. */
	if (!error && type == SOCK_STREAM &&
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
		error = errno;
	/* A raw socket's port is its protocol, or nothing. */
	if (!error)
		error = bind_and_connect(probe, fd, type == SOCK_RAW ? 0 : probe->port);
	if (!error)
		error = -loop_fd_add(probe->prober->loop, fd, events, fn, probe);
	if (!error) {
		probe->fd = fd;
		probe->on_event = fn;
		return true;
	}
	if (fd >= 0)
		close(fd);
	probe_end_errno(probe, error);
	return false;
}

static void
on_tcp(int fd, uint32_t events, void *arg)
{
	struct probe *probe = arg;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	probe_end_errno(probe, error);
}

int
probe_init(struct probe *probe, struct prober *prober)
{
	probe->prober = prober;
	probe->fd = -1;
	probe->timer = loop_timer_create(prober->loop, on_timeout, probe);
	return probe->timer ? 0 : -ENOMEM;
}

void
probe_free(struct probe *probe)
{
	probe_cancel(probe);
	loop_timer_free(probe->timer);
	probe->timer = NULL;
}

void
probe_start(struct probe *probe)
{
	probe->running = true;
	probe->extended = false;
	probe->on_event = NULL;
	probe->started = loop_now();
	loop_timer_arm(probe->timer, probe->started + probe->config->timeout);
	switch (probe->config->check) {
	case HEALTH_TCP:
		(void)probe_socket(probe, SOCK_STREAM, 0, EPOLLOUT, on_tcp);
		break;
	case HEALTH_UDP:
		probe_udp_start(probe);
		break;
	case HEALTH_ICMP:
		probe_icmp_start(probe);
		break;
	case HEALTH_HTTP:
	case HEALTH_HTTPS:
		probe_http_start(probe);
		break;
	case HEALTH_NONE:
		probe_end(probe, HEALTH_CAUSE_NONE, NULL);
		break;
	}
}

void
probe_cancel(struct probe *probe)
{
	if (probe->running)
		release(probe);
}
