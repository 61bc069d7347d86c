/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values on the command line: what is malformed is wrong usage, whether there is a daemon or not.
 * Each returns EXIT_DONE, or EXIT_USAGE after saying which option is wrong and what would be right.
 * Pure but for standard error; one thread.
 */
#ifndef TOOLS_VALUES_H
#define TOOLS_VALUES_H

#include <stdint.h>

#include "lib/addr.h"

/* A whole number from 1 to most; what is the option's name without its dashes. */
int value_number(const char *what, const char *text, long most, long *number);
/* A backend's weight. */
int value_weight(const char *text, long *weight);
/* A time within which a change may be confirmed. */
int value_confirm(const char *text);
/* ADDRESS:PORT, [ADDRESS]:PORT; the address into *addr. */
int value_address_port(const char *what, const char *text, struct addr *addr);
/* ADDRESS or ADDRESS/LENGTH. */
int value_prefix(const char *what, const char *text);
/* POOL/ADDRESS:PORT, or POOL/ADDRESS for a backend that has no port. */
int value_backend(const char *text);

#endif
