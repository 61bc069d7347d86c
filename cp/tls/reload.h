/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that may change while what was read of them is in use, by listeners (cp/tls/listeners) and
 * pools (cp/tls/pools): two that belong together, a certificate and its key, or authorities and
 * what they have revoked; or one alone.
 *
 *     begin ─> due? ─> due? ─> ...
 *                └─> another stamp, twice the same ─> read ─┬─> other content: the user's new one
 *                                                           ├─> the same content: nothing
 *                                                           └─> bad: log, keep the old
 *
 * A file is read again only when its stamp changes, and after a bad one when it changes again. Two
 * are read when both have kept still from one look to the next, so that one may be replaced a
 * moment after the other. Control thread only.
 */
#ifndef CP_TLS_RELOAD_H
#define CP_TLS_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "cp/tls/certificate.h"
#include "cp/tls/trust.h"

/* How often files are looked at. */
#define TLS_LOOK_EVERY 2000000000ULL /* ns */
/* What one look reads at most; the rest is soon. */
#define TLS_READ_MOST  16
#define TLS_READ_AGAIN 50000000ULL /* ns */

struct tls_watched {
	const char *paths[2];      /* their owner's; the second may be NULL */
	struct tls_stamp known[2]; /* of what was read last, good or bad */
	struct tls_stamp seen[2];  /* at the last look */
	bool fresh;                /* read, and nothing has been made of it yet */
};

/* Whose files these are, for the log. */
struct tls_owner {
	const char *kind; /* "listener", "pool" */
	const char *name;
};

/* From what was read with the configuration, by its stamps. */
void tls_watched_begin(struct tls_watched *w, const char *first, const char *second,
		       const struct tls_stamp stamps[2]);
/* Have both kept still since the last look, and are not what was read? Then they are to be read, if
 * this look may read any more: there is one less left. */
bool tls_watched_due(struct tls_watched *w, unsigned int *left);

/* Read them. True: there is other content, which is good; it takes the place of what was there, and
 * w is fresh. False: nothing has changed, or the log says why it is no good. */
bool tls_watched_read_pair(struct tls_watched *w, const struct tls_owner *owner, enum tls_role role,
			   struct tls_certificate **certificate);
bool tls_watched_read_trust(struct tls_watched *w, const struct tls_owner *owner,
			    struct tls_trust **trust);
/* Say that one of the files is no good, and what is wrong with it. */
void tls_watched_refuse(const struct tls_owner *owner, const char *path, const char *why);

/* What was fresh is in use: say so, and of certificates until when they are good. */
void tls_watched_log_pair(struct tls_watched *w, const struct tls_owner *owner,
			  const struct tls_certificate *certificate);
void tls_watched_log(struct tls_watched *w, const struct tls_owner *owner, const char *event);

#endif
