# SPDX-License-Identifier: Apache-2.0
"""Penstock as a machine of its network: ARP, NDP and ping for service addresses, what the kernel keeps, programs that people use
(iperf3, dig), neighbours and routes that change."""
import json
import signal
import socket
import time

import configs
from bed import HERE, Bed, Wrong, expect, group, wait_until
from topology import EDGE_WAN4, EDGE_WAN6, backend_address, inside

NAT = {4: "203.0.113.10", 6: "2001:db8:f::10"}
IPIP = {4: "203.0.113.30", 6: "2001:db8:f::30"}
# Inside the client's own network: it asks for them by ARP and NDP.
ON_LINK = {4: "198.51.100.50", 6: "2001:db8:1::50"}
ON_LINK_PREFIX = {4: "198.51.100.64/28", 6: "2001:db8:1::40/124"}
IN_PREFIX = {4: ["198.51.100.64", "198.51.100.70", "198.51.100.79"], 6: ["2001:db8:1::40", "2001:db8:1::47", "2001:db8:1::4f"]}
DNS, IPERF, UNSERVED, KERNELS = 53, 5201, 7777, 8022


def objects(backends):
    pools, services = [], []
    for family in (4, 6):
        pools += [configs.pool(f"web{family}", backends, 8080, family), configs.pool(f"dns{family}", backends, DNS, family),
                  configs.pool(f"one{family}", [1], IPERF, family)]
        for name, address in (("nat", NAT), ("on-link", ON_LINK), ("prefix", ON_LINK_PREFIX)):
            services.append(configs.service(f"{name}{family}", address[family], 80, "tcp", "nat", f"web{family}"))
        for name, address, forward in (("dns-nat", NAT, "nat"), ("dns-ipip", IPIP, "dsr-ipip")):
            services.append(configs.service(f"{name}{family}", address[family], DNS, "udp", forward, f"dns{family}"))
        for protocol in ("tcp", "udp"):
            services.append(configs.service(f"iperf-{protocol}{family}", NAT[family], IPERF, protocol, "nat", f"one{family}"))
    return configs.objects(pools, services)


def prepare(lab):
    for number in lab.backends:
        lab.start(lab.backend_name(number), "/usr/bin/python3", f"{HERE}/dns.py", f"b{number}", log=f"dns-{number}.log")
    lab.start(lab.backend_name(1), "iperf3", "-s", log="iperf3.log")


class NetworkBed(Bed):
    """A bed whose backends all answer, and a web server of the kernel beside Penstock."""

    def __init__(self, **options):
        super().__init__(objects=objects, prepare=prepare, **options)

    def __enter__(self):
        super().__enter__()
        self.lab.start(self.lab.edge, "/usr/bin/python3", "-m", "http.server", "-b", "::", str(KERNELS), cwd=self.lab.where + "/www")
        return self


network = group("network", NetworkBed)


def both(make):
    """A test for each family."""
    for family in (4, 6):
        test = make(family)
        test.__name__ = f"{make.__name__.replace('_', ' ')}, IPv{family}"
        network(test)


def knows_port(bed, address):
    """The client has learnt Penstock's Ethernet address for this address."""
    wan = json.loads(bed.lab.ip(bed.lab.edge, "-j", "link", "show", "wan").stdout)[0]["address"]
    found = json.loads(bed.lab.ip(bed.lab.client, "-j", "neigh", "show", address).stdout)
    expect(found and found[0].get("lladdr") == wan, f"{address} is at {found} for the client, and ours is {wan}")


def ping(bed, address, *more):
    family = "-6" if ":" in address else "-4"
    # On a machine that is busy with other things the kernel may drop a frame of its own accord: three answers in a row, but at leisure.
    for _ in range(3):
        done = bed.lab.run(bed.lab.client, "ping", family, "-c", "3", "-i", "0.05", "-W", "2", *more, address, check=False).stdout
        if " 0% packet loss" in done:
            return
    expect(False, done)


@both
def ping_off_link(family):
    def test(bed):
        for size in ("56", "1400", "3000"):
            ping(bed, NAT[family], "-s", size)
    return test


@both
def ping_on_link(family):
    def test(bed):
        for address in [ON_LINK[family]] + IN_PREFIX[family]:
            ping(bed, address, "-s", "1400")
            knows_port(bed, address)
    return test


@both
def fragmented_ping_of_a_prefix(family):
    def test(bed):
        ping(bed, IN_PREFIX[family][1], "-s", "3000")
    return test


@both
def ping_to_our_own_address(family):
    def test(bed):
        address = EDGE_WAN4 if family == 4 else EDGE_WAN6
        ping(bed, address)
        ping(bed, address, "-s", "3000")
        knows_port(bed, address)
    return test


@both
def http_on_link(family):
    def test(bed):
        for address in [ON_LINK[family]] + IN_PREFIX[family]:
            expect(bed.curl(address).strip() in ("b1", "b2", "b3"), f"no backend answered at {address}")
    return test


@both
def nobody_serves_that_port(family):
    """Linux gets it and refuses at once: for single addresses and for prefixes."""
    def test(bed):
        for address in (NAT[family], ON_LINK[family], IN_PREFIX[family][1]):
            for kind in ("tcp", "udp"):
                begin = time.monotonic()
                answer = bed.peer("refused", kind, address, UNSERVED).split()[0]
                expect(answer == "refused", f"{kind} to {address} port {UNSERVED}: {answer}")
                expect(time.monotonic() - begin < 5, "refused only after a long time")
    return test


@both
def daemons_of_the_kernel(family):
    """As ssh would: somebody reaches the machine itself, and the machine reaches a backend."""
    def test(bed):
        own = EDGE_WAN4 if family == 4 else f"[{EDGE_WAN6}]"
        got = bed.client("curl", "-s", "-S", "-f", "-m", "20", "--retry", "3", "--retry-connrefused", f"http://{own}:{KERNELS}/big",
                         "-o", "/dev/null", "-w", "%{size_download}")
        expect(got == str(16 << 20), f"{got} bytes came")
        host = backend_address(2)[family == 6]
        host = f"[{host}]" if family == 6 else host
        done = bed.lab.run(bed.lab.edge, "curl", "-s", "-S", "-f", "-m", "20", f"http://{host}:8080/", check=False)
        expect(done.stdout == "b2\n", f"from the machine itself to a backend: {done.stdout}{done.stderr}")
    return test


@network
def echo_requests_over_the_rate(bed):
    """What is over the rate of answers is a named drop."""
    def dropped():
        return next(d["count"] for d in bed.show("drops") if d["reason"] == "icmp-rate")
    before = dropped()
    bed.lab.run(bed.lab.client, "ping", "-q", "-f", "-c", "3000", "-l", "500", "-w", "3", NAT[4], check=False)
    expect(dropped() > before, "a flood of echo requests was answered in full, or dropped without a name")
    expect(wait_until(lambda: not bed.lab.run(bed.lab.client, "ping", "-c", "1", "-W", "1", NAT[4], check=False).returncode),
           "no answer after the flood")


# Of the drivers that need no card only this one tells what its device has lost.
missed = group("missed", lambda: NetworkBed(backends=1, driver="pcap"))


@missed
def frames_that_no_worker_takes(bed):
    """What is lost before a worker sees it is told, too."""
    def lost():
        return next(i["rx_missed"] for i in bed.show("interfaces") if i["name"] == "wan")
    ping(bed, EDGE_WAN4)
    before, sent = lost(), 6000
    bed.daemon.send_signal(signal.SIGSTOP)
    try:
        with inside(bed.lab.client), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for i in range(sent):
                sender.sendto(bytes(1400), (EDGE_WAN4, UNSERVED))
                if i % 100 == 0:
                    time.sleep(0.002)   # or the kernel loses them on their way here
    finally:
        bed.daemon.send_signal(signal.SIGCONT)
    expect(wait_until(lambda: 0 < lost() - before < sent), f"{lost() - before} of {sent} frames were missed by a daemon that stood still")


# ---- programs ------------------------------------------------------------------------------------
def iperf(bed, address, *more):
    """What iperf3 has measured. Its server may still be busy with the client before, or the two may not agree on an end: then it is
    asked again."""
    for _ in range(5):
        done = bed.lab.run(bed.lab.client, "iperf3", "-J", "-c", address, "-t", "2", *more, check=False, timeout=40)
        answer = json.loads(done.stdout)
        end = answer.get("end", {})
        if "error" not in answer and ("sum" in end or "sum_received" in end):
            return end
        time.sleep(1)
    raise Wrong(f"iperf3 {' '.join(more)}: {answer.get('error')}: {end}")


@both
def iperf3_tcp(family):
    def test(bed):
        for direction in ([], ["-R"]):
            end = iperf(bed, NAT[family], *direction)
            expect(end["sum_received"]["bytes"] > 2e6, f"only {end['sum_received']['bytes']} bytes in 2 s {direction}")
    return test


@both
def iperf3_udp(family):
    def test(bed):
        for direction in ([], ["-R"]):
            # A machine with other work loses datagrams in the sockets' buffers now and then; Penstock would lose them each time.
            for _ in range(4):
                total = iperf(bed, NAT[family], "-u", "-b", "10M", "-l", "1200", *direction)["sum"]
                if total["packets"] > 1500 and total["lost_percent"] < 2:
                    break
            expect(total["packets"] > 1500, f"{total['packets']} datagrams in 2 s {direction}")
            expect(total["lost_percent"] < 2, f"{total['lost_percent']} % of {total['packets']} datagrams were lost {direction}")
    return test


@both
def dig(family):
    def test(bed):
        for address in (NAT[family], IPIP[family]):
            names = set()
            for _ in range(12):
                answer = bed.client("dig", f"@{address}", "+short", "+tries=5", "+time=2", "name.example", "TXT").strip()
                names.add(answer.strip('"'))
            expect(names <= {"b1", "b2", "b3"} and len(names) > 1, f"{address} answered by {names}")
            kind, wanted = ("A", "192.0.2.1") if family == 4 else ("AAAA", "2001:db8::1")
            answer = bed.client("dig", f"@{address}", "+short", "+tries=5", "+time=2", "name.example", kind).strip()
            expect(answer == wanted, f"{address} says {answer}")
    return test


# ---- neighbours and routes of the kernel ------------------------------------------------------------
def neighbour(bed, address):
    return next((n for n in bed.show("neighbours") if n["address"] == address), None)


def serves_all(bed, family):
    """Every backend answers within some seconds."""
    seen = set()
    end = time.monotonic() + 10
    while len(seen) < 3 and time.monotonic() < end:
        done = bed.lab.run(bed.lab.client, "curl", "-s", "-m", "1", "-g", f"http://[{NAT[6]}]/" if family == 6 else f"http://{NAT[4]}/",
                           check=False)
        if done.returncode == 0:
            seen.add(done.stdout.strip())
    return seen == {"b1", "b2", "b3"}


@network
def backend_changes_its_ethernet_address(bed):
    """It tells others, as a machine does that takes over an address."""
    expect(serves_all(bed, 4) and serves_all(bed, 6), "not all backends answer before the change")
    namespace, new = bed.lab.backend_name(2), "02:00:00:00:99:02"
    bed.lab.write(namespace, "net/ipv4/conf/eth0/arp_notify", 1)
    bed.lab.write(namespace, "net/ipv6/conf/eth0/ndisc_notify", 1)
    bed.lab.ip(namespace, "link", "set", "eth0", "address", new)
    for address in backend_address(2):
        expect(wait_until(lambda: (neighbour(bed, address) or {}).get("mac") == new), f"still {neighbour(bed, address)}")
    expect(serves_all(bed, 4), "traffic does not reach all backends after one changed its Ethernet address, IPv4")
    expect(serves_all(bed, 6), "traffic does not reach all backends after one changed its Ethernet address, IPv6")


@both
def neighbours_are_flushed(family):
    def test(bed):
        address = backend_address(1)[family == 6]
        expect(wait_until(lambda: neighbour(bed, address)), f"{address} is not among the neighbours")
        bed.lab.ip(bed.lab.edge, f"-{family}", "neigh", "flush", "dev", "lan")
        bed.lab.ip(bed.lab.edge, f"-{family}", "neigh", "flush", "dev", "wan")
        expect(serves_all(bed, family), "traffic does not go on after the kernel forgot its neighbours")
        bed.lab.run(bed.lab.edge, "ip", "neigh", "del", address, "dev", "lan", check=False)
        expect(serves_all(bed, family), "traffic does not go on after the kernel lost a backend's address")
        there = wait_until(lambda: (neighbour(bed, address) or {}).get("mac"))
        expect(there, f"{address} did not come back")
    return test
