/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `capture`: from the workers' rings (dp/capture.h) to whoever asked, as blocks of a pcapng file in
 * frames (lib/stream.h). The reader writes the file, with its own permissions.
 *
 * One capture at a time. A slow reader makes the rings lose records, which are counted; it holds up
 * neither a worker nor the loop. The capture ends when it has its number of packets, when the
 * reader has said enough (shut down its side) or is gone, or takes nothing for a minute. Control
 * thread only.
 */
#ifndef CP_CAPTURE_CAPTURES_H
#define CP_CAPTURE_CAPTURES_H

#include <jansson.h>
#include <stdint.h>

#include "cp/control.h"
#include "dp/capture.h"

struct captures;

/* NULL without memory. */
struct captures *captures_create(struct control *control);
/* Workers may still run: waits for each to end its iteration. */
void captures_destroy(struct captures *c);

struct capture_request {
	struct capture_filter filter;
	uint32_t snaplen; /* 1 to CAPTURE_SNAPLEN_MAX */
	uint64_t count;   /* packets, in and out together; UINT64_MAX: until the reader ends it */
	/* Gives the reader's socket, which is ours from then on. */
	int (*take)(void *arg);
	void *arg;
};

/* Fill in filter, snaplen and count by a request's options. 0, or -EINVAL with a sentence. */
int capture_request_read(struct control *control, json_t *request, struct capture_request *out,
			 char error[256]);

/* Begin. The reader gets its answer line, then frames. -EBUSY: one runs already; -ENOMEM; then the
 * reader's socket was not taken. */
int captures_start(struct captures *c, const struct capture_request *request);

#endif
