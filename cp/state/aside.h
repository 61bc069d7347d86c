/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of the state directory on its way to the disk, which may take as long as it likes: written
 * by a thread of its own, so that the control thread goes on.
 *
 * Owned by whoever began it, until aside_done has said that it is done. The thread touches nothing
 * but the data and the store, whose files are each other's own: one write of a name at a time.
 */
#ifndef CP_STATE_ASIDE_H
#define CP_STATE_ASIDE_H

#include <stdbool.h>
#include <stddef.h>

struct aside;
struct store;

/* Begin to write. name lives on; data, from malloc, is freed when it is no longer needed, also on
 * failure. NULL: no memory or no thread. */
struct aside *aside_write(struct store *store, const char *name, void *data, size_t len);
/* False: it still runs. Otherwise a is freed, and *rc what store_write said; with wait always. */
bool aside_done(struct aside *a, bool wait, int *rc);

#endif
