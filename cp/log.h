/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's log: events with fields, one a line, as text or as JSON, on standard error or in
 * syslog. Control thread only (workers count, they do not log).
 *
 * Text, for people; syslog and the service manager add the time:
 *
 *     penstockd: warning: backend-down pool=web backend=10.2.0.11:8080 reason="status 503"
 *
 * JSON, for programs:
 *
 *     {"time":"2026-01-31T12:00:00.123Z","level":"warning","gateway_instance":"edge-1",
 *      "event":"backend-down","pool":"web","backend":"10.2.0.11:8080","reason":"status 503"}
 *
 * A line that is the same as the one before is counted instead of written; the count follows when
 * something else is said, or after 10 seconds. Lines are bounded to 50 a second and bursts of 500,
 * of which the last 100 are for warnings and errors; what was left out is counted and said. Writing
 * never waits: lines that a full pipe does not take are counted and said as well.
 */
#ifndef CP_LOG_H
#define CP_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,   /* something does not work */
	LOG_LEVEL_WARNING, /* somebody should look */
	LOG_LEVEL_INFO,    /* what happened */
};

enum log_target {
	LOG_TARGET_DEFAULT, /* standard error, or syslog in the background */
	LOG_TARGET_STDERR,
	LOG_TARGET_SYSLOG,
};

enum log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON,
};

struct log_config {
	enum log_format format;
	enum log_target target;
	enum log_level level; /* write this and what is worse */
};

/* How to write from now on; instance (copied) is gateway_instance. */
void log_configure(const struct log_config *config, const char *instance);
/* The process is in the background: standard error is nobody's any more. */
void log_background(void);

/*
 * An event: a name in the manner of "backend-down", then fields, each a key and its text, both
 * const char *, and NULL:
 *
 *     log_event(LOG_LEVEL_WARNING, "backend-down", "pool", pool, "backend", text, NULL);
 *
 * A key that begins with '#' has a text that is a decimal number, and stands without the '#'. The
 * field "message" is a sentence: text has it first and without its key. Fields whose text is NULL
 * are left out. Texts may have any bytes.
 */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

/* The same, whatever the configured level; for what somebody waits for. It counts as info. */
void log_event_always(const char *event, ...) __attribute__((sentinel));

/* The event "message" with nothing but a sentence; no newline at its end. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Once a second: say what is still only counted. */
void log_tick(void);
/* Say it now; before the process ends. */
void log_flush(void);

#endif
