# SPDX-License-Identifier: Apache-2.0
"""HTTP listeners: what curl and a Python client ask for, and what backends see of it."""
import hashlib
import json
import os

import configs
from bed import Bed, expect, for_families, group
from topology import CLIENT4, CLIENT6

HTTP = 8090
BACKEND = [os.path.join(os.path.dirname(os.path.realpath(__file__)), "http_backend.py")]


def address(last, family):
    return f"203.0.113.{last}" if family == 4 else f"2001:db8:f::{last}"


ROUTES = """routes = (
  {{ name = "old"; match = {{ path = "/old/"; }}; redirect = {{ status = 301; location = "https://$host/new$path$query"; }}; }},
  {{ name = "fixed"; match = {{ path_exact = "/fixed"; }}; respond = {{ status = 418; body = "short and stout"; content_type = "text/tea"; }}; }},
  {{ name = "api"; match = {{ host = "api.example"; path = "/v1/"; }}; pools = ( {{ pool = "http-{family}"; }} );
     rewrite = {{ path_prefix = "/echo/"; host = "inner.example"; }};
     headers = {{ request = {{ set = ( {{ name = "X-Env"; value = "prod"; }} ); remove = [ "X-Debug" ]; }};
                 response = {{ set = ( {{ name = "X-By"; value = "penstock"; }} ); remove = [ "Server" ]; }}; }}; }},
  {{ name = "rest"; pools = ( {{ pool = "http-{family}"; }} ); }} ); """


def listeners(backends, weights=None):
    pools, each = [], []
    for family in (4, 6):
        pools.append(configs.pool(f"http-{family}", backends, HTTP, family, weights))
        pools.append(configs.pool(f"web-{family}", backends, 8080, family))
        each.append(configs.listener(f"routed-{family}", address(70, family), 80, None,
                                     ROUTES.format(family=family), protocol="http"))
        each.append(configs.listener(f"web-{family}", address(71, family), 80, f"web-{family}", protocol="http"))
    return configs.objects(pools, [], each)


class HttpBed(Bed):
    def servers(self, number):
        super().servers(number)
        self.lab.start(self.lab.backend_name(number), "/usr/bin/python3", *BACKEND, f"b{number}", str(HTTP), log=f"http-{number}.log")


one_worker = group("http, one worker", lambda: HttpBed(objects=listeners))
two_workers = group("http, two workers", lambda: HttpBed(workers="0, 1", objects=listeners))
both_beds = for_families("http", (one_worker, two_workers))


def url(last, family, path):
    host = address(last, family)
    return f"http://{f'[{host}]' if family == 6 else host}{path}"


def ask(bed, *words, seconds=30):
    """curl's output, head and body apart: status, {name: value}, body."""
    out = bed.client("curl", "-s", "-S", "-i", "-m", "20", *words, seconds=seconds)
    head, _, body = out.partition("\n\n")
    while head.startswith("HTTP/1.1 1") and body.startswith("HTTP/1.1 "):
        head, _, body = body.partition("\n\n")
    lines = head.splitlines()
    fields = dict(line.lower().split(": ", 1) if ": " in line else (line.lower().rstrip(":"), "") for line in lines[1:])
    return int(lines[0].split()[1]), fields, body


@both_beds("requests are answered")
def answered(bed, family):
    names = {bed.curl(address(71, family)).strip() for _ in range(12)}
    expect(names == {"b1", "b2", "b3"}, f"answers of {names}")


@both_beds("what a backend sees")
def seen(bed, family):
    status, _, body = ask(bed, "-H", "X-Forwarded-For: 6.6.6.6", "-H", "Forwarded: for=6.6.6.6", "-H", "X-Real-IP: 6.6.6.6", "-H", "X-Forwarded-Port: 6.6.6.6",
                          "-H", "Content_Length: 6.6.6.6", url(70, family, "/a/%62/../c?q=1"))
    told = json.loads(body)
    fields = {name.lower(): value for name, value in told["headers"]}
    client = (CLIENT4 if family == 4 else CLIENT6)
    expect(status == 200 and told["target"] == "/a/c?q=1", f"{told['target']}")
    expect(fields["x-forwarded-for"] == client, fields["x-forwarded-for"])
    expect("6.6.6.6" not in body and fields["x-forwarded-proto"] == "http", f"{fields}")
    expect(client in fields["forwarded"] and "proto=http" in fields["forwarded"], fields["forwarded"])
    expect(fields["host"] == fields["x-forwarded-host"], f"{fields}")
    expect(sum(row["fields_alike"] for row in bed.show("http")) >= 1, "what looks like Content-Length is not counted")
    _, _, body = ask(bed, "-0", "-H", "Host:", url(70, family, "/b"))
    fields = {name.lower(): value for name, value in json.loads(body)["headers"]}
    expect(fields["host"] == url(70, family, "")[7:] and "x-forwarded-host" not in fields, f"HTTP/1.0 without Host: {fields}")


@both_beds("routes")
def routes(bed, family):
    status, fields, _ = ask(bed, url(70, family, "/old/page?a=b"))
    expect(status == 301 and fields["location"].endswith("/new/old/page?a=b"), f"{status} {fields}")
    status, fields, _ = ask(bed, "-0", "-H", "Host:", "--path-as-is", url(70, family, "//old/./a/%2e%2e/page"))
    expect(status == 301 and fields["location"] == "https:" + url(70, family, "/new/old/page")[5:], f"{status} {fields}")
    status, fields, body = ask(bed, url(70, family, "/fixed"))
    expect(status == 418 and fields["content-type"] == "text/tea" and body.strip() == "short and stout", f"{status} {fields} {body}")
    status, fields, body = ask(bed, "-H", "Host: api.example", "-H", "X-Debug: 1", url(70, family, "/v1/thing"))
    told = json.loads(body)
    sent = {name.lower(): value for name, value in told["headers"]}
    expect(told["target"] == "/echo/thing" and sent["host"] == "inner.example" and sent["x-env"] == "prod", f"{told}")
    expect("x-debug" not in sent and "server" not in fields and fields["x-by"] == "penstock", f"{sent} {fields}")


@both_beds("bodies both ways")
def bodies(bed, family):
    for size in (0, 1, 1000, 100000, 3000000):
        name = bed.lab.where + f"/up-{size}"
        with open(name, "wb") as out:
            out.write(os.urandom(size))
        digest = hashlib.sha256(open(name, "rb").read()).hexdigest()
        for extra in ([], ["-H", "Transfer-Encoding: chunked"]):
            _, _, body = ask(bed, *extra, "--data-binary", "@" + name, url(70, family, "/echo"))
            told = json.loads(body)
            expect(told["length"] == size and told["sha256"] == digest, f"{size} {extra}: {told}")
        for path in (f"/bytes/{size}", f"/chunked/{size}/1000", f"/chunked/{size}/70000", f"/until-close/{size}"):
            got = bed.lab.where + "/down"
            bed.client("curl", "-s", "-S", "-f", "-m", "20", "-o", got, url(70, family, path))
            expect(os.path.getsize(got) == size, f"{path}: {os.path.getsize(got)} bytes")
