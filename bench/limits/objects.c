/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/limits/objects.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "bench/common/world.h"

void
objects_begin(struct objects *o)
{
	*o = (struct objects){ 0 };
	o->out = open_memstream(&o->text, &o->len);
	if (!o->out)
		world_fail("no memory");
	fputs("neighbours = (\n"
	      "  { address = \"10.2.1.1\"; mac = \"02:00:00:00:02:01\"; interface = \"lan\"; },\n"
	      "  { address = \"2001:db8:2::11\"; mac = \"02:00:00:00:02:01\"; "
	      "interface = \"lan\"; } );\n"
	      "pools = (\n"
	      "  { name = \"four\"; backends = ( { address = \"10.2.1.1\"; } ); },\n"
	      "  { name = \"six\"; backends = ( { address = \"2001:db8:2::11\"; } ); } );\n"
	      "services = (\n",
	      o->out);
}

void
objects_service(struct objects *o, const struct objects_service *s)
{
	char address[ADDR_STRLEN];
	struct addr a = objects_address(s->number, s->v4);

	fprintf(o->out,
		"%s  { name = \"s%u%c\"; address = \"%s\"; port = 80; protocol = \"%s\";\n"
		"    forward = \"dsr-l2\"; pool = \"%s\"; %s limits = { %s }; }",
		o->n++ ? ",\n" : "", s->number, s->v4 ? '4' : '6', addr_format(&a, address),
		s->protocol == IPPROTO_TCP ? "tcp" : "udp", s->v4 ? "four" : "six",
		s->more ? s->more : "", s->limits);
}

char *
objects_end(struct objects *o)
{
	fputs(" );\n", o->out);
	if (fclose(o->out) != 0)
		world_fail("no memory");
	return o->text;
}

struct addr
objects_address(uint32_t number, bool v4)
{
	struct addr a = { 0 };

	if (v4)
		return addr_from_v4(htonl(0xcb007101u + number));
	a.w[0] = htonl(0x20010db8u);
	a.b[5] = 0x80;
	a.b[15] = (uint8_t)(1 + number);
	return a;
}
