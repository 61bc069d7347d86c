/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services and backends: which slot each has, by its identity, and what of it stands there.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/internal.h"
#include "lib/siphash.h"

static uint32_t
service_flags(const struct config *config, const struct service_config *s)
{
	uint32_t flags = limits_service_flags(s);

	if (s->hash == HASH_CLIENT)
		flags |= SERVICE_HASH_CLIENT;
	if (s->pool < config->n_pools && config->pools[s->pool].all_down == ALL_DOWN_REFUSE)
		flags |= SERVICE_REFUSE;
	return flags;
}

int
service_slots_get(struct compiler *c, const struct config *config, uint32_t *slots,
		  struct service **out)
{
	struct service *services;
	uint32_t epoch;
	size_t i;

	listeners_rename(c, config);
	for (i = 0; i < config_n_services(config); i++) {
		const char *name = config_service(config, i)->name;

		slots[i] = identity_get(c->services, name, strlen(name), &epoch);
		if (slots[i] == UINT32_MAX)
			return -E2BIG;
	}
	services = *out = calloc((size_t)identity_limit(c->services) + 1, sizeof(*services));
	if (!services)
		return -ENOMEM;
	for (i = 0; i < config_n_services(config); i++) {
		const struct service_config *s = config_service(config, i);

		identity_get(c->services, s->name, strlen(s->name), &epoch);
		services[slots[i]] = (struct service){
			.epoch = epoch,
			.pool = (uint32_t)(s->pool < config->n_pools ? s->pool : config->n_pools),
			.port = htons(s->port),
			.protocol = s->protocol,
			.mode = (uint8_t)s->forward,
			.flags = service_flags(config, s),
			.timeout_established = s->timeout_established,
			.timeout_closing = s->timeout_closing,
			.timeout_udp = s->timeout_udp,
			.address = s->address,
		};
	}
	return 0;
}

static_assert((int)FORWARD_DSR_L2 == MODE_DSR_L2 && (int)FORWARD_DSR_IPIP == MODE_DSR_IPIP &&
		  (int)FORWARD_DSR_GUE == MODE_DSR_GUE && (int)FORWARD_NAT == MODE_NAT &&
		  (int)FORWARD_FULL_NAT == MODE_FULL_NAT && (int)FORWARD_PROXY == MODE_PROXY,
	      "the configuration and the data plane number the modes alike");

static uint32_t
backend_slot_get(struct compiler *c, const char *pool, const struct backend_config *b,
		 uint32_t *epoch)
{
	uint8_t key[IDENTITY_KEY_MAX];
	size_t len = strlen(pool);

	memcpy(key, b->address.b, 16);
	memcpy(key + 16, &b->port, 2);
	memcpy(key + 18, pool, len);
	return identity_get(c->backends, key, 18 + len, epoch);
}

static_assert(CONFIG_NAME_MAX + 18 <= IDENTITY_KEY_MAX, "a backend's identity fits");

uint32_t **
backend_slots_get(struct compiler *c, const struct config *config)
{
	uint32_t **slots = calloc(config->n_pools + 1, sizeof(*slots));
	uint32_t epoch;
	size_t i, j;

	for (i = 0; slots && i < config->n_pools; i++) {
		const struct pool_config *pool = &config->pools[i];

		slots[i] = calloc(pool->n_backends + 1, sizeof(**slots));
		for (j = 0; slots[i] && j < pool->n_backends; j++) {
			slots[i][j] = backend_slot_get(c, pool->name, &pool->backends[j], &epoch);
			if (slots[i][j] == UINT32_MAX)
				break;
		}
		if (!slots[i] || j < pool->n_backends) {
			for (j = 0; j <= i; j++)
				free(slots[j]);
			free(slots);
			return NULL;
		}
	}
	return slots;
}

uint64_t
backend_id(const struct addr *addr, uint16_t port)
{
	static const struct siphash_key key = { 0x9216d5d98979fb1bull, 0xd1310ba698dfb5acull };
	uint8_t bytes[18];

	memcpy(bytes, addr->b, 16);
	memcpy(bytes + 16, &port, 2);
	return siphash13(&key, bytes, sizeof(bytes));
}

int
backends_fill(struct compiler *c, struct snapshot_parts *p, struct network_build *net,
	      uint32_t **slots)
{
	const struct config *config = net->input->config;
	size_t i, j;

	p->backends = calloc((size_t)identity_limit(c->backends) + 1, sizeof(*p->backends));
	if (!p->backends)
		return -ENOMEM;
	for (i = 0; i < config->n_pools; i++) {
		assert(slots[i]); /* a row for each pool */
		for (j = 0; j < config->pools[i].n_backends; j++) {
			const struct backend_config *bc = &config->pools[i].backends[j];
			struct backend *b = &p->backends[slots[i][j]];
			struct source_range range = { 0, 0 };

			b->nexthop = network_build_nexthop(net, &bc->address);
			if (b->nexthop == NEXTHOP_NO_MEMORY)
				return -ENOMEM;
			if (b->nexthop != UINT32_MAX)
				range = net->source_ranges[net->nexthops[b->nexthop].port]
							  [!addr_is_v4(&bc->address)];
			backend_slot_get(c, config->pools[i].name, bc, &b->epoch);
			b->pool = (uint32_t)i;
			b->port = htons(bc->port);
			b->sources_first = range.first;
			b->sources_count = range.count;
			b->addr = bc->address;
			b->id = backend_id(&bc->address, bc->port);
		}
	}
	return 0;
}
