# SPDX-License-Identifier: Apache-2.0
"""HTTP listeners: limits of requests, retries over another backend, circuit breaking, outliers, affinity, canary, mirroring, injected
faults, PROXY headers both ways, error pages."""
import collections
import json
import os
import re
import threading
import time

import configs
from bed import expect, group, wait_until
from tests_http import HTTP, HttpBed, address, ask, url
from topology import CLIENT4, CLIENT6

DEAD = 9999  # a port that nobody listens on
PAGE = f"/run/penstock-503-{os.getpid()}.html"

ROUTES = """routes = (
  {{ name = "keyed"; match = {{ path = "/keyed/"; }}; pools = ( {{ pool = "all-{f}"; }} );
     limits = {{ key = {{ header = "X-Api-Key"; requests = "1/m"; burst = "5m"; }}; }}; }},
  {{ name = "limited"; match = {{ path = "/limited/"; }}; pools = ( {{ pool = "all-{f}"; }} );
     limits = {{ client = {{ requests = "1/m"; burst = "10m"; }}; }}; }},
  {{ name = "half-dead"; match = {{ path = "/half-dead/"; }}; pools = ( {{ pool = "half-dead-{f}"; }} ); rewrite = {{ path_prefix = "/echo/"; }}; }},
  {{ name = "busy"; match = {{ path = "/busy/"; }}; pools = ( {{ pool = "small-{f}"; }} ); rewrite = {{ path_prefix = "/"; }}; }},
  {{ name = "sick"; match = {{ path = "/sick/"; }}; pools = ( {{ pool = "sick-{f}"; }} ); rewrite = {{ path_prefix = "/"; }}; }},
  {{ name = "kept"; match = {{ path = "/kept/"; }}; pools = ( {{ pool = "all-{f}"; }} ); rewrite = {{ path_prefix = "/echo/"; }};
     affinity = {{ cookie = "Backend"; lifetime = "1h"; }}; }},
  {{ name = "canary"; match = {{ path = "/canary/"; }}; rewrite = {{ path_prefix = "/echo/"; }};
     pools = ( {{ pool = "one-{f}"; weight = 20; }}, {{ pool = "two-{f}"; weight = 80; }} ); }},
  {{ name = "mirrored"; match = {{ path = "/mirrored/"; }}; pools = ( {{ pool = "one-{f}"; }} ); rewrite = {{ path_prefix = "/count/"; }};
     mirror = {{ pool = "two-{f}"; share = "100%"; }}; }},
  {{ name = "slow"; match = {{ path = "/late/"; }}; pools = ( {{ pool = "one-{f}"; }} );
     fault = {{ delay = "2s"; delay_share = "100%"; header = "X-Fault"; value = "delay"; }}; }},
  {{ name = "faulty"; match = {{ path = "/faulty/"; }}; pools = ( {{ pool = "one-{f}"; }} );
     fault = {{ abort = 503; abort_share = "30%"; }}; }},
  {{ name = "hashed"; match = {{ path = "/hashed/"; }}; pools = ( {{ pool = "all-{f}"; }} ); rewrite = {{ path_prefix = "/echo/"; }};
     balance = "maglev"; hash_header = "X-User"; }},
  {{ name = "rest"; pools = ( {{ pool = "all-{f}"; }} ); }} );
  errors = ( {{ status = 503; file = "{page}"; }} ); """


def features(backends, weights=None):
    pools, each = [], []
    for family in (4, 6):
        def add(name, chosen, port=HTTP, extra="", family=family):
            pools.append(configs.pool(f"{name}-{family}", chosen, port, family, None, extra))
        add("all", backends)
        add("one", backends[:1])
        add("two", backends[1:2])
        add("small", backends[:1], extra="limits = { requests = 2; }; ")
        add("sick", backends, extra="outlier = { errors = 3; time = \"30s\"; }; ")
        add("proxied", backends[:1], port=8081)
        pool = configs.pool(f"half-dead-{family}", backends[:2], HTTP, family)
        pools.append(pool.replace(f"port = {HTTP}", f"port = {DEAD}", 1))
        each.append(configs.listener(f"features-{family}", address(75, family), 80, None, ROUTES.format(f=family, page=PAGE), "http"))
        each.append(configs.listener(f"told-{family}", address(76, family), 80, f"all-{family}", "accept_proxy_protocol = true; ", "http"))
        each.append(configs.listener(f"telling-{family}", address(77, family), 80, f"proxied-{family}", 'proxy_protocol = "v2"; ', "http"))
        each.append(configs.listener(f"strict-{family}", address(78, family), 80, f"all-{family}",
                                     'limits = { client = { requests = "1/m"; requests_burst = "3m"; }; }; ', "http"))
    return configs.objects(pools, [], each)


class FeatureBed(HttpBed):
    def __enter__(self):
        with open(PAGE, "w", encoding="utf-8") as page:
            page.write("<h1>later</h1>")
        return super().__enter__()

    def __exit__(self, *what):
        os.unlink(PAGE)
        return super().__exit__(*what)


one_worker = group("http features, one worker", lambda: FeatureBed(objects=features))
two_workers = group("http features, two workers", lambda: FeatureBed(workers="0, 1", objects=features))


def tests(name, families=(4, 6), stands=None):
    def register(make):
        for family in families:
            for stand in stands or (one_worker, two_workers):
                def test(bed, family=family):
                    make(bed, family)
                test.__name__ = f"http feature, IPv{family}, {name}"
                stand(test)
        return make
    return register


def counters(bed):
    """Of all workers together."""
    sums = collections.Counter()
    for row in bed.show("http"):
        for name, value in row.items():
            if isinstance(value, int):
                sums[name] += value
    return sums


def statuses(bed, last, family, path, n, *words):
    """How often each status came of n requests over one connection, asked by curl."""
    out = bed.client("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}\\n", *words, *[url(last, family, path)] * 1,
                     *[word for _ in range(n - 1) for word in ("--next", "-s", "-o", "/dev/null", "-w", "%{http_code}\\n", *words,
                                                              url(last, family, path))])
    return collections.Counter(int(line) for line in out.split())


@tests("requests of a client are limited")
def client_limit(bed, family):
    before = counters(bed)
    got = statuses(bed, 75, family, "/limited/", 16)
    expect(got == {200: 10, 429: 6}, f"{got}")
    status, fields, _ = ask(bed, url(75, family, "/limited/"))
    expect(status == 429 and 1 <= int(fields["retry-after"]) <= 61, f"{status} {fields}")
    expect(counters(bed)["limited"] == before["limited"] + 7, f"{counters(bed)['limited']}")
    got = statuses(bed, 78, family, "/", 5)
    expect(got == {200: 3, 429: 2}, f"{got}")


@tests("requests with a key are limited, whoever sends them", families=(4,))
def key_limit(bed, family):
    got = collections.Counter()
    for client in (CLIENT4, "198.51.100.77", "198.51.100.78", "198.51.100.79"):
        if client != CLIENT4:
            bed.lab.address(bed.lab.client, "eth0", client + "/24")
        got += statuses(bed, 75, family, "/keyed/", 3, "--interface", client, "-H", "X-Api-Key: one")
    expect(got == {200: 5, 429: 7}, f"{got}")
    got = statuses(bed, 75, family, "/keyed/", 3, "-H", "X-Api-Key: two")
    expect(got == {200: 3}, f"another key: {got}")
    got = statuses(bed, 75, family, "/keyed/", 7)
    expect(got == {200: 7}, f"without a key: {got}")


@tests("a dead backend's requests go to another one")
def half_dead(bed, family):
    before = counters(bed)
    expect(statuses(bed, 75, family, "/half-dead/x", 10) == {200: 10}, "not all were answered")
    expect(statuses(bed, 75, family, "/half-dead/x", 4, "-d", "body of a POST") == {200: 4}, "not all POSTs were answered")
    after = counters(bed)
    expect(after["retries"] > before["retries"] and after["upstreams_failed"] > before["upstreams_failed"], f"{after}")


@tests("a full pool answers at once, with the listener's page", families=(4,), stands=(one_worker,))
def circuit(bed, family):
    done, before = [], counters(bed)["requests"]
    threads = [threading.Thread(target=lambda: done.append(ask(bed, url(75, family, "/busy/slow/1500")))) for _ in range(2)]
    for thread in threads:
        thread.start()
    expect(wait_until(lambda: counters(bed)["requests"] == before + 2), "the pool's requests are not there")
    begin = time.monotonic()
    status, _, body = ask(bed, url(75, family, "/busy/echo"))
    took = time.monotonic() - begin
    for thread in threads:
        thread.join()
    expect(status == 503 and body.strip() == "<h1>later</h1>" and took < 1, f"{status} {body} after {took:.2f} s")
    expect([d[0] for d in done] == [200, 200], f"{[d[0] for d in done]}")
    expect(counters(bed)["circuit_requests"] >= 1, "not counted")
    expect(ask(bed, url(75, family, "/busy/echo"))[0] == 200, "not open again")


@tests("a backend that answers with errors is left alone", families=(6,), stands=(one_worker,))
def outlier(bed, family):
    before = counters(bed)["outliers"]
    statuses(bed, 75, family, "/sick/status/500", 30)
    expect(counters(bed)["outliers"] == before + 1, f"{counters(bed)['outliers']}: of three, one at the most may be left alone")
    names = {json.loads(ask(bed, url(75, family, "/sick/echo"))[2])["name"] for _ in range(8)}
    expect(len(names) == 2, f"{names}")


@tests("a cookie brings a client back to its backend")
def affinity(bed, family):
    _, fields, body = ask(bed, url(75, family, "/kept/a"))
    cookie = fields["set-cookie"]
    expect(re.fullmatch(r"backend=[0-9a-f]{16}; path=/; httponly; max-age=3600", cookie), cookie)
    name = json.loads(body)["name"]
    for _ in range(6):
        _, fields, body = ask(bed, "-H", "Cookie: a=b; Backend=" + cookie.split("=")[1].split(";")[0], url(75, family, "/kept/b"))
        expect(json.loads(body)["name"] == name and "set-cookie" not in fields, f"{fields} {body}")
    _, fields, _ = ask(bed, "-H", "Cookie: Backend=0123456789abcdef", url(75, family, "/kept/b"))
    expect("set-cookie" in fields, "a cookie of nobody's")


@tests("a canary gets its share")
def canary(bed, family):
    out = bed.client("curl", "-s", *[word for _ in range(200) for word in (url(75, family, "/canary/"),)])
    names = collections.Counter(re.findall(r'"name": "(b\d)"', out))
    expect(sum(names.values()) == 200 and 15 <= names["b1"] <= 70, f"{names}")


@tests("mirrored requests")
def mirrored(bed, family):
    """Small, of several segments, in chunks, and one that is too long."""
    def at_two():
        return [b for b in bed.show("backends") if b["pool"] == f"two-{family}"][0]["bytes"]

    for size, chunked in ((600, False), (60000, False), (60000, True), (300000, False)):
        before, bytes_before = counters(bed), at_two()
        name = bed.lab.where + "/mirrored"
        with open(name, "wb") as out:
            out.write(os.urandom(size))
        words = ["-H", "Transfer-Encoding: chunked"] if chunked else ["-H", "Expect:"]
        _, _, body = ask(bed, *words, "--data-binary", "@" + name, url(75, family, "/mirrored/m"))
        told = json.loads(body)
        expect(told["name"] == "b1" and told["length"] == size, f"{told}")
        copied = size < 65536
        expect(wait_until(lambda before=before: counters(bed)["mirrors"] + counters(bed)["mirrors_skipped"]
                          == before["mirrors"] + before["mirrors_skipped"] + 1), "not counted")
        expect(counters(bed)["mirrors"] == before["mirrors"] + copied, f"{size} bytes, chunked: {chunked}: mirrored is the wrong counter")
        if copied:
            expect(wait_until(lambda was=bytes_before, size=size: at_two() >= was + size + 200),
                   f"{size} bytes, chunked: {chunked}: the request and its body did not come to the other pool")


@tests("injected faults", families=(4,), stands=(one_worker,))
def faults(bed, family):
    begin = time.monotonic()
    expect(ask(bed, "-H", "X-Fault: delay", url(75, family, "/late/"))[0] == 200, "no answer")
    expect(time.monotonic() - begin > 2, "no delay")
    begin = time.monotonic()
    ask(bed, url(75, family, "/late/"))
    expect(time.monotonic() - begin < 1.9, "a delay without the field")
    got = statuses(bed, 75, family, "/faulty/", 100)
    expect(set(got) == {200, 503} and 10 <= got[503] <= 55, f"{got}")


@tests("a hash of a field chooses the backend")
def hashed(bed, family):
    by_user = {}
    for user in "abcdefghij":
        names = {json.loads(ask(bed, "-H", f"X-User: {user}", url(75, family, "/hashed/"))[2])["name"] for _ in range(2)}
        expect(len(names) == 1, f"{user}: {names}")
        by_user[user] = names.pop()
    expect(len(set(by_user.values())) > 1, f"{by_user}")


@tests("PROXY headers of clients and for backends")
def proxy_headers(bed, family):
    _, _, body = ask(bed, "--haproxy-protocol", url(76, family, "/echo"))
    fields = {name.lower(): value for name, value in json.loads(body)["headers"]}
    expect(fields["x-forwarded-for"] == (CLIENT4 if family == 4 else CLIENT6), f"{fields}")
    seen = bed.curl(address(77, family))
    expect((CLIENT4 if family == 4 else CLIENT6) in seen, seen)


@tests("connections are shown with their backends")
def shown(bed, family):
    thread = threading.Thread(target=lambda: ask(bed, url(75, family, "/slow/1200")))
    thread.start()

    def busy():
        views = bed.show("connections", "--service", f"features-{family}")
        return [v for v in views if v["backend"] and v["backend_tcp"]["state"] == "established"
                and v["client_tcp"]["state"] == "established" and v["backend"].endswith(f":{HTTP}")]
    def explained(client):
        where = f"{address(75, family) if family == 4 else f'[{address(75, family)}]'}:80"
        return json.loads(bed.penstock("explain", "--protocol", "tcp", "--client", client, "--service", where, "--json").stdout)
    seen = wait_until(busy, 1)
    told = explained(seen[0]["client"]) if seen else None
    thread.join()
    expect(seen and len(seen) == 1, "a request that is at its backend is not shown")
    expect(told["verdict"] == "forward" and told["backend"] == seen[0]["backend"], f"{told}")
    expect(told["connection"]["client"] == seen[0]["client"] and told["connection"]["local"] == seen[0]["local"], f"{told}")
    told = explained("198.51.100.9:1" if family == 4 else "[2001:db8:1::9]:1")
    expect((told["verdict"], told["connection"], told["backend"]) == ("forward", None, None), f"of a new one: {told}")
    expect(wait_until(lambda: not bed.show("connections", "--service", f"features-{family}")), "it is shown for ever")


@tests("an answer of Penstock's own does not end a connection whose request is here", families=(4,), stands=(one_worker,))
def own_answers(bed, family):
    out = bed.client("curl", "-s", "-o", "/dev/null", "-d", "a body", "-w", "%{http_code} %{num_connects}\\n", url(75, family, "/limited/x"),
                     *["--next", "-s", "-o", "/dev/null", "-d", "another", "-w", "%{http_code} %{num_connects}\\n", url(75, family, "/limited/y")] * 19)
    lines = [tuple(map(int, line.split())) for line in out.splitlines()]
    expect(lines[-1][0] == 429 and sum(connects for _, connects in lines) == 1, f"{lines}")
