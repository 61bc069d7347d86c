# SPDX-License-Identifier: Apache-2.0
"""The bed of tests that speak HTTP byte by byte: backends that run http_backend.py (port 8090), backends that are part of the test (8095,
inside.Script), and a port where nobody listens (8099)."""
import os
import re

import configs
import inside
from bed import Bed, expect, group, wait_until

WEB, HTTP, SCRIPT, NOBODY = 8080, 8090, 8095, 8099
BACKEND = [os.path.join(os.path.dirname(os.path.realpath(__file__)), "http_backend.py")]
FAMILIES = (4, 6)


def address(last, family):
    return f"203.0.113.{last}" if family == 4 else f"2001:db8:f::{last}"


ROUTES = """routes = (
  {{ name = "one"; match = {{ path = "/one/"; }}; pools = ( {{ pool = "one-{f}"; }} ); }},
  {{ name = "two"; match = {{ path = "/two/"; }}; pools = ( {{ pool = "two-{f}"; }} ); }},
  {{ name = "again"; match = {{ path = "/again/"; }}; pools = ( {{ pool = "two-{f}"; }} );
     retries = {{ attempts = 2; on = [ "connect", "reset", "timeout", "503" ]; budget = "100%"; }}; timeouts = {{ first_byte = "400ms"; }}; }},
  {{ name = "refused"; match = {{ path = "/refused/"; }}; pools = ( {{ pool = "half-{f}"; }} );
     retries = {{ attempts = 1; on = [ "connect" ]; budget = "100%"; }}; }},
  {{ name = "gone"; match = {{ path = "/gone/"; }}; pools = ( {{ pool = "gone-{f}"; }} ); }},
  {{ name = "first"; match = {{ path = "/first/"; }}; pools = ( {{ pool = "one-{f}"; }} ); timeouts = {{ first_byte = "300ms"; }}; }},
  {{ name = "idle"; match = {{ path = "/idle/"; }}; pools = ( {{ pool = "one-{f}"; }} ); timeouts = {{ idle = "300ms"; }}; }},
  {{ name = "whole"; match = {{ path = "/whole/"; }}; pools = ( {{ pool = "one-{f}"; }} ); timeouts = {{ whole = "400ms"; }}; }},
  {{ name = "socket"; match = {{ path = "/socket/"; }}; pools = ( {{ pool = "one-{f}"; }} ); websocket = true; }},
  {{ name = "fixed"; match = {{ path = "/fixed"; }}; respond = {{ status = 200; body = "fixed"; }}; }},
  {{ name = "nginx"; match = {{ path = "/nginx/"; }}; pools = ( {{ pool = "web-{f}"; }} ); rewrite = {{ path_prefix = "/"; }}; }},
  {{ name = "rest"; pools = ( {{ pool = "http-{f}"; }} ); }} ); """
HASTY = 'timeouts = { header = "300ms"; body = "300ms"; keepalive = "300ms"; }; '
NARROW = 'http = { header_size = "1k"; target_size = "256B"; body_size = "10k"; headers = 20; }; '


def objects(backends, weights=None, extra=""):
    """extra: routes in front of the others."""
    pools, each = [], []
    for family in FAMILIES:
        routes = ROUTES.format(f=family).replace("routes = (\n", "routes = (\n" + extra)
        there, gone = configs.pool("x", [1], SCRIPT, family), configs.pool("x", [2], NOBODY, family)
        members = [re.search(r"\(\n(.*) \);", text, re.S)[1] for text in (there, gone)]
        pools += [configs.pool(f"http-{family}", backends, HTTP, family, weights), configs.pool(f"web-{family}", backends, WEB, family, weights),
                  configs.pool(f"one-{family}", [1], SCRIPT, family), configs.pool(f"gone-{family}", [3], NOBODY, family),
                  configs.pool(f"two-{family}", [1, 2], SCRIPT, family, None, "outlier = { errors = 0; }; "),
                  f'  {{ name = "half-{family}"; backends = (\n' + ",\n".join(members) + " ); }"]
        each += [configs.listener(f"all-{family}", address(72, family), 80, None, routes, protocol="http"),
                 configs.listener(f"hasty-{family}", address(73, family), 80, f"one-{family}", HASTY, protocol="http"),
                 configs.listener(f"narrow-{family}", address(74, family), 80, f"one-{family}", NARROW, protocol="http")]
    return configs.objects(pools, [], each)


class HttpBed(Bed):
    def __init__(self, **options):
        super().__init__(**{"objects": objects, **options})
        self.script = None

    def servers(self, number):
        super().servers(number)
        self.lab.start(self.lab.backend_name(number), "/usr/bin/python3", *BACKEND, f"b{number}", str(HTTP), log=f"http-{number}.log")

    def __enter__(self):
        super().__enter__()
        self.script = inside.Script(self.lab, [1, 2], SCRIPT)
        wait_until(lambda: all(listens(self, n, HTTP) for n in self.lab.backends))
        return self

    def __exit__(self, *words):
        if self.script:
            self.script.close()
        super().__exit__(*words)

    # ---- what tests ask ------------------------------------------------------------------------
    def wire(self, family=4, last=72, **options):
        return inside.connect(self.lab.client, address(last, family), 80, **options)

    def counters(self):
        """What all workers count of HTTP together; bad_requests as they are."""
        sums = {"bad_requests": {}}
        for row in self.show("http"):
            for name, value in row.items():
                if name == "bad_requests":
                    for reason, count in value.items():
                        sums[name][reason] = sums[name].get(reason, 0) + count
                elif isinstance(value, int) and name != "worker":
                    sums[name] = sums.get(name, 0) + value
        return sums

    def clients(self):
        """Clients' connections to HTTP listeners, as Penstock counts."""
        return sum(s["connections_active"] for s in self.show("services"))

    def upstreams(self):
        """Connections to backends: as Penstock counts, as the backends' kernels do."""
        said = sum(b["connections_active"] for b in self.show("backends"))
        return said, sum(inside.established(self.lab.backend_name(number), (WEB, HTTP, SCRIPT)) for number in self.lab.backends)

    def settled(self):
        """Nothing is left but kept connections, and the backends agree on how many these are."""
        expect(wait_until(lambda: self.clients() == 0), f"{self.clients()} connections of clients are left")
        expect(wait_until(lambda: len(set(self.upstreams())) == 1, 3), f"connections to backends: {self.upstreams()} (said, seen)")


def listens(bed, number, port):
    return bed.lab.run(bed.lab.backend_name(number), "ss", "-Hltn", f"sport = :{port}").stdout.strip()


one_worker = group("http by bytes, one worker", HttpBed)
two_workers = group("http by bytes, two workers", lambda: HttpBed(workers="0, 1"))


def tests_of(what, default_stands, default_families):
    """The decorator of tests make(bed, family) of these beds and families, if not of others; their names begin with `what`."""
    def test(name, stands=default_stands, families=default_families):
        def register(make):
            for family in families:
                for stand in stands:
                    def one(bed, family=family):
                        bed.script.begin()
                        make(bed, family)
                    one.__name__ = f"{what}, IPv{family}, {name}"
                    stand(one)
            return make
        return register
    return test


test = tests_of("http/1", (one_worker,), (4,))
