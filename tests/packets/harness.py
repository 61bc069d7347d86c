# SPDX-License-Identifier: Apache-2.0
"""Whole-program cases: packet files go into penstockd's ports, packet files come out.

A case is a function with the decorator @case(...): it returns a Case, which says what comes in and what must leave. Each case
has a penstockd of its own, with two ports over packet files: port 0 ("wan", clients) and port 1 ("lan", backends).
Expected frames are made by Scapy, with every checksum computed anew, so they do not depend on the program under test.
"""
import itertools
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time

import hugepages
import kept
from scapy.all import Ether, raw  # pylint: disable=no-name-in-module

PENSTOCKD = os.environ.get("PENSTOCKD", "build/penstockd")
DEADLINE = float(os.environ.get("CASE_SECONDS", "20"))
# Of one penstockd, and of all programs that may want hugepages meanwhile.
MEMORY_MB, ENOUGH_MB = 256, 1280

# What net_pcap calls its ports, and the neighbours that every configuration knows.
WAN_MAC, LAN_MAC = "02:70:63:61:70:00", "02:70:63:61:70:01"
CLIENT_MAC, ROUTER_MAC = "02:00:00:00:01:09", "02:00:00:00:01:01"
CLIENT4, CLIENT6 = "198.51.100.9", "2001:db8:1::9"
FAR4, FAR6 = "192.0.2.77", "2001:db8:77::77"       # clients behind the router
BACKEND4, BACKEND6 = "10.2.0.11", "2001:db8:2::11"
BACKEND_MAC = "02:00:00:00:02:0b"
OWN_LAN4, OWN_LAN6 = "10.2.0.1", "2001:db8:2::1"
OWN_WAN4, OWN_WAN6 = "198.51.100.2", "2001:db8:1::2"
VIP4, VIP6 = "203.0.113.10", "2001:db8:f::10"

BASE = """
dataplane: {{ workers = [ {workers} ]; control = 0; share_cores = true; hugepages = {{hugepages}};
  memory = "{memory}M";
  connections = {connections}; idle = "sleep"; }};
interfaces = (
  {{ name = "wan"; device = "net_pcap0,rx_pcap={dir}/in0.pcap,tx_pcap={dir}/out0.pcap"; side = "client"; twin = false;
    addresses = [ "198.51.100.2/24", "2001:db8:1::2/64" ]; mtu = {wan_mtu}; {wan_extra} }},
  {{ name = "lan"; device = "net_pcap1,rx_pcap={dir}/in1.pcap,tx_pcap={dir}/out1.pcap"; side = "backend"; twin = false;
    addresses = [ "10.2.0.1/24", "2001:db8:2::1/64" ]; mtu = {lan_mtu}; {lan_extra} }} );
routes = ( {{ to = "default"; via = "198.51.100.1"; }}, {{ to = "default"; via = "2001:db8:1::1"; }} );
neighbours = (
  {{ address = "198.51.100.9"; mac = "02:00:00:00:01:09"; interface = "wan"; }},
  {{ address = "2001:db8:1::9"; mac = "02:00:00:00:01:09"; interface = "wan"; }},
  {{ address = "198.51.100.1"; mac = "02:00:00:00:01:01"; interface = "wan"; }},
  {{ address = "2001:db8:1::1"; mac = "02:00:00:00:01:01"; interface = "wan"; }},
  {neighbours}
  {{ address = "10.2.0.11"; mac = "02:00:00:00:02:0b"; interface = "lan"; }},
  {{ address = "2001:db8:2::11"; mac = "02:00:00:00:02:0b"; interface = "lan"; }} );
pools = ( {pools} );
services = ( {services} );
"""


def pool(name, address, port):
    """A pool of one backend, so that it is clear who gets what."""
    return f'{{ name = "{name}"; backends = ( {{ address = "{address}"; port = {port}; }} ); }}'


def service(name, address, port, protocol, forward, pool_name, extra=""):
    return (f'{{ name = "{name}"; address = "{address}"; port = {port}; protocol = "{protocol}"; '
            f'forward = "{forward}"; pool = "{pool_name}"; {extra} }}')


def config(pools, services, workers="0", connections=4096, wan_mtu=1500, lan_mtu=1500, wan_extra="", lan_extra="",
           neighbours=""):
    """The text of a configuration; {dir} and {hugepages} are filled in when the case runs."""
    return BASE.format(pools=", ".join(pools), services=", ".join(services), workers=workers, connections=connections,
                       wan_mtu=wan_mtu, lan_mtu=lan_mtu, wan_extra=wan_extra, lan_extra=lan_extra,
                       neighbours=neighbours, memory=MEMORY_MB, dir="{dir}")


class Case:
    """wan_in and lan_in: frames (bytes or Scapy) in order of arrival, at most 64 on wan if lan has any: those of the wan are then all
    received first. wan_out and lan_out: exactly what must leave, in order (ordered=False: in any order); None: not looked at.
    drops: {reason: count}, exactly (with all_counted, None: not looked at). all_counted: every frame in has left or was dropped.
    check: a function (wan frames, lan frames) that returns an error text or None, for what cannot be known beforehand.
    known: a function of a frame that left, applied before it is compared: checks it and fixes what cannot be known.
    reply: a function (lan frames that left) that returns the lan's answers; called once as many frames as wan_in has have left.
    reasons: the only ones for which drops may be counted. steered: packets must have changed worker."""

    def __init__(self, config, wan_in=(), lan_in=(), wan_out=(), lan_out=(), drops=None, **more):
        self.config = config
        self.inputs = [[raw(f) for f in wan_in], [raw(f) for f in lan_in]]
        self.outputs = [wan_out, lan_out]
        self.drops = drops
        self.check = self.reply = self.known = self.reasons = None
        self.ordered, self.steered, self.all_counted = True, False, False
        for name, value in more.items():
            if name not in self.__dict__:
                raise TypeError(name)
            setattr(self, name, value)


CASES = []
TURNS = itertools.count()


def case(name):
    def register(function):
        CASES.append((name, function))
        return function
    return register


def read_pcap(path):
    """The whole frames in a file that may still grow."""
    with open(path, "rb") as file:
        data = file.read()
    frames, at = [], 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        if at + 16 + length > len(data):
            break
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return frames


def pcap_bytes(frames, header=True):
    out = [struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)] if header else []
    for frame in frames:
        out += [struct.pack("<IIII", 0, 0, len(frame), len(frame)), frame]
    return b"".join(out)


class Feed:
    """The lan's input as a pipe, for answers to what has left. The driver reads until it has 64 frames, so the worker goes on only
    when as many are there: frames to somebody else's Ethernet address fill up."""

    BURST = 64
    FILLER = b"\x02\xff\xff\xff\xff\xff" + b"\x02\xff\xff\xff\xff\xfe\x08\x00" + b"\0" * 46

    def __init__(self, path):
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDWR)     # a reader of its own, so that opening it blocks nobody
        self.fillers = 0
        os.write(self.fd, pcap_bytes([]))

    def fill(self):
        os.write(self.fd, pcap_bytes([self.FILLER] * self.BURST, header=False))
        self.fillers += self.BURST

    def finish(self, frames=()):
        if self.fd >= 0:
            os.write(self.fd, pcap_bytes(frames, header=False))
            os.close(self.fd)
        self.fd = -1


def answer(case_, feed, where):
    """Let the worker run until the requests have left, then feed the answers to them."""
    end = time.monotonic() + DEADLINE
    left = []
    while len(left) < len(case_.inputs[0]) and time.monotonic() < end:
        feed.fill()
        time.sleep(0.03)
        left = read_pcap(f"{where}/out1.pcap")
    answers = [raw(f) for f in case_.reply(left)] if len(left) == len(case_.inputs[0]) else []
    feed.finish(answers)
    case_.inputs[1] = [feed.FILLER] * feed.fillers + answers


def show(path, what):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.settimeout(DEADLINE)
        asked.connect(path)
        asked.sendall(json.dumps({"command": "show", "object": what}).encode() + b"\n")
        return json.loads(asked.makefile("rb").readline()).get("result")


def reasons(drops):
    return {d["reason"]: d["count"] for d in drops or [] if d["count"]}


def accounted(now):
    """True when every frame that came in has left or was dropped."""
    ports = now["interfaces"]
    return sum(i["rx_packets"] - i["tx_packets"] for i in ports) == sum(reasons(now["drops"]).values())


def settled(path, case_, want):
    """Wait until every input frame was received, the drops are those wanted and nothing changes any more. Counters that stay wrong
    get a second and a half (what waits for something waits no longer). Returns what was shown last."""
    last, same_since = None, time.monotonic()
    end = same_since + DEADLINE
    while time.monotonic() < end:
        now = {what: show(path, what) for what in ("interfaces", "drops", "workers")}
        if now != last:
            last, same_since = now, time.monotonic()
        elif [i["rx_packets"] for i in now["interfaces"] or []] == [len(f) for f in case_.inputs]:
            # Frames may still lie in a ring between workers, one of which has had no core since then.
            quiet = time.monotonic() - same_since
            done = accounted(now) or (want is not None and quiet > 0.3)
            if done and want in (None, reasons(now["drops"])) or quiet > 1.5:
                return now
        time.sleep(0.02)
    return None


def describe(frame):
    packet = Ether(frame)
    return f"{packet.summary()}\n      {frame.hex()}"


def compare(port, got, want, case_):
    want = [raw(f) for f in want]
    try:
        got = [case_.known(f) for f in got] if case_.known else got
    except Exception as wrong:  # pylint: disable=broad-except
        return f"port {port}: {wrong!r}"
    if not case_.ordered:
        got, want = sorted(got), sorted(want)
    if got == want:
        return None
    lines = [f"port {port}: {len(got)} frames left, {len(want)} expected"]
    for i in range(max(len(got), len(want))):
        a = got[i] if i < len(got) else None
        b = want[i] if i < len(want) else None
        if a != b:
            lines.append(f"    [{i}] got  {describe(a) if a is not None else 'nothing'}")
            lines.append(f"    [{i}] want {describe(b) if b is not None else 'nothing'}")
    return "\n".join(lines[:21])


def judge(case_, outputs, drops, want):
    """All that is wrong with what came out."""
    errors = []
    for port in (0, 1):
        if case_.outputs[port] is not None:
            errors.append(compare(port, outputs[port], case_.outputs[port], case_))
    if case_.check:
        errors.append(case_.check(outputs[0], outputs[1]))
    if want is not None and drops != want:
        errors.append(f"drops: got {drops}, want {want}")
    received, left, dropped = sum(map(len, case_.inputs)), sum(map(len, outputs)), sum(drops.values())
    if case_.all_counted and received != left + dropped:
        errors.append(f"{received} frames came in, but {left} left and {dropped} were dropped: {drops}")
    if case_.reasons is not None and set(drops) - set(case_.reasons):
        errors.append(f"drops: got {drops}, but only {case_.reasons} may be")
    return [e for e in errors if e]


def run(case_):
    """Run one case; returns a list of errors."""
    with tempfile.TemporaryDirectory(prefix="penstock-packets-") as where:
        feed = Feed(f"{where}/in1.pcap") if case_.reply else None
        for port in (0,) if feed else (0, 1):
            with open(f"{where}/in{port}.pcap", "wb") as out:
                out.write(pcap_bytes(case_.inputs[port]))
        with open(f"{where}/penstock.conf", "w", encoding="utf-8") as out:
            pages = "true" if hugepages.free_mb() >= ENOUGH_MB else "false"
            text = case_.config.replace("{dir}", where).replace("{hugepages}", pages)
            # Cases run side by side: one worker may be on any core.
            core = next(TURNS) % (os.cpu_count() or 1)
            out.write(text.replace("workers = [ 0 ]; control = 0;", f"workers = [ {core} ]; control = {core};"))
        with open(f"{where}/log", "wb") as log:
            daemon = subprocess.Popen([PENSTOCKD, "--config", f"{where}/penstock.conf", "--socket", f"{where}/socket", "--state", f"{where}/state",
                                       "--foreground"],
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            errors = observe(case_, daemon, where, feed)
        finally:
            if feed:
                feed.finish()
            if daemon.poll() is None:
                daemon.kill()
            daemon.wait()
            kept.forget(where)
        return errors


def observe(case_, daemon, where, feed):
    def log_text():
        with open(f"{where}/log", encoding="utf-8", errors="replace") as text:
            return text.read()[-4000:]

    end = time.monotonic() + DEADLINE
    while "penstockd: ready" not in log_text():
        if daemon.poll() is not None or time.monotonic() > end:
            return ["penstockd did not become ready:\n" + log_text()]
        time.sleep(0.02)
    want = None if case_.drops is None and case_.all_counted else dict(case_.drops or {})
    if feed:
        answer(case_, feed, where)
        want["not-our-mac"] = want.get("not-our-mac", 0) + feed.fillers
    seen = settled(f"{where}/socket", case_, want)
    daemon.send_signal(signal.SIGTERM)
    try:
        code = daemon.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        return ["penstockd did not stop on SIGTERM:\n" + log_text()]
    errors = judge(case_, [read_pcap(f"{where}/out{port}.pcap") for port in (0, 1)], reasons(seen and seen["drops"]), want)
    if not seen:
        errors.append("not all frames were received in time")
    elif case_.steered and not sum(w["steered_in"] for w in seen["workers"]):
        errors.append("no packet changed its worker")
    if code != 0:
        errors.append(f"penstockd ended with {code}")
    if errors:
        errors.append("log:\n" + log_text())
    return errors
