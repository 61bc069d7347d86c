/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/options.h"

#include <getopt.h>
#include <stdio.h>

#include "version.h"

static void
print_usage(FILE *out)
{
	fputs("usage: penstockd [--config FILE] [--socket PATH] [--state DIR] [--foreground] "
	      "[--fresh]\n"
	      "       penstockd --check FILE\n"
	      "       penstockd --manual settings | metrics | drops\n"
	      "       penstockd --version | --help\n"
	      "  --config FILE   configuration (default /etc/penstock/penstock.conf)\n"
	      "  --socket PATH   admin socket (default /run/penstock/penstock.sock)\n"
	      "  --state DIR     what outlives it: the last configurations (default "
	      "/var/lib/penstock)\n"
	      "  --foreground    stay in the foreground, log to standard error\n"
	      "  --fresh         start without the connections that the last penstockd had\n"
	      "  --check FILE    validate FILE, print what is wrong with it, and end\n"
	      "  --manual PART   print a part of the manual pages, for man(7), and end\n",
	      out);
}

int
program_options_parse(struct options *o, int argc, char **argv)
{
	static const struct option list[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "state", required_argument, NULL, 'd' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "fresh", no_argument, NULL, 'e' },
		{ "check", required_argument, NULL, 'k' },
		{ "manual", required_argument, NULL, 'm' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct options){ .config_file = "/etc/penstock/penstock.conf",
			       .socket_path = "/run/penstock/penstock.sock",
			       .state_dir = "/var/lib/penstock" };
	while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
		if (c == 'c') {
			o->config_file = optarg;
		} else if (c == 's') {
			o->socket_path = optarg;
		} else if (c == 'd') {
			o->state_dir = optarg;
		} else if (c == 'f') {
			o->foreground = true;
		} else if (c == 'e') {
			o->fresh = true;
		} else if (c == 'k') {
			o->check = true;
			o->config_file = optarg;
		} else if (c == 'm') {
			o->manual = optarg;
		} else if (c == 'V') {
			printf("penstockd %s\n", PENSTOCK_VERSION);
			return 1;
		} else if (c == 'h') {
			print_usage(stdout);
			return 1;
		} else {
			print_usage(stderr);
			return -1;
		}
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "penstockd: unexpected argument \"%s\"\n", argv[optind]);
	print_usage(stderr);
	return -1;
}
