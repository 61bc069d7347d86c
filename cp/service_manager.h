/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Getting along with whoever started us: a service manager (sd_notify protocol), or a shell that
 * expects the command to return when the daemon is ready.
 */
#ifndef CP_SERVICE_MANAGER_H
#define CP_SERVICE_MANAGER_H

/* Tell the service manager, if $NOTIFY_SOCKET names one: "READY=1", "RELOADING=1", "STOPPING=1",
 * "STATUS=...". */
void service_manager_notify(const char *state);

/* Go into the background: the caller goes on in a child; the parent waits for daemon_ready and
 * exits 0, or with 1 if the child ends before. Returns a file descriptor for daemon_ready, or
 * -errno. Before any thread is started. */
int daemon_start(void);
/* Let the parent exit with success, and let go of the terminal. */
void daemon_ready(int fd);

#endif
