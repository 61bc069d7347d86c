/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/compile_world.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct addr
A(const char *text) {
	struct addr a;

	if (addr_parse(text, &a) < 0)
		abort();
	return a;
}

struct prefix
P(const char *text) {
	struct prefix p;

	if (prefix_parse(text, &p) < 0)
		abort();
	return p;
}

void
world_init(struct world *w, uint16_t workers)
{
	memset(w, 0, sizeof(*w));
	w->compiler = compiler_create(workers);
	w->macs[0] = (struct mac){ { 2, 0, 0, 0, 0, 1 } };
	w->macs[1] = (struct mac){ { 2, 0, 0, 0, 0, 2 } };
	w->routes[0] = (struct network_route){ .to = P("198.51.100.0/24"), .port = 0 };
	w->routes[1] = (struct network_route){ .to = P("10.2.0.0/24"), .port = 1 };
	w->routes[2] = (struct network_route){ .to = P("2001:db8:2::/64"), .port = 1 };
	w->routes[3] =
	    (struct network_route){ .to = P("0.0.0.0/0"), .via = A("198.51.100.1"), .port = 0 };
	w->neighbours[0] = (struct network_neighbour){
		.addr = A("10.2.0.11"), .mac = { { 2, 0, 0, 0, 2, 11 } }, .port = 1, .usable = true
	};
	w->neighbours[1] = (struct network_neighbour){ .addr = A("198.51.100.1"),
						       .mac = { { 2, 0, 0, 0, 1, 1 } },
						       .port = 0,
						       .usable = true };
	w->in.neighbours = w->neighbours;
	w->in.n_neighbours = 2;
	w->in.routes = w->routes;
	w->in.n_routes = 4;
	w->in.port_macs = w->macs;
	w->in.kernel_port_low = 32768;
	w->in.kernel_port_high = 60999;
	w->in.now = 100 * SECOND;
}

void
world_free(struct world *w)
{
	snapshot_free(w->snapshot);
	compiler_destroy(w->compiler);
	config_free(w->config);
}

const struct snapshot *
recompile(struct world *w)
{
	const char *error = NULL;
	const struct snapshot *s = compile(w->compiler, &w->in, &error);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	compiler_commit(w->compiler);
	snapshot_free(w->snapshot);
	w->snapshot = s;
	return s;
}

static struct config *
config_of(const char *objects)
{
	static const char head[] =
	    "dataplane: { workers = [ 0 ]; control = 0; share_cores = true; hugepages = false; };\n"
	    "interfaces = ( { name = \"wan\"; device = \"net_null0\"; side = \"client\"; addresses "
	    "= [ \"198.51.100.2/24\" ]; },\n"
	    "  { name = \"lan\"; device = \"net_null1\"; side = \"backend\"; addresses = [ "
	    "\"10.2.0.1/24\", \"2001:db8:2::1/64\" ];\n"
	    "    source_addresses = [ \"10.2.0.64/26\", \"2001:db8:2::/120\" ]; } );\n"
	    "routes = ( { to = \"default\"; via = \"198.51.100.1\"; },\n"
	    "  { to = \"10.9.0.0/16\"; via = \"10.2.0.11\"; } );\n";
	struct config_messages messages = { 0 };
	struct config *config;
	char *text = NULL;
	size_t i;

	if (asprintf(&text, "%s%s", head, objects) < 0)
		abort();
	config = config_parse_for("test", text, strlen(text), NULL, &messages);
	for (i = 0; i < messages.count; i++)
		if (!messages.list[i].warning)
			printf("%s\n", messages.list[i].text);
	config_messages_free(&messages);
	free(text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	return config;
}

const struct snapshot *
apply(struct world *w, const char *objects)
{
	struct config *old = w->config;

	w->in.config = w->config = config_of(objects);
	w->in.generation++;
	recompile(w);
	config_free(old);
	return w->snapshot;
}

void
apply_in_vain(struct world *w, const char *objects)
{
	struct compile_input in = w->in;
	struct config *config = config_of(objects);
	const struct snapshot *s;
	const char *error = NULL;

	in.config = config;
	in.generation++;
	s = compile(w->compiler, &in, &error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	compiler_abandon(w->compiler);
	snapshot_free(s);
	config_free(config);
}
