/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/penstock.h"

#define PATIENCE_SECONDS 60

/* A connection, or -1 with *code. */
static int
connect_to(const char *path, bool quiet, int *code)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	int fd, error;

	*code = EXIT_USAGE;
	if (!*path || strlen(path) >= sizeof(address.sun_path)) {
		complain(*code, "--socket: the path must have 1 to %zu bytes",
			 sizeof(address.sun_path) - 1);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*code = EXIT_REFUSED;
	if (fd < 0) {
		complain(*code, "cannot make a socket: %s", strerror(errno));
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = errno;
	close(fd);
	if (error == EACCES || error == EPERM) {
		complain(*code, "no permission to use %s; be root, or in the socket's group", path);
		return -1;
	}
	*code = EXIT_NO_DAEMON;
	if (!quiet)
		complain(*code, "no daemon answers at %s: %s", path, strerror(error));
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
		char *newline, *grown;
		ssize_t n = recv(fd, line + len, size - len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				errno = 0;
			break;
		}
		newline = memchr(line + len, '\n', (size_t)n);
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
exchange(int fd, json_t *request, const char *path, int *code)
{
	char *line = json_dumps(request, JSON_COMPACT), *reply;
	json_t *answer;
	size_t len;

	*code = EXIT_REFUSED;
	if (!line) {
		complain(*code, "no memory for the request");
		return NULL;
	}
	len = strlen(line);
	line[len] = '\n'; /* in the place of its NUL: it is sent by length */
	send_line(fd, line, len + 1);
	free(line);
	*code = EXIT_NO_DAEMON;
	reply = receive_line(fd);
	if (!reply) {
		const char *why = errno ? strerror(errno) : "it closed the connection";

		if (errno == EAGAIN)
			why = "it took too long";
		complain(*code, "the daemon at %s gave no answer: %s", path, why);
		return NULL;
	}
	answer = json_loads(reply, 0, NULL);
	free(reply);
	if (!answer)
		complain(*code, "what answers at %s is not penstockd", path);
	return answer;
}

/* The reasons of a refusal, one a line: they are complete sentences with file and line. */
static void
print_refusal(json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	json_t *messages = json_object_get(answer, "messages");
	size_t i;

	for (i = 0; i < json_array_size(messages); i++) {
		const char *text = json_string_value(json_array_get(messages, i));

		fprintf(stderr, "%s\n", text ? text : "");
	}
	complain(EXIT_REFUSED, "%s", error ? error : "refused");
}

json_t *
client_ask(const char *socket_path, json_t *request, bool quiet, int *code)
{
	json_t *answer, *result = NULL;
	int fd = connect_to(socket_path, quiet, code);

	if (fd < 0) {
		json_decref(request);
		return NULL;
	}
	answer = exchange(fd, request, socket_path, code);
	json_decref(request);
	close(fd);
	if (!answer)
		return NULL;
	*code = EXIT_REFUSED;
	if (json_is_true(json_object_get(answer, "ok"))) {
		result = json_incref(json_object_get(answer, "result"));
		*code = EXIT_DONE;
	} else {
		print_refusal(answer);
	}
	json_decref(answer);
	if (!result && *code == EXIT_DONE)
		*code = complain(EXIT_REFUSED, "the daemon's answer has no result");
	return result;
}
