/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's answer to `explain` as JSON, with the names that its slots have. Control thread only.
 */
#ifndef CP_ADMIN_EXPLAIN_TEXT_H
#define CP_ADMIN_EXPLAIN_TEXT_H

#include <jansson.h>
#include <stdint.h>

#include "cp/control.h"
#include "dp/handoff.h"

/* A new reference, or NULL without memory. */
json_t *explain_json(const struct control *control, const struct explain_query *q, uint16_t worker);

/* The name of the service that lives at a slot with this epoch; NULL: it is gone. */
const char *service_slot_name(const struct control *control, uint32_t slot, uint32_t epoch);

#endif
