/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/record/line.h"

#include <stdbool.h>

#include "cp/record/json_text.h"

static_assert(RECORD_LINE_MAX > 6 * (RECORD_TEXT + 2 * 64) + 1500, "whatever the texts are");

static char *
put_time(char *at, struct record_context *c, uint64_t ns)
{
	uint64_t wall = (uint64_t)(c->wall + (int64_t)ns);
	uint32_t micros = (uint32_t)(wall / 1000 % 1000000), part;
	time_t second = (time_t)(wall / 1000000000);
	struct tm tm;

	if (second != c->second || !c->second_text[0]) {
		gmtime_r(&second, &tm);
		strftime(c->second_text, sizeof(c->second_text), "%Y-%m-%dT%H:%M:%S.", &tm);
		c->second = second;
	}
	at = json_put(json_put(at, "{\"time\":\""), c->second_text);
	for (part = 100000; part; part /= 10)
		*at++ = (char)('0' + micros / part % 10);
	return json_put(at, "Z\"");
}

static char *
put_field(char *at, const char *name, const char *bytes, size_t length)
{
	return json_put_text(json_put(at, name), bytes, length);
}

static char *
put_count(char *at, const char *name, uint64_t number)
{
	return json_put_number(json_put(at, name), number);
}

static char *
put_backend(char *at, const struct http_record *r, const struct record_context *c)
{
	char text[ADDR_PORT_STRLEN];

	if (!(r->flags & HTTP_RECORD_BACKEND))
		return at;
	if (c->pool)
		at = put_field(at, ",\"pool\":", c->pool, strlen(c->pool));
	addr_port_format(&r->backend, r->backend_port, text);
	at = put_field(at, ",\"backend\":", text, strlen(text));
	return json_put(at,
			r->flags & HTTP_RECORD_REUSED ? ",\"reused\":true" : ",\"reused\":false");
}

static char *
put_trace(char *at, const struct http_record *r)
{
	static const uint8_t none[TRACE_SPAN];

	if (!(r->flags & HTTP_RECORD_TRACED))
		return at;
	at = json_put_hex(json_put(at, ",\"trace_id\":"), r->trace_id, TRACE_ID);
	if (memcmp(r->span_id, none, TRACE_SPAN) != 0)
		at = json_put_hex(json_put(at, ",\"span_id\":"), r->span_id, TRACE_SPAN);
	if (r->flags & HTTP_RECORD_PARENT)
		at = json_put_hex(json_put(at, ",\"parent_id\":"), r->parent_id, TRACE_SPAN);
	return at;
}

static char *
put_end(char *at, const struct http_record *r)
{
	if (r->cause) {
		const char *cause = http_cause_name(r->cause);

		at = put_field(at, ",\"cause\":", cause, strlen(cause));
	}
	if (r->flags & HTTP_RECORD_CUT_OFF)
		at = json_put(at, ",\"cut_off\":true");
	if (r->flags & HTTP_RECORD_PATH_CUT)
		at = json_put(at, ",\"path_cut\":true");
	if (r->flags & HTTP_RECORD_HOST_CUT)
		at = json_put(at, ",\"host_cut\":true");
	return json_put(at, "}\n");
}

size_t
record_line(const struct http_record *r, struct record_context *c, char out[RECORD_LINE_MAX])
{
	char text[ADDR_STRLEN], *at = put_time(out, c, r->began);

	at = put_field(at, ",\"gateway_instance\":", c->instance, strlen(c->instance));
	at = put_field(at, ",\"service_name\":", record_listener(r), r->listener_length);
	at = put_count(at, ",\"worker\":", c->worker);
	addr_format(&r->client, text);
	at = put_field(at, ",\"client\":", text, strlen(text));
	at = put_count(at, ",\"client_port\":", r->client_port);
	if (r->method_length) {
		at = put_field(at, ",\"method\":", r->text, r->method_length);
		at = put_field(at, ",\"host\":", record_host(r), r->host_length);
		at = put_field(at, ",\"path\":", record_path(r), r->path_length);
		at = json_put(at, r->minor ? ",\"protocol\":\"HTTP/1.1\""
					   : ",\"protocol\":\"HTTP/1.0\"");
	}
	if (r->route_length)
		at = put_field(at, ",\"route\":", record_route(r), r->route_length);
	at = put_count(at, ",\"status\":", r->status);
	at = put_count(at, ",\"bytes_in\":", r->bytes_in);
	at = put_count(at, ",\"bytes_out\":", r->bytes_out);
	at = put_backend(at, r, c);
	at = put_count(at, ",\"retries\":", r->retries);
	at = put_count(at, ",\"queue_ns\":", r->queue);
	at = put_count(at, ",\"connect_ns\":", r->connect);
	at = put_count(at, ",\"first_byte_ns\":", r->first_byte);
	at = put_count(at, ",\"total_ns\":", r->total);
	at = put_trace(at, r);
	return (size_t)(put_end(at, r) - out);
}
