/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every reason for which the HTTP codec refuses what it reads, named once. The list gives the enum,
 * the name for counters and records, the status that the client of a bad request gets, and the
 * help. A bad answer of a backend is a 502 whatever its reason.
 */
#ifndef LIB_HTTP_BAD_H
#define LIB_HTTP_BAD_H

#include <stdint.h>

/* X(constant, name, status, help) */
#define HTTP_BAD_REASONS(X)                                                                     \
	X(NONE, "none", 0, "nothing is wrong")                                                  \
	/* lines */                                                                             \
	X(CONTROL, "control", 400, "NUL or another control character in the head")              \
	X(BARE_CR, "bare-cr", 400, "carriage return without a line feed")                       \
	X(BARE_LF, "bare-lf", 400, "line feed without a carriage return")                       \
	X(HEAD_TOO_LARGE, "head-too-large", 431, "head with more bytes than the limit")         \
	/* the first line */                                                                    \
	X(EMPTY_LINES, "empty-lines", 400, "more than one empty line before the request")       \
	X(METHOD, "method", 400, "method that is no token")                                     \
	X(REQUEST_LINE, "request-line", 400,                                                    \
	  "first line that is not method, target and version with one space between them")      \
	X(TARGET, "target", 400,                                                                \
	  "target of no known form, or with a character that no target has")                    \
	X(TARGET_TOO_LONG, "target-too-long", 414, "target longer than the limit")              \
	X(VERSION, "version", 505, "a version of HTTP other than 1.0 and 1.1")                  \
	X(STATUS_LINE, "status-line", 400,                                                      \
	  "first line that is not version, status (100 to 599) and reason")                     \
	/* fields */                                                                            \
	X(OBS_FOLD, "obs-fold", 400, "line that begins with white space")                       \
	X(FIELD_NAME, "field-name", 400, "line without a colon, or whose name is no token")     \
	X(SPACE_BEFORE_COLON, "space-before-colon", 400,                                        \
	  "white space between a field's name and its colon")                                   \
	X(TOO_MANY_FIELDS, "too-many-fields", 431, "more header fields than the limit")         \
	X(HOST_MISSING, "host-missing", 400, "HTTP/1.1 request without Host")                   \
	X(HOST_TWICE, "host-twice", 400, "more than one Host")                                  \
	X(HOST_INVALID, "host-invalid", 400, "Host that is no host with an optional port")      \
	X(CONNECTION, "connection", 400,                                                        \
	  "Connection that is no list of tokens, or names too many fields")                     \
	/* framing */                                                                           \
	X(CONTENT_LENGTH, "content-length", 400,                                                \
	  "Content-Length that is no decimal number below 2^63")                                \
	X(CONTENT_LENGTHS, "content-lengths", 400, "Content-Lengths that differ")               \
	X(TRANSFER_ENCODING, "transfer-encoding", 400,                                          \
	  "Transfer-Encoding that is no list, is there twice, or does not end with chunked")    \
	X(TRANSFER_CODING, "transfer-coding", 501, "a transfer coding other than chunked")      \
	X(TRANSFER_ENCODING_10, "transfer-encoding-1.0", 400,                                   \
	  "Transfer-Encoding in an HTTP/1.0 message")                                           \
	X(LENGTH_AND_CODING, "length-and-coding", 400,                                          \
	  "Content-Length together with Transfer-Encoding")                                     \
	/* the chunked coding */                                                                \
	X(CHUNK_SIZE, "chunk-size", 400, "chunk size that is no hexadecimal number")            \
	X(CHUNK_TOO_LARGE, "chunk-too-large", 400,                                              \
	  "chunk size from 2^63 on, or of over 16 digits")                                      \
	X(CHUNK_LINE, "chunk-line", 400, "line of a chunk's size that does not end with CR LF") \
	X(CHUNK_EXTENSIONS, "chunk-extensions", 400, "more bytes of extensions than the limit") \
	X(CHUNK_END, "chunk-end", 400, "chunk that is not followed by CR LF")                   \
	X(TRAILER, "trailer", 400, "malformed trailer section")                                 \
	X(TRAILER_FIELD, "trailer-field", 400, "field that must not be in a trailer section")   \
	X(TRAILER_TOO_LARGE, "trailer-too-large", 431, "trailer section larger than the limit")

enum http_bad {
#define X(constant, name, status, help) HTTP_BAD_##constant,
	HTTP_BAD_REASONS(X)
#undef X
	    HTTP_BAD_COUNT,
};

/* Of a reason below HTTP_BAD_COUNT. Any thread. */
const char *http_bad_name(enum http_bad bad);
const char *http_bad_help(enum http_bad bad);
uint16_t http_bad_status(enum http_bad bad);

#endif
