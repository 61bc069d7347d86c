# SPDX-License-Identifier: Apache-2.0
"""Changes under load: applying configurations, backends that come and go, two workers and the clients that they own."""
import ipaddress
import json
import os

from bed import Bed, every_mode, expect, group, vip
from topology import CLIENT6


# Client addresses enough for both workers to own some, whatever the hash.
MANY4 = [f"198.51.100.{n}" for n in range(20, 36)]
# A client of IPv6 is a /64, so each has one of its own, behind the client's address.
MANY6 = [f"2001:db8:c:{n:x}::1" for n in range(16)]
ROUTES = f'routes = ( {{ to = "2001:db8:c::/48"; via = "{CLIENT6}"; }} );\n'


def many_clients(lab):
    """Client addresses, and a fourth backend that no configuration knows at first."""
    lab.address(lab.client, "eth0", *[a + "/24" for a in MANY4], *[a + "/128" for a in MANY6])
    lab.backend(4)
    for number in lab.backends:
        lab.ip(lab.backend_name(number), "-6", "route", "add", "2001:db8:c::/48", "via", CLIENT6, "dev", "eth1", "table", "100")


def with_routes(backends, **options):
    return ROUTES + every_mode(backends, **options)


changes = group("changes", lambda: Bed(prepare=many_clients, objects=with_routes))


def result_of(process):
    out = process.stdout.read()
    expect(process.wait(60) == 0, f"the client ended with {process.returncode}: {out}")
    return json.loads(out.splitlines()[-1])


# Each takes seconds where a program is slow, as under sanitizers.
CONFIGURATIONS = int(os.environ.get("E2E_CONFIGURATIONS", "50"))


def apply_under_load(mode, family):
    def test(bed):
        """Two configurations in turn, whose pools differ by a weight: rows move each time."""
        load = bed.start_peer("load", vip(mode, family), 400)
        texts = [bed.config(bed.lab.backends), bed.config(bed.lab.backends, weights={1: 150})]
        before = bed.running()
        for i in range(CONFIGURATIONS):
            bed.apply(texts[(i + 1) % 2])
        expect(load.poll() is None, "the load ended before the configurations were applied")
        load.stdin.close()
        after = bed.running()
        counts = result_of(load)
        expect(after == before + CONFIGURATIONS, f"generation {before}, then {after}")
        expect(counts["failed"] == 0, f"{counts}")
        expect(counts["ok"] > 50, f"too few requests for a load: {counts}")
    return test


def backends_under_connections(mode, family):
    def test(bed):
        """200 connections live through a backend that comes and, later, one that goes; those of the latter alone may break."""
        bed.apply(bed.config([1, 2, 3]))
        held = bed.start_peer("hold", vip(mode, family), 200, 9)
        bed.apply(bed.config([1, 2, 3, 4]))
        bed.apply(bed.config([1, 2, 4]))
        results = result_of(held)
        expect(len(results) == 200, f"{len(results)} connections")
        served = {r[1] for r in results}
        expect(served == {"b1", "b2", "b3"}, f"served by {served}")
        broken = [r for r in results if r[3] is not None and r[1] != "b3"]
        expect(not broken, f"{len(broken)} connections to backends that stayed broke: {broken[:3]}")
        expect(any(r[3] is not None for r in results if r[1] == "b3"), "b3 is gone, but its connections go on")
        # and the new one gets its share of what begins now
        names = bed.who(vip(mode, family), 30)
        expect(names == {"b1", "b2", "b4"}, f"afterwards {names} answer")
        bed.apply(bed.config([1, 2, 3]))
    return test


def drained_under_connections(mode, family):
    def test(bed):
        """A backend of weight 0 keeps its connections and gets no new one."""
        bed.apply(bed.config([1, 2, 3]))
        held = bed.start_peer("hold", vip(mode, family), 60, 4)
        bed.apply(bed.config([1, 2, 3], weights={2: 0}))
        names = bed.who(vip(mode, family), 30)
        expect(names == {"b1", "b3"}, f"{names} answer while b2 drains")
        results = result_of(held)
        broken = [r for r in results if r[3] is not None]
        expect(not broken, f"{len(broken)} of {len(results)} connections broke: {broken[:3]}")
        expect(any(r[1] == "b2" for r in results), "none of the connections was on b2")
        bed.apply(bed.config([1, 2, 3]))
    return test


def all_at_once(bed):
    """What is wrong is refused as a whole, with file and line; the running configuration goes on."""
    good = bed.config([1, 2, 3])
    bed.apply(good)
    generation = bed.running()
    bad = good.replace('port = 8080', 'port = 80800', 1).replace('forward = "nat"', 'forward = "gnat"', 1)
    path = f"{bed.lab.where}/bad.conf"
    with open(path, "w", encoding="ascii") as out:
        out.write(bad)
    done = bed.penstock("apply", path, check=False)
    expect(done.returncode == 1, f"exit code {done.returncode}")
    lines = [line for line in done.stderr.splitlines() if line.startswith(path + ":")]
    expect(len(lines) >= 2, f"both errors, with file and line: {done.stderr}")
    expect(bed.running() == generation, "the generation changed")
    bed.curl(vip("nat", 4))


for MODE in ("nat", "gue", "full-nat"):
    for FAMILY in (4, 6):
        for NAME, MAKE in (("configurations under load", apply_under_load),
                           ("200 connections while backends come and go", backends_under_connections),
                           ("a backend drains", drained_under_connections)):
            TEST = MAKE(MODE, FAMILY)
            TEST.__name__ = f"{MODE}, IPv{FAMILY}, {NAME}"
            # Every mode has its own code for connections, every family its own for addresses: but not each pair needs the long tests.
            if NAME.startswith("a backend") or (MODE, FAMILY) in (("nat", 4), ("gue", 6), ("full-nat", 6)):
                changes(TEST)
changes(all_at_once)

owners = group("two workers", lambda: Bed(workers="0, 1", prepare=many_clients, objects=with_routes))


def owned(mode, family):
    def test(bed):
        """All of a client's connections are on one worker; the clients are on both."""
        many = MANY4 if family == 4 else MANY6
        held = bed.start_peer("hold", vip(mode, family), 160, 4, *many)
        views = [v for v in bed.show("connections") if v["service"] == f"{mode}-{family}-tcp" and v["state"] == "established"]
        results = result_of(held)
        expect(all(r[3] is None for r in results), f"a connection broke: {[r for r in results if r[3]][:3]}")
        expect(len(views) >= 160, f"{len(views)} connections are known")
        owner = {}
        for view in views:
            owner.setdefault(view["client"].rpartition(":")[0], set()).add(view["worker"])
        expect(all(len(workers) == 1 for workers in owner.values()), f"a client is on two workers: {owner}")
        expect(set().union(*owner.values()) == {0, 1}, f"all clients are on one worker: {owner}")
        steered = sum(w["steered_in"] for w in bed.show("workers"))
        expect(steered > 0, "nothing was steered")
        # The same workers know them as senders; an IPv6 client is a /64.
        heavy = {}
        for row in bed.show("clients", "--limit", "1000"):
            heavy.setdefault(row["client"], set()).add(row["worker"])
        expect(all(len(workers) == 1 for workers in heavy.values()), f"a client is on two workers: {heavy}")
        for client, workers in owner.items():
            address = ipaddress.ip_address(client.strip("[]"))
            name = client if family == 4 else str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
            expect(heavy.get(name) == workers, f"{name}: {heavy.get(name)} in show clients, {workers} in show connections")
    return test


for MODE in ("nat", "full-nat"):
    for FAMILY in (4, 6):
        TEST = owned(MODE, FAMILY)
        TEST.__name__ = f"{MODE}, IPv{FAMILY}, a client's connections are on its owner"
        owners(TEST)
