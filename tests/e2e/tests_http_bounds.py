# SPDX-License-Identifier: Apache-2.0
"""HTTP listeners: what a pool may have at a time, what is tried again, and which backend is chosen, also while configurations change. With
backends that the test itself is where it has to see their connections."""
import collections
import json
import re
import threading
import time

import configs
import inside
from bed import expect, group, wait_until
from http_bed import HTTP, NOBODY, SCRIPT, HttpBed, address
from topology import CLIENT4, CLIENT6

NEVER_OUT = "outlier = { errors = 0; }; "
KEY = '{ key = { header = "X-Api-Key"; requests = "1/m"; burst = "3m"; }; }'
# Routes: their path is their pool's name.
POOLS = {
    # name: (backends, port, extra of the pool, extra of the route); backends from 10 on: where nobody listens, of ten less
    "few": ([1, 2, 3], HTTP, "limits = { connections = 2; }; ", ""),
    "lone": ([1], HTTP, "limits = { connections = 1; }; ", ""),
    "dead": ([11, 12, 13], HTTP, NEVER_OUT, 'retries = { attempts = 2; budget = "1%"; }; '),
    "quiet": ([1, 12], HTTP, NEVER_OUT, 'retries = { attempts = 1; budget = "1%"; }; '),
    "dying": ([11, 12, 3], HTTP, NEVER_OUT, 'retries = { attempts = 3; budget = "100%"; }; '),
    "dying-least": ([11, 12, 3], HTTP, NEVER_OUT, 'retries = { attempts = 3; budget = "100%"; }; balance = "least-requests"; '),
    "dying-hash": ([11, 12, 3], HTTP, NEVER_OUT, 'retries = { attempts = 3; budget = "100%"; }; balance = "maglev"; hash_header = "X-User"; '),
    "metered": ([1], HTTP, "", f"limits = {KEY}; "),
    "one": ([1], HTTP, "", ""),
    "two": ([2, 3], HTTP, "", ""),
}
MORE = """  {{ name = "sticky"; match = {{ path = "/sticky/"; }}; rewrite = {{ path_prefix = "/echo/"; }}; affinity = {{ cookie = "Backend"; }};
     pools = ( {{ pool = "one-{f}"; weight = 20; }}, {{ pool = "two-{f}"; weight = 80; }} ); }},
  {{ name = "late"; match = {{ path = "/late/"; }}; rewrite = {{ path_prefix = "/echo/"; }}; pools = ( {{ pool = "one-{f}"; }} );
     fault = {{ delay = "1s"; }}; }}"""


def pool(name, chosen, port, family, extra):
    text = configs.pool(name, [n % 10 for n in chosen], port, family, None, extra).split("\n")
    at = next(i for i, line in enumerate(text) if "port = " in line)
    for i, n in enumerate(chosen):
        if n > 10:
            text[at + i] = text[at + i].replace(f"port = {port}", f"port = {NOBODY}")
    return "\n".join(text)


def objects(backends, weights=None):
    del backends, weights
    pools, each = [], []
    for family in (4, 6):
        routes = []
        for name, (chosen, port, of_pool, of_route) in POOLS.items():
            pools.append(pool(f"{name}-{family}", chosen, port, family, of_pool))
            routes.append(f'  {{ name = "{name}"; match = {{ path = "/{name}/"; }}; pools = ( {{ pool = "{name}-{family}"; }} ); '
                          f'rewrite = {{ path_prefix = "/"; }}; {of_route}}}')
        routes.append(MORE.format(f=family))
        each.append(configs.listener(f"bounds-{family}", address(80, family), 80, None,
                                     "routes = (\n" + ",\n".join(routes) + " ); ", "http"))
        each.append(configs.listener(f"keyed-{family}", address(82, family), 80, f"one-{family}", f"limits = {KEY}; ", "http"))
        each.append(configs.listener(f"bytes-{family}", address(81, family), 80, f"one-{family}"))
    return configs.objects(pools, [], each)


def many_clients(lab):
    """Client addresses that both workers own some of."""
    lab.address(lab.client, "eth0", *[f"198.51.100.{n}/24" for n in range(20, 28)])


one_worker = group("http bounds, one worker", lambda: HttpBed(objects=objects))
two_workers = group("http bounds, two workers", lambda: HttpBed(workers="0, 1", objects=objects, prepare=many_clients))


def test(name, stands=(one_worker,), families=(4, 6)):
    def register(make):
        for family in families:
            for stand in stands:
                def one(bed, family=family):
                    bed.script.begin()
                    make(bed, family)
                one.__name__ = f"http bounds, IPv{family}, {name}"
                stand(one)
        return make
    return register


def statuses(bed, family, path, n, *words):
    """Of n requests, one behind the other, a connection each."""
    host = f"[{address(80, family)}]" if family == 6 else address(80, family)
    out = bed.client("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}\\n", "-H", "Connection: close", *words,
                     f"http://{host}{path}?[1-{n}]")
    return [int(line) for line in out.split()]


def config(bed, old=None, new=None):
    """The bed's configuration, with a text replaced that is there."""
    text = bed.config(bed.lab.backends)
    expect(old is None or old in text, f"no {old} in the configuration")
    return text if old is None else text.replace(old, new)


def ask(wire, path, *fields):
    """(the status, the name of the backend, the cookie)"""
    answer = wire.ask(path, "GET", None, *fields)
    status = int(answer.first.split()[1])
    return status, json.loads(answer.body)["name"] if status == 200 else None, answer.fields.get("set-cookie")


def grown(bed, before, *names):
    after = bed.counters()
    return tuple(after[name] - before[name] for name in names)


# ---- connections -----------------------------------------------------------------------------------
@test("connections that wait for requests give way to new ones", stands=(one_worker, two_workers))
def idle_gives_way(bed, family):
    before = bed.counters()
    got = statuses(bed, family, "/few/echo", 12)
    expect(got == [200] * 12, f"{got}")
    kept = sum(b["connections_active"] for b in bed.show("backends") if b["pool"] == f"few-{family}")
    expect(kept <= 2, f"{kept} connections")
    expect(grown(bed, before, "circuit_connections") == (0,), "counted as refused")


@test("those of another worker give way, too", stands=(two_workers,), families=(4,))
def other_worker_gives_way(bed, family):
    got = collections.Counter()
    for _ in range(2):
        for n in range(20, 28):
            got.update(statuses(bed, family, "/lone/echo", 1, "--interface", f"198.51.100.{n}"))
    expect(got == {200: 16}, f"{got}")
    owners = [w["requests"] for w in bed.show("http")]
    expect(all(owners), f"all clients are on one worker: {owners}")
    expect(wait_until(lambda: sum(b["connections_active"] for b in bed.show("backends") if b["pool"] == f"lone-{family}") <= 1),
           "more connections than the bound")


@test("over the bound of connections it is 503, as long as these have requests", stands=(one_worker, two_workers))
def connections(bed, family):
    before, slow = bed.counters(), []
    thread = threading.Thread(target=lambda: slow.extend(statuses(bed, family, "/lone/slow/1000", 1)))
    thread.start()
    expect(wait_until(lambda: grown(bed, before, "requests")[0] == 1), "the slow request is not there")
    got = statuses(bed, family, "/lone/echo", 2)
    thread.join()
    expect(got == [503, 503] and slow == [200], f"{got} {slow}")
    expect(grown(bed, before, "circuit_connections") == (2,), f"{grown(bed, before, 'circuit_connections')}")
    expect(statuses(bed, family, "/lone/echo", 2) == [200, 200], "not open again")


# ---- again -----------------------------------------------------------------------------------------
@test("a pool that is dead is asked little more often for that", stands=(one_worker, two_workers))
def budget(bed, family):
    before, begin = bed.counters(), time.monotonic()
    got = collections.Counter(statuses(bed, family, "/dead/echo", 100))
    retries, refused = grown(bed, before, "retries", "retries_refused")
    most = 1 + 10 + 10 * (time.monotonic() - begin)
    expect(got == {502: 100}, f"{got}")
    expect(9 <= retries <= most and refused >= 80 - most, f"{retries} retries (of at most {most:.0f}), {refused} refused")


@test("a connection that fails is tried again where there are few requests", families=(4,))
def quiet(bed, family):
    time.sleep(1)
    before = bed.counters()
    got = statuses(bed, family, "/quiet/echo", 8)
    retries, refused = grown(bed, before, "retries", "retries_refused")
    expect(got == [200] * 8 and 3 <= retries <= 8 and refused == 0, f"{got}, {retries} retries, {refused} refused")


@test("the one backend that lives is found", stands=(one_worker, two_workers))
def found(bed, family):
    for name in ("dying", "dying-least", "dying-hash"):
        got = collections.Counter()
        for user in range(3):
            time.sleep(1)  # until retries without tokens are there
            got.update(statuses(bed, family, f"/{name}/echo", 9, "-H", f"X-User: {user}"))
        expect(got == {200: 27}, f"{name}: {got}")


# ---- keys ------------------------------------------------------------------------------------------
@test("requests with a key are limited on a whole listener", stands=(one_worker, two_workers))
def listener_key(bed, family):
    with inside.connect(bed.lab.client, address(82, family), 80) as wire:
        got = [ask(wire, f"/echo/{n}", "X-Api-Key: one")[0] for n in range(5)]
        expect(got == [200, 200, 200, 429, 429], f"{got}")
        expect(ask(wire, "/echo", "x-api-key: two")[0] == 200, "another key")
        expect([ask(wire, "/echo")[0] for _ in range(5)] == [200] * 5, "without a key")


@test("a key that is there twice is refused", stands=(one_worker, two_workers))
def key_twice(bed, family):
    before = bed.counters()
    for last, path in ((80, "/metered/echo"), (82, "/echo")):
        with inside.connect(bed.lab.client, address(last, family), 80) as wire:
            for first in ("X-Api-Key: junk", "x-API-key:", "X-Api-Key: real"):
                got = ask(wire, path, first, "X-Other: 1", "X-Api-Key: real")[0]
                expect(got == 400, f"{path} {first}: {got}")
            expect(ask(wire, path, "X-Api-Key: really")[0] == 200, "the connection goes on")
    expect(grown(bed, before, "limit_keys_bad", "limited") == (6, 0), f"{grown(bed, before, 'limit_keys_bad', 'limited')}")


# ---- affinity --------------------------------------------------------------------------------------
@test("a cookie leads to its backend whichever of the route's pools has it", stands=(one_worker, two_workers))
def sticky(bed, family):
    with inside.connect(bed.lab.client, address(80, family), 80) as wire:
        for wanted in ({"b1"}, {"b2", "b3"}):
            for _ in range(100):
                _, name, cookie = ask(wire, "/sticky/a")
                if name in wanted:
                    break
            expect(name in wanted and cookie, f"no request came to {wanted}: {name} {cookie}")
            field = "Cookie: " + re.match("[^;]*", cookie)[0]
            got = {ask(wire, "/sticky/b", field) for _ in range(20)}
            expect(got == {(200, name, None)}, f"{name} {cookie}: then {got}")


@test("a pool without a weight gets nobody, whatever his cookie", families=(4,))
def no_weight(bed, family):
    with inside.connect(bed.lab.client, address(80, family), 80) as wire:
        seen = {}
        for _ in range(100):
            _, name, cookie = ask(wire, "/sticky/a")
            seen[name] = cookie
        bed.apply(config(bed, "weight = 20;", "weight = 0;"))
        try:
            status, name, cookie = ask(wire, "/sticky/b", "Cookie: " + re.match("[^;]*", seen["b1"])[0])
        finally:
            bed.apply(config(bed))
        expect(status == 200 and name in ("b2", "b3") and cookie, f"{status} {name} {cookie}")


# ---- configurations --------------------------------------------------------------------------------
def held_back(bed, family, text):
    """The statuses of one request that is held back while this configuration comes."""
    got, before = [], bed.counters()
    thread = threading.Thread(target=lambda: got.extend(statuses(bed, family, "/late/x", 1)))
    thread.start()
    expect(wait_until(lambda: grown(bed, before, "faults_delayed") == (1,), 1), "it is not held back")
    bed.apply(text)
    thread.join()
    bed.apply(config(bed))
    return got


@test("a request that is held back goes where its route leads by then", stands=(one_worker, two_workers))
def pool_gone(bed, family):
    one, two = f'"one-{family}"', f'"two-{family}"'
    got = held_back(bed, family, config(bed, one, f'"uno-{family}"'))
    expect(got == [200], f"its pool has another name: {got}")
    gone = config(bed, f"{{ pool = {one}; weight = 20; }}, ", "").replace(f"pool = {one}", f"pool = {two}")
    gone = re.sub(rf'  {{ name = {one}.*?}},\n(?=  {{)', "", gone, flags=re.S)
    got = held_back(bed, family, gone)
    expect(got == [200], f"another pool: {got}")


@test("a listener with another name has the connections of its address", stands=(one_worker, two_workers))
def listener_renamed(bed, family):
    def connect(last):
        return inside.connect(bed.lab.client, address(last, family), 80)
    before = bed.counters()
    with connect(80) as idle, connect(80) as busy, connect(81) as plain:
        expect(ask(idle, "/one/echo")[0] == 200, "no answer")
        expect(plain.ask("/echo").first.startswith("HTTP/1.1 200"), "no answer over TCP")
        busy.send(b"GET /one/slow/600 HTTP/1.1\r\nHost: a\r\n\r\n")
        expect(wait_until(lambda: grown(bed, before, "requests") == (2,)), "not under way")
        text = config(bed, f'"bounds-{family}"', f'"another-{family}"').replace(f'"bytes-{family}"', f'"other-bytes-{family}"')
        bed.apply(text)
        try:
            expect(busy.answer().body == b"at last\n", "a request that was under way")
            for wire, path in ((idle, "/one/echo"), (busy, "/one/echo"), (plain, "/echo")):
                expect(wire.ask(path).first.startswith("HTTP/1.1 200"), path)
            names = {s["name"] for s in bed.show("services")}
            expect(f"another-{family}" in names and f"bounds-{family}" not in names, f"{names}")
        finally:
            bed.apply(config(bed))
