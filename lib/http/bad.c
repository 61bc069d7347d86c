/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http/bad.h"

static const struct {
	const char *name, *help;
	uint16_t status;
} reasons[HTTP_BAD_COUNT] = {
#define X(constant, name, status, help) [HTTP_BAD_##constant] = { name, help, status },
	HTTP_BAD_REASONS(X)
#undef X
};

const char *
http_bad_name(enum http_bad bad)
{
	return reasons[bad].name;
}

const char *
http_bad_help(enum http_bad bad)
{
	return reasons[bad].help;
}

uint16_t
http_bad_status(enum http_bad bad)
{
	return reasons[bad].status;
}
