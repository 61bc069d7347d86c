/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates in use. */
#include "cp/admin/show.h"
#include "cp/tls/certificate.h"
#include "cp/tls/listeners.h"

/* A list in the making: of all listeners, or of one. */
struct certificates {
	json_t *list;
	const struct listener_config *only; /* NULL: all */
};

static void
add_certificate(void *arg, const struct listener_config *listener,
		const struct tls_pair_config *pair, const struct tls_certificate *certificate)
{
	struct certificates *all = arg;
	json_t *names, *row;
	size_t i;

	if (all->only && all->only != listener)
		return;
	names = json_array();
	for (i = 0; i < certificate->n_names; i++)
		show_append(&names, json_string(certificate->names[i]));
	row = json_pack("{s:s, s:o, s:o, s:o, s:o, s:I}", "service", listener->service.name,
			"certificate", show_text(pair->certificate), "names", names, "not_before",
			show_time((time_t)certificate->not_before), "not_after",
			show_time((time_t)certificate->not_after), "expiry_seconds",
			(json_int_t)certificate->not_after);
	show_append(&all->list, row);
}

json_t *
show_certificates(struct show *show)
{
	struct certificates all = { json_array(), NULL };

	tls_listeners_each(show->control->tls_listeners, add_certificate, &all);
	return all.list;
}

json_t *
show_certificates_of(const struct control *control, const struct listener_config *listener)
{
	struct certificates all = { json_array(), listener };

	tls_listeners_each(control->tls_listeners, add_certificate, &all);
	return all.list;
}
