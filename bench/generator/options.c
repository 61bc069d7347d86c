/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/generator/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
usage(void)
{
	fprintf(stderr,
		"usage: bench-generator EAL-OPTIONS -- --service ADDRESS --port N --to MAC\n"
		"  [--tcp] [--syn] [--connect] [--answers --backends FIRST-ADDRESS]\n"
		"  [--flows N] [--clients N] [--frame BYTES] [--seconds N | --once] [--still]\n"
		"  [--window PACKETS] [--one-way] [--linger] [--good PACKETS-PER-SECOND] "
		"[--overhead BYTES]\n");
	exit(2);
}

static int
set_address(struct options *o, int name)
{
	struct mac mac;
	int rc;

	if (name == 's')
		return addr_parse(optarg, &o->service);
	if (name == 'b')
		return addr_parse(optarg, &o->backends);
	rc = mac_parse(optarg, &mac);
	memcpy(o->mac, mac.b, 6);
	return rc;
}

static void
set_number(struct options *o, int name)
{
	uint32_t number = (uint32_t)strtoul(optarg, NULL, 10);

	switch (name) {
	case 'p':
		o->port = (uint16_t)number;
		break;
	case 'f':
		o->flows = number;
		break;
	case 'c':
		o->clients = number;
		break;
	case 'l':
		o->frame = (uint16_t)number;
		break;
	case 'w':
		o->window = number;
		break;
	case 'g':
		o->good = number;
		break;
	case 'o':
		o->overhead = number;
		break;
	}
}

static void
set_option(struct options *o, int name)
{
	switch (name) {
	case 's':
	case 'b':
	case 'm':
		if (set_address(o, name) < 0)
			usage();
		break;
	case 't':
		o->seconds = atof(optarg);
		break;
	case 'T':
		o->tcp = true;
		break;
	case 'S':
		o->syn = true;
		break;
	case 'C':
		o->connect = true;
		break;
	case 'A':
		o->answers = true;
		break;
	case 'O':
		o->once = true;
		break;
	case 'W':
		o->one_way = true;
		break;
	case 'I':
		o->still = true;
		break;
	case 'L':
		o->linger = true;
		break;
	case '?':
		usage();
		break;
	default:
		set_number(o, name);
	}
}

void
options_parse(struct options *o, int argc, char **argv)
{
	static const struct option list[] = {
		{ "service", required_argument, NULL, 's' },
		{ "backends", required_argument, NULL, 'b' },
		{ "to", required_argument, NULL, 'm' },
		{ "port", required_argument, NULL, 'p' },
		{ "flows", required_argument, NULL, 'f' },
		{ "clients", required_argument, NULL, 'c' },
		{ "frame", required_argument, NULL, 'l' },
		{ "seconds", required_argument, NULL, 't' },
		{ "window", required_argument, NULL, 'w' },
		{ "good", required_argument, NULL, 'g' },
		{ "overhead", required_argument, NULL, 'o' },
		{ "tcp", no_argument, NULL, 'T' },
		{ "syn", no_argument, NULL, 'S' },
		{ "connect", no_argument, NULL, 'C' },
		{ "answers", no_argument, NULL, 'A' },
		{ "once", no_argument, NULL, 'O' },
		{ "one-way", no_argument, NULL, 'W' },
		{ "linger", no_argument, NULL, 'L' },
		{ "still", no_argument, NULL, 'I' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct options){ .flows = 1 << 20, .clients = 1 << 17, .frame = 60, .seconds = 3 };
	optind = 1;
	while ((c = getopt_long(argc, argv, "", list, NULL)) != -1)
		set_option(o, c);
	if (!o->port || o->service.q[1] == 0 || optind != argc)
		usage();
	o->v6 = !addr_is_v4(&o->service);
	if (o->good && o->v6)
		usage();
}
