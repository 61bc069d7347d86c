/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Alternate screen, no cursor, no line wrap; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l\033[H\033[2J"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static struct {
	bool open, keys; /* keys: standard input is a terminal too */
	struct termios before;
	char typed[64]; /* not yet taken */
	size_t n_typed;
	int pipe[2]; /* handlers write the signal's number, terminal_wait reads it */
} terminal = { .pipe = { -1, -1 } };

static void
on_signal(int signal)
{
	char byte = (char)signal;
	int error = errno;

	if (write(terminal.pipe[1], &byte, 1) < 0) {
		/* So many signals wait already that one more says nothing new. */
	}
	errno = error;
}

static void
handle(int signal, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigemptyset(&action.sa_mask);
	sigaction(signal, &action, NULL);
}

/* Without a look at what came of it: used on the way out, too. */
static void
send_codes(const char *codes)
{
	size_t len = strlen(codes);

	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, codes, len);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			codes += n;
			len -= (size_t)n;
		}
	}
}

static void
enter(void)
{
	struct termios raw = terminal.before;

	/* Signals stay keys: Ctrl-C and Ctrl-Z do what they always do. */
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (terminal.keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	send_codes(ENTER);
}

static void
leave(void)
{
	send_codes(LEAVE);
	if (terminal.keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal.before);
}

bool
terminal_open(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	size_t i;

	if (pipe2(terminal.pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	terminal.keys = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &terminal.before) == 0;
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		handle(ends[i], on_signal);
	handle(SIGPIPE, SIG_IGN);
	handle(SIGWINCH, on_signal);
	handle(SIGTSTP, on_signal);
	handle(SIGCONT, on_signal);
	terminal.open = true;
	atexit(terminal_close);
	enter();
	return true;
}

void
terminal_close(void)
{
	if (!terminal.open)
		return;
	terminal.open = false;
	leave();
}

void
terminal_size(size_t *rows, size_t *columns)
{
	struct winsize size = { 0 };

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*rows = size.ws_row ? size.ws_row : 24;
	*columns = size.ws_col ? size.ws_col : 80;
}

bool
terminal_write(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, text, len);

		if (n < 0)
			return errno == EINTR; /* the signal is read from the pipe next */
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static enum terminal_event
take_signal(void)
{
	char byte;

	if (read(terminal.pipe[0], &byte, 1) != 1)
		return TERMINAL_TIME;
	switch (byte) {
	case SIGTSTP:
		/* Stop with the terminal as it was; SIGCONT brings us back. */
		leave();
		raise(SIGSTOP);
		return TERMINAL_TIME;
	case SIGCONT:
		enter();
		return TERMINAL_REDRAW;
	case SIGWINCH:
		return TERMINAL_REDRAW;
	default:
		return TERMINAL_END;
	}
}

/* The first key of what was typed; len > 0. */
static int
next_key(void)
{
	const char *typed = terminal.typed;
	size_t used = 1;
	int key = (unsigned char)typed[0];

	if (key == '\033' && terminal.n_typed >= 3 && (typed[1] == '[' || typed[1] == 'O')) {
		used = 3;
		key = 0;
		if (typed[2] == 'A')
			key = TERMINAL_UP;
		if (typed[2] == 'B')
			key = TERMINAL_DOWN;
	}
	terminal.n_typed -= used;
	memmove(terminal.typed, terminal.typed + used, terminal.n_typed);
	return key;
}

static enum terminal_event
take_key(int *key)
{
	ssize_t n = read(STDIN_FILENO, terminal.typed, sizeof(terminal.typed));

	if (n < 0 && errno == EINTR)
		return TERMINAL_TIME;
	if (n <= 0)
		return TERMINAL_END;
	terminal.n_typed = (size_t)n;
	*key = next_key();
	return TERMINAL_KEY;
}

enum terminal_event
terminal_wait(int milliseconds, int *key)
{
	struct pollfd fds[2] = {
		{ .fd = terminal.pipe[0], .events = POLLIN },
		{ .fd = terminal.keys ? STDIN_FILENO : -1, .events = POLLIN },
	};

	*key = 0;
	if (poll(fds, 2, terminal.n_typed > 0 ? 0 : milliseconds) < 0)
		return errno == EINTR ? take_signal() : TERMINAL_END;
	if (fds[0].revents)
		return take_signal();
	if (terminal.n_typed > 0) {
		*key = next_key();
		return TERMINAL_KEY;
	}
	if (fds[1].revents)
		return take_key(key);
	return TERMINAL_TIME;
}
