/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tls/schedule.h"

#include <intel-ipsec-mb.h>
#include <string.h>

static_assert(sizeof(struct gcm_key_data) <= sizeof(struct tls_schedule), "a schedule holds it");
static_assert(alignof(struct gcm_key_data) <= alignof(struct tls_schedule), "where it wants to be");

void
tls_schedule_make(struct tls_schedule *schedule, const struct tls_keys *keys,
		  const struct tls_engine *engine)
{
	struct gcm_key_data *data = (struct gcm_key_data *)schedule->bytes;

	if (keys->cipher == TLS_AES_128_GCM)
		IMB_AES128_GCM_PRE(engine->imb, keys->key, data);
	else if (keys->cipher == TLS_AES_256_GCM)
		IMB_AES256_GCM_PRE(engine->imb, keys->key, data);
}

/* Behind the key of AES-128 there are zeros, in the keys and in the slot. */
static bool
is_of(const struct tls_slot *slot, const struct tls_keys *keys)
{
	return slot->in_use && slot->cipher == keys->cipher &&
	       memcmp(slot->key, keys->key, sizeof(slot->key)) == 0;
}

const struct tls_schedule *
tls_schedules_get(struct tls_schedules *s, const struct tls_keys *keys)
{
	struct tls_slot *slot = tls_schedules_slot(s, keys);

	if (keys->cipher == TLS_CHACHA20_POLY1305)
		return NULL;
	if (is_of(slot, keys))
		return &slot->schedule;
	tls_schedule_make(&slot->schedule, keys, s->engine);
	memcpy(slot->key, keys->key, sizeof(slot->key));
	slot->cipher = keys->cipher;
	slot->in_use = true;
	return &slot->schedule;
}

void
tls_schedules_forget(struct tls_schedules *s, const struct tls_keys *keys)
{
	struct tls_slot *slot = tls_schedules_slot(s, keys);

	if (is_of(slot, keys))
		explicit_bzero(slot, sizeof(*slot));
}
