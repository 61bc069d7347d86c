/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of HTTP listeners as people see them. */
#include "dp/proxy/view.h"
#include "dp/l7/internal.h"

static uint8_t
state_shown(const struct http_session *s)
{
	if (s->state == HTTP_PROXIED || s->state == HTTP_SECURING || s->state == HTTP_CONNECTING)
		return CONNECTION_OPENING;
	return s->state == HTTP_ENDING ? CONNECTION_CLOSING : CONNECTION_ESTABLISHED;
}

bool
http_view(struct http *h, uint32_t index, uint32_t service, struct connection_view *v)
{
	const struct http_session *s = &h->sessions[index];
	const struct http_upstream *u;
	uint64_t now = h->worker->now, ends;

	if (s->state == HTTP_FREE || s->mirrors || (service != INDEX_NONE && service != s->service))
		return false;
	u = http_upstream_of(h, s);
	ends = http_deadline(h, s);
	*v = (struct connection_view){
		.forward = s->tuple,
		.state = state_shown(s),
		.proxied = true,
		.service = s->service,
		.backend = u ? u->backend : INDEX_NONE,
		.service_epoch = s->service_epoch,
		.backend_epoch = u ? u->backend_epoch : 0,
		.expires = ends > now && ends != UINT64_MAX ? ends - now : 0,
	};
	proxy_leg_view(h->proxy, s->client, s->x->down.length, &v->tcp[LEG_CLIENT], NULL);
	proxy_leg_view(h->proxy, u ? u->handle : TCP_HANDLE_NONE, s->x->up.length,
		       &v->tcp[LEG_BACKEND], v);
	return true;
}

bool
http_view_of(struct http *h, uint64_t user, struct connection_view *v)
{
	uint32_t index = http_user_index(user);

	return !http_user_is_upstream(user) && index < h->sessions_fresh &&
	       http_view(h, index, INDEX_NONE, v);
}

uint32_t
http_sessions_known(const struct http *h)
{
	return h->sessions_fresh;
}
