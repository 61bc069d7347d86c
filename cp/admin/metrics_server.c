/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/admin/metrics_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cp/admin/metrics.h"
#include "cp/log.h"

/* Clients that ask and do not go on stay for IDLE_SECONDS: also those that have gone, if what they
 * sent and their end came at once (libmicrohttpd 0.9.75 reads no further then). So there is room
 * for many, and no address gets all of it: who has too many is closed at once. */
#define CONNECTIONS    512u
#define OF_AN_ADDRESS  384u
#define BACKLOG        128
#define IDLE_SECONDS   10u
#define REQUEST_MEMORY 8192u
#define MILLISECOND    1000000ULL
#define SECOND         1000000000ULL
#define AGAIN_AFTER    (10 * SECOND)
/* A page that took t to make serves for 4 t more, but not for longer than a second: a fifth of the
 * time at most goes into pages. */
#define PAGE_LASTS      4
#define PAGE_LASTS_MOST (SECOND / PAGE_LASTS)

struct metrics_server {
	struct control *control;
	struct counters *counters;
	struct loop_timer *timer; /* libmicrohttpd's next timeout, or the next try to listen */
	char address[64];         /* that was asked for last; empty: none */
	struct MHD_Daemon *daemon;
	int epoll;                 /* the daemon's, watched by our loop */
	struct MHD_Response *page; /* the last one; NULL: none yet */
	uint64_t page_until;
};

/* ---- answers ---- */

static enum MHD_Result
answer_with(struct MHD_Connection *connection, unsigned int status, const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* Make the page anew if it is old; the old one lives on in connections that still send it. */
static void
follow_page(struct metrics_server *s)
{
	uint64_t start = loop_now();
	struct MHD_Response *page;
	uint64_t took;
	size_t len = 0;
	char *text;

	if (s->page && start < s->page_until)
		return;
	if (s->page)
		MHD_destroy_response(s->page);
	s->page = NULL;
	text = metrics_text(s->control, s->counters, &len);
	if (!text)
		return;
	page = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (!page) {
		free(text);
		return;
	}
	MHD_add_response_header(page, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
	s->page = page;
	took = loop_now() - start;
	s->page_until =
	    start + took + (took < PAGE_LASTS_MOST ? took : PAGE_LASTS_MOST) * PAGE_LASTS;
}

/* libmicrohttpd calls this for a request's head, for each part of its body, and at its end. An
 * answer to the head alone closes the connection: right for methods that we do not have, whose body
 * nobody wants to read. */
static enum MHD_Result
on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *upload, size_t *upload_size, void **request)
{
	struct metrics_server *s = arg;

	(void)version;
	(void)upload;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_with(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				   "only GET and HEAD are answered here\n");
	if (!*request) {
		*request = s;
		return MHD_YES;
	}
	*upload_size = 0;
	if (strcmp(url, "/metrics") != 0)
		return answer_with(connection, MHD_HTTP_NOT_FOUND, "only /metrics is here\n");
	follow_page(s);
	if (!s->page)
		return answer_with(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
	return MHD_queue_response(connection, MHD_HTTP_OK, s->page);
}

/* ---- the loop ---- */

static void
run_daemon(struct metrics_server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(s->daemon);
	/* Never later than in a second: after it has closed connections of which there were too
	 * many, libmicrohttpd listens again only when it is run, and asks for no time. */
	if (MHD_get_timeout(s->daemon, &ms) != MHD_YES || ms > 1000)
		ms = 1000;
	loop_timer_arm(s->timer, loop_now() + ms * MILLISECOND);
}

static void
on_event(int fd, uint32_t events, void *arg)
{
	(void)fd;
	(void)events;
	run_daemon(arg);
}

/* ---- listening ---- */

/* A socket that listens at the address, or -errno. */
static int
listen_at(const char *address)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	const struct sockaddr *to = (const struct sockaddr *)&sin6;
	socklen_t len = sizeof(sin6);
	struct addr addr;
	uint16_t port;
	int fd, one = 1, error;

	if (addr_port_parse(address, &addr, &port) < 0)
		return -EINVAL;
	sin6.sin6_port = sin.sin_port = htons(port);
	memcpy(&sin6.sin6_addr, addr.b, sizeof(addr.b));
	sin.sin_addr.s_addr = addr.w[3];
	if (addr_is_v4(&addr)) {
		to = (const struct sockaddr *)&sin;
		len = sizeof(sin);
	}
	fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (to->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, to, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static void
close_daemon(struct metrics_server *s)
{
	loop_timer_disarm(s->timer);
	if (!s->daemon)
		return;
	loop_fd_remove(s->control->loop, s->epoll);
	MHD_stop_daemon(s->daemon);
	s->daemon = NULL;
}

/* Start libmicrohttpd on the socket, which it owns on success. 0 or -errno. */
static int
start_daemon(struct metrics_server *s, int fd)
{
	const union MHD_DaemonInfo *info;
	int rc = -ENOMEM;

	s->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
	    OF_AN_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MEMORY, MHD_OPTION_END);
	if (!s->daemon) {
		close(fd);
		return -ENOMEM;
	}
	info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info) {
		s->epoll = info->epoll_fd;
		rc = loop_fd_add(s->control->loop, s->epoll, EPOLLIN, on_event, s);
	}
	if (rc == 0)
		return 0;
	MHD_stop_daemon(s->daemon);
	s->daemon = NULL;
	return rc;
}

static void
try_to_listen(struct metrics_server *s)
{
	int fd = listen_at(s->address), rc = fd;

	if (fd >= 0)
		rc = start_daemon(s, fd);
	if (rc == 0) {
		log_event(LOG_LEVEL_INFO, "metrics-listening", "address", s->address, NULL);
		return;
	}
	log_event(LOG_LEVEL_ERROR, "metrics-unavailable", "address", s->address, "reason",
		  strerror(-rc), NULL);
	loop_timer_arm(s->timer, loop_now() + AGAIN_AFTER);
}

static void
on_timer(void *arg)
{
	struct metrics_server *s = arg;

	if (s->daemon)
		run_daemon(s);
	else
		try_to_listen(s);
}

/* ---- verbs ---- */

struct metrics_server *
metrics_server_create(struct control *control, struct counters *counters)
{
	struct metrics_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->control = control;
	s->counters = counters;
	s->timer = loop_timer_create(control->loop, on_timer, s);
	if (!s->timer) {
		free(s);
		return NULL;
	}
	return s;
}

void
metrics_server_destroy(struct metrics_server *s)
{
	if (!s)
		return;
	close_daemon(s);
	if (s->page)
		MHD_destroy_response(s->page);
	loop_timer_free(s->timer);
	free(s);
}

void
metrics_server_follow(struct metrics_server *s)
{
	const struct config *config = s->control->config;
	const char *address = config && config->admin.listen ? config->admin.listen : "";

	if (strncmp(address, s->address, sizeof(s->address) - 1) == 0)
		return;
	close_daemon(s);
	snprintf(s->address, sizeof(s->address), "%s", address);
	if (*s->address)
		try_to_listen(s);
}
