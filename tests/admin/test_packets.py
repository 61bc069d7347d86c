# SPDX-License-Identifier: Apache-2.0
"""explain and capture: what they say of packets, what they refuse, and how a capture ends."""
import json
import os
import re
import signal
import struct
import subprocess
import time
from collections import Counter

from daemon import PENSTOCK, SERVICES, Daemon, Other, cli, config, read_line
from test_cli import expect, wait

MAC = "02:70:63:61:70:00"  # of the first net_pcap port
LIMITS = """forward = "nat"; pool = "web"; deny = [ "198.51.100.128/25" ];
    limits = { client = { packets = "10k/s"; connections = 5; burst = "100ms"; };
               service = { new_connections = "50k/s"; }; };"""


# ---- explain ----
def explain(d, client, service, *more, protocol="tcp"):
    out = d.cli("explain", "--protocol", protocol, "--client", client, "--service", service,
                "--json", *more)
    return json.loads(expect(out, 0).stdout)


def explain_says(t, folder):
    services = SERVICES.replace('forward = "nat"; pool = "web";', LIMITS)
    with Daemon(folder, config(services=services)) as d:
        with t("explain: a new connection, with its limits and its row"):
            e = explain(d, "198.51.100.7:4321", "203.0.113.10:80")
            assert e["verdict"] == "forward" and e["reason"] == "", e
            assert (e["service"], e["worker"], e["forward"]) == ("web", 0, "nat"), e
            assert e["backend"] == "10.9.0.11:8080" and e["out_interface"] == "wan", e
            assert e["out_mac"] == "02:00:00:00:00:0b" and e["connection"] is None, e
            assert e["row"]["table"] == "stable" and e["row"]["moving"] is False, e
            left = {x["limit"]: (x["rate"], x["left"], x["exceeded"]) for x in e["limits"]}
            assert left == {"client-packets": ("10k/s", 1000, False),
                            "client-connections": ("5", 5, False),
                            "service-new-connections": ("50k/s", 5000, False)}, left
            assert e["limited_client"] == "198.51.100.7", e
        with t("explain: IPv6, and a service of all ports"):
            e = explain(d, "[2001:db8:9::77]:1", "[2001:db8:53::10]:9")
            assert (e["service"], e["backend"]) == ("six", "[2001:db8:9::11]:8080"), e
        with t("explain: UDP"):
            e = explain(d, "198.51.100.7:1", "203.0.113.10:53", protocol="udp")
            assert (e["service"], e["flags"], e["verdict"]) == ("dns", "", "forward"), e
        for client, service, more, reason in (
                ("198.51.100.200:1", "203.0.113.10:80", (), "denied"),
                ("10.9.0.1:1", "203.0.113.10:80", (), "spoofed-source"),
                ("127.0.0.1:1", "203.0.113.10:80", (), "martian-source"),
                ("198.51.100.7:1", "203.0.113.10:81", (), "no-service"),
                ("198.51.100.7:1", "203.0.113.10:80", ("--flags", "rst"), "connection-unknown"),
                ("198.51.100.7:1", "203.0.113.10:80", ("--length", "1501"), "too-big")):
            with t(f"explain: dropped for {reason}"):
                e = explain(d, client, service, *more)
                assert (e["verdict"], e["reason"]) == ("drop", reason) and e["help"], e
                assert e["out_interface"] is None, e
        with t("explain: what people read has the stages in order"):
            out = expect(d.cli("explain", "--protocol", "tcp", "--client", "198.51.100.7:1",
                               "--service", "203.0.113.10:80"), 0).stdout
            rows = [line.split()[0] for line in out.splitlines() if not line.startswith(" ")]
            assert rows == ["packet", "service", "worker", "access", "client", "limits",
                            "connection", "row", "backend", "forward", "leaves", "verdict"], out
        with t("explain: changes nothing, however often"):
            before = d.show("services"), d.show("drops"), d.show("connections")
            for i in range(50):
                explain(d, f"198.51.100.7:{i + 1}", "203.0.113.10:80")
            assert (d.show("services"), d.show("drops"), d.show("connections")) == before
            left = explain(d, "198.51.100.7:4321", "203.0.113.10:80")["limits"][0]["left"]
            assert left == 1000, left
        with t("explain: follows apply at once"):
            new = folder / "new.conf"
            new.write_text(config(services=services.replace('"web"; address', '"web2"; address')))
            expect(d.cli("apply", new), 0)
            assert explain(d, "198.51.100.7:1", "203.0.113.10:80")["service"] == "web2"
        many_at_once(t, d)


def many_at_once(t, d):
    line = (b'{"command":"explain","protocol":"tcp","client":"198.51.100.7:1",'
            b'"service":"203.0.113.10:80"}\n')
    with t("explain: twenty at once, some of whom do not wait"):
        asked = [d.connect() for _ in range(20)]
        for s in asked:
            s.sendall(line)
        for s in asked[::3]:
            s.close()
        for i, s in enumerate(asked):
            if i % 3:
                assert json.loads(read_line(s))["result"]["verdict"] == "forward"
                s.close()


TLS = """
listeners = (
  { name = "tls"; address = "203.0.113.20"; port = 443; protocol = "tls-passthrough"; pool = "web";
    server_names = ( { names = [ "*.six.example" ]; pool = "six"; } ); },
  { name = "strict"; address = "203.0.113.21"; port = 443; protocol = "tls-passthrough";
    server_names = ( { names = [ "dns.example" ]; pool = "dns"; } ); } );
"""


def explain_names(t, folder):
    """Listeners with tls-passthrough: the pool by the server name, or without one."""
    with Daemon(folder, config(more=TLS)) as d:
        for address, name, backend, reason in (
                ("203.0.113.20", None, "10.9.0.11:8080", ""), ("203.0.113.20", "other.example", "10.9.0.11:8080", ""),
                ("203.0.113.20", "WWW.six.example", "[2001:db8:9::11]:8080", ""), ("203.0.113.20", "six.example", "10.9.0.11:8080", ""),
                ("203.0.113.21", "dns.example", "10.9.0.11:5353", ""), ("203.0.113.21", "a.dns.example", None, "server-name"),
                ("203.0.113.21", None, None, "server-name")):
            with t(f"explain: {address} with the server name {name}"):
                e = explain(d, "198.51.100.7:1", f"{address}:443", *(("--server-name", name) if name else ()))
                assert (e["backend"], e["reason"], e["server_name"]) == (backend, reason, (name or "").lower()), e
        with t("explain: a service has no server name"):
            assert "server_name" not in explain(d, "198.51.100.7:1", "203.0.113.10:80", "--server-name", "a")
        with t("explain: what people read of a server name"):
            said = [expect(d.cli("explain", "--protocol", "tcp", "--client", "198.51.100.7:1", "--service", "203.0.113.20:443", *more),
                           0).stdout for more in ((), ("--server-name", "a.six.example"))]
            assert "\nserver name none" in said[0] and "\nserver name a.six.example\n" in said[1], said


def explain_refuses(t, folder):
    with Daemon(folder, config()) as d:
        good = {"command": "explain", "protocol": "tcp", "client": "198.51.100.7:1",
                "service": "203.0.113.10:80"}
        assert d.ask(json.dumps(good).encode())["ok"]
        for change in ({"protocol": "icmp"}, {"protocol": 6}, {"protocol": None},
                       {"client": "198.51.100.7"}, {"client": "x:1"}, {"client": 1},
                       {"client": "198.51.100.7:65536"}, {"service": "web"}, {"service": None},
                       {"service": "[2001:db8:53::10]:80"}, {"flags": "urg"}, {"flags": 2},
                       {"protocol": "udp", "flags": "syn"}, {"length": 39}, {"length": 65536},
                       {"length": "x"}, {"length": -1}, {"length": 1.5}, {"server_name": ""}, {"server_name": 5},
                       {"server_name": "192.0.2.1"}, {"server_name": "a" * 256}, {"protocol": "udp", "server_name": "a"}):
            with t(f"explain refuses {change}"):
                answer = d.ask(json.dumps({**good, **change}).encode())
                assert answer["ok"] is False and answer["error"], answer
        for args in (["explain"], ["explain", "--protocol", "tcp", "--client", "1.2.3.4:5"],
                     ["explain", "--protocol", "sctp", "--client", "1.2.3.4:5", "--service",
                      "1.2.3.4:5"], ["explain", "x"]):
            with t(f"wrong usage: {' '.join(args)}"):
                expect(d.cli(*args), 2)


# ---- capture ----
def frames():
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Ether

    e = Ether(dst=MAC, src="02:00:00:00:00:99")
    four = IP(src="198.51.100.7", dst="203.0.113.10")
    return [e / four / TCP(sport=1000, dport=80, flags="S"),
            e / IP(src="198.51.100.8", dst="203.0.113.10") / UDP(sport=1000, dport=53) / b"abc",
            e / IPv6(src="2001:db8:9::77", dst="2001:db8:53::10") / TCP(sport=7, dport=9),
            e / four / UDP(sport=1000, dport=99) / b"nobody's",
            e / four / ICMP() / b"ping"]


def blocks(path):
    """(type, body) of each block of a pcapng file, all whole."""
    data = path.read_bytes() if not isinstance(path, bytes) else path
    at, found = 0, []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length >= 12 and length % 4 == 0 and at + length <= len(data), (at, kind, length)
        assert struct.unpack_from("<I", data, at + length - 4)[0] == length, at
        found.append((kind, data[at + 8:at + length - 4]))
        at += length
    return found


def packets(path):
    """(direction, bytes, comment) of each packet."""
    found = []
    for kind, body in blocks(path):
        if kind != 6:
            continue
        captured = struct.unpack_from("<I", body, 12)[0]
        at, options = 20 + (captured + 3 & ~3), {}
        while True:
            code, length = struct.unpack_from("<HH", body, at)
            if not code:
                break
            options[code] = body[at + 4:at + 4 + length]
            at += 4 + (length + 3 & ~3)
        found.append((struct.unpack("<I", options[2])[0] & 3, body[20:20 + captured],
                      options[1].decode()))
    return found


def busy(folder, **more):
    """A daemon that receives the same few frames again and again."""
    from scapy.utils import wrpcap

    wrpcap(str(folder / "in.pcap"), frames())
    device = f"net_pcap0,rx_pcap={folder}/in.pcap,infinite_rx=1,tx_pcap=/dev/null"
    return Daemon(folder, config(device=device, **more))


def capture_file(t, folder):
    file = folder / "out.pcapng"
    with busy(folder) as d:
        with t("capture --count N: N packets, and says so"):
            out = expect(d.cli("capture", "--count", "1000", file), 0)
            assert re.fullmatch(rf"1000 packets in {file}, \d+ lost\n", out.stderr), out.stderr
            kinds = Counter(kind for kind, _ in blocks(file))
            assert kinds == {0x0a0d0d0a: 1, 1: 1, 6: 1000, 5: 1}, kinds
        with t("capture: verdicts as comments, in and out"):
            seen = Counter((way, comment) for way, _, comment in packets(file))
            for wanted in ((1, "worker 0, service web, forwarded to 10.9.0.11:8080"),
                           (2, "worker 0, service web, sent to 10.9.0.11:8080"),
                           (1, "worker 0, service dns, forwarded to 10.9.0.11:5353"),
                           (1, "worker 0, service six, forwarded to [2001:db8:9::11]:8080"),
                           (1, "worker 0, dropped: no-service")):
                assert seen[wanted], (wanted, seen)
        with t("capture: bytes as they came, and as they go"):
            came = {bytes(frame) for frame in frames()}
            assert {raw for way, raw, _ in packets(file) if way == 1} == came
            assert not {raw for way, raw, _ in packets(file) if way == 2} & came
        with t("capture: tcpdump reads it"):
            out = subprocess.run(["tcpdump", "-nr", file], capture_output=True, text=True,
                                 timeout=60, check=True)
            assert len(out.stdout.splitlines()) == 1000, out.stderr
        capture_filters(t, d, file)
        capture_output(t, d, file)
        capture_ends(t, d, folder)
        with t("capture: the daemon goes on"):
            assert d.alive() and d.generation() == 1
            before = d.show("workers")[0]["packets_in"]
            wait(lambda: d.show("workers")[0]["packets_in"] > before, 5)


def capture_filters(t, d, file):
    for args, allowed in ((["--drops"], r"dropped|answered"),
                          (["--service", "dns"], r"service dns, "),
                          (["--client", "198.51.100.8"], r"service dns, "),
                          (["--client", "2001:db8:9::/64"], r"service six, "),
                          (["--client", "198.51.100.8/31", "--service", "dns"], "service dns, ")):
        with t(f"capture {' '.join(args)}"):
            expect(d.cli("capture", "--count", "40", *args, file), 0)
            comments = [comment for _, _, comment in packets(file)]
            assert len(comments) == 40, comments
            assert all(re.search(allowed, comment) for comment in comments), comments
    with t("capture --snaplen"):
        expect(d.cli("capture", "--count", "40", "--snaplen", "33", file), 0)
        assert {len(raw) for _, raw, _ in packets(file)} == {33}


def capture_output(t, d, file):
    with t("capture to the output"):
        out = subprocess.run([PENSTOCK, "--socket", d.path, "capture", "--count", "5", "-"],
                             capture_output=True, timeout=60, check=True)
        assert len(packets(out.stdout)) == 5
    with t("capture: a file that cannot be written"):
        expect(d.cli("capture", "--count", "5", file / "x"), 1, "cannot write")
    file.write_bytes(b"precious")
    for args, code in ((["--service", "none"], 1), (["--client", "x"], 2), (["--client", "198.51.100.7/24"], 2), (["--snaplen", "9217"], 2)):
        with t(f"capture refuses {' '.join(args)}, the file stays as it was"):
            expect(d.cli("capture", *args, file), code)
            assert file.read_bytes() == b"precious"
    for line in (b'{"command":"capture","count":0}', b'{"command":"capture","count":"x"}',
                 b'{"command":"capture","drops":1}', b'{"command":"capture","snaplen":0}',
                 b'{"command":"capture","client":"x"}', b'{"command":"capture","client":"198.51.100.7/24"}',
                 b'{"command":"capture","snaplen":9217}', b'{"command":"show","object":"clients","limit":100001}',
                 b'{"command":"show","object":"connections","limit":100001}', b'{"command":"capture","client":7}', b'{"command":"capture","service":[]}'):
        with t(f"capture refuses {line.decode()}"):
            answer = d.ask(line)
            assert answer["ok"] is False and answer["error"], answer
    if os.path.exists("/dev/full"):
        with t("capture to a full disk: says so, ends, and the next one runs"):
            expect(d.cli("capture", "/dev/full"), 1, "No space left on device")
            wait(lambda: d.cli("capture", "--count", "5", file).returncode == 0, 5)


def start_capture(d, file, *args):
    process = subprocess.Popen([PENSTOCK, "--socket", d.path, "capture", *args, file],
                               stderr=subprocess.PIPE, text=True)
    wait(lambda: file.exists() and file.stat().st_size > 0, 10)
    return process


def capture_ends(t, d, folder):
    file, other = folder / "a.pcapng", folder / "b.pcapng"
    with t("capture: Ctrl-C ends it, the file is whole; a second one is refused meanwhile"):
        process = start_capture(d, file)
        expect(d.cli("capture", other), 1, "running already")
        assert not other.exists()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        written = len(packets(file))
        assert said.startswith(f"{written} packets in {file}, "), said
        file.unlink()
    with t("capture: whoever is killed leaves room for the next"):
        process = start_capture(d, file)
        process.kill()
        process.communicate()
        wait(lambda: d.cli("capture", "--count", "5", other).returncode == 0, 5)
        file.unlink()
    with t("capture: a reader that stands still costs packets of the capture, nothing else"):
        process = start_capture(d, file)
        process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        begin = time.monotonic()
        before = d.show("workers")[0]["packets_in"]
        wait(lambda: d.show("workers")[0]["packets_in"] > before, 5)
        assert time.monotonic() - begin < 3
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        assert int(re.search(r", (\d+) lost", said).group(1)) > 0, said
        file.unlink()


def capture_daemon_ends(t, folder):
    file = folder / "a.pcapng"
    with busy(folder) as d:
        process = start_capture(d, file)
        wait(lambda: file.stat().st_size > 10000, 10)  # more than what a file begins with
        with t("capture: the daemon stops cleanly under one"):
            assert d.stop() == 0
        with t("capture: its reader is told, and keeps what came"):
            _, said = process.communicate(timeout=30)
            assert process.returncode == 3 and "ended" in said, (process.returncode, said)
            assert packets(file)


def capture_end_reasons(t, folder):
    for i, (reason, code) in enumerate((("stopped", 0), ("all that was asked for", 0), ("the reader takes nothing", 1))):
        end = json.dumps({"packets": 3, "lost": 1, "reason": reason}).encode()
        stream = b'{"ok":true,"result":{}}\n' + struct.pack(">II", 2, len(end)) + end
        path = folder / f"{i}.sock"
        with Other(path, lambda _: stream), t(f"capture: the daemon ends it, {reason}: exit code {code}"):
            out = expect(cli("--socket", path, "capture", folder / "x.pcapng"), code, "3 packets", "1 lost")
            assert (reason in out.stderr) == (code == 1), out.stderr


TESTS = [explain_says, explain_names, explain_refuses, capture_file, capture_daemon_ends, capture_end_reasons]
