/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block:
 *
 *     type | length | body, padded | options: code, length, value, padded ... end | length
 */
#include "lib/pcapng.h"

#include <stdbool.h>
#include <string.h>

#define BLOCK_SECTION    0x0a0d0d0au
#define BLOCK_INTERFACE  1u
#define BLOCK_STATISTICS 5u
#define BLOCK_PACKET     6u

#define BYTE_ORDER_MAGIC  0x1a2b3c4du
#define LINKTYPE_ETHERNET 1u

/* Codes of options; their meaning depends on the block. */
#define OPTION_END           0
#define OPTION_COMMENT       1
#define SECTION_APPLICATION  4
#define INTERFACE_NAME       2
#define INTERFACE_MAC        6
#define INTERFACE_RESOLUTION 9
#define PACKET_FLAGS         2
#define STATISTICS_RECEIVED  4
#define STATISTICS_DROPPED   5

#define COMMENT_MAX 1024

/* Where the next byte goes; once something did not fit, nothing is written any more. */
struct writer {
	uint8_t *out;
	size_t size, len;
	bool full;
};

static void
put(struct writer *w, const void *bytes, size_t len)
{
	if (w->full || len > w->size - w->len) {
		w->full = true;
		return;
	}
	if (len)
		memcpy(w->out + w->len, bytes, len);
	w->len += len;
}

static void
put16(struct writer *w, uint16_t v)
{
	const uint8_t bytes[2] = { (uint8_t)v, (uint8_t)(v >> 8) };

	put(w, bytes, sizeof(bytes));
}

static void
put32(struct writer *w, uint32_t v)
{
	put16(w, (uint16_t)v);
	put16(w, (uint16_t)(v >> 16));
}

static void
put64(struct writer *w, uint64_t v)
{
	put32(w, (uint32_t)v);
	put32(w, (uint32_t)(v >> 32));
}

/* Bytes, up to the next multiple of 4. */
static void
put_padded(struct writer *w, const void *bytes, size_t len)
{
	static const uint8_t zeros[4];

	put(w, bytes, len);
	put(w, zeros, -len & 3);
}

static void
option(struct writer *w, uint16_t code, const void *value, size_t len)
{
	put16(w, code);
	put16(w, (uint16_t)len);
	put_padded(w, value, len);
}

static void
option_text(struct writer *w, uint16_t code, const char *text)
{
	option(w, code, text, strnlen(text, COMMENT_MAX));
}

static void
option64(struct writer *w, uint16_t code, uint64_t v)
{
	put16(w, code);
	put16(w, sizeof(v));
	put64(w, v);
}

static struct writer
begin(uint8_t *out, size_t size, uint32_t type)
{
	struct writer w = { .out = out, .size = size };

	put32(&w, type);
	put32(&w, 0); /* the length, when it is known */
	return w;
}

static size_t
end(struct writer *w)
{
	uint32_t total = (uint32_t)w->len + 8;
	struct writer at = { .out = w->out + 4, .size = 4 };

	put32(w, OPTION_END);
	put32(w, total);
	if (w->full)
		return 0;
	put32(&at, total);
	return total;
}

size_t
pcapng_section(uint8_t *out, size_t size, const char *application)
{
	struct writer w = begin(out, size, BLOCK_SECTION);

	put32(&w, BYTE_ORDER_MAGIC);
	put16(&w, 1); /* version 1.0 */
	put16(&w, 0);
	put64(&w, UINT64_MAX); /* the section's length is not known */
	option_text(&w, SECTION_APPLICATION, application);
	return end(&w);
}

size_t
pcapng_interface(uint8_t *out, size_t size, const struct pcapng_interface *i)
{
	static const uint8_t nanoseconds = 9;
	struct writer w = begin(out, size, BLOCK_INTERFACE);

	put16(&w, LINKTYPE_ETHERNET);
	put16(&w, 0);
	put32(&w, i->snaplen);
	option_text(&w, INTERFACE_NAME, i->name);
	if (i->mac)
		option(&w, INTERFACE_MAC, i->mac, 6);
	option(&w, INTERFACE_RESOLUTION, &nanoseconds, 1);
	return end(&w);
}

size_t
pcapng_packet(uint8_t *out, size_t size, const struct pcapng_packet *p)
{
	struct writer w = begin(out, size, BLOCK_PACKET);

	put32(&w, p->interface);
	put32(&w, (uint32_t)(p->time >> 32));
	put32(&w, (uint32_t)p->time);
	put32(&w, p->captured);
	put32(&w, p->length);
	put_padded(&w, p->data, p->captured);
	put16(&w, PACKET_FLAGS);
	put16(&w, 4);
	put32(&w, p->direction);
	if (p->comment)
		option_text(&w, OPTION_COMMENT, p->comment);
	return end(&w);
}

size_t
pcapng_statistics(uint8_t *out, size_t size, const struct pcapng_statistics *s)
{
	struct writer w = begin(out, size, BLOCK_STATISTICS);

	put32(&w, s->interface);
	put32(&w, (uint32_t)(s->time >> 32));
	put32(&w, (uint32_t)s->time);
	option64(&w, STATISTICS_RECEIVED, s->received);
	option64(&w, STATISTICS_DROPPED, s->dropped);
	return end(&w);
}
