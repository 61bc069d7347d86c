/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing. Content is sealed in the buffers that it lies in, a record over as many whole buffers as
 * fit in one; head and tail go where the first and last buffer have room. What is somebody else's,
 * too, is sealed into a buffer of our own.
 */
#include "dp/tls/internal.h"

#include <errno.h>
#include <string.h>

/* ---- buffers --------------------------------------------------------------------------------- */

static bool
is_ours(const struct rte_mbuf *m)
{
	return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

/* A list of empty buffers, by `next`. */
static void
spares_free(struct rte_mbuf *spares)
{
	while (spares) {
		struct rte_mbuf *next = spares->next;

		spares->next = NULL;
		rte_pktmbuf_free_seg(spares);
		spares = next;
	}
}

static bool
spares_get(const struct tls *t, uint32_t n, struct rte_mbuf **spares)
{
	*spares = NULL;
	for (; n; n--) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(t->mbufs);

		if (!m) {
			spares_free(*spares);
			return false;
		}
		m->next = *spares;
		*spares = m;
	}
	return true;
}

static struct rte_mbuf *
spare_take(struct rte_mbuf **spares)
{
	struct rte_mbuf *m = *spares;

	*spares = m->next;
	m->next = NULL;
	return m;
}

/* ---- one record ------------------------------------------------------------------------------ */

/* The buffers from `first` on that make the next record: how many, and the bytes in them. */
struct extent {
	struct rte_mbuf *first;
	uint32_t n, length;
};

static struct extent
extent_of(struct rte_mbuf *first, uint32_t most)
{
	struct extent e = { first, 0, 0 };
	struct rte_mbuf *m;

	for (m = first; m && e.n < TLS_PIECES; m = m->next) {
		if (e.n && e.length + m->data_len > most)
			break;
		e.length += m->data_len;
		e.n++;
	}
	return e;
}

static struct rte_mbuf *
behind(const struct extent *e)
{
	struct rte_mbuf *m = e->first;
	uint32_t i;

	for (i = 0; i < e->n; i++)
		m = m->next;
	return m;
}

/* What a chain is sealed with. */
struct making {
	struct tls *t;
	struct tls_stream *stream;
	struct rte_mbuf *spares;
	struct rte_mbuf *head, *tail; /* the sealed chain so far */
	uint32_t bytes, n;
	uint32_t head_length, tail_length;
	uint32_t small; /* content of a record that fits in a segment */
};

/* The content of a record at the most, when so much has been sent. */
static uint32_t
most_of(const struct making *make, uint32_t sent)
{
	return sent < TLS_SMALL_UNTIL ? make->small : TLS_CONTENT_MAX;
}

static void
measure(struct making *make)
{
	const struct tls_stream *s = make->stream;
	uint32_t mss = s->sent < TLS_SMALL_UNTIL ? tcp_mss(make->t->tcp, s->tcp) : 0;

	make->head_length = tls_head_length(&s->send);
	make->tail_length = tls_tail_length(&s->send);
	make->small = mss - RTE_MIN(mss, make->head_length + make->tail_length);
}

/* Buffers that sealing these may need besides them. */
static uint32_t
needs(const struct making *make, const struct extent *e)
{
	const struct rte_mbuf *m = e->first, *last = m;
	uint32_t n = is_ours(m) && rte_pktmbuf_headroom(m) >= make->head_length ? 0 : 1, i;

	for (i = 0; i < e->n; i++, m = m->next) {
		n += !is_ours(m);
		last = m;
	}
	return n + (is_ours(last) && rte_pktmbuf_tailroom(last) >= make->tail_length ? 0 : 1);
}

static void
chain_append(struct making *make, struct rte_mbuf *m)
{
	m->next = NULL;
	if (make->tail)
		make->tail->next = m;
	else
		make->head = m;
	make->tail = m;
	make->n++;
	make->bytes += m->data_len;
}

/* The buffer that this one's content is sealed into: itself, or a spare. */
static struct rte_mbuf *
target_of(struct making *make, struct rte_mbuf *m)
{
	struct rte_mbuf *to;

	if (is_ours(m))
		return m;
	to = spare_take(&make->spares);
	if (rte_pktmbuf_tailroom(to) < m->data_len)
		to->data_off = 0; /* it is from a pool of the same size */
	to->data_len = m->data_len;
	make->t->counters.copied++;
	return to;
}

/* Room for the head, in front of `first`, which is not in the chain yet. */
static uint8_t *
room_for_head(struct making *make, struct rte_mbuf *first)
{
	uint16_t n = (uint16_t)make->head_length;
	struct rte_mbuf *m;

	if (rte_pktmbuf_headroom(first) >= n) {
		first->data_off = (uint16_t)(first->data_off - n);
		first->data_len = (uint16_t)(first->data_len + n);
		return rte_pktmbuf_mtod(first, uint8_t *);
	}
	m = spare_take(&make->spares);
	m->data_len = n;
	chain_append(make, m);
	return rte_pktmbuf_mtod(m, uint8_t *);
}

/* ... and for the tail, behind the chain's last buffer. */
static uint8_t *
room_for_tail(struct making *make)
{
	uint16_t n = (uint16_t)make->tail_length, at;

	if (rte_pktmbuf_tailroom(make->tail) < n)
		chain_append(make, spare_take(&make->spares));
	at = make->tail->data_len;
	make->tail->data_len = (uint16_t)(at + n);
	make->bytes += n;
	return rte_pktmbuf_mtod_offset(make->tail, uint8_t *, at);
}

/* Seal the buffers of an extent into the chain. What was copied is freed. */
static enum tls_error
seal_extent(struct making *make, const struct extent *e, uint8_t type)
{
	struct tls_side side = { &make->stream->send, &make->t->schedules };
	struct tls_piece pieces[TLS_PIECES];
	struct rte_mbuf *copied = NULL, *m = e->first, *next, *to;
	struct tls_seal seal = { .pieces = pieces, .n_pieces = (uint16_t)e->n, .type = type };
	enum tls_error error;
	uint32_t i;

	for (i = 0; i < e->n; i++, m = next) {
		next = m->next;
		to = target_of(make, m);
		pieces[i] = (struct tls_piece){ rte_pktmbuf_mtod(m, const uint8_t *),
						rte_pktmbuf_mtod(to, uint8_t *), m->data_len };
		if (i == 0)
			seal.head = room_for_head(make, to);
		chain_append(make, to);
		if (to != m) {
			m->next = copied;
			copied = m;
		}
	}
	seal.tail = room_for_tail(make);
	error = tls_seal(&side, &seal);
	spares_free(copied);
	return error;
}

/* ---- content --------------------------------------------------------------------------------- */

static uint32_t
needs_all(const struct making *make, struct rte_mbuf *chain)
{
	uint32_t sent = make->stream->sent, n = 0;

	while (chain) {
		struct extent e = extent_of(chain, most_of(make, sent));

		n += needs(make, &e);
		sent += e.length;
		chain = behind(&e);
	}
	return n;
}

/* Seal a chain. 0 and *sealed; -ENOBUFS: nothing has changed; -EPIPE: the keys are used up, and
 * what was in the chain is gone. */
static int
seal_chain(struct tls *t, struct tls_stream *s, struct rte_mbuf *chain, uint8_t type,
	   struct rte_mbuf **sealed)
{
	struct making make = { .t = t, .stream = s };
	enum tls_error error = TLS_OK;

	measure(&make);
	if (!spares_get(t, needs_all(&make, chain), &make.spares))
		return -ENOBUFS;
	while (chain && error == TLS_OK) {
		struct extent e = extent_of(chain, most_of(&make, s->sent));
		struct rte_mbuf *rest = behind(&e);

		error = seal_extent(&make, &e, type);
		s->sent = RTE_MIN(s->sent + e.length, TLS_SMALL_UNTIL);
		t->counters.records_out++;
		chain = rest;
	}
	spares_free(make.spares);
	make.head->pkt_len = make.bytes;
	make.head->nb_segs = (uint16_t)make.n;
	*sealed = make.head;
	if (error == TLS_OK)
		return 0;
	spares_free(chain);
	rte_pktmbuf_free(make.head);
	return -EPIPE;
}

void
tls_push(struct tls *t, struct tls_stream *s, struct rte_mbuf *chain)
{
	uint32_t length = chain->pkt_len;
	int rc = s->out.head ? -EAGAIN : tcp_send(t->tcp, s->tcp, chain);

	if (rc == 0)
		return;
	if (rc != -EAGAIN && rc != -ENOBUFS) { /* the connection is over: nobody wants it */
		rte_pktmbuf_free(chain);
		return;
	}
	queue_add(&s->out, chain, length);
	tls_tell(t, s);
	if (rc == -ENOBUFS)
		tls_retry_later(t, s);
}

/* There is no buffer for it now. */
static void
say_goodbye_later(struct tls *t, struct tls_stream *s)
{
	s->owes_goodbye = true;
	tls_retry_later(t, s);
}

bool
tls_flush(struct tls *t, struct tls_stream *s)
{
	struct queue whole = s->out;
	int rc;

	if (whole.head) {
		s->out = (struct queue){ 0 };
		tls_tell(t, s);
		rc = tcp_send(t->tcp, s->tcp, whole.head);
		if (rc == -EAGAIN || rc == -ENOBUFS) {
			s->out = whole;
			tls_tell(t, s);
			if (rc == -ENOBUFS)
				tls_retry_later(t, s);
			return false;
		}
		if (rc < 0)
			queue_free(&whole);
	}
	if (s->owes_goodbye) {
		s->owes_goodbye = false;
		if (!tls_alert(t, s, 0))
			say_goodbye_later(t, s);
		if (s->owes_goodbye || s->out.head)
			return false;
	}
	if (s->resets) {
		if (s->shut)
			tcp_shutdown(t->tcp, s->tcp);
		tcp_abort_later(t->tcp, s->tcp);
		return true;
	}
	if (s->shut && s->drains)
		tcp_drain(t->tcp, s->tcp);
	else if (s->shut)
		tcp_shutdown(t->tcp, s->tcp);
	return true;
}

/* The keys have sealed all that they may. */
static void
worn_out(struct tls *t, struct tls_stream *s)
{
	s->worn = true;
	wheel_arm(t->wheel, tls_stream_index(t, s), t->worker->now);
}

int
tls_stream_send(struct tls *t, tcp_handle h, struct rte_mbuf *chain)
{
	struct tls_stream *s = tls_stream_of(t, h);
	uint32_t length = chain->pkt_len;
	struct rte_mbuf *sealed;
	bool worn;
	int rc;

	if (!s)
		return -ENOENT;
	if (s->shut || s->resets)
		return -EPIPE;
	if (s->state != TLS_STREAM_OPEN || s->out.head) {
		s->told_full = true;
		return -EAGAIN;
	}
	worn = tls_keys_worn(&s->send);
	if (s->owes_update || (s->send.version == TLS_1_3 && worn))
		tls_update_keys(t, s);
	rc = seal_chain(t, s, chain, TLS_APPLICATION_DATA, &sealed);
	if (rc == -ENOBUFS)
		return rc;
	t->counters.bytes_out += length;
	s->idle = 0;
	if (rc == 0)
		tls_push(t, s, sealed);
	if (rc < 0 || (worn && s->send.version != TLS_1_3))
		worn_out(t, s);
	return 0;
}

uint32_t
tls_stream_room(struct tls *t, tcp_handle h)
{
	const struct tls_stream *s = tls_stream_of(t, h);

	if (!s || s->state != TLS_STREAM_OPEN || s->shut || s->out.head)
		return 0;
	return tcp_send_room(t->tcp, s->tcp);
}

/* ---- messages of TLS's own ------------------------------------------------------------------- */

/* False: there is no buffer. */
static bool
send_message(struct tls *t, struct tls_stream *s, uint8_t type, const uint8_t *bytes, uint16_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(t->mbufs), *sealed = m;
	int rc;

	if (!m)
		return false;
	memcpy(rte_pktmbuf_append(m, n), bytes, n);
	rc = s->send.version ? seal_chain(t, s, m, type, &sealed) : 0;
	if (rc == -ENOBUFS)
		rte_pktmbuf_free(m);
	if (rc < 0)
		return false;
	tls_push(t, s, sealed);
	return true;
}

#define ALERT 2

/* Before there are keys: as a record that is not sealed. */
static bool
alert_plain(struct tls *t, struct tls_stream *s, const uint8_t alert[ALERT])
{
	const uint8_t record[TLS_HEADER + ALERT] = {
		TLS_ALERT, 3, 3, 0, ALERT, alert[0], alert[1]
	};

	return send_message(t, s, TLS_ALERT, record, sizeof(record));
}

bool
tls_alert(struct tls *t, struct tls_stream *s, uint8_t description)
{
	const uint8_t alert[ALERT] = { description ? 2 : 1, description };

	if (s->send.version)
		return send_message(t, s, TLS_ALERT, alert, sizeof(alert));
	return alert_plain(t, s, alert);
}

void
tls_update_keys(struct tls *t, struct tls_stream *s)
{
	uint8_t message[TLS_KEY_UPDATE];

	/* While something waits one answer will do for all that are asked for. */
	s->owes_update = true;
	if (s->out.head || s->shut)
		return;
	tls_key_update_write(message, false);
	if (!send_message(t, s, TLS_HANDSHAKE, message, sizeof(message)))
		return;
	tls_schedules_forget(&t->schedules, &s->send);
	tls_keys_update(&s->send, t->schedules.engine);
	s->owes_update = false;
	t->counters.key_updates_out++;
}

void
tls_say_goodbye(struct tls *t, struct tls_stream *s)
{
	s->shut = true;
	if (s->state == TLS_STREAM_OPEN && !tls_alert(t, s, 0))
		say_goodbye_later(t, s);
	else
		tls_flush(t, s);
}
