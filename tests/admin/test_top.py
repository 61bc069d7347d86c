# SPDX-License-Identifier: Apache-2.0
"""`top` on a terminal: what it draws, its keys, and the terminal afterwards as it was before."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import test_show
from daemon import PENSTOCK, Daemon, cli, config
from test_cli import expect, wait

ENTER, LEAVE = b"\033[?1049h", b"\033[?1049l"
CODES = re.compile(r"\033\[[?0-9;]*[A-Za-z]")


class Top:
    """`penstock top` at a pseudo terminal."""

    def __init__(self, d, rows=40, columns=120):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        # A group and terminal of its own, as a shell would give it.
        self.process = subprocess.Popen(
            [PENSTOCK, "--socket", str(d.path), "top"], stdin=slave, stdout=slave,
            stderr=subprocess.PIPE, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.raw = b""
        self.got(ENTER)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                self.raw += os.read(self.master, 65536)

    def got(self, what, seconds=15):
        """Wait until the bytes have come since the last call of forget()."""
        end = time.monotonic() + seconds
        while what not in self.raw:
            assert time.monotonic() < end, f"{what} did not come: {self.raw[-2000:]}"
            self.read(0.1)

    def forget(self):
        self.raw = b""

    def key(self, keys):
        os.write(self.master, keys)

    def screen(self):
        """The lines of the last whole screen."""
        self.forget()
        self.read(1.5)
        frames = self.raw.decode().split("\033[H")
        whole = [f for f in frames if f.endswith("\033[J")]
        assert whole, self.raw
        return [CODES.sub("", line).rstrip("\r") for line in whole[-1].split("\n")]

    def ended(self, code=0):
        self.read(0.3)
        assert self.process.wait(10) == code, self.process.stderr.read()
        self.read(0.2)
        assert self.raw.rstrip().endswith(LEAVE) and b"\033[?25h" in self.raw, self.raw[-200:]
        self.same()

    def same(self):
        """As the terminal was."""
        assert termios.tcgetattr(self.slave) == self.before


def line_of(lines, start):
    found = [line for line in lines if line.startswith(start)]
    assert found, f"{start!r} begins no line of {lines}"
    return found[0]


def live(t, folder):
    with Daemon(folder, config(device=test_show.device(folder))) as d:
        wait(lambda: d.show("interfaces")[0]["rx_packets"] >= 16)
        with Top(d) as top:
            with t("the screen: daemon, sums, every table, no more lines than there are"):
                lines = top.screen()
                assert "admin-test" in lines[0] and "generation 1" in lines[0], lines
                assert lines[1].startswith("services in "), lines
                for title, row in (("SERVICE", "web"), ("POOL", "web"), ("WORKER", "0"),
                                   ("DROPPED", "ip-checksum")):
                    at = lines.index(line_of(lines, title + " "))
                    assert any(line.split()[:1] == [row] for line in lines[at:at + 6]), lines
                assert len(lines) <= 40, lines
            with t("while it runs, keys are not echoed"):
                raw = termios.tcgetattr(top.slave)[3]
                assert not raw & termios.ECHO and not raw & termios.ICANON
                assert raw & termios.ISIG
            with t("another size: clipped, never wrapped"):
                top.resize(10, 40)
                top.process.send_signal(signal.SIGWINCH)
                lines = top.screen()
                assert len(lines) <= 10 and all(len(line) <= 40 for line in lines), lines
                top.resize(1, 1)
                top.process.send_signal(signal.SIGWINCH)
                assert all(len(line) <= 1 for line in top.screen())
                top.resize(40, 120)
                top.process.send_signal(signal.SIGWINCH)
            with t("keys: one table, all tables, help, pause"):
                top.key(b"3")
                lines = top.screen()
                assert lines[2].startswith("WORKER") and lines[3].split()[0] == "0", lines
                top.key(b"jj\033[A\033[Bk0")
                assert line_of(top.screen(), "SERVICE")
                top.key(b"h")
                assert line_of(top.screen(), "q "), "help"
                top.key(b"h ")
                lines = top.screen()
                assert "PAUSED" in lines[0], lines
                top.key(b" x\033\x00\xff~")
                assert "PAUSED" not in top.screen()[0]
            with t("sorted by a key: connections, drops, order of the configuration"):
                top.key(b"1a")
                lines = top.screen()
                assert [line.split()[0] for line in lines[3:6]] == ["web", "dns", "six"], lines
                top.key(b"0o")
            with t("q: exit 0, the terminal as it was"):
                top.key(b"q")
                top.ended()


def ways_out(t, folder):
    with Daemon(folder, config()) as d:
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
            with t(f"{name}: the terminal as it was"), Top(d) as top:
                top.process.send_signal(getattr(signal, name))
                top.ended()
        with t("Ctrl-C as a key"), Top(d) as top:
            top.key(b"\x03")
            top.ended()
        with t("Ctrl-Z: stopped with the terminal as it was; fg: everything is drawn again"), \
                Top(d) as top:
            top.forget()
            # The shell's group of the terminal would be orphaned here: SIGTSTP is sent as by a shell.
            top.process.send_signal(signal.SIGTSTP)
            top.got(LEAVE)
            wait(lambda: state(top.process.pid) == "T")
            top.same()
            top.forget()
            top.process.send_signal(signal.SIGCONT)
            top.got(ENTER)
            assert "admin-test" in top.screen()[0]
            top.key(b"q")
            top.ended()
        with t("the terminal is gone: it ends"):
            top = Top(d)
            os.close(top.slave)
            os.close(top.master)
            top.process.wait(10)
            top.process.stderr.close()


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        return f.read().rsplit(")", 1)[1].split()[0]


def without(t, folder):
    with t("no daemon: exit 3"):
        expect(cli("--socket", folder / "nobody.sock", "top"), 3, "no daemon")
    with Daemon(folder, config(device=test_show.device(folder))) as d:
        with t("into a pipe: one plain look, with rates, without escape codes"):
            out = expect(d.cli("top"), 0).stdout
            assert "\033" not in out and "admin-test" in out, out
            for word in ("SERVICE", "POOL", "WORKER", "dns", "10.9.0.11"):
                assert word in out, out
        with t("wrong usage"):
            expect(d.cli("top", "--json"), 2)
            expect(d.cli("top", "services"), 2)
        with Top(d) as top:
            with t("the daemon ends: it is said, and the screen stays"):
                top.screen()
                d.stop()
                wait(lambda: "no daemon answers" in top.screen()[0])
                assert line_of(top.screen(), "SERVICE")
            with t("and when it is back, so is top"):
                d.launch()
                wait(lambda: "generation 1" in top.screen()[0], 30)
                top.key(b"q")
                top.ended()


TESTS = (live, ways_out, without)
