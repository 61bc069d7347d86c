/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection of the worker's, with TLS or without: the calls of dp/tcp/tcp.h for both, by a bit
 * of the handle. For dp/proxy/ and dp/l7/. Worker.
 */
#ifndef DP_PROXY_STREAM_H
#define DP_PROXY_STREAM_H

#include "dp/proxy/internal.h"
#include "dp/tls/tls.h"

static inline bool
stream_is_tls(tcp_handle h)
{
	return h & TLS_HANDLE;
}

/* What TCP has to be told as the connection's user, when `above` is the user of it or its stream.
 */
static inline uint64_t
stream_user(tcp_handle h, uint64_t above)
{
	return stream_is_tls(h) ? tls_user(h) : above;
}

/* The connection of TCP. */
static inline tcp_handle
stream_connection(const struct proxy *p, tcp_handle h)
{
	return unlikely(stream_is_tls(h)) ? tls_connection(proxy_tls(p), h) : h;
}

/* Data may soon be sent to it; step as tcp_calls.expected, from `first` on. Returns TCP's
 * connection in the step in which it is known: of a stream of TLS that is the one behind `first`.
 */
static inline tcp_handle
stream_expected(const struct proxy *p, tcp_handle h, uint32_t step, uint32_t first)
{
	if (likely(!stream_is_tls(h)))
		return step == first ? h : TCP_HANDLE_NONE;
	if (step == first)
		tls_prefetch(proxy_tls(p), h);
	return step == first + 1 ? tls_connection(proxy_tls(p), h) : TCP_HANDLE_NONE;
}

static inline int
stream_send(struct proxy *p, tcp_handle h, struct rte_mbuf *chain)
{
	return unlikely(stream_is_tls(h)) ? tls_stream_send(proxy_tls(p), h, chain)
					  : tcp_send(p->tcp, h, chain);
}

static inline void
stream_credit(struct proxy *p, tcp_handle h, uint32_t bytes)
{
	tcp_credit(p->tcp, stream_connection(p, h), bytes);
}

static inline void
stream_hold(struct proxy *p, tcp_handle h, int32_t buffers)
{
	tcp_hold(p->tcp, stream_connection(p, h), buffers);
}

static inline void
stream_shutdown(struct proxy *p, tcp_handle h)
{
	if (unlikely(stream_is_tls(h)))
		tls_shutdown(proxy_tls(p), h);
	else
		tcp_shutdown(p->tcp, h);
}

static inline void
stream_drain(struct proxy *p, tcp_handle h)
{
	if (unlikely(stream_is_tls(h)))
		tls_drain(proxy_tls(p), h);
	else
		tcp_drain(p->tcp, h);
}

/* What comes from now on does not say itself where it ends. */
static inline void
stream_strict(struct proxy *p, tcp_handle h)
{
	if (stream_is_tls(h))
		tls_strict(proxy_tls(p), h);
}

static inline void
stream_abort(struct proxy *p, tcp_handle h)
{
	if (unlikely(stream_is_tls(h)))
		tls_abort(proxy_tls(p), h);
	else
		tcp_abort(p->tcp, h);
}

static inline void
stream_abort_later(struct proxy *p, tcp_handle h)
{
	if (unlikely(stream_is_tls(h)))
		tls_abort_later(proxy_tls(p), h);
	else
		tcp_abort_later(p->tcp, h);
}

static inline int
stream_info(struct proxy *p, tcp_handle h, struct tcp_info *info)
{
	return tcp_info(p->tcp, stream_connection(p, h), info);
}

#endif
