/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The normal form of a path, by which routes are found (RFC 3986 6.2.2): escapes of unreserved
 * characters are undone, those of others have upper-case digits, dot segments are removed (5.2.4),
 * of "//" one is left if a rule says so. Escapes are undone once: what comes out has none that a
 * second reading would undo. So
 *     normal(normal(path)) = normal(path)
 * and a backend that resolves the path that it gets cannot leave the place that was routed.
 *
 * The result begins with "/"; a path that climbs above its root stays there. Pure, any thread.
 */
#ifndef LIB_HTTP_PATH_H
#define LIB_HTTP_PATH_H

#include <stddef.h>
#include <stdint.h>

/* X(constant, name, help): why a path has no normal form. All are a 400 but TOO_LONG, a 414. */
#define HTTP_PATH_REASONS(X)                                                                  \
	X(OK, "ok", "it has one")                                                             \
	X(NUL, "path-nul", "an escaped NUL")                                                  \
	X(CONTROL, "path-control", "an escaped control character")                            \
	X(SLASH, "path-slash", "an escaped slash or backslash, which the rule refuses")       \
	X(ESCAPE, "path-escape", "a percent sign without two digits, which the rule refuses") \
	X(TOO_LONG, "path-too-long", "longer than there is room for")

enum http_path_reason {
#define X(constant, name, help) HTTP_PATH_##constant,
	HTTP_PATH_REASONS(X)
#undef X
	    HTTP_PATH_REASON_COUNT,
};

const char *http_path_reason_name(enum http_path_reason reason);
const char *http_path_reason_help(enum http_path_reason reason);

/* An escaped NUL is always refused. */
enum http_path_rules {
	HTTP_PATH_MERGE_SLASHES = 1 << 0,  /* empty segments are removed */
	HTTP_PATH_REFUSE_SLASH = 1 << 1,   /* %2F and %5C; else they stay escaped */
	HTTP_PATH_REFUSE_CONTROL = 1 << 2, /* %01 to %1F, %7F; else they stay escaped */
	HTTP_PATH_REFUSE_ESCAPE = 1 << 3,  /* "%" that escapes nothing; else it becomes "%25" */
};

/* Where the result goes. */
struct http_path {
	uint8_t *bytes;
	size_t size, length;
};

/* The normal form of `path`, which may be empty. Room for 3 * len + 1 bytes is always enough. */
enum http_path_reason http_path_normal(struct http_path *out, unsigned int rules,
				       const uint8_t *path, size_t len);

#endif
