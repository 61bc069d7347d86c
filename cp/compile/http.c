/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP listeners: what workers know of each, in a block of memory that belongs to the compiler.
 *
 *     snapshots ──proxy_set──> block      block.snapshots counts the sets that name it
 *     requests  ─────────────> block      block.users[worker]: see dp/l7/settings.h
 *
 * A set goes when no worker can see the last snapshot that has it; so when its blocks are not named
 * by any, no request begins with them any more, and once those that have begun are over, they are
 * free. A block is found again by the bytes that it was compiled from.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/http_table.h"
#include "cp/compile/internal.h"
#include "cp/config/config.h"
#include "dp/l7/settings.h"
#include "lib/http/path.h"
#include "lib/siphash.h"

/* ---- memory ---------------------------------------------------------------------------------- */

#define ARENA_CHUNK 16384

struct chunk {
	struct chunk *next;
	size_t size, used;
	_Alignas(16) char room[];
};

struct http_block {
	struct http_listener listener;
	struct chunk *chunks; /* all that listener points to, but for its users */
	struct http_users *users;
	struct http_table *table;
	char *text; /* what it was compiled from */
	size_t text_length;
	unsigned int snapshots;
	uint16_t n_workers;
	struct http_block *next;
};

/* A block under construction. */
struct build {
	struct compiler *compiler;
	const struct config *config;
	struct http_block *block;
	struct http_request_limit *limits; /* room for those of all routes */
	const struct listener_config *listener;
	const struct http_limit_config *of_key; /* the limit that counts values of a header */
	bool failed;
};

/* Zeroed; NULL without memory, then failed is set. */
static void *
room_get(struct build *b, size_t size)
{
	struct chunk *chunk = b->block->chunks;
	size_t whole;

	size = (size + 15) / 16 * 16;
	if (!chunk || chunk->size - chunk->used < size) {
		whole = size > ARENA_CHUNK ? size : ARENA_CHUNK;
		chunk = calloc(1, sizeof(*chunk) + whole);
		if (!chunk) {
			b->failed = true;
			return NULL;
		}
		chunk->size = whole;
		chunk->next = b->block->chunks;
		b->block->chunks = chunk;
	}
	chunk->used += size;
	return chunk->room + chunk->used - size;
}

static struct http_text
bytes_copy(struct build *b, const char *bytes, size_t length)
{
	char *room = bytes ? room_get(b, length + 1) : NULL;

	if (!room)
		return (struct http_text){ NULL, 0 };
	memcpy(room, bytes, length);
	return (struct http_text){ room, (uint32_t)length };
}

static struct http_text
text_copy(struct build *b, const char *text)
{
	return bytes_copy(b, text, text ? strlen(text) : 0);
}

static struct http_text
lower_copy(struct build *b, const char *text)
{
	char *room = text ? room_get(b, strlen(text) + 1) : NULL;
	size_t i;

	for (i = 0; room && text[i]; i++)
		room[i] = (char)tolower((unsigned char)text[i]);
	return (struct http_text){ room, room ? (uint32_t)i : 0 };
}

/* ---- routes ---------------------------------------------------------------------------------- */

static_assert((int)HTTP_BALANCE_ROUND_ROBIN == HTTP_ROUND_ROBIN &&
		  (int)HTTP_BALANCE_LEAST_REQUESTS == HTTP_LEAST_REQUESTS &&
		  (int)HTTP_BALANCE_MAGLEV == HTTP_MAGLEV &&
		  (int)HTTP_RETRY_ON_CONNECT == HTTP_RETRY_CONNECT &&
		  (int)HTTP_RETRY_ON_RESET == HTTP_RETRY_RESET &&
		  (int)HTTP_RETRY_ON_TIMEOUT == HTTP_RETRY_TIMEOUT &&
		  (int)HTTP_RETRY_ON_502 == HTTP_RETRY_502 &&
		  (int)HTTP_RETRY_ON_503 == HTTP_RETRY_503 &&
		  (int)HTTP_RETRY_ON_504 == HTTP_RETRY_504,
	      "the configuration and the data plane number these alike");

/* Of CONFIG_SHARE_WHOLE -> of 2^32 - 1 */
static uint32_t
share_of(uint32_t share)
{
	return (uint32_t)((uint64_t)share * UINT32_MAX / CONFIG_SHARE_WHOLE);
}

static uint32_t
pool_slot(struct build *b, size_t pool, uint32_t *epoch)
{
	const char *name = b->config->pools[pool].name;

	return identity_get(b->compiler->pool_slots, name, strlen(name), epoch);
}

static void
pools_compile(struct build *b, struct http_route *out, const struct http_route_config *r)
{
	struct http_route_pool *pools = room_get(b, r->n_pools * sizeof(*pools));
	size_t i;

	for (i = 0; pools && i < r->n_pools; i++) {
		out->total_weight += r->pools[i].weight;
		pools[i].slot = pool_slot(b, r->pools[i].pool, &pools[i].epoch);
		pools[i].up_to = out->total_weight;
	}
	out->pools = pools;
	out->n_pools = (uint32_t)r->n_pools;
}

static void
edit_fields(struct build *b, struct http_edit *out, enum http_edit_op op,
	    const struct http_field_config *fields, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct http_text name = text_copy(b, fields[i].name);
		struct http_text value = text_copy(b, fields[i].value);

		if (name.bytes && value.bytes)
			out[i] = http_edit_text(op, name.bytes, value.bytes);
	}
}

static const struct http_edit *
edits_compile(struct build *b, const struct http_edits_config *edits, uint32_t *n)
{
	size_t all = edits->n_remove + edits->n_set + edits->n_add, i;
	struct http_edit *out = all ? room_get(b, all * sizeof(*out)) : NULL;

	*n = (uint32_t)all;
	if (!out)
		return NULL;
	for (i = 0; i < edits->n_remove; i++) {
		struct http_text name = text_copy(b, edits->remove[i]);

		if (name.bytes)
			out[i] = http_edit_text(HTTP_EDIT_REMOVE, name.bytes, NULL);
	}
	edit_fields(b, out + i, HTTP_EDIT_SET, edits->set, edits->n_set);
	edit_fields(b, out + i + edits->n_set, HTTP_EDIT_ADD, edits->add, edits->n_add);
	return out;
}

/* What the listener is, whatever its name is: its slot and epoch (renamed.c). */
static uint32_t
listener_slot(const struct build *b, const struct listener_config *l, uint32_t *epoch)
{
	const char *name = l->service.name;

	return identity_get(b->compiler->services, name, strlen(name), epoch);
}

/* The same limit has the same number in every generation in which its listener is the same, and no
 * other one has. */
static uint64_t
limit_id(const struct build *b, const char *whose, const struct http_limit_config *limit)
{
	static const struct siphash_key key = { 0x13198a2e03707344ull, 0x243f6a8885a308d3ull };
	uint32_t epoch = 0, slot = listener_slot(b, b->listener, &epoch);
	char text[2 * CONFIG_NAME_MAX];
	int n = snprintf(text, sizeof(text), "%u/%u/%s/%d", slot, epoch, whose, limit == b->of_key);

	return siphash13(&key, text, (size_t)n) | 1;
}

/* The index of a limit, UINT32_MAX if it is not set. */
static uint32_t
limit_add(struct build *b, const struct http_limit_config *limit, const char *whose)
{
	struct gcra_rate rate = { limit->requests.count, limit->requests.period_ns, limit->burst,
				  1 };

	if (!limit->requests.count)
		return UINT32_MAX;
	b->limits[b->block->listener.n_limits] = (struct http_request_limit){
		.gcra = gcra_make(&rate),
		.id = limit_id(b, whose, limit),
	};
	return b->block->listener.n_limits++;
}

static void
balance_compile(struct build *b, struct http_route *out, const struct http_route_config *r)
{
	out->balance = (uint8_t)r->balance;
	out->hash = HTTP_HASH_CLIENT;
	if (r->hash_header) {
		out->hash = HTTP_HASH_HEADER;
		out->hash_name = lower_copy(b, r->hash_header);
	} else if (r->hash_cookie) {
		out->hash = HTTP_HASH_COOKIE;
		out->hash_name = text_copy(b, r->hash_cookie);
	}
	out->affinity_cookie = text_copy(b, r->affinity_cookie);
	out->affinity_lifetime = r->affinity_lifetime;
	out->mirror_slot = UINT32_MAX;
	if (r->mirror.pool < b->config->n_pools) {
		out->mirror_slot = pool_slot(b, r->mirror.pool, &out->mirror_epoch);
		out->mirror_share = share_of(r->mirror.share);
	}
}

static void
retries_compile(struct http_route *out, const struct http_route_config *r)
{
	size_t i;

	for (i = 0; i < r->retries.n_on; i++)
		out->retry_on |= r->retries.on[i];
	if (!r->retries.n_on)
		out->retry_on = HTTP_RETRY_CONNECT;
	out->retry_attempts = (uint8_t)r->retries.attempts;
	out->retry_budget = share_of(r->retries.budget);
}

static struct http_fault
fault_compile(struct build *b, const struct http_route_config *r)
{
	return (struct http_fault){
		.delay = r->fault.delay,
		.delay_share = r->fault.delay ? share_of(r->fault.delay_share) : 0,
		.abort_share = r->fault.abort_status ? share_of(r->fault.abort_share) : 0,
		.abort_status = r->fault.abort_status,
		.header = lower_copy(b, r->fault.header),
		.value = text_copy(b, r->fault.value),
	};
}

static void
action_compile(struct build *b, struct http_route *out, const struct http_route_config *r)
{
	if (r->redirect.status) {
		out->action = HTTP_ACTION_REDIRECT;
		out->status = r->redirect.status;
		out->location = text_copy(b, r->redirect.location);
	} else if (r->respond.status) {
		out->action = HTTP_ACTION_RESPOND;
		out->status = r->respond.status;
		out->body = text_copy(b, r->respond.body);
		out->content_type =
		    text_copy(b, r->respond.content_type ? r->respond.content_type : "text/plain");
	} else {
		out->action = HTTP_ACTION_POOL;
		pools_compile(b, out, r);
	}
}

static void
route_compile(struct build *b, struct http_route *out, const struct http_route_config *r,
	      const struct listener_config *l)
{
	out->name = text_copy(b, r->name);
	out->websocket = r->websocket;
	action_compile(b, out, r);
	balance_compile(b, out, r);
	out->request_edits = edits_compile(b, &r->request, &out->n_request_edits);
	out->response_edits = edits_compile(b, &r->response, &out->n_response_edits);
	out->match_prefix = text_copy(b, r->match.path);
	out->path_prefix = text_copy(b, r->rewrite.path_prefix);
	out->host = text_copy(b, r->rewrite.host);
	out->timeout_connect = r->timeouts.connect ? r->timeouts.connect : l->timeout_connect;
	out->timeout_first_byte = r->timeouts.first_byte;
	out->timeout_idle = r->timeouts.idle;
	out->timeout_whole = r->timeouts.whole;
	retries_compile(out, r);
	out->fault = fault_compile(b, r);
	b->of_key = &r->limit_key;
	out->limit_client = limit_add(b, &r->limit_client, r->name);
	out->limit_key = limit_add(b, &r->limit_key, r->name);
	out->limit_key_name = lower_copy(b, r->limit_key_header);
}

/* ---- listeners ------------------------------------------------------------------------------- */

static const struct http_text *
error_pages_compile(struct build *b, const struct http_config *http)
{
	struct http_text *pages = http->n_errors ? room_get(b, 200 * sizeof(*pages)) : NULL;
	size_t i;

	for (i = 0; pages && i < http->n_errors; i++)
		pages[http->errors[i].status - 400] =
		    bytes_copy(b, http->errors[i].body, http->errors[i].length);
	return pages;
}

static void
client_masks(struct http_listener *out, const struct limits_config *client)
{
	struct addr ones, mask;

	memset(&ones, 0xff, sizeof(ones));
	mask = addr_mask(&ones, 96u + client->prefix4);
	out->mask4 = mask.w[3];
	mask = addr_mask(&ones, client->prefix6);
	memcpy(out->mask6, mask.q, sizeof(out->mask6));
}

static void
settings_compile(struct build *b, const struct listener_config *l)
{
	const struct http_config *http = &l->http;
	struct http_listener *out = &b->block->listener;

	out->name = text_copy(b, l->service.name);
	out->head = (struct http_limits){ (uint16_t)http->header_size, (uint16_t)http->target_size,
					  (uint16_t)http->headers };
	out->max_body = http->body_size;
	out->max_requests = http->requests;
	out->max_age = http->age;
	out->timeout_header = http->timeout_header;
	out->timeout_body = http->timeout_body;
	out->timeout_idle = http->timeout_keepalive;
	out->path_rules = HTTP_PATH_REFUSE_CONTROL | HTTP_PATH_REFUSE_ESCAPE;
	if (http->merge_slashes)
		out->path_rules |= HTTP_PATH_MERGE_SLASHES;
	if (!http->escaped_slash)
		out->path_rules |= HTTP_PATH_REFUSE_SLASH;
	out->via = text_copy(b, http->via);
	out->error_pages = error_pages_compile(b, http);
	client_masks(out, &l->service.limit_client);
}

/* In the words of routes. */
static enum http_balance_config
balance_of(const struct listener_config *l)
{
	if (l->balance == BALANCE_LEAST_CONNECTIONS)
		return HTTP_BALANCE_LEAST_REQUESTS;
	return l->service.hash == HASH_CLIENT ? HTTP_BALANCE_MAGLEV : HTTP_BALANCE_ROUND_ROBIN;
}

/* A listener with a pool has one route, which takes all requests. */
static struct http_route_config
route_to_pool(const struct listener_config *l, struct http_route_pool_config *pool)
{
	static char name[] = "all";

	*pool = (struct http_route_pool_config){ .pool = l->pool, .weight = 1 };
	return (struct http_route_config){
		.name = name,
		.pools = pool,
		.n_pools = 1,
		.mirror.pool = SIZE_MAX,
		.timeouts = { .first_byte = 60000000000ull, .idle = 300000000000ull },
		.retries = { .attempts = 1, .budget = CONFIG_SHARE_WHOLE / 5 },
		.websocket = true,
		.balance = balance_of(l),
	};
}

static void
listener_compile(struct build *b, const struct listener_config *l)
{
	struct http_listener *out = &b->block->listener;
	struct http_route_pool_config pool;
	struct http_route_config one = route_to_pool(l, &pool);
	const struct http_route_config *routes = l->http.n_routes ? l->http.routes : &one;
	size_t n = l->http.n_routes ? l->http.n_routes : 1, i;
	struct http_route *room = room_get(b, n * sizeof(*room));

	b->limits = room_get(b, (2 * n + 2) * sizeof(*b->limits));
	if (!room || !b->limits)
		return;
	settings_compile(b, l);
	b->listener = l;
	b->of_key = &l->http.limit_key;
	out->limit_client = limit_add(b, &l->http.limit_client, "");
	out->limit_key = limit_add(b, &l->http.limit_key, "");
	out->limit_key_name = lower_copy(b, l->http.limit_key_header);
	for (i = 0; i < n; i++)
		route_compile(b, &room[i], &routes[i], l);
	out->routes = room;
	out->n_routes = (uint32_t)n;
	out->limits = b->limits;
	b->failed = b->failed || http_table_build(&b->block->table, routes, n) < 0;
	out->table = b->block->table;
	b->of_key = NULL; /* it may be one of `one` */
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* What a block is compiled from, to be freed; NULL without memory. */
static char *
block_text(struct compiler *c, const struct config *config, const struct listener_config *l,
	   size_t *length)
{
	struct build b = { .compiler = c, .config = config };
	char *text = NULL;
	FILE *out = open_memstream(&text, length);
	uint32_t epoch = 0, slot = listener_slot(&b, l, &epoch);
	bool failed;
	size_t i;

	if (!out)
		return NULL;
	config_listener_write(config, l, out);
	fprintf(out, "%u %u\n", slot, epoch);
	for (i = 0; i < l->n_pools; i++) {
		slot = pool_slot(&b, l->pools[i], &epoch);
		fprintf(out, "%u %u\n", slot, epoch);
	}
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}

static void
block_free(struct http_block *block)
{
	struct chunk *chunk = block->chunks;

	while (chunk) {
		struct chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	http_table_free(block->table);
	free(block->users);
	free(block->text);
	free(block);
}

/* Takes over text; NULL without memory. */
static struct http_block *
block_new(struct compiler *c, const struct config *config, const struct listener_config *l,
	  char *text)
{
	size_t users_size = c->n_workers * sizeof(struct http_users);
	struct http_block *block = calloc(1, sizeof(*block));
	struct build b = { .compiler = c, .config = config, .block = block };

	if (!block) {
		free(text);
		return NULL;
	}
	block->text = text;
	block->n_workers = c->n_workers;
	block->users = aligned_alloc(64, users_size);
	if (block->users) {
		memset(block->users, 0, users_size);
		block->listener.users = block->users;
		listener_compile(&b, l);
	}
	if (block->users && !b.failed)
		return block;
	block_free(block);
	return NULL;
}

struct http_block *
http_block_get(struct compiler *c, const struct config *config, size_t i)
{
	const struct listener_config *l = config_listener(config, i);
	struct http_block *block = c->https;
	size_t length = 0;
	char *text = block_text(c, config, l, &length);

	if (!text)
		return NULL;
	while (block && (block->text_length != length || memcmp(block->text, text, length) != 0))
		block = block->next;
	if (block) {
		free(text);
	} else {
		block = block_new(c, config, l, text);
		if (!block)
			return NULL;
		block->text_length = length;
		block->next = c->https;
		c->https = block;
	}
	block->snapshots++;
	return block;
}

void
http_block_put(struct http_block *block)
{
	if (block)
		block->snapshots--;
}

const struct http_listener *
http_block_listener(const struct http_block *block)
{
	return block ? &block->listener : NULL;
}

static bool
has_users(const struct http_block *block)
{
	uint16_t i;

	for (i = 0; i < block->n_workers; i++)
		if (__atomic_load_n(&block->users[i].requests, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

size_t
http_blocks_sweep(struct compiler *c)
{
	struct http_block **at = &c->https;
	size_t waiting = 0;

	while (*at) {
		struct http_block *block = *at;

		if (block->snapshots || has_users(block)) {
			waiting += !block->snapshots;
			at = &block->next;
			continue;
		}
		*at = block->next;
		block_free(block);
	}
	return waiting;
}

void
http_blocks_free(struct compiler *c)
{
	while (c->https) {
		struct http_block *next = c->https->next;

		block_free(c->https);
		c->https = next;
	}
}
