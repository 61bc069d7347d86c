/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects that `show` knows: each function builds the JSON of one of them from the running
 * configuration, the snapshot and the counters.
 *
 * A function returns a new reference, or NULL with a sentence in error (if that is empty: no
 * memory). Nothing is changed. Control thread only.
 */
#ifndef CP_ADMIN_SHOW_H
#define CP_ADMIN_SHOW_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "cp/admin/counters.h"
#include "cp/control.h"

struct show {
	struct control *control;
	struct counters *counters;
	json_t *request; /* the command, with its options */
	char error[256]; /* out */
};

typedef json_t *show_fn(struct show *show);

show_fn show_services, show_listeners, show_pools, show_backends;    /* show_services.c */
show_fn show_http, show_http_bad;                                    /* the same */
show_fn show_tcp;                                                    /* show_proxy.c */
show_fn show_tls, show_tls_bad, show_tls_causes;                     /* show_tls.c */
show_fn show_workers, show_interfaces, show_neighbours, show_config; /* show_system.c */
show_fn show_drops, show_version;
show_fn show_history;      /* show_history.c */
show_fn show_certificates; /* show_certificates.c */

/* What the files share. */

/* show_certificates of one listener. */
json_t *show_certificates_of(const struct control *control, const struct listener_config *listener);

/* A JSON string of any text: bytes that are not UTF-8 become U+FFFD. */
json_t *show_text(const char *text);
/* "203.0.113.10", or "203.0.113.0/24" for a prefix that is no single address. */
json_t *show_prefix(const struct prefix *prefix);
/* Wall-clock time as "2026-01-31T12:00:00Z". */
json_t *show_time(time_t t);
/* The request's option `service` as an index in the configuration: 0 with *index set; SIZE_MAX in
 * *index if there is none. -1 with show->error. */
int show_service_option(struct show *show, size_t *index);
/* Add value (a stolen reference) under key; without memory *object becomes NULL. */
void show_add(json_t **object, const char *key, json_t *value);
/* Append value (stolen) to the list; without memory *list becomes NULL. */
void show_append(json_t **list, json_t *value);

#endif
