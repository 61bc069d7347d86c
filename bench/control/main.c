/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-control: what a change of the configuration costs the control thread, without a data plane.
 *
 *     bench-control [--json FILE]
 *
 *     maglev     one table of 65,537 rows for 1,000 backends
 *     validate   text to model, 1,000 services with a pool of 100 backends each
 *     compile    model to snapshot, the first one (every table is built)
 *     again      ... the same model when the network has changed (tables are shared)
 *     one pool   ... with one backend's weight changed
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/common/samples.h"
#include "cp/compile/compile.h"
#include "cp/config/config.h"
#include "lib/maglev.h"

#define SERVICES 1000
#define BACKENDS 100
#define RUNS     5

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
fail(const char *what)
{
	fprintf(stderr, "bench-control: %s\n", what);
	exit(1);
}

static void
bench_maglev(struct samples *s)
{
	static uint16_t table[65537];
	static struct maglev_member members[1000];
	static uint32_t keys[1000];
	double start;
	uint32_t i;

	for (i = 0; i < 1000; i++) {
		keys[i] = i;
		members[i] = (struct maglev_member){ &keys[i], sizeof(keys[i]), 100, (uint16_t)i };
	}
	for (i = 0; i < 21; i++) {
		start = now_ms();
		if (maglev_build(table, 65537, members, 1000) < 0)
			fail("no memory");
		samples_add(s, now_ms() - start);
	}
}

/* Pool p0 has another weight for its first backend in variant 1. */
static char *
configuration(int variant)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int i, j;

	if (!f)
		fail("no memory");
	fprintf(f, "dataplane: { workers = [ 0 ]; control = 0; share_cores = true; hugepages = "
		   "false; };\n"
		   "interfaces = ( { name = \"wan\"; device = \"net_null0\"; side = \"client\";\n"
		   "    addresses = [ \"198.51.100.2/24\" ]; },\n"
		   "  { name = \"lan\"; device = \"net_null1\"; side = \"backend\";\n"
		   "    addresses = [ \"10.0.0.1/8\" ]; } );\npools = (\n");
	for (i = 0; i < SERVICES; i++) {
		fprintf(f, "%s{ name = \"p%d\"; backends = (\n", i ? "," : "", i);
		for (j = 0; j < BACKENDS; j++)
			fprintf(f, "%s{ address = \"10.%d.%d.%d\"; port = 8080; weight = %d; }\n",
				j ? "," : "", i / 250 + 1, i % 250, j + 1,
				variant && !i && !j ? 50 : 100);
		fprintf(f, "); }\n");
	}
	fprintf(f, ");\nservices = (\n");
	for (i = 0; i < SERVICES; i++)
		fprintf(f,
			"%s{ name = \"s%d\"; address = \"203.0.%d.%d\"; port = 80; protocol = "
			"\"tcp\"; forward = \"nat\"; pool = \"p%d\"; }\n",
			i ? "," : "", i, 113 + i / 250, i % 250 + 1, i);
	fprintf(f, ");\n");
	if (fclose(f) != 0)
		fail("no memory");
	return text;
}

static struct config *
validate(const char *text, struct samples *s)
{
	struct config_messages messages = { 0 };
	double start = now_ms();
	struct config *c = config_parse_for("bench", text, strlen(text), NULL, &messages);

	samples_add(s, now_ms() - start);
	if (!c)
		fail(messages.count ? messages.list[0].text : "no memory");
	config_messages_free(&messages);
	return c;
}

static const struct snapshot *
compile_timed(struct compiler *c, struct compile_input *in, struct samples *s)
{
	const char *error = NULL;
	double start = now_ms();
	const struct snapshot *snapshot = compile(c, in, &error);

	if (!snapshot)
		fail(error);
	compiler_commit(c);
	samples_add(s, now_ms() - start);
	return snapshot;
}

struct results {
	struct samples maglev, validate, compile, again, one_pool;
};

static void
bench_configuration(struct results *r)
{
	static const struct mac macs[2];
	char *texts[] = { configuration(0), configuration(1) };
	struct compiler *compiler = compiler_create(1);
	struct config *configs[] = { validate(texts[0], &r->validate),
				     validate(texts[1], &r->validate) };
	struct compile_input in = {
		.config = configs[0], .generation = 1, .port_macs = macs, .now = 1000000000
	};
	const struct snapshot *old, *new;

	if (!compiler)
		fail("no memory");
	old = compile_timed(compiler, &in, &r->compile);
	in.now += 1000000000;
	new = compile_timed(compiler, &in, &r->again);
	snapshot_free(old);
	in.config = configs[1];
	in.generation++;
	in.now += 1000000000;
	old = compile_timed(compiler, &in, &r->one_pool);
	snapshot_free(old);
	snapshot_free(new);
	compiler_destroy(compiler);
	config_free(configs[0]);
	config_free(configs[1]);
	free(texts[0]);
	free(texts[1]);
}

static void
report(json_t *results, const char *name, struct samples *s)
{
	double median = samples_quantile(s, 0.5);

	printf("%-10s %9.2f %9.2f %9.2f\n", name, median, samples_quantile(s, 0),
	       samples_quantile(s, 1));
	json_object_set_new(results, name, json_real(median));
}

int
main(int argc, char **argv)
{
	static const struct option list[] = { { "json", required_argument, NULL, 'j' },
					      { NULL, 0, NULL, 0 } };
	static struct results r;
	const char *file = NULL;
	json_t *results = json_object();
	int c, i;

	while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
		if (c != 'j') {
			fprintf(stderr, "usage: bench-control [--json FILE]\n");
			return 2;
		}
		file = optarg;
	}
	bench_maglev(&r.maglev);
	for (i = 0; i < RUNS; i++)
		bench_configuration(&r);
	printf("%-10s %9s %9s %9s   (ms)\n", "", "median", "least", "most");
	report(results, "maglev", &r.maglev);
	report(results, "validate", &r.validate);
	report(results, "compile", &r.compile);
	report(results, "again", &r.again);
	report(results, "one pool", &r.one_pool);
	if (file && json_dump_file(results, file, JSON_INDENT(2)) < 0)
		fail(strerror(errno));
	json_decref(results);
	return 0;
}
