# SPDX-License-Identifier: Apache-2.0
"""HTTP listeners seen from outside: records of requests, traces and metrics, beside what clients, backends and a collector saw."""
import json
import os
import shutil
import signal
import subprocess

import configs
from bed import ROOT, Bed, expect, group, wait_until
from tests_http import BACKEND, HTTP, address, ask, url

HERE = os.path.dirname(os.path.realpath(__file__))
MANY = ["/usr/bin/python3", os.path.join(HERE, "http_many.py")]
COLLECTOR = ["/usr/bin/python3", os.path.join(HERE, "otlp_collector.py")]
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool") or os.path.join(ROOT, "build/deps/promtool")
LONG = os.environ.get("E2E_LONG")
SLOW_MS = 200

ROUTES = """routes = (
  {{ name = "fixed"; match = {{ path_exact = "/fixed"; }}; respond = {{ status = 418; body = "short and stout"; }}; }},
  {{ name = "limited"; match = {{ path = "/limited"; }}; respond = {{ status = 200; }}; limits = {{ client = {{ requests = "1/h"; burst = "1h"; }}; }}; }},
  {{ name = "dead"; match = {{ path = "/dead/"; }}; pools = ( {{ pool = "dead-{family}"; }} ); }},
  {{ name = "fast"; match = {{ path = "/fast"; }}; pools = ( {{ pool = "web-{family}"; }} ); rewrite = {{ path_prefix = "/"; }}; }},
  {{ name = "api"; match = {{ path = "/api/"; }}; pools = ( {{ pool = "http-{family}"; }} ); rewrite = {{ path_prefix = "/"; }}; }} ); """
# A client that asks and leaves, with a RST.
LEAVE = """import socket, sys, time
s = socket.create_connection((sys.argv[1], 80))
s.sendall(f"GET {sys.argv[2]} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
time.sleep(0.3)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
"""
# How often 50,000 requests of which each is traced with 10 % leave that share by more than this: once in 15,000 runs.
DEVIATIONS = 4


def listeners(backends, weights=None):
    pools, each = [], []
    for family in (4, 6):
        pools.append(configs.pool(f"http-{family}", backends, HTTP, family, weights))
        pools.append(configs.pool(f"web-{family}", backends, 8080, family))
        pools.append(configs.pool(f"dead-{family}", backends, 1, family))
        each.append(configs.listener(f"seen-{family}", address(72, family), 80, None, ROUTES.format(family=family), protocol="http"))
    return configs.objects(pools, [], each)


class SeenBed(Bed):
    """settings: what stands beside the listeners, with {where} for the lab's folder."""

    def __init__(self, settings, **options):
        super().__init__(objects=listeners, **options)
        self.settings = settings

    def servers(self, number):
        super().servers(number)
        self.lab.start(self.lab.backend_name(number), "/usr/bin/python3", *BACKEND, f"b{number}", str(HTTP), log=f"http-{number}.log")

    def config(self, backends, **options):
        text = super().config(backends, **options) + self.settings.replace("{where}", self.lab.where)
        return text + '\nadmin = { listen = "127.0.0.1:9470"; };\n'

    def records(self, name="access.json"):
        return lines_of(f"{self.lab.where}/{name}")

    def metrics(self):
        text = self.lab.run(self.lab.edge, "curl", "-s", "http://127.0.0.1:9470/metrics").stdout
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if not line.startswith("#")}

    def many(self, family, count, path, *more, seconds=120):
        return json.loads(self.client(*MANY, address(72, family), "80", str(count), path, *map(str, more), seconds=seconds))

    def collect(self, name, *more):
        return self.lab.start(self.lab.edge, *COLLECTOR, "4318", f"{self.lab.where}/{name}", *map(str, more), log="collector.log")


def lines_of(path):
    """The whole lines of a file, as JSON; a line that is none is a finding."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as lines:
        text = lines.read()
    return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]


FILE = 'records = { file = "{where}/access.json"; };'
TRACING = f'tracing = {{ endpoint = "http://127.0.0.1:4318/v1/traces"; slow = "{SLOW_MS}ms"; }};'
recorded = group("http seen, records", lambda: SeenBed(FILE, workers="0, 1"))
traced = group("http seen, traces", lambda: SeenBed(FILE + TRACING, workers="0, 1"))
broken = group("http seen, nowhere to go", lambda: SeenBed('records = { file = "/dev/full"; };' + TRACING))


def both_families(stand, name):
    def register(make):
        for family in (4, 6):
            def test(bed, family=family):
                make(bed, family)
            test.__name__ = f"http seen, IPv{family}, {name}"
            stand(test)
        return make
    return register


def record_of(bed, mark):
    """The record of the request whose path has `mark`."""
    found = wait_until(lambda: [r for r in bed.records() if mark in r.get("path", "")])
    expect(len(found) == 1, f"{len(found)} records of {mark}")
    return found[0]


# ---- records ---------------------------------------------------------------------------------------
def check_same(record, told):
    for name, value in told.items():
        expect(record.get(name) == value, f"{name} is {record.get(name)}, not {value}: {record}")


@both_families(recorded, "records are what the client saw")
def equal(bed, family):
    cases = [("/api/bytes/5000", [], 200, "api", 0, None), ("/api/echo", ["--data-binary", "x" * 3000], 200, "api", 3000, None),
             ("/api/chunked/70000/999", [], 200, "api", 0, None), ("/api/status/503", [], 503, "api", 0, None),
             ("/fixed", [], 418, "fixed", 0, None), ("/nowhere", [], 404, None, 0, "no-route"), ("/dead/x", [], 502, "dead", 0, "connect-failed"),
             ("/api/bytes/100", ["-I"], 200, "api", 0, None), ("/api/die/before", [], 502, "api", 0, "backend-closed"),
             ("/api/until-close/300", [], 200, "api", 0, None)]
    for i, (path, extra, status, route, size_in, cause) in enumerate(cases):
        mark = f"case={family}.{i}."
        got = json.loads(bed.client("curl", "-s", "-m", "20", "-o", "/dev/null", "-w", "%{json}", *extra, url(72, family, f"{path}?{mark}")))
        expect(got["http_code"] == status, f"{path}: {got}")
        record = record_of(bed, mark)
        check_same(record, {"status": status, "route": route, "bytes_in": size_in, "bytes_out": got["size_download"], "cause": cause,
                            "service_name": f"seen-{family}", "gateway_instance": "lab", "host": url(72, family, "")[7:], "cut_off": None,
                            "path": f"{path}?{mark}", "protocol": "HTTP/1.1", "client": got["local_ip"], "client_port": got["local_port"]})
        expect(record["method"] == ("HEAD" if "-I" in extra else "POST" if extra else "GET"), f"{record}")
        expect(("backend" in record) == (route in ("api", "dead")), f"{record}")
        phases = record["queue_ns"] + record["connect_ns"] + record["first_byte_ns"]
        expect(phases <= record["total_ns"] < got["time_total"] * 1e9, f"{record} {got}")


@both_families(recorded, "records of what was refused and cut off")
def refused(bed, family):
    before = len(bed.records())
    bed.client("sh", "-c", f"printf 'GET / HTTP/1.1\\r\\nHost : x\\r\\n\\r\\n' | curl -s -m 5 telnet://{url(72, family, '')[7:]}:80 || true")
    bad = wait_until(lambda: [r for r in bed.records()[before:] if r["status"] == 400])
    expect(bad and bad[0]["cause"] == "bad-request" and "path" not in bad[0], f"{bad}")
    bed.lab.run(bed.lab.client, "curl", "-s", "-m", "5", url(72, family, f"/api/die/body?cut{family}"), check=False)
    check_same(record_of(bed, f"cut{family}"), {"status": 200, "cut_off": True, "cause": "backend-closed", "bytes_out": 10})
    bed.client("python3", "-c", LEAVE, address(72, family), f"/api/slow/3000?left{family}")
    check_same(record_of(bed, f"left{family}"), {"status": 0, "cut_off": True, "cause": "client-gone"})
    for _ in range(2):
        status, _, _ = ask(bed, url(72, family, "/limited"))
    check_same([r for r in wait_until(lambda: [r for r in bed.records() if r["status"] == 429 and family_of(r) == family])][0],
               {"cause": "limited", "route": "limited"})
    long = "x" * 2000
    ask(bed, url(72, family, f"/api/echo/long{family}/{long}"))
    cut = record_of(bed, f"long{family}/x")
    expect(cut["path_cut"] and 100 < len(cut["path"]) < 1000 and status == 429, f"{cut}")


def family_of(record):
    return 6 if ":" in record["client"] else 4


@both_families(recorded, "a file that is moved away loses nothing")
def rotated(bed, family):
    before, count, moved = len(bed.records()), 0, []
    for turn in range(4):
        told = bed.many(family, 1000, f"/fast?turn{turn}-{{n}}")
        expect(told["statuses"] == {"200": 1000}, f"{told}")
        count += 1000
        moved.append(f"moved-{family}-{turn}")
        os.rename(f"{bed.lab.where}/access.json", f"{bed.lab.where}/{moved[-1]}")
        if turn % 2:
            bed.daemon.send_signal(signal.SIGHUP)
        expect(wait_until(lambda: bed.many(family, 1, "/fast?probe") and os.path.exists(f"{bed.lab.where}/access.json")), "no new file")
    probes = wait_until(lambda: all_lines(bed, moved, "turn") == before * 0 + count)
    expect(probes, f"{all_lines(bed, moved, 'turn')} records of {count}")


def all_lines(bed, names, mark):
    paths = [r["path"] for name in [*names, "access.json"] for r in bed.records(name) if mark in r.get("path", "")]
    expect(len(paths) == len(set(paths)), "a record is there twice")
    return len(paths)


@recorded
def rotated_by_size(bed):
    """http seen: a file that is as large as it may be makes room"""
    text = bed.config(bed.lab.backends).replace('access.json";', 'sized.json"; rotate_size = "64k"; keep = 1000;')
    bed.apply(text)
    told = bed.many(4, 3000, "/fast?sized-{n}")
    expect(told["statuses"] == {"200": 3000}, f"{told}")

    def found():
        names = [name for name in os.listdir(bed.lab.where) if name.startswith("sized.json")]
        return {r["path"] for name in names for r in bed.records(name)}, names
    wait_until(lambda: len(found()[0]) == 3000)
    paths, names = found()
    expect(len(paths) == 3000 and len(names) > 10, f"{len(paths)} records in {len(names)} files")
    for name in names:
        expect(os.path.getsize(f"{bed.lab.where}/{name}") < 64000 + 131072, f"{name} is too large")
    bed.apply(bed.config(bed.lab.backends))


rotated_by_size.__name__ = "http seen, a file that is as large as it may be makes room"


@both_families(recorded, "metrics")
def metrics(bed, family):
    seen, pool = f'service="seen-{family}"', f'pool="web-{family}"'

    def value(name, labels):
        return bed.metrics().get(f"penstock_{name}{{{labels}}}", 0)
    before = value("http_listener_requests_total", f'{seen},code="2xx"')
    counted = value("http_listener_request_seconds_count", seen)
    errors = value("http_backend_requests_total", f'pool="http-{family}",backend="x"')
    bed.many(family, 500, "/fast")
    ask(bed, url(72, family, "/api/status/500"))
    expect(value("http_listener_requests_total", f'{seen},code="2xx"') == before + 500, "2xx of the listener")
    expect(value("http_listener_request_seconds_count", seen) == counted + 501 and errors == 0, "the listener's histogram")
    expect(value("http_listener_request_seconds_bucket", f'{seen},le="+Inf"') == counted + 501, "its last bucket")
    expect(value("http_pool_request_seconds_count", pool) >= 500, "the pool's histogram")
    row = next(row for row in bed.show("listeners") if row["name"] == f"seen-{family}")
    expect(row["requests"] == counted + 501 and row["errors"] >= 1, f"{row}")
    rows = [row for row in bed.show("backends") if row["pool"] == f"web-{family}"]
    expect(sum(row["requests"] for row in rows) >= 500 and all(row["errors"] == 0 for row in rows), f"{rows}")
    text = bed.lab.run(bed.lab.edge, "curl", "-s", "http://127.0.0.1:9470/metrics").stdout
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    expect(done.returncode == 0 and not done.stdout + done.stderr, f"promtool: {done.stdout}{done.stderr}")


# ---- traces ----------------------------------------------------------------------------------------
def headers_seen(body):
    return [(name.lower(), value) for name, value in json.loads(body)["headers"]]


@both_families(traced, "what a backend is told of the trace")
def context(bed, family):
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    given = f"00-{trace}-{parent}-01"
    state = ["-H", "tracestate: foo=1 , bar=2", "-H", "tracestate: baz=3"]
    for extra, continued, wanted in (([], False, None), (["-H", f"traceparent: {given}"], True, None),
                                     (["-H", f"traceparent: {given}", *state], True, "foo=1,bar=2,baz=3"),
                                     (["-H", f"traceparent: {given}", *state[:2]], True, "foo=1 , bar=2"),
                                     (["-H", f"traceparent: {given}", "-H", "tracestate: F=1"], True, None),
                                     (["-H", f"traceparent: {given}", "-H", f"traceparent: {given}", *state], False, None),
                                     (["-H", f"traceparent: 00-{'0' * 32}-{parent}-01", *state], False, None),
                                     (["-H", f"traceparent: ff-{trace}-{parent}-01"], False, None)):
        mark = f"context{family}.{os.urandom(4).hex()}"
        _, _, body = ask(bed, *extra, url(72, family, f"/api/echo?{mark}"))
        fields = headers_seen(body)
        parents = [value for name, value in fields if name == "traceparent"]
        expect(len(parents) == 1 and len(parents[0]) == 55, f"{extra}: {parents}")
        version, trace_id, span_id, flags = parents[0].split("-")
        record = record_of(bed, mark)
        check_same(record, {"trace_id": trace_id, "span_id": span_id, "parent_id": parent if continued else None})
        expect(version == "00" and (trace_id == trace) == continued and span_id != parent, f"{extra}: {parents}")
        expect(flags == ("01" if continued or sampled(trace_id) else "00"), f"{extra}: {parents}")
        states = [value for name, value in fields if name == "tracestate"]
        expect(states == ([wanted] if wanted else []), f"{extra}: {states}")


def sampled(trace_id):
    """By OpenTelemetry's rule, of 10 %: the last 56 bits are at least the threshold."""
    return int(trace_id[-14:], 16) >= (1 << 56) - (1 << 56) // 1000000 * 100000


@both_families(traced, "spans: all errors, all slow ones, and a share of the rest")
def shares(bed, family):
    name = f"spans-{family}"
    collector = bed.collect(name, 503, 1)
    count, traces, errors, slow = 50000 if LONG else 10000, 2000, 50, 5
    told = bed.many(family, count, f"/fast?share{family}-{{n}}", traces)
    expect(told["statuses"] == {"200": count}, f"{told}")
    failed = bed.many(family, errors, f"/api/status/500?error{family}-{{n}}")
    expect(failed["statuses"] == {"500": errors}, f"{failed}")
    for i in range(slow):
        ask(bed, url(72, family, f"/api/slow/{SLOW_MS + 50}?slow{family}-{i}"))
    records = {r["span_id"]: r for r in all_records(bed, family, count + errors + slow)}
    wanted = {i for i, r in records.items() if r["status"] >= 500 or r["total_ns"] >= SLOW_MS * 1e6 or sampled(r["trace_id"])}
    wait_until(lambda: len(spans_of(bed, name, family)) >= len(wanted), 20)
    spans = spans_of(bed, name, family)
    expect(len(spans) == len({s["spanId"] for s in spans}), "a span came twice")
    expect({s["spanId"] for s in spans} == wanted, f"{len(spans)} spans of {len(wanted)}")
    rest = [s for s in spans if "share" in s["attributes"]["url.query"] and records[s["spanId"]]["total_ns"] < SLOW_MS * 1e6]
    deviation = (count * 0.1 * 0.9) ** 0.5
    expect(abs(len(rest) - count * 0.1) < DEVIATIONS * deviation, f"{len(rest)} spans of {count} requests")
    expect(sum("error" in s["attributes"]["url.query"] for s in spans) == errors, "an error is missing")
    expect(sum("slow" in s["attributes"]["url.query"] for s in spans) == slow, "a slow request is missing")
    for span in spans:
        check_span(span, records[span["spanId"]], family, traces)
    bed.lab.stop(collector)


def all_records(bed, family, count):
    marks = (f"share{family}-", f"error{family}-", f"slow{family}-")

    def found():
        return [r for r in bed.records() if any(mark in r["path"] for mark in marks)]
    wait_until(lambda: len(found()) >= count, 20)
    records = found()
    expect(len(records) == count, f"{len(records)} records of {count}")
    return records


def spans_of(bed, name, family):
    return [s for s in bed.records(name) if f"{family}-" in s["attributes"].get("url.query", "")]


def check_span(span, record, family, traces):
    attributes, n = span["attributes"], int(record["path"].rpartition("-")[2])
    parent = f"{n + 1:016x}" if "share" in record["path"] and n < traces else None
    expect(span.get("parentSpanId") == parent and span["traceId"] == record["trace_id"], f"parent of {span}")
    expect(attributes["http.response.status_code"] == record["status"] and attributes["http.request.method"] == "GET", f"{span}")
    expect(attributes["url.path"] + "?" + attributes["url.query"] == record["path"], f"{span}")
    expect(int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) == record["total_ns"] and span["kind"] == 2, f"{span}")
    expect(("status" in span) == (record["status"] >= 500), f"{span}")
    expect(span["resource"]["service.name"] == "penstock" and attributes["penstock.listener"] == f"seen-{family}", f"{span}")


# ---- where nothing can go --------------------------------------------------------------------------
@broken
def nowhere(bed):
    """A full disk and a collector that is away: requests are answered, what is lost is counted, and it passes."""
    told = bed.many(4, 5000, "/fast?{n}")
    expect(told["statuses"] == {"200": 5000}, f"{told}")
    lost = 'penstock_http_records_dropped_total{reason="file"}'
    expect(wait_until(lambda: bed.metrics()[lost] == 5000), f"{bed.metrics()[lost]} records lost")

    def logged():
        with open(f"{bed.lab.where}/penstockd.log", encoding="utf-8") as log:
            return log.read()
    expect(wait_until(lambda: "records-failing" in logged() and "collector-failing" in logged(), 10), logged()[-1000:])
    bed.collect("late")
    expect(wait_until(lambda: len(lines_of(f"{bed.lab.where}/late")) > 350, 40), "spans were not sent again")
    spans = lines_of(f"{bed.lab.where}/late")
    expect(wait_until(lambda: bed.metrics()["penstock_http_spans_total"] == len(lines_of(f"{bed.lab.where}/late")), 10), f"{len(spans)}")
    bed.apply(bed.config(bed.lab.backends).replace("/dev/full", f"{bed.lab.where}/works.json"))
    bed.many(4, 100, "/fast?works{n}")
    expect(wait_until(lambda: len(bed.records("works.json")) == 100), f"{len(bed.records('works.json'))} records")


nowhere.__name__ = "http seen, a full disk and a collector that is away do no harm"
