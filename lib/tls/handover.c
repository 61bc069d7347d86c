/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tls/handover.h"

const char *
tls_cause_text(enum tls_cause cause)
{
	static const char *const texts[] = {
#define TLS_CAUSE_TEXT(name, alert, text) text,
		TLS_CAUSES(TLS_CAUSE_TEXT)
#undef TLS_CAUSE_TEXT
	};

	return cause < TLS_CAUSE_COUNT ? texts[cause] : "unknown";
}
