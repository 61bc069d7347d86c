/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "cp/log_line.h"

#define SECOND       1000000000ULL
#define RATE         50
#define BURST        500
#define KEEP_FOR_BAD 100
#define REPEAT_TIME  (10 * SECOND)
#define INSTANCE_MAX 256

/* What was said last, so that saying it again can be counted. */
struct last_line {
	struct log_entry entry;
	struct log_field fields[LOG_FIELDS_MAX];
	char texts[LOG_LINE_MAX]; /* what entry and fields point to */
	size_t len;               /* bytes of texts that are used; 0: nothing was said yet */
	unsigned long repeated;
	uint64_t since; /* of the first repetition */
};

static struct {
	struct log_config config;
	char instance[INSTANCE_MAX];
	bool background, syslog_open;
	struct last_line last;
	uint64_t refilled;
	unsigned int spent; /* of BURST */
	unsigned long left_out, lost;
} logger = { .config = { .level = LOG_LEVEL_INFO } };

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static bool
to_syslog(void)
{
	return logger.background || logger.config.target == LOG_TARGET_SYSLOG;
}

void
log_configure(const struct log_config *config, const char *instance)
{
	log_flush();
	logger.config = *config;
	snprintf(logger.instance, sizeof(logger.instance), "%s", instance ? instance : "");
}

void
log_background(void)
{
	log_flush();
	logger.background = true;
}

/* ---- writing ---- */

static void
write_syslog(const struct log_entry *entry, const char *line)
{
	static const int levels[] = { LOG_ERR, LOG_WARNING, LOG_INFO };

	if (!logger.syslog_open)
		openlog("penstockd", LOG_PID, LOG_DAEMON);
	logger.syslog_open = true;
	syslog(levels[entry->level], "%s", line);
}

/* poll says that a pipe is writable when it has room for PIPE_BUF bytes, more than a line. */
static void
write_stderr(char *line, size_t len)
{
	struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };

	line[len] = '\n';
	if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT) ||
	    write(STDERR_FILENO, line, len + 1) != (ssize_t)(len + 1))
		logger.lost++;
}

static void
write_entry(struct log_entry *entry)
{
	static const char name[] = "penstockd: ";
	char line[sizeof(name) + LOG_LINE_MAX];
	char *start = line + sizeof(name) - 1;
	bool json = logger.config.format == LOG_FORMAT_JSON;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &entry->time);
	entry->instance = logger.instance;
	len = json ? log_line_json(entry, start) : log_line_text(entry, start);
	if (to_syslog()) {
		write_syslog(entry, start);
		return;
	}
	if (json) {
		write_stderr(start, len);
		return;
	}
	memcpy(line, name, sizeof(name) - 1);
	write_stderr(line, len + sizeof(name) - 1);
}

static void
write_count(const char *event, unsigned long *count, const char *message)
{
	char text[24];
	struct log_field fields[] = { { "message", message }, { "#count", text } };
	struct log_entry entry = {
		.level = LOG_LEVEL_WARNING, .event = event, .fields = fields, .n_fields = 2
	};

	snprintf(text, sizeof(text), "%lu", *count);
	*count = 0;
	write_entry(&entry);
}

/* ---- bounds ---- */

/* True if a line of this level may be written now, and is charged. */
static bool
may_write(enum log_level level)
{
	uint64_t t = now(), refill = (t - logger.refilled) / (SECOND / RATE);
	unsigned int most = level == LOG_LEVEL_INFO ? BURST - KEEP_FOR_BAD : BURST;

	if (refill > 0) {
		logger.spent = refill < logger.spent ? logger.spent - (unsigned int)refill : 0;
		logger.refilled = t;
	}
	if (logger.spent >= most)
		return false;
	logger.spent++;
	return true;
}

static void
say(struct log_entry *entry)
{
	if (!may_write(entry->level)) {
		logger.left_out++;
		return;
	}
	if (logger.left_out > 0)
		write_count("log-left-out", &logger.left_out, "lines were left out: too many");
	if (logger.lost > 0)
		write_count("log-lost", &logger.lost,
			    "lines were lost: whoever reads the log is too slow");
	write_entry(entry);
}

/* ---- repetitions ---- */

static void
say_repeated(void)
{
	struct last_line *last = &logger.last;

	if (last->repeated == 0)
		return;
	last->entry.repeated = last->repeated;
	last->repeated = 0;
	say(&last->entry);
	last->entry.repeated = 0;
}

static bool
is_last(const struct log_entry *entry)
{
	const struct last_line *last = &logger.last;
	size_t i;

	if (!last->len || last->entry.level != entry->level ||
	    last->entry.n_fields != entry->n_fields || strcmp(last->entry.event, entry->event) != 0)
		return false;
	for (i = 0; i < entry->n_fields; i++) {
		if (strcmp(last->fields[i].key, entry->fields[i].key) != 0 ||
		    strcmp(last->fields[i].text, entry->fields[i].text) != 0)
			return false;
	}
	return true;
}

/* NULL if there is no room. */
static const char *
keep(struct last_line *last, const char *text)
{
	size_t len = strlen(text) + 1;
	char *at = last->texts + last->len;

	if (len > sizeof(last->texts) - last->len)
		return NULL;
	memcpy(at, text, len);
	last->len += len;
	return at;
}

/* What does not fit is not remembered, and so never found to be repeated. */
static void
remember(const struct log_entry *entry)
{
	struct last_line *last = &logger.last;
	size_t i;

	last->len = 0;
	last->entry = *entry;
	last->entry.fields = last->fields;
	last->entry.event = keep(last, entry->event);
	for (i = 0; i < entry->n_fields; i++) {
		last->fields[i].key = keep(last, entry->fields[i].key);
		last->fields[i].text = keep(last, entry->fields[i].text);
		if (!last->fields[i].key || !last->fields[i].text) {
			last->len = 0;
			return;
		}
	}
}

void
log_flush(void)
{
	say_repeated();
	logger.last.len = 0;
}

void
log_tick(void)
{
	if (logger.last.repeated > 0 && now() - logger.last.since >= REPEAT_TIME)
		say_repeated();
	if (logger.left_out > 0 && may_write(LOG_LEVEL_WARNING))
		write_count("log-left-out", &logger.left_out, "lines were left out: too many");
}

static void
submit(struct log_entry *entry)
{
	if (is_last(entry)) {
		if (logger.last.repeated++ == 0)
			logger.last.since = now();
		if (now() - logger.last.since >= REPEAT_TIME)
			say_repeated();
		return;
	}
	say_repeated();
	remember(entry);
	say(entry);
}

/* ---- verbs ---- */

static void
submit_fields(enum log_level level, const char *event, va_list args)
{
	struct log_field fields[LOG_FIELDS_MAX];
	struct log_entry entry = { .level = level, .event = event, .fields = fields };
	const char *key, *text;

	while ((key = va_arg(args, const char *)) && entry.n_fields < LOG_FIELDS_MAX) {
		text = va_arg(args, const char *);
		if (text)
			fields[entry.n_fields++] = (struct log_field){ key, text };
	}
	submit(&entry);
}

void
log_event(enum log_level level, const char *event, ...)
{
	va_list args;

	if (level > logger.config.level)
		return;
	va_start(args, event);
	submit_fields(level, event, args);
	va_end(args);
}

void
log_event_always(const char *event, ...)
{
	va_list args;

	va_start(args, event);
	submit_fields(LOG_LEVEL_INFO, event, args);
	va_end(args);
}

static void
log_sentence(enum log_level level, const char *format, va_list args)
{
	char sentence[2048];

	vsnprintf(sentence, sizeof(sentence), format, args);
	log_event(level, "message", "message", sentence, NULL);
}

void
log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_sentence(LOG_LEVEL_INFO, format, args);
	va_end(args);
}

void
log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_sentence(LOG_LEVEL_WARNING, format, args);
	va_end(args);
}

void
log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_sentence(LOG_LEVEL_ERROR, format, args);
	va_end(args);
}
