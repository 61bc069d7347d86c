/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time that sessions have. A session ends when for its idle time nothing has come and neither
 * peer has taken anything of what is there for it. Of the latter nothing is noted as it happens:
 * TCP is asked when the time would be over.
 */
#include "dp/proxy/stream.h"

#define NS_PER_MS 1000000ull

uint64_t
session_expires(struct proxy *p, const struct session *s)
{
	uint64_t now = p->worker->now, waited = now - s->seen;
	struct tcp_info info;
	enum leg leg;

	for (leg = LEG_CLIENT; leg < LEGS; leg++) {
		if (stream_info(p, s->legs[leg], &info) == 0 && info.waited_ms != UINT32_MAX)
			waited = RTE_MIN(waited, info.waited_ms * NS_PER_MS);
	}
	return now - waited + s->idle_ms * NS_PER_MS;
}

void
session_timer(struct proxy *p, uint32_t index)
{
	struct session *s = &p->sessions[index];
	uint64_t ends;

	if (s->state == SESSION_HEADER) {
		p->counters.headers_bad++;
		session_abort(p, s);
		return;
	}
	if (s->state == SESSION_HELLO) {
		hello_refuse(p, s, TLS_HELLO_BAD_TIMEOUT);
		return;
	}
	if (s->state == SESSION_REFUSED || s->state == SESSION_SECURING) {
		session_abort(p, s);
		return;
	}
	ends = session_expires(p, s);
	if (p->worker->now >= ends) {
		p->counters.idle_timeouts++;
		session_abort(p, s);
		return;
	}
	wheel_arm(p->wheel, session_index(p, s), ends);
	session_flush(p, s, LEG_CLIENT);
	session_flush(p, s, LEG_BACKEND);
}
