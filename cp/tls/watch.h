/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server's own records tell of a handshake that mbedTLS does not: whether the extended
 * master secret was agreed on, whether a session was resumed, how many tickets were sent. Looks at
 * bytes on their way out, as they are sent. One for each handshake; its thread.
 */
#ifndef CP_TLS_WATCH_H
#define CP_TLS_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_watch {
	bool hello;                 /* a ServerHello has gone out, other than a HelloRetryRequest */
	bool is_13;                 /* ... of TLS 1.3 */
	bool extended_secret;       /* ... with RFC 7627's extension */
	bool psk;                   /* ... with that of a resumed session of TLS 1.3 */
	bool certificate;           /* 1.2: a Certificate has gone out, so it is a full handshake */
	bool ciphered;              /* 1.2: what goes out cannot be read any more */
	uint32_t protected_records; /* 1.3: since the client's last byte */
};

/* A whole record. */
void tls_watch_record(struct tls_watch *watch, const uint8_t *record, size_t length);

static inline bool
tls_watch_resumed(const struct tls_watch *watch)
{
	return watch->is_13 ? watch->psk : !watch->certificate;
}

#endif
