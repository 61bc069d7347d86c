/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates in use. */
#include "cp/admin/show.h"
#include "cp/tls/certificate.h"
#include "cp/tls/listeners.h"
#include "cp/tls/pools.h"

/* A list in the making: of all listeners and pools, or of one listener. */
struct certificates {
	json_t *list;
	const struct listener_config *only; /* NULL: all */
};

/* Those of a service or of a pool, which `kind` says. */
static json_t *
row_of(const char *kind, const char *name, const char *file,
       const struct tls_certificate *certificate)
{
	json_t *names = json_array();
	size_t i;

	for (i = 0; i < certificate->n_names; i++)
		show_append(&names, json_string(certificate->names[i]));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:I}", kind, name, "certificate",
			 show_text(file), "names", names, "not_before",
			 show_time((time_t)certificate->not_before), "not_after",
			 show_time((time_t)certificate->not_after), "expiry_seconds",
			 (json_int_t)certificate->not_after);
}

static void
add_certificate(void *arg, const struct listener_config *listener,
		const struct tls_pair_config *pair, const struct tls_certificate *certificate)
{
	struct certificates *all = arg;

	if (!all->only || all->only == listener)
		show_append(&all->list, row_of("service", listener->service.name, pair->certificate,
					       certificate));
}

/* What backends are shown. */
static void
add_pool_certificate(void *arg, const struct pool_config *pool,
		     const struct tls_certificate *certificate)
{
	struct certificates *all = arg;

	show_append(&all->list, row_of("pool", pool->name, pool->tls.own.certificate, certificate));
}

json_t *
show_certificates(struct show *show)
{
	struct certificates all = { json_array(), NULL };

	tls_listeners_each(show->control->tls_listeners, add_certificate, &all);
	tls_pools_each(show->control->tls_pools, add_pool_certificate, &all);
	return all.list;
}

json_t *
show_certificates_of(const struct control *control, const struct listener_config *listener)
{
	struct certificates all = { json_array(), listener };

	tls_listeners_each(control->tls_listeners, add_certificate, &all);
	return all.list;
}
