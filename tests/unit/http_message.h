/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made-up messages, what our codec and another reader make of each, and why these differ. For the
 * comparison in test_http_differ.c. One thread.
 */
#ifndef TESTS_UNIT_HTTP_MESSAGE_H
#define TESTS_UNIT_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/http/head.h"
#include "tests/unit/http_other.h"

enum message_kind {
	MESSAGE_REQUEST = 1,
	MESSAGE_RESPONSE = 2,
	MESSAGE_BODY = 4, /* in chunks */
};

/* One message and what each made of it. */
struct message {
	char text[OTHER_TEXT_MAX];
	size_t len;
	enum message_kind kind;
	struct http_head ours; /* of a head */
	enum http_result result;
	enum http_bad bad;
	char payload[OTHER_TEXT_MAX]; /* of a body */
	size_t n_payload;
	struct http_seen theirs;
};

/* The next message: a head, or a body. Good or nearly good. */
void message_make_head(struct message *m, uint64_t *state);
void message_make_body(struct message *m, uint64_t *state);

/* What ours and theirs say: "ok", why not, or (theirs) in what it is not the same. */
struct verdicts {
	const char *ours, *theirs;
};

/* Why they may differ so. */
struct explanation {
	int kinds; /* of enum message_kind */
	const char *ours, *theirs;
	bool (*evidence)(const struct message *); /* does the message have what would explain it? */
	const char *why;
};

#define EXPLANATIONS 28

extern const struct explanation explanations[EXPLANATIONS];

/* The one that says it, or NULL. */
const struct explanation *message_explain(const struct message *m, const struct verdicts *v);

/* Have both read the same fields? */
bool message_same_fields(const struct message *m);

#endif
