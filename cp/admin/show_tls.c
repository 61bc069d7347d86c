/* SPDX-License-Identifier: Apache-2.0 */
/* `show tls`: what workers count of connections with TLS, and of hellos that they read.
 */
#include <ctype.h>
#include <string.h>

#include "cp/admin/show.h"
#include "dp/proxy/proxy.h"
#include "dp/tls/tls.h"

/* "NOTHING_SHARED" as "nothing-shared". */
static const char *
name_of(const char *constant, char name[32])
{
	size_t i;

	for (i = 0; i < 31 && constant[i]; i++)
		name[i] = constant[i] == '_' ? '-' : (char)tolower((unsigned char)constant[i]);
	name[i] = '\0';
	return name;
}

static const char *
cause_name(enum tls_cause cause, char name[32])
{
	static const char *const constants[] = {
#define X(constant, alert, text) #constant,
		TLS_CAUSES(X)
#undef X
	};

	return name_of(constants[cause], name);
}

static const char *
error_name(enum tls_error error, char name[32])
{
	static const char *const constants[] = {
#define X(constant, alert, text) #constant,
		TLS_ERRORS(X)
#undef X
	};

	return name_of(constants[error], name);
}

static const struct tls_counters *
counters_of(const struct dataplane *dp, uint32_t worker)
{
	const struct proxy *proxy = worker_proxy(dp->workers[worker]);

	return proxy ? proxy_tls_counters(proxy) : NULL;
}

static json_t *
row_of(const struct tls_counters *c)
{
	json_t *row = json_object(), *hellos = json_object(), *causes = json_object(),
	       *records = json_object();
	char name[32];
	unsigned int i;

#define X(name, help) show_add(&row, #name, json_integer((json_int_t)c->name));
	TLS_COUNTERS(X)
#undef X
	for (i = TLS_HELLO_BAD_NONE + 1; i < TLS_HELLO_BAD_COUNT; i++)
		if (c->bad_hello[i])
			show_add(&hellos, tls_bad_name(i),
				 json_integer((json_int_t)c->bad_hello[i]));
	for (i = TLS_CAUSE_NONE + 1; i < TLS_CAUSE_COUNT; i++)
		if (c->cause[i])
			show_add(&causes, cause_name(i, name),
				 json_integer((json_int_t)c->cause[i]));
	for (i = TLS_OK + 1; i < TLS_ERROR_COUNT; i++)
		if (c->error[i])
			show_add(&records, error_name(i, name),
				 json_integer((json_int_t)c->error[i]));
	show_add(&row, "bad_hellos", hellos);
	show_add(&row, "causes", causes);
	show_add(&row, "bad_records", records);
	return row;
}

/* What the threads do for the worker. */
static void
add_load(json_t **row, const struct proxy *proxy)
{
	struct tls_load load;

	if (!proxy_tls_load(proxy, &load))
		return;
	show_add(row, "handshakes_active", json_integer((json_int_t)load.active));
	show_add(row, "handshakes_waiting", json_integer((json_int_t)load.unanswered));
	show_add(row, "handshake_seconds", json_real((double)load.spent_ns / 1e9));
}

/* A row for each worker, once there has been a listener whose TLS ends here. */
json_t *
show_tls(struct show *show)
{
	const struct dataplane *dp = show->control->dp;
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; i < dp->n_workers; i++) {
		const struct tls_counters *c = counters_of(dp, i);
		json_t *row;

		if (!c)
			continue;
		row = row_of(c);
		add_load(&row, worker_proxy(dp->workers[i]));
		show_add(&row, "worker", json_integer((json_int_t)i));
		show_append(&list, row);
	}
	return list;
}

static void
append_sum(json_t **list, const char *reason, uint64_t sum)
{
	json_t *row = json_object();

	show_add(&row, "reason", json_string(reason));
	show_add(&row, "count", json_integer((json_int_t)sum));
	show_append(list, row);
}

/* Clients that were refused for their ClientHello, by reason, all workers together. */
json_t *
show_tls_bad(struct show *show)
{
	const struct dataplane *dp = show->control->dp;
	json_t *list = json_array();
	unsigned int i, j;

	for (j = TLS_HELLO_BAD_NONE + 1; j < TLS_HELLO_BAD_COUNT; j++) {
		uint64_t sum = 0;

		for (i = 0; i < dp->n_workers; i++) {
			const struct proxy *proxy = worker_proxy(dp->workers[i]);
			const struct tls_counters *c = counters_of(dp, i);

			sum += (proxy ? proxy_hellos_bad(proxy)[j] : 0) + (c ? c->bad_hello[j] : 0);
		}
		append_sum(&list, tls_bad_name(j), sum);
	}
	return list;
}

/* Handshakes that failed, the same. */
json_t *
show_tls_causes(struct show *show)
{
	const struct dataplane *dp = show->control->dp;
	json_t *list = json_array();
	unsigned int i, j;
	char name[32];

	for (j = TLS_CAUSE_NONE + 1; j < TLS_CAUSE_COUNT; j++) {
		uint64_t sum = 0;

		for (i = 0; i < dp->n_workers; i++) {
			const struct tls_counters *c = counters_of(dp, i);

			sum += c ? c->cause[j] : 0;
		}
		append_sum(&list, cause_name(j, name), sum);
	}
	return list;
}
