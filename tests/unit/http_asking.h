/* SPDX-License-Identifier: Apache-2.0 */
/* A request as text, as routes look at it. The caller owns it; one thread. */
#ifndef TESTS_UNIT_HTTP_ASKING_H
#define TESTS_UNIT_HTTP_ASKING_H

#include <stdbool.h>
#include <stddef.h>

#include "dp/l7/route.h"

#define HTTP_ASKING_PATH 16384

struct http_asking {
	struct http_head head;
	struct http_question question;
	uint8_t path[HTTP_ASKING_PATH];
};

/* The text has to stay. False: it is no request, or its path has no normal form. */
bool http_asking_read(struct http_asking *a, const char *text, size_t length);

#endif
