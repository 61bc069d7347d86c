/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-stages: TSC cycles per packet of each stage and of the whole pipeline, on one core, in this
 * process, over made-up bursts.
 *
 *     bench-stages [--short] [--no-huge] [--json FILE] [CASE...]
 *
 * A case is a mode, an address family, a number of flows and of clients. All flows have been seen
 * before the clock starts, but for new connections. Flows come in an order that caches cannot
 * guess; packets are written just before they are handed over, so their bytes are in the cache as a
 * card would leave them there. The whole pipeline is timed from pipeline_received to the flush of
 * the ports (net_null: sending is to free the buffers), as packets go: most by the short way. The
 * stages are those of the long way, timed in rounds of their own.
 *
 * A packet that does not leave as it should ends the bench with an error.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/world.h"
#include "bench/stages/memory.h"
#include "bench/stages/run.h"
#include "dp/packet.h"

/* New connections of UDP would have every flow tracked: in the tunnels' cases only packets and
 * bytes are limited. */
#define PACKETS "packets = \"1G/s\"; bytes = \"1000G/s\"; "
#define LIMITS  "limits = { client = { " PACKETS "}; };"
#define LIMITS_ALL                                                                                \
	"limits = { client = { " PACKETS "new_connections = \"1G/s\"; connections = 1000000; }; " \
	"};"
#define LIMITS_BOTH "limits = { client = { " PACKETS "}; service = { " PACKETS "}; };"

#define TIGHT  "limits = { client = { packets = \"1/s\"; burst = \"1ms\"; }; };"
#define DENIED "deny = [ \"20.0.0.0/8\" ];"

#define UNSTEADY 1.2
#define TRIES    1

static const struct bench_case cases[] = {
	{ "dsr-l2 IPv4", "dsr-l2", false, false, false, 1 << 20, 1 << 17, "", true, BENCH_KNOWN, 0,
	  0 },
	{ "dsr-l2 IPv4 limits", "dsr-l2", false, false, false, 1 << 20, 1 << 17, LIMITS, false,
	  BENCH_KNOWN, 0, 0 },
	{ "dsr-l2 IPv6", "dsr-l2", true, false, false, 1 << 20, 1 << 17, "", false, BENCH_KNOWN, 0,
	  0 },
	{ "dsr-l2 IPv6 limits", "dsr-l2", true, false, false, 1 << 20, 1 << 17, LIMITS, false,
	  BENCH_KNOWN, 0, 0 },
	{ "dsr-ipip IPv4", "dsr-ipip", false, false, false, 1 << 20, 1 << 17, "", false,
	  BENCH_KNOWN, 0, 0 },
	{ "dsr-ipip IPv4 limits", "dsr-ipip", false, false, false, 1 << 20, 1 << 17, LIMITS, false,
	  BENCH_KNOWN, 0, 0 },
	{ "dsr-ipip IPv6", "dsr-ipip", true, false, false, 1 << 20, 1 << 17, "", true, BENCH_KNOWN,
	  0, 0 },
	{ "dsr-ipip IPv6 limits", "dsr-ipip", true, false, false, 1 << 20, 1 << 17, LIMITS, false,
	  BENCH_KNOWN, 0, 0 },
	{ "dsr-gue IPv4", "dsr-gue", false, false, false, 1 << 20, 1 << 17, "", true, BENCH_KNOWN,
	  0, 0 },
	{ "dsr-gue IPv4 limits", "dsr-gue", false, false, false, 1 << 20, 1 << 17, LIMITS, true,
	  BENCH_KNOWN, 0, 0 },
	{ "dsr-gue IPv6", "dsr-gue", true, false, false, 1 << 20, 1 << 17, "", false, BENCH_KNOWN,
	  0, 0 },
	{ "dsr-gue IPv6 limits", "dsr-gue", true, false, false, 1 << 20, 1 << 17, LIMITS, false,
	  BENCH_KNOWN, 0, 0 },
	{ "dsr-gue IPv4 limits client+service", "dsr-gue", false, false, false, 1 << 20, 1 << 17,
	  LIMITS_BOTH, false, BENCH_KNOWN, 0, 0 },
	{ "dsr-gue IPv4 limits 1k clients", "dsr-gue", false, false, false, 1 << 20, 1 << 10,
	  LIMITS, false, BENCH_KNOWN, 0, 0 },
	{ "dsr-gue IPv4 limits 1M clients", "dsr-gue", false, false, false, 1 << 20, 1 << 20,
	  LIMITS, false, BENCH_KNOWN, 0, 0 },
	{ "dsr-ipip IPv6 limits 1M clients", "dsr-ipip", true, false, false, 1 << 20, 1 << 20,
	  LIMITS, false, BENCH_KNOWN, 0, 0 },
	{ "dsr-gue IPv4 limits 2^15", "dsr-gue", false, false, false, 1 << 15, 1 << 15, LIMITS,
	  true, BENCH_KNOWN, 0, 0 },
	{ "dsr-gue IPv4 limits 2^23", "dsr-gue", false, false, false, 1 << 23, 1 << 20, LIMITS,
	  false, BENCH_KNOWN, 0, 0 },
	{ "nat IPv4 2^15", "nat", false, true, false, 1 << 15, 1 << 13, "", true, BENCH_KNOWN, 0,
	  0 },
	{ "nat IPv4", "nat", false, true, false, 1 << 20, 1 << 17, "", true, BENCH_KNOWN, 0, 0 },
	{ "nat IPv4 2^23", "nat", false, true, false, 1 << 23, 1 << 20, "", false, BENCH_KNOWN, 0,
	  0 },
	{ "nat IPv6", "nat", true, true, false, 1 << 20, 1 << 17, "", false, BENCH_KNOWN, 0, 0 },
	{ "nat IPv4 both ways", "nat", false, true, true, 1 << 20, 1 << 17, "", false, BENCH_KNOWN,
	  0, 0 },
	{ "nat IPv4 both ways limits 2^15", "nat", false, true, true, 1 << 15, 1 << 13, LIMITS_ALL,
	  false, BENCH_KNOWN, 0, 0 },
	{ "nat IPv4 both ways limits", "nat", false, true, true, 1 << 20, 1 << 17, LIMITS_ALL,
	  false, BENCH_KNOWN, 0, 0 },
	{ "nat IPv4 both ways limits 2^23", "nat", false, true, true, 1 << 23, 1 << 20, LIMITS_ALL,
	  false, BENCH_KNOWN, 0, 0 },
	{ "nat IPv6 both ways limits 2^15", "nat", true, true, true, 1 << 15, 1 << 13, LIMITS_ALL,
	  false, BENCH_KNOWN, 0, 0 },
	{ "nat IPv6 both ways limits", "nat", true, true, true, 1 << 20, 1 << 17, LIMITS_ALL, false,
	  BENCH_KNOWN, 0, 0 },
	{ "nat IPv6 both ways limits 2^23", "nat", true, true, true, 1 << 23, 1 << 20, LIMITS_ALL,
	  false, BENCH_KNOWN, 0, 0 },
	{ "full-nat IPv4 both ways", "full-nat", false, true, true, 1 << 15, 1 << 13, "", false,
	  BENCH_KNOWN, 0, 0 },
	{ "full-nat IPv4 both ways limits", "full-nat", false, true, true, 1 << 15, 1 << 13,
	  LIMITS_ALL, false, BENCH_KNOWN, 0, 0 },
	{ "full-nat IPv4 both ways limits 2^20", "full-nat", false, true, true, 1 << 20, 1 << 17,
	  LIMITS_ALL, false, BENCH_KNOWN, 0, 0 },
	{ "full-nat IPv6 both ways limits", "full-nat", true, true, true, 1 << 15, 1 << 13,
	  LIMITS_ALL, false, BENCH_KNOWN, 0, 0 },
	{ "nat IPv4 new connections", "nat", false, true, false, 1 << 22, 1 << 17, LIMITS_ALL,
	  false, BENCH_NEW, 0, 0 },
	{ "nat IPv6 new connections", "nat", true, true, false, 1 << 22, 1 << 17, LIMITS_ALL, false,
	  BENCH_NEW, 0, 0 },
	{ "all limited", "dsr-gue", false, false, false, 1 << 20, 1 << 17, TIGHT, false,
	  BENCH_DROPPED, 0, 0 },
	{ "all denied", "dsr-gue", false, false, false, 1 << 20, 1 << 17, DENIED, false,
	  BENCH_DROPPED, 0, 0 },
	{ "SYN cookies IPv4", "", false, true, false, 1 << 20, 1 << 20, "", true, BENCH_COOKIES, 0,
	  0 },
	{ "SYN cookies IPv6", "", true, true, false, 1 << 20, 1 << 20, "", false, BENCH_COOKIES, 0,
	  0 },
	{ "two workers, none steered", "dsr-gue", false, false, false, 1 << 20, 1 << 17, LIMITS,
	  false, BENCH_KNOWN, 2, 0 },
	{ "two workers, half steered", "dsr-gue", false, false, false, 1 << 20, 1 << 17, LIMITS,
	  false, BENCH_KNOWN, 2, 4 },
	{ "two workers, all steered", "dsr-gue", false, false, false, 1 << 20, 1 << 17, LIMITS,
	  false, BENCH_KNOWN, 2, 8 },
	{ "two workers, two cores, all steered", "dsr-gue", false, false, false, 1 << 20, 1 << 17,
	  LIMITS, false, BENCH_APART, 2, 8 },
	{ "two workers, two cores, half steered", "dsr-gue", false, false, false, 1 << 20, 1 << 17,
	  LIMITS, false, BENCH_APART, 2, 4 },
	{ "two workers, packets only handed over", "dsr-gue", false, false, false, 1 << 20, 1 << 17,
	  LIMITS, false, BENCH_HANDED, 2, 8 },
	{ "two workers, two cores, only handed over", "dsr-gue", false, false, false, 1 << 20,
	  1 << 17, LIMITS, false, BENCH_HANDED_APART, 2, 8 },
};

static const char *const stage_names[STAGES] = { "parse",    "classify", "echo",  "steer",
						 "limit",    "proxy",    "track", "balance",
						 "heaviest", "rewrite",  "tx" };

static json_t *
result_json(const struct bench_case *c, struct measured *m)
{
	json_t *stages = json_object();
	int i;

	for (i = 0; i < STAGES && m->stages[i].n; i++)
		json_object_set_new(stages, stage_names[i],
				    json_real(samples_quantile(&m->stages[i], 0.5)));
	return json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:o}", "case", c->name, "flows",
			 (json_int_t)c->flows, "clients", (json_int_t)c->clients, "tsc_hz",
			 (double)rte_get_tsc_hz(), "cycles", samples_quantile(&m->whole, 0.5),
			 "cycles_least", samples_quantile(&m->whole, 0), "cycles_most",
			 samples_quantile(&m->whole, 1), "stages", stages);
}

static void
print_result(const struct bench_case *c, struct measured *m)
{
	double median = samples_quantile(&m->whole, 0.5);
	int i;

	printf("%-36s %6.1f %6.1f %6.1f  %6.2f ", c->name, median, samples_quantile(&m->whole, 0),
	       samples_quantile(&m->whole, 1), (double)rte_get_tsc_hz() / median / 1e6);
	for (i = 0; i < STAGES && m->stages[i].n; i++)
		printf(" %8.1f", samples_quantile(&m->stages[i], 0.5));
	printf("\n");
	fflush(stdout);
}

static void
print_head(void)
{
	int i;

	printf("TSC cycles per packet (%.2f GHz), 64-byte packets in bursts of %d, %s\n",
	       (double)rte_get_tsc_hz() / 1e9, BURST_MAX,
	       world_has_hugepages() ? "hugepages" : "ordinary memory");
	printf("%-36s %6s %6s %6s  %6s ", "case", "median", "least", "most", "Mpps");
	for (i = 0; i < STAGES; i++)
		printf(" %8s", stage_names[i]);
	printf("\n");
}

struct options {
	bool shortly, hugepages;
	const char *json;
	char **names;
	int n_names;
};

static bool
wanted(const struct options *o, const struct bench_case *c)
{
	int i;

	if (o->n_names == 0)
		return !o->shortly || c->shortly;
	for (i = 0; i < o->n_names; i++)
		if (strcmp(o->names[i], c->name) == 0)
			return true;
	return false;
}

/* The processor was slow for more than half of the rounds: others compute on it, too. */
static bool
is_unsteady(struct measured *m)
{
	return samples_quantile(&m->whole, 0.5) > UNSTEADY * samples_quantile(&m->whole, 0);
}

/* One that was measured unsteadily is measured again; what counts is the least median. */
static void
report_case(const struct options *o, const struct bench_case *c, json_t *results)
{
	struct measured *m = calloc(1, sizeof(*m)), *again = calloc(1, sizeof(*again));
	unsigned int tries;

	if (!m || !again)
		world_fail("no memory");
	run_case(c, o->shortly, m);
	for (tries = 0; !o->shortly && tries < TRIES && is_unsteady(m); tries++) {
		*again = (struct measured){ 0 };
		run_case(c, o->shortly, again);
		if (samples_quantile(&again->whole, 0.5) < samples_quantile(&m->whole, 0.5))
			*m = *again;
	}
	free(again);
	print_result(c, m);
	json_array_append_new(results, result_json(c, m));
	free(m);
}

static const unsigned int memories[] = { 1, 8, 32, 128 }; /* MB */

/* A table's line, in no order. */
static void
report_memory(json_t *results, unsigned int mb)
{
	struct bench_case c = { .flows = 0 };
	struct measured *m = calloc(1, sizeof(*m));
	char name[64];

	if (!m)
		world_fail("no memory");
	snprintf(name, sizeof(name), "a line of memory, of %u MB", mb);
	c.name = name;
	memory_measure(mb, &m->whole);
	print_result(&c, m);
	json_array_append_new(results, result_json(&c, m));
	free(m);
}

static bool
options_parse(struct options *o, int argc, char **argv)
{
	static const struct option list[] = { { "short", no_argument, NULL, 's' },
					      { "no-huge", no_argument, NULL, 'n' },
					      { "json", required_argument, NULL, 'j' },
					      { NULL, 0, NULL, 0 } };
	int c;

	*o = (struct options){ .hugepages = true };
	while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
		if (c == 's')
			o->shortly = true;
		else if (c == 'n')
			o->hugepages = false;
		else if (c == 'j')
			o->json = optarg;
		else
			return false;
	}
	o->names = argv + optind;
	o->n_names = argc - optind;
	return true;
}

int
main(int argc, char **argv)
{
	struct options o;
	json_t *results = json_array();
	size_t i;

	if (!options_parse(&o, argc, argv)) {
		fprintf(stderr,
			"usage: bench-stages [--short] [--no-huge] [--json FILE] [CASE...]\n");
		return 2;
	}
	world_start(o.hugepages);
	print_head();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (wanted(&o, &cases[i]))
			report_case(&o, &cases[i], results);
	/* Only when all is asked for. */
	for (i = 0; !o.n_names && !o.shortly && i < sizeof(memories) / sizeof(memories[0]); i++)
		report_memory(results, memories[i]);
	if (o.json && json_dump_file(results, o.json, JSON_INDENT(2)) < 0)
		world_fail("%s: %s", o.json, strerror(errno));
	json_decref(results);
	world_end();
	return 0;
}
