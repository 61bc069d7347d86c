/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens in a second: counters of two moments, matched row by row.
 *
 * Invariant: a row that was not there before, or whose counter has gone back (the daemon has been
 * started anew), has no rate rather than a wrong one.
 */
#ifndef TOOLS_RATES_H
#define TOOLS_RATES_H

#include <jansson.h>

struct rates {
	json_t *before; /* rows by their key; NULL: nothing yet */
	double at;      /* when they were taken, seconds of any clock */
};

/* Take the list of rows of now; each row gets a member "F/s", a whole number, for each field F in
 * counters (a number, or an object of numbers that are summed). keys are the fields that tell rows
 * apart. Both end with NULL. */
struct rates_fields {
	const char *keys[4], *counters[8];
};
void rates_take(struct rates *r, json_t *list, const struct rates_fields *fields, double now);
void rates_free(struct rates *r);

/* Sum of a number or of an object of numbers. */
json_int_t rates_count(json_t *value);

#endif
