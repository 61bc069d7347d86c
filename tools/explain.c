/* SPDX-License-Identifier: Apache-2.0 */
/* explain: the daemon's answer stage by stage. */
#include <stdio.h>
#include <string.h>

#include "lib/tls/hello.h"
#include "tools/client.h"
#include "tools/penstock.h"
#include "tools/values.h"

/* Text of a field; empty for null. */
static const char *
field(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static long long
number(json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static void
print_packet(json_t *r)
{
	printf("packet      %s", field(r, "protocol"));
	if (*field(r, "flags"))
		printf(" %s", field(r, "flags"));
	printf(" from %s to %s, %lld bytes, comes in by %s\n", field(r, "client"),
	       field(r, "destination"), number(r, "length"), field(r, "in_interface"));
}

static void
print_connection(json_t *c)
{
	if (!json_is_object(c)) {
		puts("connection  none");
		return;
	}
	printf("connection  %s, expires in %lld s", field(c, "state"),
	       number(c, "expires_seconds"));
	if (*field(c, "local"))
		printf(", the backend sees %s", field(c, "local"));
	putchar('\n');
}

static void
print_row(json_t *row)
{
	if (!json_is_object(row))
		return;
	printf("row         %lld, ", number(row, "row"));
	if (json_is_true(json_object_get(row, "moving")))
		printf("moving: goes by the %s table\n", field(row, "table"));
	else
		puts("stable");
}

static void
print_limits(json_t *r)
{
	json_t *limits = json_object_get(r, "limits");
	size_t i;

	if (*field(r, "access"))
		printf("access      %s\n", field(r, "access"));
	if (*field(r, "limited_client"))
		printf("client      %s, %s\n", field(r, "limited_client"),
		       strcmp(field(r, "limited_client_entry"), "shared") == 0
			   ? "counted with others: the table of clients is full"
			   : field(r, "limited_client_entry"));
	for (i = 0; i < json_array_size(limits); i++) {
		json_t *limit = json_array_get(limits, i);

		printf("%-12s%-24s %s", i ? "" : "limits", field(limit, "limit"),
		       field(limit, "rate"));
		if (*field(limit, "burst"))
			printf(" (burst %s)", field(limit, "burst"));
		printf(", %lld left%s\n", number(limit, "left"),
		       json_is_true(json_object_get(limit, "exceeded")) ? ": EXCEEDED" : "");
	}
}

static void
print_way(json_t *r)
{
	if (*field(r, "backend"))
		printf("backend     %s\n", field(r, "backend"));
	else if (strcmp(field(r, "verdict"), "forward") == 0)
		puts("backend     none yet: what the connection brings decides");
	if (*field(r, "forward"))
		printf("forward     %s", field(r, "forward"));
	if (*field(r, "source"))
		printf(", from %s or another source", field(r, "source"));
	if (*field(r, "forward"))
		putchar('\n');
	if (!*field(r, "out_interface"))
		return;
	printf("leaves by   %s, to %s", field(r, "out_interface"), field(r, "out_mac"));
	if (number(r, "out_vlan"))
		printf(", VLAN %lld", number(r, "out_vlan"));
	putchar('\n');
}

/* Of a listener whose pool it chooses. */
static void
print_server_name(json_t *r)
{
	if (!json_object_get(r, "server_name"))
		return;
	printf("server name %s\n", *field(r, "server_name")
				       ? field(r, "server_name")
				       : "none; --server-name NAME says what would become of one");
}

static void
print_people(json_t *r)
{
	print_packet(r);
	if (*field(r, "service"))
		printf("service     %s\n", field(r, "service"));
	printf("worker      %lld, core %lld\n", number(r, "worker"), number(r, "core"));
	print_limits(r);
	print_server_name(r);
	if (*field(r, "service"))
		print_connection(json_object_get(r, "connection"));
	print_row(json_object_get(r, "row"));
	print_way(r);
	if (*field(r, "answer"))
		printf("answer      %s\n", field(r, "answer"));
	printf("verdict     %s", field(r, "verdict"));
	if (*field(r, "reason"))
		printf(": %s", field(r, "reason"));
	if (*field(r, "help"))
		printf(" (%s)", field(r, "help"));
	putchar('\n');
}

/* What the daemon would refuse whatever it runs. */
static int
check_packet(const struct options *o)
{
	static const char *const flags[] = { "syn", "ack", "fin", "rst" };
	bool tcp = strcmp(o->protocol, "tcp") == 0;
	struct addr client, service;
	size_t i = 0;
	long least;

	if (!tcp && strcmp(o->protocol, "udp") != 0)
		return complain(EXIT_USAGE, "--protocol: must be tcp or udp, not \"%s\"",
				o->protocol);
	if (value_address_port("client", o->client, &client) != EXIT_DONE ||
	    value_address_port("service", o->service, &service) != EXIT_DONE)
		return EXIT_USAGE;
	if (addr_is_v4(&client) != addr_is_v4(&service))
		return complain(EXIT_USAGE, "--client and --service: one is IPv4, the other IPv6");
	while (o->flags && i < 4 && strcmp(flags[i], o->flags) != 0)
		i++;
	if (o->flags && (i == 4 || !tcp))
		return complain(EXIT_USAGE, "--flags: must be syn, ack, fin or rst, with TCP");
	if (o->server_name && (!tcp || !tls_name_usable(o->server_name, strlen(o->server_name))))
		return complain(EXIT_USAGE,
				"--server-name: must be a name as DNS has them, with TCP");
	least = (addr_is_v4(&client) ? 20 : 40) + (tcp ? 20 : 8);
	if (o->length && o->length < least)
		return complain(EXIT_USAGE, "--length: the headers alone have %ld bytes", least);
	return EXIT_DONE;
}

int
command_explain(const struct options *o)
{
	json_t *request, *result;
	int code;

	if (!o->protocol || !o->client || !o->service)
		return complain(EXIT_USAGE,
				"explain takes --protocol, --client and --service, for example: "
				"--protocol tcp --client 192.0.2.7:4321 --service 203.0.113.10:80");
	code = check_packet(o);
	if (code)
		return code;
	request = json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s*}", "command", "explain", "protocol",
			    o->protocol, "client", o->client, "service", o->service, "flags",
			    o->flags, "server_name", o->server_name);
	if (!request)
		return complain(EXIT_USAGE, "explain: its options must be UTF-8");
	if (o->length)
		json_object_set_new(request, "length", json_integer(o->length));
	result = client_ask(o->socket, request, false, &code);
	if (!result)
		return code;
	if (o->json)
		print_json(result, false);
	else
		print_people(result);
	json_decref(result);
	return EXIT_DONE;
}
