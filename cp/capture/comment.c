/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/capture/comment.h"

#include <arpa/inet.h>
#include <stdio.h>

/* "... to 10.2.0.11:8080", or to the client. */
static void
print_to(const struct capture_record *r, const char *verb, char *text, size_t size)
{
	char to[ADDR_PORT_STRLEN];

	snprintf(text, size, "%s %s%s", verb, r->direction == DIR_REPLY ? "client " : "",
		 addr_port_format(&r->to, ntohs(r->to_port), to));
}

static const char *
answer_name(const struct capture_record *r)
{
	return r->echo ? "echo reply" : drop_reason_name((enum drop_reason)r->reason);
}

static void
print_event(const struct capture_record *r, char *text, size_t size)
{
	const char *reason = drop_reason_name((enum drop_reason)r->reason);

	switch ((enum capture_event)r->event) {
	case CAPTURE_FORWARDED:
		print_to(r, "forwarded to", text, size);
		break;
	case CAPTURE_OUT:
		print_to(r, "sent to", text, size);
		break;
	case CAPTURE_ANSWERED:
		snprintf(text, size, "answered: %s", answer_name(r));
		break;
	case CAPTURE_OUT_ANSWER:
		snprintf(text, size, "our answer: %s", answer_name(r));
		break;
	case CAPTURE_DROPPED:
		snprintf(text, size, "dropped: %s", reason);
		break;
	case CAPTURE_OUT_UNSENT:
		snprintf(text, size, "not sent, dropped: %s", reason);
		break;
	case CAPTURE_TO_HOST:
		snprintf(text, size, "to the host");
		break;
	case CAPTURE_OUT_FROM_HOST:
		snprintf(text, size, "from the host");
		break;
	case CAPTURE_ENDS:
		snprintf(text, size, "ends here");
		break;
	case CAPTURE_OUT_OURS:
		snprintf(text, size, "sent by a listener's connection");
		break;
	case CAPTURE_WAITS:
		snprintf(text, size, "waits for the next hop's Ethernet address");
		break;
	case CAPTURE_NOTHING:
		snprintf(text, size, "no verdict");
		break;
	}
}

const char *
capture_comment(const struct capture_record *r, uint32_t worker, const char *service,
		char buf[COMMENT_SIZE])
{
	char event[128] = "";

	print_event(r, event, sizeof(event));
	if (service)
		snprintf(buf, COMMENT_SIZE, "worker %u, service %.64s, %s", worker, service, event);
	else
		snprintf(buf, COMMENT_SIZE, "worker %u, %s", worker, event);
	return buf;
}
