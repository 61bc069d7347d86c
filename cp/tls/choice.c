/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/choice.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/tls/server.h"
#include "lib/tls/hello.h"

/* ---- what the client offers ------------------------------------------------------------------ */

void
tls_asked_add(struct tls_asked *a, const uint8_t *bytes, size_t length)
{
	size_t room = a->room ? a->room : 1024;
	uint8_t *more;

	if (a->over)
		return;
	if (length > TLS_HELLO_BYTES - a->n) {
		tls_asked_forget(a);
		return;
	}
	while (room < a->n + length)
		room *= 2;
	if (room > a->room) {
		more = realloc(a->bytes, room);
		if (!more) {
			tls_asked_forget(a);
			return;
		}
		a->bytes = more;
		a->room = room;
	}
	memcpy(a->bytes + a->n, bytes, length);
	a->n += length;
}

void
tls_asked_forget(struct tls_asked *a)
{
	a->over = true;
	free(a->bytes);
	a->bytes = NULL;
	a->n = a->room = 0;
}

static bool
has(const struct tls_list *list, unsigned int number)
{
	size_t i;

	for (i = 0; i < list->length; i += 2)
		if (((unsigned int)list->bytes[i] << 8 | list->bytes[i + 1]) == number)
			return true;
	return false;
}

/* RFC 8446 4.2.3: in TLS 1.2 the curve of an ECDSA key is none of the signature's, in 1.3 it is. */
static const struct curve {
	mbedtls_ecp_group_id id;
	uint16_t group, signature;
} curves[TLS_CURVES] = {
	{ MBEDTLS_ECP_DP_SECP256R1, 23, 0x0403 },
	{ MBEDTLS_ECP_DP_SECP384R1, 24, 0x0503 },
	{ MBEDTLS_ECP_DP_SECP521R1, 25, 0x0603 },
};
/* With SHA-256, -384 and -512. */
static const uint16_t ecdsa[] = { 0x0403, 0x0503, 0x0603 };
static const uint16_t rsa_pss[] = { 0x0804, 0x0805, 0x0806 };
static const uint16_t rsa_pkcs1[] = { 0x0401, 0x0501, 0x0601 };

/* Without such a list a client means what it did before there was one. */
static bool
signs(const struct tls_hello *hello, const uint16_t of[3])
{
	return !hello->signatures.bytes || has(&hello->signatures, of[0]) ||
	       has(&hello->signatures, of[1]) || has(&hello->signatures, of[2]);
}

/* A cipher of TLS 1.2 that both have, for such a key. */
static bool
shares_cipher(const struct tls_server *s, const struct tls_hello *hello, enum tls_key_kind kind)
{
	size_t i;

	for (i = kind; s->lists.suites[i - kind]; i += TLS_SUITE_KINDS)
		if (has(&hello->ciphers, (unsigned int)s->lists.suites[i]))
			return true;
	return false;
}

static void
see_13(struct tls_able *able, const struct tls_hello *hello)
{
	size_t i;

	able->rsa = signs(hello, rsa_pss);
	for (i = 0; i < TLS_CURVES; i++)
		able->ecdsa[i] = has(&hello->signatures, curves[i].signature);
}

static void
see_12(struct tls_able *able, const struct tls_server *s, const struct tls_hello *hello)
{
	bool any = shares_cipher(s, hello, TLS_KEY_ECDSA) && signs(hello, ecdsa);
	size_t i;

	able->rsa = shares_cipher(s, hello, TLS_KEY_RSA) && signs(hello, rsa_pkcs1);
	for (i = 0; i < TLS_CURVES; i++)
		able->ecdsa[i] =
		    any && (!hello->groups.bytes || has(&hello->groups, curves[i].group));
}

/* The hello is all here. */
static void
see(struct tls_asked *a, const struct tls_server *s)
{
	struct tls_hello hello;

	if (!a->bytes || tls_hello_parse(&hello, a->bytes, a->n, a->bytes) != TLS_HELLO_DONE)
		return;
	a->able.known = true;
	if (s->maximum >= TLS_1_3 && tls_hello_supports(&hello, TLS_1_3))
		see_13(&a->able, &hello);
	else
		see_12(&a->able, s, &hello);
}

/* ---- the name -------------------------------------------------------------------------------- */

/* The name lies in a message that is gone when the handshake is over. */
int
tls_asked_name(void *context, mbedtls_ssl_context *ssl, const unsigned char *name, size_t length)
{
	struct tls_asked *a = mbedtls_ssl_get_user_data_p(ssl);

	(void)context;
	length = tls_name_length((const char *)name, length);
	if (length > TLS_NAME_MAX)
		return MBEDTLS_ERR_SSL_DECODE_ERROR;
	memcpy(a->name->text, name, length);
	a->name->text[length] = '\0';
	a->name->length = (uint8_t)length;
	return 0;
}

/* ---- the certificate ------------------------------------------------------------------------- */

/* Certificates that come into question: rows of one name. */
struct rows {
	const struct tls_server_name *at;
	size_t n;
};

static bool
is_ecdsa(const struct tls_certificate *c)
{
	return mbedtls_pk_can_do(&c->key, MBEDTLS_PK_ECDSA);
}

static bool
can_use(const struct tls_able *able, const struct tls_certificate *c)
{
	mbedtls_ecp_group_id id;
	size_t i;

	if (!is_ecdsa(c))
		return able->rsa;
	id = mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(c->key));
	for (i = 0; i < TLS_CURVES; i++)
		if (curves[i].id == id)
			return able->ecdsa[i];
	return false;
}

static struct tls_certificate *
best_of(const struct tls_server *s, const struct tls_able *able, struct rows rows)
{
	struct tls_certificate *best = NULL;
	size_t i;

	for (i = 0; i < rows.n; i++) {
		struct tls_certificate *c = s->certificates[rows.at[i].certificate];

		if (can_use(able, c) && (!best || (is_ecdsa(c) && !is_ecdsa(best))))
			best = c;
	}
	return best;
}

/* Whose names they are: the whole name; "*." and what follows its first label; everybody's else. */
static size_t
find_rows(const struct tls_server *s, const char *name, struct rows rows[2])
{
	char lower[TLS_NAME_MAX + 2], *domain;
	size_t n = 0, i;

	for (i = 0; name[i]; i++)
		lower[i + 1] = (char)tolower((unsigned char)name[i]);
	lower[i + 1] = '\0';
	rows[n].at = tls_server_find(s, lower + 1, &rows[n].n);
	n += rows[n].at != NULL;
	domain = strchr(lower + 1, '.');
	if (domain && domain > lower + 1) {
		domain[-1] = '*';
		rows[n].at = tls_server_find(s, domain - 1, &rows[n].n);
		n += rows[n].at != NULL;
	}
	if (n == 0)
		rows[n++] = (struct rows){ s->others, s->n_others };
	return n;
}

static int
give(mbedtls_ssl_context *ssl, struct tls_certificate *c)
{
	return mbedtls_ssl_set_hs_own_cert(ssl, &c->chain, &c->key);
}

int
tls_choose(mbedtls_ssl_context *ssl)
{
	struct tls_asked *a = mbedtls_ssl_get_user_data_p(ssl);
	const struct tls_server *s = a->server;
	struct tls_certificate *best = NULL;
	struct rows rows[2];
	size_t n = find_rows(s, a->name->text, rows), i;
	int code;

	/* A second hello (RFC 8446 4.1.4) offers what the first one did. */
	if (!a->over)
		see(a, s);
	tls_asked_forget(a);
	code = mbedtls_ssl_set_hs_own_cert(ssl, NULL, NULL);
	for (i = 0; i < n && a->able.known && !best; i++)
		best = best_of(s, &a->able, rows[i]);
	if (best)
		return code ? code : give(ssl, best);
	for (i = 0; i < rows[0].n && code == 0; i++)
		code = give(ssl, s->certificates[rows[0].at[i].certificate]);
	return code;
}
