/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The language of the scripts: one step a line.
 *
 *     [+MS] < FLAGS FIELD...    this segment comes in
 *     [+MS] & FLAGS FIELD...    this one comes in with the next, in one burst
 *     [+MS] > FLAGS FIELD...    this segment goes out, and nothing else before it
 *     [+MS] = EVENT [N]         the program is told this, and nothing else before it
 *     [+MS] ! VERB [N]          the program does this
 *     [+MS] ? FACT N [M]        what tcp_info says: N, or between N and M
 *     +MS   .                   nothing goes out for so long
 *     [+MS] ~                   what has gone out, and does meanwhile, is passed over
 *
 * +MS: so many milliseconds after the step before (a > waits up to that and half of it more, and
 * must not come earlier than 10 % before). FLAGS are letters of FSRPAUEC. Fields: seq N, (N) bytes
 * of payload, ack N, win N, mss N, scale N, sackOK, ts V E, sack A-B, urg N, ecn N (of the
 * IP header), damaged. Sequence numbers are counted from each side's SYN. Of a segment that goes
 * out only what the line names is compared, but the flags and the length always; PSH may be there
 * unnamed. no-FIELD: it must not be there. # begins a comment.
 */
#ifndef TESTS_TCP_SCRIPT_TEXT_H
#define TESTS_TCP_SCRIPT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/wire.h"

enum step_kind {
	STEP_IN = '<',
	STEP_WITH = '&',
	STEP_OUT = '>',
	STEP_EVENT = '=',
	STEP_DO = '!',
	STEP_FACT = '?',
	STEP_NOTHING = '.',
	STEP_SKIP = '~'
};

enum {
	NAMES_SEQ = 1 << 0,
	NAMES_ACK = 1 << 1,
	NAMES_WINDOW = 1 << 2,
	NAMES_MSS = 1 << 3,
	NAMES_SCALE = 1 << 4,
	NAMES_SACK_OK = 1 << 5,
	NAMES_TIME = 1 << 6,
	NAMES_SACK = 1 << 7,
	NAMES_ECN = 1 << 8,
};

struct step {
	enum step_kind kind;
	uint64_t after; /* ms */
	bool timed;
	uint32_t names, forbids; /* NAMES_... */
	struct wire wire;        /* relative numbers */
	bool damaged;
	char word[24];
	uint64_t numbers[2];
	unsigned int n_numbers;
};

/* Returns the text behind the line, or NULL at the end of the text; *wrong says what is not
 * understood, if anything. Empty lines are passed over. */
const char *step_parse(struct step *s, const char *text, const char **wrong);

#endif
