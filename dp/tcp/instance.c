/* SPDX-License-Identifier: Apache-2.0 */
/* The instance: made, freed, its listeners and the sets of options that connections refer to. */
#include "dp/tcp/internal.h"

#include <errno.h>

#include <rte_malloc.h>

#define CONNECTIONS_MAX (1u << 26)
/* Cookies that are remembered: 2 to 4 bytes a connection. */
#define COOKIES_SHARE 4
#define COOKIES_MIN   1024

/* Where the memory of somebody else's structure went. */
struct memory {
	int socket;
	void *at;
};

static void *
allocate(size_t size, void *arg)
{
	struct memory *m = arg;

	m->at = rte_zmalloc_socket("tcp", size, RTE_CACHE_LINE_SIZE, m->socket);
	return m->at;
}

static void *
zeroed(const struct tcp *t, size_t n, size_t size)
{
	return rte_zmalloc_socket("tcp", n * size, RTE_CACHE_LINE_SIZE, t->settings.socket);
}

static bool
create_tables(struct tcp *t, uint64_t now)
{
	uint32_t n = t->settings.connections, cookies = RTE_MAX(n / COOKIES_SHARE, COOKIES_MIN);
	struct memory wheel = { t->settings.socket, NULL }, sent = { t->settings.socket, NULL };

	t->blocks = zeroed(t, n, sizeof(*t->blocks));
	t->flights = zeroed(t, t->settings.flights, sizeof(*t->flights));
	t->table_memory = zeroed(t, 1, flow_table_size(n));
	t->cookie_memory = zeroed(t, 1, cookie_memory_size(cookies));
	t->listeners = zeroed(t, LISTENERS_MAX, sizeof(*t->listeners));
	t->sets = zeroed(t, OPTION_SETS_MAX, sizeof(*t->sets));
	t->wheel = wheel_create(n, NS_PER_MS, now, allocate, &wheel);
	t->sent = sent_pool_create(t->settings.sent_records, allocate, &sent);
	t->wheel_memory = wheel.at;
	t->sent_memory = sent.at;
	if (!t->blocks || !t->flights || !t->table_memory || !t->cookie_memory || !t->listeners ||
	    !t->sets || !t->wheel || !t->sent)
		return false;
	flow_table_init(&t->table, n, t->table_memory);
	cookie_memory_init(&t->cookies, cookies, t->cookie_memory);
	return true;
}

static void
fill_settings(struct tcp_settings *s)
{
	if (!s->sent_records)
		s->sent_records = 2 * s->connections + 65536;
	if (!s->flights)
		s->flights = s->sent_records / SENT_CHUNK + 1;
	s->flights = RTE_MIN(s->flights, s->connections);
	if (!s->half_open)
		s->half_open = s->connections / 4 + 1;
	if (!s->challenge_per_s)
		s->challenge_per_s = 10;
	if (!s->resets_per_s)
		s->resets_per_s = 1000;
}

static struct siphash_key
derive(const struct tcp_settings *s, uint64_t purpose)
{
	struct siphash_key key;

	memcpy(&key, s->secret, sizeof(key));
	key.k0 = siphash13(&key, s->secret + 16, 16) ^ purpose;
	key.k1 = siphash13(&key, &purpose, sizeof(purpose));
	return key;
}

struct tcp *
tcp_create(const struct tcp_settings *settings, const struct tcp_calls *calls, uint64_t now)
{
	struct tcp *t;

	if (!settings->connections || settings->connections > CONNECTIONS_MAX || !settings->mbufs ||
	    !settings->clones || !calls->output || !calls->random || !now)
		return NULL;
	t = rte_zmalloc_socket("tcp", sizeof(*t), RTE_CACHE_LINE_SIZE, settings->socket);
	if (!t)
		return NULL;
	t->settings = *settings;
	t->calls = *calls;
	fill_settings(&t->settings);
	t->free_flight = NIL;
	t->flight_steps = FLIGHT_STEPS;
	t->free_head = t->dead_head = t->flush_head = t->flush_tail = NIL;
	t->time_wait.head = t->time_wait.tail = NIL;
	t->half_open.head = t->half_open.tail = NIL;
	t->hash_key = derive(settings, 1);
	/* Of no use to anybody who knows the secret. */
	t->hash_key.k0 ^= calls->random(calls->arg);
	t->hash_key.k1 ^= calls->random(calls->arg);
	t->isn_key = derive(settings, 2);
	t->cookie_key = derive(settings, 3);
	clock_set(t, now);
	if (!create_tables(t, now)) {
		tcp_destroy(t);
		return NULL;
	}
	return t;
}

void
tcp_destroy(struct tcp *t)
{
	uint32_t i;

	if (!t)
		return;
	for (i = 0; t->sent && t->blocks && t->flights && i < t->fresh; i++) {
		if (t->blocks[i].state != TCP_CLOSED)
			block_free(t, &t->blocks[i]);
	}
	rte_free(t->wheel_memory);
	rte_free(t->sent_memory);
	rte_free(t->sets);
	rte_free(t->listeners);
	rte_free(t->cookie_memory);
	rte_free(t->table_memory);
	rte_free(t->flights);
	rte_free(t->blocks);
	rte_free(t);
}

/* ---- options -------------------------------------------------------------------------------- */

static uint32_t
or_default(uint32_t value, uint32_t preset)
{
	return value ? value : preset;
}

/* Every byte of *out follows from what `o` says, padding included: sets are compared as bytes. */
static void
options_fill(struct tcp_options *out, const struct tcp_options *o)
{
	memset(out, 0, sizeof(*out));
	out->receive_window = or_default(o->receive_window, 262144);
	out->send_buffer = or_default(o->send_buffer, 262144);
	out->connect_ms = or_default(o->connect_ms, 75000);
	out->user_timeout_ms = or_default(o->user_timeout_ms, 900000);
	out->keepalive_ms = o->keepalive_ms;
	out->keepalive_interval_ms = or_default(o->keepalive_interval_ms, 75000);
	out->keepalive_probes = or_default(o->keepalive_probes, 9);
	out->fin_wait_ms = or_default(o->fin_wait_ms, 60000);
	out->time_wait_ms = or_default(o->time_wait_ms, 60000);
	out->delayed_ack_ms = RTE_MIN(or_default(o->delayed_ack_ms, 25), 500u);
	out->min_rto_ms = RTE_MIN(or_default(o->min_rto_ms, 200), 60000u);
	out->mtu = (uint16_t)or_default(o->mtu, 1500);
	out->mss_less = o->mss_less;
	out->ttl = (uint8_t)or_default(o->ttl, 64);
	out->tos = o->tos & 0xfc;
	out->nagle = o->nagle;
	out->no_timestamps = o->no_timestamps;
	out->no_sack = o->no_sack;
	out->no_window_scale = o->no_window_scale;
	out->no_ecn = o->no_ecn;
	out->ask_ecn = o->ask_ecn;
	out->no_rack = o->no_rack;
	out->no_cubic = o->no_cubic;
	out->syn_cookies_always = o->syn_cookies_always;
}

static bool
options_possible(const struct tcp_options *o)
{
	const uint32_t times[] = { o->connect_ms,  o->user_timeout_ms,       o->keepalive_ms,
				   o->fin_wait_ms, o->keepalive_interval_ms, o->time_wait_ms };
	uint32_t i;

	for (i = 0; i < RTE_DIM(times); i++) {
		if (times[i] > 1u << 30)
			return false;
	}
	return o->receive_window <= 1u << 30 && o->send_buffer <= 1u << 30 && o->mtu >= 576 &&
	       o->mss_less + 512u <= o->mtu;
}

int
options_take(struct tcp *t, const struct tcp_options *o)
{
	union option_bytes filled;
	uint32_t i, spare = NIL;

	options_fill(&filled.options, o);
	if (!options_possible(&filled.options))
		return -EINVAL;
	if (t->sets[t->last_set].references &&
	    !memcmp(t->sets[t->last_set].is.bytes, filled.bytes, sizeof(filled))) {
		t->sets[t->last_set].references++;
		return (int)t->last_set;
	}
	for (i = 0; i < OPTION_SETS_MAX; i++) {
		if (!t->sets[i].references) {
			spare = RTE_MIN(spare, i);
			continue;
		}
		if (!memcmp(t->sets[i].is.bytes, filled.bytes, sizeof(filled)))
			break;
	}
	if (i == OPTION_SETS_MAX) {
		if (spare == NIL)
			return -ENOMEM;
		i = spare;
		t->sets[i].is = filled;
	}
	t->sets[i].references++;
	t->last_set = i;
	return (int)i;
}

void
options_release(struct tcp *t, uint16_t set)
{
	t->sets[set].references--;
}

/* ---- listeners ------------------------------------------------------------------------------ */

int
tcp_listen(struct tcp *t, uint32_t listener, const struct tcp_options *options)
{
	const struct tcp_options none = { 0 };
	struct tcp_listener *l;
	int set;

	if (listener >= LISTENERS_MAX)
		return -EINVAL;
	set = options_take(t, options ? options : &none);
	if (set < 0)
		return set;
	l = &t->listeners[listener];
	if (l->used)
		options_release(t, l->options);
	l->used = true;
	l->options = (uint16_t)set;
	return 0;
}

void
tcp_unlisten(struct tcp *t, uint32_t listener)
{
	uint32_t i, next;

	if (listener >= LISTENERS_MAX || !t->listeners[listener].used)
		return;
	t->listeners[listener].used = false;
	options_release(t, t->listeners[listener].options);
	for (i = t->half_open.head; i != NIL; i = next) {
		struct tcp_block *c = &t->blocks[i];

		next = c->order_next;
		if (c->listener == listener && !(c->flags & BLOCK_OURS))
			block_free(t, c);
	}
}
