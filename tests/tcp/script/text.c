/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts: from text to steps. */
#include "tests/tcp/script/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 256

static const struct {
	const char *word;
	uint32_t names;
} fields[] = {
	{ "seq", NAMES_SEQ }, { "ack", NAMES_ACK },     { "win", NAMES_WINDOW },
	{ "mss", NAMES_MSS }, { "scale", NAMES_SCALE }, { "sackOK", NAMES_SACK_OK },
	{ "ts", NAMES_TIME }, { "sack", NAMES_SACK },   { "ecn", NAMES_ECN },
};

static uint32_t
field_named(const char *word)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!strcmp(word, fields[i].word))
			return fields[i].names;
	return 0;
}

static bool
parse_flags(struct wire *w, const char *word)
{
	static const char letters[] = "FSRPAUEC";
	const char *at;

	for (; word && *word; word++) {
		at = strchr(letters, *word);
		if (!at)
			return false;
		w->flags |= (uint8_t)(1 << (at - letters));
	}
	return word != NULL;
}

static bool
next_number(char **rest, uint32_t *value)
{
	const char *word = strtok_r(NULL, " \t", rest);
	char *end;

	if (!word)
		return false;
	*value = (uint32_t)strtoll(word, &end, 10);
	return *end == '\0' && end != word;
}

static bool
parse_sack(struct wire *w, char **rest)
{
	const char *word = strtok_r(NULL, " \t", rest);

	return word && w->n_sacks < 4 &&
	       sscanf(word, "%u-%u", &w->sacks[w->n_sacks][0], &w->sacks[w->n_sacks][1]) == 2 &&
	       ++w->n_sacks;
}

static bool
parse_field(struct step *s, uint32_t field, char **rest)
{
	struct wire *w = &s->wire;
	uint32_t value = 0;

	s->names |= field;
	if (field == NAMES_SACK)
		return parse_sack(w, rest);
	if (field == NAMES_SACK_OK) {
		w->sack_permitted = true;
		return true;
	}
	if (field == NAMES_TIME) {
		w->has_time = true;
		return next_number(rest, &w->time_value) && next_number(rest, &w->time_echo);
	}
	if (!next_number(rest, &value))
		return false;
	switch (field) {
	case NAMES_SEQ:
		w->seq = value;
		return true;
	case NAMES_ACK:
		w->ack = value;
		return true;
	case NAMES_WINDOW:
		w->window = (uint16_t)value;
		return true;
	case NAMES_MSS:
		w->has_mss = true;
		w->mss = (uint16_t)value;
		return true;
	case NAMES_SCALE:
		w->has_scale = true;
		w->scale = (uint8_t)value;
		return true;
	default:
		w->ecn = (uint8_t)value;
		return true;
	}
}

static bool
parse_segment(struct step *s, char **rest)
{
	char *word;
	uint32_t field;

	if (!parse_flags(&s->wire, strtok_r(NULL, " \t", rest)))
		return false;
	while ((word = strtok_r(NULL, " \t", rest)) != NULL) {
		field = field_named(word);
		if (field) {
			if (!parse_field(s, field, rest))
				return false;
		} else if (!strncmp(word, "no-", 3) && field_named(word + 3)) {
			s->forbids |= field_named(word + 3);
		} else if (!strcmp(word, "damaged")) {
			s->damaged = true;
		} else if (!strcmp(word, "urg")) {
			if (!next_number(rest, &field))
				return false;
			s->wire.urgent = (uint16_t)field;
		} else if (sscanf(word, "(%u)", &s->wire.length) != 1) {
			return false;
		}
	}
	return true;
}

static bool
parse_words(struct step *s, char **rest)
{
	const char *word = strtok_r(NULL, " \t", rest);
	char *end;

	if (!word || strlen(word) >= sizeof(s->word))
		return false;
	strcpy(s->word, word);
	while ((word = strtok_r(NULL, " \t", rest)) != NULL) {
		if (s->n_numbers == 2)
			return false;
		s->numbers[s->n_numbers++] = strtoull(word, &end, 10);
		if (*end)
			return false;
	}
	return true;
}

static bool
parse_line(struct step *s, char *line)
{
	char *rest, *word = strtok_r(line, " \t", &rest);

	if (word[0] == '+') {
		s->after = strtoull(word + 1, NULL, 10);
		s->timed = true;
		word = strtok_r(NULL, " \t", &rest);
	}
	if (!word || word[1] != '\0' || !strchr("<&>=!?.~", word[0]))
		return false;
	s->kind = (enum step_kind)word[0];
	if (s->kind == STEP_NOTHING)
		return s->timed;
	if (s->kind == STEP_SKIP)
		return true;
	return strchr("<&>", word[0]) ? parse_segment(s, &rest) : parse_words(s, &rest);
}

const char *
step_parse(struct step *s, const char *text, const char **wrong)
{
	char line[LINE_MAX_LEN];
	size_t len, blank;

	*wrong = NULL;
	for (;; text += len + (text[len] == '\n')) {
		if (!*text)
			return NULL;
		len = strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		line[strcspn(line, "#")] = '\0';
		blank = strspn(line, " \t");
		if (line[blank])
			break;
	}
	memset(s, 0, sizeof(*s));
	if (len >= sizeof(line) || !parse_line(s, line))
		*wrong = text;
	return text + len + (text[len] == '\n');
}
