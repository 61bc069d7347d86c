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
