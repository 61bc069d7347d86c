/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/record/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cp/socket_address.h"
#include "lib/addr.h"

#define PATIENCE_S 3 /* at the end */
#define NS         1000000000ull
/* A socket that nobody reads is tried again after so long. */
#define SOCKET_PAUSE (100 * 1000000ull)

struct block {
	struct block *next;
	size_t length;
	uint64_t lines;
	char bytes[];
};

struct sink {
	/* fixed */
	char *file, *socket;
	uint64_t rotate_size;
	uint32_t keep;
	pthread_t thread;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	struct block *first, **last;
	size_t queued; /* bytes */
	struct sink_counts counts;
	bool ending, reopen, over, orphan; /* orphan: the thread frees it */

	/* the thread only */
	int fd;
	uint64_t size, looked_at, pause_until;
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

/* ---- files: all of it on the thread ---------------------------------------------------------- */

static void
file_close(struct sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static int
file_open(struct sink *s)
{
	struct stat st;

	if (s->fd >= 0)
		return 0;
	s->fd = open(s->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	if (s->fd < 0)
		return -errno;
	s->size = fstat(s->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

/* Is it another file now that is called so, or none? */
static void
file_look(struct sink *s, bool reopen)
{
	struct stat ours, named;
	uint64_t now = now_ns();

	if (s->fd < 0 || (!reopen && now < s->looked_at + NS))
		return;
	s->looked_at = now;
	if (reopen || fstat(s->fd, &ours) < 0 || stat(s->file, &named) < 0 ||
	    ours.st_ino != named.st_ino || ours.st_dev != named.st_dev)
		file_close(s);
	else
		s->size = (uint64_t)ours.st_size;
}

/* FILE.1 -> FILE.2 -> ..., FILE -> FILE.1 */
static void
file_rotate(struct sink *s)
{
	size_t room = strlen(s->file) + 16;
	char *from = malloc(room), *to = malloc(room);
	uint32_t i;

	for (i = s->keep; from && to && i > 0; i--) {
		if (i > 1)
			snprintf(from, room, "%s.%u", s->file, i - 1);
		else
			snprintf(from, room, "%s", s->file);
		snprintf(to, room, "%s.%u", s->file, i);
		if (rename(from, to) < 0 && i == 1)
			break;
	}
	free(from);
	free(to);
	file_close(s);
}

/* How many bytes of the lines are in the file as whole lines; less than all: *error. */
static size_t
file_write(struct sink *s, const char *bytes, size_t length, int *error)
{
	size_t done = 0, torn = 0;
	ssize_t n;

	while (done < length) {
		n = write(s->fd, bytes + done, length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*error = n < 0 ? errno : ENOSPC;
			break;
		}
		done += (size_t)n;
	}
	s->size += done;
	while (done < length && torn < done && bytes[done - torn - 1] != '\n')
		torn++;
	if (torn && ftruncate(s->fd, (off_t)(s->size - torn)) == 0)
		s->size -= torn;
	return done - torn;
}

static uint64_t
count_lines(const char *bytes, size_t length)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < length; i++)
		n += bytes[i] == '\n';
	return n;
}

/* Lines written. */
static uint64_t
file_put(struct sink *s, const struct block *b, int *error)
{
	size_t done;

	if (s->rotate_size && s->fd >= 0 && s->size && s->size + b->length > s->rotate_size)
		file_rotate(s);
	*error = -file_open(s);
	if (*error)
		return 0;
	done = file_write(s, b->bytes, b->length, error);
	return done == b->length ? b->lines : count_lines(b->bytes, done);
}

/* ---- sockets --------------------------------------------------------------------------------- */

static int
socket_connect(struct sink *s)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 1 };
	struct sockaddr_storage far;
	struct addr addr;
	uint16_t port;
	socklen_t len;

	if (*s->socket == '/') {
		snprintf(local.sun_path, sizeof(local.sun_path), "%s", s->socket);
		memcpy(&far, &local, sizeof(local));
		len = sizeof(local);
	} else {
		if (addr_port_parse(s->socket, &addr, &port) < 0)
			return -EINVAL;
		len = socket_address(&addr, port, &far);
	}
	s->fd = socket(far.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(s->fd, (struct sockaddr *)&far, len) == 0)
		return 0;
	len = (socklen_t)errno;
	file_close(s);
	return -(int)len;
}

/* A line a datagram. */
static uint64_t
socket_put(struct sink *s, const struct block *b, int *error)
{
	const char *at = b->bytes, *end = b->bytes + b->length, *line;
	uint64_t written = 0;

	*error = s->counts.error;
	if (now_ns() < s->pause_until)
		return 0;
	*error = s->fd < 0 ? -socket_connect(s) : 0;
	for (; !*error && at < end; at = line + 1) {
		line = memchr(at, '\n', (size_t)(end - at));
		if (send(s->fd, at, (size_t)(line - at), MSG_NOSIGNAL) < 0)
			*error = errno;
		else
			written++;
	}
	if (*error) {
		file_close(s);
		s->pause_until = now_ns() + SOCKET_PAUSE;
	}
	return written;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void
write_block(struct sink *s, const struct block *b, bool reopen)
{
	uint64_t written;
	int error = 0;

	if (s->socket) {
		written = socket_put(s, b, &error);
	} else {
		file_look(s, reopen);
		written = file_put(s, b, &error);
	}
	pthread_mutex_lock(&s->lock);
	s->counts.written += written;
	s->counts.dropped += b->lines - written;
	s->counts.error = error;
	s->queued -= b->length;
	pthread_mutex_unlock(&s->lock);
}

static void
sink_free(struct sink *s)
{
	struct block *b;

	while ((b = s->first)) {
		s->first = b->next;
		free(b);
	}
	file_close(s);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	free(s->file);
	free(s->socket);
	free(s);
}

/* The next block; NULL: it is over. */
static struct block *
next_block(struct sink *s, bool *reopen)
{
	struct block *b;

	pthread_mutex_lock(&s->lock);
	while (!s->first && !s->ending && !s->reopen)
		pthread_cond_wait(&s->wake, &s->lock);
	b = s->first;
	if (b) {
		s->first = b->next;
		if (!s->first)
			s->last = &s->first;
	}
	*reopen = s->reopen;
	s->reopen = false;
	pthread_mutex_unlock(&s->lock);
	return b;
}

static void *
run(void *arg)
{
	struct sink *s = arg;
	struct block *b;
	bool reopen = false, orphan;

	if (s->file)
		file_open(s); /* so that it is there */
	while ((b = next_block(s, &reopen)) || reopen) {
		if (b)
			write_block(s, b, reopen);
		else
			file_look(s, true);
		if (!b && s->file)
			file_open(s);
		free(b);
	}
	pthread_mutex_lock(&s->lock);
	s->over = true;
	orphan = s->orphan;
	pthread_mutex_unlock(&s->lock);
	if (orphan)
		sink_free(s);
	return NULL;
}

/* ---- the control thread ---------------------------------------------------------------------- */

struct sink *
sink_create(const struct sink_settings *settings)
{
	struct sink *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fd = -1;
	s->last = &s->first;
	s->rotate_size = settings->rotate_size;
	s->keep = settings->keep;
	s->file = settings->file ? strdup(settings->file) : NULL;
	s->socket = settings->socket ? strdup(settings->socket) : NULL;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	if ((s->file || s->socket) && pthread_create(&s->thread, NULL, run, s) == 0)
		return s;
	sink_free(s);
	return NULL;
}

void
sink_end(struct sink *s, bool wait)
{
	struct timespec until;
	bool over = false;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait ? PATIENCE_S : 0;
	if (pthread_timedjoin_np(s->thread, NULL, &until) == 0) {
		sink_free(s);
		return;
	}
	pthread_mutex_lock(&s->lock);
	over = s->over;
	s->orphan = true;
	pthread_mutex_unlock(&s->lock);
	if (over) { /* meanwhile */
		pthread_join(s->thread, NULL);
		sink_free(s);
	} else {
		pthread_detach(s->thread);
	}
}

bool
sink_put(struct sink *s, const char *lines, size_t length, uint64_t n)
{
	struct block *b = malloc(sizeof(*b) + length);
	bool room;

	if (b) {
		*b = (struct block){ .length = length, .lines = n };
		memcpy(b->bytes, lines, length);
	}
	pthread_mutex_lock(&s->lock);
	room = b && s->queued + length <= SINK_QUEUE;
	if (room) {
		*s->last = b;
		s->last = &b->next;
		s->queued += length;
		pthread_cond_signal(&s->wake);
	} else {
		s->counts.dropped += n;
	}
	pthread_mutex_unlock(&s->lock);
	if (!room)
		free(b);
	return room;
}

void
sink_reopen(struct sink *s)
{
	pthread_mutex_lock(&s->lock);
	s->reopen = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void
sink_counts(struct sink *s, struct sink_counts *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->counts;
	pthread_mutex_unlock(&s->lock);
}

static bool
same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool
sink_is(const struct sink *s, const struct sink_settings *settings)
{
	return same(s->file, settings->file) && same(s->socket, settings->socket) &&
	       s->rotate_size == settings->rotate_size && s->keep == settings->keep;
}
