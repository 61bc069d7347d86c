/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator says of one backend: drain, enable, disable, weight. It is in the published
 * snapshot when the command is answered. Control thread only.
 */
#ifndef CP_ADMIN_ORDERS_H
#define CP_ADMIN_ORDERS_H

#include <jansson.h>
#include <stdbool.h>

#include "cp/control.h"

#define ORDERS_ERROR_LEN 512

/* Run the request {"command": "drain", "backend": "web/10.2.0.11:8080"}; weight has "weight" too.
 * The result (a new reference), or NULL with a sentence in error (empty: no memory). */
json_t *orders_run(struct control *control, json_t *request, char error[ORDERS_ERROR_LEN]);

#endif
