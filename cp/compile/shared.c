/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/compile/shared.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct shared {
	_Alignas(64) unsigned int references;
	void (*release)(void *data);
};

static struct shared *
head_of(const void *data)
{
	return (struct shared *)((uintptr_t)data - sizeof(struct shared));
}

void *
shared_room(size_t size)
{
	struct shared *s = aligned_alloc(64, (sizeof(*s) + size + 63) / 64 * 64);

	if (!s)
		return NULL;
	*s = (struct shared){ .references = 1 };
	return s + 1;
}

void *
shared_new(size_t size, void (*release)(void *data))
{
	void *data = shared_room(size);

	if (!data)
		return NULL;
	memset(data, 0, size);
	head_of(data)->release = release;
	return data;
}

void *
shared_get(const void *data)
{
	if (data)
		head_of(data)->references++;
	return (void *)(uintptr_t)data;
}

void
shared_put(const void *data)
{
	struct shared *s;

	if (!data)
		return;
	s = head_of(data);
	if (--s->references)
		return;
	if (s->release)
		s->release(s + 1);
	free(s);
}
