/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/peer.h"

#include <arpa/inet.h>
#include <mbedtls/oid.h>
#include <mbedtls/sha256.h>
#include <string.h>

static const char digits[] = "0123456789abcdef";

/* A text that grows until something does not fit. */
struct text {
	char *at;
	size_t length, size;
	bool full;
};

static void
put(struct text *t, const char *bytes, size_t n)
{
	if (t->full || n >= t->size - t->length) {
		t->full = true;
		return;
	}
	memcpy(t->at + t->length, bytes, n);
	t->length += n;
	t->at[t->length] = '\0';
}

static void
put_byte(struct text *t, uint8_t byte)
{
	put(t, (char[]){ digits[byte >> 4], digits[byte & 15] }, 2);
}

static bool
is_plain(const mbedtls_x509_buf *value, size_t i)
{
	char c = (char)value->p[i];

	if (c == ' ')
		return i > 0 && i + 1 < value->len;
	return c > ' ' && c <= '~' && !strchr("\"%+,;\\", c);
}

static void
put_value(struct text *t, const mbedtls_x509_buf *value)
{
	size_t i;

	for (i = 0; i < value->len; i++) {
		if (is_plain(value, i)) {
			put(t, (const char *)value->p + i, 1);
			continue;
		}
		put(t, "%", 1);
		put_byte(t, value->p[i]);
	}
}

static void
put_type(struct text *t, const mbedtls_x509_buf *oid)
{
	const char *known;
	char numbers[64];
	int n;

	if (mbedtls_oid_get_attr_short_name(oid, &known) == 0) {
		put(t, known, strlen(known));
		return;
	}
	n = mbedtls_oid_get_numeric_string(numbers, sizeof(numbers), oid);
	t->full |= n < 0;
	if (n > 0)
		put(t, numbers, (size_t)n);
}

/* Half a subject is somebody else's: it is there as a whole, or not at all. */
static void
describe_subject(struct tls_peer *peer, const mbedtls_x509_name *name)
{
	struct text t = { peer->subject, 0, sizeof(peer->subject), false };

	for (; name && name->oid.p; name = name->next) {
		if (t.length > 0)
			put(&t, ",", 1);
		put_type(&t, &name->oid);
		put(&t, "=", 1);
		put_value(&t, &name->val);
	}
	if (!t.full)
		return;
	peer->subject[0] = '\0';
	peer->incomplete = true;
}

static void
put_address(struct text *t, const mbedtls_x509_buf *value)
{
	char address[INET6_ADDRSTRLEN];
	int family = value->len == 4 ? AF_INET : AF_INET6;

	if (value->len != 4 && value->len != 16)
		t->full = true;
	else if (inet_ntop(family, value->p, address, sizeof(address)))
		put(t, address, strlen(address));
}

/* RFC 5280 4.2.1.6; kinds of names that have no prefix here are not told. */
static void
describe_names(struct tls_peer *peer, const mbedtls_x509_sequence *name)
{
	static const char *const prefixes[] = {
		[MBEDTLS_X509_SAN_RFC822_NAME] = "email:",
		[MBEDTLS_X509_SAN_DNS_NAME] = "DNS:",
		[MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER] = "URI:",
		[MBEDTLS_X509_SAN_IP_ADDRESS] = "IP:",
	};
	struct text t = { peer->names, 0, sizeof(peer->names), false };

	for (; name && name->buf.p; name = name->next) {
		size_t kind = name->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK, before = t.length;

		if (kind >= sizeof(prefixes) / sizeof(prefixes[0]) || !prefixes[kind])
			continue;
		if (t.length > 0)
			put(&t, ",", 1);
		put(&t, prefixes[kind], strlen(prefixes[kind]));
		if (kind == MBEDTLS_X509_SAN_IP_ADDRESS)
			put_address(&t, &name->buf);
		else
			put_value(&t, &name->buf);
		if (!t.full)
			continue;
		t.full = false;
		t.length = before;
		t.at[before] = '\0';
		peer->incomplete = true;
	}
}

static void
describe_serial(struct tls_peer *peer, const mbedtls_x509_buf *serial)
{
	struct text t = { peer->serial, 0, sizeof(peer->serial), false };
	size_t i = 0;

	/* Which is there for the sign's sake. */
	if (serial->len > 1 && serial->p[0] == 0)
		i = 1;
	for (; i < serial->len; i++)
		put_byte(&t, serial->p[i]);
	if (!t.full)
		return;
	peer->serial[0] = '\0';
	peer->incomplete = true;
}

void
tls_peer_describe(struct tls_peer *peer, const mbedtls_x509_crt *certificate)
{
	memset(peer, 0, sizeof(*peer));
	if (!certificate)
		return;
	if (mbedtls_sha256(certificate->raw.p, certificate->raw.len, peer->fingerprint, 0) != 0)
		return;
	peer->has_certificate = true;
	describe_subject(peer, &certificate->subject);
	describe_names(peer, &certificate->subject_alt_names);
	describe_serial(peer, &certificate->serial);
}
