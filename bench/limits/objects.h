/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of each part of this bench: one backend of each family with its neighbour and
 * its pool, and services by number and family, port 80, that have limits.
 *
 *     struct objects o;
 *     objects_begin(&o);
 *     objects_service(&o, &(struct objects_service){ ... });      as often as there are services
 *     char *text = objects_end(&o);                                to be freed
 *
 * One thread; without memory the program ends.
 */
#ifndef BENCH_LIMITS_OBJECTS_H
#define BENCH_LIMITS_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/addr.h"

struct objects {
	FILE *out;
	char *text;
	size_t len;
	uint32_t n; /* services */
};

struct objects_service {
	uint32_t number; /* below 200 */
	bool v4;
	uint8_t protocol;
	const char *limits; /* what stands in the braces of "limits" */
	const char *more;   /* further settings, or NULL */
};

void objects_begin(struct objects *o);
void objects_service(struct objects *o, const struct objects_service *s);
char *objects_end(struct objects *o);

/* The address of a service. */
struct addr objects_address(uint32_t number, bool v4);

#endif
