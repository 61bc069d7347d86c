/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic that a server's handshake cannot do without, by the calls that mbedTLS's own
 * handshake makes for it: mbedtls_pk_sign_ext; psa_generate_key, psa_export_public_key and
 * psa_raw_key_agreement (TLS 1.3), mbedtls_ecdh_make_params, _read_public and _calc_secret (1.2).
 * One thread.
 */
#ifndef BENCH_TLS_FLOOR_H
#define BENCH_TLS_FLOOR_H

#include <mbedtls/pk.h>
#include <stdbool.h>

#include "cp/tls/certificate.h"

enum floor_group { FLOOR_X25519, FLOOR_P256 };

/* One signature by the certificate's key, as this version asks for it. False: it failed. */
bool floor_sign(struct tls_certificate *certificate, bool is_13);
/* A key, and the secret with somebody else's. */
bool floor_agree(enum floor_group group, bool is_13);

#endif
