/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/tcp/isn.h"

#include "dp/tcp/tuple_words.h"

/* What a hash is for comes in as well, so that no two of them are of the same bytes. */
enum purpose {
	PURPOSE_TIMESTAMP = 1,
	PURPOSE_PORT_OFFSET,
	PURPOSE_PORT_COUNTER,
};

static uint64_t
hash_part(const struct siphash_key *key, const struct tuple *tuple, enum purpose purpose)
{
	struct tuple part = *tuple;

	part.zero[0] = (uint8_t)purpose;
	return siphash13(key, &part, sizeof(part));
}

uint32_t
isn_make(const struct siphash_key *key, const struct tuple *tuple, uint64_t now)
{
	return (uint32_t)(now / 4000) + (uint32_t)siphash13(key, tuple, sizeof(*tuple));
}

uint32_t
isn_timestamp_offset(const struct siphash_key *key, const struct tuple *tuple)
{
	struct siphash_state s = siphash_begin(key);
	uint32_t family = siphash_addresses(&s, tuple);

	/* Two words or five: whole tuples are six, the last of them their length. */
	siphash_word(&s, (uint64_t)PURPOSE_TIMESTAMP << 8 | family);
	return (uint32_t)siphash_end(&s);
}

struct port_order
port_order_make(const struct siphash_key *key, const struct tuple *tuple,
		uint32_t counters[PORT_COUNTERS])
{
	struct tuple remote = *tuple;

	remote.sport = 0;
	return (struct port_order){
		.offset = (uint32_t)hash_part(key, &remote, PURPOSE_PORT_OFFSET),
		.counter = &counters[hash_part(key, &remote, PURPOSE_PORT_COUNTER) % PORT_COUNTERS],
	};
}
