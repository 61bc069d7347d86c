/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled routes of an HTTP listener (dp/l7/route.h), made from its configuration. Control
 * thread only.
 */
#ifndef CP_COMPILE_HTTP_TABLE_H
#define CP_COMPILE_HTTP_TABLE_H

#include <stddef.h>

#include "cp/config/model_http.h"

struct http_table;

#define HTTP_TABLE_MOST ((size_t)256 * 1024 * 1024)

/* A table for these routes, in their order. 0; -ENOMEM; -E2BIG: it would take more memory than
 * HTTP_TABLE_MOST; -EINVAL: a regular expression is wrong. */
int http_table_build(struct http_table **out, const struct http_route_config *routes, size_t n);
/* NULL is allowed. */
void http_table_free(struct http_table *table);

/* Is it a regular expression? NULL, or in static memory what is wrong with it and where
 * (*offset). */
const char *http_regex_check(const char *regex, size_t *offset);

#endif
