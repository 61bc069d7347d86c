# SPDX-License-Identifier: Apache-2.0
"""Goodput of one connection: the kernel to dp/tcp, beside the kernel to the kernel on the same kind of wire.

The wire is made the same for both: no offloads (so each packet is one segment of 1,448 bytes, and is looked at by itself), CUBIC in
the kernels, a queue at the kernel's end, the same program that loses packets in the middle. The program at the near end is the same, both
ends check every byte, and both have buffers of 4 MB (the kernel's own bound). Each end has a core of its own, as two machines
would have: its programs, and (by RPS) what its kernel does with packets that come, which on a veth is otherwise done by who sends
them. The kernel at the far end is measured in two places:

    direct     on the wire itself. A program for XDP that only passes packets on is there, since AF_XDP has one: it makes veth hand over
               packets by its ring of 256 and copy them. What still differs is sending: AF_XDP sends packet by packet, by a copy and
               a system call for 32, where the kernel cuts 64 KB behind its TCP.
    behind     behind a program that passes packets between the wire and another one, by AF_XDP on both: so that the kernel's packets
               leave by AF_XDP, as those of dp/tcp do. It has the work of two wires.

With losses the rate is little else than the number of timeouts: the receiver acknowledges a window of a dozen segments by one or two
packets, and where the one is lost that ends a recovery, the sender waits 200 ms, in which it would have sent 50 MB. 10 MB of the kernel's
with 1 % lost take 0 to 3 of them, which is 42 to 600 ms; only sizes with dozens compare. So they are told beside the rates.
"""
import fcntl
import os
import socket
import statistics
import subprocess
import sys
import termios
import time

from bed import ADDRESSES, HERE, MACS, Bed, check_content, content, expect, run, within

PIECE = 1 << 20


PASS = ["dpdk-testpmd", "--lcores", "0@0,1@0", "--in-memory", "--no-pci", "--no-telemetry", "--log-level=4", "-m", "256",
        "--vdev", "net_af_xdp0,iface=wire", "--vdev", "net_af_xdp1,iface=outer", "--", "-a", "--nb-cores=1", "--forward-mode=io",
        "--rxd=2048", "--txd=2048", "--total-num-mbufs=32767", "--stats-period", "1000"]
OURS, DIRECT, BEHIND = "ours", "direct", "behind"
FAR, NEAR = 0, 1  # cores


class Wire(Bed):
    """far: which of the three is at the far end."""

    def __init__(self, per_mille, far, *options):
        super().__init__("--window", "4194304", *options, kernel_twice=far == DIRECT)
        self.per_mille, self.far, self.helpers = per_mille, far, []
        self.cores = os.sched_getaffinity(0)

    def build(self):
        super().build()
        linux, peer = self.names["linux"], self.names["peer"]
        self.own_core(linux, NEAR)
        if self.far == DIRECT:
            self.own_core(peer, FAR)
        run("ip", "netns", "exec", linux, "tc", "qdisc", "replace", "dev", "wire", "root", "pfifo", "limit", "1000")
        if self.far == DIRECT:
            run("ip", "-n", peer, "link", "set", "dev", "wire", "xdpdrv", "obj", self.bpf(), "sec", "xdp")
            run("ip", "netns", "exec", peer, "ethtool", "-K", "wire", "gro", "off")

    def own_core(self, namespace, core):
        """What comes to the namespace's end of the wire is seen to there."""
        if {FAR, NEAR} <= self.cores:
            run("ip", "netns", "exec", namespace, "sh", "-c", f"echo {1 << core} > /sys/class/net/wire/queues/rx-0/rps_cpus")

    def behind(self):
        """Another wire, to the kernel in the same namespace, and what joins the two."""
        peer = self.names["peer"]
        run("ip", "-n", peer, "link", "add", "outer", "type", "veth", "peer", "name", "inner")
        run("ip", "-n", peer, "link", "set", "inner", "address", MACS["peer"])
        for name in ("outer", "inner"):
            run("ip", "netns", "exec", peer, "ethtool", "-K", name, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
            run("ip", "-n", peer, "link", "set", name, "up")
        run("ip", "-n", peer, "addr", "add", f"{ADDRESSES['peer'][4]}/24", "dev", "inner")
        run("ip", "-n", peer, "neigh", "replace", ADDRESSES["linux"][4], "lladdr", MACS["linux"], "dev", "inner", "nud", "permanent")
        self.helper(PASS)

    def start(self):
        """What is at the far end."""
        if self.far == OURS:
            super().start()
            return
        if self.far == BEHIND:
            self.behind()
        process = self.helper([sys.executable, f"{HERE}/kernel_peer.py", ADDRESSES["peer"][4]])
        expect(process.stdout.readline() == "ready\n", "kernel_peer.py does not start")
        within(20, lambda: self.run("ping", "-c1", "-W1", ADDRESSES["peer"][4], check=False).returncode == 0, "nothing passes the wire")

    def helper(self, command):
        pinned = ["taskset", "-c", str(FAR)] if FAR in self.cores else []
        process = subprocess.Popen(["ip", "netns", "exec", self.names["peer"], *pinned, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        self.helpers.append(process)
        return process

    def __enter__(self):
        super().__enter__()
        if self.far == DIRECT:
            self.start()
        if {FAR, NEAR} <= self.cores:
            os.sched_setaffinity(0, {NEAR})
        return self

    def __exit__(self, *error):
        for process in self.helpers:
            process.kill()
            process.communicate()
        os.sched_setaffinity(0, self.cores)
        super().__exit__(*error)


def download(bed, size, patience=None):
    """Bytes and seconds until all has come, and is right. patience: it is given up then."""
    with bed.connect("source") as sock:
        sock.settimeout(60)
        begin, count, took = time.monotonic(), 0, 0
        sock.sendall(f"{size}\n".encode())
        while data := sock.recv(PIECE):
            check_content(data, count)
            count += len(data)
            took = time.monotonic() - begin
            if patience and took > patience:
                return count, took
    expect(count == size, f"{count} bytes of {size}")
    return count, took


def waiting(sock):
    """Bytes that the far end has not acknowledged."""
    answer = fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4)
    return int.from_bytes(answer, sys.byteorder)


def upload(bed, size, patience=None):
    """Bytes and seconds until the far end has said that all was right. patience: it is given up then."""
    with bed.connect("sink") as sock:
        sock.settimeout(60)
        begin = time.monotonic()
        for at in range(0, size, PIECE):
            sock.sendall(content(min(PIECE, size - at), at))
            took = time.monotonic() - begin
            if patience and took > patience:
                return min(size, at + PIECE) - waiting(sock), took
        sock.shutdown(socket.SHUT_WR)
        answer = sock.makefile("r").readline()
        took = time.monotonic() - begin
    expect(answer == f"{size}\n", f"the sink says {answer!r} of {size}")
    return size, took


def kernel_timeouts(bed, side):
    """Retransmission timeouts of a kernel."""
    told = bed.run("nstat", "-asz", "TcpExtTCPTimeouts", side=side).stdout
    return int(told.splitlines()[1].split()[1])


def measure(way, size, per_mille, far, options=(), patience=None):
    """Mb/s, and what tcp-peer says of itself; `timeouts`: the sender's, whoever that is. patience: of a kernel's transfer, whose rate
    is that of the seconds so far then."""
    with Wire(per_mille, far, *options) as bed:
        count, took = way(bed, size, None if far == OURS else patience)
        rate = count * 8e-6 / took
        kernel = "linux" if way is upload else "peer"
        timeouts = kernel_timeouts(bed, kernel) if far != OURS or way is upload else None
        report = bed.stop()
        report["gigabytes"] = count / 1e9
        report["timeouts"] = report["rto"] if timeouts is None else timeouts
    expect(far != OURS or (report["sound"] and not report["over_cwnd"] and not report["bad_checksum"]), f"{report}")
    return rate, report


class Nothing:
    """The bed of tests whose measurements make their own."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def stop(self):
        pass


class Compared:
    """What ran in turns: median rates, Mb/s, timeouts of all rounds, and the median of each round's ratio to the kernel at `far`."""

    def __init__(self, fars):
        self.rates = {far: [] for far in (OURS, *fars)}
        self.timeouts = dict.fromkeys(self.rates, 0)
        self.gigabytes = dict.fromkeys(self.rates, 0)  # a kernel may have been given up

    def ratio(self, far):
        return statistics.median(a / b for a, b in zip(self.rates[OURS], self.rates[far]))

    def told(self):
        def one(far):
            return f"{statistics.median(self.rates[far]):.0f} Mb/s ({self.timeouts[far] / self.gigabytes[far]:.0f} timeouts a GB)"
        return ", ".join([one(OURS)] + [f"kernel {far} {one(far)}: {self.ratio(far):.2f}" for far in self.rates if far != OURS])


def compare(way, size, per_mille, rounds, fars=(DIRECT,), patience=None):
    """Of dp/tcp and the kernel at each of fars."""
    compared = Compared(fars)
    for _ in range(rounds):
        for far, each in compared.rates.items():
            rate, report = measure(way, size, per_mille, far, patience=patience)
            each.append(rate)
            compared.timeouts[far] += report["timeouts"]
            compared.gigabytes[far] += report["gigabytes"]
    return compared
