/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/config/config.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cp/config/keys.h"
#include "cp/config/load.h"
#include "cp/config/message.h"
#include "cp/config/scan.h"
#include "cp/tls/certificate.h"
#include "cp/tls/ticket_keys.h"
#include "cp/tls/trust.h"

/* ---- names of values ------------------------------------------------------------------------ */

const char *
forward_mode_name(enum forward_mode mode)
{
	return mode == FORWARD_PROXY ? "proxy" : choice_text(choices_forward, mode);
}

const char *
interface_side_name(enum interface_side side)
{
	return choice_text(choices_side, side);
}

const char *
hash_mode_name(enum hash_mode mode)
{
	return choice_text(choices_hash, mode);
}

const char *
health_check_name(enum health_check check)
{
	return choice_text(choices_health, check);
}

const char *
all_down_name(enum all_down all_down)
{
	return choice_text(choices_all_down, all_down);
}

const char *
protocol_name(uint8_t protocol)
{
	return choice_text(choices_protocol, protocol);
}

const char *
listener_protocol_name(enum listener_protocol protocol)
{
	return choice_text(choices_listener_protocol, protocol);
}

const char *
listener_balance_name(enum listener_balance balance)
{
	return choice_text(choices_balance, balance);
}

const char *
proxy_protocol_name(enum proxy_protocol version)
{
	return choice_text(choices_proxy_protocol, version);
}

/* ---- freeing -------------------------------------------------------------------------------- */

static bool
holds_text(const struct key *key)
{
	return key->type == KEY_TEXT || key->type == KEY_NAME || key->type == KEY_DEVICE ||
	       key->type == KEY_LISTEN || key->type == KEY_URL_PATH || key->type == KEY_BYTES;
}

static void
free_text(char *at)
{
	char *text;

	memcpy(&text, at, sizeof(text));
	free(text);
}

/* What the keys of a group own, in the object at base. */
static void
free_group(const struct key *group, char *base)
{
	const struct key *key = NULL;

	while ((key = key_next(group, key))) {
		char *room;
		size_t n, i;

		if (key->type == KEY_GROUP)
			free_group(key, base);
		if (holds_text(key) && !(key->flags & KEY_MANY))
			free_text(base + key->offset);
		if (key->type != KEY_LIST && !(key->flags & KEY_MANY))
			continue;
		if (key->flags & KEY_INLINE)
			continue;
		memcpy(&room, base + key->offset, sizeof(room));
		memcpy(&n, base + key->count, sizeof(n));
		for (i = 0; room && i < n; i++) {
			if (key->type == KEY_LIST)
				free_group(key, room + i * key->size);
			else if (holds_text(key))
				free_text(room + i * key->size);
		}
		free(room);
	}
}

/* What complete and validate have added to what the table knows. */
static void
free_pool(struct pool_config *pool)
{
	tls_certificate_put(pool->tls.own.loaded);
	tls_trust_put(pool->tls.trust);
}

static void
free_listener(struct listener_config *listener)
{
	size_t i;

	for (i = 0; listener->http.errors && i < listener->http.n_errors; i++)
		free(listener->http.errors[i].body);
	for (i = 0; listener->tls.certificates && i < listener->tls.n_certificates; i++)
		tls_certificate_put(listener->tls.certificates[i].loaded);
	tls_trust_put(listener->tls.client_auth.loaded);
	tls_ticket_keys_put(listener->tls.tickets.loaded);
	free(listener->pools);
}

void
config_free(struct config *config)
{
	size_t i;

	if (!config)
		return;
	for (i = 0; config->pools && i < config->n_pools; i++)
		free_pool(&config->pools[i]);
	for (i = 0; config->listeners && i < config->n_listeners; i++)
		free_listener(&config->listeners[i]);
	free_group(config_keys_root, (char *)config);
	free(config);
}

/* ---- parsing -------------------------------------------------------------------------------- */

#define CLOSING_DEFAULT 30000000000 /* ns */

static void
complete_limits(struct service_config *service)
{
	struct limits_config *limits[] = { &service->limit_client, &service->limit_service };
	size_t i;

	for (i = 0; i < 2; i++)
		limits[i]->set = limits[i]->packets.count || limits[i]->bytes.count ||
				 limits[i]->new_connections.count || limits[i]->connections;
}

bool
config_limits_requests(const struct listener_config *l)
{
	size_t i;

	if (!l || !listener_has_http(l))
		return false;
	for (i = 0; i < l->http.n_routes; i++)
		if (l->http.routes[i].limit_client.requests.count)
			return true;
	return l->http.limit_client.requests.count != 0;
}

/* Note that the listener uses a pool; seen: by pool, those that are noted. */
static void
note_pool(struct listener_config *listener, bool *seen, size_t n_pools, size_t pool)
{
	if (pool >= n_pools || seen[pool])
		return;
	seen[pool] = true;
	listener->pools[listener->n_pools++] = pool;
}

/* The pools that a listener uses; those of routes come before those of mirrors and of server names.
 * False: no memory. */
static bool
complete_pools(struct listener_config *listener, size_t n_pools)
{
	const struct http_config *http = &listener->http;
	bool *seen = calloc(n_pools + 1, sizeof(*seen));
	size_t i, j;

	listener->pools = calloc(n_pools + 1, sizeof(*listener->pools));
	if (!seen || !listener->pools) {
		free(seen);
		return false;
	}
	note_pool(listener, seen, n_pools, listener->pool);
	for (i = 0; i < http->n_routes; i++)
		for (j = 0; j < http->routes[i].n_pools; j++)
			note_pool(listener, seen, n_pools, http->routes[i].pools[j].pool);
	listener->service.pool = listener->n_pools ? listener->pools[0] : SIZE_MAX;
	for (i = 0; i < http->n_routes; i++)
		note_pool(listener, seen, n_pools, http->routes[i].mirror.pool);
	for (i = 0; i < listener->n_server_names; i++)
		note_pool(listener, seen, n_pools, listener->server_names[i].pool);
	free(seen);
	return true;
}

static bool
complete_listener(struct listener_config *listener, size_t n_pools)
{
	listener->service.protocol = IPPROTO_TCP;
	listener->service.forward = FORWARD_PROXY;
	listener->service.timeout_closing = CLOSING_DEFAULT;
	listener->service.line = listener->line;
	complete_limits(&listener->service);
	return complete_pools(listener, n_pools);
}

/* What the table cannot express: values that depend on others. */
static bool
complete(struct config *config)
{
	char host[256] = "penstock";
	bool ok = true;
	size_t i;

	if (!config->instance) {
		gethostname(host, sizeof(host) - 1);
		config->instance = strdup(host);
	}
	if (!config->dataplane.backend_connections)
		config->dataplane.backend_connections = config->dataplane.sessions;
	for (i = 0; i < config->n_services; i++)
		complete_limits(&config->services[i]);
	for (i = 0; ok && config->listeners && i < config->n_listeners; i++)
		ok = complete_listener(&config->listeners[i], config->n_pools);
	return ok && config->instance != NULL;
}

static void
build(struct load *load, const char *text, size_t len)
{
	char *plain = scan_text(load->file, text, len, load->messages);

	if (!plain)
		return;
	if (config_read_string(&load->tree, plain)) {
		load_tree(load);
		load_references(load);
		if (!complete(load->config))
			message_add(load->messages, load->file, 0, false, "out of memory");
		else
			validate(load);
	} else {
		message_add(load->messages, load->file, config_error_line(&load->tree), false,
			    "libconfig: %s", config_error_text(&load->tree));
	}
	free(load->meant_pools);
	free(plain);
}

struct config *
config_parse_for(const char *file, const char *text, size_t len, const struct config_cpus *cpus,
		 struct config_messages *messages)
{
	struct load load = { .file = file, .messages = messages, .cpus = cpus };

	*messages = (struct config_messages){ 0 };
	if (len > CONFIG_MAX_BYTES) {
		message_add(messages, file, 0, false, "longer than %u MB", CONFIG_MAX_BYTES >> 20);
		return NULL;
	}
	load.config = calloc(1, sizeof(*load.config));
	if (!load.config) {
		message_add(messages, file, 0, false, "out of memory");
		return NULL;
	}
	config_init(&load.tree);
	build(&load, text, len);
	config_destroy(&load.tree);
	messages_sort(messages);
	if (messages->errors == 0)
		return load.config;
	config_free(load.config);
	return NULL;
}

struct config *
config_parse(const char *file, const char *text, size_t len, struct config_messages *messages)
{
	struct config_cpus cpus;

	return config_parse_for(file, text, len, config_cpus_online(&cpus) ? &cpus : NULL,
				messages);
}

/* ---- files ---------------------------------------------------------------------------------- */

static char *
load_stream(FILE *f, size_t *len)
{
	size_t room = 65536, n = 0, got;
	char *text = malloc(room + 1);

	while (text && (got = fread(text + n, 1, room - n, f)) > 0) {
		n += got;
		if (n < room)
			continue;
		if (n > CONFIG_MAX_BYTES)
			break;
		room *= 2;
		char *more = realloc(text, room + 1);

		if (!more)
			free(text);
		text = more;
	}
	if (text)
		text[n] = '\0';
	else
		errno = ENOMEM;
	*len = n;
	return text;
}

char *
config_load_text(const char *file, size_t *len, struct config_messages *messages)
{
	FILE *f = fopen(file, "re");
	struct stat st;
	char *text = NULL;

	*messages = (struct config_messages){ 0 };
	errno = f ? 0 : errno;
	if (f && fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode))
		errno = EISDIR;
	if (errno == 0)
		text = load_stream(f, len);
	if (text && ferror(f)) {
		free(text);
		text = NULL;
	}
	if (!text)
		message_add(messages, file, 0, false, "cannot be read: %s",
			    strerror(errno ? errno : EIO));
	if (f)
		fclose(f);
	return text;
}

struct config *
config_parse_file(const char *file, struct config_messages *messages)
{
	struct config *config;
	size_t len;
	char *text = config_load_text(file, &len, messages);

	if (!text)
		return NULL;
	config = config_parse(file, text, len, messages);
	free(text);
	return config;
}
