/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture: the daemon's stream of pcapng blocks into a file, until it ends or somebody ends it.
 *
 * Ctrl-C shuts down our side of the socket; the daemon then sends what it still has. When the disk
 * is full, the file keeps the blocks that are whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/stream.h"
#include "tools/client.h"
#include "tools/penstock.h"
#include "tools/values.h"

struct sink {
	const char *name;
	int fd;
	off_t good; /* bytes that are whole blocks */
};

/* For the signal handler. */
static volatile int stream_fd = -1;

static void
on_interrupt(int signal)
{
	int error = errno;

	(void)signal;
	shutdown(stream_fd, SHUT_WR);
	errno = error;
}

/* The second signal ends us as it would have without this. */
static void
catch_signals(int fd)
{
	struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };

	stream_fd = fd;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* ---- the file ---- */

static int
sink_open(struct sink *s, const char *name)
{
	*s = (struct sink){ .name = name, .fd = STDOUT_FILENO };
	if (strcmp(name, "-") == 0) {
		if (isatty(STDOUT_FILENO))
			return complain(EXIT_USAGE, "a capture is not for a terminal");
		return EXIT_DONE;
	}
	s->fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (s->fd < 0)
		return complain(EXIT_REFUSED, "cannot write %s: %s", name, strerror(errno));
	return EXIT_DONE;
}

/* How many of the first `len` bytes at `blocks` are whole blocks. */
static size_t
whole_blocks(const uint8_t *blocks, size_t len)
{
	size_t at = 0;

	while (len - at >= 12) {
		const uint8_t *p = blocks + at + 4;
		uint32_t length =
		    p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

		if (length < 12 || length > len - at)
			break;
		at += length;
	}
	return at;
}

/* The file shall not end in the middle of a block. */
static int
sink_fail(struct sink *s, const uint8_t *blocks, size_t written)
{
	int error = errno;
	struct stat st;

	s->good += (off_t)whole_blocks(blocks, written);
	if (fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode) && ftruncate(s->fd, s->good) < 0)
		complain(EXIT_REFUSED, "%s ends in the middle of a packet", s->name);
	return complain(EXIT_REFUSED, "cannot write %s: %s; the capture has ended", s->name,
			strerror(error));
}

static int
sink_write(struct sink *s, const uint8_t *blocks, size_t len)
{
	size_t written = 0;

	while (written < len) {
		ssize_t n = write(s->fd, blocks + written, len - written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return sink_fail(s, blocks, written);
		written += (size_t)n;
	}
	s->good += (off_t)len;
	return EXIT_DONE;
}

static int
sink_close(struct sink *s, int code)
{
	if (s->fd != STDOUT_FILENO && close(s->fd) < 0 && code == EXIT_DONE)
		return complain(EXIT_REFUSED, "cannot write %s: %s", s->name, strerror(errno));
	return code;
}

/* ---- the stream ---- */

/* False: the stream ended before. */
static bool
receive_all(int fd, uint8_t *bytes, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = recv(fd, bytes + got, len - got, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

/* Say on standard error what the last frame says. */
static int
finish(const struct sink *s, const uint8_t *text, size_t len)
{
	json_t *end = json_loadb((const char *)text, len, 0, NULL);
	json_int_t packets = json_integer_value(json_object_get(end, "packets"));
	json_int_t lost = json_integer_value(json_object_get(end, "lost"));
	const char *reason = json_string_value(json_object_get(end, "reason"));
	int code = EXIT_DONE;

	fprintf(stderr, "%" JSON_INTEGER_FORMAT " packets in %s, %" JSON_INTEGER_FORMAT " lost\n",
		packets, strcmp(s->name, "-") == 0 ? "the output" : s->name, lost);
	if (reason && strcmp(reason, "stopped") != 0 && strncmp(reason, "all ", 4) != 0)
		code = complain(EXIT_REFUSED, "the capture has ended: %s", reason);
	json_decref(end);
	return code;
}

static int
copy_stream(int fd, struct sink *s)
{
	uint8_t header[STREAM_HEADER], *content = malloc(STREAM_LENGTH_MAX);
	uint32_t kind, length;
	int code = EXIT_DONE;

	while (content && code == EXIT_DONE) {
		bool whole = receive_all(fd, header, sizeof(header));

		if (whole)
			stream_header_read(header, &kind, &length);
		if (whole && length > STREAM_LENGTH_MAX) {
			code = complain(EXIT_NO_DAEMON, "not a stream of penstockd's");
			break;
		}
		/* It may stop in the middle of a frame; the blocks before are whole. */
		if (!whole || !receive_all(fd, content, length)) {
			code = complain(EXIT_NO_DAEMON, "the daemon has ended the capture");
			break;
		}
		if (kind == STREAM_END) {
			code = finish(s, content, length);
			break;
		}
		if (kind == STREAM_BLOCKS)
			code = sink_write(s, content, length);
	}
	if (!content)
		code = complain(EXIT_REFUSED, "no memory");
	free(content);
	return code;
}

static json_t *
capture_request(const struct options *o)
{
	json_t *request = json_pack("{s:s, s:s*, s:s*, s:b}", "command", "capture", "service",
				    o->service, "client", o->client, "drops", (int)o->drops);

	if (request && o->count)
		json_object_set_new(request, "count", json_integer(o->count));
	if (request && o->snaplen)
		json_object_set_new(request, "snaplen", json_integer(o->snaplen));
	return request;
}

int
command_capture(const struct options *o)
{
	json_t *request;
	struct sink sink;
	int fd, code;

	if (o->client && value_prefix("client", o->client) != EXIT_DONE)
		return EXIT_USAGE;
	request = capture_request(o);
	if (!request)
		return complain(EXIT_USAGE, "capture: its options must be UTF-8");
	fd = client_stream(o->socket, request, &code);
	if (fd < 0)
		return code;
	/* Not before the daemon has agreed: the file may be an older capture. */
	code = sink_open(&sink, o->argument);
	if (code != EXIT_DONE) {
		close(fd);
		return code;
	}
	catch_signals(fd);
	code = sink_close(&sink, copy_stream(fd, &sink));
	close(fd);
	return code;
}
