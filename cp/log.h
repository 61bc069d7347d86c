/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's log: lines on standard error, or syslog when it runs in the background. Control
 * thread only (workers count, they do not log).
 */
#ifndef CP_LOG_H
#define CP_LOG_H

/* Send lines to syslog from now on. */
void log_to_syslog(void);
/* One line, without a newline at its end. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
