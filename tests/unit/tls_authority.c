/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tls_authority.h"

#include <stdlib.h>
#include <string.h>

#define DAY 86400L

void
tls_authority_make(struct tls_authority *a, const struct tls_authority *above, const char *name)
{
	const struct tls_wish wish = { .name = name,
				       .begin = -10 * DAY,
				       .end = 10 * DAY,
				       .authority = true,
				       .issuer = above ? &above->pair : NULL };

	a->pair = tls_test_make(&wish);
	a->pem = a->pair.certificate;
	a->is_root = !above;
}

void
tls_authority_free(struct tls_authority *a)
{
	tls_test_free(&a->pair);
}

struct tls_pair
tls_authority_issue(const struct tls_authority *a, const struct tls_leaf *leaf)
{
	const struct tls_wish wish = { .kind = leaf->weak ? TLS_TEST_RSA : TLS_TEST_ECDSA,
				       .name = leaf->name,
				       .alternative = leaf->names,
				       .begin = leaf->from * DAY,
				       .end = leaf->until * DAY,
				       .issuer = &a->pair,
				       .serial = 0x1000,
				       .usage = leaf->usage,
				       .weak = leaf->weak,
				       .change = leaf->change };
	struct tls_pair pair = tls_test_make(&wish);
	size_t n = strlen(pair.certificate);
	char *both;

	if (a->is_root)
		return pair;
	both = malloc(n + strlen(a->pem) + 1);
	memcpy(both, pair.certificate, n);
	memcpy(both + n, a->pem, strlen(a->pem) + 1);
	free((void *)(uintptr_t)pair.certificate);
	pair.certificate = both;
	return pair;
}
