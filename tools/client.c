/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/penstock.h"

#define PATIENCE_SECONDS 60

__attribute__((format(printf, 3, 4))) static void
fail(struct client_failure *f, int code, const char *format, ...)
{
	va_list arguments;

	f->code = code;
	va_start(arguments, format);
	vsnprintf(f->text, sizeof(f->text), format, arguments);
	va_end(arguments);
}

/* A connection, or -1. */
static int
connect_to(const char *path, struct client_failure *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = f->seconds };
	int fd, error;

	if (!*path || strlen(path) >= sizeof(address.sun_path)) {
		fail(f, EXIT_USAGE, "--socket: the path must have 1 to %zu bytes",
		     sizeof(address.sun_path) - 1);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		fail(f, EXIT_REFUSED, "cannot make a socket: %s", strerror(errno));
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = errno;
	close(fd);
	if (error == EACCES || error == EPERM)
		fail(f, EXIT_REFUSED, "no permission to use %s; be root, or in the socket's group",
		     path);
	else
		fail(f, EXIT_NO_DAEMON, "no daemon answers at %s: %s", path, strerror(error));
	return -1;
}

/* A daemon that refuses a request may close before it has read it all: its answer is there
 * nevertheless, so a failure here is left to receive_line. */
static void
send_line(int fd, const char *line, size_t len)
{
	size_t sent = 0;

	while (sent < len) {
		ssize_t n = send(fd, line + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		sent += (size_t)n;
	}
}

/* A line, NUL-terminated without its newline, to be freed; NULL if it did not come, errno says why
 * (0: closed). */
static char *
receive_line(int fd)
{
	size_t len = 0, size = 65536;
	char *line = malloc(size);

	while (line) {
		char *newline = NULL, *grown;
		/* No byte behind the line is taken: a stream may follow. */
		ssize_t n = recv(fd, line + len, size - len, MSG_PEEK);

		if (n > 0) {
			newline = memchr(line + len, '\n', (size_t)n);
			n = recv(fd, line + len,
				 newline ? (size_t)(newline - line) - len + 1 : (size_t)n, 0);
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				errno = 0;
			break;
		}
		if (newline) {
			*newline = '\0';
			return line;
		}
		len += (size_t)n;
		if (len < size)
			continue;
		grown = realloc(line, size * 2);
		if (!grown)
			break;
		line = grown;
		size *= 2;
	}
	free(line);
	return NULL;
}

static json_t *
exchange(int fd, json_t *request, const char *path, struct client_failure *f)
{
	char *line = json_dumps(request, JSON_COMPACT), *reply;
	json_t *answer;
	size_t len;

	if (!line) {
		fail(f, EXIT_REFUSED, "no memory for the request");
		return NULL;
	}
	len = strlen(line);
	line[len] = '\n'; /* in the place of its NUL: it is sent by length */
	send_line(fd, line, len + 1);
	free(line);
	reply = receive_line(fd);
	if (!reply) {
		const char *why = errno ? strerror(errno) : "it closed the connection";

		if (errno == EAGAIN)
			why = "it took too long";
		fail(f, EXIT_NO_DAEMON, "the daemon at %s gave no answer: %s", path, why);
		return NULL;
	}
	answer = json_loads(reply, 0, NULL);
	free(reply);
	if (!answer)
		fail(f, EXIT_NO_DAEMON, "what answers at %s is not penstockd", path);
	return answer;
}

/* The reasons of a refusal, one a line: they are complete sentences with file and line. */
static void
print_messages(json_t *answer)
{
	json_t *messages = json_object_get(answer, "messages");
	size_t i;

	for (i = 0; i < json_array_size(messages); i++) {
		const char *text = json_string_value(json_array_get(messages, i));

		fprintf(stderr, "%s\n", text ? text : "");
	}
}

/* The whole answer, takes the reference to request; NULL: see f. */
static json_t *
answer_to(const char *socket_path, json_t *request, struct client_failure *f)
{
	json_t *answer = NULL;
	int fd = connect_to(socket_path, f);

	if (fd >= 0) {
		answer = exchange(fd, request, socket_path, f);
		close(fd);
	}
	json_decref(request);
	return answer;
}

/* Its result, a new reference; NULL: see f. */
static json_t *
result_of(json_t *answer, struct client_failure *f)
{
	json_t *result = json_object_get(answer, "result");
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (!json_is_true(json_object_get(answer, "ok")))
		fail(f, EXIT_REFUSED, "%s", error ? error : "refused");
	else if (!result)
		fail(f, EXIT_REFUSED, "the daemon's answer has no result");
	else
		return json_incref(result);
	return NULL;
}

json_t *
client_try(const char *socket_path, json_t *request, struct client_failure *f)
{
	json_t *answer = answer_to(socket_path, request, f), *result;

	if (!answer)
		return NULL;
	result = result_of(answer, f);
	json_decref(answer);
	return result;
}

json_t *
client_ask(const char *socket_path, json_t *request, bool quiet, int *code)
{
	struct client_failure f = { .seconds = PATIENCE_SECONDS };
	json_t *answer = answer_to(socket_path, request, &f), *result = NULL;

	if (answer)
		result = result_of(answer, &f);
	*code = EXIT_DONE;
	if (!result) {
		*code = f.code;
		print_messages(answer);
		if (answer || !quiet || f.code != EXIT_NO_DAEMON)
			complain(f.code, "%s", f.text);
	}
	json_decref(answer);
	return result;
}

int
client_stream(const char *socket_path, json_t *request, int *code)
{
	struct client_failure f = { .seconds = PATIENCE_SECONDS };
	const struct timeval forever = { 0 };
	int fd = connect_to(socket_path, &f);
	json_t *answer = fd < 0 ? NULL : exchange(fd, request, socket_path, &f);
	json_t *result = answer ? result_of(answer, &f) : NULL;

	json_decref(request);
	json_decref(answer);
	json_decref(result);
	*code = result ? EXIT_DONE : complain(f.code, "%s", f.text);
	if (result) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}
