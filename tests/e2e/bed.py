# SPDX-License-Identifier: Apache-2.0
"""The test bed: a lab with servers and penstockd, and what tests ask of it."""
import json
import os
import subprocess
import time

import configs
import topology

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PENSTOCKD = os.path.abspath(os.environ.get("PENSTOCKD", f"{ROOT}/build/penstockd"))
PENSTOCK = os.path.abspath(os.environ.get("PENSTOCK", f"{ROOT}/build/penstock"))
PEER = ["/usr/bin/python3", "-I", "-S", f"{HERE}/peer.py"]
GROUPS = []

# name: (last part of the service address, forward, do backends have the other family)
MODES = {
    "nat": (10, "nat", False),
    "gue": (20, "dsr-gue", False),
    "gue-across": (21, "dsr-gue", True),
    "ipip": (30, "dsr-ipip", False),
    "ipip-across": (31, "dsr-ipip", True),
    "l2": (40, "dsr-l2", False),
    "full-nat": (50, "full-nat", False),
}


class Wrong(Exception):
    """A test's finding."""


def expect(condition, text):
    if not condition:
        raise Wrong(text)


def group(name, make, part="others"):
    """A group of tests that share a bed: make() gives the bed; the result is the decorator of its tests. The check runs the parts at
    different times: "timed" measure time, so little else runs then; "restart" wait most of the time, so they run beside what computes.
    These two say nothing new under sanitizers."""
    class Group:
        pass
    new = Group()
    new.name, new.make, new.tests, new.part = name, make, [], part
    GROUPS.append(new)

    def register(test):
        new.tests.append(test)
        return test
    return register


def for_families(what, stands):
    """The decorator of tests make(bed, family) of these groups, one of each family; their names begin with `what`."""
    def tests(name, families=(4, 6)):
        def register(make):
            for family in families:
                for stand in stands:
                    def test(bed, family=family):
                        make(bed, family)
                    test.__name__ = f"{what}, IPv{family}, {name}"
                    stand(test)
            return make
        return register
    return tests


def vip(mode, family):
    """The service address of a mode."""
    last = MODES[mode][0]
    return f"203.0.113.{last}" if family == 4 else f"2001:db8:f::{last}"


def every_mode(backends, weights=None):
    """Pools and services of all modes, both families: HTTP on 80, the line server on 9000 over TCP and UDP, uploads on 9001.
    Where ports are translated, HTTP and lines are on others at the backends."""
    pools, services = [], []
    for mode, (_, forward, across) in MODES.items():
        for family in (4, 6):
            inner = {4: 6, 6: 4}[family] if across else family
            translated = forward in ("nat", "full-nat")
            tag = f"{mode}-{family}"
            pools.append(configs.pool(f"{tag}-web", backends, 8080 if translated else 80, inner, weights))
            pools.append(configs.pool(f"{tag}-line", backends, 9010 if translated else 9000, inner, weights))
            pools.append(configs.pool(f"{tag}-upload", backends, 9001, inner, weights))
            services.append(configs.service(f"{tag}-web", vip(mode, family), 80, "tcp", forward, f"{tag}-web"))
            services.append(configs.service(f"{tag}-tcp", vip(mode, family), 9000, "tcp", forward, f"{tag}-line"))
            services.append(configs.service(f"{tag}-upload", vip(mode, family), 9001, "tcp", forward, f"{tag}-upload"))
            services.append(configs.service(f"{tag}-udp", vip(mode, family), 9000, "udp", forward, f"{tag}-line"))
    return configs.objects(pools, services)


class Bed:
    """A lab, its servers, and penstockd. As a context manager it stands inside the `with`."""

    def __init__(self, backends=3, driver="af_xdp", workers="1", objects=every_mode, mtu=1500, prepare=None):
        self.lab = topology.Lab(f"pse{os.getpid() % 10000}", backends)
        self.driver, self.workers, self.objects, self.mtu = driver, workers, objects, mtu
        self.prepare = prepare
        self.daemon = None

    def __enter__(self):
        lab = self.lab.__enter__()
        try:
            if self.prepare:
                self.prepare(lab)
            for number in lab.backends:
                self.servers(number)
            self.daemon = lab.penstock(PENSTOCKD, self.config(lab.backends))
        except BaseException:
            lab.down()
            raise
        return self

    def __exit__(self, *_):
        self.lab.down()

    def servers(self, number):
        self.lab.nginx(number, size_mb=16)
        self.lab.start(self.lab.backend_name(number), *PEER, "serve", f"b{number}", log=f"server-{number}.log")

    def config(self, backends, **options):
        return configs.head(self.driver, self.workers, mtu=self.mtu) + self.objects(backends, **options)

    def running(self):
        """The generation in force."""
        return self.show("config")["generation"]

    # ---- what tests ask ------------------------------------------------------------------------
    def client(self, *words, seconds=30):
        """Run a command as the client; its standard output. A failure is a finding."""
        try:
            done = self.lab.run(self.lab.client, *words, check=False, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise Wrong(f"{' '.join(words)}: no end within {seconds} s") from error
        expect(done.returncode == 0, f"{' '.join(words)}: exit code {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def curl(self, address, path="/", *more):
        host = f"[{address}]" if ":" in address else address
        return self.client("curl", "-s", "-S", "-f", "-m", "20", "--retry", "3", "--retry-connrefused", *more, f"http://{host}{path}")

    def who(self, address, count):
        """The names of the servers that have answered this many requests, a new connection each."""
        names = self.curl(address, f"/?[1-{count}]", "-H", "Connection: close").split()
        expect(len(names) == count, f"{len(names)} of {count} answers: {names}")
        return set(names)

    def peer(self, *words, seconds=30):
        return self.client(*PEER, *map(str, words), seconds=seconds)

    def start_peer(self, *words, program=tuple(PEER)):
        """A counting client that goes on; returns when it says that it is ready."""
        with topology.inside(self.lab.client):
            process = subprocess.Popen([*program, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lab.processes.append(process)
        expect(process.stdout.readline() == "ready\n", "the client did not become ready")
        return process

    def penstock(self, *words, check=True):
        done = self.lab.run(self.lab.edge, PENSTOCK, "--socket", self.lab.socket(), *words, check=False)
        if check:
            expect(done.returncode == 0, f"penstock {' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def show(self, *words):
        return json.loads(self.penstock("show", *words, "--json").stdout)

    def service(self, name):
        return next(s for s in self.show("services") if s["name"] == name)

    def apply(self, text, *more, check=True):
        path = f"{self.lab.where}/next.conf"
        with open(path, "w", encoding="ascii") as out:
            out.write(text)
        return self.penstock("apply", path, *more, check=check)

    def report(self):
        """What helps to understand a failure."""
        lines = []
        for what in ("drops", "interfaces", "workers", "neighbours"):
            lines.append(self.penstock("show", what, check=False).stdout)
        with open(f"{self.lab.where}/penstockd.log", encoding="utf-8", errors="replace") as log:
            lines.append(log.read()[-3000:])
        return "\n".join(lines)

    def finish(self):
        """End penstockd; 1 if it did not end well."""
        code = self.lab.stop(self.daemon)
        if code == 0:
            return 0
        with open(f"{self.lab.where}/penstockd.log", encoding="utf-8", errors="replace") as log:
            print(f"FAIL penstockd ended with {code}:\n{log.read()[-6000:]}")
        return 1


def wait_until(condition, seconds=10):
    """The first true value of condition(), or its last."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.05)
