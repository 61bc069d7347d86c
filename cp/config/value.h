/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single values of each type of the table of keys: from text, to text, equal, and what to call them
 * in a message.
 *
 * Pure functions but for the memory of texts, which belongs to the model; any thread.
 */
#ifndef CP_CONFIG_VALUE_H
#define CP_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "cp/config/keys.h"
#include "cp/config/model.h"

#define VALUE_STRLEN 512

/* True for what an object may be called: letters, digits, '.', '_', '-', beginning with a letter,
 * a digit or '_'. */
bool name_is_valid(const char *text);

/* Store the value that text means at `at`. 0, -EINVAL, -ENOMEM, or -ERANGE: a prefix with host
 * bits, which is stored without them. Not for groups, lists and references. */
int value_parse(const struct key *key, const char *text, void *at);
/* Store an integer. 0 or -EINVAL. */
int value_store_integer(const struct key *key, long long value, void *at);
/* What such a value is: "a time from 10ms to 24h, for example "2s"". Returns buf. */
const char *value_wanted(const struct key *key, char buf[VALUE_STRLEN]);
/* True if the value carries a unit, so that a bare number is a likely mistake. */
bool value_has_unit(const struct key *key);

/* The value as the configuration writes it, without quotes, printable, long texts cut; "-" for a
 * text that is not set. Returns buf. */
const char *value_format(const struct config *config, const struct key *key, const void *at,
			 char buf[VALUE_STRLEN]);
/* True if two values, of two configurations, mean the same. */
bool value_equal(const struct config *a, const struct config *b, const struct key *key,
		 const void *at_a, const void *at_b);
/* An unsigned integer of 1, 2, 4 or 8 bytes. */
uint64_t integer_load(const void *at, size_t size);

#endif
