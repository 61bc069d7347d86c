# SPDX-License-Identifier: Apache-2.0
"""Listeners: what becomes of their sessions when a backend is drained, disabled or fails, when a client may begin no more, when no source
towards the backends is left; an address prefix; every form of the PROXY header; what /metrics has of the TCP inside."""
import re
import time

import configs
from bed import Bed, expect, for_families, group, wait_until
from tests_changes import result_of
from tests_proxy import address, in_client
from topology import CLIENT4, CLIENT6

HEALTH = 'health = { check = "tcp"; port = 8080; interval = "300ms"; timeout = "200ms"; rise = 2; fall = 2; }; '
LIMIT = 'limits = { client = { new_connections = "5/s"; burst = "1s"; }; }; '
TOLD = 'accept_proxy_protocol = true; proxy_protocol = "v1"; '
SOURCES, FEW = '"10.2.0.64/26", "2001:db8:2::100/120"', '"10.2.0.64/32", "2001:db8:2::100/128"'
PORTS = 32  # that are left when the kernel has all from there on


def objects(backends, weights=None):
    pools, each = [], []
    for family in (4, 6):
        pools += [configs.pool(f"line-{family}", backends, 9000, family, weights, HEALTH), configs.pool(f"told-{family}", [1], 8081, family)]
        prefix = "203.0.113.96/28" if family == 4 else "2001:db8:f::60/124"
        each += [configs.listener(f"line-{family}", address(60, family), 9000, f"line-{family}", 'balance = "least-connections"; '),
                 configs.listener(f"rate-{family}", address(61, family), 9000, f"line-{family}", LIMIT),
                 configs.listener(f"told-{family}", address(62, family), 80, f"told-{family}", TOLD),
                 configs.listener(f"many-{family}", prefix, 80, f"told-{family}", 'proxy_protocol = "v1"; ')]
    return configs.objects(pools, [], each) + 'admin = { listen = "127.0.0.1:9471"; };\n'


stand = group("listeners' backends", lambda: Bed(objects=objects))
tests = for_families("listener", (stand,))


def own(family):
    return CLIENT4 if family == 4 else CLIENT6


def name_of(number, family):
    return f"line-{family}/" + (f"10.2.0.{10 + number}" if family == 4 else f"[2001:db8:2::{10 + number}]") + ":9000"


def state_of(bed, number, family):
    wanted = name_of(number, family).split("/")[1].rpartition(":")[0].strip("[]")
    return next(b["state"] for b in bed.show("backends") if b["pool"] == f"line-{family}" and b["address"] == wanted)


def served(process):
    """Who served each connection; none may have broken."""
    held = result_of(process)
    expect(all(error is None for _, _, _, error in held), f"{held}")
    return [server for _, server, _, _ in held]


def taken_out(bed, family, out, back):
    """What b1 has goes on when out() has taken it out; the others get what is new, and b1 again after back()."""
    expect(wait_until(lambda: all(state_of(bed, n, family) == "up" for n in (1, 2, 3))), "not all are up")
    before = bed.start_peer("hold", address(60, family), 6, 4)
    out()
    new = served(bed.start_peer("hold", address(60, family), 6, 1))
    expect(set(new) == {"b2", "b3"}, f"with b1 out {new} served")
    old = served(before)
    expect(set(old) == {"b1", "b2", "b3"}, f"before {old} served")
    back()
    expect(wait_until(lambda: state_of(bed, 1, family) == "up"), "b1 does not come back")
    new = served(bed.start_peer("hold", address(60, family), 6, 1))
    expect(set(new) == {"b1", "b2", "b3"}, f"with b1 back {new} served")


@tests("a backend is drained")
def drained(bed, family):
    taken_out(bed, family, lambda: bed.penstock("drain", name_of(1, family)), lambda: bed.penstock("enable", name_of(1, family)))


@tests("a backend is disabled")
def disabled(bed, family):
    taken_out(bed, family, lambda: bed.penstock("disable", name_of(1, family)), lambda: bed.penstock("enable", name_of(1, family)))


@tests("a backend fails its health check")
def down(bed, family):
    def fail():
        bed.lab.stop_nginx(1)
        expect(wait_until(lambda: state_of(bed, 1, family) == "down"), "b1 is not found to be down")
    taken_out(bed, family, fail, lambda: bed.lab.nginx(1))


@tests("a client's new connections are limited")
def rate(bed, family):
    begun = int(bed.peer("open", address(61, family), 9000, 30, own(family)))
    expect(5 <= begun <= 5 + 5 * 3, f"{begun} of 30 connections were begun, of 5/s with a burst of one second")
    drops = bed.service(f"rate-{family}")["drops"]
    expect(drops.get("client-new-connections", 0) >= 30 - begun, f"{drops}")


@tests("no source is left")
def sources(bed, family):
    """New connections are refused and counted, those that are there go on; explain foretells it."""
    where = f"{address(60, family) if family == 4 else f'[{address(60, family)}]'}:9000"
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as text:
        usual = text.read()
    bed.lab.write(bed.lab.edge, "net/ipv4/ip_local_port_range", f"{1024 + PORTS} 65535")
    try:
        bed.apply(bed.config([1]).replace(SOURCES, FEW))
        held = bed.start_peer("hold", address(60, family), PORTS, 5)
        before = bed.service(f"line-{family}")["drops"].get("source-port-exhausted", 0)
        begun = int(bed.peer("open", address(60, family), 9000, 5, own(family)))
        drops = bed.service(f"line-{family}")["drops"].get("source-port-exhausted", 0)
        told = bed.penstock("explain", "--protocol", "tcp", "--client", f"{CLIENT4}:1" if family == 4 else f"[{CLIENT6}]:1", "--service",
                            where).stdout
        expect((begun, drops) == (0, before + 5), f"{begun} connections more, and {drops - before} drops")
        expect("source-port-exhausted" in told, told)
        expect(set(served(held)) == {"b1"}, "others served")
        time.sleep(1.5)  # a source rests for a second
        expect(served(bed.start_peer("hold", address(60, family), 2, 1)) == ["b1", "b1"], "no source comes back")
    finally:
        bed.lab.write(bed.lab.edge, "net/ipv4/ip_local_port_range", usual)
        bed.apply(bed.config(bed.lab.backends))


@tests("an address prefix")
def prefix(bed, family):
    for last in ("96", "103", "111") if family == 4 else ("60", "67", "6f"):
        addr, _, server, port = bed.curl(address(last, family)).split()
        expect((addr, server, port) == (own(family), address(last, family), "80"), f"the backend was told {addr}, {server}:{port}")


def v2(command, family, body):
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, family]) + len(body).to_bytes(2, "big") + body


FOUR, SIX = bytes([192, 0, 2, 7, 192, 0, 2, 8, 0, 7, 0, 8]), b"\x20\1\r\xb8".ljust(15, b"\0") + b"\7" + b"\x20\1\r\xb8".ljust(15, b"\0") + b"\x08\0\7\0\x08"
TLVS = b"\x04\0\x03abc" + b"\x02\0\x0cshop.example" + b"\xea\0\0"
OWN = None  # the connection's ends count
FORMS = {
    "v2 TCP4": (v2(1, 0x11, FOUR), "192.0.2.7"), "v2 TCP6": (v2(1, 0x21, SIX), "2001:db8::7"),
    "v2 TCP4 with TLVs": (v2(1, 0x11, FOUR + TLVS), "192.0.2.7"), "v2 TCP6 with TLVs": (v2(1, 0x21, SIX + TLVS * 20), "2001:db8::7"),
    "v2 LOCAL": (v2(0, 0, b""), OWN), "v2 LOCAL with addresses": (v2(0, 0x11, FOUR), OWN), "v2 UNIX": (v2(1, 0x31, bytes(216)), OWN),
    "v2 UDP4": (v2(1, 0x12, FOUR), OWN), "v2 UNSPEC": (v2(1, 0, TLVS), OWN), "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", OWN),
    "v1 UNKNOWN and more": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", OWN), "v1 TCP6": (b"PROXY TCP6 2001:db8::7 2001:db8::8 7 8\r\n", "2001:db8::7"),
}
MALFORMED = {
    "v1 without ports": b"PROXY TCP4 192.0.2.7 192.0.2.8\r\n", "v1 of another family": b"PROXY TCP6 192.0.2.7 192.0.2.8 7 8\r\n",
    "v1 port": b"PROXY TCP4 192.0.2.7 192.0.2.8 70000 8\r\n", "v1 line": b"PROXY TCP4 " + b"1" * 120, "v1 protocol": b"PROXY UDP4 192.0.2.7 192.0.2.8 7 8\r\n",
    "v2 command": v2(2, 0x11, FOUR), "v2 version": v2(1, 0x11, FOUR).replace(b"\x21", b"\x31", 1), "v2 short": v2(1, 0x11, FOUR[:8]),
    "v2 long": v2(1, 0x11, FOUR + bytes(5000)), "v2 family": v2(1, 0x41, FOUR),
}


def ask(bed, family, header):
    """What the backend was told, or `reset`."""
    return in_client(bed, "import socket", f"s = socket.create_connection(('{address(62, family)}', 80), 5)", "s.settimeout(8)", "text = b''",
                     f"s.sendall({header!r} + b'GET / HTTP/1.0\\r\\n\\r\\n')", "try:", " while got := s.recv(1000): text += got",
                     "except ConnectionResetError: text = b'reset'", "print(text.decode().split('\\r\\n\\r\\n')[-1])").split()


@tests("PROXY headers of every form")
def forms(bed, family):
    for name, (header, told) in FORMS.items():
        said = ask(bed, family, header)
        expect(said and said[0] == (told or own(family)), f"{name}: the backend was told {said}")
        expect(not told or said[1:] == ["7", "192.0.2.8" if "." in told else "2001:db8::8", "8"], f"{name}: {said}")


@tests("PROXY headers that are none")
def malformed(bed, family):
    before = sum(row["headers_bad"] for row in bed.show("tcp"))
    for name, header in MALFORMED.items():
        said = ask(bed, family, header)
        expect(said == ["reset"], f"{name}: {said}")
    expect(sum(row["headers_bad"] for row in bed.show("tcp")) == before + len(MALFORMED), "headers_bad")


def metrics(bed):
    """{name: value} of penstock_tcp_*, all workers together."""
    text = bed.lab.run(bed.lab.edge, "curl", "-s", "-f", "http://127.0.0.1:9471/metrics").stdout
    sums = {}
    for name, value in re.findall(r"^penstock_tcp_(\w+)\{[^}]*\} (\d+)$", text, re.M):
        sums[name] = sums.get(name, 0) + int(value)
    return sums


@tests("its TCP in /metrics", families=(4,))
def counted(bed, family):
    before = metrics(bed)
    for _ in range(3):
        bed.curl(address(96, family))
    expect(wait_until(lambda: metrics(bed)["closed_total"] >= before["closed_total"] + 6, 5), f"{before}, then {metrics(bed)}")
    after = metrics(bed)
    for name, least in (("accepted", 3), ("connected", 3), ("segments_in", 20), ("segments_out", 20), ("bytes_in", 300), ("bytes_out", 300)):
        expect(after[f"{name}_total"] >= before[f"{name}_total"] + least, f"{name}: {before[f'{name}_total']}, then {after[f'{name}_total']}")
    shown = {name: sum(row[name] for row in bed.show("tcp")) for name in ("accepted", "segments_in", "retransmits")}
    expect(all(metrics(bed)[f"{name}_total"] >= count for name, count in shown.items()), f"{shown}, {metrics(bed)}")
