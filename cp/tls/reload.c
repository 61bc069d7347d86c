/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/reload.h"

#include <string.h>
#include <time.h>

#include "cp/log.h"

void
tls_watched_begin(struct tls_watched *w, const char *first, const char *second,
		  const struct tls_stamp stamps[2])
{
	*w = (struct tls_watched){ .paths = { first, second } };
	memcpy(w->known, stamps, sizeof(w->known));
	memcpy(w->seen, stamps, sizeof(w->seen));
}

bool
tls_watched_due(struct tls_watched *w, unsigned int *left)
{
	bool known = true, still = true;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct tls_stamp now = { 0 };

		if (w->paths[i])
			now = tls_file_stamp(w->paths[i]);
		known &= tls_stamp_equal(&now, &w->known[i]);
		still &= tls_stamp_equal(&now, &w->seen[i]);
		w->seen[i] = now;
	}
	if (!still || known || !*left)
		return false;
	--*left;
	return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

void
tls_watched_refuse(const struct tls_owner *owner, const char *path, const char *why)
{
	log_event(LOG_LEVEL_ERROR, "certificate-refused", "message", "the one before stays in use",
		  owner->kind, owner->name, "file", path, "reason", why, NULL);
}

static void
refuse_faults(const struct tls_watched *w, const struct tls_owner *owner,
	      const struct tls_fault faults[2])
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (faults[i].text[0])
			tls_watched_refuse(owner, w->paths[i], faults[i].text);
}

bool
tls_watched_read_pair(struct tls_watched *w, const struct tls_owner *owner, enum tls_role role,
		      struct tls_certificate **certificate)
{
	struct tls_pair_faults faults = { 0 };
	struct tls_certificate *old = *certificate;
	struct tls_certificate *c = tls_certificate_load(w->paths[0], w->paths[1], role, &faults);
	time_t now = time(NULL);

	memcpy(w->known, c ? c->stamps : w->seen, sizeof(w->known));
	if (!c) {
		refuse_faults(w, owner, (struct tls_fault[2]){ faults.certificate, faults.key });
		return false;
	}
	if (c->not_after < now && old->not_after >= now) {
		tls_watched_refuse(owner, w->paths[0], "has expired");
	} else if (memcmp(c->digest, old->digest, sizeof(c->digest)) != 0) {
		tls_certificate_put(old);
		*certificate = c;
		return w->fresh = true;
	}
	tls_certificate_put(c);
	return false;
}

bool
tls_watched_read_trust(struct tls_watched *w, const struct tls_owner *owner,
		       struct tls_trust **trust)
{
	struct tls_trust_faults faults = { 0 };
	struct tls_trust *t = (*trust)->is_partial
				  ? tls_trust_load_partial(w->paths[0], &faults.ca)
				  : tls_trust_load(w->paths[0], w->paths[1], &faults);

	memcpy(w->known, t ? t->stamps : w->seen, sizeof(w->known));
	if (!t)
		refuse_faults(w, owner, (struct tls_fault[2]){ faults.ca, faults.crl });
	if (t && !tls_trust_equal(t, *trust)) {
		tls_trust_put(*trust);
		*trust = t;
		return w->fresh = true;
	}
	tls_trust_put(t);
	return false;
}

/* ---- in use ---------------------------------------------------------------------------------- */

void
tls_watched_log_pair(struct tls_watched *w, const struct tls_owner *owner,
		     const struct tls_certificate *certificate)
{
	time_t until = (time_t)certificate->not_after;
	char day[32];
	struct tm tm;

	if (!w->fresh)
		return;
	w->fresh = false;
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&until, &tm));
	log_event(LOG_LEVEL_INFO, "certificate-reloaded", owner->kind, owner->name, "file",
		  w->paths[0], "not_after", day, NULL);
}

void
tls_watched_log(struct tls_watched *w, const struct tls_owner *owner, const char *event)
{
	if (w->fresh)
		log_event(LOG_LEVEL_INFO, event, owner->kind, owner->name, "file", w->paths[0],
			  NULL);
	w->fresh = false;
}
