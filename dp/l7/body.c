/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies on their way: from what has come on one connection to what the other one takes, in pieces
 * of HTTP_PUMP_BYTES, and no further piece before the last one has been taken. So a slow reader
 * slows down its writer.
 *
 *     in ──(length, chunks, or the connection's end)──> payload ──(as it is, or chunks)──> out
 */
#include <errno.h>

#include <rte_mbuf.h>

#include "dp/l7/internal.h"

/* No buffer: try again after this long. */
#define RETRY_NS 10000000ull

/* One body in one direction. */
struct pump {
	struct http_body_place *place;
	struct queue *in, *out;
	tcp_handle from;
	bool chunks;                 /* the receiver gets chunks */
	bool over;                   /* nothing more will come */
	struct http_session *copies; /* whose payload is copied, NULL: it is not */
};

enum pump_result {
	PUMP_MORE,  /* something moved; look again */
	PUMP_WAIT,  /* nothing to move now */
	PUMP_SHORT, /* no buffer */
	PUMP_BAD,   /* not what a body is */
};

/* ---- what goes out: http_reserve has seen to the buffers --------------------------------------
 */

static void
put_copy(struct http *h, const struct pump *p, const uint8_t *bytes, uint32_t length)
{
	queue_add(p->out, http_copy(h, bytes, length), length);
}

/* The line before a chunk, or the last chunk. */
static void
put_chunk_line(struct http *h, const struct pump *p, uint64_t size)
{
	uint8_t line[HTTP_CHUNK_HEADER_MAX];
	size_t n = http_chunk_write(size, !p->place->chunk_begun, line);

	put_copy(h, p, line, (uint32_t)n);
	p->place->chunk_begun = true;
}

/* The next `bytes` of `in` are payload. */
static void
put_payload(struct http *h, const struct pump *p, uint32_t bytes)
{
	struct rte_mbuf *payload;

	if (p->chunks)
		put_chunk_line(h, p, bytes);
	payload = http_take(h, p->in, bytes);
	if (unlikely(p->copies && p->copies->x->copy))
		http_mirror_keep(h, p->copies, payload, bytes);
	queue_add(p->out, payload, bytes);
	p->place->bytes += bytes;
	stream_credit(h->proxy, p->from, bytes);
}

/* The last chunk, and the trailer section as it was understood. */
static enum pump_result
put_end(struct http *h, const struct pump *p)
{
	static const struct http_limits limits = { HTTP_TRAILER_MAX, HTTP_TRAILER_MAX,
						   HTTP_FIELDS_MAX };
	struct rte_mbuf *trailer = p->place->trailer;
	uint8_t out[2 * HTTP_TRAILER_MAX] = "\r\n";
	const uint8_t *bytes;
	int n = 2;

	if (trailer) {
		bytes = rte_pktmbuf_mtod(trailer, const uint8_t *);
		http_request_start(&h->head);
		n = -1;
		if (http_trailer_parse(&h->head, &limits, bytes, trailer->data_len) == HTTP_DONE)
			n = http_trailer_write(&h->head, bytes,
					       (struct http_out){ out, sizeof(out) });
		if (n < 0) { /* the decoder of chunks found nothing wrong */
			p->place->chunked.bad = h->head.bad ? h->head.bad : HTTP_BAD_TRAILER;
			return PUMP_BAD;
		}
	}
	if (p->chunks) {
		put_chunk_line(h, p, 0);
		put_copy(h, p, out, (uint32_t)n);
	}
	http_trailer_free(p->place);
	p->place->done = true;
	return PUMP_MORE;
}

void
http_trailer_free(struct http_body_place *place)
{
	rte_pktmbuf_free(place->trailer);
	place->trailer = NULL;
}

/* ---- what comes in --------------------------------------------------------------------------- */

static void
cut(struct http *h, const struct pump *p, uint32_t bytes)
{
	if (!bytes)
		return;
	queue_cut(p->in, bytes);
	stream_credit(h->proxy, p->from, bytes);
}

static void
keep_trailer(struct http *h, const struct pump *p, const uint8_t *bytes, uint16_t length)
{
	struct rte_mbuf **m = &p->place->trailer;

	if (!*m)
		*m = http_buffer(h);
	/* The decoder bounds the section to what there is room for. */
	memcpy(rte_pktmbuf_append(*m, length), bytes, length);
}

/* How much the decoder may look at: the first buffer, or of a chunk's payload whatever is here. */
static uint32_t
chunked_reach(const struct pump *p)
{
	uint64_t left = http_chunked_left(&p->place->chunked);

	if (!left)
		return p->in->head->data_len;
	left = RTE_MIN(left, (uint64_t)p->in->length);
	return (uint32_t)RTE_MIN(left, (uint64_t)HTTP_PUMP_BYTES);
}

static enum pump_result
pump_chunked(struct http *h, const struct pump *p)
{
	struct http_body_place *place = p->place;
	enum http_result found;
	const uint8_t *bytes;
	struct http_run run;
	uint32_t length;

	if (place->ended)
		return put_end(h, p);
	if (!p->in->head)
		return PUMP_WAIT;
	bytes = rte_pktmbuf_mtod(p->in->head, const uint8_t *);
	found = http_chunked_next(&place->chunked, HTTP_TRAILER_MAX, bytes, chunked_reach(p), &run);
	if (found == HTTP_BAD)
		return PUMP_BAD;
	length = (uint32_t)run.length;
	if (run.kind == HTTP_RUN_TRAILER)
		keep_trailer(h, p, bytes + run.at, (uint16_t)length);
	place->ended = found == HTTP_DONE;
	if (run.kind != HTTP_RUN_PAYLOAD) {
		cut(h, p, (uint32_t)run.used);
		return PUMP_MORE;
	}
	cut(h, p, (uint32_t)run.at);
	put_payload(h, p, length);
	cut(h, p, (uint32_t)(run.used - run.at) - length);
	return PUMP_MORE;
}

static enum pump_result
pump_plain(struct http *h, const struct pump *p)
{
	struct http_body_place *place = p->place;
	uint32_t n = RTE_MIN(p->in->length, HTTP_PUMP_BYTES);

	if (place->kind == HTTP_BODY_LENGTH && place->left < n)
		n = (uint32_t)place->left;
	if (n)
		put_payload(h, p, n);
	if (place->kind == HTTP_BODY_LENGTH) {
		place->left -= n;
		place->done = place->left == 0;
		return n || place->done ? PUMP_MORE : PUMP_WAIT;
	}
	if (n)
		return PUMP_MORE;
	if (!p->over)
		return PUMP_WAIT;
	return put_end(h, p);
}

static enum pump_result
pump_once(struct http *h, const struct pump *p)
{
	if (!http_reserve(h))
		return PUMP_SHORT;
	return p->place->kind == HTTP_BODY_CHUNKED ? pump_chunked(h, p) : pump_plain(h, p);
}

/* Until the body is done, enough waits in `out`, or there is nothing to move. */
static enum pump_result
pump(struct http *h, const struct pump *p)
{
	enum pump_result result = PUMP_MORE;

	while (!p->place->done && result == PUMP_MORE && p->out->length < HTTP_PUMP_BYTES)
		result = pump_once(h, p);
	return result;
}

/* The body's beginning goes out with the head, which waits in `out` already. */
static bool
with_head(const struct http_body_place *place)
{
	return !place->done && !place->bytes;
}

void
http_body_begin(struct http_body_place *place, const struct http_head *head)
{
	*place = (struct http_body_place){
		.kind = head->body,
		.left = head->content_length,
		.done = head->body == HTTP_BODY_NONE ||
			(head->body == HTTP_BODY_LENGTH && head->content_length == 0),
	};
}

/* ---- to the other connection ----------------------------------------------------------------- */

/* Give TCP what waits in `q`, which came by `from`. True: nothing waits any more. */
static bool
flush(struct http *h, struct http_session *s, struct queue *q, tcp_handle from, tcp_handle to)
{
	struct queue whole = *q;
	int rc;

	if (!q->head)
		return true;
	*q = (struct queue){ .told = whole.told };
	http_tell(h, from, q);
	rc = stream_send(h->proxy, to, whole.head);
	if (rc == 0)
		return true;
	if (rc == -EAGAIN || rc == -ENOBUFS) {
		whole.told = q->told;
		*q = whole;
		http_tell(h, from, q);
		if (rc == -ENOBUFS)
			http_arm(h, s, h->worker->now + RETRY_NS);
		return false;
	}
	queue_free(&whole); /* the connection is over: nobody wants it any more */
	return true;
}

bool
http_flush_up(struct http *h, struct http_session *s)
{
	struct http_upstream *u = http_upstream_of(h, s);
	uint32_t length = s->x->up.length;
	struct backend_stats *stats;

	if (!flush(h, s, &s->x->up, s->client, u ? u->handle : TCP_HANDLE_NONE))
		return false;
	if (u && length) {
		stats = &h->worker->backend_stats[u->backend];
		stats->packets++;
		stats->bytes += length;
	}
	return true;
}

bool
http_flush_down(struct http *h, struct http_session *s)
{
	struct http_upstream *u = http_upstream_of(h, s);

	if (unlikely(s->mirrors)) {
		queue_free(&s->x->down);
		return true;
	}
	return flush(h, s, &s->x->down, u ? u->handle : TCP_HANDLE_NONE, s->client);
}

static void
short_of_buffers(struct http *h, struct http_session *s)
{
	h->counters.no_buffer++;
	http_arm(h, s, h->worker->now + RETRY_NS);
}

bool
http_pump_request(struct http *h, struct http_session *s)
{
	const struct pump p = {
		.place = &s->x->request,
		.in = &s->in,
		.out = &s->x->up,
		.from = s->client,
		.chunks = s->x->request.kind == HTTP_BODY_CHUNKED,
		.copies = s,
	};
	enum pump_result result = PUMP_MORE;
	bool first = with_head(p.place);

	while ((first || http_flush_up(h, s)) && !s->x->request.done && result == PUMP_MORE) {
		first = false;
		result = pump(h, &p);
		if (s->x->listener->max_body && s->x->request.bytes > s->x->listener->max_body) {
			h->counters.body_too_large++;
			http_answer(h, s, 413);
			return false;
		}
	}
	http_tell(h, s->client, &s->in);
	if (result == PUMP_BAD) {
		h->counters.bad[s->x->request.chunked.bad]++;
		http_answer(h, s, http_bad_status(s->x->request.chunked.bad));
		return false;
	}
	if (result == PUMP_SHORT)
		short_of_buffers(h, s);
	if (unlikely(s->x->copy) && s->x->request.done)
		http_mirror_ended(h, s);
	if (s->x->request.done && !s->x->up.head && !s->x->sent) {
		s->x->sent = h->worker->now;
		http_watch(h, s);
	}
	return true;
}

bool
http_pump_answer(struct http *h, struct http_session *s)
{
	struct http_upstream *u = http_upstream_of(h, s);
	const struct pump p = {
		.place = &s->x->answer,
		.in = &u->in,
		.out = &s->x->down,
		.from = u->handle,
		.chunks = s->x->chunks,
		.over = u->fin && !u->broken,
	};
	enum pump_result result = PUMP_MORE;
	bool first = with_head(p.place);

	while ((first || http_flush_down(h, s)) && !s->x->answer.done && result == PUMP_MORE) {
		first = false;
		result = pump(h, &p);
	}
	http_tell(h, u->handle, &u->in);
	if (result == PUMP_SHORT)
		short_of_buffers(h, s);
	/* What cannot leave yet leaves first: the next room comes here again. */
	if (result == PUMP_BAD || (result == PUMP_WAIT && u->fin && !s->x->down.head)) {
		h->counters.backend_bad += result == PUMP_BAD;
		s->x->mark.cause =
		    result == PUMP_BAD ? HTTP_CAUSE_BACKEND_BAD : HTTP_CAUSE_BACKEND_CLOSED;
		h->counters.cut_off++;
		http_abort_later(h, s);
		return false;
	}
	return true;
}

/* ---- tunnels --------------------------------------------------------------------------------- */

/* One way. True: the sender has ended, and all of it is with TCP. */
static bool
tunnel_way(struct http *h, struct http_session *s, struct queue *in, bool up)
{
	struct http_upstream *u = http_upstream_of(h, s);
	tcp_handle from = up ? s->client : u->handle;
	struct queue *out = up ? &s->x->up : &s->x->down;

	while (up ? http_flush_up(h, s) : http_flush_down(h, s)) {
		uint32_t n = in->length;

		if (!n)
			return up ? s->client_fin : u->fin;
		queue_add(out, http_take(h, in, n), n);
		(up ? &s->x->request : &s->x->answer)->bytes += n;
		http_tell(h, from, in);
		stream_credit(h->proxy, from, n);
	}
	return false;
}

/* The client is gone without an end. What had come from it is the backend's all the same, and
 * behind it comes a RST, by which the backend knows that this was no orderly end. What the backend
 * says is of no interest any more. (dp/proxy/cut.c does the same for connections without HTTP.) */
static void
pump_cut(struct http *h, struct http_session *s)
{
	struct http_upstream *u = http_upstream_of(h, s);
	uint32_t length = u->in.length;

	queue_free(&s->x->down);
	http_tell(h, u->handle, &s->x->down);
	queue_free(&u->in);
	http_tell(h, u->handle, &u->in);
	stream_credit(h->proxy, u->handle, length);
	if (tunnel_way(h, s, &s->in, true))
		stream_abort_later(h->proxy, u->handle);
}

bool
http_pump_tunnel(struct http *h, struct http_session *s)
{
	struct http_upstream *u = http_upstream_of(h, s);

	if (unlikely(s->cut)) {
		pump_cut(h, s);
		return true;
	}
	if (tunnel_way(h, s, &s->in, true) && !s->x->request.done) {
		s->x->request.done = true;
		stream_shutdown(h->proxy, u->handle);
	}
	if (!tunnel_way(h, s, &u->in, false))
		return true;
	if (u->broken) {
		http_abort_later(h, s);
		return false;
	}
	if (!s->x->answer.done) {
		s->x->answer.done = true;
		stream_shutdown(h->proxy, s->client);
	}
	return true;
}
