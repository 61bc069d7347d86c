/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of dp/tcp, played segment by segment against a text (see text.h), in virtual time.
 *
 *     struct script s;
 *
 *     script_begin(&s, &(struct tcp_options){ .no_sack = true });
 *     script_accept(&s);                         a handshake, passive
 *     play(&s, "< A seq 1 (100) ack 1\n"
 *              "+25 > A seq 1 ack 101\n");
 *     script_end(&s);                            nothing is left, nothing has leaked
 *
 * The stack is 10.0.0.1 and listens on port 80; the script is 10.0.0.2. A line that does not come
 * true is printed with what came instead, and fails the test; the rest of the script is passed
 * over. One thread.
 */
#ifndef TESTS_TCP_SCRIPT_SCRIPT_H
#define TESTS_TCP_SCRIPT_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "dp/tcp/tcp.h"
#include "tests/sim/wire.h"

#define SCRIPT_OUT    256 /* segments that wait to be looked at */
#define SCRIPT_EVENTS 64
#define SCRIPT_BURST  8
#define SCRIPT_ISN    0xfffffc00u /* of the peer: it wraps early */

struct script_out {
	uint64_t at;
	size_t len;
	struct wire wire;
	uint8_t bytes[1600];
};

struct script_event {
	char word[16];
	uint64_t number;
};

struct script {
	struct tcp *tcp;
	struct tcp_options options;
	uint64_t begin, now;
	uint64_t last; /* when the step before came true */
	bool ip6, failed;
	bool full;    /* nothing may leave by tcp_flush */
	bool times;   /* both SYNs bore timestamps: added to what comes in, unless no-ts */
	uint32_t isn; /* of the stack, from its first SYN */
	bool has_isn;
	uint16_t port; /* of the peer; the next connection may have another */
	uint16_t own_port;
	tcp_handle h;
	uint64_t sent, received; /* stream offsets of the program and of the peer */
	uint32_t unread;
	struct tuple tuple; /* of what comes in */
	struct tcp_packet burst[SCRIPT_BURST];
	uint32_t n_burst;

	struct script_out out[SCRIPT_OUT];
	unsigned int n_out, next_out;
	struct script_event events[SCRIPT_EVENTS];
	unsigned int n_events, next_event;
};

/* A stack with these options (NULL: defaults), listening. */
void script_begin(struct script *s, const struct tcp_options *options);
/* ... with other settings as well; fields that script_begin sets may be overwritten. */
void script_begin_settings(struct script *s, const struct tcp_options *options,
			   const struct tcp_settings *settings);
void script_settings(struct tcp_settings *settings);
/* Handshakes: MSS 1460, scale 7, SACK, timestamps unless options refuse them. */
void script_accept(struct script *s);
void script_connect(struct script *s);
#define play(s, text) script_play(s, text, __FILE__, __LINE__)
void script_play(struct script *s, const char *text, const char *file, int line);
/* The connection is aborted if it still lives; nothing may be left. */
void script_end(struct script *s);

/* A number of the counter of this name since the beginning. */
/* A script as a row of a table; run as a CUnit test of its suite. */
enum script_opening { OPEN_NOT, OPEN_ACCEPT, OPEN_CONNECT };

struct script_case {
	const char *name; /* begins with the rule: "RFC 5961 3.2: ..." */
	enum script_opening opening;
	struct tcp_options options;
	const char *text;
	bool ip6;
};

/* All rows as one suite; the table has to stay. Returns a CUnit error code. */
int script_suite(const char *name, const struct script_case *cases, size_t n);

#define script_counter(s, name) (tcp_counters((s)->tcp)->name)

#endif
