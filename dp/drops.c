/* SPDX-License-Identifier: Apache-2.0 */
/* Names and help texts of the drop reasons, from the one list in drops.h. */
#include "dp/drops.h"

static const char *const names[DROP_REASON_COUNT] = {
#define X(constant, name, help) [DROP_##constant] = (name),
	DROP_REASONS(X)
#undef X
};

static const char *const helps[DROP_REASON_COUNT] = {
#define X(constant, name, help) [DROP_##constant] = (help),
	DROP_REASONS(X)
#undef X
};

const char *
drop_reason_name(enum drop_reason reason)
{
	return (unsigned int)reason < DROP_REASON_COUNT ? names[reason] : "unknown";
}

const char *
drop_reason_help(enum drop_reason reason)
{
	return (unsigned int)reason < DROP_REASON_COUNT ? helps[reason] : "";
}
