/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/state/aside.h"

#include <pthread.h>
#include <stdlib.h>

#include "cp/state/store.h"

struct aside {
	pthread_t thread;
	struct store *store;
	const char *name;
	void *data;
	size_t len;
	int rc;
};

static void *
run(void *arg)
{
	struct aside *a = arg;

	a->rc = store_write(a->store, a->name, a->data, a->len);
	return NULL;
}

struct aside *
aside_write(struct store *store, const char *name, void *data, size_t len)
{
	struct aside *a = calloc(1, sizeof(*a));

	if (a) {
		*a = (struct aside){ .store = store, .name = name, .data = data, .len = len };
		if (pthread_create(&a->thread, NULL, run, a) == 0)
			return a;
	}
	free(data);
	free(a);
	return NULL;
}

bool
aside_done(struct aside *a, bool wait, int *rc)
{
	if (wait)
		pthread_join(a->thread, NULL);
	else if (pthread_tryjoin_np(a->thread, NULL) != 0)
		return false;
	*rc = a->rc;
	free(a->data);
	free(a);
	return true;
}
