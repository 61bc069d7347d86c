# SPDX-License-Identifier: Apache-2.0
"""The wire of the system bench: one memif port, with bench-generator at the one end, on core 1, and at the other, on
core 0, penstockd, or in its place dpdk-testpmd as the reference, or bench-bare.

A Wire is a temporary folder with the processes that use it; used as a context manager it ends them all. Every wait has
a limit; a process that fails ends the bench with a sentence.
"""
import contextlib
import functools
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("BUILD", os.path.join(HERE, "..", "build"))
MAC = "02:00:00:00:00:01"
WORKER_CORE, GENERATOR_CORE = 0, 1
HUGEPAGES = 1000  # of 2 MB: penstockd, generator and reference
RING = 10  # binary logarithm of the packets that a ring holds: 1,024, what penstockd asks of a card


class Cores:
    """How far the two cores are from each other: a virtual machine's are moved about, and if they have no cache in common a cache
    line takes four times as long from one to the other, and most of what is measured here nearly twice as long."""

    def __init__(self):
        self.patience = 900  # seconds that there are in all to wait until they are near again; None: it does not matter
        self.seen = []       # ns there and back, when a run began
        self.program = f"{BUILD}/bench-cores"  # whatever build is measured

    def round_trip(self):
        done = subprocess.run([self.program, str(WORKER_CORE), str(GENERATOR_CORE)], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["round_trip_ns"]

    def settle(self):
        """Before a run: wait, if there is patience, while they are twice as far from each other as they have been."""
        if self.patience is None:
            return
        now = self.round_trip()
        while self.patience > 0 and now > 2 * min(self.seen, default=now):
            time.sleep(1)
            self.patience -= 1
            now = self.round_trip()
        self.seen.append(now)

    def moved(self):
        """Behind a run: are they now as far from each other as a run would have waited for?"""
        return bool(self.patience) and self.round_trip() > 2 * min(self.seen)


cores = Cores()


def free_hugepages():
    try:
        with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", encoding="ascii") as knob:
            return int(knob.read())
    except (OSError, ValueError):
        return 0


@functools.cache
def have_hugepages():
    """Enough for penstockd, generator and reference? Asked before the first of them takes its share."""
    return free_hugepages() >= HUGEPAGES


def eal(name, lcores, device):
    memory = ["--in-memory"] if have_hugepages() else ["--no-huge", "-m", "1024", "--no-shconf"]
    return ["--lcores", lcores, "--file-prefix", f"{name}-{os.getpid()}", *memory, "--no-pci", "--no-telemetry",
            "--log-level=3", f"--vdev={device}"]


class Wire:
    def __init__(self, ring=13, zero_copy=False):
        """ring: binary logarithm of the packets that fit into each of the port's rings. zero_copy: penstockd's buffers are
        the rings', as they are with a card; the copies are made by the other end."""
        self.ring = ring
        self.zero_copy = zero_copy
        self.where = tempfile.mkdtemp(prefix="penstock-bench-")
        self.processes = []
        self.socket = f"{self.where}/penstock.sock"

    def __enter__(self):
        cores.settle()
        return self

    def __exit__(self, kind, error, trace):
        for process in reversed(self.processes):
            self.end(process)
        if kind and os.path.exists(f"{self.where}/log"):
            with open(f"{self.where}/log", encoding="utf-8", errors="replace") as log:
                sys.stderr.write(log.read()[-2000:])
        shutil.rmtree(self.where)
        # Connections outlive penstockd, but these ones need not.
        with contextlib.suppress(OSError):
            os.unlink("/dev/shm/penstock" + f"{self.where}/state".replace("/", "-"))

    def end(self, process):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _device(self, role, more=""):
        return f"net_memif0,role={role},socket={self.where}/memif.sock,rsize={self.ring},socket-abstract=no{more}"

    def _start(self, words, stdout):
        process = subprocess.Popen(words, stdout=stdout, stderr=subprocess.STDOUT if stdout != subprocess.PIPE else None,
                                   stdin=subprocess.DEVNULL, text=True)
        self.processes.append(process)
        return process

    def generator(self, *options, nice=0):
        """Start it; it waits for the other end, prints what it has counted, and stays until it is ended, or some time."""
        return self._generator("bench-generator", nice, (*options, "--linger"))

    def peers(self, *options):
        """Clients and backends of a listener; it prints what it has counted, and goes on until it is ended."""
        return self._generator("bench-proxy", 0, options)

    def _generator(self, program, nice, options):
        words = ["nice", "-n", str(nice), f"{BUILD}/{program}", *eal("generator", f"0@{GENERATOR_CORE}", self._device("server")), "--",
                 "--to", MAC, *(str(o) for o in options)]
        process = self._start(words, subprocess.PIPE)
        self._wait_for_socket(process)
        return process

    def packet_file(self, path, packets):
        """Like a generator, but dpdk-testpmd with this file, over and over."""
        words = ["dpdk-testpmd", *eal("generator", f"0@{WORKER_CORE},1@{GENERATOR_CORE}", self._device("server")),
                 f"--vdev=net_pcap0,rx_pcap={path},infinite_rx=1", "--", "-a", "--nb-cores=1", "--forward-mode=io",
                 f"--total-num-mbufs={packets + 80000}", "--rxd=8192", "--txd=8192", "--stats-period", "1000"]
        process = self._start(words, subprocess.DEVNULL)
        self._wait_for_socket(process)
        return process

    def flowgen(self, seconds):
        """testpmd's own generator against testpmd macswap: packets per second that came back."""
        words = ["dpdk-testpmd", *eal("generator", f"0@{WORKER_CORE},1@{GENERATOR_CORE}", self._device("server")), "--", "-a",
                 "--nb-cores=1", "--forward-mode=flowgen", "--rxd=8192", "--txd=8192", "--stats-period", "1"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True)
        self.processes.append(process)
        self._wait_for_socket(process)
        self.reference()
        time.sleep(seconds + 3)
        process.terminate()
        out, _ = process.communicate(timeout=30)
        rates = [int(word) for word in re.findall(r"Rx-pps:\s+(\d+)", out)]
        return max(rates, default=0)

    def _wait_for_socket(self, process):
        end = time.monotonic() + 20
        while not os.path.exists(f"{self.where}/memif.sock"):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit("bench: the generator does not start")
            time.sleep(0.02)

    def reference(self, mode="macswap"):
        words = ["dpdk-testpmd", *eal("reference", f"0@{GENERATOR_CORE},1@{WORKER_CORE}",
                                      self._device("client", ",zero-copy=no")), "--", "-a", "--nb-cores=1",
                 f"--forward-mode={mode}", "--rxd=8192", "--txd=8192", "--stats-period", "1000"]
        return self._start(words, subprocess.DEVNULL)

    def bare(self, *options):
        """What in penstockd's place does nothing but receive and send, or drop."""
        words = [f"{BUILD}/bench-bare", *eal("bare", f"0@{WORKER_CORE}", self._device("client", ",zero-copy=no")), "--",
                 *(str(o) for o in options)]
        return self._start(words, subprocess.PIPE)

    def bare_count(self, process):
        """End it; what it has counted."""
        self.end(process)
        said = process.stdout.read().splitlines()
        if process.returncode or not said:
            sys.exit(f"bench: bench-bare ended with {process.returncode}")
        return json.loads(said[-1])

    def penstockd(self, config):
        path = f"{self.where}/bench.conf"
        with open(path, "w", encoding="ascii") as out:
            out.write(config)
        words = [f"{BUILD}/penstockd", "--foreground", "--config", path, "--socket", self.socket, "--state",
                 f"{self.where}/state"]
        if have_hugepages() and os.geteuid() == 0:
            # Connections lie in hugepages where a hugetlbfs is mounted: penstockd sees one of its own.
            words = ["unshare", "--mount", "sh", "-c", 'mount -t hugetlbfs none "$0" && exec "$@"', self._folder("huge"), *words]
        with open(f"{self.where}/log", "w", encoding="ascii") as log:
            return self._start(words, log)

    def wait_until_ready(self, daemon):
        end = time.monotonic() + 30
        while True:
            with open(f"{self.where}/log", encoding="utf-8", errors="replace") as log:
                if "penstockd: ready" in log.read():
                    return
            if daemon.poll() is not None or time.monotonic() > end:
                sys.exit("bench: penstockd does not start")
            time.sleep(0.05)

    def _folder(self, name):
        path = f"{self.where}/{name}"
        os.makedirs(path, exist_ok=True)
        return path

    def device(self):
        """How penstockd's configuration names its end."""
        return self._device("client", f",zero-copy={'yes' if self.zero_copy else 'no'},mac={MAC}")

    def eal_more(self):
        """What penstockd's DPDK has to be told besides."""
        return ["--no-pci", *["--single-file-segments"] * self.zero_copy]

    def penstock(self, *words):
        done = subprocess.run([f"{BUILD}/penstock", "--socket", self.socket, *words], capture_output=True, text=True,
                              check=False, timeout=60)
        if done.returncode != 0:
            sys.exit(f"bench: penstock {' '.join(words)}: {done.stderr}{done.stdout}")
        return done.stdout

    def show(self, what):
        return json.loads(self.penstock("show", what, "--json"))


def waited(process):
    """Of the time of its busiest thread, the share that this one has waited for its core: others have computed there."""
    tasks = []
    for task in os.listdir(f"/proc/{process.pid}/task"):
        with contextlib.suppress(OSError, ValueError), open(f"/proc/{process.pid}/task/{task}/schedstat", encoding="ascii") as stat:
            tasks.append([int(word) for word in stat.read().split()[:2]])
    ran, waits = max(tasks, default=(1, 0))
    return waits / max(1, ran + waits)


def read_count(process, seconds=90):
    """The next line of JSON that a process prints, while it goes on."""
    if not select.select([process.stdout], [], [], seconds)[0]:
        sys.exit("bench: the generator has nothing to say")
    line = process.stdout.readline()
    if not line:
        sys.exit(f"bench: the generator ended with {process.wait()}")
    return json.loads(line)
