/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state directory (--state): small files that outlive the daemon, by name.
 *
 * Owned by whoever opened it; a lock in the directory keeps a second daemon out. Any thread, but
 * one at a time for a name: a write waits for the disk, and may do so aside of the control thread.
 * Nothing that is read is to be trusted: somebody may have written to the directory.
 *
 * Invariant: whatever moment the process or the machine dies at, a name has all of the old content
 * or all of the new one. A write goes
 *
 *     .NAME.new written -> fsync -> renamed to NAME -> fsync of the directory
 */
#ifndef CP_STATE_STORE_H
#define CP_STATE_STORE_H

#include <stddef.h>

#define STORE_NAME_MAX  64          /* bytes of a name: a-z 0-9 . - , not beginning with a dot */
#define STORE_MAX_BYTES (64u << 20) /* a longer file is neither written nor read */

struct store;

/* Open the directory, making it (not its parents) if it is missing. NULL with *error a sentence
 * that names it, valid until the next call: not writable, or another daemon holds it. */
struct store *store_open(const char *dir, const char **error);
/* store may be NULL. */
void store_close(struct store *store);
/* As it was given to store_open. */
const char *store_dir(const struct store *store);

/* 0, or -errno: then the old content is still there. -EINVAL: not a name; -EFBIG: too long. */
int store_write(struct store *store, const char *name, const void *data, size_t len);
/* The content, NUL-terminated (*len does not count that; may be NULL), to be freed; NULL with
 * errno: ENOENT if there is none, EFBIG, EINVAL for what is not a plain file, ... */
char *store_read(struct store *store, const char *name, size_t *len);
/* 0 also if there was none, or -errno. */
int store_remove(struct store *store, const char *name);
/* Call fn for each name that begins with prefix, in no order; fn must not change the store. 0 or
 * -errno. */
typedef void store_name_fn(void *arg, const char *name);
int store_list(struct store *store, const char *prefix, store_name_fn *fn, void *arg);

/* For tests: call fn between the steps of a write ("opened", "written", "synced", "renamed"). */
typedef void store_step_fn(void *arg, const char *step);
void store_observe(struct store *store, store_step_fn *fn, void *arg);

#endif
