/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http/known.h"

#include <assert.h>
#include <string.h>

#ifdef __AVX512BW__
#include <immintrin.h>
#endif

static_assert(HTTP_KNOWN_LENGTH_MAX < 31, "a name fits in a vector");
static_assert(HTTP_KNOWN_COUNT <= 64, "sets of them are 64 bits");

/* As wide as a vector. */
static const struct {
	char name[31];
	uint8_t length;
} fields[HTTP_KNOWN_COUNT] = {
#define X(constant, name) [HTTP_##constant] = { name, sizeof(name) - 1 },
	HTTP_KNOWN_FIELDS(X)
#undef X
};

/* The fields of each length: the first one and how many; a length without any has 0 of them. */
static const struct {
	uint8_t first, n;
} of_length[HTTP_KNOWN_LENGTH_MAX + 1] = {
	[2] = { HTTP_TE, 1 },
	[3] = { HTTP_VIA, 1 },
	[4] = { HTTP_HOST, 2 },
	[6] = { HTTP_COOKIE, 3 },
	[7] = { HTTP_TRAILER, 2 },
	[8] = { HTTP_LOCATION, 1 },
	[9] = { HTTP_FORWARDED, 3 },
	[10] = { HTTP_CONNECTION, 4 },
	[11] = { HTTP_RETRY_AFTER, 4 },
	[12] = { HTTP_MAX_FORWARDS, 2 },
	[13] = { HTTP_AUTHORIZATION, 5 },
	[14] = { HTTP_CONTENT_LENGTH, 3 },
	[15] = { HTTP_X_FORWARDED_FOR, 4 },
	[16] = { HTTP_X_FORWARDED_HOST, 6 },
	[17] = { HTTP_X_FORWARDED_PROTO, 3 },
	[18] = { HTTP_CF_CONNECTING_IPV6, 1 },
	[19] = { HTTP_X_SSL_CLIENT_VERIFY, 3 },
	[20] = { HTTP_SEC_WEBSOCKET_ACCEPT, 1 },
	[21] = { HTTP_SEC_WEBSOCKET_VERSION, 1 },
	[22] = { HTTP_SEC_WEBSOCKET_PROTOCOL, 1 },
	[24] = { HTTP_SEC_WEBSOCKET_EXTENSIONS, 4 },
};

enum http_known
http_known_plain(const uint8_t *name, size_t length)
{
	unsigned int i, last;

	if (length > HTTP_KNOWN_LENGTH_MAX)
		return HTTP_UNKNOWN;
	last = of_length[length].first + of_length[length].n;
	for (i = of_length[length].first; i < last; i++)
		if (http_token_is(name, fields[i].name, length))
			return (enum http_known)i;
	return HTTP_UNKNOWN;
}

#if defined(__AVX512BW__) && defined(__AVX512VL__)

/* The same, a name in one step. */
enum http_known
http_known(const uint8_t *name, size_t length)
{
	unsigned int i, last;
	__mmask32 k;
	__m256i v;

	if (length > HTTP_KNOWN_LENGTH_MAX)
		return HTTP_UNKNOWN;
	k = (1u << length) - 1;
	v = _mm256_or_si256(_mm256_maskz_loadu_epi8(k, name), _mm256_set1_epi8(0x20));
	last = of_length[length].first + of_length[length].n;
	for (i = of_length[length].first; i < last; i++)
		if (!_mm256_mask_cmpneq_epi8_mask(k, v,
						  _mm256_loadu_si256((const __m256i *)&fields[i])))
			return (enum http_known)i;
	return HTTP_UNKNOWN;
}

#else

enum http_known
http_known(const uint8_t *name, size_t length)
{
	return http_known_plain(name, length);
}

#endif

/* A character of a name as servers see it that make variables of names. */
static uint8_t
seen(uint8_t c)
{
	if ((uint8_t)((c | 0x20) - 'a') <= 'z' - 'a')
		return c | 0x20;
	return (uint8_t)(c - '0') > 9 ? '-' : c;
}

bool
http_alike(const uint8_t *name, size_t length, const char *lower)
{
	size_t i;

	for (i = 0; lower[i]; i++)
		if (i == length || seen(name[i]) != (uint8_t)lower[i])
			return false;
	return true;
}

bool
http_same_alike(const uint8_t *a, const uint8_t *b, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (seen(a[i]) != seen(b[i]))
			return false;
	return true;
}

bool
http_alike_identity(const uint8_t *name, size_t length)
{
	return http_alike(name, length, "x-forwarded") || http_alike(name, length, "x-ssl-client-");
}

enum http_known
http_known_alike(const uint8_t *name, size_t length)
{
	unsigned int i, last;

	if (length > HTTP_KNOWN_LENGTH_MAX)
		return HTTP_UNKNOWN;
	last = of_length[length].first + of_length[length].n;
	for (i = of_length[length].first; i < last; i++)
		if (http_alike(name, length, fields[i].name))
			return (enum http_known)i;
	return HTTP_UNKNOWN;
}

size_t
http_known_length(enum http_known known)
{
	return fields[known].length;
}

const char *
http_known_name(enum http_known known)
{
	return fields[known].name;
}
