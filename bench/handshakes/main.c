/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-handshakes: clients that do nothing but shake hands in TLS 1.3, in full, over the kernel's
 * sockets, with a server of somebody else on this host.
 *
 *     bench-handshakes PORT CLIENTS SECONDS PID
 *
 * So many clients at a time; each connects, shakes hands, says FIN, waits for the server's and
 * begins anew. Nobody verifies certificates. Prints one JSON object: `handshakes`, those that
 * `failed`, `seconds`, the processor's time that the process PID took meanwhile (`server_cpu`, s)
 * and that this one took (`cpu`, s).
 */
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 1024
#define EVENTS      64
#define SETTLE_S    0.5

struct client {
	int fd; /* -1: none */
	SSL *ssl;
	bool shaken; /* waits for the server's FIN */
};

static struct {
	int epoll;
	uint16_t port;
	SSL_CTX *context;
	uint64_t handshakes, failed;
	struct client clients[CLIENTS_MAX];
} b;

static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "bench-handshakes: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double
seconds_of(clockid_t clock)
{
	struct timespec t;

	must(clock_gettime(clock, &t) == 0, "a clock");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- a client -------------------------------------------------------------------------------- */

static void
begin(struct client *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(b.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	must(c->fd >= 0, "a socket");
	must(connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS,
	     "connecting");
	must(epoll_ctl(b.epoll, EPOLL_CTL_ADD, c->fd, &event) == 0, "epoll");
	c->shaken = false;
	c->ssl = SSL_new(b.context);
	must(c->ssl && SSL_set_fd(c->ssl, c->fd) == 1, "OpenSSL");
	SSL_set_connect_state(c->ssl);
}

static void
begin_anew(struct client *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	begin(c);
}

static void
go_on(struct client *c)
{
	char rest[4096];
	ssize_t n;
	int code;

	if (!c->shaken) {
		code = SSL_do_handshake(c->ssl);
		if (code == 1) {
			c->shaken = true;
			b.handshakes++;
			shutdown(c->fd, SHUT_WR);
		} else if (SSL_get_error(c->ssl, code) != SSL_ERROR_WANT_READ &&
			   SSL_get_error(c->ssl, code) != SSL_ERROR_WANT_WRITE) {
			b.failed++;
			begin_anew(c);
		}
	}
	if (!c->shaken)
		return;
	while ((n = read(c->fd, rest, sizeof(rest))) > 0)
		;
	if (n == 0 || errno != EAGAIN)
		begin_anew(c);
}

static void
run(double seconds)
{
	struct epoll_event events[EVENTS];
	double end = seconds_of(CLOCK_MONOTONIC) + seconds;
	int n, i;

	while (seconds_of(CLOCK_MONOTONIC) < end) {
		n = epoll_wait(b.epoll, events, EVENTS, 100);
		for (i = 0; i < n; i++)
			go_on(events[i].data.ptr);
	}
}

int
main(int argc, char **argv)
{
	double begun, cpu, server, seconds;
	clockid_t theirs;
	int i, n = argc == 5 ? atoi(argv[2]) : 0;

	must(n > 0 && n <= CLIENTS_MAX, "bench-handshakes PORT CLIENTS SECONDS PID");
	b.port = (uint16_t)atoi(argv[1]);
	seconds = atof(argv[3]);
	must(clock_getcpuclockid(atoi(argv[4]), &theirs) == 0, "the process");
	b.epoll = epoll_create1(0);
	b.context = SSL_CTX_new(TLS_client_method());
	must(b.epoll >= 0 && b.context &&
		 SSL_CTX_set_ciphersuites(b.context, "TLS_AES_128_GCM_SHA256") &&
		 SSL_CTX_set_min_proto_version(b.context, TLS1_3_VERSION) &&
		 SSL_CTX_set1_groups_list(b.context, "X25519"),
	     "OpenSSL");
	SSL_CTX_set_session_cache_mode(b.context, SSL_SESS_CACHE_OFF);
	for (i = 0; i < n; i++)
		begin(&b.clients[i]);
	run(SETTLE_S);
	b.handshakes = b.failed = 0;
	begun = seconds_of(CLOCK_MONOTONIC);
	cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
	server = seconds_of(theirs);
	run(seconds);
	printf("{\"handshakes\": %lu, \"failed\": %lu, \"seconds\": %.3f, \"server_cpu\": %.4f, "
	       "\"cpu\": %.4f}\n",
	       b.handshakes, b.failed, seconds_of(CLOCK_MONOTONIC) - begun,
	       seconds_of(theirs) - server, seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	return 0;
}
