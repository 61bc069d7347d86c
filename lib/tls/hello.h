/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ClientHello that a TLS connection begins with, read as it comes: records (RFC 8446 5.1) whose
 * contents make one handshake message (4.1.2), and of its extensions the server's name (RFC 6066
 * 3), the protocols (RFC 7301) and the versions. It does not matter how the bytes were cut.
 *
 *     record         record
 *     22 3.x length │ 22 3.x length │ ...         what comes behind the last one is not looked at
 *     └── 1 length version random session ciphers compression extensions ──┘
 *
 * Strict: whatever two readers could understand differently is refused, because the one who reads
 * next decides by the same bytes. So a name is one that DNS has, in lower case. What RFC 6066 does
 * not allow but clients send that were given it: a dot at the name's end, which is left out; and an
 * address in its place, which names nobody: the hello is as one without a name.
 *
 * Pure: no allocation, no I/O. Any thread. Invariants, by `need` of struct tls_hello:
 *     every beginning shorter than need gives TLS_HELLO_MORE
 *     what is bad stays bad for the same reason, what is done stays done, whatever comes behind it
 */
#ifndef LIB_TLS_HELLO_H
#define LIB_TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_RECORD_HEADER    5
#define TLS_RECORD_MOST      16384 /* bytes of a record that is not encrypted; RFC 8446 5.1 */
#define TLS_HELLO_MOST       16384 /* bytes of the message, with its own header of 4 */
#define TLS_HELLO_RECORDS    64
#define TLS_HELLO_BYTES      (TLS_HELLO_MOST + TLS_HELLO_RECORDS * TLS_RECORD_HEADER)
#define TLS_HELLO_EXTENSIONS 64
#define TLS_NAME_MOST        255
#define TLS_ALERT_BYTES      7

/* Why a hello is refused, and the alert that says so (RFC 8446 6.2): X(constant, name, alert,
 * help). The last ones are for who waits for a hello, or uses it, to say. */
#define TLS_HELLO_BAD_REASONS(X)                                                                 \
	X(NONE, "none", 0, "nothing is wrong")                                                   \
	/* records */                                                                            \
	X(RECORD_TYPE, "record-type", 10, "not TLS (plain HTTP?), or another record in between") \
	X(SSLV2, "sslv2", 70, "a hello of SSL 2.0")                                              \
	X(RECORD_VERSION, "record-version", 70, "record whose version is not 3.x")               \
	X(RECORD_EMPTY, "record-empty", 10, "record without content")                            \
	X(RECORD_TOO_LONG, "record-too-long", 22, "record longer than 16,384 bytes")             \
	X(TOO_MANY_RECORDS, "too-many-records", 40, "a hello in more than 64 records")           \
	/* the message */                                                                        \
	X(HANDSHAKE_TYPE, "handshake-type", 10, "handshake message that is no ClientHello")      \
	X(TOO_LONG, "too-long", 40, "a hello longer than 16,384 bytes")                          \
	X(TRAILING, "trailing", 10, "further bytes behind the hello in its record")              \
	X(VERSION, "version", 70, "a hello of a version other than 3.x")                         \
	X(LENGTHS, "lengths", 50, "lengths in the hello that do not add up")                     \
	X(TOO_MANY_EXTENSIONS, "too-many-extensions", 40, "more than 64 extensions")             \
	X(EXTENSION_TWICE, "extension-twice", 47, "an extension that is there twice")            \
	X(NAME_TWICE, "name-twice", 47, "more than one server name")                             \
	X(NAME_INVALID, "name-invalid", 47, "a server name that DNS cannot have")                \
	/* never by tls_hello_parse */                                                           \
	X(INCOMPLETE, "incomplete", 50, "the client ended before its hello was complete")        \
	X(TIMEOUT, "timeout", 40, "the hello did not come in time")                              \
	X(NAME_MISSING, "name-missing", 109, "no server name, and no pool for such clients")     \
	X(NAME_UNKNOWN, "name-unknown", 112, "a server name of no pool, and no pool for such")

enum tls_bad {
#define X(constant, name, alert, help) TLS_HELLO_BAD_##constant,
	TLS_HELLO_BAD_REASONS(X)
#undef X
	    TLS_HELLO_BAD_COUNT,
};

/* Of a reason below TLS_HELLO_BAD_COUNT. */
const char *tls_bad_name(enum tls_bad bad);
const char *tls_bad_help(enum tls_bad bad);
/* The fatal alert of a reason, as a record that is not encrypted. */
void tls_alert_write(enum tls_bad bad, uint8_t out[TLS_ALERT_BYTES]);

enum tls_hello_result {
	TLS_HELLO_DONE,
	TLS_HELLO_MORE,
	TLS_HELLO_BAD,
};

/* A list inside the message, checked: without the length in front of all of it. */
struct tls_list {
	const uint8_t *bytes; /* NULL: the extension is not there */
	uint16_t length;
};

struct tls_hello {
	enum tls_bad bad;
	uint32_t need;          /* TLS_HELLO_MORE: no fewer bytes say anything else */
	uint32_t length;        /* TLS_HELLO_DONE: of its records, with their headers */
	uint16_t version;       /* legacy_version */
	const uint8_t *message; /* with its header of 4 bytes */
	uint32_t message_length;
	struct tls_list protocols; /* ALPN: each with a length of 1 byte before it */
	struct tls_list versions;  /* supported_versions: 2 bytes each */
	struct tls_list ciphers;   /* the same */
	/* The same; of two who may not be as they should. Who has the handshake refuses those. */
	struct tls_list groups, signatures;
	/* TLS 1.3: it has a ticket, or another pre-shared key; it would resume without a key
	 * exchange (psk_ke, RFC 8446 4.2.9) */
	bool psk, psk_alone;
	bool name_is_address;
	uint8_t name_length;          /* 0: no name */
	char name[TLS_NAME_MOST + 1]; /* in lower case, with a NUL behind it */
};

/* Read a hello at the beginning of a connection's bytes. It may lie in the bytes themselves, or, if
 * it came in several records, in `room` of TLS_HELLO_BYTES, which may be where the bytes are. More
 * than TLS_HELLO_BYTES need not be given. */
enum tls_hello_result tls_hello_parse(struct tls_hello *out, const uint8_t *bytes, size_t length,
				      uint8_t *room);

/* Does the client offer this protocol, this version (0x0303, 0x0304)? Of a hello that is done. */
bool tls_hello_offers(const struct tls_hello *hello, const char *protocol);
bool tls_hello_supports(const struct tls_hello *hello, uint16_t version);

/* How much of a name counts: not the dot at its end, which stands for the root of DNS. */
size_t tls_name_length(const char *name, size_t length);

/* May a server be called so? Labels of 1 to 63 letters, digits, '-' and '_', 255 characters in all;
 * neither an address nor with a dot at its end. */
bool tls_name_usable(const char *name, size_t length);

#endif
