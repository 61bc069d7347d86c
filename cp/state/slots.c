/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/state/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cp/state/store.h"
#include "dp/snapshot.h"
#include "lib/siphash.h"

#define SLOTS_NAME  "slots"
#define SLOTS_MAGIC 0x31746f6c736e6570ull /* "penslot1" */

struct file_head {
	uint64_t magic;
	struct slots_life life;
	uint64_t check; /* of all that follows */
};

static const struct siphash_key check_key = { 0x736c6f7473206172ULL, 0x652077686f6c6521ULL };

int
slots_save(struct store *store, const struct slots_life *life, const struct identity *services,
	   const struct identity *backends)
{
	size_t first = identity_image_size(services), len = first + identity_image_size(backends);
	uint8_t *file = malloc(sizeof(struct file_head) + len);
	struct file_head head = { .magic = SLOTS_MAGIC, .life = *life };
	uint8_t *body;
	int rc;

	if (!file)
		return -ENOMEM;
	body = file + sizeof(head);
	identity_image_write(services, body);
	identity_image_write(backends, body + first);
	head.check = siphash13(&check_key, body, len);
	memcpy(file, &head, sizeof(head));
	rc = store_write(store, SLOTS_NAME, file, sizeof(head) + len);
	free(file);
	return rc;
}

bool
slots_parse(const void *bytes, size_t len, const struct slots_life *life,
	    struct identity **services, struct identity **backends)
{
	const uint8_t *body = (const uint8_t *)bytes + sizeof(struct file_head);
	struct file_head head;
	size_t first, second = 0;

	if (len < sizeof(head))
		return false;
	memcpy(&head, bytes, sizeof(head));
	len -= sizeof(head);
	if (head.magic != SLOTS_MAGIC || memcmp(&head.life, life, sizeof(*life)) != 0 ||
	    head.check != siphash13(&check_key, body, len))
		return false;
	*services = identity_create(SNAPSHOT_MAX_SERVICES);
	*backends = identity_create(SNAPSHOT_MAX_BACKENDS);
	first = *services ? identity_image_read(*services, body, len) : 0;
	if (first && *backends)
		second = identity_image_read(*backends, body + first, len - first);
	if (second && first + second == len)
		return true;
	identity_destroy(*services);
	identity_destroy(*backends);
	*services = *backends = NULL;
	return false;
}

bool
slots_load(struct store *store, const struct slots_life *life, struct identity **services,
	   struct identity **backends)
{
	size_t len = 0;
	char *bytes = store_read(store, SLOTS_NAME, &len);
	bool ok = bytes && slots_parse(bytes, len, life, services, backends);

	free(bytes);
	return ok;
}
