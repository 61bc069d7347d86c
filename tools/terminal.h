/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal as a screen to draw on: alternate screen, keys as they are pressed, and everything
 * as it was before on whatever way out: a key, a signal, exit(), or a stop by Ctrl-Z and back.
 *
 * One per process, one thread. Plain escape codes that every terminal of today knows.
 */
#ifndef TOOLS_TERMINAL_H
#define TOOLS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

enum terminal_event {
	TERMINAL_TIME,   /* nothing happened until the time was over */
	TERMINAL_KEY,    /* see *key */
	TERMINAL_REDRAW, /* another size, or back from having been stopped */
	TERMINAL_END,    /* a signal wants the process to end, or the terminal is gone */
};

/* Keys that are more than a character. */
enum terminal_key {
	TERMINAL_UP = 256,
	TERMINAL_DOWN,
};

/* Take over the terminal that standard output is. False: errno says why. */
bool terminal_open(void);
void terminal_close(void);
void terminal_size(size_t *rows, size_t *columns);
/* Write all of it; false if the terminal is gone or a signal came. */
bool terminal_write(const char *text, size_t len);
/* Wait for something, at most so long. */
enum terminal_event terminal_wait(int milliseconds, int *key);

#endif
