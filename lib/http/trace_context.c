/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http/trace_context.h"

#include <assert.h>
#include <string.h>

#define LONG_MEMBER 128 /* the first to go where there is no room */

/* ---- traceparent ----------------------------------------------------------------------------- */

/* A lower-case hexadecimal digit, -1. */
static int
digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `n` bytes of two digits each. */
static bool
hex_read(uint8_t *out, const uint8_t *text, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool
is_zero(const uint8_t *bytes, size_t n)
{
	while (n && !bytes[n - 1])
		n--;
	return !n;
}

bool
trace_parent_parse(struct trace_parent *out, const uint8_t *bytes, size_t length)
{
	uint8_t version;

	if (length < TRACE_PARENT_SIZE || !hex_read(&version, bytes, 1) || version == 0xff)
		return false;
	if (length > TRACE_PARENT_SIZE && (!version || bytes[TRACE_PARENT_SIZE] != '-'))
		return false;
	if (bytes[2] != '-' || bytes[35] != '-' || bytes[52] != '-')
		return false;
	return hex_read(out->trace_id, bytes + 3, TRACE_ID) &&
	       hex_read(out->span_id, bytes + 36, TRACE_SPAN) &&
	       hex_read(&out->flags, bytes + 53, 1) && !is_zero(out->trace_id, TRACE_ID) &&
	       !is_zero(out->span_id, TRACE_SPAN);
}

static uint8_t *
hex_write(uint8_t *out, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < n; i++) {
		*out++ = (uint8_t)digits[bytes[i] >> 4];
		*out++ = (uint8_t)digits[bytes[i] & 15];
	}
	return out;
}

void
trace_parent_write(const struct trace_parent *parent, uint8_t out[TRACE_PARENT_SIZE])
{
	const uint8_t flags = parent->flags & TRACE_SAMPLED;

	memcpy(out, "00-", 3);
	out = hex_write(out + 3, parent->trace_id, TRACE_ID);
	*out++ = '-';
	out = hex_write(out, parent->span_id, TRACE_SPAN);
	*out++ = '-';
	hex_write(out, &flags, 1);
}

bool
trace_by_share(const uint8_t trace_id[TRACE_ID], uint64_t share)
{
	uint64_t random = 0;
	size_t i;

	for (i = TRACE_ID - 7; i < TRACE_ID; i++)
		random = random << 8 | trace_id[i];
	return random >= TRACE_SHARE_WHOLE - share;
}

/* ---- tracestate ------------------------------------------------------------------------------ */

static bool
is_lower_or_digit(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* One part of a key, section 3.3.1.3.1; up to `most` characters. */
static bool
is_key_part(const uint8_t *at, size_t n, size_t most, bool digit_first)
{
	size_t i;

	if (!n || n > most || !is_lower_or_digit(at[0]) || (!digit_first && at[0] <= '9'))
		return false;
	for (i = 1; i < n; i++)
		if (!is_lower_or_digit(at[i]) && !memchr("_-*/", at[i], 4))
			return false;
	return true;
}

static bool
is_key(const uint8_t *at, size_t n)
{
	const uint8_t *sign = memchr(at, '@', n);
	size_t tenant;

	if (!sign)
		return is_key_part(at, n, 256, true);
	tenant = (size_t)(sign - at);
	return is_key_part(at, tenant, 241, true) &&
	       is_key_part(sign + 1, n - tenant - 1, 14, false);
}

/* key=value, without white space around it. */
static bool
is_member(const uint8_t *at, size_t n)
{
	const uint8_t *sign = memchr(at, '=', n);
	size_t i, key = sign ? (size_t)(sign - at) : 0;

	if (!sign || !is_key(at, key) || n - key - 1 > 256 || n == key + 1)
		return false;
	for (i = key + 1; i < n; i++)
		if (at[i] < 0x20 || at[i] > 0x7e || at[i] == ',' || at[i] == '=')
			return false;
	return true;
}

struct members {
	struct trace_text list[TRACE_MEMBERS_MAX];
	size_t n, length; /* of the whole as text */
};

static bool
members_add(struct members *m, const uint8_t *at, const uint8_t *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (at < end && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (at == end)
		return true;
	if (m->n == TRACE_MEMBERS_MAX || !is_member(at, (size_t)(end - at)))
		return false;
	m->list[m->n] = (struct trace_text){ at, (size_t)(end - at) };
	m->length += m->list[m->n].length + (m->n > 0);
	m->n++;
	return true;
}

static bool
members_read(struct members *m, const struct trace_text *fields, size_t n)
{
	size_t i;

	m->n = m->length = 0;
	for (i = 0; i < n; i++) {
		const uint8_t *at = fields[i].bytes, *end = at + fields[i].length, *comma;

		while ((comma = memchr(at, ',', (size_t)(end - at)))) {
			if (!members_add(m, at, comma))
				return false;
			at = comma + 1;
		}
		if (!members_add(m, at, end))
			return false;
	}
	return true;
}

static void
members_remove(struct members *m, size_t i)
{
	m->length -= m->list[i].length + (m->n > 1);
	m->n--;
	memmove(&m->list[i], &m->list[i + 1], (m->n - i) * sizeof(m->list[0]));
}

/* No more than there is room for. */
static void
members_fit(struct members *m)
{
	size_t i = m->n;

	while (i-- > 0 && m->length > TRACE_STATE_MAX)
		if (m->list[i].length > LONG_MEMBER)
			members_remove(m, i);
	while (m->length > TRACE_STATE_MAX)
		members_remove(m, m->n - 1);
}

int
trace_state_join(const struct trace_text *fields, size_t n, uint8_t out[TRACE_STATE_MAX])
{
	struct members m = { .n = 0 };
	size_t i, at = 0;

	if (!members_read(&m, fields, n))
		return -1;
	members_fit(&m);
	for (i = 0; i < m.n; i++) {
		assert(m.list[i].bytes);
		if (i)
			out[at++] = ',';
		memcpy(out + at, m.list[i].bytes, m.list[i].length);
		at += m.list[i].length;
	}
	return (int)at;
}
