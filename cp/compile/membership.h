/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is in a Maglev table, and with which weight: all that it takes to build the table anew, here
 * or in another process.
 *
 * A shared block (cp/compile/shared.h) that does not change once it is filled.
 *
 * Invariant: members are in the order of membership_compare, each there once, none of weight 0.
 */
#ifndef CP_COMPILE_MEMBERSHIP_H
#define CP_COMPILE_MEMBERSHIP_H

#include <stddef.h>
#include <stdint.h>

#include "cp/compile/shared.h"
#include "lib/addr.h"

#define MEMBERSHIP_MAX 65534u /* slots that a row can name, see lib/maglev.h */

struct membership_member {
	struct addr addr;
	uint32_t weight;
	uint16_t port;
};

struct membership {
	uint32_t rows; /* of the table */
	uint32_t n;
	struct membership_member members[];
};

/* One with room for n members, all zero; NULL without memory. */
static inline struct membership *
membership_new(uint32_t rows, size_t n)
{
	struct membership *m = (struct membership *)shared_new(
	    sizeof(*m) + n * sizeof(struct membership_member), NULL);

	if (m) {
		m->rows = rows;
		m->n = (uint32_t)n;
	}
	return m;
}

/* By address, then port: for qsort. */
int membership_compare(const void *a, const void *b);

#endif
