/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>

static bool use_syslog;

void
log_to_syslog(void)
{
	openlog("penstockd", LOG_PID, LOG_DAEMON);
	use_syslog = true;
}

static void
write_line(int level, const char *prefix, const char *format, va_list args)
{
	char line[2048];

	vsnprintf(line, sizeof(line), format, args);
	if (use_syslog)
		syslog(level, "%s%s", prefix, line);
	else
		fprintf(stderr, "penstockd: %s%s\n", prefix, line);
}

void
log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(LOG_INFO, "", format, args);
	va_end(args);
}

void
log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(LOG_WARNING, "warning: ", format, args);
	va_end(args);
}

void
log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(LOG_ERR, "error: ", format, args);
	va_end(args);
}
