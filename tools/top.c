/* SPDX-License-Identifier: Apache-2.0 */
/* top: a live screen, or one plain look at a second where standard output is no terminal. */
#include "tools/top.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/penstock.h"
#include "tools/terminal.h"

static int64_t
milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Draw in memory, then write at once, so that nothing flickers. False if the terminal is gone. */
static bool
show_screen(struct top_data *data, const struct top_view *view)
{
	struct top_size size;
	char *text = NULL, *line, *end;
	size_t len = 0, rows = 0;
	FILE *drawn = open_memstream(&text, &len), *out;
	char *codes = NULL;
	size_t codes_len = 0;
	bool ok;

	if (!drawn)
		exit(complain(EXIT_REFUSED, "no memory"));
	terminal_size(&size.rows, &size.columns);
	top_draw(data, view, &size, drawn);
	fclose(drawn);
	out = open_memstream(&codes, &codes_len);
	if (!out || !text)
		exit(complain(EXIT_REFUSED, "no memory"));
	fputs("\033[H", out);
	for (line = text; (end = strchr(line, '\n')) && rows < size.rows; line = end + 1)
		fprintf(out, "%s%.*s\033[K", rows++ ? "\r\n" : "", (int)(end - line), line);
	fputs("\033[J", out);
	fclose(out);
	ok = terminal_write(codes, codes_len);
	free(codes);
	free(text);
	return ok;
}

/* False: quit. */
static bool
on_key(struct top_view *view, int key)
{
	static const char sorts[] = "pbnado"; /* by enum top_sort */
	const char *sort = key > 0 && key < 128 ? strchr(sorts, key) : NULL;

	if (key == 'q' || key == 'Q')
		return false;
	if (key == TERMINAL_DOWN || key == 'j')
		view->scroll++;
	else if ((key == TERMINAL_UP || key == 'k') && view->scroll > 0)
		view->scroll--;
	else if (key == ' ')
		view->paused = !view->paused;
	else if (key == 'h' || key == '?')
		view->help = !view->help;
	else if (sort)
		view->sort = (enum top_sort)(sort - sorts);
	else if (key >= '0' && key <= '5') {
		view->only = key == '0' ? TOP_OBJECTS : key - '1';
		view->scroll = 0;
	}
	return true;
}

static void
run(struct top_data *data, const char *socket)
{
	struct top_view view = { .only = TOP_OBJECTS };
	int64_t next = milliseconds() + 1000; /* the first sample was taken just now */
	int key;

	for (;;) {
		int64_t now = milliseconds();

		if (now >= next) {
			if (!view.paused)
				top_take(data, socket);
			next = now + 1000;
		}
		if (!show_screen(data, &view))
			return;
		switch (terminal_wait((int)(next - now), &key)) {
		case TERMINAL_END:
			return;
		case TERMINAL_KEY:
			if (!on_key(&view, key))
				return;
			break;
		case TERMINAL_TIME:
		case TERMINAL_REDRAW:
			break;
		}
	}
}

int
command_top(const struct options *o)
{
	struct top_data data = { 0 };
	struct top_view view = { .only = TOP_OBJECTS };
	struct top_size all = { .rows = 0, .columns = SIZE_MAX };
	struct timespec second = { .tv_sec = 1 };
	bool live = isatty(STDOUT_FILENO);

	if (!top_take(&data, o->socket)) {
		top_free(&data);
		return complain(data.failure.code, "%s", data.failure.text);
	}
	if (live) {
		if (!terminal_open())
			return complain(EXIT_REFUSED, "cannot use the terminal: %s",
					strerror(errno));
		run(&data, o->socket);
		terminal_close();
	} else {
		nanosleep(&second, NULL);
		if (top_take(&data, o->socket))
			top_draw(&data, &view, &all, stdout);
		else
			complain(data.failure.code, "%s", data.failure.text);
	}
	top_free(&data);
	return live ? EXIT_DONE : data.failure.code;
}
