/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question's life:
 *
 *     head of the line ──> worker's query ASKED ──> DONE ──> answer
 *                               ▲                    │ another worker owns the client
 *                               └────────────────────┘
 *
 * Who owns it, a worker says, by its snapshot: the first one is asked first.
 *
 * A question that is cancelled may leave a query behind that a worker has still to answer; `asked`
 * tells it from that of the question that follows.
 */
#include "cp/admin/explain.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cp/admin/explain_text.h"
#include "lib/request.h"
#include "lib/tls/hello.h"

#define PAUSE_NS   100000ull     /* between looks */
#define PATIENCE   5000000000ull /* a worker that says nothing for so long does not run */
#define OWNERS_MAX 8             /* askings of one question: the owner moves with a snapshot */

struct question {
	struct question *next;
	struct explain_caller caller;
	struct explain_query query; /* its inputs */
	uint16_t worker;            /* the one that is asked */
	bool asked;                 /* worker's query is this question's */
	unsigned int owners;
	uint64_t since; /* loop_now when it became the head, 0 before */
};

struct explains {
	struct control *control;
	struct loop_timer *timer;
	struct question *head, **tail;
};

static void explains_turn(void *arg);

struct explains *
explains_create(struct control *control)
{
	struct explains *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->control = control;
	e->tail = &e->head;
	e->timer = loop_timer_create(control->loop, explains_turn, e);
	if (!e->timer) {
		free(e);
		return NULL;
	}
	return e;
}

static struct question *
question_remove(struct explains *e, struct question **at)
{
	struct question *q = *at;

	*at = q->next;
	if (e->tail == &q->next)
		e->tail = at;
	return q;
}

void
explains_destroy(struct explains *e)
{
	if (!e)
		return;
	while (e->head)
		free(question_remove(e, &e->head));
	loop_timer_free(e->timer);
	free(e);
}

void
explains_cancel(struct explains *e, void *arg)
{
	struct question **at;

	for (at = &e->head; *at; at = &(*at)->next) {
		if ((*at)->caller.arg != arg)
			continue;
		free(question_remove(e, at));
		return;
	}
}

/* ---- the request ---- */

static int
refuse(char error[256], const char *sentence)
{
	snprintf(error, 256, "%s", sentence);
	return -EINVAL;
}

static int
read_flags(json_t *option, uint8_t *flags)
{
	static const struct {
		const char *name;
		uint8_t flags;
	} names[] = {
		{ "syn", TCP_SYN },
		{ "ack", TCP_ACK },
		{ "fin", TCP_FIN | TCP_ACK },
		{ "rst", TCP_RST },
	};
	const char *text = json_string_value(option);
	size_t i;

	*flags = 0;
	if (!option)
		return 0;
	for (i = 0; text && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i].name) != 0)
			continue;
		*flags = names[i].flags;
		return 0;
	}
	return -EINVAL;
}

static int
read_end(json_t *option, struct addr *addr, uint16_t *port)
{
	const char *text = json_string_value(option);
	uint16_t host_order;

	if (!text || addr_port_parse(text, addr, &host_order) < 0)
		return -EINVAL;
	*port = htons(host_order);
	return 0;
}

/* IP and transport header of a packet without content. */
static uint16_t
smallest(const struct tuple *t)
{
	return (uint16_t)((addr_is_v4(&t->src) ? 20 : 40) + (t->proto == IPPROTO_TCP ? 20 : 8));
}

/* In lower case, as workers compare it. */
static int
read_server_name(json_t *option, char out[EXPLAIN_NAME])
{
	const char *text = json_string_value(option);
	size_t i;

	if (!option)
		return 0;
	if (!text || strlen(text) >= EXPLAIN_NAME || !tls_name_usable(text, strlen(text)))
		return -EINVAL;
	for (i = 0; text[i]; i++)
		out[i] = (char)tolower((unsigned char)text[i]);
	out[i] = '\0';
	return 0;
}

static int
read_request(json_t *request, struct explain_query *q, char error[256])
{
	const char *protocol = json_string_value(json_object_get(request, "protocol"));
	json_t *length = json_object_get(request, "length");
	json_t *flags = json_object_get(request, "flags");
	json_t *server_name = json_object_get(request, "server_name");
	struct tuple *t = &q->tuple;
	json_int_t len;

	if (protocol && strcmp(protocol, "tcp") == 0)
		t->proto = IPPROTO_TCP;
	else if (protocol && strcmp(protocol, "udp") == 0)
		t->proto = IPPROTO_UDP;
	else
		return refuse(error, "protocol: must be tcp or udp");
	if (read_end(json_object_get(request, "client"), &t->src, &t->sport) < 0)
		return refuse(error, "client: must be ADDRESS:PORT, or [ADDRESS]:PORT for IPv6");
	if (read_end(json_object_get(request, "service"), &t->dst, &t->dport) < 0)
		return refuse(error, "service: must be ADDRESS:PORT, or [ADDRESS]:PORT for IPv6");
	if (addr_is_v4(&t->src) != addr_is_v4(&t->dst))
		return refuse(error, "client and service must be of one family");
	if ((flags && t->proto != IPPROTO_TCP) || read_flags(flags, &q->tcp_flags) < 0)
		return refuse(error, "flags: must be syn, ack, fin or rst, with TCP");
	if ((server_name && t->proto != IPPROTO_TCP) ||
	    read_server_name(server_name, q->server_name) < 0)
		return refuse(error, "server_name: must be a name as DNS has them, with TCP");
	len = length ? json_integer_value(length) : smallest(t);
	if (len < smallest(t) || len > REQUEST_LENGTH_MAX)
		return refuse(error, "length: must be the bytes of an IP packet, 65535 at most");
	q->ip_len = (uint16_t)len;
	return 0;
}

/* ---- asking ---- */

/* The interface by which the client's packets come: the one that leads back to it. */
static uint8_t
port_of_client(const struct snapshot *s, const struct addr *client)
{
	uint32_t hop = lpm_lookup(s->routes, client);
	uint32_t i;

	if (hop < s->n_nexthops)
		return s->nexthops[hop].port;
	for (i = 0; i < s->n_ports; i++) {
		if (s->ports[i].side != PORT_SIDE_BACKEND)
			return (uint8_t)i;
	}
	return 0;
}

int
explains_start(struct explains *e, json_t *request, const struct explain_caller *caller,
	       char error[256])
{
	const struct snapshot *s = e->control->snapshot;
	struct explain_query query = { 0 };
	struct question *q;
	int rc = read_request(request, &query, error);

	if (rc < 0)
		return rc;
	if (!s)
		return refuse(error, "nothing has been published yet");
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	query.in_port = port_of_client(s, &query.tuple.src);
	q->query = query;
	q->caller = *caller;
	*e->tail = q;
	e->tail = &q->next;
	if (e->head == q)
		loop_timer_arm(e->timer, loop_now());
	return 0;
}

static void
ask(struct question *q, struct explain_query *at)
{
	at->tuple = q->query.tuple;
	at->ip_len = q->query.ip_len;
	at->tcp_flags = q->query.tcp_flags;
	at->in_port = q->query.in_port;
	memcpy(at->server_name, q->query.server_name, sizeof(at->server_name));
	q->asked = true;
	atomic_store_explicit(&at->state, QUERY_ASKED, memory_order_release);
}

/* The head is answered with a line, NULL without memory for it. */
static void
finish(struct explains *e, char *line, size_t len)
{
	struct question *q = question_remove(e, &e->head);
	struct explain_caller caller = q->caller;

	free(q);
	caller.answer(caller.arg, line, len);
}

static void
finish_refused(struct explains *e, const char *reason)
{
	size_t len = 0;
	char *line = command_refusal(reason, &len);

	finish(e, line, len);
}

static void
finish_answered(struct explains *e, const struct explain_query *answer, uint16_t worker)
{
	size_t len = 0;
	char *line = command_result(explain_json(e->control, answer, worker), &len);

	finish(e, line, len);
}

/* True if the head has been answered, one way or another. */
static bool
look(struct explains *e, struct question *q)
{
	struct dataplane *dp = e->control->dp;
	struct explain_query *at;
	int state;

	if (q->worker >= dp->n_workers || q->owners > OWNERS_MAX) {
		finish_refused(e, "the client's owner changes all the time; try again");
		return true;
	}
	at = &dp->workers[q->worker]->explain;
	state = atomic_load_explicit(&at->state, memory_order_acquire);
	if (state == QUERY_ASKED) {
		if (loop_now() - q->since < PATIENCE)
			return false;
		finish_refused(e, "the worker does not answer");
		return true;
	}
	if (!q->asked) {
		ask(q, at);
		return false;
	}
	q->asked = false;
	if (at->owner != q->worker) {
		q->worker = at->owner;
		q->owners++;
		return false;
	}
	finish_answered(e, at, q->worker);
	return true;
}

static void
explains_turn(void *arg)
{
	struct explains *e = arg;
	struct question *q = e->head;

	if (!q)
		return;
	if (!q->since)
		q->since = loop_now();
	look(e, q);
	if (e->head)
		loop_timer_arm(e->timer, loop_now() + PAUSE_NS);
}
