/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/trace/span.h"

#include <stdbool.h>

#include "cp/record/json_text.h"

/* As in enum SpanKind and enum StatusCode of opentelemetry/proto/trace/v1/trace.proto. */
#define KIND_SERVER  "2"
#define STATUS_ERROR "2"

static_assert(SPAN_MAX > 7 * RECORD_TEXT + 4000, "whatever the texts are");

struct span {
	char *at;
	bool more; /* an attribute stands there */
};

static void
key(struct span *s, const char *name)
{
	s->at = json_put(s->at, s->more ? ",{\"key\":\"" : "{\"key\":\"");
	s->at = json_put(s->at, name);
	s->at = json_put(s->at, "\",\"value\":{\"");
	s->more = true;
}

static void
text(struct span *s, const char *name, const char *bytes, size_t length)
{
	key(s, name);
	s->at = json_put_text(json_put(s->at, "stringValue\":"), bytes, length);
	s->at = json_put(s->at, "}}");
}

static void
word(struct span *s, const char *name, const char *value)
{
	text(s, name, value, strlen(value));
}

static void
number(struct span *s, const char *name, uint64_t value)
{
	key(s, name);
	s->at = json_put_number(json_put(s->at, "intValue\":\""), value);
	s->at = json_put(s->at, "\"}}");
}

/* RFC 9110 and PATCH; others are "_OTHER", so that there are not any number of them. */
static bool
is_known(const char *method, size_t length)
{
	static const char *const known[] = { "GET",    "HEAD",    "POST",    "PUT",  "PATCH",
					     "DELETE", "CONNECT", "OPTIONS", "TRACE" };
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i]) == length && memcmp(known[i], method, length) == 0)
			return true;
	return false;
}

static void
put_method(struct span *s, const struct http_record *r)
{
	if (!r->method_length)
		return;
	if (is_known(r->text, r->method_length)) {
		text(s, "http.request.method", r->text, r->method_length);
	} else {
		word(s, "http.request.method", "_OTHER");
		text(s, "http.request.method_original", r->text, r->method_length);
	}
}

/* "host:port", or with an IPv6 address in brackets. */
static void
put_server(struct span *s, const char *host, size_t length)
{
	size_t end = length;

	while (end && host[end - 1] >= '0' && host[end - 1] <= '9')
		end--;
	if (!end || host[end - 1] != ':') {
		text(s, "server.address", host, length);
		return;
	}
	text(s, "server.address", host, end - 1);
	text(s, "penstock.server_port", host + end, length - end);
}

static void
put_url(struct span *s, const struct http_record *r)
{
	const char *path = record_path(r), *query = memchr(path, '?', r->path_length);
	size_t length = query ? (size_t)(query - path) : r->path_length;

	if (!r->method_length)
		return;
	word(s, "url.scheme", "http");
	text(s, "url.path", path, length);
	if (query)
		text(s, "url.query", query + 1, r->path_length - length - 1);
	if (r->host_length)
		put_server(s, record_host(r), r->host_length);
	word(s, "network.protocol.version", r->minor ? "1.1" : "1.0");
}

static void
put_ours(struct span *s, const struct http_record *r, const struct record_context *c)
{
	char at[ADDR_PORT_STRLEN];

	text(s, "penstock.listener", record_listener(r), r->listener_length);
	if (r->route_length)
		text(s, "penstock.route", record_route(r), r->route_length);
	if (r->flags & HTTP_RECORD_BACKEND) {
		if (c->pool)
			word(s, "penstock.pool", c->pool);
		word(s, "penstock.backend", addr_port_format(&r->backend, r->backend_port, at));
		number(s, "penstock.connect_ns", r->connect);
		number(s, "penstock.first_byte_ns", r->first_byte);
		number(s, "penstock.retries", r->retries);
	}
	number(s, "penstock.queue_ns", r->queue);
	number(s, "penstock.worker", c->worker);
}

static bool
is_error(const struct http_record *r)
{
	return r->status >= 500 || (r->flags & HTTP_RECORD_CUT_OFF);
}

static void
put_error(struct span *s, const struct http_record *r)
{
	char status[8];

	if (!is_error(r))
		return;
	*json_put_number(status, r->status) = '\0';
	word(s, "error.type", r->cause ? http_cause_name(r->cause) : status);
}

static void
put_attributes(struct span *s, const struct http_record *r, const struct record_context *c)
{
	char client[ADDR_STRLEN];

	s->at = json_put(s->at, ",\"attributes\":[");
	put_method(s, r);
	put_url(s, r);
	if (r->status)
		number(s, "http.response.status_code", r->status);
	number(s, "http.request.body.size", r->bytes_in);
	number(s, "http.response.body.size", r->bytes_out);
	addr_format(&r->client, client);
	word(s, "client.address", client);
	number(s, "client.port", r->client_port);
	put_ours(s, r, c);
	put_error(s, r);
	*s->at++ = ']';
}

static char *
put_name(char *at, const struct http_record *r)
{
	char name[2 * RECORD_NAME_MAX + 8];
	size_t n = 0;

	if (is_known(r->text, r->method_length)) {
		memcpy(name, r->text, r->method_length);
		n = r->method_length;
	} else {
		memcpy(name, "HTTP", 4);
		n = 4;
	}
	if (r->route_length) {
		name[n++] = ' ';
		memcpy(name + n, record_route(r), r->route_length);
		n += r->route_length;
	}
	return json_put_text(json_put(at, ",\"name\":"), name, n);
}

size_t
span_write(const struct http_record *r, const struct record_context *c, char out[SPAN_MAX])
{
	uint64_t began = (uint64_t)(c->wall + (int64_t)r->began);
	struct span s = { .at = json_put(out, "{\"traceId\":") };

	s.at = json_put_hex(s.at, r->trace_id, TRACE_ID);
	s.at = json_put_hex(json_put(s.at, ",\"spanId\":"), r->span_id, TRACE_SPAN);
	if (r->flags & HTTP_RECORD_PARENT)
		s.at = json_put_hex(json_put(s.at, ",\"parentSpanId\":"), r->parent_id, TRACE_SPAN);
	s.at = put_name(s.at, r);
	s.at = json_put(s.at, ",\"kind\":" KIND_SERVER ",\"startTimeUnixNano\":\"");
	s.at = json_put_number(s.at, began);
	s.at = json_put_number(json_put(s.at, "\",\"endTimeUnixNano\":\""), began + r->total);
	*s.at++ = '"';
	put_attributes(&s, r, c);
	if (is_error(r))
		s.at = json_put(s.at, ",\"status\":{\"code\":" STATUS_ERROR "}");
	*s.at++ = '}';
	return (size_t)(s.at - out);
}

size_t
span_begin(const char *service_name, const char *instance, char out[SPAN_MAX])
{
	struct span s = { .at = json_put(out,
					 "{\"resourceSpans\":[{\"resource\":{\"attributes\":[") };

	text(&s, "service.name", service_name, strnlen(service_name, 256));
	text(&s, "service.instance.id", instance, strnlen(instance, 256));
	text(&s, "gateway_instance", instance, strnlen(instance, 256));
	s.at = json_put(s.at, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"penstock\"},\"spans\":[");
	return (size_t)(s.at - out);
}
