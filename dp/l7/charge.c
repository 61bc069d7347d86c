/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits that a request is under: of the client, and of the value of a header, on the listener
 * and on the route. It is charged to all of them, or to none.
 *
 * A client is its address, as far as the listener's prefixes tell clients apart. Its requests all
 * come to the worker that owns it, but for those that a PROXY header says who they are of: any
 * worker may get these, so they are counted where all workers count,
 * as values of headers are: a table with locks, and no leases of a common account (dp/l4/lease.h),
 * see dp/l7/limit.h.
 */
#include "dp/l7/internal.h"
#include "lib/siphash.h"

#define LIMITS_MAX 4

struct charge {
	struct http_limit_table *table;
	struct http_limit_key key;
	const struct gcra *gcra;
};

struct charges {
	uint32_t n;
	struct charge all[LIMITS_MAX];
};

static struct http_limit_table *
shared_table(const struct http *h)
{
	return h->worker->dataplane->http_keys;
}

static void
add(struct charges *c, struct http_limit_table *table, const struct http_request_limit *limit,
    const uint64_t whom[2])
{
	c->all[c->n++] = (struct charge){
		.table = table,
		.key = { { whom[0], whom[1] }, limit->id },
		.gcra = &limit->gcra,
	};
}

static void
add_client(const struct http *h, const struct http_session *s, uint32_t limit, struct charges *c)
{
	const struct http_listener *l = s->x->listener;
	const struct addr *client = http_client(s);
	const struct addr mask4 = { .w = { UINT32_MAX, UINT32_MAX, UINT32_MAX, l->mask4 } };
	bool v4 = addr_is_v4(client);
	uint64_t whom[2];

	if (limit == UINT32_MAX)
		return;
	whom[0] = client->q[0] & (v4 ? UINT64_MAX : l->mask6[0]);
	whom[1] = client->q[1] & (v4 ? mask4.q[1] : l->mask6[1]);
	add(c, s->ends.known ? shared_table(h) : h->limits, &l->limits[limit], whom);
}

static uint32_t
times_there(const struct http_head *head, const uint8_t *bytes, const struct http_text *name)
{
	const struct http_field *f;
	uint32_t n = 0;

	for (f = head->fields; f < head->fields + head->n_fields; f++)
		n += f->name.length == name->length &&
		     http_same_name(bytes + f->name.at, (const uint8_t *)name->bytes, name->length);
	return n;
}

/* Requests without a value are not counted. False: there are two, of which a backend may take
 * either. */
static bool
add_key(const struct http *h, const uint8_t *bytes, const struct http_request_limit *limit,
	const struct http_text *name, struct charges *c)
{
	static const struct siphash_key low = { 0x452821e638d01377ull, 0xbe5466cf34e90c6cull };
	static const struct siphash_key high = { 0xc0ac29b7c97c50ddull, 0x3f84d5b5b5470917ull };
	uint32_t times = times_there(&h->head, bytes, name);
	struct http_span value;
	uint64_t whom[2];

	if (times != 1)
		return !times;
	value = http_field_value(&h->head, bytes, name);
	if (!value.length)
		return true;
	whom[0] = siphash13(&low, bytes + value.at, value.length);
	whom[1] = siphash13(&high, bytes + value.at, value.length);
	add(c, shared_table(h), limit, whom);
	return true;
}

static bool
add_keys(const struct http *h, const struct http_session *s, const uint8_t *bytes,
	 struct charges *c)
{
	const struct http_listener *l = s->x->listener;
	const struct http_route *r = s->x->route;

	return (l->limit_key == UINT32_MAX ||
		add_key(h, bytes, &l->limits[l->limit_key], &l->limit_key_name, c)) &&
	       (r->limit_key == UINT32_MAX ||
		add_key(h, bytes, &l->limits[r->limit_key], &r->limit_key_name, c));
}

bool
http_charge(struct http *h, struct http_session *s, const uint8_t *bytes)
{
	struct charges c = { 0 };
	uint64_t wait = 0;
	uint32_t i;

	if (likely(!s->x->listener->n_limits))
		return true;
	add_client(h, s, s->x->listener->limit_client, &c);
	add_client(h, s, s->x->route->limit_client, &c);
	if (!add_keys(h, s, bytes, &c)) {
		h->counters.limit_keys_bad++;
		s->x->mark.cause = HTTP_CAUSE_BAD_REQUEST;
		http_answer(h, s, 400);
		return false;
	}
	for (i = 0; i < c.n && !wait; i++)
		wait =
		    http_limit_take(c.all[i].table, &c.all[i].key, c.all[i].gcra, h->worker->now);
	if (!wait)
		return true;
	for (i--; i > 0; i--)
		http_limit_give_back(c.all[i - 1].table, &c.all[i - 1].key, c.all[i - 1].gcra);
	http_answer_limited(h, s, wait);
	return false;
}
