# SPDX-License-Identifier: Apache-2.0
"""HTTP listeners: what single settings do, end to end: Via, the normal form of paths, PROXY headers of both versions, expressions that take
too long, records to a socket."""
import json
import os
import socket
import struct

import configs
import inside
from bed import Bed, expect, for_families, group, wait_until
from http_bed import FAMILIES, address
from tests_http import BACKEND, HTTP
from topology import CLIENT4, CLIENT6

UDP = 5140
PROXIED = 8081  # nginx there wants a PROXY header, and says what it was told
SLOW_PATH = "/regex/" + "a" * 60 + "!"
# Without an end that the expression allows: 2^60 ways to see that.
SLOW_ROUTE = 'routes = ( { name = "slow"; match = { path_regex = "^/regex/(a|aa|aaa)+$"; }; respond = { status = 204; }; }, '
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"


def objects(backends, weights=None):
    pools, each = [], []
    for family in FAMILIES:
        pools.append(configs.pool(f"http-{family}", backends, HTTP, family, weights))
        pools.append(configs.pool(f"proxied-{family}", backends, PROXIED, family))

        def add(name, last, pool, extra, family=family):
            each.append(configs.listener(f"{name}-{family}", address(last, family), 80, pool and f"{pool}-{family}", extra, "http"))
        add("via", 86, "http", 'http = { via = "edge-1"; }; ')
        add("apart", 87, "http", "http = { merge_slashes = false; escaped_slash = true; }; ")
        add("v2-v1", 88, "proxied", 'accept_proxy_protocol = true; proxy_protocol = "v1"; ')
        add("v2", 89, "http", "accept_proxy_protocol = true; ")
        add("slow", 90, None, SLOW_ROUTE + f'{{ name = "rest"; pools = ( {{ pool = "http-{family}"; }} ); }} ); ')
    return configs.objects(pools, [], each)


class SettingsBed(Bed):
    def __init__(self):
        super().__init__(workers="0, 1", objects=objects)

    def servers(self, number):
        super().servers(number)
        self.lab.start(self.lab.backend_name(number), "/usr/bin/python3", *BACKEND, f"b{number}", str(HTTP), log=f"http-{number}.log")

    def wire(self, family, last):
        return inside.connect(self.lab.client, address(last, family), 80)

    def count(self, name):
        return sum(row[name] for row in self.show("http"))


stand = group("http settings", SettingsBed)


tests = for_families("http setting", (stand,))


def fields_of(answer):
    return {name.lower(): value for name, value in json.loads(answer.body)["headers"]}


@tests("via")
def via(bed, family):
    with bed.wire(family, 86) as wire:
        answer = wire.ask("/echo")
        expect(fields_of(answer)["via"] == "1.1 edge-1" and answer.fields["via"] == "1.1 edge-1", f"{answer}")
        wire.send(b"GET /echo HTTP/1.0\r\nHost: x\r\nVia: 1.1 outer\r\n\r\n")
        answer = wire.answer()
        seen = [value for name, value in json.loads(answer.body)["headers"] if name.lower() == "via"]
        expect(seen == ["1.1 outer", "1.0 edge-1"], f"{seen}")
    with bed.wire(family, 87) as wire:
        answer = wire.ask("/echo")
        expect("via" not in answer.fields and "via" not in fields_of(answer), f"{answer}")


@tests("merge_slashes and escaped_slash")
def slashes(bed, family):
    for last, path, want in ((86, "//a///b//", "/a/b/"), (86, "/a/%2e%2E//c", "/c"), (87, "/a///b//", "/a///b//"), (87, "/a//../c", "/a/c"),
                             (87, "/a%2fb", "/a%2Fb")):
        with bed.wire(family, last) as wire:
            told = json.loads(wire.ask(path).body)
            expect(told["target"] == want, f"{path} at {last}: {told['target']}")
    before = sum(row["bad_requests"].get("path-slash", 0) for row in bed.show("http"))
    with bed.wire(family, 86) as wire:
        answer = wire.ask("/a%2fb")
        expect(" 400 " in answer.first, f"{answer}")
    expect(sum(row["bad_requests"].get("path-slash", 0) for row in bed.show("http")) == before + 1, "not counted")


def header(family, client, port, more=b""):
    """Version 2, of a connection from there to the listener's port 80 of somebody else."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    to = "192.0.2.80" if family == 4 else "2001:db8:80::80"
    ends = socket.inet_pton(kind, client) + socket.inet_pton(kind, to) + struct.pack(">HH", port, 80) + more
    return PROXY_V2 + struct.pack(">BBH", 0x21, 0x11 if family == 4 else 0x21, len(ends)) + ends


@tests("PROXY headers of version 2 come, of version 1 go")
def proxy(bed, family):
    client = "192.0.2.7" if family == 4 else "2001:db8:7::7"
    for more in (b"", b"\x04\x00\x03abc"):  # with a TLV, too
        with bed.wire(family, 88) as wire:
            wire.send(header(family, client, 4711, more))
            said = [wire.ask("/").body.decode().split()[:2] for _ in range(2)]
            expect(said == [[client, "4711"]] * 2, f"{said}")
        with bed.wire(family, 89) as wire:
            wire.send(header(family, client, 4711, more))
            expect(fields_of(wire.ask("/echo"))["x-forwarded-for"] == client, "not the client of the header")
            wire.send(b"GET /echo HTTP/1.0\r\n\r\n")  # without Host: whom the header names
            expect(fields_of(wire.answer())["host"] == ("192.0.2.80" if family == 4 else "[2001:db8:80::80]"), "not the header's address")
    with bed.wire(family, 88) as wire:  # of the connection itself
        wire.send(PROXY_V2 + b"\x20\x00\0\0")
        expect(wire.ask("/").body.decode().split()[0] == (CLIENT4 if family == 4 else CLIENT6), "LOCAL is somebody else")
    before = bed.count("headers_bad")
    for bad in (PROXY_V2 + b"\x31\x11\0\0", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", header(family, client, 1)[:20]):
        with bed.wire(family, 88) as wire:
            wire.send(bad)
            wire.half_close()
            expect(wire.rest()[0] == b"", f"{bad}: an answer")
    expect(wait_until(lambda: bed.count("headers_bad") == before + 3), f"{bed.count('headers_bad') - before} of 3 counted")


@tests("an expression that takes too long")
def expression(bed, family):
    before = bed.count("regex_limited")
    with bed.wire(family, 90) as wire:
        expect(" 204 " in wire.ask("/regex/aaaa").first, "the expression does not match")
        answer = wire.ask("/regex/aaaa!")
        expect(" 200 " in answer.first, f"{answer}")
        for _ in range(3):
            answer = wire.ask(SLOW_PATH)
            expect(" 503 " in answer.first, f"{answer}")
        expect(" 204 " in wire.ask("/regex/aaaa").first, "nothing goes on")
    expect(bed.count("regex_limited") == before + 3, f"{bed.count('regex_limited') - before} of 3 counted")


# ---- records to a socket ---------------------------------------------------------------------------
def read_records(reader, count):
    """So many datagrams, each one record; fewer if no more come."""
    reader.settimeout(5)
    found = []
    try:
        while len(found) < count:
            found.append(json.loads(reader.recv(65536)))
    except TimeoutError:
        pass
    return found


def to_socket(bed, family, where, reader):
    bed.apply(bed.config(bed.lab.backends) + f'\nrecords = {{ socket = "{where}"; }};\n')
    try:
        with bed.wire(family, 86) as wire:
            for i in range(50):
                expect(" 200 " in wire.ask(f"/echo?{family}-{i}").first, "no answer")
            wire.ask("/status/503?last")
        records = read_records(reader, 51)
        paths = [record["path"] for record in records]
        expect(paths == [f"/echo?{family}-{i}" for i in range(50)] + ["/status/503?last"], f"{len(paths)}: {paths[-3:]}")
        client = CLIENT4 if family == 4 else CLIENT6
        expect(all(r["client"] == client and r["service_name"] == f"via-{family}" for r in records), f"{records[0]}")
        expect([r["status"] for r in records] == [200] * 50 + [503], f"{records[-1]}")
    finally:
        reader.close()
        bed.apply(bed.config(bed.lab.backends))


@tests("records to UDP")
def records_udp(bed, family):
    where = "127.0.0.1" if family == 4 else "::1"

    def make():
        sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        sock.bind((where, UDP))
        return sock
    to_socket(bed, family, f"{where if family == 4 else '[::1]'}:{UDP}", inside.within(bed.lab.edge, make))


@tests("records to a UNIX socket")
def records_unix(bed, family):
    path = f"{bed.lab.where}/records-{family}.sock"
    reader = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    reader.bind(path)
    try:
        to_socket(bed, family, path, reader)
    finally:
        os.unlink(path)
