/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the socket is in one of three states, and never in two:
 *
 *     reading ──a whole line──> waiting ──the answer──> writing ──all sent──> reading
 *                               (command)
 *
 * Only reading and writing have a deadline; what a client sends ahead stays in the kernel (and then
 * in its own process) until it is read again. Whoever breaks a bound gets a refusal and is closed.
 */
#include "cp/admin/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cp/admin/admin_socket.h"
#include "cp/admin/command.h"
#include "cp/admin/metrics_server.h"
#include "cp/log.h"

#define CLIENTS_MAX   32
#define REQUEST_MAX   (17u << 20)  /* bytes of a request line */
#define REQUESTS_MAX  (64u << 20)  /* ... of all that are being read */
#define REQUEST_FIRST 4096         /* bytes of a buffer at first */
#define ACCEPT_MAX    16           /* connections in one turn of the loop */
#define READ_MAX      (256u << 10) /* bytes of one client in one turn of the loop */
#define SECOND        1000000000ull
#define DEADLINE      (10 * SECOND) /* to send a request; to take any part of an answer */

struct admin_client {
	struct admin *admin;
	int fd; /* -1: free */
	uint64_t deadline;
	/* reading: [in_start, in_len) has come; a whole line in it is run before more is read */
	char *in;
	size_t in_start, in_len, in_size;
	size_t in_scanned; /* [in_start, in_scanned) has no newline */
	char *out;         /* writing: [out_sent, out_len) is left; NULL otherwise */
	size_t out_len, out_sent;
	bool waiting; /* a command runs */
	bool last;    /* close when all is sent */
};

struct admin {
	struct control *control;
	struct commands *commands;
	struct metrics_server *metrics;
	struct loop_timer *timer;
	int fd;
	struct stat file; /* of the socket as we made it */
	char group[64];   /* of the file; empty: the process's */
	size_t requests;  /* sum of in_size */
	struct admin_client clients[CLIENTS_MAX];
};

/* ---- clients ---- */

static void
client_forget_input(struct admin_client *c)
{
	c->admin->requests -= c->in_size;
	free(c->in);
	c->in = NULL;
	c->in_start = c->in_scanned = c->in_len = c->in_size = 0;
}

static void
client_close(struct admin_client *c)
{
	if (c->waiting)
		command_cancel(c->admin->commands, c);
	client_forget_input(c);
	free(c->out);
	loop_fd_remove(c->admin->control->loop, c->fd);
	close(c->fd);
	*c = (struct admin_client){ .admin = c->admin, .fd = -1 };
}

/* The end of the first whole line that has come, NULL if there is none. */
static const char *
client_newline(struct admin_client *c)
{
	const char *newline = NULL;

	if (c->in_len > c->in_scanned)
		newline = memchr(c->in + c->in_scanned, '\n', c->in_len - c->in_scanned);
	c->in_scanned = newline ? (size_t)(newline - c->in) : c->in_len;
	return newline;
}

/* Send what is left. False if the client was closed. */
static bool
client_write(struct admin_client *c)
{
	while (c->out_sent < c->out_len) {
		ssize_t n =
		    send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			loop_fd_modify(c->admin->control->loop, c->fd, EPOLLOUT);
			return true;
		}
		if (n <= 0) {
			client_close(c);
			return false;
		}
		c->out_sent += (size_t)n;
		c->deadline = loop_now() + DEADLINE;
	}
	if (c->last) {
		client_close(c);
		return false;
	}
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_sent = 0;
	if (c->in_start == c->in_len)
		client_forget_input(c);
	/* A line that came together with the last one gets the next turn: writable it is. */
	loop_fd_modify(c->admin->control->loop, c->fd,
		       client_newline(c) ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return true;
}

/* The answer to the client's command: command.h calls this. */
static void
client_answer(void *arg, char *line, size_t len)
{
	struct admin_client *c = arg;

	c->waiting = false;
	if (!line) {
		client_close(c);
		return;
	}
	c->out = line;
	c->out_len = len;
	c->out_sent = 0;
	c->deadline = loop_now() + DEADLINE;
	client_write(c);
}

/* A command keeps the socket. */
static int
client_take(void *arg)
{
	struct admin_client *c = arg;
	int fd = c->fd;

	loop_fd_remove(c->admin->control->loop, fd);
	client_forget_input(c);
	*c = (struct admin_client){ .admin = c->admin, .fd = -1 };
	return fd;
}

/* Say why and close. */
static void
client_refuse(struct admin_client *c, const char *reason)
{
	size_t len = 0;
	char *line = command_refusal(reason, &len);

	c->last = true;
	client_forget_input(c);
	client_answer(c, line, len);
}

/* Room for more of the request; false if the client was closed. */
static bool
client_room(struct admin_client *c)
{
	size_t size = c->in_size ? c->in_size * 2 : REQUEST_FIRST;
	char *grown;

	if (c->in_start > 0) {
		c->in_len -= c->in_start;
		c->in_scanned -= c->in_start;
		memmove(c->in, c->in + c->in_start, c->in_len);
		c->in_start = 0;
	}
	if (c->in_len < c->in_size)
		return true;
	if (c->in_size >= REQUEST_MAX) {
		client_refuse(c, "the request is longer than 17 MiB");
		return false;
	}
	if (size > REQUEST_MAX)
		size = REQUEST_MAX;
	if (c->admin->requests - c->in_size + size > REQUESTS_MAX) {
		client_refuse(c, "too many long requests at once; try again");
		return false;
	}
	grown = realloc(c->in, size);
	if (!grown) {
		client_refuse(c, "no memory for the request");
		return false;
	}
	c->admin->requests += size - c->in_size;
	c->in = grown;
	c->in_size = size;
	return true;
}

/* Run the line that ends at newline. The client may be closed afterwards. */
static void
client_run(struct admin_client *c, const char *newline)
{
	const char *line = c->in + c->in_start;

	c->in_start = c->in_scanned = (size_t)(newline - c->in) + 1;
	c->waiting = true;
	/* No more input until it is answered; a client that goes away is still noticed. */
	loop_fd_modify(c->admin->control->loop, c->fd, 0);
	command_run(c->admin->commands, line, (size_t)(newline - line), client_answer, c);
}

static void
client_read(struct admin_client *c)
{
	size_t taken = 0;

	while (taken < READ_MAX) {
		const char *newline;
		ssize_t n;

		if (!client_room(c))
			return;
		n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			client_close(c);
			return;
		}
		if (c->in_len == 0)
			c->deadline = loop_now() + DEADLINE;
		c->in_len += (size_t)n;
		taken += (size_t)n;
		newline = client_newline(c);
		if (newline) {
			client_run(c, newline);
			return;
		}
	}
}

static void
client_event(int fd, uint32_t events, void *arg)
{
	struct admin_client *c = arg;
	const char *newline;

	(void)fd;
	if (c->waiting) {
		/* Only EPOLLHUP and EPOLLERR come now. */
		client_close(c);
		return;
	}
	if (c->out) {
		client_write(c);
		return;
	}
	newline = client_newline(c);
	if (newline)
		client_run(c, newline);
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		client_read(c);
}

/* ---- the socket ---- */

/* Give an accepted descriptor to a free client, or close it. */
static void
admin_take(struct admin *a, int fd)
{
	static const char full[] = "{\"ok\":false,\"error\":\"too many connections\"}\n";
	struct admin_client *c = a->clients;

	while (c < a->clients + CLIENTS_MAX && c->fd >= 0)
		c++;
	if (c == a->clients + CLIENTS_MAX) {
		send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL);
		close(fd);
		return;
	}
	c->fd = fd;
	c->deadline = loop_now() + DEADLINE;
	if (loop_fd_add(a->control->loop, fd, EPOLLIN, client_event, c) < 0) {
		close(fd);
		c->fd = -1;
	}
}

static void
admin_accept(int fd, uint32_t events, void *arg)
{
	struct admin *a = arg;
	unsigned int i;

	(void)events;
	for (i = 0; i < ACCEPT_MAX; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client >= 0) {
			admin_take(a, client);
			continue;
		}
		/* Out of descriptors or memory: look again with the next tick, not at once. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			loop_fd_modify(a->control->loop, fd, 0);
		return;
	}
}

/* The group may change with the configuration. An unknown one leaves the socket as it is. */
static void
follow_group(struct admin *a)
{
	const struct config *config = a->control->config;
	const char *group = config && config->admin.group ? config->admin.group : "";
	char error[256];

	if (strncmp(group, a->group, sizeof(a->group) - 1) == 0)
		return;
	snprintf(a->group, sizeof(a->group), "%s", group);
	if (admin_socket_group(a->control->socket_path, *group ? group : NULL, error,
			       sizeof(error)) < 0)
		log_warning("%s", error);
}

static void
admin_tick(void *arg)
{
	struct admin *a = arg;
	uint64_t now = loop_now();
	struct admin_client *c;

	for (c = a->clients; c < a->clients + CLIENTS_MAX; c++) {
		if (c->fd < 0 || c->waiting || c->deadline > now)
			continue;
		if (c->out || c->last || c->in_len == c->in_start)
			client_close(c);
		else
			client_refuse(c, "the request did not come to its end in 10 seconds");
	}
	loop_fd_modify(a->control->loop, a->fd, EPOLLIN);
	commands_tick(a->commands);
	log_tick();
	loop_timer_arm(a->timer, now + SECOND);
}

void
admin_published(struct admin *a)
{
	if (!a)
		return;
	commands_published(a->commands);
	follow_group(a);
	metrics_server_follow(a->metrics);
}

/* Everything but the socket. */
static struct admin *
admin_allocate(struct control *control)
{
	struct admin *a = calloc(1, sizeof(*a));
	size_t i;

	if (!a)
		return NULL;
	a->control = control;
	a->fd = -1;
	for (i = 0; i < CLIENTS_MAX; i++)
		a->clients[i] = (struct admin_client){ .admin = a, .fd = -1 };
	a->commands = commands_create(control);
	if (a->commands)
		commands_allow_streams(a->commands, client_take);
	a->timer = loop_timer_create(control->loop, admin_tick, a);
	if (a->commands)
		a->metrics = metrics_server_create(control, commands_counters(a->commands));
	if (!a->commands || !a->metrics || !a->timer) {
		admin_destroy(a);
		return NULL;
	}
	return a;
}

struct admin *
admin_create(struct control *control, const char **error)
{
	static char sentence[512];
	const char *group = control->config ? control->config->admin.group : NULL;
	struct admin *a = admin_allocate(control);

	*error = "no memory for the admin socket";
	if (!a)
		return NULL;
	snprintf(a->group, sizeof(a->group), "%s", group ? group : "");
	a->fd = admin_socket_listen(control->socket_path, group, sentence, sizeof(sentence));
	if (a->fd < 0) {
		*error = sentence;
		admin_destroy(a);
		return NULL;
	}
	if (stat(control->socket_path, &a->file) < 0 ||
	    loop_fd_add(control->loop, a->fd, EPOLLIN, admin_accept, a) < 0) {
		*error = "cannot watch the admin socket";
		admin_destroy(a);
		return NULL;
	}
	loop_timer_arm(a->timer, loop_now() + SECOND);
	return a;
}

void
admin_destroy(struct admin *a)
{
	struct stat now;
	size_t i;

	if (!a)
		return;
	for (i = 0; i < CLIENTS_MAX; i++) {
		if (a->clients[i].fd >= 0)
			client_close(&a->clients[i]);
	}
	if (a->fd >= 0) {
		loop_fd_remove(a->control->loop, a->fd);
		/* Not a file that another process has put there since. */
		if (stat(a->control->socket_path, &now) == 0 && now.st_ino == a->file.st_ino &&
		    now.st_dev == a->file.st_dev)
			unlink(a->control->socket_path);
		close(a->fd);
	}
	loop_timer_free(a->timer);
	metrics_server_destroy(a->metrics);
	commands_destroy(a->commands);
	free(a);
}
