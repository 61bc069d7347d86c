/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands that change the configuration: apply, confirm, rollback.
 *
 * A function returns its result (a new reference), or NULL with a sentence in error (if that is
 * empty: no memory) and perhaps messages, a list of texts. Control thread only.
 */
#ifndef CP_ADMIN_CHANGE_H
#define CP_ADMIN_CHANGE_H

#include <jansson.h>

#include "cp/control.h"

struct change {
	struct control *control;
	json_t *request; /* the command, with its options */
	/* out */
	char error[512];
	json_t *messages; /* a new reference; NULL: none */
};

typedef json_t *change_fn(struct change *change);

/* text, name, dry_run, confirm ("60s"): {generation, diff, dry_run, messages}, and confirm_seconds
 * if it waits to be confirmed. */
change_fn change_apply;
/* {generation, messages} */
change_fn change_confirm;
/* generation (else the one before), dry_run, confirm: as apply, and from. */
change_fn change_rollback;

#endif
