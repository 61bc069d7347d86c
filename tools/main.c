/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: which command, which options it takes, wrong usage. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/request.h"
#include "tools/penstock.h"
#include "tools/values.h"
#include "version.h"

enum option_id {
	OPTION_SOCKET,
	OPTION_JSON,
	OPTION_WATCH,
	OPTION_DRY_RUN,
	OPTION_SERVICE,
	OPTION_LIMIT,
	OPTION_ALL,
	OPTION_HELP,
	OPTION_CONFIRM,
	OPTION_PROTOCOL,
	OPTION_CLIENT,
	OPTION_FLAGS,
	OPTION_LENGTH,
	OPTION_COUNT,
	OPTION_SNAPLEN,
	OPTION_DROPS,
	OPTION_VERSION,
	OPTION_SERVER_NAME,
};
#define BIT(option) (1u << OPTION_##option)

static const struct option_name {
	const char *name;
	int argument;
} option_names[] = {
	[OPTION_SOCKET] = { "socket", required_argument },
	[OPTION_JSON] = { "json", no_argument },
	[OPTION_WATCH] = { "watch", no_argument },
	[OPTION_DRY_RUN] = { "dry-run", no_argument },
	[OPTION_SERVICE] = { "service", required_argument },
	[OPTION_LIMIT] = { "limit", required_argument },
	[OPTION_ALL] = { "all", no_argument },
	[OPTION_HELP] = { "help", no_argument },
	[OPTION_CONFIRM] = { "confirm", required_argument },
	[OPTION_PROTOCOL] = { "protocol", required_argument },
	[OPTION_CLIENT] = { "client", required_argument },
	[OPTION_FLAGS] = { "flags", required_argument },
	[OPTION_LENGTH] = { "length", required_argument },
	[OPTION_COUNT] = { "count", required_argument },
	[OPTION_SNAPLEN] = { "snaplen", required_argument },
	[OPTION_DROPS] = { "drops", no_argument },
	[OPTION_VERSION] = { "version", no_argument },
	[OPTION_SERVER_NAME] = { "server-name", required_argument },
};
#define N_OPTIONS (sizeof(option_names) / sizeof(option_names[0]))

static const struct command {
	const char *name;
	int (*run)(const struct options *o);
	/* what to call it, in [ ] if it can be left out, two with a space; NULL: takes none */
	const char *argument;
	unsigned int options; /* besides --socket */
} commands[] = {
	{ "check", command_check, "FILE", 0 },
	{ "apply", command_apply, "FILE", BIT(DRY_RUN) | BIT(CONFIRM) },
	{ "confirm", command_confirm, NULL, 0 },
	{ "rollback", command_rollback, "[GENERATION]", BIT(DRY_RUN) | BIT(CONFIRM) },
	{ "diff", command_diff, "FILE", 0 },
	{ "show", command_show, "WHAT",
	  BIT(JSON) | BIT(WATCH) | BIT(SERVICE) | BIT(LIMIT) | BIT(ALL) },
	{ "explain", command_explain, NULL,
	  BIT(JSON) | BIT(PROTOCOL) | BIT(CLIENT) | BIT(SERVICE) | BIT(FLAGS) | BIT(LENGTH) |
	      BIT(SERVER_NAME) },
	{ "drain", command_order, "POOL/ADDRESS:PORT", 0 },
	{ "enable", command_order, "POOL/ADDRESS:PORT", 0 },
	{ "disable", command_order, "POOL/ADDRESS:PORT", 0 },
	{ "weight", command_order, "POOL/ADDRESS:PORT N", 0 },
	{ "top", command_top, NULL, 0 },
	{ "capture", command_capture, "FILE",
	  BIT(SERVICE) | BIT(CLIENT) | BIT(COUNT) | BIT(SNAPLEN) | BIT(DROPS) },
	{ "version", command_version, NULL, BIT(JSON) },
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char usage[] =
    "usage: penstock [--socket PATH] COMMAND\n"
    "\n"
    "  check FILE              is the file valid? needs no daemon\n"
    "  apply FILE [--dry-run] [--confirm TIME]\n"
    "                          change to it, all or nothing; --dry-run only says what would "
    "change;\n"
    "                          --confirm goes back by itself unless it is confirmed in time\n"
    "  confirm                 keep what was applied with --confirm\n"
    "  rollback [GENERATION] [--dry-run] [--confirm TIME]\n"
    "                          back to an earlier configuration, as a new generation\n"
    "  diff FILE               what would change, object by object\n"
    "  show services | listeners | pools | backends | interfaces | workers | neighbours |\n"
    "       config | history | tcp | http | tls\n"
    "  show connections [--service NAME] [--limit N]\n"
    "  show clients [--limit N]\n"
    "  show drops [--service NAME] [--all]\n"
    "       all of show: [--json] [--watch]\n"
    "  explain --protocol tcp|udp --client ADDRESS:PORT --service ADDRESS:PORT\n"
    "       [--flags syn|ack|fin|rst] [--length BYTES] [--server-name NAME] [--json]\n"
    "       what would happen to such a packet now, stage by stage; changes nothing\n"
    "  drain POOL/ADDRESS:PORT    no new connections for a backend; it keeps what it has\n"
    "  disable POOL/ADDRESS:PORT  nothing for it any more\n"
    "  enable POOL/ADDRESS:PORT   ends both\n"
    "  weight POOL/ADDRESS:PORT N its share of the connections; 0 drains\n"
    "       these four hold until a configuration gives the backend another weight\n"
    "  top                     live: rates of services, backends, workers, drops, heaviest "
    "clients\n"
    "  capture [--service NAME] [--client ADDRESS[/LENGTH]] [--count N] [--drops]\n"
    "       [--snaplen BYTES] FILE\n"
    "       packets as they came in and went out, with verdicts, as pcapng; - is the output\n"
    "  version [--json]        of the daemon and what it is built with; --version: of this tool\n"
    "\n"
    "--socket PATH  the daemon's admin socket (" SOCKET_DEFAULT ")\n"
    "exit codes: 0 done, 1 refused, 2 wrong usage, 3 no daemon\n";

int
complain(int code, const char *format, ...)
{
	va_list arguments;

	fputs("penstock: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return code;
}

/* Take the value of one option. */
static int
take_option(enum option_id option, const char *value, struct options *o)
{
	switch (option) {
	case OPTION_SOCKET:
		o->socket = value;
		break;
	case OPTION_JSON:
		o->json = true;
		break;
	case OPTION_WATCH:
		o->watch = true;
		break;
	case OPTION_DRY_RUN:
		o->dry_run = true;
		break;
	case OPTION_SERVICE:
		o->service = value;
		break;
	case OPTION_LIMIT:
		return value_number("limit", value, REQUEST_LIMIT_MAX, &o->limit);
	case OPTION_LENGTH:
		return value_number("length", value, REQUEST_LENGTH_MAX, &o->length);
	case OPTION_COUNT:
		return value_number("count", value, LONG_MAX, &o->count);
	case OPTION_SNAPLEN:
		return value_number("snaplen", value, REQUEST_SNAPLEN_MAX, &o->snaplen);
	case OPTION_DROPS:
		o->drops = true;
		break;
	case OPTION_PROTOCOL:
		o->protocol = value;
		break;
	case OPTION_CLIENT:
		o->client = value;
		break;
	case OPTION_FLAGS:
		o->flags = value;
		break;
	case OPTION_SERVER_NAME:
		o->server_name = value;
		break;
	case OPTION_ALL:
		o->all = true;
		break;
	case OPTION_HELP:
	case OPTION_VERSION:
		break;
	case OPTION_CONFIRM:
		o->confirm = value;
		return value_confirm(value);
	}
	return EXIT_DONE;
}

/* getopt has found an option that is none, or wants or has no value; argv[optind - 1] is it, but
 * for letters that stand together. */
static int
refuse_option(int got, char **argv)
{
	const char *text = argv[optind - 1];

	if (got == ':')
		return complain(EXIT_USAGE, "--%s needs a value", option_names[optopt].name);
	if (strncmp(text, "--", 2) != 0)
		return complain(EXIT_USAGE, "there is no option -%c; penstock --help lists them",
				optopt);
	if (optopt)
		return complain(EXIT_USAGE, "--%s takes no value", option_names[optopt].name);
	return complain(EXIT_USAGE, "there is no option %s; penstock --help lists them", text);
}

/* Parse options wherever they stand; *seen gets a bit for each, the rest is moved to the end. */
static int
parse_options(int argc, char **argv, struct options *o, unsigned int *seen)
{
	struct option table[N_OPTIONS + 1] = { 0 };
	size_t i;
	int got, code;

	for (i = 0; i < N_OPTIONS; i++) {
		table[i].name = option_names[i].name;
		table[i].has_arg = option_names[i].argument;
		table[i].val = (int)i;
	}
	opterr = 0;
	while ((got = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		if (got == '?' || got == ':')
			return refuse_option(got, argv);
		code = take_option((enum option_id)got, optarg, o);
		if (code)
			return code;
		*seen |= 1u << got;
	}
	return EXIT_DONE;
}

static const struct command *
find_command(const char *name)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	complain(EXIT_USAGE, "there is no command \"%s\"; penstock --help lists them", name);
	return NULL;
}

static int
check_options(const struct command *command, unsigned int seen)
{
	unsigned int unknown = seen & ~(command->options | BIT(SOCKET));

	if (unknown)
		return complain(EXIT_USAGE, "%s does not take --%s", command->name,
				option_names[__builtin_ctz(unknown)].name);
	return EXIT_DONE;
}

static int
check_arguments(const struct command *command, int n)
{
	bool two = command->argument && strchr(command->argument, ' ');

	if (!command->argument)
		return n == 0 ? EXIT_DONE
			      : complain(EXIT_USAGE, "%s takes no argument", command->name);
	if (n == 1 + two || (n == 0 && command->argument[0] == '['))
		return EXIT_DONE;
	return complain(EXIT_USAGE, "%s takes %s: %s", command->name,
			two ? "two arguments" : "one argument", command->argument);
}

/* --service, --limit and --all mean something for some objects only. */
static int
check_show(const struct options *o)
{
	bool connections = strcmp(o->argument, "connections") == 0;
	bool clients = strcmp(o->argument, "clients") == 0;
	bool drops = strcmp(o->argument, "drops") == 0;

	if (!show_knows(o->argument))
		return complain(EXIT_USAGE,
				"show does not know \"%s\"; penstock --help lists what it knows",
				o->argument);
	if (o->service && !connections && !drops)
		return complain(EXIT_USAGE, "show %s does not take --service", o->argument);
	if (o->limit && !connections && !clients)
		return complain(EXIT_USAGE, "show %s does not take --limit", o->argument);
	if (o->all && !drops)
		return complain(EXIT_USAGE, "show %s does not take --all", o->argument);
	return EXIT_DONE;
}

static int
run(int argc, char **argv)
{
	struct options o = { .socket = SOCKET_DEFAULT };
	const struct command *command;
	unsigned int seen = 0;
	int code = parse_options(argc, argv, &o, &seen);

	if (code)
		return code;
	if (seen & BIT(HELP)) {
		fputs(usage, stdout);
		return EXIT_DONE;
	}
	if (seen & BIT(VERSION)) {
		printf("penstock %s\n", PENSTOCK_VERSION);
		return EXIT_DONE;
	}
	if (optind == argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	command = find_command(argv[optind++]);
	if (!command)
		return EXIT_USAGE;
	code = check_options(command, seen);
	if (code)
		return code;
	code = check_arguments(command, argc - optind);
	if (code)
		return code;
	o.command = command->name;
	o.argument = argv[optind];
	if (argc - optind > 1)
		o.argument2 = argv[optind + 1];
	if (command->run == command_show) {
		code = check_show(&o);
		if (code)
			return code;
	}
	return command->run(&o);
}

int
main(int argc, char **argv)
{
	int code = run(argc, argv);

	if (fflush(stdout) != 0 || ferror(stdout))
		return complain(EXIT_REFUSED, "cannot write the output: %s", strerror(errno));
	return code;
}
