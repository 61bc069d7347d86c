/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/tls/handshakes.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "cp/tls/threads.h"
#include "dp/packet.h"
#include "dp/proxy/proxy.h"

/* What a server sends in one go, ends up in so many buffers; not all handshakes are there at once.
 */
#define FLIGHT     2u
#define MBUFS_MOST 65535u

static const char no_memory[] = "not enough memory for tls.handshakes, dataplane.sessions and "
				"dataplane.backend_connections";

struct tls_handshakes {
	struct tls_engine engine;
	bool has_engine;
	struct rte_mempool *mbufs; /* what the threads send */
	struct tls_store *store;
	struct tls_threads *threads; /* NULL: they do not run */
	bool prepared;               /* all workers are */
};

struct tls_handshakes *
tls_handshakes_create(void)
{
	struct tls_handshakes *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->store = tls_store_create();
	if (h->store)
		return h;
	free(h);
	return NULL;
}

/* Buffers of their own: a worker that takes one from the workers' pool should not have to wait for
 * a thread that was stopped while it took one. */
static struct rte_mempool *
create_mbufs(uint32_t handshakes)
{
	uint32_t n = handshakes * FLIGHT < MBUFS_MOST ? handshakes * FLIGHT : MBUFS_MOST;

	return rte_pktmbuf_pool_create("tls-mbufs", n, 0,
				       RTE_ALIGN(sizeof(struct packet), RTE_MBUF_PRIV_ALIGN),
				       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
}

static int
start_threads(struct tls_handshakes *h, const struct dataplane *dp,
	      const struct tls_machine_config *config, const char **error)
{
	struct tls_threads_settings settings = {
		.n = config->threads,
		.questions = dp->n_workers * config->handshakes,
		.store = h->store,
		.engine = &h->engine,
	};

	*error = no_memory;
	if (!h->mbufs)
		h->mbufs = create_mbufs(settings.questions);
	if (!h->mbufs)
		return -ENOMEM;
	settings.mbufs = h->mbufs;
	errno = ENOMEM;
	h->threads = tls_threads_start(&settings);
	if (h->threads)
		return 0;
	if (errno != ENOMEM)
		*error = "the threads of tls.handshake_threads cannot be started";
	return -errno;
}

static int
open_engine(struct tls_handshakes *h, const char **error)
{
	int rc = tls_engine_open(&h->engine);

	h->has_engine = rc == 0;
	if (rc < 0)
		*error = rc == -ENOTSUP ? "TLS needs a processor with AES "
					  "instructions"
					: "not enough memory";
	return rc;
}

int
tls_handshakes_prepare(struct tls_handshakes *h, struct dataplane *dp,
		       const struct tls_machine_config *config, const char **error)
{
	int rc = 0;
	uint32_t i;

	if (h->prepared)
		return 0;
	if (!h->has_engine)
		rc = open_engine(h, error);
	if (rc == 0 && !h->threads)
		rc = start_threads(h, dp, config, error);
	if (rc < 0)
		return rc;
	for (i = 0; rc == 0 && i < dp->n_workers; i++) {
		struct proxy *proxy = worker_proxy(dp->workers[i]);

		rc = proxy_prepare_tls(proxy, tls_threads_ports(h->threads), config->threads,
				       &h->engine, config->handshakes);
		if (rc == 0)
			tls_threads_answer_to(h->threads, (uint16_t)i, proxy_tls_answers(proxy));
	}
	h->prepared = rc == 0;
	if (rc < 0)
		*error = no_memory;
	return rc;
}

bool
tls_handshakes_stop(struct tls_handshakes *h)
{
	if (!tls_threads_stop(h->threads))
		return false;
	h->threads = NULL;
	return true;
}

void
tls_handshakes_destroy(struct tls_handshakes *h)
{
	if (!h)
		return;
	tls_handshakes_stop(h);
	tls_store_destroy(h->store);
	rte_mempool_free(h->mbufs);
	if (h->has_engine)
		tls_engine_close(&h->engine);
	free(h);
}

struct tls_store *
tls_handshakes_store(const struct tls_handshakes *h)
{
	return h->store;
}
