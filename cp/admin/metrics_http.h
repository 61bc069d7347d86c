/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of HTTP requests: histograms of latency and counts by the answer's status. Control thread
 * only. */
#ifndef CP_ADMIN_METRICS_HTTP_H
#define CP_ADMIN_METRICS_HTTP_H

#include <stdio.h>

#include "cp/admin/counters.h"
#include "cp/control.h"

void metrics_http_print(FILE *out, const struct control *control, const struct counters *counters);
/* Their part of the manual page. */
void metrics_http_manual(FILE *out);

#endif
