/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP for the metrics: GET /metrics on the address of the setting admin.listen, by libmicrohttpd
 * on the control thread's loop. It reads counters and never writes what a worker reads.
 *
 * Bounded: 16 connections, 10 s without progress, 8 KiB of request. A page is made at most for a
 * fifth of the control thread's time: requests that come sooner get the page before. An address
 * that cannot be listened on does not stop the forwarding: it is logged, and tried again. Control
 * thread only.
 */
#ifndef CP_ADMIN_METRICS_SERVER_H
#define CP_ADMIN_METRICS_SERVER_H

#include "cp/admin/counters.h"
#include "cp/control.h"

struct metrics_server;

/* NULL without memory. Listens from the first metrics_server_follow on. */
struct metrics_server *metrics_server_create(struct control *control, struct counters *counters);
void metrics_server_destroy(struct metrics_server *s);
/* The configuration may say another address now. */
void metrics_server_follow(struct metrics_server *s);

#endif
