/* SPDX-License-Identifier: Apache-2.0 */
/* Where records and spans go. */
#include <string.h>
#include <sys/un.h>

#include "cp/config/validate.h"
#include "lib/addr.h"

static void
check_socket(struct load *load, const config_setting_t *group, const char *socket)
{
	struct addr addr;
	uint16_t port;

	if (*socket != '/' && (addr_port_parse(socket, &addr, &port) < 0 || !port))
		report(load, group, "socket",
		       "is not the path of a UNIX socket, nor an address and a port");
	else if (*socket == '/' && strlen(socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		report(load, group, "socket", "is too long for the path of a UNIX socket");
}

static void
check_records(struct load *load, const config_setting_t *group)
{
	const struct records_config *r = &load->config->records;

	if (r->file && *r->file != '/')
		report(load, group, "file", "is not an absolute path");
	if (r->socket)
		check_socket(load, group, r->socket);
	if (!r->file && (config_setting_get_member(group, "rotate_size") ||
			 config_setting_get_member(group, "keep")))
		report(load, group, NULL, "has no file that could be rotated");
}

static void
check_tracing(struct load *load, const config_setting_t *group)
{
	const char *endpoint = load->config->tracing.endpoint;

	if (endpoint && strncmp(endpoint, "http://", 7) != 0 &&
	    strncmp(endpoint, "https://", 8) != 0)
		report(load, group, "endpoint",
		       "is not a URL, for example \"http://collector:4318/v1/traces\"");
}

void
validate_seen(struct load *load)
{
	const config_setting_t *records = config_lookup(&load->tree, "records");
	const config_setting_t *tracing = config_lookup(&load->tree, "tracing");

	if (records && usable(records, NULL))
		check_records(load, records);
	if (tracing && usable(tracing, NULL))
		check_tracing(load, tracing);
}
