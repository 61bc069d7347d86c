/* SPDX-License-Identifier: Apache-2.0 */
/* How long each state of a session may last, and what comes of it when that is over. One timer a
 * session, which may fire early: then it is armed again. */
#include "dp/l7/internal.h"

void
http_arm(struct http *h, struct http_session *s, uint64_t at)
{
	if (s->armed && s->armed <= at)
		return;
	s->armed = at;
	wheel_arm(h->wheel, http_session_index(h, s), at);
}

uint64_t
http_keepalive(const struct http *h, const struct http_session *s)
{
	const struct proxy_settings *settings = http_settings(h, s);

	return settings ? settings->http->timeout_idle : HTTP_FALLBACK_NS;
}

static uint64_t
later(uint64_t from, uint64_t by)
{
	return by ? from + by : UINT64_MAX;
}

uint64_t
http_deadline(const struct http *h, const struct http_session *s)
{
	const struct proxy_settings *settings = http_settings(h, s);
	uint64_t header = settings ? settings->http->timeout_header : HTTP_FALLBACK_NS;
	uint64_t at, whole;

	switch (s->state) {
	case HTTP_PROXIED:
	case HTTP_SECURING:
		return s->since + header;
	case HTTP_READING:
		if (s->headed || !s->requests)
			return s->began + header;
		return s->seen + http_keepalive(h, s);
	case HTTP_DELAYED:
		at = s->x->sent;
		break;
	case HTTP_ENDING:
		return s->seen + HTTP_LINGER_NS;
	case HTTP_WAITING:
		at = s->x->sent ? later(s->x->sent, s->x->route->timeout_first_byte)
				: later(s->seen, s->x->listener->timeout_body);
		break;
	case HTTP_ANSWERING:
		if (!s->x->route) /* an answer of our own to what is no request, or has no route */
			return s->seen + http_keepalive(h, s);
		at = later(s->seen, s->x->route->timeout_idle);
		break;
	case HTTP_CONNECTING: /* TCP knows how long */
		at = UINT64_MAX;
		break;
	default:
		at = later(s->seen, s->x->route->timeout_idle);
		if (s->cut)
			at = RTE_MIN(at, s->seen + HTTP_LINGER_NS);
		break;
	}
	whole = s->state == HTTP_TUNNEL ? UINT64_MAX : later(s->began, s->x->route->timeout_whole);
	return RTE_MIN(at, whole);
}

void
http_watch(struct http *h, struct http_session *s)
{
	uint64_t at = http_deadline(h, s);

	if (at != UINT64_MAX)
		http_arm(h, s, at);
}

/* Has the client acknowledged some of its last answer since this was asked last, but not all? */
static bool
still_takes(struct http *h, struct http_session *s)
{
	struct tcp_info info;
	uint64_t before = s->untaken;

	if (stream_info(h->proxy, s->client, &info) < 0)
		return false;
	s->untaken = info.queued;
	return s->untaken && s->untaken != before;
}

/* ns since the peer has last taken something of what it is sent; UINT64_MAX: long, or never. */
static uint64_t
waited(struct http *h, tcp_handle handle)
{
	struct tcp_info info;

	if (stream_info(h->proxy, handle, &info) < 0 || info.waited_ms == UINT32_MAX)
		return UINT64_MAX;
	return info.waited_ms * 1000000ull;
}

/* Nothing has come of an answer, or through a tunnel; but is something still taken of what has? Of
 * that nothing is noted as it happens. */
static bool
is_taken(struct http *h, struct http_session *s)
{
	const struct http_upstream *u = http_upstream_of(h, s);
	uint64_t since = waited(h, s->client), now = h->worker->now;

	if (s->state == HTTP_TUNNEL)
		since = RTE_MIN(since, waited(h, u->handle));
	if (since >= now - s->seen)
		return false;
	s->seen = now - since;
	return now < http_deadline(h, s);
}

static void
expired(struct http *h, struct http_session *s)
{
	bool whole = s->x->route && s->x->route->timeout_whole && s->state != HTTP_TUNNEL &&
		     h->worker->now >= s->began + s->x->route->timeout_whole;

	switch (s->state) {
	case HTTP_READING:
		if (!s->headed) {
			h->counters.idle_closed++;
			http_end_connection(h, s);
			return;
		}
		h->counters.header_timeouts++;
		http_answer(h, s, 408);
		return;
	case HTTP_DELAYED:
		if (!whole) {
			http_request_act(h, s, NULL);
			return;
		}
		h->counters.whole_timeouts++;
		http_answer(h, s, 504);
		return;
	case HTTP_CONNECTING:
	case HTTP_WAITING:
		if (whole) {
			h->counters.whole_timeouts++;
			http_answer(h, s, 504);
		} else if (!s->x->sent && !s->x->up.head) { /* else the backend does not take it */
			h->counters.body_timeouts++;
			http_answer(h, s, 408);
		} else {
			h->counters.first_byte_timeouts++;
			http_request_failed(h, s, HTTP_RETRY_TIMEOUT, 504);
		}
		return;
	case HTTP_PROXIED:
		h->counters.headers_bad++;
		break;
	case HTTP_SECURING:
		h->counters.idle_closed++;
		break;
	case HTTP_ENDING:
		if (still_takes(h, s)) {
			s->seen = h->worker->now;
			return;
		}
		break;
	default:
		if (!whole && is_taken(h, s))
			return;
		if (s->cut)
			break;
		h->counters.whole_timeouts += whole;
		h->counters.idle_timeouts += !whole;
		s->x->mark.cause = whole ? HTTP_CAUSE_WHOLE_TIMEOUT : HTTP_CAUSE_IDLE_TIMEOUT;
		break;
	}
	http_abort(h, s);
}

void
http_session_timer(struct http *h, uint32_t index)
{
	struct http_session *s = &h->sessions[index];
	uint64_t at;

	if (index >= h->sessions_fresh || s->state == HTTP_FREE)
		return;
	s->armed = 0;
	at = http_deadline(h, s);
	if (h->worker->now >= at)
		expired(h, s);
	http_step(h, s);
	if (s->state != HTTP_FREE)
		http_watch(h, s);
}
