/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command-line tool: a process of one thread that asks the daemon over its admin socket and
 * prints the answer. Each command returns the process's exit code, which is part of the contract
 * with scripts.
 */
#ifndef TOOLS_PENSTOCK_H
#define TOOLS_PENSTOCK_H

#include <jansson.h>
#include <stdbool.h>

enum exit_code {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,   /* the reason is on stderr */
	EXIT_USAGE = 2,     /* wrong usage */
	EXIT_NO_DAEMON = 3, /* nobody answers on the socket */
};

#define SOCKET_DEFAULT "/run/penstock/penstock.sock"

/* The command line; strings belong to argv. */
struct options {
	const char *socket;
	const char *command;
	const char *argument2; /* NULL unless the command takes two */
	const char *argument;  /* FILE, or what to show; NULL if the command takes none */
	const char *service;   /* NULL: any; explain: its address and port */
	const char *protocol, *client, *flags, *server_name;
	const char *confirm; /* a time; NULL: at once and for good */
	long limit;          /* 0: the daemon's default */
	long length;         /* 0: the smallest packet */
	long count;          /* 0: no end */
	long snaplen;        /* 0: the daemon's default */
	bool json, watch, dry_run, all, drops;
};

/* change.c */
int command_check(const struct options *o);
int command_apply(const struct options *o);
int command_diff(const struct options *o);
int command_confirm(const struct options *o);
int command_rollback(const struct options *o);
/* show.c */
int command_show(const struct options *o);
int command_version(const struct options *o);
/* One document, or one a line. */
void print_json(json_t *value, bool one_line);
/* order.c: drain, enable, disable, weight */
int command_order(const struct options *o);
/* explain.c */
int command_explain(const struct options *o);
/* top.c */
int command_top(const struct options *o);
/* capture.c */
int command_capture(const struct options *o);
/* True if `show` knows the object. */
bool show_knows(const char *object);

/* "penstock: ..." on stderr; returns code. */
__attribute__((format(printf, 2, 3))) int complain(int code, const char *format, ...);

#endif
