/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where lines go: a file, or a datagram socket. A thread of its own writes, so that a disk may take
 * as long as it likes; what it does not keep up with waits in a bounded queue, and what does not
 * fit there is dropped and counted.
 *
 * The control thread puts; it never waits. Invariant:
 *     lines put = written + dropped + those in the queue <= SINK_QUEUE bytes
 *
 * A file that was moved or removed is opened anew within a second, or at once by sink_reopen; what
 * is written in between is in the old one. A line that a full disk takes only half of is cut off
 * again.
 */
#ifndef CP_RECORD_SINK_H
#define CP_RECORD_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SINK_QUEUE (8u << 20)

struct sink;

struct sink_settings {
	const char *file;     /* or */
	const char *socket;   /* a path, or address and port */
	uint64_t rotate_size; /* of a file; 0: never */
	uint32_t keep;        /* old ones */
};

struct sink_counts {
	uint64_t written, dropped; /* lines */
	int error;                 /* errno of the last failure, 0: the last write was good */
};

/* NULL without memory or thread. */
struct sink *sink_create(const struct sink_settings *settings);
/* What is in the queue is still written: in the background, or (wait) before it returns, for some
 * seconds at the most. NULL is allowed. */
void sink_end(struct sink *s, bool wait);
/* `n` whole lines. False: there was no room, and they are counted as dropped. */
bool sink_put(struct sink *s, const char *lines, size_t length, uint64_t n);
void sink_reopen(struct sink *s);
void sink_counts(struct sink *s, struct sink_counts *out);
bool sink_is(const struct sink *s, const struct sink_settings *settings);

#endif
