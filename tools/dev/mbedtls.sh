#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# mbedTLS 3.6, the TLS handshakes' library: the system's own where that is 3.6 or later and made as we need it, else
# one of our own, static, in build/deps/mbedtls. Its source is the package of Debian 13, from the archive that this
# machine's own apt configuration names, verified by apt with Debian's keys. Needs no root.
#
#   mbedtls.sh         see to it that there is one; quick if there is, and only one at a time builds it
#   mbedtls.sh --own   build our own whatever the system has
set -u
top=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
to=$top/build/deps/mbedtls
release=trixie
keys=/usr/share/keyrings/debian-archive-keyring.gpg

# What must be on: handshakes run on several threads, and there are more of them at a time than 32 keys.
wanted=(MBEDTLS_SSL_PROTO_TLS1_3 MBEDTLS_SSL_PROTO_TLS1_2 MBEDTLS_SSL_EXTENDED_MASTER_SECRET MBEDTLS_THREADING_C
	MBEDTLS_THREADING_PTHREAD MBEDTLS_PSA_KEY_STORE_DYNAMIC MBEDTLS_SSL_SESSION_TICKETS MBEDTLS_SSL_ALPN
	MBEDTLS_SSL_SERVER_NAME_INDICATION)
# What no configuration of ours can ask for is left out of our own: protocols without confidence, key exchanges
# without forward secrecy, ciphers without authentication, datagrams, what only other programs use.
unwanted=(MBEDTLS_SSL_RENEGOTIATION MBEDTLS_SSL_ENCRYPT_THEN_MAC MBEDTLS_SSL_PROTO_DTLS MBEDTLS_SSL_DTLS_ANTI_REPLAY
	MBEDTLS_SSL_DTLS_HELLO_VERIFY MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE MBEDTLS_SSL_DTLS_CONNECTION_ID
	MBEDTLS_SSL_DTLS_CONNECTION_ID_COMPAT MBEDTLS_SSL_COOKIE_C MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
	MBEDTLS_SSL_CONTEXT_SERIALIZATION MBEDTLS_SSL_EARLY_DATA
	MBEDTLS_KEY_EXCHANGE_PSK_ENABLED MBEDTLS_KEY_EXCHANGE_DHE_PSK_ENABLED MBEDTLS_KEY_EXCHANGE_ECDHE_PSK_ENABLED
	MBEDTLS_KEY_EXCHANGE_RSA_PSK_ENABLED MBEDTLS_KEY_EXCHANGE_RSA_ENABLED MBEDTLS_KEY_EXCHANGE_DHE_RSA_ENABLED
	MBEDTLS_KEY_EXCHANGE_ECDH_ECDSA_ENABLED MBEDTLS_KEY_EXCHANGE_ECDH_RSA_ENABLED
	MBEDTLS_KEY_EXCHANGE_ECJPAKE_ENABLED MBEDTLS_ECJPAKE_C
	MBEDTLS_ARIA_C MBEDTLS_CAMELLIA_C MBEDTLS_DES_C MBEDTLS_RIPEMD160_C MBEDTLS_LMS_C MBEDTLS_SELF_TEST
	MBEDTLS_CIPHER_MODE_CBC MBEDTLS_DHM_C MBEDTLS_PSA_CRYPTO_STORAGE_C MBEDTLS_PSA_ITS_FILE_C
	MBEDTLS_NET_C MBEDTLS_TIMING_C MBEDTLS_DEBUG_C)
# X25519 as the Everest project has made and proven it: its time does not depend on secrets, and it takes a fifth of what
# the arithmetic for all curves takes. And nobody else writes to the buffers that PSA is given, so it need not copy them.
quick=(MBEDTLS_ECDH_VARIANT_EVEREST_ENABLED MBEDTLS_PSA_ASSUME_EXCLUSIVE_BUFFERS)
flags='-O3 -g1 -fPIE'
# mbedTLS agrees by Everest, but makes public keys of TLS 1.3 by that arithmetic. A public key is what would be shared with
# the curve's base point (RFC 7748 6.1).
public_keys='--- a/library/psa_crypto_ecp.c
+++ b/library/psa_crypto_ecp.c
@@ -293,6 +293,13 @@
 {
     psa_status_t status = PSA_ERROR_CORRUPTION_DETECTED;
     mbedtls_ecp_keypair *ecp = NULL;
+    static const uint8_t base[32] = { 9 };
+
+    if (attributes->bits == 255 && PSA_KEY_TYPE_IS_ECC_KEY_PAIR(attributes->type) &&
+        PSA_KEY_TYPE_ECC_GET_FAMILY(attributes->type) == PSA_ECC_FAMILY_MONTGOMERY) {
+        return mbedtls_psa_key_agreement_ecdh(attributes, key_buffer, key_buffer_size, PSA_ALG_ECDH,
+                                              base, sizeof(base), data, data_size, data_length);
+    }
 
     status = mbedtls_psa_ecp_load_representation(
         attributes->type, attributes->bits,
'
# It wipes what it has computed with, as all the rest of mbedTLS does, and takes a public key of its length only.
wiped='--- a/3rdparty/everest/library/Hacl_Curve25519.c
+++ b/3rdparty/everest/library/Hacl_Curve25519.c
@@ -10,4 +10,5 @@
 
 #include "Hacl_Curve25519.h"
+#include "mbedtls/platform_util.h"
 
 extern uint64_t FStar_UInt64_eq_mask(uint64_t x0, uint64_t x1);
@@ -720,4 +721,5 @@
   Hacl_EC_Ladder_BigLoop_cmult_big_loop(n1, nq, nqpq, nq2, nqpq2, q, (uint32_t)32U);
   Hacl_EC_Point_copy(result, nq);
+  mbedtls_platform_zeroize(point_buf, sizeof(point_buf));
 }
 
@@ -755,4 +757,6 @@
       Hacl_EC_Ladder_cmult(nq, scalar, q);
       Hacl_EC_Format_scalar_of_point(mypublic, nq);
+      mbedtls_platform_zeroize(buf, sizeof(buf));
+      mbedtls_platform_zeroize(e, sizeof(e));
     }
   }
--- a/3rdparty/everest/library/x25519.c
+++ b/3rdparty/everest/library/x25519.c
@@ -175,5 +175,5 @@
                         const unsigned char *buf, size_t blen )
 {
-    if( blen < MBEDTLS_X25519_KEY_SIZE_BYTES + 1 )
+    if( blen != MBEDTLS_X25519_KEY_SIZE_BYTES + 1 )
         return(MBEDTLS_ERR_ECP_BUFFER_TOO_SMALL);
     if( (*buf++ != MBEDTLS_X25519_KEY_SIZE_BYTES) )
'
recipe="wanted: ${wanted[*]}; unwanted: ${unwanted[*]}; quick: ${quick[*]}; $public_keys; $wiped; $flags"

fail() {
	echo "deps: mbedTLS 3.6 (for TLS) $*" >&2
	exit 1
}

# Does a compiler that is told to look in the folders $1... find a 3.6 with all that is wanted?
suits() {
	local option
	{
		echo '#include <mbedtls/build_info.h>'
		echo '#if MBEDTLS_VERSION_NUMBER < 0x03060000 || MBEDTLS_VERSION_NUMBER >= 0x04000000'
		echo '#error'
		echo '#endif'
		for option in "${wanted[@]}"; do printf '#ifndef %s\n#error\n#endif\n' "$option"; done
	} | "${CC:-cc}" "$@" -E -o /dev/null - >/dev/null 2>&1
}

# Where this machine gets its Debian packages from: all that have its release, those named "debian" first.
archives() {
	local codename
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	apt-get update --print-uris -o Dir::State::Lists="$1/none" 2>/dev/null |
		sed -nE "s|^'([^']*)/dists/$codename/InRelease'.*|\1|p" |
		awk '/\/debian\/?$/ { print; next } { rest = rest $0 "\n" } END { printf "%s", rest }'
}

# The source package, verified, in $1/source. What apt said is in $1/log.
fetch() {
	local work=$1 archive apt
	command -v apt-get >/dev/null && command -v dpkg-source >/dev/null ||
		fail "is not on this system and is built from Debian's package, which needs apt-get and dpkg-source"
	[ -e "$keys" ] || fail "cannot be verified: $keys (package debian-archive-keyring) is missing"
	mkdir -p "$work"/{none,lists/partial,cache/archives/partial} && cd "$work" || exit 1
	archives "$work" >"$work/archives"
	[ -s "$work/archives" ] || fail "is built from Debian's package, but apt's configuration names no archive of Debian"
	# A sources list, package lists and a cache of their own: nothing of the machine's changes.
	apt=(-q -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=
		-o APT::Get::List-Cleanup=0 -o Acquire::Languages=none -o Acquire::Retries=2
		-o APT::Update::Error-Mode=any -o APT::Get::AllowUnauthenticated=false -o Acquire::AllowInsecureRepositories=false)
	while read -r archive; do
		echo "deb-src [signed-by=$keys] $archive $release main" >"$work/sources.list"
		apt-get "${apt[@]}" update </dev/null >>"$work/log" 2>&1 &&
			apt-get "${apt[@]}" source --download-only mbedtls </dev/null >>"$work/log" 2>&1 &&
			dpkg-source -x ./mbedtls_3.6*.dsc source >>"$work/log" 2>&1 && return 0
	done <"$work/archives"
	fail "could not be fetched from $(tr '\n' ' ' <"$work/archives")($release):" \
		"$(grep -aE '^(E|W):|error:' "$work/log" | head -n 1)"
}

build() {
	local source=$1/source option
	cd "$source" || exit 1
	for option in "${wanted[@]}" "${quick[@]}"; do python3 scripts/config.py set "$option"; done >>"$1/log" 2>&1
	for option in "${unwanted[@]}"; do python3 scripts/config.py unset "$option"; done >>"$1/log" 2>&1
	patch -p1 <<<"$public_keys$wiped" >>"$1/log" 2>&1 || fail "was fetched, but is not the one that our changes are for"
	# The generated files are in the package.
	make -C library -j"$(nproc)" static GEN_FILES= WARNING_CFLAGS= CFLAGS="$flags" >>"$1/log" 2>&1 ||
		fail "was fetched, but could not be built: $(grep -a 'rror' "$1/log" | head -n 1)"
	mkdir -p "$1/made/lib" && cp -r include 3rdparty/everest/include "$1/made/" && cp library/libmbed{tls,x509,crypto}.a "$1/made/lib/" &&
		cp LICENSE "$1/made/" && echo "$recipe" >"$1/made/recipe"
}

usable() {
	[ "$(cat "$to/recipe" 2>/dev/null)" = "$recipe" ] && suits -isystem "$to/include"
}

make_own() {
	mkdir -p "$top/build/deps"
	# Two that want it at the same time: the second waits and finds it there.
	exec 9>"$top/build/deps/.mbedtls.lock"
	flock 9
	usable && return 0
	work=$(mktemp -d) || exit 1
	trap 'rm -rf "$work"' EXIT
	echo "deps: building mbedTLS 3.6 from the source package of Debian 13 (a minute or two)"
	(fetch "$work" && build "$work") || exit 1
	rm -rf "$to" && mv "$work/made" "$to" && usable || fail "was built, but is not as it should be: see $to"
}

usable && exit 0
# One of our own is what gets used if it is there, so it is not to be an older one.
[ ! -e "$to" ] && [ "${1:-}" != --own ] && command -v pkg-config >/dev/null && pkg-config --exists 'mbedtls >= 3.6' && suits && exit 0
make_own
