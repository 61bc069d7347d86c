/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace that a request belongs to (W3C Trace Context): a valid traceparent is continued with a
 * span of ours, otherwise a trace begins here. Whether a span is exported is decided at the end:
 * all errors, all slow ones, and a share of the rest by the trace's id.
 */
#include "dp/l7/internal.h"

#define STATES_MAX 16 /* fields; a request with more begins a list anew */

/* The value of traceparent, if there is exactly one. */
static bool
parent_find(const struct http_head *head, const uint8_t *bytes, struct trace_parent *out)
{
	const struct http_field *f = http_find(head, HTTP_TRACEPARENT), *other;

	if (!f)
		return false;
	for (other = f + 1; other < head->fields + head->n_fields; other++)
		if (other->known == HTTP_TRACEPARENT)
			return false;
	return trace_parent_parse(out, bytes + f->value.at, f->value.length);
}

/* Eight bytes that nobody else makes, never all zero. */
static void
random_bytes(struct http *h, uint8_t out[8])
{
	uint64_t number;

	do {
		h->trace_count++;
		number = siphash13(&h->trace_key, &h->trace_count, sizeof(h->trace_count));
	} while (!number);
	memcpy(out, &number, sizeof(number));
}

void
http_trace_begin(struct http *h, struct http_record *r, const uint8_t *bytes)
{
	const struct http_seen_settings *seen = &h->worker->snapshot->seen;
	struct trace_parent parent;
	bool continued = bytes && parent_find(&h->head, bytes, &parent);

	if (continued) {
		memcpy(r->trace_id, parent.trace_id, TRACE_ID);
		memcpy(r->parent_id, parent.span_id, TRACE_SPAN);
		r->trace_flags = parent.flags & TRACE_SAMPLED;
		r->flags |= HTTP_RECORD_PARENT | HTTP_RECORD_TRACED;
	}
	if (!seen->tracing)
		return;
	if (!continued) {
		random_bytes(h, r->trace_id);
		random_bytes(h, r->trace_id + 8);
	}
	random_bytes(h, r->span_id);
	r->flags |= HTTP_RECORD_TRACED;
	if (trace_by_share(r->trace_id, seen->share))
		r->trace_flags |= TRACE_SAMPLED;
}

bool
http_trace_wants(const struct http *h, const struct http_record *r)
{
	static const uint8_t none[TRACE_SPAN];
	const struct http_seen_settings *seen = &h->worker->snapshot->seen;

	if (!seen->tracing || memcmp(r->span_id, none, TRACE_SPAN) == 0)
		return false;
	return r->status >= 500 || (r->flags & HTTP_RECORD_CUT_OFF) ||
	       (seen->slow && r->total >= seen->slow) || trace_by_share(r->trace_id, seen->share);
}

/* ---- to the backend -------------------------------------------------------------------------- */

static void
edit(struct http_identity *out, enum http_known known, const uint8_t *value, size_t length)
{
	out->edits[out->n++] = (struct http_edit){
		.name = (const uint8_t *)http_known_name(known),
		.value = value,
		.name_length = (uint16_t)http_known_length(known),
		.value_length = (uint16_t)length,
		.op = value ? HTTP_EDIT_SET : HTTP_EDIT_REMOVE,
		.known = (uint8_t)known,
	};
}

/* tracestate belongs to the traceparent that it came with. One valid field stays as it is. */
static void
edit_state(struct http *h, const struct http_record *r, const uint8_t *bytes,
	   struct http_identity *out)
{
	const struct http_head *head = &h->head;
	struct trace_text fields[STATES_MAX];
	const struct http_field *f;
	size_t n = 0;
	int length;

	if (!http_find(head, HTTP_TRACESTATE))
		return;
	for (f = head->fields; f < head->fields + head->n_fields && n < STATES_MAX; f++)
		if (f->known == HTTP_TRACESTATE)
			fields[n++] = (struct trace_text){ bytes + f->value.at, f->value.length };
	length = -1;
	if ((r->flags & HTTP_RECORD_PARENT) && n < STATES_MAX)
		length = trace_state_join(fields, n, h->tracestate);
	if (length <= 0)
		edit(out, HTTP_TRACESTATE, NULL, 0);
	else if (n > 1 || (n == 1 && fields[0].length > TRACE_STATE_MAX))
		edit(out, HTTP_TRACESTATE, h->tracestate, (size_t)length);
}

void
http_trace_edits(struct http *h, const struct http_session *s, const uint8_t *bytes,
		 struct http_identity *out)
{
	const struct http_record *r;
	struct trace_parent parent;

	if (!s->x->mark.record || !h->worker->snapshot->seen.tracing)
		return;
	r = &h->opens[s->x->mark.record - 1].record;
	memcpy(parent.trace_id, r->trace_id, TRACE_ID);
	memcpy(parent.span_id, r->span_id, TRACE_SPAN);
	parent.flags = r->trace_flags;
	trace_parent_write(&parent, h->traceparent);
	edit(out, HTTP_TRACEPARENT, h->traceparent, TRACE_PARENT_SIZE);
	edit_state(h, r, bytes, out);
}
