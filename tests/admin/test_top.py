# SPDX-License-Identifier: Apache-2.0
"""`top` on a terminal: what it draws, its keys, and the terminal afterwards as it was before."""
import fcntl
import json
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
from daemon import PENSTOCK, Daemon, Other, cli, config
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

    def see(self, true, seconds=20):
        """Wait for a whole screen, drawn from now on, of which that is true; its lines."""
        self.forget()
        end = time.monotonic() + seconds
        lines = []
        while True:
            self.read(0.1)
            frames = self.raw.decode(errors="replace").split("\033[H")
            for frame in frames[1:]:
                if not frame.endswith("\033[J"):
                    continue
                lines = [CODES.sub("", line).rstrip("\r") for line in frame.split("\n")]
                if true(lines):
                    return lines
            assert time.monotonic() < end, lines

    def ended(self, code=0):
        end = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.1)
        assert self.process.poll() == code, (self.process.poll(), self.raw[-500:])
        self.read(0.2)
        assert self.raw.rstrip().endswith(LEAVE) and b"\033[?25h" in self.raw, self.raw[-200:]
        self.same()

    def same(self):
        """As the terminal was."""
        assert termios.tcgetattr(self.slave) == self.before


def begins(lines, start):
    return any(line.startswith(start) for line in lines)


def has_row(lines, title, row):
    """Is there such a row soon after the line of titles?"""
    for at, line in enumerate(lines):
        if line.startswith(title + " "):
            return any(other.split()[:1] == [row] for other in lines[at:at + 8])
    return False


def live(t, folder):
    with Daemon(folder, config(device=test_show.device(folder))) as d:
        wait(lambda: d.show("interfaces")[0]["rx_packets"] >= 16)
        with Top(d) as top:
            with t("the screen: daemon, sums, every table, no more lines than there are"):
                lines = top.see(lambda lines: all(
                    has_row(lines, title, row)
                    for title, row in (("SERVICE", "web"), ("POOL", "web"), ("WORKER", "0"),
                                       ("DROPPED", "ip-checksum"), ("CLIENT", "198.51.100.1"))))
                assert "admin-test" in lines[0] and "generation 1" in lines[0], lines
                assert lines[1].startswith("services in ") and len(lines) <= 40, lines
            with t("while it runs, keys are not echoed"):
                raw = termios.tcgetattr(top.slave)[3]
                assert not raw & termios.ECHO and not raw & termios.ICANON
                assert raw & termios.ISIG
            with t("another size: clipped, never wrapped"):
                for rows, columns in ((10, 40), (1, 1), (40, 120)):
                    top.resize(rows, columns)
                    top.process.send_signal(signal.SIGWINCH)
                    top.see(lambda lines, r=rows, c=columns: len(lines) <= r and
                            all(len(line) <= c for line in lines))
            with t("keys: one table, all tables, help, pause"):
                top.key(b"3")
                top.see(lambda lines: len(lines) == 4 and lines[2].startswith("WORKER"))
                top.key(b"jj\033[A\033[Bk0")
                top.see(lambda lines: begins(lines, "SERVICE"))
                top.key(b"h")
                top.see(lambda lines: begins(lines, "q ") and not begins(lines, "SERVICE"))
                top.key(b"h ")
                top.see(lambda lines: "PAUSED" in lines[0] and begins(lines, "SERVICE"))
                top.key(b" x\033\x00\xff~")
                top.see(lambda lines: "PAUSED" not in lines[0])
            with t("sorted by a key: connections, then order of the configuration"):
                top.key(b"1a")
                top.see(lambda lines: [line.split()[:1] for line in lines[3:]] ==
                        [["web"], ["dns"], ["six"]])
                top.key(b"0o")
                top.see(lambda lines: begins(lines, "POOL"))
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
            top.see(lambda lines: "admin-test" in lines[0])
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
                top.see(lambda lines: begins(lines, "SERVICE"))
                d.stop()
                top.see(lambda lines: "no daemon answers" in lines[0] and begins(lines, "SERVICE"))
            with t("and when it is back, so is top"):
                d.launch()
                top.see(lambda lines: "generation 1" in lines[0], 60)
                top.key(b"q")
                top.ended()


def of_another_version(t, folder):
    path = folder / "other.sock"
    with Daemon(folder, config(device=test_show.device(folder))) as d:
        def answer(request):
            if request.get("object") == "clients":
                return b'{"ok":false,"error":"there is nothing called clients"}\n'
            return json.dumps(d.ask(json.dumps(request).encode())).encode() + b"\n"
        with Other(path, answer), t("what the daemon refuses to show is said, the rest is shown"):
            out = expect(cli("--socket", path, "top"), 0).stdout
            assert "show clients: there is nothing called clients" in out.splitlines()[0] and "WORKER" in out, out
        with Other(folder / "same.sock", lambda request: json.dumps(d.ask(json.dumps(request).encode())).encode() + b"\n"), \
                t("and nothing is where it refuses nothing"):
            assert "show" not in expect(cli("--socket", folder / "same.sock", "top"), 0).stdout.splitlines()[0]


TESTS = (live, ways_out, without, of_another_version)
