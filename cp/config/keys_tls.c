/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of listeners that end TLS, and of pools whose backends are spoken to by TLS; see keys.h.
 */
#include "cp/config/keys.h"
#include "cp/config/model.h"
#include "cp/tls/trust.h"
#include "lib/tls/keys.h"

static const struct key_choice choices_version[] = { { "1.2", TLS_1_2 },
						     { "1.3", TLS_1_3 },
						     { NULL, 0 } };
/* As users call them, then as TLS 1.3 does. */
static const struct key_choice choices_cipher[] = {
	{ "AES128-GCM", TLS_AES_128_GCM },
	{ "AES256-GCM", TLS_AES_256_GCM },
	{ "CHACHA20-POLY1305", TLS_CHACHA20_POLY1305 },
	{ "TLS_AES_128_GCM_SHA256", TLS_AES_128_GCM },
	{ "TLS_AES_256_GCM_SHA384", TLS_AES_256_GCM },
	{ "TLS_CHACHA20_POLY1305_SHA256", TLS_CHACHA20_POLY1305 },
	{ NULL, 0 },
};
static const struct key_choice choices_client_auth[] = { { "none", TLS_CLIENT_AUTH_NONE },
							 { "request", TLS_CLIENT_AUTH_REQUEST },
							 { "require", TLS_CLIENT_AUTH_REQUIRE },
							 { NULL, 0 } };

/* clang-format off */
const struct key config_keys_tls[] = {
	{ .path = "listeners.tls.certificates", .flags = KEY_REQUIRED | KEY_ORDERED, .min = 1,
	  .max = CONFIG_MAX_CERTIFICATES,
	  LIST_AT(listener_config, tls.certificates, tls.n_certificates, tls_pair_config),
	  .example = "( { cert = \"/etc/penstock/tls/shop.pem\"; key = \"/etc/penstock/tls/shop.key\"; } )",
	  .help = "certificates, chosen by the server name that clients ask for (SNI); the first is that of all other names; of two for one name, clients get the one that they can use, ECDSA before RSA" },
	{ .path = "listeners.tls.certificates.cert", .type = KEY_TEXT,
	  .flags = KEY_REQUIRED | KEY_IDENTITY, .example = "\"/etc/penstock/tls/shop.pem\"",
	  AT(tls_pair_config, certificate),
	  .help = "file of the certificate (PEM), and behind it those that lead to the authority" },
	{ .path = "listeners.tls.certificates.key", .type = KEY_TEXT, .flags = KEY_REQUIRED,
	  .example = "\"/etc/penstock/tls/shop.key\"", AT(tls_pair_config, key),
	  .help = "file of its private key (PEM, not encrypted), which nobody but its owner, root or penstockd's user, may read" },
	{ .path = "listeners.tls.minimum", .type = KEY_CHOICE, .fallback = "1.2",
	  .choices = choices_version, AT(listener_config, tls.minimum),
	  .help = "the oldest version of TLS that clients may speak" },
	{ .path = "listeners.tls.ciphers", .type = KEY_CHOICE, .flags = KEY_MANY,
	  .choices = choices_cipher, .example = "[ \"AES128-GCM\", \"CHACHA20-POLY1305\" ]",
	  MANY(listener_config, tls.ciphers, tls.n_ciphers), .most = TLS_CIPHERS,
	  .help = "ciphers, best first; in TLS 1.3 the client's order counts (default: all)" },
	{ .path = "listeners.tls.alpn", .type = KEY_TEXT, .flags = KEY_MANY,
	  .example = "[ \"http/1.1\" ]", MANY(listener_config, tls.alpn, tls.n_alpn), .most = 16,
	  .help = "protocols that clients can choose from by ALPN, best first (default: \"http/1.1\" with https, none with tls)" },
	{ .path = "listeners.tls.client_auth", GROUP, .help = "certificates of clients" },
	{ .path = "listeners.tls.client_auth.mode", .type = KEY_CHOICE, .flags = KEY_REQUIRED,
	  .example = "\"require\"", .choices = choices_client_auth,
	  AT(listener_config, tls.client_auth.mode),
	  .help = "\"request\": clients without one, or whose is not good, may come, too; \"require\": they may not" },
	{ .path = "listeners.tls.client_auth.ca", .type = KEY_TEXT,
	  .example = "\"/etc/penstock/tls/clients.pem\"", AT(listener_config, tls.client_auth.ca),
	  .help = "file of the authorities (PEM) that clients' certificates come from" },
	{ .path = "listeners.tls.client_auth.crl", .type = KEY_TEXT,
	  .example = "\"/etc/penstock/tls/clients.crl\"", AT(listener_config, tls.client_auth.crl),
	  .help = "file of the authorities' lists of certificates that have been revoked (PEM)" },
	{ .path = "listeners.tls.tickets", GROUP,
	  .help = "tickets, by which clients resume a session without a full handshake; with client_auth there are none, whatever this says: who resumes a session shows no certificate, and it may have expired or been revoked since" },
	{ .path = "listeners.tls.tickets.lifetime", .type = KEY_DURATION, .fallback = "12h",
	  .max = 168 * HOUR, AT(listener_config, tls.tickets.lifetime),
	  .help = "how long they are good; their key changes as often, and stays for as long again; 10 seconds at the least; \"0s\": there are none" },
	{ .path = "listeners.tls.tickets.keys", .type = KEY_TEXT,
	  .example = "\"/etc/penstock/tls/tickets\"", AT(listener_config, tls.tickets.keys),
	  .help = "file of keys that several machines share, which nobody but its owner may read: one or two lines of 64 hexadecimal digits; the first makes tickets, both open them; it is for you to change them (default: own keys)" },
	{ .path = "listeners.tls.tickets.forward_secrecy", .type = KEY_BOOL, .fallback = "true",
	  AT(listener_config, tls.tickets.forward_secrecy),
	  .help = "false: a client of TLS 1.3 that offers to resume without a key exchange (psk_ke; few do) is taken at its word, if its hello comes in one segment, which takes less than half the time; but who gets hold of the tickets' keys some day can read what was recorded of it, which otherwise he cannot" },
	{ .path = NULL },
};

const struct key config_keys_pool_tls[] = {
	{ .path = "pools.tls.server_name", .type = KEY_TEXT, .example = "\"shop.example\"",
	  AT(pool_config, tls.server_name),
	  .help = "the name, or address, that a backend's certificate has to have; a name is sent along, too (SNI); required unless verify = false" },
	{ .path = "pools.tls.ca", .type = KEY_TEXT, .example = "\"/etc/penstock/tls/backends.pem\"",
	  AT(pool_config, tls.ca),
	  .help = "file of the authorities (PEM) that backends' certificates come from (default: the system's, " TLS_SYSTEM_AUTHORITIES ")" },
	{ .path = "pools.tls.verify", .type = KEY_BOOL, .fallback = "true",
	  AT(pool_config, tls.verify),
	  .help = "false takes any certificate: whoever is on the way to the backend can read and change everything" },
	{ .path = "pools.tls.cert", .type = KEY_TEXT, .example = "\"/etc/penstock/tls/gateway.pem\"",
	  AT(pool_config, tls.own.certificate),
	  .help = "file of our own certificate (PEM), for backends that ask for one, and behind it those that lead to the authority" },
	{ .path = "pools.tls.key", .type = KEY_TEXT, .example = "\"/etc/penstock/tls/gateway.key\"",
	  AT(pool_config, tls.own.key),
	  .help = "file of its private key (PEM, not encrypted), which nobody but its owner, root or penstockd's user, may read" },
	{ .path = "pools.tls.minimum", .type = KEY_CHOICE, .fallback = "1.2",
	  .choices = choices_version, AT(pool_config, tls.minimum),
	  .help = "the oldest version of TLS that backends may speak" },
	{ .path = NULL },
};
