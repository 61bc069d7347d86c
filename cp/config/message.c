/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/config/message.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Length of the valid UTF-8 sequence at p (RFC 3629), or 0. Never reads past a NUL. */
static unsigned int
utf8_length(const unsigned char *p)
{
	unsigned int len, i;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : 3;
	if (p[0] >= 0xf0)
		len = 4;
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* Control characters of either set, and those that turn the direction of text. */
static bool
is_control(const unsigned char *p, unsigned int len)
{
	if (len == 1)
		return p[0] < 0x20 || p[0] == 0x7f;
	if (len == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	return len == 3 && p[0] == 0xe2 &&
	       ((p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
		(p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
}

const char *
text_printable(const char *text, char buf[QUOTED_LEN])
{
	const unsigned char *p = (const unsigned char *)text;
	size_t used = 0, shown = 0;

	while (*p) {
		unsigned int len = utf8_length(p);

		if (shown >= 80) {
			memcpy(buf + used, "...", 3);
			used += 3;
			break;
		}
		if (len == 0 || is_control(p, len)) {
			used += (size_t)snprintf(buf + used, QUOTED_LEN - used, "\\x%02x", *p);
			len = 1;
		} else {
			memcpy(buf + used, p, len);
			used += len;
		}
		p += len;
		shown += len;
	}
	buf[used] = '\0';
	return buf;
}

static bool
push(struct config_messages *m, int line, bool warning, char *text)
{
	/* Grow at powers of two: no capacity to store. */
	if ((m->count & (m->count - 1)) == 0) {
		size_t room = m->count ? m->count * 2 : 1;
		struct config_message *list = realloc(m->list, room * sizeof(*list));

		if (!list)
			return false;
		m->list = list;
	}
	m->list[m->count++] = (struct config_message){ line, warning, text };
	return true;
}

void
message_vadd(struct config_messages *m, const char *file, int line, bool warning, const char *fmt,
	     va_list args)
{
	char name[QUOTED_LEN];
	char *what = NULL, *text = NULL;
	int n = -1;

	if (!warning)
		m->errors++;
	if (m->count > MESSAGES_MAX)
		return;
	text_printable(file, name);
	if (m->count == MESSAGES_MAX) {
		if (asprintf(&text, "%s: too many errors; the rest is not shown", name) < 0 ||
		    !push(m, INT32_MAX, false, text))
			free(text);
		return;
	}
	if (vasprintf(&what, fmt, args) < 0)
		return;
	if (line > 0)
		n = asprintf(&text, "%s:%d: %s", name, line, what);
	else
		n = asprintf(&text, "%s: %s", name, what);
	free(what);
	if (n >= 0 && !push(m, line, warning, text))
		free(text);
}

void
message_add(struct config_messages *m, const char *file, int line, bool warning, const char *fmt,
	    ...)
{
	va_list args;

	va_start(args, fmt);
	message_vadd(m, file, line, warning, fmt, args);
	va_end(args);
}

/* Insertion keeps the order of equals; the messages come nearly in order, at most MESSAGES_MAX. */
void
messages_sort(struct config_messages *m)
{
	size_t i, j;

	for (i = 1; i < m->count; i++) {
		struct config_message x = m->list[i];

		for (j = i; j > 0 && m->list[j - 1].line > x.line; j--)
			m->list[j] = m->list[j - 1];
		m->list[j] = x;
	}
}

void
config_messages_free(struct config_messages *messages)
{
	size_t i;

	for (i = 0; i < messages->count; i++)
		free(messages->list[i].text);
	free(messages->list);
	*messages = (struct config_messages){ 0 };
}
