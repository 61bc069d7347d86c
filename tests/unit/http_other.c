/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http_other.h"

#include <http_parser.h>
#include <stdio.h>
#include <string.h>

struct listener {
	struct http_seen *seen;
	const char *text;
	bool in_value, complete, stop;
};

static struct listener *
listener(http_parser *p)
{
	return p->data;
}

static void
extend(struct other_span *s, const struct listener *l, const char *at, size_t length)
{
	if (s->length == 0)
		s->at = (size_t)(at - l->text);
	s->length = (size_t)(at - l->text) + length - s->at;
}

static int
on_url(http_parser *p, const char *at, size_t length)
{
	extend(&listener(p)->seen->target, listener(p), at, length);
	return 0;
}

static int
on_name(http_parser *p, const char *at, size_t length)
{
	struct listener *l = listener(p);

	if (l->in_value || l->seen->n_fields == 0)
		if (++l->seen->n_fields > OTHER_FIELDS_MAX)
			return -1;
	l->in_value = false;
	extend(&l->seen->names[l->seen->n_fields - 1], l, at, length);
	return 0;
}

static int
on_value(http_parser *p, const char *at, size_t length)
{
	struct listener *l = listener(p);

	l->in_value = true;
	extend(&l->seen->values[l->seen->n_fields - 1], l, at, length);
	return 0;
}

static int
on_head(http_parser *p)
{
	struct listener *l = listener(p);

	l->seen->minor = p->http_minor;
	l->seen->status = p->status_code;
	if (p->type == HTTP_REQUEST)
		snprintf(l->seen->method, sizeof(l->seen->method), "%s",
			 http_method_str((enum http_method)p->method));
	l->seen->has_length = p->flags & F_CONTENTLENGTH;
	l->seen->length = p->content_length;
	l->seen->chunked = p->flags & F_CHUNKED;
	l->seen->keep_alive = http_should_keep_alive(p);
	if (l->stop) {
		l->complete = true;
		http_parser_pause(p, 1);
	}
	return 0;
}

static int
on_payload(http_parser *p, const char *at, size_t length)
{
	struct http_seen *seen = listener(p)->seen;

	if (length > sizeof(seen->payload) - seen->n_payload)
		return -1;
	memcpy(seen->payload + seen->n_payload, at, length);
	seen->n_payload += length;
	return 0;
}

static int
on_message(http_parser *p)
{
	listener(p)->complete = true;
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_url = on_url,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_headers_complete = on_head,
	.on_body = on_payload,
	.on_message_complete = on_message,
};

static void
result(const http_parser *p, const struct listener *l)
{
	l->seen->good = l->complete;
	if (!l->complete)
		l->seen->error = HTTP_PARSER_ERRNO(p) == HPE_OK
				     ? "incomplete"
				     : http_errno_name(HTTP_PARSER_ERRNO(p)) + strlen("HPE_");
}

void
other_read_head(const char *text, size_t len, bool response, struct http_seen *seen)
{
	struct listener l = { .seen = seen, .text = text, .stop = true };
	http_parser p;

	memset(seen, 0, sizeof(*seen));
	http_parser_init(&p, response ? HTTP_RESPONSE : HTTP_REQUEST);
	p.data = &l;
	http_parser_execute(&p, &settings, text, len);
	result(&p, &l);
}

void
other_read_chunked(const char *text, size_t len, struct http_seen *seen)
{
	static const char head[] =
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
	struct listener l = { .seen = seen, .text = head };
	http_parser p;

	memset(seen, 0, sizeof(*seen));
	http_parser_init(&p, HTTP_REQUEST);
	p.data = &l;
	http_parser_execute(&p, &settings, head, sizeof(head) - 1);
	l.text = text;
	http_parser_execute(&p, &settings, text, len);
	result(&p, &l);
}
