/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/tcp/isn.h"

#include "dp/tcp/tuple_words.h"

/* What the hash is for comes in as well, so that no two of them are of the same bytes. */
#define PURPOSE_TIMESTAMP 1ull

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
	siphash_word(&s, PURPOSE_TIMESTAMP << 8 | family);
	return (uint32_t)siphash_end(&s);
}
