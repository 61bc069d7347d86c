/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate of the other side, in texts that can go anywhere (struct tls_peer says how they are
 * written). Pure; any thread.
 */
#ifndef CP_TLS_PEER_H
#define CP_TLS_PEER_H

#include <mbedtls/x509_crt.h>

#include "lib/tls/handover.h"

/* All but `verified`, which stays false. `certificate` may be NULL: there is none. */
void tls_peer_describe(struct tls_peer *peer, const mbedtls_x509_crt *certificate);

#endif
