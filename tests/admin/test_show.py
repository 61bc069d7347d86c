# SPDX-License-Identifier: Apache-2.0
"""What `show` shows of packets that went through: exact numbers, fields and tables."""
import re

from scapy.all import IP, TCP, UDP, Ether, IPv6, Raw, wrpcap

from daemon import POOLS, SERVICES, Daemon, config
from test_cli import expect, wait

PORT_MAC = "02:70:63:61:70:00"  # of the first net_pcap port
CLIENT_MAC = "02:00:00:00:00:99"

TEXT, NUMBER, WHOLE, OBJECT, LIST, BOOL = str, (int, float), int, dict, list, bool
FIELDS = {
    "services": {"name": TEXT, "address": TEXT, "port": WHOLE, "protocol": TEXT, "forward": TEXT,
                 "pool": TEXT, "packets_in": WHOLE, "bytes_in": WHOLE, "packets_out": WHOLE,
                 "bytes_out": WHOLE, "connections_active": WHOLE, "connections_total": WHOLE,
                 "drops": OBJECT},
    "pools": {"name": TEXT, "backends": WHOLE, "up": WHOLE, "check": TEXT, "passing": WHOLE,
              "failing": WHOLE, "panic": BOOL, "rows": WHOLE, "moving_rows": WHOLE},
    "backends": {"pool": TEXT, "address": TEXT, "port": WHOLE, "weight": WHOLE, "state": TEXT,
                 "health": TEXT, "reason": TEXT, "since": TEXT, "effective_weight": WHOLE, "check_ms": NUMBER,
                 "connections_active": WHOLE,
                 "connections_total": WHOLE, "packets": WHOLE, "bytes": WHOLE},
    "connections": {"client": TEXT, "service": TEXT, "backend": TEXT, "protocol": TEXT,
                    "state": TEXT, "expires_seconds": WHOLE, "packets_in": WHOLE,
                    "packets_out": WHOLE, "worker": WHOLE},
    "clients": {"client": TEXT, "worker": WHOLE, "packets": WHOLE, "bytes": WHOLE,
                "packets_per_second": WHOLE, "connections": WHOLE, "seconds": WHOLE,
                "idle_seconds": WHOLE, "limited": OBJECT},
    "interfaces": {"name": TEXT, "device": TEXT, "side": TEXT, "mac": TEXT, "mtu": WHOLE,
                   "addresses": LIST, "twin": BOOL, "rx_packets": WHOLE, "rx_bytes": WHOLE,
                   "tx_packets": WHOLE, "tx_bytes": WHOLE, "to_host": WHOLE, "from_host": WHOLE, "rx_missed": WHOLE,
                   "rss": TEXT, "link": TEXT},
    "workers": {"core": WHOLE, "packets_in": WHOLE, "packets_out": WHOLE, "steered_in": WHOLE,
                "steered_out": WHOLE, "busy_percent": NUMBER, "cycles_per_packet": NUMBER,
                "connections": WHOLE, "clients": WHOLE},
    "drops": {"reason": TEXT, "count": WHOLE, "help": TEXT},
    "neighbours": {"address": TEXT, "mac": TEXT, "interface": TEXT, "vlan": WHOLE, "state": TEXT},
}
WEB, DNS, SIX, BROKEN = 7, 3, 2, 4


def packets():
    """WEB + DNS + SIX clients with one packet each, BROKEN frames with a wrong IP checksum."""
    ether = Ether(src=CLIENT_MAC, dst=PORT_MAC)
    out = [ether / IP(src=f"198.51.100.{i + 1}", dst="203.0.113.10") /
           TCP(sport=40000 + i, dport=80, flags="S") for i in range(WEB)]
    out += [ether / IP(src=f"198.51.100.{i + 1}", dst="203.0.113.10") /
            UDP(sport=50000 + i, dport=53) / Raw(b"q" * 20) for i in range(DNS)]
    out += [ether / IPv6(src=f"2001:db8:77::{i + 1}", dst="2001:db8:53::10") /
            TCP(sport=60000 + i, dport=443, flags="S") for i in range(SIX)]
    out += [ether / IP(src="198.51.100.1", dst="203.0.113.10", chksum=0xdead) /
            TCP(sport=1, dport=80, flags="S") for _ in range(BROKEN)]
    return out


def device(folder):
    wrpcap(str(folder / "in.pcap"), packets())
    return f"net_pcap0,rx_pcap={folder}/in.pcap,tx_pcap={folder}/out.pcap"


def fields(t, d):
    for name, wanted in FIELDS.items():
        with t(f"show {name} --json: a list of objects with their fields"):
            rows = d.show(name)
            assert isinstance(rows, list) and rows, rows
            for row in rows:
                for field, kind in wanted.items():
                    assert isinstance(row.get(field), kind), f"{field}: {row}"
                    assert isinstance(row[field], bool) == (kind is BOOL), f"{field}: {row}"
    with t("show config --json: file, generation, text"):
        shown = d.show("config")
        assert shown["file"] == str(d.config) and shown["generation"] == 1, shown
        assert shown["text"] == d.config.read_text()


def numbers(t, d):
    services = {s["name"]: s for s in d.show("services")}
    with t("show services: packets, bytes and connections are exact"):
        for name, n, size in (("web", WEB, 40), ("dns", DNS, 48), ("six", SIX, 60)):
            s = services[name]
            assert s["packets_in"] == n and s["connections_total"] == n, s
            assert s["connections_active"] == n and s["packets_out"] == 0, s
            assert n * size <= s["bytes_in"] <= n * (size + 14 + 20), s
    with t("show services: address and port as configured"):
        assert services["web"]["address"] == "203.0.113.10" and services["web"]["port"] == 80
        assert services["six"]["address"] == "2001:db8:53::10" and services["six"]["port"] == 0
        assert services["dns"]["protocol"] == "udp" and services["dns"]["forward"] == "nat"
    with t("show backends: state and packets"):
        backends = {(b["pool"], b["address"]): b for b in d.show("backends")}
        up, drain = backends["web", "10.9.0.11"], backends["web", "10.9.0.12"]
        assert up["state"] == "up" and up["packets"] == WEB and up["health"] == "none", up
        assert up["connections_active"] == WEB == up["connections_total"], up
        assert drain["state"] == "drain" and drain["weight"] == 0 and drain["reason"], drain
        assert drain["packets"] == 0, drain
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", up["since"]), up
    with t("show pools: backends up, rows"):
        web = {p["name"]: p for p in d.show("pools")}["web"]
        assert (web["backends"], web["up"], web["rows"]) == (2, 1, 65537), web
        assert web["moving_rows"] == 0 and "settles_in_seconds" not in web, web
    with t("show workers: every packet was counted"):
        (worker,) = d.show("workers")
        assert worker["packets_in"] == WEB + DNS + SIX + BROKEN, worker
        assert worker["packets_out"] == WEB + DNS + SIX, worker
        assert worker["connections"] == WEB + DNS + SIX, worker
        assert 0 <= worker["busy_percent"] <= 100, worker
    with t("show interfaces: device, packets"):
        (wan,) = d.show("interfaces")
        assert wan["rx_packets"] == WEB + DNS + SIX + BROKEN, wan
        assert wan["tx_packets"] == WEB + DNS + SIX and not wan["twin"], wan
        assert wan["addresses"] == ["10.9.0.1/24", "2001:db8:9::1/64"], wan
        assert wan["rss"] == "software" and wan["mac"] == PORT_MAC, wan
    with t("show neighbours: the static ones"):
        rows = {n["address"]: n for n in d.show("neighbours")}
        assert rows["10.9.0.11"]["mac"] == "02:00:00:00:00:0b", rows
        assert rows["2001:db8:9::11"]["state"] == "static", rows


def drops(t, d):
    with t("show drops: by reason, all reasons in JSON, each with its meaning"):
        rows = {r["reason"]: r for r in d.show("drops")}
        assert rows["ip-checksum"]["count"] == BROKEN and rows["ip-checksum"]["help"], rows
        assert sum(r["count"] for r in rows.values()) == BROKEN, rows
    with t("show drops: the table has what is not 0, --all has everything"):
        table = expect(d.cli("show", "drops"), 0).stdout.splitlines()
        assert len(table) == 2 and table[1].startswith("ip-checksum"), table
        assert len(expect(d.cli("show", "drops", "--all"), 0).stdout.splitlines()) == len(rows) + 1
    with t("show drops --service: of one service"):
        rows = d.show("drops", "--service", "web")
        assert sum(r["count"] for r in rows) == 0, rows
        assert expect(d.cli("show", "drops", "--service", "web"), 0).stdout == "no drops\n"
    with t("show drops --service of none: exit 1"):
        expect(d.cli("show", "drops", "--service", "nonsense"), 1, "nonsense")


def connections(t, d):
    with t("show connections: who, whereto, in which state"):
        rows = {c["client"]: c for c in d.show("connections")}
        assert len(rows) == WEB + DNS + SIX, rows
        first = rows["198.51.100.1:40000"]
        assert first["service"] == "web" and first["backend"] == "10.9.0.11:8080", first
        assert first["protocol"] == "tcp" and first["packets_in"] == 1, first
        assert first["packets_out"] == 0 and 0 < first["expires_seconds"] < 3600, first
        assert rows["[2001:db8:77::1]:60000"]["backend"] == "[2001:db8:9::11]:8080", rows
        assert rows["198.51.100.1:50000"]["state"] == "udp", rows
    with t("show connections --service"):
        rows = d.show("connections", "--service", "dns")
        assert len(rows) == DNS and all(c["service"] == "dns" for c in rows), rows
        expect(d.cli("show", "connections", "--service", "nonsense"), 1, "nonsense")
    with t("show connections --limit"):
        assert len(d.show("connections", "--limit", "5")) == 5
        out = expect(d.cli("show", "connections", "--limit", "5"), 0)
        assert "--limit" in out.stderr and len(out.stdout.splitlines()) == 6, out
        expect(d.cli("show", "connections", "--limit", "100001"), 2, "100000")


def clients(t, d):
    with t("show clients: every one of few, the heaviest first, with exact counts"):
        rows = d.show("clients")
        found = {c["client"]: c for c in rows}
        wanted = {f"198.51.100.{i + 1}" for i in range(WEB)} | {"2001:db8:77::/64"}
        assert set(found) == wanted and len(rows) == len(wanted), found
        for i in range(WEB):
            both = 2 if i < DNS else 1
            c = found[f"198.51.100.{i + 1}"]
            assert c["packets"] == both == c["connections"], c
            assert c["bytes"] == 40 + (48 if i < DNS else 0), c
            assert c["worker"] == 0 and c["limited"] == {} and c["idle_seconds"] <= c["seconds"], c
        six = found["2001:db8:77::/64"]
        assert six["packets"] == SIX == six["connections"] and six["bytes"] == 60 * SIX, six
        packets = [c["packets"] for c in rows]
        assert packets == sorted(packets, reverse=True), rows
    with t("show clients --limit"):
        assert len(d.show("clients", "--limit", "3")) == 3
        expect(d.cli("show", "clients", "--limit", "100001"), 2, "100000")
    with t("show clients: asked by many at once, and by some that do not wait"):
        for _ in range(5):
            d.connect().sendall(b'{"command":"show","object":"clients"}\n')
        assert len(d.show("clients")) == WEB + 1


def tables(t, d):
    for name in FIELDS:
        with t(f"show {name}: an aligned table"):
            rows = expect(d.cli("show", name), 0).stdout.splitlines()
            assert len(rows) >= 2, rows
            # Where the title row has two spaces and more between titles, a column ends or begins:
            # in the columns of numbers all rows end at the same place.
            for match in re.finditer(r"\S+", rows[0]):
                if match.group() in ("PORT", "WEIGHT", "PKTS-IN", "ACTIVE", "TOTAL", "ROWS", "MTU",
                                     "CORE", "COUNT", "VLAN", "EXPIRES-S", "WORKER"):
                    for row in rows[1:]:
                        assert row[match.end() - 1] != " ", (match.group(), row)
                        assert row[match.end():match.end() + 1] in ("", " "), (match.group(), row)
            assert all(row == row.rstrip() for row in rows), rows


def counters(t, d):
    """Counters follow objects, not slots."""
    with t("a service under another name begins at 0, the others go on"):
        d.config.write_text(d.config.read_text().replace('name = "web"; address',
                                                         'name = "web2"; address'))
        expect(d.cli("apply", d.config), 0)
        services = {s["name"]: s for s in d.show("services")}
        assert services["dns"]["packets_in"] == DNS, services
        assert services["web2"]["packets_in"] == 0, services
        assert services["web2"]["connections_active"] == 0, services
    with t("a service whose slot had another owner begins at 0"):
        for i in range(70):  # more than the slots that are free at first
            text = d.config.read_text().replace('name = "dns"; address', f'name = "n{i}"; address')
            (d.folder / "n.conf").write_text(text)
            expect(d.cli("apply", d.folder / "n.conf"), 0)
            services = {s["name"]: s for s in d.show("services")}
            assert services[f"n{i}"]["packets_in"] == 0, services
            assert services[f"n{i}"]["connections_active"] == 0, services
            assert services["six"]["packets_in"] == SIX, services
    with t("a changed pool shows its moving rows and when they settle"):
        text = d.config.read_text().replace("weight = 0;", "weight = 50;")
        d.config.write_text(text)
        expect(d.cli("apply", d.config), 0)
        web = {p["name"]: p for p in d.show("pools")}["web"]
        assert 0 < web["moving_rows"] <= web["rows"] and web["up"] == 2, web
        assert 0 < web["settles_in_seconds"] <= 24 * 3600, web


def shows(t, folder):
    # What has come once has to be known until the last test has looked, however slow the machine.
    services = SERVICES.replace('; }', '; timeouts = { closing = "30m"; udp = "30m"; }; }')
    assert services.count("timeouts") == 3, services
    with Daemon(folder, config(device=device(folder), services=services)) as d:
        total = WEB + DNS + SIX + BROKEN
        wait(lambda: d.show("workers")[0]["packets_in"] == total)
        for test in (fields, numbers, drops, connections, clients, tables, counters):
            test(t, d)
        with t("the daemon ends as it should"):
            assert d.alive() and d.stop() == 0, d.output()


def limited(t, folder):
    """Five of a client's packets pass; whatever comes in, who sent it and why it went is shown."""
    ether = Ether(src=CLIENT_MAC, dst=PORT_MAC)
    frames = [ether / IP(src="198.51.100.1", dst="203.0.113.10") /
              TCP(sport=40000 + i, dport=80, flags="S") for i in range(12)]
    frames += [ether / IP(src="198.51.100.2", dst="203.0.113.10") /
               TCP(sport=40000, dport=80, flags="S")]
    frames += [ether / IP(src=f"198.51.101.{i}", dst="203.0.113.10") /
               UDP(sport=40000, dport=53) / Raw(b"q" * 20) for i in range(1, 6)]
    wrpcap(str(folder / "in.pcap"), frames)
    services = SERVICES.replace(
        'pool = "web"; }', 'pool = "web"; limits = { client = { packets = "60/h"; burst = "5m"; }; }; }')
    services = services.replace(
        'pool = "dns"; }', 'pool = "dns"; deny = [ "198.51.101.1" ]; '
        'limits = { client = { new_connections = "60/h"; burst = "2m"; prefix4 = 24; }; }; }')
    assert services.count("limits") == 2, services
    with Daemon(folder, config(device=f"net_pcap0,rx_pcap={folder}/in.pcap,tx_pcap={folder}/out.pcap",
                               services=services)) as d:
        wait(lambda: d.show("workers")[0]["packets_in"] == len(frames))
        with t("show clients: what limits have refused, by their names"):
            rows = {c["client"]: c for c in d.show("clients")}
            assert set(rows) == {"198.51.100.1", "198.51.100.2", "198.51.101.0/24"}, rows
            assert rows["198.51.100.1"]["packets"] == 12, rows
            assert rows["198.51.100.1"]["limited"] == {"client-packets": 7}, rows
            assert rows["198.51.100.1"]["connections"] == 5, rows
            assert rows["198.51.100.2"]["limited"] == {}, rows
        with t("show clients: a client is what the limits say; lists count as limits"):
            net = rows["198.51.101.0/24"]
            assert net["packets"] == 5 and net["connections"] == 2, net
            assert net["limited"] == {"denied": 1, "client-new-connections": 2}, net
        with t("show clients: the table has them too"):
            out = expect(d.cli("show", "clients"), 0).stdout
            assert "client-packets 7" in out and "denied 1, client-new-connections 2" in out, out


TESTS = (shows, limited)
