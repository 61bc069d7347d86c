# SPDX-License-Identifier: Apache-2.0
"""HTTP listeners: what a pool may have at a time, what is tried again, and which backend is chosen, also while configurations change. With
backends that the test itself is where it has to see their connections."""
import collections
import json
import re
import socket
import threading
import time

import configs
import inside
from bed import expect, group, wait_until
from http_bed import HTTP, NOBODY, SCRIPT, HttpBed, address, tests_of
from topology import backend_address

FULL = 8097  # a port whose backlog is full
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
    "wait": ([1], FULL, "limits = { pending = 1; }; ", 'retries = { attempts = 1; on = [ "reset" ]; }; timeouts = { connect = "1s"; }; '),
    "again": ([1, 2], SCRIPT, "limits = { retries = 1; }; " + NEVER_OUT, 'retries = { attempts = 1; on = [ "503" ]; budget = "100%"; }; '),
    "least": ([1, 2], HTTP, "", 'balance = "least-requests"; '),
    "hashed": ([1, 2, 3], HTTP, "", 'balance = "maglev"; hash_cookie = "Session"; '),
    "brief": ([1], HTTP, "keepalive = { requests = 2; }; ", ""),
    "slow": ([1, 2, 3], HTTP, 'slow_start = "4s"; ', ""),
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
        each.append(configs.listener(f"few-requests-{family}", address(83, family), 80, f"one-{family}", "http = { requests = 3; }; ", "http"))
        each.append(configs.listener(f"short-lived-{family}", address(84, family), 80, f"one-{family}", 'http = { age = "400ms"; }; ', "http"))
        each.append(configs.listener(f"told-{family}", address(85, family), 80, f"one-{family}", 'accept_proxy_protocol = true; '
                                     'limits = { client = { requests = "1/m"; requests_burst = "4m"; }; }; ', "http"))
        each.append(configs.listener(f"bytes-{family}", address(81, family), 80, f"one-{family}"))
    return configs.objects(pools, [], each)


def many_clients(lab):
    """Client addresses that both workers own some of."""
    lab.address(lab.client, "eth0", *[f"198.51.100.{n}/24" for n in range(20, 28)])


one_worker = group("http bounds, one worker", lambda: HttpBed(objects=objects))
two_workers = group("http bounds, two workers", lambda: HttpBed(workers="0, 1", objects=objects, prepare=many_clients))


test = tests_of("http bounds", (one_worker,), (4, 6))


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


@test("over the bound of requests that wait for a connection it is 503", stands=(one_worker, two_workers))
def pending(bed, family):
    def fill():
        """One connection is all that fits: further ones are not answered."""
        sock = socket.create_server(("::", FULL), family=socket.AF_INET6, backlog=0, dualstack_ipv6=True)
        return sock, socket.create_connection(("::1", FULL))
    sockets = inside.within(bed.lab.backend_name(1), fill)
    try:
        before, late = bed.counters(), []
        thread = threading.Thread(target=lambda: late.extend(statuses(bed, family, "/wait/x", 1)))
        thread.start()
        expect(wait_until(lambda: grown(bed, before, "requests") == (1,), 1), "the request is not there")
        got = statuses(bed, family, "/wait/x", 3)
        thread.join()
        expect(got == [503] * 3 and late == [504], f"{got} {late}")
        expect(grown(bed, before, "circuit_pending") == (3,), f"{grown(bed, before, 'circuit_pending')}")
        thread = threading.Thread(target=lambda: late.extend(statuses(bed, family, "/wait/x", 1)))
        thread.start()
        thread.join()
        expect(late[1:] == [504], f"the bound is left again: {late}")
    finally:
        for sock in sockets:
            sock.close()


@test("over the bound of retries requests are not sent again", stands=(one_worker, two_workers))
def retries(bed, family):
    release, seen, lock = threading.Event(), collections.Counter(), threading.Lock()

    def play(wire, script, name):
        """503 first, and the second time an answer that takes its time."""
        while True:
            asked = wire.request()
            with lock:
                seen[asked.first] += 1
                again = seen[asked.first] > 1
            script.asked.append((name, asked.first))
            if again:
                release.wait(10)
            wire.send(inside.OK if again else b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
    bed.script.begin(play)
    before = bed.counters()
    with inside.connect(bed.lab.client, address(80, family), 80) as wire:
        wire.send(b"GET /again/first HTTP/1.1\r\nHost: a\r\n\r\n")
        expect(wait_until(lambda: len(bed.script.asked) == 2), f"not sent again: {bed.script.asked}")
        with inside.connect(bed.lab.client, address(80, family), 80) as other:
            answer = other.ask("/again/other")
        expect(answer.first.startswith("HTTP/1.1 503") and answer.body == b"busy", f"the answer of the first attempt: {answer}")
        release.set()
        expect(wire.answer().first.startswith("HTTP/1.1 200"), "the first one")
        expect(statuses(bed, family, "/again/third", 1) == [200], "the bound is left again")
    expect(grown(bed, before, "circuit_retries", "retries") == (1, 2) and len(bed.script.asked) == 5, f"{bed.script.asked}")


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


# ---- which backend ---------------------------------------------------------------------------------
@test("least-requests goes to who has none")
def least_requests(bed, family):
    with inside.connect(bed.lab.client, address(80, family), 80) as busy, inside.connect(bed.lab.client, address(80, family), 80) as wire:
        before = bed.counters()
        busy.send(b"GET /least/slow/700 HTTP/1.1\r\nHost: a\r\n\r\n")
        expect(wait_until(lambda: grown(bed, before, "requests") == (1,), 1), "the request is not there")
        names = collections.Counter(ask(wire, "/least/echo")[1] for _ in range(12))
        expect(busy.answer().body == b"at last\n", "the slow one")
        expect(len(names) == 1, f"{names}")
        names = collections.Counter(ask(wire, "/least/echo")[1] for _ in range(40))
        expect(len(names) == 2, f"with nothing under way: {names}")


@test("a hash of a cookie chooses the backend", stands=(one_worker, two_workers))
def hash_cookie(bed, family):
    by_value = {}
    for value in "abcdefghij":
        with inside.connect(bed.lab.client, address(80, family), 80) as wire:
            names = {ask(wire, "/hashed/echo", f"Cookie: Sessions=x; {more}Session={value}")[1] for more in ("", "a=b; ", "c=d; e=f; ")}
        expect(len(names) == 1, f"{value}: {names}")
        by_value[value] = names.pop()
    expect(len(set(by_value.values())) > 1, f"{by_value}")


@test("a backend that comes back begins with few requests")
def slow_start(bed, family):
    def share():
        with inside.connect(bed.lab.client, address(80, family), 80) as wire:
            return sum(ask(wire, "/slow/echo")[1] == "b3" for _ in range(60))

    def third():
        return next(b for b in bed.show("backends") if b["pool"] == f"slow-{family}" and backend_address(3)[family == 6] in b["address"])
    host = backend_address(3)[family == 6]
    name = f"slow-{family}/[{host}]:{HTTP}" if family == 6 else f"slow-{family}/{host}:{HTTP}"
    bed.penstock("disable", name)
    expect(share() == 0, "requests for a backend that is disabled")
    bed.penstock("enable", name)
    first = share()
    expect(wait_until(lambda: third()["effective_weight"] == 100, 8), f"{third()}")
    later = share()
    expect(first <= 12 and 18 <= later <= 22, f"{first} of 60 at first, {later} later")


# ---- how long connections live ---------------------------------------------------------------------
def connection_ends(wire, path, n):
    """After n answers, of which the last one says so."""
    for i in range(n):
        answer = wire.ask(path)
        expect(answer.first.startswith("HTTP/1.1 200"), answer.first)
        expect((answer.fields.get("connection") == "close") == (i == n - 1), f"answer {i + 1}: {answer.fields}")
    expect(wire.rest() == (b"", "fin"), "it goes on")


@test("a client's connection has as many requests as it may have")
def few_requests(bed, family):
    for _ in range(2):
        with inside.connect(bed.lab.client, address(83, family), 80) as wire:
            connection_ends(wire, "/echo", 3)


@test("a client's connection ends with the next answer when it is old")
def old(bed, family):
    with inside.connect(bed.lab.client, address(84, family), 80) as wire:
        expect(ask(wire, "/echo")[0] == 200, "no answer")
        time.sleep(0.5)
        connection_ends(wire, "/echo", 1)


@test("a backend's connection has as many requests as it may have")
def brief(bed, family):
    before = bed.counters()
    with inside.connect(bed.lab.client, address(80, family), 80) as wire:
        expect([ask(wire, "/brief/echo")[0] for _ in range(6)] == [200] * 6, "no answer")
    opened, reused = grown(bed, before, "upstreams_opened", "upstreams_reused")
    expect((opened, reused) == (3, 3), f"{opened} opened, {reused} used again")


# ---- clients that a PROXY header tells of ----------------------------------------------------------
@test("a client's requests are limited whichever worker gets them", stands=(two_workers,), families=(4,))
def told(bed, family):
    got, active = collections.Counter(), set()
    for n in range(20, 28):
        def connect(source=f"198.51.100.{n}"):
            sock = socket.create_connection((address(85, family), 80), 5, (source, 0))
            return sock
        before = [row["requests"] for row in bed.show("http")]
        with inside.Wire(inside.within(bed.lab.client, connect)) as wire:
            wire.send(b"PROXY TCP4 192.0.2.7 203.0.113.85 1234 80\r\n")
            got[ask(wire, "/echo")[0]] += 1
        active |= {i for i, row in enumerate(bed.show("http")) if row["requests"] > before[i]}
    expect(got == {200: 4, 429: 4} and active == {0, 1}, f"{got} at workers {active}")


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
            expect(ask(wire, path, "X_Api_Key: real")[0] == 200, "a name that looks like the key's")
    found = grown(bed, before, "limit_keys_bad", "limited", "fields_alike")
    expect(found == (6, 0, 2), f"{found}: that one does not reach backends")


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
