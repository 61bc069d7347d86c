/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool's members by what affinity cookies call them: a client may send any number, so finding
 * nobody must cost no more than finding somebody.
 */
#include <errno.h>

#include "cp/compile/internal.h"

int
pool_ids_update(struct pool_state *p)
{
	size_t size = 4, i;

	if (p->by_id)
		return 0;
	while (size < 2 * p->n_members)
		size *= 2;
	p->by_id = shared_new(size * sizeof(*p->by_id), NULL);
	if (!p->by_id)
		return -ENOMEM;
	p->id_mask = (uint32_t)size - 1;
	for (i = 0; i < p->n_members; i++) {
		const struct pool_member *m = &p->members[i];
		uint32_t at = (uint32_t)backend_id(&m->addr, m->port) & p->id_mask;

		if (!m->used)
			continue;
		while (p->by_id[at])
			at = (at + 1) & p->id_mask;
		p->by_id[at] = (uint32_t)i + 1;
	}
	return 0;
}
