/* SPDX-License-Identifier: Apache-2.0 */
/* Authorities and the certificates that they issue, good ones and bad ones. One thread. */
#ifndef TESTS_UNIT_TLS_AUTHORITY_H
#define TESTS_UNIT_TLS_AUTHORITY_H

#include <openssl/x509v3.h>

#include "tests/unit/tls_peer.h"

struct tls_authority {
	struct tls_pair pair;
	const char *pem; /* its certificate */
	bool is_root;
};

/* Under another one, or by itself (NULL). */
void tls_authority_make(struct tls_authority *authority, const struct tls_authority *above,
			const char *name);
void tls_authority_free(struct tls_authority *authority);

struct tls_leaf {
	const char *name, *names, *usage; /* as in struct tls_wish */
	int from, until;                  /* days from now; both 0: today */
	bool weak;
	void (*change)(X509 *x);
};

/* With the certificate of an authority that is no root behind its own; to be freed. */
struct tls_pair tls_authority_issue(const struct tls_authority *authority,
				    const struct tls_leaf *leaf);

#endif
