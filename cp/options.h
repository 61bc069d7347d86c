/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penstockd's command line. Control thread, at start.
 */
#ifndef CP_OPTIONS_H
#define CP_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *config_file;
	const char *socket_path;
	const char *state_dir; /* --state */
	bool foreground;
	bool fresh;         /* --fresh: without the connections of the last process */
	const char *manual; /* --manual: print this part of the manual and end; NULL: no */
	bool check;         /* --check: validate config_file and end */
};

/* 0: go on. 1: everything asked for was printed, end with exit code 0. -1: wrong usage, said on
 * standard error. */
int program_options_parse(struct options *o, int argc, char **argv);

#endif
