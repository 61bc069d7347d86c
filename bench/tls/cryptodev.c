/* SPDX-License-Identifier: Apache-2.0 */
#define ALLOW_EXPERIMENTAL_API /* DPDK 22.11 does not promise to keep these calls as they are */

#include "bench/tls/cryptodev.h"

#include <rte_cryptodev.h>
#include <rte_eal.h>
#include <stdio.h>
#include <string.h>

#define SESSIONS_MAX 64

/* One of them is all that a bench needs. */
static struct {
	uint8_t device;
	struct rte_mempool *pool;
	void *sessions[SESSIONS_MAX];
	uint32_t n;
} c;

bool
bench_cryptodev_open(void)
{
	static char *arguments[] = { "bench-tls",      "--no-huge",   "-m",     "128",
				     "--no-pci",       "--no-shconf", "--vdev", "crypto_aesni_gcm0",
				     "--no-telemetry", "--log-level", "error" };
	struct rte_cryptodev_config config = { .nb_queue_pairs = 1 };
	struct rte_cryptodev_qp_conf queue = { .nb_descriptors = 128 };
	struct rte_cryptodev_info info;
	int id;

	if (rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) < 0)
		return false;
	id = rte_cryptodev_get_dev_id("crypto_aesni_gcm0");
	if (id < 0)
		return false;
	c.device = (uint8_t)id;
	rte_cryptodev_info_get(c.device, &info);
	if (!(info.feature_flags & RTE_CRYPTODEV_FF_SYM_CPU_CRYPTO))
		return false;
	c.pool = rte_cryptodev_sym_session_pool_create(
	    "sessions", SESSIONS_MAX, bench_cryptodev_session_size(), 0, 0, SOCKET_ID_ANY);
	queue.mp_session = c.pool;
	return c.pool && rte_cryptodev_configure(c.device, &config) == 0 &&
	       rte_cryptodev_queue_pair_setup(c.device, 0, &queue, SOCKET_ID_ANY) == 0 &&
	       rte_cryptodev_start(c.device) == 0;
}

uint32_t
bench_cryptodev_session_size(void)
{
	return rte_cryptodev_sym_get_private_session_size(c.device);
}

bool
bench_cryptodev_sessions(enum tls_cipher cipher, uint32_t n)
{
	uint8_t key[TLS_KEY_MAX];
	struct rte_crypto_sym_xform xform = {
		.type = RTE_CRYPTO_SYM_XFORM_AEAD,
		.aead = { .op = RTE_CRYPTO_AEAD_OP_ENCRYPT,
			  .algo = cipher == TLS_CHACHA20_POLY1305
				      ? RTE_CRYPTO_AEAD_CHACHA20_POLY1305
				      : RTE_CRYPTO_AEAD_AES_GCM,
			  .key = { key, (uint16_t)tls_key_length(cipher) },
			  .iv = { 0, TLS_IV },
			  .digest_length = 16,
			  .aad_length = 5 },
	};
	uint32_t i;

	for (i = 0; i < c.n; i++)
		rte_cryptodev_sym_session_free(c.device, c.sessions[i]);
	for (c.n = 0; c.n < n; c.n++) {
		memset(key, (int)c.n + 1, sizeof(key));
		c.sessions[c.n] = rte_cryptodev_sym_session_create(c.device, &xform, c.pool);
		if (!c.sessions[c.n])
			return false;
	}
	return true;
}

/* A call is of one session; records of several are as many calls. */
static uint32_t
seal_run(const struct bench_cryptodev_record *records, uint32_t n)
{
	static uint8_t iv[TLS_IV];
	struct rte_crypto_vec content[CRYPTODEV_BURST];
	struct rte_crypto_sgl lists[CRYPTODEV_BURST];
	struct rte_crypto_va_iova_ptr ivs[CRYPTODEV_BURST], heads[CRYPTODEV_BURST];
	struct rte_crypto_va_iova_ptr tags[CRYPTODEV_BURST];
	int32_t status[CRYPTODEV_BURST];
	struct rte_crypto_sym_vec vector = { .num = n,
					     .src_sgl = lists,
					     .iv = ivs,
					     .aad = heads,
					     .digest = tags,
					     .status = status };
	union rte_crypto_sym_ofs offsets = { .raw = 0 };
	uint32_t i;

	for (i = 0; i < n; i++) {
		content[i] =
		    (struct rte_crypto_vec){ .base = records[i].content, .len = records[i].length };
		lists[i] = (struct rte_crypto_sgl){ .vec = &content[i], .num = 1 };
		ivs[i].va = iv;
		heads[i].va = records[i].head;
		tags[i].va = records[i].content + records[i].length;
	}
	return rte_cryptodev_sym_cpu_crypto_process(c.device, c.sessions[records[0].session],
						    offsets, &vector);
}

uint32_t
bench_cryptodev_seal(const struct bench_cryptodev_record *records, uint32_t n)
{
	uint32_t i, end, good = 0;

	for (i = 0; i < n; i = end) {
		for (end = i + 1; end < n && records[end].session == records[i].session; end++)
			;
		good += seal_run(records + i, end - i);
	}
	return good;
}
