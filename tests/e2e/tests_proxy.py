# SPDX-License-Identifier: Apache-2.0
"""Listeners: connections that end at Penstock and go on to backends. Content both ways, half-close, PROXY headers, backends that refuse,
limits, changes, what is shown."""
import hashlib
import json
import os

import configs
from bed import PEER, PENSTOCK, Bed, expect, for_families, group, wait_until
from tests_changes import MANY4, result_of
from tests_network import IPERF, iperf
from topology import CLIENT4, CLIENT6

SLOTS = 10
HASTY = 9002
UPLOAD = 3000000
IDLE = "idle = \"3s\"; "
LIMIT = f"limits = {{ client = {{ connections = {SLOTS}; }}; }}; "
HEADER = "accept_proxy_protocol = true; "


def address(last, family):
    return f"203.0.113.{last}" if family == 4 else f"2001:db8:f::{last}"


def listeners(backends, weights=None, without=()):
    """For both families: web, lines, uploads; and one of each particular kind."""
    pools, each = [], []

    def add(name, last, family, port, pool_port, extra="", inner=None, only=None):
        pools.append(configs.pool(f"{name}-{family}", only or backends, pool_port, inner or family, None if only else weights))
        each.append(configs.listener(f"{name}-{family}", address(last, family), port, f"{name}-{family}", extra))

    for family in (4, 6):
        add("web", 60, family, 80, 8080)
        add("line", 60, family, 9000, 9000, "balance = \"least-connections\"; ")
        add("upload", 60, family, 9001, 9001)
        add("across", 61, family, 80, 8080, inner=10 - family)
        add("v1", 62, family, 80, 8081, "proxy_protocol = \"v1\"; ")
        add("v2", 63, family, 80, 8081, "proxy_protocol = \"v2\"; ")
        add("iperf", 60, family, IPERF, IPERF, only=[1])
        add("hasty", 60, family, HASTY, HASTY, f"timeouts = {{ {IDLE}}}; ", only=[1])
        add("told", 64, family, 80, 8081, HEADER + "proxy_protocol = \"v2\"; ")
    add("idle", 65, 4, 9000, 9000, f"timeouts = {{ {IDLE}}}; ")
    add("slots", 66, 4, 9000, 9000, LIMIT)
    add("cookies", 67, 4, 80, 8080, "syn_cookies = \"always\"; ")
    add("sticky", 68, 4, 9000, 9000, "hash = \"client\"; ")
    add("some", 69, 4, 80, 8081, HEADER + "proxy_protocol = \"v1\"; trusted_proxies = [ \"192.0.2.0/24\" ]; ")
    service = configs.service("nat", address(10, 4), 80, "tcp", "nat", "web-4")
    kept = [text for text in each if text.split('"')[1] not in without]
    used = {text.split('pool = "')[1].split('"')[0] for text in kept}
    return configs.objects([p for p in pools if p.split('"')[1] in used], [service], kept)


def clients(lab):
    lab.start(lab.backend_name(1), "iperf3", "-s", log="iperf3.log")
    lab.start(lab.backend_name(1), *PEER, "hasty", str(HASTY), log="hasty.log")
    lab.address(lab.client, "eth0", *[a + "/24" for a in MANY4])


one_worker = group("listeners, one worker", lambda: Bed(objects=listeners, prepare=clients))
two_workers = group("listeners, two workers", lambda: Bed(workers="0, 1", objects=listeners, prepare=clients))


def digest(path):
    with open(path, "rb") as content:
        return hashlib.sha256(content.read()).hexdigest()
both_beds = for_families("listener", (one_worker, two_workers))


@both_beds("http")
def http(bed, family):
    before = bed.service(f"web-{family}")
    names = bed.who(address(60, family), 16)
    expect(names <= {"b1", "b2", "b3"} and len(names) > 1, f"answers of {names}")
    expect(wait_until(lambda: bed.service(f"web-{family}")["connections_active"] == 0), "connections that have ended are still there")
    after = bed.service(f"web-{family}")
    expect(after["connections_total"] == before["connections_total"] + 16, f"{after}")
    expect(after["packets_in"] >= before["packets_in"] + 16 * 4 and after["bytes_out"] > before["bytes_out"], f"{after}")


@both_beds("to backends of the other family")
def across(bed, family):
    expect(bed.curl(address(61, family)).strip() in ("b1", "b2", "b3"), "another answer")


@both_beds("download")
def download(bed, family):
    got = bed.lab.where + "/got"
    bed.curl(address(60, family), "/big", "-o", got)
    expect(digest(got) == digest(bed.lab.where + "/www/big"), "the download differs from the original")


@both_beds("upload and half-close")
def upload(bed, family):
    """The server answers when the client has closed its side; it sees an address of ours."""
    server, seen, _, length, got, sent = bed.peer("upload", address(60, family), UPLOAD).split()
    expect(server in ("b1", "b2", "b3"), f"{server} answered")
    expect(int(length) == UPLOAD and got == sent, f"{length} of {UPLOAD} bytes arrived, or other ones")
    expect(seen.startswith("10.2.0." if family == 4 else "2001:db8:2::1"), f"the server sees {seen}")


@both_beds("iperf3")
def iperf3(bed, family):
    for direction in ([], ["-R"]):
        end = iperf(bed, address(60, family), *direction)
        expect(end["sum_received"]["bytes"] > 2e6, f"only {end['sum_received']['bytes']} bytes in 2 s {direction}")


@both_beds("slow readers", families=(4,))
def slow(bed, family):
    """Downloads at some 400 KB/s each: what the client does not read is held back, and all of it comes."""
    size = 800000
    with open(bed.lab.where + "/www/big", "rb") as content:
        wanted = hashlib.sha256(content.read(size)).hexdigest()
    process = bed.start_peer("fetch", address(60, family), 5, size, 2)
    results = result_of(process)
    expect(results == [wanted] * 5, f"{results}")


@both_beds("a backend that answers and closes before it has read all")
def hasty(bed, family):
    """Its RST comes right behind the answer: the client gets the answer all the same, and then a RST, not an orderly end."""
    for more in (100, 100000):
        for _ in range(5):
            said = bed.peer("unread", address(60, family), HASTY, 50, more, 0).split()
            expect(said == ["50", "reset"], f"of 50 bytes, with {more} unread, the client got {said}")
    said = bed.peer("unread", address(60, family), HASTY, 200000, 100, 50).split()
    expect(said == ["200000", "reset"], f"of 200000 bytes a slow client got {said}")


@both_beds("a slow reader is not idle", families=(6,))
def slow_is_not_idle(bed, family):
    """The backend has nothing more to say, and what it has said is taken for longer than the idle time."""
    before = sum(row["idle_timeouts"] for row in bed.show("tcp"))
    said = bed.peer("unread", address(60, family), HASTY, (1 << 31) + 160000, 0, 20).split()
    expect(said == ["160000", "end"], f"of 160000 bytes the client got {said}")
    expect(sum(row["idle_timeouts"] for row in bed.show("tcp")) == before, "the session ended as idle")


@both_beds("PROXY headers to backends")
def headers(bed, family):
    client = CLIENT4 if family == 4 else CLIENT6
    for last in (62, 63):
        addr, port, server, server_port = bed.curl(address(last, family), "/", "--local-port", "41000-41100").split()
        expect(addr == client and 41000 <= int(port) <= 41100, f"the backend was told {addr} {port}")
        expect((server, server_port) == (address(last, family), "80"), f"the backend was told {server} {server_port}")


@both_beds("PROXY headers from clients")
def told(bed, family):
    client = CLIENT4 if family == 4 else CLIENT6
    seen = bed.curl(address(64, family), "/", "--haproxy-protocol").split()
    expect(seen[0] == client, f"the backend was told {seen}")


@both_beds("least connections")
def least(bed, family):
    process = bed.start_peer("hold", address(60, family), 12, 2)
    held = result_of(process)
    expect(all(error is None for _, _, _, error in held), f"{held}")
    served = [server for _, server, _, _ in held]
    most = 4 if bed.workers == "1" else 8
    expect(set(served) == {"b1", "b2", "b3"} and max(map(served.count, served)) <= most, f"who served: {served}")


@both_beds("a backend refuses", families=(4,))
def refuses(bed, family):
    """Who is refused by one backend gets another one, at once."""
    bed.lab.stop_nginx(1)
    try:
        names = [bed.client("curl", "-s", "-S", "-f", "-m", "5", f"http://{address(60, family)}/").strip() for _ in range(20)]
        expect(set(names) == {"b2", "b3"}, f"answers of {names}")
        tcp = bed.show("tcp")
        expect(sum(row["backends_failed"] for row in tcp) > 0, f"nothing was refused: {tcp}")
    finally:
        bed.lab.nginx(1)


def in_client(bed, *lines):
    """Python in the client's namespace; what it prints."""
    return bed.client("/usr/bin/python3", "-c", "\n".join(lines)).strip()


@one_worker
def header_missing(bed):
    """A client that sends no header is not served; one that stops in the middle is waited for, but not forever."""
    before = sum(row["headers_bad"] for row in bed.show("tcp"))
    said = in_client(bed, "import socket", f"s = socket.create_connection(('{address(64, 4)}', 80), 5)", "s.settimeout(8)",
                     "s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')", "try: print(s.recv(100))",
                     "except ConnectionResetError: print('reset')")
    expect(said == "reset", said)
    said = in_client(bed, "import socket", f"s = socket.create_connection(('{address(64, 4)}', 80), 5)", "s.settimeout(8)",
                     "s.sendall(b'PROXY TCP4 ')", "try: print(s.recv(100))", "except ConnectionResetError: print('reset')")
    expect(said == "reset", said)
    expect(sum(row["headers_bad"] for row in bed.show("tcp")) == before + 2, "headers_bad")


@one_worker
def header_in_pieces(bed):
    said = in_client(bed, "import socket, time", f"s = socket.create_connection(('{address(64, 4)}', 80), 5)", "s.settimeout(8)",
                     "for b in b'PROXY TCP4 192.0.2.7 192.0.2.8 7 8\\r\\nGET / HTTP/1.0\\r\\n\\r\\n':",
                     " s.sendall(bytes([b])); time.sleep(.002)", "text = b''", "while True:", " got = s.recv(1000)", " text += got",
                     " if not got: break", "print(text.split()[-4:])")
    expect(said == str([b"192.0.2.7", b"7", b"192.0.2.8", b"8"]), said)


@one_worker
def not_trusted(bed):
    """Who is not among the trusted proxies sends no header, and is the client itself."""
    expect(bed.curl(address(69, 4)).split()[0] == CLIENT4, "another client")


@one_worker
def idle_ends(bed):
    said = in_client(bed, "import socket, time", f"s = socket.create_connection(('{address(65, 4)}', 9000), 5)", "s.settimeout(8)",
                     "s.sendall(b'x\\n')", "s.recv(1000)", "begin = time.monotonic()", "try: s.recv(1000)",
                     "except ConnectionResetError: pass", "print(time.monotonic() - begin)")
    expect(2.5 < float(said) < 6, f"ended after {said} s")


@one_worker
def cookies(bed):
    before = sum(row["syn_cookies_ok"] for row in bed.show("tcp"))
    for _ in range(5):
        bed.curl(address(67, 4))
    expect(sum(row["syn_cookies_ok"] for row in bed.show("tcp")) == before + 5, "connections were not made of cookies")


@one_worker
def sticky(bed):
    """hash = "client": all connections of a client to one backend, of clients to different ones."""
    held = result_of(bed.start_peer("hold", address(68, 4), 30, 1, *MANY4[:10]))
    served = {}
    for source, server, _, error in held:
        expect(error is None, f"{held}")
        served.setdefault(source, set()).add(server)
    expect(all(len(names) == 1 for names in served.values()), f"{served}")
    expect(len(set.union(*served.values())) > 1, f"{served}")


@two_workers
def at_a_time(bed):
    """So many connections of a client at a time; those that have ended make room."""
    for _ in range(2):
        got = int(bed.peer("open", address(66, 4), 9000, SLOTS + 10, MANY4[0]))
        expect(got == SLOTS, f"{got} connections at a time, not {SLOTS}")
        expect(wait_until(lambda: bed.service("slots-4")["connections_active"] == 0), "connections that have ended still count")
    expect("client-connections" in bed.service("slots-4")["drops"], f"{bed.service('slots-4')}")


def changes(bed):
    """Applies while connections are open: none of them breaks; a backend without weight gets no new ones, nor one that is removed."""
    process = bed.start_peer("hold", address(60, 4), 30, 4, *MANY4[:10])
    bed.apply(bed.config([number for number in bed.lab.backends if number != 1]))
    expect(bed.who(address(60, 4), 12) <= {"b2", "b3"}, "a removed backend got a connection")
    for weights in ({1: 0}, None, {2: 50}, {1: 0}):
        bed.apply(bed.config(bed.lab.backends, weights=weights))
    expect(bed.who(address(60, 4), 12) <= {"b2", "b3"}, "a drained backend got a connection")
    bed.apply(bed.config(bed.lab.backends))
    held = result_of(process)
    expect(all(error is None for _, _, _, error in held), f"{held}")


one_worker(changes)
two_workers(changes)


def removed(bed):
    """Connections to a backend that no pool has any more go on."""
    processes = [bed.start_peer("hold", address(60, family), 6, 4) for family in (4, 6)]
    bed.apply(bed.config([number for number in bed.lab.backends if number != 2]))
    held = [row for process in processes for row in result_of(process)]
    expect(any(row[1] == "b2" for row in held), f"none was to the removed backend: {held}")
    expect(all(row[3] is None for row in held), f"{held}")
    bed.apply(bed.config(bed.lab.backends))


one_worker(removed)
two_workers(removed)


@one_worker
def shown(bed):
    process = bed.start_peer("hold", address(60, 4), 3, 3)
    rows = bed.show("connections", "--service", "line-4")
    expect(len(rows) == 3, f"{rows}")
    for row in rows:
        expect(row["state"] == "established" and row["client"].startswith(CLIENT4 + ":"), f"{row}")
        expect(row["local"].startswith("10.2.0.") and row["backend"].endswith(":9000"), f"{row}")
        for side in ("client_tcp", "backend_tcp"):
            tcp = row[side]
            expect(tcp["state"] == "established" and tcp["bytes_in"] > 0 and tcp["bytes_out"] > 0, f"{row}")
            expect(0 < tcp["rtt_ms"] < 1000 and tcp["cwnd"] >= 10 * 1400 and tcp["retransmissions"] == 0, f"{row}")
        said = json.loads(bed.penstock("explain", "--protocol", "tcp", "--client", row["client"], "--service", row["destination"],
                                       "--json").stdout)
        expect((said["verdict"], said["flags"], said["backend"]) == ("forward", "ack", row["backend"]), f"{said}")
        expect((said["connection"]["state"], said["connection"]["local"]) == ("established", row["local"]), f"{said}")
    title, *lines = bed.penstock("show", "connections", "--service", "line-4").stdout.splitlines()
    expect(title.split().count("RTT-MS") == 2 and len(lines) == 3 and all(l.split().count("established") == 3 for l in lines), f"{title}\n{lines}")
    said = json.loads(bed.penstock("explain", "--protocol", "tcp", "--client", f"{CLIENT4}:5", "--service", f"{address(60, 4)}:80",
                                   "--json").stdout)
    expect((said["verdict"], said["service"], said["forward"]) == ("forward", "web-4", "proxy"), f"{said}")
    expect(said["backend"].startswith("10.2.0.1") and said["row"]["table"] in ("stable", "candidate"), f"{said}")
    listed = {row["name"]: row for row in bed.show("listeners")}
    expect(listed["line-4"]["balance"] == "least-connections" and listed["line-4"]["connections_active"] == 3, f"{listed['line-4']}")
    backends = [b for b in bed.show("backends") if b["pool"] == "line-4"]
    expect(sum(b["connections_active"] for b in backends) == 3, f"{backends}")
    result_of(process)


@one_worker
def taken_away(bed):
    """The connections of a listener that is no more end; others go on."""
    gone = bed.start_peer("hold", address(65, 4), 2, 3)
    kept = bed.start_peer("hold", address(60, 4), 2, 3)
    bed.apply(bed.config(bed.lab.backends, without=("idle-4",)))
    expect(all(error for _, _, _, error in result_of(gone)), "connections of a listener that is no more went on")
    expect(all(error is None for _, _, _, error in result_of(kept)), "another listener's connections broke")
    bed.apply(bed.config(bed.lab.backends))


@one_worker
def captured(bed):
    """Packets of a listener's clients in a capture; what leaves is in one without a filter."""
    for more, said in ((["--service", "web-4"], "ends here"), ([], "sent by a listener's connection")):
        path = f"{bed.lab.where}/proxy.pcapng"
        process = bed.lab.start(bed.lab.edge, PENSTOCK, "--socket", bed.lab.socket(), "capture", *more, "--count", "40", path)
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path) > 100)
        for _ in range(12):
            bed.curl(address(60, 4))
        expect(process.wait(20) == 0, f"capture ended with {process.returncode}")
        with open(path, "rb") as captured_packets:
            expect(said.encode() in captured_packets.read(), f"no packet's comment says {said!r}")
        os.unlink(path)
