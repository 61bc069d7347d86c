/* SPDX-License-Identifier: Apache-2.0 */
/* The row is made at the first use; it is the same in every run. */
#include "tests/sim/content.h"

#include <string.h>

#include "tests/sim/random.h"

#define ROW 131071u /* prime */

static const uint8_t *
row(void)
{
	static uint8_t bytes[ROW];
	static bool made;
	struct random r;

	if (made)
		return bytes;
	random_seed(&r, 0x70656e73746f636bull);
	for (uint32_t i = 0; i < ROW; i++)
		bytes[i] = (uint8_t)(random_next(&r) >> 32);
	made = true;
	return bytes;
}

static size_t
place(uint64_t stream, uint64_t offset)
{
	uint64_t state = stream;

	return (size_t)((random_mix(&state) % ROW + offset) % ROW);
}

void
content_fill(uint64_t stream, uint64_t offset, uint8_t *out, size_t len)
{
	size_t at = place(stream, offset), n;

	for (; len; out += n, len -= n, at = 0) {
		n = ROW - at < len ? ROW - at : len;
		memcpy(out, row() + at, n);
	}
}

size_t
content_check(uint64_t stream, uint64_t offset, const uint8_t *bytes, size_t len)
{
	size_t at = place(stream, offset), done = 0, n;

	for (; done < len; done += n, at = 0) {
		n = ROW - at < len - done ? ROW - at : len - done;
		if (!memcmp(bytes + done, row() + at, n))
			continue;
		while (bytes[done] == row()[at]) {
			done++;
			at++;
		}
		return done;
	}
	return len;
}
