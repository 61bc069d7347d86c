/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a handshake failed, in our words: mbedTLS's codes say less than what is known beside them.
 * Pure; any thread.
 */
#ifndef CP_TLS_CAUSE_H
#define CP_TLS_CAUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/tls/handover.h"

struct tls_failure {
	int code;                /* mbedTLS's */
	uint32_t flags;          /* of the peer's certificate: MBEDTLS_X509_BADCERT_... */
	bool is_client;          /* we are */
	bool hello;              /* there was a ServerHello */
	bool proven;             /* what came last can only be a signature or a Finished */
	bool no_extended_secret; /* TLS 1.2, and this is why */
	bool alert_last;         /* the last record was an alert that was not encrypted */
	uint8_t alert;           /* the last of those, 0: none */
};

enum tls_cause tls_cause_of(const struct tls_failure *failure);
/* The alert that tells the peer (RFC 8446 6.2); 0: none does. */
uint8_t tls_alert_of(enum tls_cause cause, int code, uint32_t flags);

#endif
