/* SPDX-License-Identifier: Apache-2.0 */
/* Plays scripts: feeds what comes in, compares what goes out. */
#include "tests/tcp/script/script.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#include <rte_mbuf.h>

#include "tests/sim/content.h"
#include "tests/sim/nic.h"
#include "tests/tcp/script/stand.h"
#include "tests/tcp/script/text.h"

#define MS      STAND_MS
#define TICK    (MS / 2)
#define WAIT_MS 20 /* for a segment or an event without +MS */

void
script_accept(struct script *s)
{
	bool times = !s->options.no_timestamps;

	play(s, times ? "< S seq 0 win 65535 mss 1460 sackOK scale 7 ts 100 0\n"
			"> SA seq 0 ack 1\n"
			"+20 < A seq 1 ack 1 win 1000 ts 120 0\n"
			"= accepted\n"
		      : "< S seq 0 win 65535 mss 1460 sackOK scale 7\n"
			"> SA seq 0 ack 1\n"
			"+20 < A seq 1 ack 1 win 1000\n"
			"= accepted\n");
}

void
script_connect(struct script *s)
{
	bool times = !s->options.no_timestamps;

	s->own_port = 30000;
	s->port = 80;
	play(s, times ? "! connect\n"
			"> S seq 0\n"
			"< SA seq 0 ack 1 win 65535 mss 1460 sackOK scale 7 ts 100 0\n"
			"> A seq 1 ack 1\n"
			"= connected\n"
		      : "! connect\n"
			"> S seq 0\n"
			"< SA seq 0 ack 1 win 65535 mss 1460 sackOK scale 7\n"
			"> A seq 1 ack 1\n"
			"= connected\n");
}

/* ---- steps ---------------------------------------------------------------------------------- */

static bool
wrong(struct script *s, const char *format, const char *text)
{
	fprintf(stderr, format, text);
	fputc('\n', stderr);
	s->failed = true;
	return false;
}

/* A segment that goes out with its numbers counted from the SYNs. */
static struct wire
relative(const struct script *s, const struct wire *w)
{
	struct wire r = *w;

	r.seq -= s->isn;
	if (w->flags & WIRE_ACK)
		r.ack -= SCRIPT_ISN;
	for (int i = 0; i < r.n_sacks; i++) {
		r.sacks[i][0] -= SCRIPT_ISN;
		r.sacks[i][1] -= SCRIPT_ISN;
	}
	return r;
}

static bool
unexpected(struct script *s)
{
	char text[256];
	struct wire r;

	if (s->next_out < s->n_out) {
		r = relative(s, &s->out[s->next_out % SCRIPT_OUT].wire);
		wrong(s, "    went out unexpected: %s", wire_text(&r, text, sizeof(text)));
		return true;
	}
	if (s->next_event < s->n_events) {
		wrong(s, "    unexpected event: %s", s->events[s->next_event % SCRIPT_EVENTS].word);
		return true;
	}
	return false;
}

/* The timestamp that the stack's last segment bore, for `ts N 0` of what comes in. */
static uint32_t
last_time(const struct script *s)
{
	return s->n_out ? s->out[(s->n_out - 1) % SCRIPT_OUT].wire.time_value : 0;
}

static bool
come_in(struct script *s, const struct step *step)
{
	uint8_t payload[9000], bytes[WIRE_MAX];
	struct wire w = step->wire;
	struct tcp_packet packet = { .tuple = &s->tuple, .listener = TCP_LISTENER_NONE };

	if (unexpected(s) || s->n_burst == SCRIPT_BURST)
		return false;
	s->tuple = stand_tuple(s);
	w.src = s->tuple.src;
	w.dst = s->tuple.dst;
	w.sport = s->port;
	w.dport = s->own_port;
	content_fill(STAND_IN, w.seq - 1 + !!(w.flags & WIRE_SYN), payload, w.length);
	w.payload = payload;
	w.seq += SCRIPT_ISN;
	if (w.flags & WIRE_ACK)
		w.ack += s->isn;
	if (s->times && !w.has_time && !(step->forbids & NAMES_TIME)) {
		w.has_time = true;
		w.time_value = 100 + (uint32_t)((s->now - s->begin) / MS);
	}
	if (w.flags & WIRE_SYN)
		s->times = w.has_time && !s->options.no_timestamps;
	if (w.has_time && (w.flags & WIRE_ACK) && !w.time_echo)
		w.time_echo = last_time(s);
	for (int i = 0; i < w.n_sacks; i++) {
		w.sacks[i][0] += s->isn;
		w.sacks[i][1] += s->isn;
	}
	packet.ip_len = (uint16_t)wire_build(&w, bytes);
	if (step->damaged)
		bytes[packet.ip_len - 1] ^= 1;
	packet.mbuf = nic_receive(stand_pools()->wire, bytes, packet.ip_len, 1);
	packet.l4 = s->ip6 ? 40 : 20;
	packet.ecn = w.ecn;
	if (s->own_port == 80)
		packet.listener = 0;
	s->burst[s->n_burst++] = packet;
	if (step->kind == STEP_WITH)
		return true;
	tcp_input(s->tcp, s->burst, s->n_burst, s->now);
	s->n_burst = 0;
	stand_turn(s);
	return true;
}

static bool
same_options(const struct step *step, const struct wire *got)
{
	const struct wire *want = &step->wire;

	if ((step->names & NAMES_MSS) && (!got->has_mss || got->mss != want->mss))
		return false;
	if ((step->names & NAMES_SCALE) && (!got->has_scale || got->scale != want->scale))
		return false;
	if ((step->names & NAMES_SACK_OK) && !got->sack_permitted)
		return false;
	if ((step->names & NAMES_TIME) && (!got->has_time || got->time_echo != want->time_echo))
		return false;
	if (step->names & NAMES_SACK) {
		if (got->n_sacks != want->n_sacks ||
		    memcmp(got->sacks, want->sacks, sizeof(want->sacks[0]) * want->n_sacks) != 0)
			return false;
	}
	return !((step->forbids & NAMES_MSS) && got->has_mss) &&
	       !((step->forbids & NAMES_SCALE) && got->has_scale) &&
	       !((step->forbids & NAMES_SACK_OK) && got->sack_permitted) &&
	       !((step->forbids & NAMES_TIME) && got->has_time) &&
	       !((step->forbids & NAMES_SACK) && got->n_sacks);
}

static bool
same(const struct step *step, const struct wire *got)
{
	const struct wire *want = &step->wire;

	if ((want->flags ^ got->flags) & ~WIRE_PSH || want->length != got->length)
		return false;
	if (want->flags & WIRE_PSH && !(got->flags & WIRE_PSH))
		return false;
	if ((step->names & NAMES_SEQ) && want->seq != got->seq)
		return false;
	if ((step->names & NAMES_ACK) && want->ack != got->ack)
		return false;
	if ((step->names & NAMES_WINDOW) && want->window != got->window)
		return false;
	if ((step->names & NAMES_ECN) && want->ecn != got->ecn)
		return false;
	if (got->length &&
	    content_check(STAND_OUT, got->seq - 1, got->payload, got->length) != got->length)
		return false;
	return same_options(step, got);
}

/* Let time pass until something is there or `until` is reached. */
static void
wait_for(struct script *s, const unsigned int *next, const unsigned int *n, uint64_t until)
{
	while (*next == *n && s->now < until) {
		s->now += TICK;
		stand_turn(s);
	}
}

static uint64_t
latest(const struct script *s, const struct step *step)
{
	uint64_t ms = step->timed ? step->after + step->after / 2 + 2 : WAIT_MS;

	return s->last + ms * MS;
}

static bool
in_time(struct script *s, const struct step *step, uint64_t at)
{
	char text[64];

	if (!step->timed || at + MS >= s->last + step->after * MS * 9 / 10)
		return true;
	snprintf(text, sizeof(text), "%.1f", (double)(at - s->last) / MS);
	return wrong(s, "    too early: after %s ms", text);
}

static bool
go_out(struct script *s, const struct step *step)
{
	const struct script_out *o;
	char text[256];
	struct wire r;

	wait_for(s, &s->next_out, &s->n_out, latest(s, step));
	if (s->next_out == s->n_out)
		return wrong(s, "    nothing went out%s", "");
	o = &s->out[s->next_out++ % SCRIPT_OUT];
	r = relative(s, &o->wire);
	if (!same(step, &r))
		return wrong(s, "    went out: %s", wire_text(&r, text, sizeof(text)));
	if (!in_time(s, step, o->at))
		return false;
	s->last = o->at;
	return true;
}

static bool
is_told(struct script *s, const struct step *step)
{
	const struct script_event *e;

	wait_for(s, &s->next_event, &s->n_events, latest(s, step));
	if (s->next_event == s->n_events)
		return wrong(s, "    no event%s", "");
	e = &s->events[s->next_event++ % SCRIPT_EVENTS];
	if (strcmp(e->word, step->word) != 0 ||
	    (step->n_numbers && step->numbers[0] != e->number)) {
		fprintf(stderr, "    %llu:", (unsigned long long)e->number);
		return wrong(s, " event %s", e->word);
	}
	return in_time(s, step, s->now);
}

static bool
send_bytes(struct script *s, uint64_t n)
{
	struct rte_mbuf *head = NULL, **link = &head, *m;
	uint64_t left = n, piece;
	uint16_t count = 0;
	int error;

	for (; left; left -= piece, s->sent += piece, link = &m->next, count++) {
		m = rte_pktmbuf_alloc(stand_pools()->user);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		piece = left < 1900 ? left : 1900;
		content_fill(STAND_OUT, s->sent, rte_pktmbuf_mtod(m, uint8_t *), piece);
		m->data_len = (uint16_t)piece;
		*link = m;
	}
	head->pkt_len = (uint32_t)n;
	head->nb_segs = count;
	error = tcp_send(s->tcp, s->h, head);
	if (!error)
		return true;
	rte_pktmbuf_free(head);
	s->sent -= n;
	return wrong(s, "    send: %s", strerror(-error));
}

static bool
connect_to(struct script *s)
{
	struct tcp_connect what = { .tuple = stand_tuple(s), .user = 1, .options = &s->options };

	return tcp_connect(s->tcp, &what, &s->h) == 0 ? true : wrong(s, "    connect fails%s", "");
}

/* An ICMP error about what was sent at this sequence number. */
static bool
too_big(struct script *s, const struct step *step)
{
	struct tuple tuple = stand_tuple(s);
	struct tcp_error error = {
		.tuple = &tuple,
		.kind = TCP_ERROR_TOO_BIG,
		.sequence = s->isn + (uint32_t)step->numbers[0],
		.mtu = (uint32_t)step->numbers[1],
	};

	tcp_input_error(s->tcp, &error, s->now);
	return true;
}

static bool
unreachable(struct script *s, const struct step *step)
{
	struct tuple tuple = stand_tuple(s);
	struct tcp_error error = {
		.tuple = &tuple,
		.kind = TCP_ERROR_UNREACHABLE,
		.sequence = s->isn + (uint32_t)step->numbers[0],
	};

	tcp_input_error(s->tcp, &error, s->now);
	return true;
}

static bool
do_it(struct script *s, const struct step *step)
{
	uint64_t n = step->numbers[0];
	bool done = true;

	if (unexpected(s))
		return false;
	if (!strcmp(step->word, "send"))
		done = send_bytes(s, n);
	else if (!strcmp(step->word, "full"))
		s->full = n;
	else if (!strcmp(step->word, "connect"))
		done = connect_to(s);
	else if (!strcmp(step->word, "credit"))
		tcp_credit(s->tcp, s->h, n ? (uint32_t)n : s->unread);
	else if (!strcmp(step->word, "shutdown"))
		tcp_shutdown(s->tcp, s->h);
	else if (!strcmp(step->word, "drain"))
		tcp_drain(s->tcp, s->h);
	else if (!strcmp(step->word, "abort"))
		tcp_abort(s->tcp, s->h);
	else if (!strcmp(step->word, "abort_later"))
		tcp_abort_later(s->tcp, s->h);
	else if (!strcmp(step->word, "unlisten"))
		tcp_unlisten(s->tcp, 0);
	else if (!strcmp(step->word, "too_big"))
		done = too_big(s, step);
	else if (!strcmp(step->word, "unreachable"))
		done = unreachable(s, step);
	else
		done = wrong(s, "    no such verb: %s", step->word);
	if (!strcmp(step->word, "credit"))
		s->unread -= n ? (uint32_t)n : s->unread;
	if (!strcmp(step->word, "abort"))
		s->h = TCP_HANDLE_NONE;
	stand_turn(s);
	return done;
}

static bool
is_so(struct script *s, const struct step *step)
{
	struct tcp_info info;
	char text[96];
	uint64_t value = 0, most = step->numbers[step->n_numbers - 1];

	if (tcp_info(s->tcp, s->h, &info) != 0)
		return wrong(s, "    no connection to ask for %s", step->word);
	if (!strcmp(step->word, "cwnd"))
		value = info.cwnd;
	else if (!strcmp(step->word, "ssthresh"))
		value = info.ssthresh;
	else if (!strcmp(step->word, "in_flight"))
		value = info.in_flight;
	else if (!strcmp(step->word, "srtt_us"))
		value = info.srtt / 1000;
	else if (!strcmp(step->word, "rto_ms"))
		value = info.rto / MS;
	else if (!strcmp(step->word, "mss"))
		value = info.mss;
	else if (!strcmp(step->word, "state"))
		value = info.state;
	else if (!strcmp(step->word, "unread"))
		value = info.unread;
	else
		return wrong(s, "    no such fact: %s", step->word);
	if (value >= step->numbers[0] && value <= most)
		return true;
	snprintf(text, sizeof(text), "%s is %llu", step->word, (unsigned long long)value);
	return wrong(s, "    %s", text);
}

static bool
step_play(struct script *s, const struct step *step)
{
	uint64_t at = s->last + step->after * MS;

	if (step->kind == STEP_OUT)
		return go_out(s, step);
	if (step->kind == STEP_EVENT)
		return is_told(s, step);
	while (step->timed && s->now < at) {
		s->now += TICK;
		stand_turn(s);
		if (step->kind == STEP_NOTHING && unexpected(s))
			return false;
	}
	s->last = s->now;
	if (step->kind == STEP_SKIP)
		s->next_out = s->n_out;
	switch (step->kind) {
	case STEP_IN:
	case STEP_WITH:
		return come_in(s, step);
	case STEP_DO:
		return do_it(s, step);
	case STEP_FACT:
		return is_so(s, step);
	default:
		return true;
	}
}

void
script_play(struct script *s, const char *text, const char *file, int line)
{
	const char *next, *not_understood;
	struct step step;

	for (; !s->failed && (next = step_parse(&step, text, &not_understood)); text = next) {
		if (not_understood) {
			fprintf(stderr, "not understood: %.*s\n", (int)(next - text), text);
			s->failed = true;
		} else if (step_play(s, &step)) {
			continue;
		}
		fprintf(stderr, "    in: %.*s    of the script at %s:%d, %.3f ms after its begin\n",
			(int)(next - text), text, file, line, (double)(s->now - s->begin) / MS);
		CU_FAIL("script");
	}
	if (!s->failed && unexpected(s)) {
		fprintf(stderr, "    behind the script at %s:%d\n", file, line);
		CU_FAIL("script");
	}
}

/* ---- tables --------------------------------------------------------------------------------- */

#define MAX_SUITES 16

static struct {
	const struct script_case *cases;
	size_t n;
} suites[MAX_SUITES];

static const struct script_case *
case_named(const char *name)
{
	for (size_t i = 0; i < MAX_SUITES; i++)
		for (size_t j = 0; j < suites[i].n; j++)
			if (!strcmp(suites[i].cases[j].name, name))
				return &suites[i].cases[j];
	return NULL;
}

static void
run_case(void)
{
	const struct script_case *c = case_named(CU_get_current_test()->pName);
	static struct script s;

	script_begin(&s, &c->options);
	s.ip6 = c->ip6;
	if (c->opening == OPEN_ACCEPT)
		script_accept(&s);
	else if (c->opening == OPEN_CONNECT)
		script_connect(&s);
	play(&s, c->text);
	if (s.failed)
		fprintf(stderr, "  = %s\n", c->name);
	script_end(&s);
}

int
script_suite(const char *name, const struct script_case *cases, size_t n)
{
	CU_pSuite suite = CU_add_suite(name, NULL, NULL);
	size_t i = 0;

	if (!suite)
		return (int)CU_get_error();
	while (i < MAX_SUITES && suites[i].n)
		i++;
	suites[i].cases = cases;
	suites[i].n = n;
	for (i = 0; i < n; i++)
		if (!CU_add_test(suite, cases[i].name, run_case))
			return (int)CU_get_error();
	return CUE_SUCCESS;
}
