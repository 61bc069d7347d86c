/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which connections to a pool's backends may be used for the next request: those that were begun by
 * the settings of TLS that it has now. Workers see a number, which is another one when the settings
 * are; what the files say that they name may change meanwhile.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/compile/internal.h"

static const char *
or_none(const char *text)
{
	return text ? text : "";
}

/* Lengths before texts: no two settings have the same text. NULL without memory. */
static char *
text_of(const struct pool_tls_config *c)
{
	const char *name = or_none(c->server_name), *ca = or_none(c->ca);
	const char *certificate = or_none(c->own.certificate), *key = or_none(c->own.key);
	char *text;

	if (asprintf(&text, "%u %d %zu %zu %zu %s%s%s%s", c->minimum, c->verify, strlen(name),
		     strlen(ca), strlen(certificate), name, ca, certificate, key) < 0)
		return NULL;
	return text;
}

int
pool_tls_update(struct compiler *c, struct pool_state *p, const struct pool_tls_config *config)
{
	char *text = NULL;

	if (config->line) {
		text = text_of(config);
		if (!text)
			return -ENOMEM;
	}
	if (text && (!p->tls || strcmp(text, p->tls) != 0)) {
		if (++c->tls_numbers == 0)
			c->tls_numbers = 1;
		p->tls_number = c->tls_numbers;
	}
	if (!text)
		p->tls_number = 0;
	free(p->tls);
	p->tls = text;
	return 0;
}
