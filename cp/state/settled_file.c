/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/state/settled_file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cp/config/model.h"
#include "lib/maglev.h"
#include "lib/siphash.h"

#define MAGIC       0x31746573736e6570ull /* "pensset1": version 1 */
#define MEMBER_SIZE 22u
#define POOL_MIN    (1u + 1 + 4 + 4)
#define WEIGHT_MAX  65535u

static const struct siphash_key check_key = { 0x7365747420617320ULL, 0x7468657920776572ULL };

struct head {
	uint64_t magic, check;
	uint32_t n;
} __attribute__((packed));

/* What the check is of begins behind it. */
#define CHECKED offsetof(struct head, n)

static uint64_t
check_of(const void *bytes, size_t len)
{
	return siphash13(&check_key, (const uint8_t *)bytes + CHECKED, len - CHECKED);
}

void
settled_seal(void *bytes, size_t len)
{
	uint64_t check = check_of(bytes, len);

	memcpy((uint8_t *)bytes + offsetof(struct head, check), &check, sizeof(check));
}

void
settled_pools_clear(struct settled_pools *pools)
{
	size_t i;

	for (i = 0; i < pools->n; i++) {
		free(pools->list[i].name);
		shared_put(pools->list[i].membership);
	}
	free(pools->list);
	*pools = (struct settled_pools){ 0 };
}

/* ---- writing ---- */

static int
by_name(const void *a, const void *b)
{
	const struct settled_pool *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static uint8_t *
put(uint8_t *at, const void *data, size_t len)
{
	memcpy(at, data, len);
	return at + len;
}

static uint8_t *
put_pool(uint8_t *at, const struct settled_pool *p)
{
	const struct membership *m = p->membership;
	uint8_t len = (uint8_t)strlen(p->name);
	uint32_t i;

	at = put(at, &len, 1);
	at = put(at, p->name, len);
	at = put(at, &m->rows, 4);
	at = put(at, &m->n, 4);
	for (i = 0; i < m->n; i++) {
		at = put(at, m->members[i].addr.b, 16);
		at = put(at, &m->members[i].weight, 4);
		at = put(at, &m->members[i].port, 2);
	}
	return at;
}

void *
settled_encode(struct settled_pools *pools, size_t *len)
{
	struct head head = { .magic = MAGIC, .n = (uint32_t)pools->n };
	uint8_t *file, *at;
	size_t i;

	*len = sizeof(head);
	for (i = 0; i < pools->n; i++)
		*len += 1 + strlen(pools->list[i].name) + 8 +
			(size_t)pools->list[i].membership->n * MEMBER_SIZE;
	file = malloc(*len);
	if (!file)
		return NULL;
	if (pools->n)
		qsort(pools->list, pools->n, sizeof(pools->list[0]), by_name);
	at = put(file, &head, sizeof(head));
	for (i = 0; i < pools->n; i++)
		at = put_pool(at, &pools->list[i]);
	settled_seal(file, *len);
	return file;
}

/* ---- reading ---- */

/* What is left to be read. */
struct rest {
	const uint8_t *at;
	size_t len;
};

static bool
get(struct rest *r, void *out, size_t len)
{
	if (len > r->len)
		return false;
	memcpy(out, r->at, len);
	r->at += len;
	r->len -= len;
	return true;
}

static const char *
get_name(struct rest *r, struct settled_pool *p)
{
	uint8_t len;

	if (!get(r, &len, 1) || len == 0 || len > CONFIG_NAME_MAX || len > r->len ||
	    memchr(r->at, 0, len))
		return "a pool has no name";
	p->name = strndup((const char *)r->at, len);
	r->at += len;
	r->len -= len;
	return p->name ? NULL : "not enough memory";
}

static bool
get_member(struct rest *r, struct membership *m, uint32_t i)
{
	struct membership_member *to = &m->members[i];

	return get(r, to->addr.b, 16) && get(r, &to->weight, 4) && get(r, &to->port, 2) &&
	       to->weight > 0 && to->weight <= WEIGHT_MAX &&
	       (i == 0 || membership_compare(to - 1, to) < 0);
}

static const char *
get_membership(struct rest *r, struct settled_pool *p)
{
	uint32_t rows, n, i;

	if (!get(r, &rows, 4) || (rows != MAGLEV_ROWS_SMALL && rows != MAGLEV_ROWS_LARGE))
		return "a pool has a table of no known size";
	if (!get(r, &n, 4) || n > MEMBERSHIP_MAX || n > r->len / MEMBER_SIZE)
		return "a pool has more members than there are";
	p->membership = membership_new(rows, n);
	if (!p->membership)
		return "not enough memory";
	for (i = 0; i < n; i++)
		if (!get_member(r, p->membership, i))
			return "a member of a pool cannot be one";
	return NULL;
}

/* All pools; those that were read are in the list, on failure too. */
static const char *
get_pools(struct rest *r, uint32_t n, struct settled_pools *pools)
{
	const char *why = NULL;

	if (n > r->len / POOL_MIN)
		return "it has fewer pools than it says";
	pools->list = calloc((size_t)n + 1, sizeof(*pools->list));
	if (!pools->list)
		return "not enough memory";
	while (!why && pools->n < n) {
		struct settled_pool *p = &pools->list[pools->n++];

		why = get_name(r, p);
		if (!why && pools->n > 1 && by_name(p - 1, p) >= 0)
			why = "its pools are not in order";
		if (!why)
			why = get_membership(r, p);
	}
	if (!why && r->len > 0)
		why = "it does not end with its last pool";
	return why;
}

const char *
settled_decode(const void *bytes, size_t len, struct settled_pools *pools)
{
	struct rest rest = { bytes, len };
	struct head head;
	const char *why;

	*pools = (struct settled_pools){ 0 };
	if (!get(&rest, &head, sizeof(head)))
		return "it is too short";
	if (head.magic != MAGIC)
		return "it is no such file, or of another version";
	if (head.check != check_of(bytes, len))
		return "it is damaged";
	why = get_pools(&rest, head.n, pools);
	if (why)
		settled_pools_clear(pools);
	return why;
}
