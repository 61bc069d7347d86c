/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host.h"

#include "lib/addr.h"

#define EACH(byte) ((byte)*0x0101010101010101ULL)

/* Eight characters in lower case. */
static uint64_t
lower(uint64_t word)
{
	uint64_t seven = word & EACH(0x7f);
	uint64_t from_a = seven + EACH(0x80 - 'A'), behind_z = seven + EACH(0x7f - 'Z');

	return word | (~word & (from_a ^ behind_z) & EACH(0x80)) >> 2;
}

/* "[2001:DB8:0::1]": addresses have several spellings. */
static void
read_literal(struct host *host)
{
	char text[ADDR_STRLEN], spelled[ADDR_STRLEN];
	struct addr address;

	if (host->length < 3 || host->length - 2 >= sizeof(text) ||
	    host->bytes[host->length - 1] != ']')
		return;
	memcpy(text, host->bytes + 1, host->length - 2);
	text[host->length - 2] = '\0';
	if (addr_parse(text, &address) != 0)
		return;
	addr_format(&address, spelled);
	memset(host->bytes + 1, 0, sizeof(spelled) + 1 + 8);
	host->length = strlen(spelled) + 2;
	memcpy(host->bytes + 1, spelled, host->length - 2);
	host->bytes[host->length - 1] = ']';
}

bool
host_read(struct host *out, const uint8_t *bytes, size_t length)
{
	uint64_t word;
	size_t i;

	if (length > 0 && bytes[length - 1] == '.')
		length--;
	out->length = length;
	if (length == 0 || length > HOST_MOST)
		return false;
	memset(out->bytes + length, 0, 8);
	memcpy(out->bytes, bytes, length);
	for (i = 0; i < length; i += 8) {
		memcpy(&word, out->bytes + i, 8);
		word = lower(word);
		memcpy(out->bytes + i, &word, 8);
	}
	if (out->bytes[0] == '[')
		read_literal(out);
	return true;
}

size_t
host_slots(size_t n)
{
	size_t slots = 4;

	if (n == 0)
		return 0;
	while (slots * 2 < n * 3)
		slots *= 2;
	return slots;
}

struct host_slot *
host_add(struct host_table *table, const uint8_t *text, uint32_t where, const struct host *host)
{
	struct host_slot *slot = host_slot(table, text, host, 0);

	slot->text = where;
	slot->length = (uint16_t)host->length;
	if (host->length <= HOST_INLINE)
		memcpy(slot->name, host->bytes, host->length);
	table->lengths[host->length / 64] |= 1ULL << host->length % 64;
	table->n++;
	return slot;
}
