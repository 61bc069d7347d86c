/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic below TLS: AES-GCM, ChaCha20-Poly1305, SHA-256 and SHA-384, as intel-ipsec-mb has
 * them for this processor. Its functions are called directly: a record is done when the call
 * returns, and nothing is queued.
 *
 * Opened once, by the control side. Nothing in it changes from then on, so any number of threads
 * use one at the same time.
 */
#ifndef LIB_TLS_ENGINE_H
#define LIB_TLS_ENGINE_H

struct IMB_MGR;

struct tls_engine {
	struct IMB_MGR *imb;
};

/* 0, -ENOMEM, or -ENOTSUP: the processor has no AES instructions, or the library's own test of its
 * algorithms failed. */
int tls_engine_open(struct tls_engine *engine);
void tls_engine_close(struct tls_engine *engine);

#endif
