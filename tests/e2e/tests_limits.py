# SPDX-License-Identifier: Apache-2.0
"""Limits: real clients that ask for more than they may, on two workers, beside others that do not notice."""
import ipaddress
import json

import configs
from bed import MODES, Bed, expect, group, vip, wait_until
from tests_changes import MANY4, MANY6, ROUTES, many_clients, result_of
from topology import CLIENT4

# A rate that a second has, and one that does not come back while a test runs: 5 or 32 at once.
RATE, BURST = 200, 100
FIVE, SERVICE = 5, 32
SLOTS = 20
LISTED = 5000
COMBINATIONS = (("nat", 4), ("gue", 6), ("full-nat", 6))


def limited(kind, text):
    return f"limits = {{ {kind} = {{ {text} }}; }}; "


def limits(backends, lists=""):
    """For each combination: datagrams a second, connections at a time and new connections of a client; a service's own; and lists."""
    pools, services = [], []

    def add(tag, mode, family, port, protocol, extra):
        forward = MODES[mode][1]
        inner = port if port == 9000 or forward == "dsr-gue" else 8080
        pools.append(configs.pool(f"{tag}-{mode}-{family}", backends, inner, family))
        services.append(configs.service(f"{tag}-{mode}-{family}", vip(mode, family), port, protocol, forward, pools[-1].split('"')[1],
                                        extra))

    for mode, family in COMBINATIONS:
        add("rate", mode, family, 9000, "udp", limited("client", f'packets = "{RATE}/s"; burst = "{1000 * BURST // RATE}ms";'))
        add("slots", mode, family, 9000, "tcp", limited("client", f"connections = {SLOTS};"))
        add("new", mode, family, 80, "tcp", limited("client", f'new_connections = "60/h"; burst = "{FIVE}m";'))
    add("all", "nat", 6, 9000, "tcp", limited("service", f'new_connections = "60/h"; burst = "{SERVICE}m";'))
    add("listed", "full-nat", 4, 80, "tcp", lists)
    return ROUTES + configs.objects(pools, services)


def more_clients(lab):
    """A second address in the /64 of each of the first two clients."""
    many_clients(lab)
    lab.address(lab.client, "eth0", *[second(a) + "/128" for a in MANY6[:2]])


def second(address):
    return address.replace("::1", "::2")


bed_of_limits = group("limits", lambda: Bed(workers="0, 1", prepare=more_clients, objects=limits), part="timed")


def log(bed):
    with open(f"{bed.lab.where}/penstockd.log", encoding="utf-8", errors="replace") as text:
        return text.read()


def opened(bed, address, port, count, *sources):
    """How many of so many connections, begun at once from these addresses in turn, come about."""
    return int(bed.peer("open", address, port, count, *sources))


def explain(bed, protocol, client, address, port):
    client, address = (f"[{a}]" if ":" in a else a for a in (client, address))
    return json.loads(bed.penstock("explain", "--protocol", protocol, "--client", f"{client}:1", "--service", f"{address}:{port}",
                                   "--json").stdout)


def left(bed, client, address):
    """How many more connections a client may have."""
    limit, = explain(bed, "tcp", client, address, 9000)["limits"]
    return limit["left"]


def datagrams(mode, family):
    def test(bed):
        """Ten times the limit, from 8 sockets: no more than limit x time + burst is answered, and hardly less; a modest client is not hurt."""
        name, many = f"rate-{mode}-{family}", MANY4 if family == 4 else MANY6
        greedy = [many[0]] if family == 4 else [many[0], second(many[0])]
        before = len(log(bed))
        over = bed.start_peer("flood", vip(mode, family), 10 * RATE, 4, *greedy)
        within = [bed.start_peer("flood", vip(mode, family), RATE // 2, 4, many[n]) for n in (1, 2)]
        over, *within = map(result_of, [over, *within])
        print(f"     of {over['sent']} datagrams {over['answered']} were answered in {over['seconds']:.2f} s; "
              f"within the limit {[w['answered'] for w in within]} of {[w['sent'] for w in within]}")
        most = RATE * over["seconds"] + BURST
        expect(over["answered"] <= most, f"{over}: more than {most:.0f}")
        expect(over["answered"] >= 0.9 * RATE * over["seconds"], f"{over}: less than the limit")
        refused = bed.service(name)["drops"]
        expect(set(refused) == {"client-packets"}, f"{refused}")
        said = [line for line in log(bed)[before:].splitlines() if "limit-begins" in line and f"service={name} " in line]
        expect(len(said) == 1 and "limit=client-packets" in said[0], f"the log on it: {said}")
        client, *modest = (a if family == 4 else str(ipaddress.ip_network(a + "/64", strict=False)) for a in many[:3])

        def of_clients():
            return {r["client"]: r["limited"].get("client-packets", 0) for r in bed.show("clients")}

        wait_until(lambda: sum(of_clients().values()) >= refused["client-packets"])
        limited_by = of_clients()
        # Where a machine lets packets come late, and many at once, one of the others may be over its burst too.
        expect(limited_by[client] >= 0.99 * refused["client-packets"], f"{client}: {limited_by}, {refused}")
        # What else is lost on the way is the machine's; a limiter that counted the greedy one's datagrams as theirs would refuse nine of ten.
        for one, name_of in zip(within, modest):
            expect(limited_by.get(name_of, 0) <= 0.02 * one["sent"], f"{name_of} is within its limit: {one}, {limited_by}")
            expect(one["answered"] >= 0.6 * one["sent"], f"{name_of} is not served: {one}")
        expect(sum(limited_by.values()) >= refused["client-packets"], f"{limited_by}, {refused}")
    test.__name__ = f"{mode}, IPv{family}, datagrams over a limit"
    return test


def at_a_time(mode, family):
    def test(bed):
        """So many connections at a time; those that have ended make room."""
        many, address = MANY4 if family == 4 else MANY6, vip(mode, family)
        for _ in range(2):
            got = opened(bed, address, 9000, SLOTS + 10, many[0])
            expect(got == SLOTS, f"{got} connections at a time, not {SLOTS}")
            expect(opened(bed, address, 9000, SLOTS, many[1]) == SLOTS, "another client is held back, too")
            expect(wait_until(lambda: left(bed, many[0], address) == SLOTS), "connections that have ended still count")
    test.__name__ = f"{mode}, IPv{family}, connections at a time"
    return test


def new(mode, family):
    def test(bed):
        """New connections of a client."""
        many, address = MANY4 if family == 4 else MANY6, vip(mode, family)
        for client in many[:4]:
            got = opened(bed, address, 80, 3 * FIVE, client)
            expect(got == FIVE, f"{client} began {got} connections, not {FIVE}")
    test.__name__ = f"{mode}, IPv{family}, new connections"
    return test


for MODE, FAMILY in COMBINATIONS:
    for MAKE in (datagrams, at_a_time, new):
        bed_of_limits(MAKE(MODE, FAMILY))


@bed_of_limits
def whole_service(bed):
    """A service's limit is one for both workers, whose clients ask together."""
    got = opened(bed, vip("nat", 6), 9000, 3 * SERVICE, *MANY6)
    print(f"     {got} of {SERVICE}")
    expect(SERVICE * 7 // 8 <= got <= SERVICE, f"{got} connections of a service, not {SERVICE}")
    took = [w["connections"] for w in bed.show("workers")]
    expect(all(took), f"one worker alone had the clients: {took}")


@bed_of_limits
def listed(bed):
    """Thousands of prefixes; to change them is an apply."""
    prefixes = ", ".join(f'"10.{n // 250}.{n % 250}.0/24"' for n in range(LISTED))
    address = vip("full-nat", 4)
    for client, count in ((CLIENT4, 0), ("203.0.113.1", 1)):
        bed.apply(bed.config(bed.lab.backends, lists=f'deny = [ {prefixes}, "{client}" ]; '))
        got = opened(bed, address, 80, 1, CLIENT4)
        expect(got == count, f"with {client} denied {got} connections instead of {count}")
    expect(set(bed.service("listed-full-nat-4")["drops"]) == {"denied"}, f"{bed.service('listed-full-nat-4')}")
    told = explain(bed, "tcp", "10.3.7.1", address, 80)
    expect((told["verdict"], told["reason"]) == ("drop", "denied"), f"{told}")
