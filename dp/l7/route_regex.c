/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions on a worker, by PCRE2: nothing that a request contains makes one take long or
 * allocate.
 *
 * PCRE2 counts steps from each place in the subject where a match may begin anew, so the bound on
 * them is shared by these places; and one request may reach it REACHED_MOST times, then no further
 * expression matches. Where PCRE2 compiles to machine code it has a stack of its own; where it does
 * not, it asks for two blocks at most at a time, the old and the greater one.
 */
#include <stdlib.h>

#include "dp/l7/route_parts.h"

#define STEPS        100000u /* of one match, all places together ... */
#define STEPS_LEAST  100u    /* ... but at least so many for each */
#define REACHED_MOST 2

#define STACK_FIRST ((size_t)32 * 1024)
#define STACK_MOST  ((size_t)128 * 1024)
#define BLOCK_SIZE  ((size_t)64 * 1024)
#define BLOCKS      2

struct http_scratch {
	pcre2_general_context *general;
	pcre2_match_context *context;
	pcre2_match_data *match;
	pcre2_jit_stack *stack;
	uint64_t limited;     /* matches given up */
	unsigned int reached; /* of them for this request */
	bool ready;           /* from now on memory comes from the blocks */
	bool taken[BLOCKS];
	uint8_t value[HTTP_SUBJECT_MOST];
	_Alignas(16) uint8_t blocks[BLOCKS][BLOCK_SIZE];
};

static void *
give(size_t size, void *data)
{
	struct http_scratch *s = data;
	size_t i;

	if (!s->ready)
		return malloc(size);
	for (i = 0; i < BLOCKS && size <= BLOCK_SIZE; i++) {
		if (s->taken[i])
			continue;
		s->taken[i] = true;
		return s->blocks[i];
	}
	return NULL;
}

static void
take_back(void *p, void *data)
{
	struct http_scratch *s = data;
	size_t i;

	for (i = 0; i < BLOCKS; i++) {
		if (p != s->blocks[i])
			continue;
		s->taken[i] = false;
		return;
	}
	free(p);
}

struct http_scratch *
http_scratch_create(void)
{
	struct http_scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->general = pcre2_general_context_create(give, take_back, s);
	if (s->general) {
		s->context = pcre2_match_context_create(s->general);
		s->match = pcre2_match_data_create(1, s->general);
		/* None where PCRE2 cannot make machine code. */
		s->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MOST, s->general);
	}
	if (!s->context || !s->match) {
		http_scratch_destroy(s);
		return NULL;
	}
	pcre2_set_heap_limit(s->context, BLOCK_SIZE / 1024);
	if (s->stack)
		pcre2_jit_stack_assign(s->context, NULL, s->stack);
	s->ready = true;
	return s;
}

void
http_scratch_destroy(struct http_scratch *scratch)
{
	if (!scratch)
		return;
	pcre2_jit_stack_free(scratch->stack);
	pcre2_match_data_free(scratch->match);
	pcre2_match_context_free(scratch->context);
	pcre2_general_context_free(scratch->general);
	free(scratch);
}

uint64_t
http_scratch_limited(const struct http_scratch *scratch)
{
	return scratch->limited;
}

uint8_t *
http_scratch_value(struct http_scratch *scratch)
{
	return scratch->value;
}

void
http_regex_begin(struct http_scratch *scratch)
{
	scratch->reached = 0;
}

bool
http_regex_too_long(const struct http_asked *asked)
{
	asked->scratch->limited++;
	return false;
}

static uint32_t
steps_for(const pcre2_code *code, size_t length)
{
	uint32_t options = 0, steps;

	pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options);
	if (options & PCRE2_ANCHORED)
		return STEPS;
	steps = STEPS / (uint32_t)(length + 1);
	return steps > STEPS_LEAST ? steps : STEPS_LEAST;
}

bool
http_regex_matches(const struct http_asked *asked, uint32_t regex, const uint8_t *bytes,
		   size_t length)
{
	const pcre2_code *code = asked->table->regexes[regex];
	struct http_scratch *s = asked->scratch;
	int rc;

	if (length > HTTP_SUBJECT_MOST || s->reached == REACHED_MOST)
		return http_regex_too_long(asked);
	pcre2_set_match_limit(s->context, steps_for(code, length));
	rc = pcre2_match(code, bytes, length, 0, 0, s->match, s->context);
	/* 0: it matches, and there is no room for what its parentheses have found. */
	if (rc >= 0)
		return true;
	if (rc == PCRE2_ERROR_NOMATCH)
		return false;
	s->reached++;
	s->limited++;
	return false;
}
