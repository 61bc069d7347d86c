# SPDX-License-Identifier: Apache-2.0
"""Whole-program cases: packet files go into penstockd's ports, packet files come out.

A case is a function with the decorator @case(...): it returns a Case, which says what comes in and what must leave. Each case
has a penstockd of its own, with two ports over packet files: port 0 ("wan", clients) and port 1 ("lan", backends).
Expected frames are made by Scapy, with every checksum computed anew, so they do not depend on the program under test.
"""
import json
import os
import signal
import subprocess
import tempfile
import time

from scapy.all import Ether, raw, rdpcap, wrpcap  # pylint: disable=no-name-in-module

PENSTOCKD = os.environ.get("PENSTOCKD", "build/penstockd")
PENSTOCK = os.environ.get("PENSTOCK", "build/penstock")
DEADLINE = float(os.environ.get("CASE_SECONDS", "20"))

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
dataplane: {{ workers = [ {workers} ]; control = 0; share_cores = true; hugepages = false; memory = "256M";
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
    """The text of a configuration; {dir} is filled in when the case runs."""
    return BASE.format(pools=", ".join(pools), services=", ".join(services), workers=workers, connections=connections,
                       wan_mtu=wan_mtu, lan_mtu=lan_mtu, wan_extra=wan_extra, lan_extra=lan_extra,
                       neighbours=neighbours, dir="{dir}")


class Case:
    """wan_in and lan_in: frames (bytes or Scapy) in order of arrival, at most 64 on wan if lan has any: those of the wan are then all
    received first. wan_out and lan_out: exactly what must leave, in order; None: not looked at. drops: {reason: count}, exactly.
    check: a function (wan frames, lan frames) that returns an error text or None, for what cannot be known beforehand."""

    def __init__(self, config, wan_in=(), lan_in=(), wan_out=(), lan_out=(), drops=None, check=None, ordered=True):
        self.config = config
        self.inputs = [[raw(f) for f in wan_in], [raw(f) for f in lan_in]]
        self.outputs = [wan_out, lan_out]
        self.drops = drops or {}
        self.check = check
        self.ordered = ordered


CASES = []


def case(name):
    def register(function):
        CASES.append((name, function))
        return function
    return register


def show(socket, what):
    done = subprocess.run([PENSTOCK, "--socket", socket, "show", what, "--json"], capture_output=True, timeout=10,
                          check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def settled(socket, case_):
    """True when every input frame was received and nothing changes any more."""
    last = None
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        now = show(socket, "interfaces"), show(socket, "drops"), show(socket, "workers")
        rx = [i["rx_packets"] for i in now[0]] if now[0] else None
        if rx == [len(f) for f in case_.inputs] and now == last:
            return True
        last = now
        time.sleep(0.02)
    return False


def describe(frame):
    packet = Ether(frame)
    return f"{packet.summary()}\n      {frame.hex()}"


def compare(port, got, want, ordered):
    want = [raw(f) for f in want]
    if not ordered:
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
    return "\n".join(lines)


def judge(case_, outputs, drops):
    """All that is wrong with what came out."""
    errors = []
    for port in (0, 1):
        if case_.outputs[port] is not None:
            errors.append(compare(port, outputs[port], case_.outputs[port], case_.ordered))
    if case_.check:
        errors.append(case_.check(outputs[0], outputs[1]))
    if drops != case_.drops:
        errors.append(f"drops: got {drops}, want {case_.drops}")
    return [e for e in errors if e]


def run(case_):
    """Run one case; returns a list of errors."""
    with tempfile.TemporaryDirectory(prefix="penstock-packets-") as where:
        for port in (0, 1):
            wrpcap(f"{where}/in{port}.pcap", case_.inputs[port], linktype=1)
        with open(f"{where}/penstock.conf", "w", encoding="utf-8") as out:
            out.write(case_.config.replace("{dir}", where))
        socket = f"{where}/socket"
        with open(f"{where}/log", "wb") as log:
            daemon = subprocess.Popen([PENSTOCKD, "--config", f"{where}/penstock.conf", "--socket", socket, "--foreground"],
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            errors = observe(case_, daemon, socket, where)
        finally:
            if daemon.poll() is None:
                daemon.kill()
            daemon.wait()
        return errors


def observe(case_, daemon, socket, where):
    def log_text():
        with open(f"{where}/log", encoding="utf-8", errors="replace") as text:
            return text.read()[-4000:]

    end = time.monotonic() + DEADLINE
    while "penstockd: ready" not in log_text():
        if daemon.poll() is not None or time.monotonic() > end:
            return ["penstockd did not become ready:\n" + log_text()]
        time.sleep(0.02)
    quiet = settled(socket, case_)
    drops = {d["reason"]: d["count"] for d in show(socket, "drops") or [] if d["count"]}
    daemon.send_signal(signal.SIGTERM)
    try:
        code = daemon.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        return ["penstockd did not stop on SIGTERM:\n" + log_text()]
    outputs = [[raw(p) for p in rdpcap(f"{where}/out{port}.pcap")] for port in (0, 1)]
    errors = judge(case_, outputs, drops)
    if not quiet:
        errors.append("not all frames were received in time")
    if code != 0:
        errors.append(f"penstockd ended with {code}")
    if errors:
        errors.append("log:\n" + log_text())
    return errors
