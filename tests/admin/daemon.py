# SPDX-License-Identifier: Apache-2.0
"""A penstockd without privileges on a card: packet files as ports, no twin; in hugepages where there are some to spare."""
import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import hugepages

BUILD = Path(os.environ.get("BUILD", Path(__file__).resolve().parents[2] / "build"))
PENSTOCKD = os.environ.get("PENSTOCKD", str(BUILD / "penstockd"))
PENSTOCK = os.environ.get("PENSTOCK", str(BUILD / "penstock"))

# Said once: a change of it wants a restart.
HUGEPAGES = "true" if hugepages.free_mb() >= 1024 else "false"

BASE = """
instance = "admin-test";
dataplane: {{ workers = [ 0 ]; control = 0; share_cores = true; hugepages = {hugepages}; memory = "128M";
              idle = "sleep"; connections = 4096; clients = 1024; }};
interfaces = ( {{ name = "wan"; device = "{device}"; addresses = [ "10.9.0.1/24", "2001:db8:9::1/64" ];
                 twin = false; }} );
neighbours = ( {{ address = "10.9.0.11"; mac = "02:00:00:00:00:0b"; interface = "wan"; }},
               {{ address = "10.9.0.12"; mac = "02:00:00:00:00:0c"; interface = "wan"; }},
               {{ address = "2001:db8:9::11"; mac = "02:00:00:00:00:0b"; interface = "wan"; }} );
{pools}
{services}
{more}
"""
POOLS = """pools = (
  { name = "web"; backends = ( { address = "10.9.0.11"; port = 8080; },
                               { address = "10.9.0.12"; port = 8080; weight = 0; } ); },
  { name = "dns"; backends = ( { address = "10.9.0.11"; port = 5353; } ); },
  { name = "six"; backends = ( { address = "2001:db8:9::11"; port = 8080; } ); } );"""
SERVICES = """services = (
  { name = "web"; address = "203.0.113.10"; port = 80; protocol = "tcp"; forward = "nat"; pool = "web"; },
  { name = "dns"; address = "203.0.113.10"; port = 53; protocol = "udp"; forward = "nat"; pool = "dns"; },
  { name = "six"; address = "2001:db8:53::10"; port = 0; protocol = "tcp"; forward = "nat"; pool = "six"; } );"""


def config(device="net_null0,no-rx=1", pools=POOLS, services=SERVICES, more=""):
    return BASE.format(device=device, pools=pools, services=services, more=more, hugepages=HUGEPAGES)


class Daemon:
    """One penstockd; use as a context. `folder` holds its configuration, socket and log."""

    def __init__(self, folder, text, path=None):
        self.folder = Path(folder)
        self.config = self.folder / "penstock.conf"
        self.config.write_text(text)
        self.path = Path(path or self.folder / "run" / "penstock.sock")
        self.log = self.folder / "log"
        self.process = None

    def launch(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [PENSTOCKD, "--config", str(self.config), "--socket", str(self.path),
                 "--state", str(self.folder / "state"), "--foreground"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        self.launch()
        end = time.monotonic() + 60
        while "penstockd: ready" not in self.output():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"penstockd did not become ready:\n{self.output()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.stop()

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        """Ends it; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("penstockd did not stop on SIGTERM") from None

    # ---- asking it ----
    def cli(self, *args, **options):
        return cli("--socket", str(self.path), *args, **options)

    def show(self, *args):
        out = self.cli("show", *args, "--json")
        assert out.returncode == 0, f"show {args}: {out.returncode} {out.stderr}"
        return json.loads(out.stdout)

    def connect(self, timeout=30):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(str(self.path))  # without a timeout: that would not wait for a full queue
        s.settimeout(timeout)
        return s

    def ask(self, line):
        """One line (bytes) on a connection of its own; the answer."""
        with self.connect() as s:
            s.sendall(line + b"\n")
            return json.loads(read_line(s))

    def generation(self):
        return self.ask(b'{"command":"version"}')["result"]["generation"]


class Other:
    """Answers on a socket at `path` as a penstockd of another version might: answer(request) gives the bytes."""

    def __init__(self, path, answer):
        self.answer = answer
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(path))
        self.socket.listen(16)
        self.thread = threading.Thread(target=self.serve)

    def serve(self):
        while True:
            try:
                s, _ = self.socket.accept()
            except OSError:
                return
            with s:
                s.sendall(self.answer(json.loads(read_line(s))))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()


def cli(*args, **options):
    return subprocess.run([PENSTOCK, *map(str, args)], capture_output=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL, **options)


def read_line(s):
    """Up to a newline or the end."""
    data = bytearray()
    while not data.endswith(b"\n"):
        part = s.recv(1 << 16)
        if not part:
            break
        data += part
    return bytes(data)
