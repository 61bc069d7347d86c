# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces and a wire: in one the kernel's TCP, in the other build/tcp-peer, or the kernel again to compare."""
import contextlib
import ctypes
import json
import os
import shutil
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("BUILD", f"{ROOT}/build"))
PEER = f"{BUILD}/tcp-peer"
DRIVER = os.environ.get("TCP_DRIVER", "af_xdp")
MACS = {"linux": "02:00:00:00:18:01", "peer": "02:00:00:00:18:02"}
ADDRESSES = {"linux": {4: "198.18.0.1", 6: "2001:db8:18::1"}, "peer": {4: "198.18.0.2", 6: "2001:db8:18::2"}}
PORTS = {"echo": 7, "sink": 9, "source": 19, "http": 80, "stop": 5}

# What the peer's source sends and its sink expects: lines of 8 bytes that are counted, again from 0 after 1 MiB.
BLOCK = b"".join(b"%07d\n" % i for i in range(1 << 17))


def tcp_socket(ip6):
    """With the kernel's CUBIC, whatever this machine prefers: BBR does not care for losses."""
    made = socket.socket(socket.AF_INET6 if ip6 else socket.AF_INET)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    return made


class Wrong(Exception):
    """A test's finding."""


def expect(condition, text):
    if not condition:
        raise Wrong(text)


GROUPS = []


def group(name, make):
    """Tests that share a bed: make() gives it; the result is the decorator of its tests."""
    class Group:
        pass
    new = Group()
    new.name, new.make, new.tests = name, make, []
    GROUPS.append(new)

    def register(test):
        new.tests.append(test)
        return test
    return register


def content(size, offset=0):
    """Bytes [offset, offset + size) of what flows."""
    begin = offset % len(BLOCK)
    pieces = (begin + size) // len(BLOCK) + 1
    return (BLOCK * pieces)[begin:begin + size]


def check_content(data, offset):
    """Are the bytes what stands at the offset?"""
    done = 0
    while done < len(data):
        begin = (offset + done) % len(BLOCK)
        size = min(len(data) - done, len(BLOCK) - begin)
        expect(data[done:done + size] == BLOCK[begin:begin + size], f"wrong bytes after {offset + done}")
        done += size


def run(*command, check=True, **more):
    more.setdefault("text", True)
    done = subprocess.run(command, capture_output=True, check=False, **more)
    if check and done.returncode:
        raise Wrong(f"{' '.join(command)}: {done.stderr}")
    return done


@contextlib.contextmanager
def namespace(name):
    """This thread is in the namespace inside the `with`; a socket made there stays there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{name}", "rb") as there:
        expect(libc.setns(there.fileno(), 0) == 0, f"setns: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            libc.setns(home.fileno(), 0)


class Bed:
    """As a context manager it stands inside the `with`."""
    per_mille = 0  # so many packets of 1,000 are lost, each by itself, in either direction

    def __init__(self, *options, kernel_twice=False, sysctls=(), mtu=1500):
        self.options, self.kernel_twice, self.sysctls, self.mtu = options, kernel_twice, sysctls, mtu
        self.names = {side: f"pst{os.getpid()}{side[0]}" for side in MACS}
        self.middle = f"pst{os.getpid()}m"
        self.process = None
        self.directory = f"{BUILD}/tcp-bed-{os.getpid()}"

    def __enter__(self):
        os.makedirs(self.directory, exist_ok=True)
        try:
            self.build()
            if not self.kernel_twice:
                self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build(self):
        for name in self.names.values():
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        linux, peer = self.names["linux"], self.names["peer"]
        if self.per_mille:
            self.lossy_wire()
        else:
            run("ip", "-n", linux, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", peer)
        for side, name in self.names.items():
            other = "peer" if side == "linux" else "linux"
            for key in ("net.ipv6.conf.wire.accept_dad=0", "net.ipv6.conf.wire.router_solicitations=0"):
                run("ip", "netns", "exec", name, "sysctl", "-qw", key)
            run("ip", "-n", name, "link", "set", "wire", "address", MACS[side], "mtu", str(self.mtu))
            run("ip", "netns", "exec", name, "ethtool", "-K", "wire", "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
            run("ip", "-n", name, "link", "set", "wire", "up")
            if side == "linux" or self.kernel_twice:
                run("ip", "-n", name, "addr", "add", f"{ADDRESSES[side][4]}/24", "dev", "wire")
                run("ip", "-n", name, "addr", "add", f"{ADDRESSES[side][6]}/64", "dev", "wire", "nodad")
                for family in (4, 6):
                    run("ip", "-n", name, "neigh", "replace", ADDRESSES[other][family], "lladdr", MACS[other], "dev", "wire", "nud", "permanent")
        for key in self.sysctls:
            run("ip", "netns", "exec", linux, "sysctl", "-qw", key)

    def bpf(self):
        """The file of the wire's programs."""
        source, built = f"{HERE}/wire.bpf.c", f"{self.directory}/wire.o"
        include = f"-I/usr/include/{os.uname().machine}-linux-gnu"
        if not os.path.exists(built):
            run("clang", "-O2", "-g", "-target", "bpf", include, "-c", source, "-o", built)
        return built

    def lossy_wire(self):
        """A wire in two parts. What loses is between them: a kernel is told of what it loses on its own way out, and sends it again."""
        run("ip", "netns", "add", self.middle)
        for side, name in self.names.items():
            run("ip", "-n", name, "link", "add", "wire", "mtu", str(self.mtu), "type", "veth", "peer", "name", side, "mtu", str(self.mtu), "netns", self.middle)
            run("ip", "netns", "exec", self.middle, "ethtool", "-K", side, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
            run("ip", "-n", self.middle, "link", "set", side, "up")
        for side, other in (("linux", "peer"), ("peer", "linux")):
            tc = ["ip", "netns", "exec", self.middle, "tc"]
            run(*tc, "qdisc", "add", "dev", side, "clsact")
            run(*tc, "filter", "add", "dev", side, "ingress", "prio", "1", "bpf", "da", "obj", self.bpf(), "sec", f"lose{self.per_mille}")
            run(*tc, "filter", "add", "dev", side, "ingress", "prio", "2", "protocol", "all", "u32", "match", "u32", "0", "0",
                "action", "mirred", "egress", "redirect", "dev", other)

    def peer(self, *arguments):
        """The command of a tcp-peer in its namespace."""
        return ["ip", "netns", "exec", self.names["peer"], PEER, "--iface", "wire", "--driver", DRIVER, "--mac", MACS["peer"],
                "--peer-mac", MACS["linux"], "--address", ADDRESSES["peer"][4], "--address", ADDRESSES["peer"][6],
                "--mtu", str(self.mtu), *arguments]

    def start(self):
        """The peer as a server, until the bed goes."""
        command = self.peer(*self.options, "--serve")
        self.log = open(f"{self.directory}/peer.log", "w", encoding="utf-8")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        expect(line == "ready\n", f"tcp-peer does not start: {open(self.log.name, encoding='utf-8').read()[-600:]}")

    def stop(self):
        """Ends the serving peer; what it says of itself."""
        if not self.process:
            return {}
        self.process.terminate()
        try:
            text, _ = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Wrong("tcp-peer does not end") from None
        status, self.process = self.process.returncode, None
        expect(status == 0, f"tcp-peer ended with {status}: {open(self.log.name, encoding='utf-8').read()[-600:]}")
        return json.loads(text.strip().splitlines()[-1])

    def client(self, *arguments, timeout=60):
        """One connection of the peer as a client: what it says of it."""
        done = run(*self.peer(*self.options, *arguments), check=False, timeout=timeout)
        expect(done.returncode == 0, f"tcp-peer ended with {done.returncode}: {done.stderr[-600:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def socket(self, family=4, side="linux"):
        with namespace(self.names[side]):
            made = tcp_socket(family == 6)
        made.settimeout(20)
        return made

    def connect(self, service, family=4, prepare=lambda sock: None):
        """A connection of the kernel to a service of the peer."""
        made = self.socket(family)
        prepare(made)
        made.connect((ADDRESSES["peer"][family], PORTS.get(service, service)))
        return made

    def run(self, *command, side="linux", **more):
        return run("ip", "netns", "exec", self.names[side], *command, **more)

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()
        for name in (*self.names.values(), self.middle):
            run("ip", "netns", "del", name, check=False)
        shutil.rmtree(self.directory)


def within(seconds, condition, text):
    """Waits until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, text)
        time.sleep(0.02)
