/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header fields that the proxy itself reads, removes or writes, as an enum. All others are only
 * names to it. Pure, any thread.
 */
#ifndef LIB_HTTP_KNOWN_H
#define LIB_HTTP_KNOWN_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* X(constant, name): in the order of their lengths, so that a length has a range of them. */
#define HTTP_KNOWN_FIELDS(X)                                    \
	X(TE, "te")                                             \
	X(VIA, "via")                                           \
	X(HOST, "host")                                         \
	X(DATE, "date")                                         \
	X(COOKIE, "cookie")                                     \
	X(EXPECT, "expect")                                     \
	X(SERVER, "server")                                     \
	X(TRAILER, "trailer")                                   \
	X(UPGRADE, "upgrade")                                   \
	X(LOCATION, "location")                                 \
	X(FORWARDED, "forwarded")                               \
	X(CLIENT_IP, "client-ip")                               \
	X(X_REAL_IP, "x-real-ip")                               \
	X(CONNECTION, "connection")                             \
	X(KEEP_ALIVE, "keep-alive")                             \
	X(SET_COOKIE, "set-cookie")                             \
	X(TRACESTATE, "tracestate")                             \
	X(RETRY_AFTER, "retry-after")                           \
	X(TRACEPARENT, "traceparent")                           \
	X(X_CLIENT_IP, "x-client-ip")                           \
	X(X_REMOTE_IP, "x-remote-ip")                           \
	X(MAX_FORWARDS, "max-forwards")                         \
	X(X_URL_SCHEME, "x-url-scheme")                         \
	X(AUTHORIZATION, "authorization")                       \
	X(X_REMOTE_ADDR, "x-remote-addr")                       \
	X(X_REMOTE_USER, "x-remote-user")                       \
	X(X_REWRITE_URL, "x-rewrite-url")                       \
	X(FLY_CLIENT_IP, "fly-client-ip")                       \
	X(CONTENT_LENGTH, "content-length")                     \
	X(TRUE_CLIENT_IP, "true-client-ip")                     \
	X(X_ORIGINAL_URL, "x-original-url")                     \
	X(X_FORWARDED_FOR, "x-forwarded-for")                   \
	X(X_SSL_CLIENT_DN, "x-ssl-client-dn")                   \
	X(X_ORIGINAL_HOST, "x-original-host")                   \
	X(FRONT_END_HTTPS, "front-end-https")                   \
	X(X_FORWARDED_HOST, "x-forwarded-host")                 \
	X(PROXY_CONNECTION, "proxy-connection")                 \
	X(X_SSL_CLIENT_SAN, "x-ssl-client-san")                 \
	X(CF_CONNECTING_IP, "cf-connecting-ip")                 \
	X(FASTLY_CLIENT_IP, "fastly-client-ip")                 \
	X(X_ORIGINATING_IP, "x-originating-ip")                 \
	X(X_FORWARDED_PROTO, "x-forwarded-proto")               \
	X(SEC_WEBSOCKET_KEY, "sec-websocket-key")               \
	X(TRANSFER_ENCODING, "transfer-encoding")               \
	X(CF_CONNECTING_IPV6, "cf-connecting-ipv6")             \
	X(X_SSL_CLIENT_VERIFY, "x-ssl-client-verify")           \
	X(X_SSL_CLIENT_SERIAL, "x-ssl-client-serial")           \
	X(X_CLUSTER_CLIENT_IP, "x-cluster-client-ip")           \
	X(SEC_WEBSOCKET_ACCEPT, "sec-websocket-accept")         \
	X(SEC_WEBSOCKET_VERSION, "sec-websocket-version")       \
	X(SEC_WEBSOCKET_PROTOCOL, "sec-websocket-protocol")     \
	X(SEC_WEBSOCKET_EXTENSIONS, "sec-websocket-extensions") \
	X(X_SSL_CLIENT_FINGERPRINT, "x-ssl-client-fingerprint") \
	X(X_ORIGINAL_FORWARDED_FOR, "x-original-forwarded-for") \
	X(X_ENVOY_EXTERNAL_ADDRESS, "x-envoy-external-address")

enum http_known {
	HTTP_UNKNOWN,
#define X(constant, name) HTTP_##constant,
	HTTP_KNOWN_FIELDS(X)
#undef X
	    HTTP_KNOWN_COUNT,
};

#define HTTP_KNOWN_LENGTH_MAX 24

/* Which field a name is, in any case; the name must be a token (RFC 9110 5.6.2). */
enum http_known http_known(const uint8_t *name, size_t length);
/* The same where there is no AVX-512. */
enum http_known http_known_plain(const uint8_t *name, size_t length);

/* Its name in lower case; of HTTP_UNKNOWN "". */
const char *http_known_name(enum http_known known);
size_t http_known_length(enum http_known known);

/* How n characters, one to eight, differ from lower-case ones. */
static inline uint64_t
http_differ(const uint8_t *bytes, const char *lower, size_t n)
{
	uint64_t a = 0, b = 0;

	static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
		      "the first n bytes are the low ones");
	memcpy(&a, bytes, n);
	memcpy(&b, lower, n);
	return (a | (UINT64_C(0x2020202020202020) & UINT64_MAX >> (64 - 8 * n))) ^ b;
}

/* Is the token at `bytes` this text of lower-case letters, digits and hyphens, in any case? A
 * character of a token that becomes one of these by setting bit 5 is that one. Eight characters at
 * a time, or four; the last ones may be among those before. */
static inline bool
http_token_is(const uint8_t *bytes, const char *lower, size_t length)
{
	uint64_t differ = 0;
	size_t i = 0, last;

	if (length >= 8) {
		for (last = length - 8; i < last; i += 8)
			differ |= http_differ(bytes + i, lower + i, 8);
		return !(differ | http_differ(bytes + last, lower + last, 8));
	}
	if (length >= 4) {
		last = length - 4;
		return !(http_differ(bytes, lower, 4) | http_differ(bytes + last, lower + last, 4));
	}
	for (; i < length; i++)
		differ |= http_differ(bytes + i, lower + i, 1);
	return !differ;
}

/* Are two tokens the same name, in any case? */
static inline bool
http_same_name(const uint8_t *a, const uint8_t *b, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		uint8_t differ = a[i] ^ b[i], letter = (uint8_t)((a[i] | 0x20) - 'a');

		if (differ != 0 && (differ != 0x20 || letter > 'z' - 'a'))
			return false;
	}
	return true;
}

/* Which field servers may take a name for that make variables of names (CGI, RFC 3875 4.1.18):
 * as http_known, but any character that is neither letter nor digit is a hyphen. */
enum http_known http_known_alike(const uint8_t *name, size_t length);
/* Does a name begin like this text of lower-case letters, digits and hyphens, seen so? */
bool http_alike(const uint8_t *name, size_t length, const char *lower);
/* Are two names the same, seen so? */
bool http_same_alike(const uint8_t *a, const uint8_t *b, size_t length);
/* Does a name, seen so, begin like those by which proxies tell of their clients? */
bool http_alike_identity(const uint8_t *name, size_t length);

/* The bit of a known field in a set of them. */
static inline uint64_t
http_known_bit(enum http_known known)
{
	return 1ULL << known;
}

/* What servers believe of a client, and of what it has asked for, beside the fields that we say
 * ourselves: other proxies' ways to say it. */
#define HTTP_CLIENT_SAYS                                                                        \
	(1ULL << HTTP_CLIENT_IP | 1ULL << HTTP_X_REAL_IP | 1ULL << HTTP_X_CLIENT_IP |           \
	 1ULL << HTTP_X_REMOTE_IP | 1ULL << HTTP_X_URL_SCHEME | 1ULL << HTTP_X_REMOTE_ADDR |    \
	 1ULL << HTTP_X_REMOTE_USER | 1ULL << HTTP_X_REWRITE_URL | 1ULL << HTTP_FLY_CLIENT_IP | \
	 1ULL << HTTP_TRUE_CLIENT_IP | 1ULL << HTTP_X_ORIGINAL_URL |                            \
	 1ULL << HTTP_X_ORIGINAL_HOST | 1ULL << HTTP_FRONT_END_HTTPS |                          \
	 1ULL << HTTP_CF_CONNECTING_IP | 1ULL << HTTP_FASTLY_CLIENT_IP |                        \
	 1ULL << HTTP_X_ORIGINATING_IP | 1ULL << HTTP_CF_CONNECTING_IPV6 |                      \
	 1ULL << HTTP_X_CLUSTER_CLIENT_IP | 1ULL << HTTP_X_ORIGINAL_FORWARDED_FOR |             \
	 1ULL << HTTP_X_ENVOY_EXTERNAL_ADDRESS)

/* What is said of the client by who passes its messages on. */
#define HTTP_IDENTITY                                                                            \
	(1ULL << HTTP_FORWARDED | 1ULL << HTTP_X_FORWARDED_FOR | 1ULL << HTTP_X_FORWARDED_HOST | \
	 1ULL << HTTP_X_FORWARDED_PROTO | 1ULL << HTTP_X_SSL_CLIENT_VERIFY |                     \
	 1ULL << HTTP_X_SSL_CLIENT_DN | 1ULL << HTTP_X_SSL_CLIENT_SAN |                          \
	 1ULL << HTTP_X_SSL_CLIENT_SERIAL | 1ULL << HTTP_X_SSL_CLIENT_FINGERPRINT |              \
	 HTTP_CLIENT_SAYS)

#endif
