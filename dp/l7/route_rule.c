/* SPDX-License-Identifier: Apache-2.0 */
/* What a route asks for beside host and path: methods, fields, query parameters. */
#include <string.h>

#include "dp/l7/route_parts.h"

/* ---- methods --------------------------------------------------------------------------------- */

/* They are told by case (RFC 9110 9.1). */
static bool
method_holds(const struct http_asked *asked, const struct http_rule *rule)
{
	const struct http_head *h = asked->question->head;
	const uint8_t *name = asked->question->bytes + h->method_name.at;
	const struct http_word *w = asked->table->words + rule->words, *end = w + rule->n_words;

	if (rule->methods == 0 && rule->n_words == 0)
		return true;
	if (h->method != HTTP_METHOD_OTHER)
		return rule->methods >> h->method & 1;
	for (; w < end; w++)
		if (w->length == h->method_name.length &&
		    memcmp(asked->table->text + w->text, name, w->length) == 0)
			return true;
	return false;
}

/* ---- fields ---------------------------------------------------------------------------------- */

static bool
field_holds(const struct http_asked *asked, const struct http_condition *c,
	    const struct http_field *f)
{
	const uint8_t *bytes = asked->question->bytes, *text = asked->table->text;

	if (f->known != c->known || f->name.length != c->name_length ||
	    !http_same_name(bytes + f->name.at, text + c->name, c->name_length))
		return false;
	switch (c->test) {
	case HTTP_TEST_VALUE:
		return f->value.length == c->value_length &&
		       memcmp(bytes + f->value.at, text + c->value, c->value_length) == 0;
	case HTTP_TEST_REGEX:
		return http_regex_matches(asked, c->regex, bytes + f->value.at, f->value.length);
	default:
		return true;
	}
}

/* Any of the fields with that name. */
static bool
header_holds(const struct http_asked *asked, const struct http_condition *c)
{
	const struct http_head *h = asked->question->head;
	const struct http_field *f;

	if (c->known != HTTP_UNKNOWN && !(h->present & http_known_bit(c->known)))
		return false;
	for (f = h->fields; f < h->fields + h->n_fields; f++)
		if (field_holds(asked, c, f))
			return true;
	return false;
}

/* ---- query parameters ------------------------------------------------------------------------ */

struct bytes {
	const uint8_t *at, *end;
};

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next byte without its escape (RFC 3986 2.1). A percent sign that escapes nothing is itself,
 * and so is a plus sign: that it means a space is known to forms only. */
static uint8_t
next_byte(struct bytes *in)
{
	uint8_t c = *in->at++;
	int high, low;

	if (c != '%' || in->end - in->at < 2)
		return c;
	high = hex_digit(in->at[0]);
	low = hex_digit(in->at[1]);
	if (high < 0 || low < 0)
		return c;
	in->at += 2;
	return (uint8_t)(high << 4 | low);
}

static bool
means(struct bytes in, const uint8_t *text, size_t length)
{
	for (; length > 0; length--)
		if (in.at == in.end || next_byte(&in) != *text++)
			return false;
	return in.at == in.end;
}

static bool
value_matches(const struct http_asked *asked, uint32_t regex, struct bytes in)
{
	uint8_t *value = http_scratch_value(asked->scratch);
	size_t n = 0;

	if (!memchr(in.at, '%', (size_t)(in.end - in.at)))
		return http_regex_matches(asked, regex, in.at, (size_t)(in.end - in.at));
	while (in.at < in.end && n < HTTP_SUBJECT_MOST)
		value[n++] = next_byte(&in);
	if (in.at < in.end)
		return http_regex_too_long(asked);
	return http_regex_matches(asked, regex, value, n);
}

/* "name=value"; "name" alone has an empty value. */
static bool
parameter_holds(const struct http_asked *asked, const struct http_condition *c, struct bytes p)
{
	const uint8_t *text = asked->table->text;
	const uint8_t *equals = memchr(p.at, '=', (size_t)(p.end - p.at));
	struct bytes name = { p.at, equals ? equals : p.end };
	struct bytes value = { equals ? equals + 1 : p.end, p.end };

	if (!means(name, text + c->name, c->name_length))
		return false;
	switch (c->test) {
	case HTTP_TEST_VALUE:
		return means(value, text + c->value, c->value_length);
	case HTTP_TEST_REGEX:
		return value_matches(asked, c->regex, value);
	default:
		return true;
	}
}

/* Any of the parameters with that name. */
static bool
query_holds(const struct http_asked *asked, const struct http_condition *c)
{
	struct http_span query = asked->question->head->query;
	const uint8_t *at = asked->question->bytes + query.at, *end = at + query.length, *stop;

	for (; at < end; at = stop + 1) {
		stop = memchr(at, '&', (size_t)(end - at));
		if (!stop)
			stop = end;
		if (stop > at && parameter_holds(asked, c, (struct bytes){ at, stop }))
			return true;
	}
	return false;
}

/* ---- all of them ----------------------------------------------------------------------------- */

bool
http_rule_holds(const struct http_asked *asked, const struct http_rule *rule)
{
	const struct http_question *q = asked->question;
	const struct http_condition *c = asked->table->conditions + rule->conditions;
	const struct http_condition *end = c + rule->n_conditions;

	if (!method_holds(asked, rule))
		return false;
	for (; c < end; c++)
		if (!(c->kind == HTTP_CONDITION_HEADER ? header_holds(asked, c)
						       : query_holds(asked, c)))
			return false;
	return rule->regex == HTTP_REGEX_NONE ||
	       http_regex_matches(asked, rule->regex, q->path, q->path_length);
}
