/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of a pcapng file (draft-ietf-opsawg-pcapng), written one at a time: a section header, an
 * interface description for each interface, packets, and interface statistics at the end.
 *
 * No I/O, no allocation, no state: bytes go to where the caller has room. Little-endian. Times are
 * ns since 1970. Each function returns the block's length, a multiple of 4, or 0 if it does not fit
 * into `size`. Any thread.
 */
#ifndef LIB_PCAPNG_H
#define LIB_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

/* What a packet block takes at most beside its data and its comment. */
#define PCAPNG_PACKET_OVERHEAD 64

enum pcapng_direction { /* of a packet: the lowest bits of epb_flags */
			PCAPNG_UNKNOWN,
			PCAPNG_INBOUND,
			PCAPNG_OUTBOUND,
};

struct pcapng_interface {
	const char *name;   /* if_name */
	const uint8_t *mac; /* if_MACaddr, 6 bytes; NULL: none */
	uint32_t snaplen;
};

struct pcapng_packet {
	uint32_t interface; /* number of its description, from 0 */
	enum pcapng_direction direction;
	uint64_t time;
	const uint8_t *data;
	uint32_t captured, length; /* bytes at data; bytes that the frame had */
	const char *comment;       /* UTF-8; NULL: none */
};

struct pcapng_statistics {
	uint32_t interface;
	uint64_t time;
	uint64_t received, dropped; /* isb_ifrecv, isb_ifdrop */
};

/* application: shb_userappl. */
size_t pcapng_section(uint8_t *out, size_t size, const char *application);
/* Ethernet, times in ns. */
size_t pcapng_interface(uint8_t *out, size_t size, const struct pcapng_interface *i);
size_t pcapng_packet(uint8_t *out, size_t size, const struct pcapng_packet *p);
size_t pcapng_statistics(uint8_t *out, size_t size, const struct pcapng_statistics *s);

#endif
