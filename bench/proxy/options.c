/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/proxy/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/proxy/peers.h"

static void
usage(void)
{
	fprintf(stderr,
		"usage: bench-proxy EAL-OPTIONS -- --listener ADDRESS --port N --to MAC\n"
		"  [--connections N] [--seconds N] [--rate EXCHANGES] [--flood SYNS] [--rush N]\n"
		"  [--http] [--tls] [--body BYTES] [--hosts N]\n"
		"  exchange | open | bulk | idle | flood | paced | rush\n");
	exit(2);
}

static enum load
load_parse(const char *word)
{
	static const char *const names[] = { "exchange", "open",  "bulk", "idle",
					     "flood",    "paced", "rush" };
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(word, names[i]) == 0)
			return (enum load)i;
	usage();
	return LOAD_EXCHANGE;
}

static void
set_option(struct options *o, int name)
{
	struct mac mac;

	switch (name) {
	case 'l':
		if (addr_parse(optarg, &o->listener) < 0)
			usage();
		break;
	case 'm':
		if (mac_parse(optarg, &mac) < 0)
			usage();
		memcpy(o->mac, mac.b, 6);
		break;
	case 'p':
		o->port = (uint16_t)strtoul(optarg, NULL, 10);
		break;
	case 'c':
		o->connections = (uint32_t)strtoul(optarg, NULL, 10);
		break;
	case 'r':
		o->rate = (uint32_t)strtoul(optarg, NULL, 10);
		break;
	case 'f':
		o->flood = (uint32_t)strtoul(optarg, NULL, 10);
		break;
	case 'u':
		o->rush = (uint32_t)strtoul(optarg, NULL, 10);
		break;
	case 'h':
		o->http = true;
		break;
	case 's':
		o->http = o->tls = true;
		break;
	case 'b':
		o->body = (uint32_t)strtoul(optarg, NULL, 10);
		break;
	case 'n':
		o->hosts = (uint32_t)strtoul(optarg, NULL, 10);
		break;
	case 't':
		o->seconds = atof(optarg);
		break;
	default:
		usage();
	}
}

void
options_parse(struct options *o, int argc, char **argv)
{
	static const struct option list[] = {
		{ "listener", required_argument, NULL, 'l' },
		{ "to", required_argument, NULL, 'm' },
		{ "port", required_argument, NULL, 'p' },
		{ "connections", required_argument, NULL, 'c' },
		{ "rate", required_argument, NULL, 'r' },
		{ "flood", required_argument, NULL, 'f' },
		{ "rush", required_argument, NULL, 'u' },
		{ "seconds", required_argument, NULL, 't' },
		{ "http", no_argument, NULL, 'h' },
		{ "tls", no_argument, NULL, 's' },
		{ "body", required_argument, NULL, 'b' },
		{ "hosts", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct options){
		.connections = 1000, .rate = 100000, .seconds = 2, .body = 100, .hosts = 1
	};
	optind = 1;
	while ((c = getopt_long(argc, argv, "", list, NULL)) != -1)
		set_option(o, c);
	if (!o->port || o->listener.q[1] == 0 || optind + 1 != argc || !o->connections ||
	    o->connections > CLIENTS_MAX || o->rush > CLIENTS_MAX - o->connections || o->body % 4 ||
	    !o->hosts || !o->rate)
		usage();
	o->load = load_parse(argv[optind]);
	if ((o->load == LOAD_RUSH) != (o->rush > 0) || (o->rush && !o->tls))
		usage();
	o->v6 = !addr_is_v4(&o->listener);
}
