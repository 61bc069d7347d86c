/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One check of one backend: a connection, a datagram, an echo request or an HTTP request over the
 * kernel's sockets, never waiting for any of them.
 *
 * Whoever embeds a struct probe owns it. done is called once for each probe_start, from the loop or
 * from within probe_start, unless probe_cancel comes first; a probe ends at the latest `timeout`
 * after its start. Time in which the loop was late is not the backend's: it is added, once, and
 * what has come meanwhile is looked at before a probe is given up. Control thread only.
 *
 * Invariant: a probe that does not run has no descriptor, no memory and no armed timer.
 */
#ifndef CP_HEALTH_PROBE_H
#define CP_HEALTH_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/config/model.h"
#include "cp/health/state.h"
#include "cp/loop.h"

/* What all probes share. */
struct prober {
	struct loop *loop;
	uint16_t echo_sequence;
	uint64_t random; /* xorshift state, never 0 */
	void *http;      /* probe_http.c; NULL until the first HTTP check */
};

struct probe;
typedef void probe_done_fn(struct probe *probe);

struct probe {
	struct prober *prober;
	struct loop_timer *timer;

	/* what to do; set by the caller before probe_start */
	const struct health_config *config; /* lives as long as the probe runs */
	struct addr addr;
	uint16_t port;
	probe_done_fn *done;

	/* how it ended, for done */
	enum health_cause cause;
	char detail[96];  /* more of the cause, for people; may be empty */
	uint64_t latency; /* ns */

	/* while it runs */
	bool running;
	bool extended; /* had its time added */
	int fd;        /* -1: none */
	loop_fd_fn *on_event;
	bool raw;
	uint16_t sequence;
	uint64_t token, started;
	void *http;
};

void prober_init(struct prober *prober, struct loop *loop);
void prober_end(struct prober *prober);
uint64_t prober_random(struct prober *prober);

/* Give it its timer. 0 or -ENOMEM. */
int probe_init(struct probe *probe, struct prober *prober);
/* End it, cancelled if it runs. */
void probe_free(struct probe *probe);

void probe_start(struct probe *probe);
/* Forget it: done is not called. */
void probe_cancel(struct probe *probe);

/* ---- for the kinds of probes ---- */

/* A socket towards the backend, bound to config.source if that is of its family and connected, with
 * the loop waiting for `events`. False: the probe has ended. */
bool probe_socket(struct probe *probe, int type, int protocol, uint32_t events, loop_fd_fn *fn);
/* The probe has ended: done is called. detail is printf's; NULL: none. */
void probe_end(struct probe *probe, enum health_cause cause, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));
/* ... by an error number. */
void probe_end_errno(struct probe *probe, int error);
enum health_cause probe_cause_of(int error);

void probe_udp_start(struct probe *probe);
void probe_icmp_start(struct probe *probe);
void probe_http_start(struct probe *probe);
/* Free what the running probe has in probe->http. */
void probe_http_cancel(struct probe *probe);
void probe_http_end(struct prober *prober);

#endif
