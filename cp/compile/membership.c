/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/compile/membership.h"

#include <string.h>

int
membership_compare(const void *a, const void *b)
{
	const struct membership_member *x = a, *y = b;
	int order = memcmp(x->addr.b, y->addr.b, sizeof(x->addr.b));

	return order ? order : (x->port > y->port) - (x->port < y->port);
}
