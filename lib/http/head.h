/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1 request or response (RFC 9112, RFC 9110): bytes in, struct out. Strict:
 * whatever two readers might understand differently is refused with a reason (lib/http/bad.h), so
 * what is passed on, written anew by lib/http/write.h, has one meaning.
 *
 * The caller owns the struct and the bytes. All spans are offsets into the bytes, so these may move
 * between calls, but must be in one piece and begin with the head's first byte. Pure, any thread.
 *
 * A head comes in parts: the same struct with more of the bytes goes on where it stopped, so every
 * byte is looked at once. Invariant, for any struct h just started and k <= n:
 *     parse(h, k) then parse(h, n) = parse(h', n) of another just started,
 *     parse(h, n) = DONE of length m  =>  parse(h, k) = MORE for k < m and DONE for k >= m
 *     parse(h, k) = BAD  =>  parse(h, n) = BAD for the same reason
 * A session that would rather not keep the struct (1.2 KB) keeps the four bytes of http_head_end.
 */
#ifndef LIB_HTTP_HEAD_H
#define LIB_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/http/bad.h"
#include "lib/http/known.h"

#define HTTP_FIELDS_MAX    100
#define HTTP_NOMINATED_MAX 16 /* fields that Connection may name */

enum http_result {
	HTTP_DONE,
	HTTP_MORE, /* it is only the beginning */
	HTTP_BAD,
};

struct http_limits {
	uint16_t head;   /* bytes, the empty line at the end included */
	uint16_t target; /* bytes */
	uint16_t fields; /* at most HTTP_FIELDS_MAX */
};

enum http_method {
	HTTP_METHOD_OTHER,
	HTTP_GET,
	HTTP_PUT,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PATCH,
	HTTP_TRACE,
	HTTP_DELETE,
	HTTP_CONNECT,
	HTTP_OPTIONS,
};

/* RFC 9112 3.2 */
enum http_form {
	HTTP_ORIGIN,    /* /path?query */
	HTTP_ABSOLUTE,  /* http://authority/path?query */
	HTTP_AUTHORITY, /* host:port, of CONNECT */
	HTTP_ASTERISK,  /* *, of OPTIONS */
};

/* Where the message ends (RFC 9112 6.3). */
enum http_body {
	HTTP_BODY_NONE,    /* with its head */
	HTTP_BODY_LENGTH,  /* after content_length bytes, which may be 0 */
	HTTP_BODY_CHUNKED, /* lib/http/chunked.h knows */
	HTTP_BODY_CLOSE,   /* with the connection (responses) */
	HTTP_BODY_TUNNEL,  /* what follows is no HTTP (responses to CONNECT, and 101) */
};

struct http_span {
	uint16_t at, length;
};

struct http_authority {
	struct http_span whole;
	struct http_span host; /* in brackets if it is an IPv6 address */
	uint16_t port;         /* 0: not given */
};

enum http_field_flags {
	/* for this connection only (RFC 9110 7.6.1), not to be passed on */
	HTTP_FIELD_HOP = 1 << 0,
};

struct http_field {
	struct http_span name, value; /* the value without white space around it; may be empty */
	uint8_t known;                /* enum http_known */
	uint8_t flags;                /* enum http_field_flags */
};

struct http_head {
	/* the parser's place */
	uint16_t line;    /* where the line begins that it reads */
	uint16_t scanned; /* up to here that line has no end */
	uint8_t stage;    /* enum http_stage */
	uint8_t bad;      /* enum http_bad, after HTTP_BAD */

	uint8_t minor;   /* HTTP/1.minor: 0 or 1 */
	uint8_t method;  /* enum http_method; of a response: its request's */
	uint16_t length; /* of the whole head, an empty line before it included */
	uint16_t status; /* response: 100 to 599 */
	struct http_span reason;

	/* request */
	struct http_span method_name, target;
	struct http_span path,
	    query; /* query without '?'; path empty: "/" (HTTP_ABSOLUTE) or none */
	struct http_authority authority; /* whom it is for: of the target if it says so, else of
					    Host; empty: HTTP/1.0 without Host */
	uint8_t form;                    /* enum http_form */
	bool has_query;                  /* an empty query is not the same as none */

	/* what was understood */
	uint8_t body;    /* enum http_body */
	bool has_length; /* content_length was given; it tells the size of
			    a body that is not sent after HEAD or with 304 */
	bool chunked;    /* Transfer-Encoding was given */
	bool keep_alive; /* the sender will go on after this message */
	bool close, connection_keep, connection_upgrade; /* options of Connection */
	bool upgrade;                                    /* wants to go on with another protocol */
	bool websocket;          /* ... which is WebSocket (RFC 6455) and no other */
	bool expect_100;         /* waits for 100 before it sends its body */
	uint8_t nominated;       /* fields that Connection names */
	uint64_t content_length; /* below 2^63 */

	uint64_t present; /* http_known_bit of each known field that is there */
	uint16_t n_fields;
	/* not set in the beginning */
	uint8_t first[HTTP_KNOWN_COUNT]; /* of those present: the index of the first one */
	struct http_field fields[HTTP_FIELDS_MAX];
};

/* Begin with a new message; `method` is that of the request that the response is for. */
void http_request_start(struct http_head *h);
void http_response_start(struct http_head *h, enum http_method method);

/* Read what there is of it. h->length and all else are set when the answer is HTTP_DONE, h->bad
 * when it is HTTP_BAD, and both answers stay. One empty line before a request is skipped
 * (RFC 9112 2.2). */
enum http_result http_request_parse(struct http_head *h, const struct http_limits *limits,
				    const uint8_t *bytes, size_t len);
enum http_result http_response_parse(struct http_head *h, const struct http_limits *limits,
				     const uint8_t *bytes, size_t len);
/* A trailer section (RFC 9112 7.1.2), with the empty line at its end, as chunked.h hands it out:
 * only the fields of h are set. Those that frame, route or belong to this connection are refused.
 */
enum http_result http_trailer_parse(struct http_head *h, const struct http_limits *limits,
				    const uint8_t *bytes, size_t len);

/* Is it worth parsing? False: the bytes do not hold the end of a head yet, nor anything at which
 * the parser would stop at once. *scanned, 0 at first, is how far it has looked. */
bool http_head_end(const uint8_t *bytes, size_t len, uint32_t *scanned);

/* The first field of a kind, or NULL. */
static inline const struct http_field *
http_find(const struct http_head *h, enum http_known known)
{
	return h->present & http_known_bit(known) ? &h->fields[h->first[known]] : NULL;
}

#endif
