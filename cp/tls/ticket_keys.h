/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of session tickets that several machines share, so that a client resumes its session on any
 * of them. From a file, a key a line, as 64 hexadecimal digits (openssl rand -hex 32); '#' begins a
 * comment. The first makes tickets; the second, if there is one, opens those that were made before
 * it came. Nothing changes them; they are freed with the last reference, by whatever thread has
 * that.
 */
#ifndef CP_TLS_TICKET_KEYS_H
#define CP_TLS_TICKET_KEYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/tls/file.h"

#define TLS_TICKET_KEYS 2 /* as many as mbedTLS knows at a time */
#define TLS_TICKET_KEY  32
#define TLS_TICKET_NAME 4

struct tls_ticket_keys {
	size_t n;
	uint8_t keys[TLS_TICKET_KEYS][TLS_TICKET_KEY];
	uint8_t names[TLS_TICKET_KEYS][TLS_TICKET_NAME]; /* in tickets; from the key */
	struct tls_stamp stamp;                          /* of the file; all 0: there is none */

	atomic_uint references;
};

/* From a text, with one reference; NULL: fault says why. */
struct tls_ticket_keys *tls_ticket_keys_parse(const char *text, struct tls_fault *fault);
/* From a file, which nobody else may read. */
struct tls_ticket_keys *tls_ticket_keys_load(const char *path, struct tls_fault *fault);
/* One reference more; returns it. NULL is allowed. */
struct tls_ticket_keys *tls_ticket_keys_get(struct tls_ticket_keys *keys);
/* One reference less. NULL is allowed. */
void tls_ticket_keys_put(struct tls_ticket_keys *keys);
/* NULL is allowed. */
bool tls_ticket_keys_equal(const struct tls_ticket_keys *a, const struct tls_ticket_keys *b);

#endif
