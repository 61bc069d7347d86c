/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A generation: a configuration that was published, with when, how and what it changed; and its
 * form on disk.
 *
 * A plain value; whoever has it owns its texts, none of which is NULL. The codec has no I/O and no
 * clock; decoding trusts nothing. On disk, so that a person can read it:
 *
 *     penstock-generation 1 CHECKSUM       of all that follows this line, 16 hex digits
 *     number 12
 *     time 1769860800
 *     how apply
 *     from 0
 *     confirmed yes
 *     name 26                              how many bytes each of the texts has,
 *     file 26
 *     changes 31
 *     text 4711
 *                                          which follow the empty line in this order
 *
 * Invariant: decode(encode(g)) = g, and whatever decode accepts encodes to the same bytes.
 */
#ifndef CP_STATE_GENERATION_H
#define CP_STATE_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GENERATION_NUMBER_MAX  ((uint64_t)1 << 53) /* JSON's numbers are exact up to here */
#define GENERATION_NAME_MAX    4096u
#define GENERATION_CHANGES_MAX 65536u
#define GENERATION_TEXT_MAX    (16u << 20)

/* What published it: X(identifier, name). */
#define GENERATION_HOWS(X)      \
	X(START, "start")       \
	X(SIGHUP, "sighup")     \
	X(APPLY, "apply")       \
	X(ROLLBACK, "rollback") \
	X(RETURN, "auto-return") /* nobody confirmed the one before */

enum generation_how {
#define GENERATION_HOW(id, name) GENERATION_##id,
	GENERATION_HOWS(GENERATION_HOW)
#undef GENERATION_HOW
	    GENERATION_HOW_COUNT
};

struct generation {
	uint64_t number;
	int64_t time; /* wall clock, seconds since 1970 */
	enum generation_how how;
	uint64_t from;  /* rollback, return: the generation whose configuration it is; else 0 */
	bool confirmed; /* false: published with --confirm, and nobody has confirmed it (yet) */
	char *name;     /* what the configuration is called in messages */
	char *file;     /* the daemon's --config, absolute */
	char *changes;  /* from the one that ran before, a line each */
	char *text;
	size_t text_len;
};

const char *generation_how_name(enum generation_how how);

/* The form on disk (*len bytes, to be freed); NULL without memory. */
char *generation_encode(const struct generation *g, size_t *len);
/* NULL with *g filled, its texts to be freed by generation_clear; or what is wrong with the data,
 * and *g is empty. */
const char *generation_decode(const char *data, size_t len, struct generation *g);
/* A copy with texts of its own. 0 or -ENOMEM. */
int generation_copy(const struct generation *g, struct generation *out);
void generation_clear(struct generation *g);

/* The line that a file with this content after it has to begin with; for tests. */
#define GENERATION_FIRST_LINE 40
void generation_first_line(const char *rest, size_t len, char out[GENERATION_FIRST_LINE]);

#endif
