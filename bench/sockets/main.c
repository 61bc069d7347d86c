/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-sockets: what bench-proxy does, with the kernel's sockets: clients and the server behind a
 * TCP proxy of somebody else, in one thread, on the loopback device.
 *
 *     bench-sockets exchange|open PROXY-PORT SERVER-PORT CONNECTIONS SECONDS
 *     bench-sockets http SERVER-PORT BODY
 *
 *     exchange   64 bytes there and back, one at a time on each of the kept connections
 *     open       connections opened, and ended by the client at once; CONNECTIONS at a time
 *     http       only the server: each request is answered by BODY bytes, until it is ended
 *
 * Prints one JSON object; `busy` is the share of the time that this program has computed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/common/world.h"

#define MESSAGE     64
#define EVENTS      256
#define FD_MAX      65536
#define SOURCES     8 /* 127.0.0.1, 127.0.0.2, ...: more ports for connections that are over */
#define SETTLE_S    0.5
#define REQUEST_MAX 4096
#define ANSWER_MAX  4096

enum role {
	ROLE_NONE,
	ROLE_LISTENER,
	ROLE_SERVER,
	ROLE_CONNECTING,
	ROLE_CLIENT,
};

struct load {
	int epoll;
	bool open;
	uint16_t proxy, server;
	uint32_t wanted, connections, sources;
	uint64_t answers, closed, failed;
	uint8_t roles[FD_MAX];
	char answer[ANSWER_MAX]; /* to requests of HTTP; empty: what comes goes back */
	size_t length;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
computed(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static struct sockaddr_in
loopback(uint32_t host, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK + host) };
}

static void
watch(struct load *l, int fd, enum role role, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	if (fd >= FD_MAX ||
	    epoll_ctl(l->epoll, l->roles[fd] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) < 0)
		world_fail("epoll: %s", strerror(errno));
	l->roles[fd] = (uint8_t)role;
}

static void
end(struct load *l, int fd)
{
	l->roles[fd] = ROLE_NONE;
	close(fd);
}

static void
no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void
listen_to(struct load *l)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
	struct sockaddr_in at = loopback(0, l->server);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4096) < 0)
		world_fail("cannot listen: %s", strerror(errno));
	watch(l, fd, ROLE_LISTENER, EPOLLIN);
}

/* False: not now. */
static bool
begin(struct load *l)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
	struct sockaddr_in from = loopback(l->sources++ % SOURCES, 0), to = loopback(0, l->proxy);

	if (fd < 0)
		world_fail("no socket: %s", strerror(errno));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	no_delay(fd);
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)) {
		l->failed++;
		close(fd);
		return false;
	}
	l->connections++;
	watch(l, fd, ROLE_CONNECTING, EPOLLOUT);
	return true;
}

static void
begin_all(struct load *l)
{
	while (l->connections < l->wanted && begin(l))
		;
}

static void
on_listener(struct load *l, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		no_delay(fd);
		watch(l, fd, ROLE_SERVER, EPOLLIN);
	}
}

/* Whole requests, one after the other, and nothing else. */
static void
on_http(struct load *l, int fd)
{
	char data[REQUEST_MAX];
	ssize_t n = recv(fd, data, sizeof(data), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 4 && memmem(data, (size_t)n, "\r\n\r\n", 4) == data + n - 4 &&
	    send(fd, l->answer, l->length, MSG_NOSIGNAL) == (ssize_t)l->length)
		return;
	end(l, fd);
}

static void
on_server(struct load *l, int fd)
{
	char data[MESSAGE];
	ssize_t n = recv(fd, data, sizeof(data), 0);

	if (n > 0 && send(fd, data, (size_t)n, MSG_NOSIGNAL) == n)
		return;
	if (n < 0 && errno == EAGAIN)
		return;
	end(l, fd);
}

static void
ask(struct load *l, int fd)
{
	static const char data[MESSAGE];

	if (send(fd, data, sizeof(data), MSG_NOSIGNAL) != MESSAGE)
		l->failed++;
}

static void
on_connected(struct load *l, int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		l->failed++;
		l->connections--;
		end(l, fd);
		return;
	}
	watch(l, fd, ROLE_CLIENT, EPOLLIN);
	if (l->open)
		shutdown(fd, SHUT_WR);
	else
		ask(l, fd);
}

static void
on_client(struct load *l, int fd)
{
	char data[MESSAGE];
	ssize_t n = recv(fd, data, sizeof(data), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		l->answers++;
		ask(l, fd);
		return;
	}
	l->closed++;
	l->failed += n < 0 || !l->open;
	l->connections--;
	end(l, fd);
}

static void
run_until(struct load *l, double until)
{
	struct epoll_event events[EVENTS];
	int n, i;

	while (now() < until) {
		begin_all(l);
		n = epoll_wait(l->epoll, events, EVENTS, 1);
		for (i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			switch ((enum role)l->roles[fd]) {
			case ROLE_LISTENER:
				on_listener(l, fd);
				break;
			case ROLE_SERVER:
				(l->length ? on_http : on_server)(l, fd);
				break;
			case ROLE_CONNECTING:
				on_connected(l, fd);
				break;
			case ROLE_CLIENT:
				on_client(l, fd);
				break;
			case ROLE_NONE:
				break;
			}
		}
	}
}

static void
serve(struct load *l, uint16_t port, size_t body)
{
	int n = snprintf(l->answer, sizeof(l->answer),
			 "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\n"
			 "Content-Length: %zu\r\n\r\n",
			 body);

	if ((size_t)n + body > sizeof(l->answer))
		world_fail("an answer is at most %d bytes", ANSWER_MAX);
	memset(l->answer + n, 'x', body);
	l->length = (size_t)n + body;
	l->server = port;
	l->epoll = epoll_create1(0);
	listen_to(l);
	for (;;)
		run_until(l, now() + 3600);
}

int
main(int argc, char **argv)
{
	static struct load l;
	uint64_t answers, closed, failed;
	double start, ran, took;

	if (argc == 4 && strcmp(argv[1], "http") == 0)
		serve(&l, (uint16_t)atoi(argv[2]), (size_t)atoi(argv[3]));
	if (argc != 6 || (strcmp(argv[1], "exchange") != 0 && strcmp(argv[1], "open") != 0))
		world_fail("usage: bench-sockets exchange|open PROXY-PORT SERVER-PORT CONNECTIONS "
			   "SECONDS, or bench-sockets http SERVER-PORT BODY");
	l.open = strcmp(argv[1], "open") == 0;
	l.proxy = (uint16_t)atoi(argv[2]);
	l.server = (uint16_t)atoi(argv[3]);
	l.wanted = (uint32_t)atoi(argv[4]);
	l.epoll = epoll_create1(0);
	listen_to(&l);
	run_until(&l, now() + SETTLE_S);
	answers = l.answers;
	closed = l.closed;
	failed = l.failed;
	start = now();
	ran = computed();
	run_until(&l, start + atof(argv[5]));
	took = now() - start;
	printf("{\"seconds\": %.4f, \"answers\": %llu, \"closed\": %llu, \"failed\": %llu, "
	       "\"busy\": %.3f}\n",
	       took, (unsigned long long)(l.answers - answers),
	       (unsigned long long)(l.closed - closed), (unsigned long long)(l.failed - failed),
	       (computed() - ran) / took);
	return 0;
}
