/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What workers have noted of requests that are over (dp/l7/record.h), on its way out: as lines to a
 * file or socket, and as spans to a collector of traces.
 *
 *     rings of the workers ──turn──> lines ──> sinks (threads)
 *                                └─> spans ──> exporter (libcurl)
 *
 * Control thread only. Nothing here waits: what is not taken is dropped by name and counted.
 */
#ifndef CP_RECORD_RECORDS_H
#define CP_RECORD_RECORDS_H

#include <stdint.h>

#include "cp/control.h"

struct records;

/* NULL without memory. */
struct records *records_create(struct control *control);
/* What is in the rings still goes out, for some seconds at the most. NULL is allowed. The workers
 * have ended. */
void records_destroy(struct records *r);
/* A configuration has been published. */
void records_published(struct records *r);
/* Open the file anew: whoever rotates it has asked for that. */
void records_reopen(struct records *r);

/* Where records and spans were left behind, and how many: X(name, reason). */
struct records_counts {
	uint64_t written;       /* lines in the file */
	uint64_t sent;          /* datagrams */
	uint64_t spans;         /* that the collector has taken */
	uint64_t ring_full;     /* records that a worker had no room for */
	uint64_t file_lost;     /* lines that the disk did not take, or not soon enough */
	uint64_t socket_lost;   /* the same of the socket */
	uint64_t spans_queue;   /* spans: the collector was too slow, or away */
	uint64_t spans_refused; /* spans that the collector did not want */
};
void records_count(struct records *r, struct records_counts *out);

#endif
