/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an event looks as a line of the log. No I/O, no clock, no state: any thread.
 */
#ifndef CP_LOG_LINE_H
#define CP_LOG_LINE_H

#include <stddef.h>
#include <time.h>

#include "cp/log.h"

#define LOG_FIELDS_MAX 24
/* With the name before it less than a pipe takes at once or not at all (PIPE_BUF). */
#define LOG_LINE_MAX 4000

struct log_field {
	const char *key, *text; /* as for log_event */
};

struct log_entry {
	enum log_level level;
	const char *event;
	const struct log_field *fields;
	size_t n_fields;
	struct timespec time; /* of the day */
	const char *instance;
	unsigned long repeated; /* so many times more; 0: the first time */
};

/* "error", "warning", "info". */
const char *log_level_name(enum log_level level);

/* The line with its NUL but without newline and without what syslog adds; returns its length.
 * What does not fit is cut off between two fields or within a field's text, and what is left is
 * well-formed. */
size_t log_line_text(const struct log_entry *entry, char out[LOG_LINE_MAX]);
size_t log_line_json(const struct log_entry *entry, char out[LOG_LINE_MAX]);

#endif
