/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening. Records are opened in the buffers that they came in. The content of all that are here
 * goes up as one chain; a record that is something else than content is dealt with in its place
 * among them.
 */
#include "dp/tls/internal.h"

#include <string.h>

/* RFC 8446 4.6.1, 4.6.3. */
#define NEW_SESSION_TICKET 4
#define KEY_UPDATE         24
/* Tickets are of no interest; but no server has reason to send more than this of them. */
#define SKIP_MOST 65536u

/* What is ready to go up. */
struct ready {
	struct rte_mbuf *head, *tail;
	uint32_t length;
};

/* ---- chains ---------------------------------------------------------------------------------- */

static struct rte_mbuf *
drop_front(struct rte_mbuf *m, uint32_t bytes)
{
	while (m && bytes >= m->data_len) {
		struct rte_mbuf *next = m->next;

		bytes -= m->data_len;
		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
	if (m) {
		m->data_off = (uint16_t)(m->data_off + bytes);
		m->data_len = (uint16_t)(m->data_len - bytes);
	}
	return m;
}

/* Content so short is copied behind that before it: records of one byte shall not hold a buffer
 * each. */
#define SMALL 256

/* True if it was. */
static bool
put_together(struct ready *up, const struct rte_mbuf *chain, uint32_t at, uint32_t length)
{
	struct rte_mbuf *tail = up->tail;
	uint8_t copy[SMALL];

	if (!tail || length >= SMALL || !RTE_MBUF_DIRECT(tail) || rte_mbuf_refcnt_read(tail) != 1 ||
	    rte_pktmbuf_tailroom(tail) < length)
		return false;
	memcpy(rte_pktmbuf_mtod_offset(tail, uint8_t *, tail->data_len),
	       rte_pktmbuf_read(chain, at, length, copy), length);
	tail->data_len = (uint16_t)(tail->data_len + length);
	up->length += length;
	return true;
}

/* Put `length` bytes of a chain, from `at` on, behind what is ready; the rest of it is freed. */
static void
ready_add(struct ready *up, struct rte_mbuf *chain, uint32_t at, uint32_t length)
{
	struct rte_mbuf *m, *next;

	if (length == 0 || put_together(up, chain, at, length)) {
		rte_pktmbuf_free(chain);
		return;
	}
	m = drop_front(chain, at);
	if (up->tail)
		up->tail->next = m;
	else
		up->head = m;
	if (up->head != m)
		m->nb_segs = 1;
	up->length += length;
	for (; length > m->data_len; m = m->next)
		length -= m->data_len;
	m->data_len = (uint16_t)length;
	up->tail = m;
	for (next = m->next, m->next = NULL; next; next = m) {
		m = next->next;
		next->next = NULL;
		next->nb_segs = 1;
		rte_pktmbuf_free_seg(next);
	}
}

/* False: the stream is another one now. */
static bool
ready_deliver(struct tls *t, struct tls_stream *s, struct ready *up)
{
	struct rte_mbuf *head = up->head, *m;
	uint32_t generation = s->generation, length = up->length;
	uint16_t n = 0;

	if (!head)
		return true;
	*up = (struct ready){ 0 };
	if (s->drains) { /* the user wants no more */
		rte_pktmbuf_free(head);
		tcp_credit(t->tcp, s->tcp, length);
		return true;
	}
	for (m = head; m; m = m->next)
		n++;
	head->nb_segs = n;
	head->pkt_len = length;
	t->counters.bytes_in += length;
	t->calls.received(t->calls.arg, tls_handle(t, s), s->user, head, length);
	return tls_is_same(s, generation, TLS_STREAM_OPEN);
}

/* ---- what is not content --------------------------------------------------------------------- */

static void
refuse(struct tls *t, struct tls_stream *s, enum tls_error error)
{
	t->counters.records_bad++;
	t->counters.error[error]++;
	tls_alert(t, s, tls_error_alert(error));
	tls_end(t, s, TCP_CLOSED_RESET);
}

/* False: it was the last word. */
static bool
alert_received(struct tls *t, struct tls_stream *s, const struct rte_mbuf *chain,
	       const struct tls_open *open)
{
	uint8_t copy[2];
	const uint8_t *bytes;

	if (open->length != 2) {
		refuse(t, s, TLS_BAD_TYPE);
		return false;
	}
	bytes = rte_pktmbuf_read(chain, open->at, 2, copy);
	if (bytes[1] == 0) { /* close_notify */
		uint32_t generation = s->generation, rest = s->in.length;

		s->peer_done = true;
		queue_free(&s->in);
		tcp_credit(t->tcp, s->tcp, rest);
		t->calls.half_closed(t->calls.arg, tls_handle(t, s), s->user);
		if (tls_is_same(s, generation, TLS_STREAM_OPEN))
			tls_tell(t, s);
		return false;
	}
	/* user_canceled only announces what comes; in 1.2 warnings may be passed over. */
	if (bytes[1] == 90 || (s->receive.version == TLS_1_2 && bytes[0] == 1))
		return true;
	t->counters.alerts_in++;
	tls_end(t, s, TCP_CLOSED_RESET);
	return false;
}

/* Handshake messages of a record: what is left of it. */
struct messages {
	const struct rte_mbuf *chain;
	uint32_t at, left;
};

static void
messages_take(struct messages *m, uint8_t *to, uint32_t n)
{
	const void *bytes = rte_pktmbuf_read(m->chain, m->at, n, to);

	if (bytes != to)
		memcpy(to, bytes, n);
	m->at += n;
	m->left -= n;
}

/* The next bytes of a message's header. True: it is all there. */
static bool
take_header(struct tls_stream *s, struct messages *m)
{
	uint32_t n = RTE_MIN((uint32_t)TLS_MESSAGE_HEADER - s->n_head, m->left);

	messages_take(m, s->head + s->n_head, n);
	s->n_head = (uint8_t)(s->n_head + n);
	return s->n_head == TLS_MESSAGE_HEADER;
}

/* A client of ours is sent tickets. True: it is one, to be skipped. */
static bool
skip_ticket(struct tls_stream *s)
{
	uint32_t length = (uint32_t)s->head[1] << 16 | (uint32_t)s->head[2] << 8 | s->head[3];

	if (!s->client || s->head[0] != NEW_SESSION_TICKET || length > SKIP_MOST)
		return false;
	s->skip = length;
	s->n_head = 0;
	return true;
}

/* New keys of the peer's, from the next record on, so nothing of this one may be behind it (RFC
 * 8446 5.1). False: it is no such message. */
static bool
take_key_update(struct tls *t, struct tls_stream *s, struct messages *m)
{
	uint8_t message[TLS_KEY_UPDATE];
	bool asks;

	if (s->receive.version != TLS_1_3 || s->head[0] != KEY_UPDATE)
		return false;
	if (m->left == 0) /* its end comes with the next record */
		return true;
	memcpy(message, s->head, TLS_MESSAGE_HEADER);
	messages_take(m, message + TLS_MESSAGE_HEADER, 1);
	if (m->left > 0 || !tls_key_update_read(message, sizeof(message), &asks))
		return false;
	s->n_head = 0;
	t->counters.key_updates_in++;
	tls_schedules_forget(&t->schedules, &s->receive);
	tls_keys_update(&s->receive, t->schedules.engine);
	if (asks)
		tls_update_keys(t, s);
	return true;
}

/* A record has as many messages as it likes, and a message as many records (RFC 8446 5.1). False:
 * the stream ends. */
static bool
handshake_received(struct tls *t, struct tls_stream *s, struct messages m)
{
	while (m.left > 0) {
		uint32_t skipped = RTE_MIN(s->skip, m.left);

		s->skip -= skipped;
		m.at += skipped;
		m.left -= skipped;
		if (m.left == 0 || !take_header(s, &m) || skip_ticket(s))
			continue;
		if (!take_key_update(t, s, &m)) {
			refuse(t, s, TLS_BAD_TYPE);
			return false;
		}
	}
	return true;
}

/* False: the stream ends, or is another one by now. */
static bool
other_received(struct tls *t, struct tls_stream *s, const struct rte_mbuf *chain,
	       const struct tls_open *open)
{
	if (open->type == TLS_ALERT)
		return alert_received(t, s, chain, open);
	return handshake_received(t, s, (struct messages){ chain, open->at, open->length });
}

/* ---- records --------------------------------------------------------------------------------- */

static uint16_t
pieces_of(const struct rte_mbuf *m, struct tls_piece pieces[TLS_PIECES])
{
	uint16_t n = 0;

	for (; m && n < TLS_PIECES; m = m->next) {
		uint8_t *bytes = rte_pktmbuf_mtod(m, uint8_t *);

		pieces[n++] = (struct tls_piece){ bytes, bytes, m->data_len };
	}
	return m ? 0 : n;
}

static enum tls_error
open_record(struct tls *t, struct tls_stream *s, const struct rte_mbuf *chain,
	    struct tls_open *open)
{
	struct tls_side side = { &s->receive, &t->schedules };
	struct tls_piece pieces[TLS_PIECES];

	*open = (struct tls_open){ .pieces = pieces, .n_pieces = pieces_of(chain, pieces) };
	if (open->n_pieces == 0)
		return TLS_OVERSIZED;
	return tls_open(&side, open);
}

/* How long the record is that `in` begins with, 0: it is not all here. */
static enum tls_error
next_record(const struct tls_stream *s, uint32_t *whole)
{
	uint8_t copy[TLS_HEADER];
	enum tls_error error;

	*whole = 0;
	if (s->in.length < TLS_HEADER)
		return TLS_OK;
	error =
	    tls_header_check(&s->receive, rte_pktmbuf_read(s->in.head, 0, TLS_HEADER, copy), whole);
	if (error == TLS_OK && s->in.length < *whole)
		*whole = 0;
	return error;
}

/* Is it one more record without content than a peer has reason to send? Each costs us more than it
 * does the peer, so between them there has to be content, of the peer or of ours. */
static bool
is_idle_too_long(struct tls_stream *s, const struct tls_open *open)
{
	if (open->type == TLS_APPLICATION_DATA && open->length)
		s->idle = 0;
	else
		s->idle++;
	return s->idle > TLS_IDLE_RECORDS;
}

/* False: the stream ends, or is another one by now. */
static bool
take_record(struct tls *t, struct tls_stream *s, uint32_t whole, struct ready *up)
{
	struct queue_parts parts = { .mbufs = t->mbufs, .clones = t->clones };
	struct rte_mbuf *chain = queue_take(&s->in, whole, &parts);
	struct tls_open open;
	enum tls_error error;
	bool goes_on = true;

	if (!chain) {
		tls_retry_later(t, s);
		ready_deliver(t, s, up);
		return false;
	}
	error = open_record(t, s, chain, &open);
	if (error == TLS_OK && is_idle_too_long(s, &open)) {
		open.length = 0;
		error = TLS_BAD_TYPE;
	}
	tcp_credit(t->tcp, s->tcp, whole - (error == TLS_OK ? open.length : 0));
	if (error == TLS_OK && open.type == TLS_APPLICATION_DATA && !s->skip && !s->n_head) {
		t->counters.records_in++;
		ready_add(up, chain, open.at, open.length);
		return true;
	}
	/* What came before it goes up before it is looked at. */
	if (ready_deliver(t, s, up)) {
		if (error != TLS_OK) {
			refuse(t, s, error);
			goes_on = false;
		} else if (open.type == TLS_APPLICATION_DATA) {
			refuse(t, s, TLS_BAD_TYPE);
			goes_on = false;
		} else {
			tcp_credit(t->tcp, s->tcp, open.length);
			goes_on = other_received(t, s, chain, &open);
		}
	} else {
		goes_on = false;
	}
	rte_pktmbuf_free(chain);
	return goes_on;
}

void
tls_stream_receive(struct tls *t, struct tls_stream *s)
{
	struct ready up = { 0 };
	enum tls_error error;
	uint32_t whole;

	for (;;) {
		error = next_record(s, &whole);
		if (error != TLS_OK || whole == 0)
			break;
		if (!take_record(t, s, whole, &up))
			return;
	}
	tls_tell(t, s);
	if (!ready_deliver(t, s, &up))
		return;
	if (error != TLS_OK)
		refuse(t, s, error);
	else if (s->tcp_done && !s->peer_done && !s->drains)
		tls_truncated(t, s);
}
