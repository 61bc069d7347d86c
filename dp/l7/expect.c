/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet has come that will be looked at soon: what its session, request and backend have is
 * fetched in steps, of which each follows what the one before has brought (tcp_calls.expected).
 */
#include "dp/l7/internal.h"

static void
prefetch(const void *object, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += 64)
		__builtin_prefetch((const char *)object + i);
}

/* An answer, or the rest of one: who has asked, the request, and its client's connection. */
static tcp_handle
expect_answer(const struct http *h, const struct http_upstream *u, uint32_t step)
{
	const struct http_session *s;

	if (step == 0) {
		prefetch(u, sizeof(*u));
		return TCP_HANDLE_NONE;
	}
	if (u->session == INDEX_NONE)
		return TCP_HANDLE_NONE;
	s = &h->sessions[u->session];
	if (step == 1) {
		prefetch(s, sizeof(*s));
		return TCP_HANDLE_NONE;
	}
	if (step == 2)
		prefetch(s->x, sizeof(*s->x));
	else if (s->x->head)
		prefetch(s->x->head, sizeof(*s->x->head));
	return stream_expected(h->proxy, s->client, step, 2);
}

/* A request, or the rest of one, whose backend is known then. */
static tcp_handle
expect_request(const struct http *h, const struct http_session *s, uint32_t step)
{
	const struct http_upstream *u;

	if (step == 0)
		prefetch(s, sizeof(*s));
	if (step == 0 || !http_has_exchange(s))
		return TCP_HANDLE_NONE;
	if (step == 1) {
		prefetch(s->x, sizeof(*s->x));
		return TCP_HANDLE_NONE;
	}
	if (s->x->upstream == INDEX_NONE)
		return TCP_HANDLE_NONE;
	u = &h->upstreams[s->x->upstream];
	if (step == 2) {
		prefetch(u, sizeof(*u));
		return TCP_HANDLE_NONE;
	}
	return stream_expected(h->proxy, u->handle, step, 3);
}

tcp_handle
http_on_expected(const struct http *h, uint64_t user, uint32_t step)
{
	uint32_t i = http_user_index(user);

	if (http_user_is_upstream(user))
		return expect_answer(h, &h->upstreams[i], step);
	return expect_request(h, &h->sessions[i], step);
}
