/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tls_bytes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suites.h"

size_t
tls_unhex(const char *text, uint8_t *out, size_t size)
{
	size_t n = 0;
	unsigned int byte;

	for (; *text; text += isspace((unsigned char)*text) ? 1 : 2) {
		if (isspace((unsigned char)*text))
			continue;
		if (n == size || sscanf(text, "%2x", &byte) != 1) {
			fprintf(stderr, "no hexadecimal digits, or too many: %s\n", text);
			exit(1);
		}
		out[n++] = (uint8_t)byte;
	}
	return n;
}

const struct tls_engine *
tls_test_engine(void)
{
	static struct tls_engine engine;

	if (!engine.imb && tls_engine_open(&engine) != 0) {
		fprintf(stderr, "no engine: this processor has no AES instructions\n");
		exit(1);
	}
	return &engine;
}

struct tls_schedules *
tls_test_schedules(void)
{
	static struct tls_slot slots[2];
	static struct tls_schedules schedules;

	if (!schedules.engine)
		schedules = tls_schedules_of(tls_test_engine(), slots, 2);
	return &schedules;
}

void
tls_end_link(struct tls_end *end)
{
	end->side = (struct tls_side){ &end->keys, tls_test_schedules() };
}

static void
fill(uint8_t *out, size_t length, uint64_t *random)
{
	size_t i;

	for (i = 0; i < length; i++)
		out[i] = (uint8_t)test_random(random);
}

void
tls_end_make(struct tls_end *end, enum tls_version version, enum tls_cipher cipher, uint64_t seed)
{
	memset(end, 0, sizeof(*end));
	end->keys.version = (uint16_t)version;
	end->keys.cipher = (uint8_t)cipher;
	fill(end->keys.key, tls_key_length(cipher), &seed);
	fill(end->keys.iv, sizeof(end->keys.iv), &seed);
	fill(end->keys.secret, sizeof(end->keys.secret), &seed);
	tls_end_link(end);
}

size_t
tls_end_seal(struct tls_end *end, uint8_t type, const void *content, size_t length, uint8_t *out)
{
	uint32_t head = tls_head_length(&end->keys);
	struct tls_piece piece = { out + head, out + head, (uint32_t)length };
	struct tls_seal record = { &piece, 1, 0, type, out, out + head + length };

	memcpy(out + head, content, length);
	if (tls_seal(&end->side, &record) != TLS_OK)
		return 0;
	return head + length + tls_tail_length(&end->keys);
}

struct tls_opened
tls_end_open(struct tls_end *end, uint8_t *record, size_t length)
{
	struct tls_piece piece = { record, record, (uint32_t)length };
	struct tls_open open = { .pieces = &piece, .n_pieces = 1 };
	struct tls_opened opened = { tls_open(&end->side, &open), 0, NULL, 0, 0 };

	if (opened.error)
		return opened;
	opened.type = open.type;
	opened.content = record + open.at;
	opened.length = open.length;
	opened.whole = open.whole;
	return opened;
}
