/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is to know, in Prometheus' text format: the same numbers as `show`, made from its JSON
 * by one table. Labels are service, pool, backend, interface, worker and reason (and, on
 * penstock_info, gateway_instance): none of them grows with the number of clients. Control thread
 * only.
 */
#ifndef CP_ADMIN_METRICS_H
#define CP_ADMIN_METRICS_H

#include <stddef.h>
#include <stdio.h>

#include "cp/admin/counters.h"
#include "cp/control.h"

/* The whole page, NUL-terminated and to be freed, *len bytes without the NUL; NULL without memory.
 */
char *metrics_text(struct control *control, struct counters *counters, size_t *len);

/* Every metric with its labels and what it means, as part of a manual page. */
void metrics_manual(FILE *out);

#endif
