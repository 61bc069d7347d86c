/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP and HTTPS by libcurl.
 *
 * Each check is a connection of its own, straight to the backend: no proxy, no redirection, no name
 * service. config.host is what the server's certificate and the Host header must say, not where the
 * connection goes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/curl_loop.h"
#include "cp/health/probe.h"

#define BODY_MAX 65536 /* so much of a body is looked at */

/* For one: probe->http. */
struct request {
	struct probe *probe;
	CURL *curl;
	struct curl_slist *headers, *connect_to;
	char error[CURL_ERROR_SIZE];
	char *body;
	size_t body_len;
	bool enough; /* of the body has come; the rest is not wanted */
};

/* ---- its end ---- */

/* Causes of libcurl's result. */
static enum health_cause
cause_of(CURL *curl, CURLcode code)
{
	long error = 0; /* of the system, or the status of an answer */

	switch (code) {
	case CURLE_OK:
		return HEALTH_CAUSE_NONE;
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
		return error ? probe_cause_of((int)error) : HEALTH_CAUSE_UNREACHABLE;
	case CURLE_OPERATION_TIMEDOUT:
		return HEALTH_CAUSE_TIMEOUT;
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
		return HEALTH_CAUSE_CLOSED;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_SHUTDOWN_FAILED:
		return HEALTH_CAUSE_TLS;
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: anything that is not HTTP */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_WRITE_ERROR:
		return HEALTH_CAUSE_PROTOCOL;
	default:
		/* A header that is too long for libcurl is called "out of memory". */
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &error);
		return error ? HEALTH_CAUSE_PROTOCOL : HEALTH_CAUSE_LOCAL;
	}
}

/* An answer has come: is it the right one? */
static void
judge(const struct request *r)
{
	const struct health_config *config = r->probe->config;
	long status = 0;

	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < config->expect_low || status > config->expect_high)
		probe_end(r->probe, HEALTH_CAUSE_STATUS, "status %ld", status);
	else if (config->body &&
		 (!r->body || !memmem(r->body, r->body_len, config->body, strlen(config->body))))
		probe_end(r->probe, HEALTH_CAUSE_BODY, "the body does not contain \"%.40s\"",
			  config->body);
	else
		probe_end(r->probe, HEALTH_CAUSE_NONE, NULL);
}

/* The probe's transfer has ended. */
static void
finish(CURL *easy, CURLcode code, void *arg)
{
	const struct request *r = arg;

	(void)easy;
	if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && r->enough))
		judge(r);
	else
		probe_end(r->probe, cause_of(r->curl, code), "%s",
			  r->error[0] ? r->error : curl_easy_strerror(code));
}

void
probe_http_end(struct prober *prober)
{
	curl_loop_destroy(prober->http);
	prober->http = NULL;
}

/* ---- one request ---- */

static size_t
take_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct request *r = arg;
	size_t len = size * n, room = BODY_MAX - r->body_len;

	if (!r->body) {
		r->enough = true;
		return 0;
	}
	if (len >= room) {
		memcpy(r->body + r->body_len, bytes, room);
		r->body_len += room;
		r->enough = true;
		return 0;
	}
	memcpy(r->body + r->body_len, bytes, len);
	r->body_len += len;
	return len;
}

void
probe_http_cancel(struct probe *probe)
{
	struct curl_loop *m = probe->prober->http;
	struct request *r = probe->http;

	probe->http = NULL;
	if (r->curl) {
		curl_multi_remove_handle(m->curl, r->curl);
		curl_easy_cleanup(r->curl);
	}
	curl_slist_free_all(r->headers);
	curl_slist_free_all(r->connect_to);
	free(r->body);
	free(r);
}

/* "host:port", with brackets around IPv6. */
static void
authority(const struct probe *probe, char out[ADDR_STRLEN + 300])
{
	const char *host = probe->config->host;
	char text[ADDR_PORT_STRLEN];

	if (host)
		snprintf(out, ADDR_STRLEN + 300, "%.*s:%u", (int)strcspn(host, ":"), host,
			 probe->port);
	else
		snprintf(out, ADDR_STRLEN + 300, "%s",
			 addr_port_format(&probe->addr, probe->port, text));
}

static bool
set_tls(CURL *curl, const struct health_config *config)
{
	bool ok = true;

	ok &= !curl_easy_setopt(curl, CURLOPT_SSL_ENABLE_ALPN, 0L);
	ok &= !curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	ok &= !curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, config->verify ? 1L : 0L);
	ok &= !curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, config->verify ? 2L : 0L);
	if (config->ca)
		ok &= !curl_easy_setopt(curl, CURLOPT_CAINFO, config->ca);
	return ok;
}

/* Where the connection goes: to the backend, whatever the URL says. */
static bool
set_way(struct request *r)
{
	static const struct addr unset;
	const struct probe *probe = r->probe;
	const struct health_config *config = probe->config;
	char text[ADDR_PORT_STRLEN], address[ADDR_STRLEN], line[ADDR_PORT_STRLEN + 320];
	bool ok = true;

	snprintf(line, sizeof(line), "::%s", addr_port_format(&probe->addr, probe->port, text));
	r->connect_to = curl_slist_append(NULL, line);
	ok &= r->connect_to && !curl_easy_setopt(r->curl, CURLOPT_CONNECT_TO, r->connect_to);
	if (config->host) {
		snprintf(line, sizeof(line), "Host: %.300s", config->host);
		r->headers = curl_slist_append(NULL, line);
		ok &= r->headers && !curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers);
	}
	if (!addr_equal(&config->source, &unset) &&
	    addr_is_v4(&config->source) == addr_is_v4(&probe->addr)) {
		snprintf(line, sizeof(line), "host!%s", addr_format(&config->source, address));
		ok &= !curl_easy_setopt(r->curl, CURLOPT_INTERFACE, line);
	}
	return ok;
}

static bool
set_request(struct request *r)
{
	const struct health_config *config = r->probe->config;
	bool tls = config->check == HEALTH_HTTPS;
	char at[ADDR_STRLEN + 300], url[4096];
	CURL *curl = r->curl;
	bool ok = true;

	authority(r->probe, at);
	if ((size_t)snprintf(url, sizeof(url), "%s://%s%s", tls ? "https" : "http", at,
			     config->path) >= sizeof(url))
		return false;
	ok &= !curl_easy_setopt(curl, CURLOPT_URL, url);
	ok &= !curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	ok &= !curl_easy_setopt(curl, CURLOPT_PRIVATE, r);
	ok &= !curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, r->error);
	ok &= !curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	ok &= !curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
	ok &= !curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	ok &= !curl_easy_setopt(curl, CURLOPT_PROXY, "");
	ok &= !curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
	ok &= !curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
	/* Addresses need no name service; to look through thousands that are remembered takes time.
	 */
	ok &= !curl_easy_setopt(curl, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	ok &= !curl_easy_setopt(curl, CURLOPT_USERAGENT, "penstock-health");
	ok &= !curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	return ok && set_tls(curl, config) && set_way(r);
}

void
probe_http_start(struct probe *probe)
{
	struct prober *prober = probe->prober;
	struct curl_loop *m;
	struct request *r = calloc(1, sizeof(*r));

	if (!prober->http)
		prober->http = curl_loop_create(prober->loop, finish);
	m = prober->http;
	if (!m || !r) {
		free(r);
		probe_end_errno(probe, ENOMEM);
		return;
	}
	probe->http = r;
	r->probe = probe;
	r->curl = curl_easy_init();
	if (probe->config->body)
		r->body = malloc(BODY_MAX);
	if (!r->curl || (probe->config->body && !r->body) || !set_request(r) ||
	    curl_multi_add_handle(m->curl, r->curl) != CURLM_OK)
		probe_end_errno(probe, ENOMEM);
}
