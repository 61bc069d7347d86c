# SPDX-License-Identifier: Apache-2.0
"""Health: backends that fail and come back under load."""
import json
import time

import configs
from bed import Bed, expect, group, vip, wait_until


INTERVAL, TIMEOUT, RISE, FALL = 0.3, 0.2, 2, 2
DETECTION = FALL * INTERVAL + TIMEOUT


def check(kind, more=""):
    return (f'health = {{ check = "{kind}"; interval = "{int(INTERVAL * 1000)}ms"; timeout = "{int(TIMEOUT * 1000)}ms"; '
            f'rise = {RISE}; fall = {FALL}; {more} }};')


def with_health(pool, text):
    """A pool of configs.pool with further settings."""
    expect(pool.endswith(" }"), f"the end of a pool: {pool}")
    return pool[:-1] + text + " }"


def objects(backends, kind="tcp", health="", pool="", family=4, forward="nat"):
    made = with_health(configs.pool("web", backends, 8080 if forward == "nat" else 80, family), check(kind, health) + pool)
    return configs.objects([made], [configs.service("web", vip("nat", family), 80, "tcp", forward, "web")])


health = group("health", lambda: Bed(objects=objects))


def backend(bed, number):
    last = str(10 + number)
    return next(b for b in bed.show("backends") if b["address"].endswith("." + last) or b["address"].endswith(":" + last))


def wait_state(bed, number, state, seconds):
    """How long it took."""
    begin = time.monotonic()
    found = wait_until(lambda: backend(bed, number)["state"] == state, seconds)
    took = time.monotonic() - begin
    expect(found, f"b{number} is not {state} after {took:.2f} s: {backend(bed, number)}")
    return took


def stopped_and_started(bed):
    """nginx ends and begins again under load: the errors end when the failure is found, and it gets traffic again afterwards."""
    wait_until(lambda: all(b["health"] == "passing" for b in bed.show("backends")), 5)
    before = bed.show("backends")
    expect([b["health"] for b in before] == ["passing"] * 3, f"{before}")
    load = bed.start_peer("load", vip("nat", 4), 20)
    time.sleep(0.5)
    bed.lab.stop_nginx(2)
    took = wait_state(bed, 2, "down", 10)
    expect(backend(bed, 2)["reason"].startswith("refused"), f"{backend(bed, 2)}")
    print(f"     found after {took:.2f} s, bound {DETECTION:.2f} s")
    expect(took < DETECTION + 0.3, f"it took {took:.2f} s, with {DETECTION:.2f} s as the bound")
    names = {bed.curl(vip("nat", 4)).strip() for _ in range(30)}
    expect(names == {"b1", "b3"}, f"{names} answer while b2 is down")
    bed.lab.nginx(2, size_mb=16)
    wait_state(bed, 2, "up", 10)
    names = {bed.curl(vip("nat", 4)).strip() for _ in range(30)}
    expect(names == {"b1", "b2", "b3"}, f"{names} answer after b2 has come back")
    load.stdin.close()
    counts = json.loads(load.stdout.read().splitlines()[-1])
    load.wait(30)
    print(f"     {counts}")
    expect(counts["ok"] > 100, f"{counts}")


health(stopped_and_started)


# ---- many backends ----

MANY = 2000
FAR = 'routes = ( { to = "10.8.0.0/16"; via = "10.2.0.11"; } );\n'


def far_address(index):
    return f"10.8.{index // 250}.{1 + index % 250}"


def many_prepare(lab):
    """b1 is the way to a network all of whose addresses are its own: one nginx is MANY backends."""
    lab.ip(lab.backend_name(1), "route", "add", "local", "10.8.0.0/16", "dev", "lo")


def many_objects(_backends, kind="tcp", interval="1s"):
    lines = ",\n".join(f'    {{ address = "{far_address(i)}"; port = 8080; }}' for i in range(MANY))
    pool = (f'  {{ name = "web"; backends = (\n{lines} );\n    health = {{ check = "{kind}"; interval = "{interval}"; timeout = "900ms"; '
            f'rise = 2; fall = 2; }}; }}')
    return FAR + configs.objects([pool], [configs.service("web", vip("nat", 4), 80, "tcp", "nat", "web")])


many = group("many backends", lambda: Bed(backends=1, objects=many_objects, prepare=many_prepare))


def pool_of(bed):
    return bed.show("pools")[0]


def delay_of(bed):
    return json.loads(bed.penstock("version", "--json").stdout)["daemon"]["control_delay_ms"]


def many_checked(kind, interval):
    def test(bed):
        """All are checked in their interval; the loop is never kept waiting for long, also when half of them fail and come back."""
        bed.apply(bed.config([1], kind=kind, interval=f"{interval}s"))
        found = wait_until(lambda: pool_of(bed)["passing"] == MANY, 10 + 2 * interval)
        expect(found, f"{pool_of(bed)}")
        time.sleep(21)  # what the beginning has cost is forgotten
        accepted = nginx_requests(bed) if kind == "http" else None
        time.sleep(5)
        calm = delay_of(bed)
        if kind == "http":
            rate = (nginx_requests(bed) - accepted) / 5
            print(f"     {rate:.0f} checks a second")
            expect(rate > MANY / interval * 0.9, f"{rate} checks a second")
        begin = time.monotonic()
        bed.lab.ip(bed.lab.backend_name(1), "route", "add", "unreachable", "10.8.4.0/22", "table", "local")
        found = wait_until(lambda: pool_of(bed)["up"] == 1000, 15 + 2 * interval)
        took = time.monotonic() - begin
        expect(found, f"{pool_of(bed)}")
        failing = delay_of(bed)
        names = {bed.curl(vip("nat", 4)).strip() for _ in range(20)}
        expect(names == {"b1"}, f"{names}")
        bed.lab.ip(bed.lab.backend_name(1), "route", "del", "unreachable", "10.8.4.0/22", "table", "local")
        expect(wait_until(lambda: pool_of(bed)["up"] == MANY, 15 + 2 * interval), f"{pool_of(bed)}")
        back = delay_of(bed)
        print(f"     the loop's longest delay: {calm:.1f} ms, {failing:.1f} ms while 1,000 fail (found after {took:.2f} s), "
              f"{back:.1f} ms while they come back")
        expect(took < 2 * interval + 0.9 + 1.5, f"it took {took:.2f} s")
        expect(calm < 250 and failing < 1000 and back < 1000, "the loop was kept waiting")
    test.__name__ = f"{MANY} backends, {kind} each {interval} s"
    return test


def nginx_requests(bed):
    out = bed.lab.run(bed.lab.backend_name(1), "curl", "-s", "http://127.0.0.1:8080/status").stdout.split()
    return int(out[9])


many(many_checked("tcp", 1))
many(many_checked("http", 4))
