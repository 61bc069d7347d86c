# SPDX-License-Identifier: Apache-2.0
"""HTTP when one side goes, or is late, in each phase of a request: what the other side sees, that nothing is left behind, and what is sent
again."""
import time

from bed import Wrong, expect, wait_until
from http_bed import FAMILIES, one_worker, test, two_workers
from inside import OK, Cut

BOTH = (one_worker, two_workers)
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def outcome(wire, method="GET"):
    """The next answer's status, or how it was cut."""
    try:
        return int(wire.answer(method).first.split()[1])
    except Cut as cut:
        return cut.args[0]


# ---- backends that die -----------------------------------------------------------------------------
# phase: (what it says, is any of it an answer that has begun)
PHASES = {"before the answer": (b"", False), "within the first line": (b"HTTP/1.1 20", False),
          "within the head": (b"HTTP/1.1 200 OK\r\nContent-Le", False), "after the head": (LONG, True),
          "within the body": (LONG + b"0123456789", True), "one byte before the end": (LONG + b"x" * 99, True),
          "after a chunked head": (CHUNKED, True), "within a chunk's size": (CHUNKED + b"1", True),
          "within a chunk": (CHUNKED + b"10\r\n0123", True), "between chunks": (CHUNKED + b"4\r\n0123\r\n", True),
          "before the last line": (CHUNKED + b"4\r\n0123\r\n0\r\n", True), "within the trailers": (CHUNKED + b"0\r\nX-A: b\r\n", True),
          "after an interim answer": (b"HTTP/1.1 103 Early Hints\r\n\r\n", False)}


@test("a backend dies in each phase", BOTH, FAMILIES)
def dies(bed, family):
    for method in ("GET", "POST"):
        for phase, (said, begun) in PHASES.items():
            for how in ("fin", "reset"):
                def play(wire, script, _, said=said, how=how):
                    script.asked.append(wire.request())
                    wire.send(said)
                    time.sleep(0.03 if how == "reset" else 0)
                    wire.leave(how)

                bed.script.begin(play)
                with bed.wire(family) as wire:
                    body = b"0123456789" if method == "POST" else b""
                    wire.send(f"{method} /one/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                    found = outcome(wire)
                    if found == 103:
                        found = outcome(wire)
                    where = f"{method} {phase}, {how}: {found}"
                    expect(found in (("fin", "reset") if begun else (502,)), where)
                    expect(len(bed.script.asked) == 1, f"{where}; sent {len(bed.script.asked)} times")
                    if not begun:  # the client's connection is as good as before
                        bed.script.begin()
                        expect(wire.ask("/one/").body == b"ok", where)
    bed.settled()


@test("a backend dies in an answer that its end ends", families=FAMILIES)
def dies_until_close(bed, family):
    for minor in (0, 1):
        for how in ("fin", "reset"):
            def play(wire, _script, _name, how=how):
                wire.request()
                wire.send(b"HTTP/1.1 200 OK\r\n\r\n0123456789")
                time.sleep(0.05)
                wire.leave(how)

            bed.script.begin(play)
            with bed.wire(family) as wire:
                wire.send(f"GET /one/ HTTP/1.{minor}\r\nHost: x\r\n\r\n".encode())
                try:
                    found = wire.answer().body
                except Cut as cut:
                    found = cut.args[0]
                if how == "fin":
                    expect(found == b"0123456789", f"HTTP/1.{minor}: {found}")
                else:  # not an answer that looks complete
                    expect(found == "reset" or (minor and found == "fin"), f"HTTP/1.{minor}: {found}")
    bed.settled()


@test("http_backend.py dies", families=FAMILIES)
def dies_for_curl(bed, family):
    for phase, codes in (("before", ("502",)), ("head", ("502",)), ("after-head", ("18", "56")), ("body", ("18", "56")), ("chunk", ("18", "56"))):
        for more in ("", "/reset"):
            out = bed.lab.run(bed.lab.client, "curl", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code} %{exitcode}",
                              url(family, f"/die/{phase}{more}"), check=False).stdout.split()
            expect(out[0] in codes or out[1] in codes, f"{phase}{more}: {out}")


def url(family, path, last=72):
    host = f"203.0.113.{last}" if family == 4 else f"[2001:db8:f::{last}]"
    return f"http://{host}{path}"


# ---- clients that leave ----------------------------------------------------------------------------
def drip(wire, script, name):
    """An answer without an end."""
    script.asked.append((name, wire.request()))
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    while True:
        wire.send(b"x" * 1000)
        time.sleep(0.01)


def silent(wire, script, name):
    """Reads on, and never answers."""
    script.asked.append((name, wire.request()))
    wire.rest()
    raise Cut("fin")


POST = b"POST /one/ HTTP/1.1\r\nHost: x\r\n"
LEAVING = {
    "nothing sent": (silent, b""),
    "within the head": (silent, b"GET /one/ HTTP/1.1\r\nHos"),
    "within a body": (silent, POST + b"Content-Length: 100\r\n\r\n01234"),
    "within a chunk": (silent, POST + b"Transfer-Encoding: chunked\r\n\r\n10\r\n0123"),
    "within a chunk's size": (silent, POST + b"Transfer-Encoding: chunked\r\n\r\n10"),
    "within the answer": (drip, b"GET /one/ HTTP/1.1\r\nHost: x\r\n\r\n"),
    "within body and answer": (drip, POST + b"Content-Length: 0\r\n\r\n"),
}


def said_to(wire):
    """What has come to a client up to now, for people."""
    try:
        if not wire.quiet(0):
            wire.more()
        return repr(wire.data[:200])
    except (Cut, OSError) as error:
        return f"{wire.data[:200]!r}, then {error}"


@test("a client leaves in each phase", BOTH, FAMILIES)
def leaves(bed, family):
    for where, (play, said) in LEAVING.items():
        for how in ("fin", "reset"):
            bed.script.begin(play)
            wire = bed.wire(family)
            wire.send(said)
            if b"\r\n\r\n" in said:
                came = wait_until(lambda: bed.script.opened, 15)
                if came != 1:
                    raise Wrong(f"{where}, {how}: {came} connections came to the backend, and to the client {said_to(wire)}")
            time.sleep(0.03)
            wire.leave(how)
            expect(wait_until(lambda: bed.clients() == 0, 3), f"{where}, {how}: the client's connection is still there")
            expect(wait_until(lambda: not bed.script.wires, 3), f"{where}, {how}: the backend's connection is still there")
    bed.settled()


@test("a client that waits for its answer leaves", BOTH)
def leaves_waiting(bed, family):
    bed.script.begin(silent)
    wire = bed.wire(family)
    wire.send(b"GET /one/ HTTP/1.1\r\nHost: x\r\n\r\n")
    expect(wait_until(lambda: bed.script.asked), "nothing came to the backend")
    wire.leave("reset")
    expect(wait_until(lambda: not bed.script.wires, 3), "the backend's connection is still there")
    bed.settled()


@test("a client that has said all it wants is answered", BOTH, FAMILIES)
def half_closed(bed, family):
    def play(wire, script, name):
        script.asked.append((name, wire.request()))
        time.sleep(0.1)
        wire.send(OK)

    bed.script.begin(play)
    with bed.wire(family) as wire:
        wire.send(b"GET /one/ HTTP/1.1\r\nHost: x\r\n\r\n")
        wire.half_close()
        answer = wire.answer()
        expect(answer.body == b"ok" and answer.fields.get("connection") == "close", f"{answer}")
        expect(wire.rest() == (b"", "fin"), "no orderly end")
    bed.settled()


# ---- time ------------------------------------------------------------------------------------------
LATE = 5  # on a machine that is full, and stands still now and then; no other limit on time is between


def took(begin, least, most, what):
    passed = time.monotonic() - begin
    expect(least <= passed <= most, f"{what}: after {passed:.2f} s")


@test("time for a head", families=FAMILIES)
def header_timeout(bed, family):
    for said in (b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n"):
        with bed.wire(family, 73) as wire:
            begin = time.monotonic()
            wire.send(said)
            answer = wire.answer()
            took(begin, 0.28, LATE, "408")
            expect(" 408 " in answer.first and answer.fields["connection"] == "close", f"{answer}")
            expect(wire.rest() == (b"", "fin"), "no orderly end")
    with bed.wire(family, 73) as wire:  # a byte now and then is no help
        begin = time.monotonic()
        try:
            for byte in b"GET / HTTP/1.1\r\nHost: x\r\n\r\n":
                wire.send(bytes([byte]))
                time.sleep(0.05)
        except OSError:
            pass
        took(begin, 0.3, LATE, "a slow head")
        expect(" 408 " in wire.answer().first, "no 408")
    expect(not bed.script.asked, f"{bed.script.asked}")


@test("time for a body", families=FAMILIES)
def body_timeout(bed, family):
    before = bed.counters()["body_timeouts"]
    bed.script.begin(silent)
    for framing in (b"Content-Length: 100\r\n\r\n01234", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"):
        with bed.wire(family, 73) as wire:
            begin = time.monotonic()
            wire.send(b"POST / HTTP/1.1\r\nHost: x\r\n" + framing)
            answer = wire.answer()
            took(begin, 0.28, LATE, "408")
            expect(" 408 " in answer.first and answer.fields["connection"] == "close", f"{answer}")
    expect(bed.counters()["body_timeouts"] == before + 2, "not counted")
    expect(wait_until(lambda: not bed.script.wires), "the backend's connection is still there")
    bed.script.begin()
    with bed.wire(family, 73) as wire:  # one that makes progress may take longer in all
        wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            time.sleep(0.08)
            wire.send(b"x")
        expect(wire.answer().body == b"ok", "no answer")


@test("time between requests", families=FAMILIES)
def keepalive_timeout(bed, family):
    with bed.wire(family, 73) as wire:
        expect(wire.ask("/").body == b"ok", "no answer")
        begin = time.monotonic()
        expect(wire.rest() == (b"", "fin"), "no orderly end")
        took(begin, 0.28, LATE, "the end")
    bed.settled()


@test("time for the answer's first byte", families=FAMILIES)
def first_byte_timeout(bed, family):
    before = bed.counters()["first_byte_timeouts"]
    bed.script.begin(silent)
    with bed.wire(family) as wire:
        begin = time.monotonic()
        expect(" 504 " in wire.ask("/first/").first, "no 504")
        took(begin, 0.28, LATE, "504")
        bed.script.begin()
        expect(wire.ask("/first/").body == b"ok", "the connection is of no use after 504")
    expect(bed.counters()["first_byte_timeouts"] == before + 1, "not counted")
    bed.settled()


@test("an answer that stops", families=FAMILIES)
def idle_timeout(bed, family):
    def play(wire, script, name):
        script.asked.append((name, wire.request()))
        wire.send(LONG + b"0123456789")
        wire.rest()

    before = bed.counters()["idle_timeouts"]
    bed.script.begin(play)
    with bed.wire(family) as wire:
        begin = time.monotonic()
        wire.send(b"GET /idle/ HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(outcome(wire) in ("reset", "fin"), "no end")
        took(begin, 0.28, LATE, "the end")
    expect(bed.counters()["idle_timeouts"] == before + 1, "not counted")
    expect(wait_until(lambda: not bed.script.wires), "the backend's connection is still there")


@test("time for all of it", families=FAMILIES)
def whole_timeout(bed, family):
    def trickle(wire, script, name):
        script.asked.append((name, wire.request()))
        wire.send(LONG)
        while True:
            wire.send(b"x")
            time.sleep(0.05)

    bed.script.begin(silent)
    with bed.wire(family) as wire:
        begin = time.monotonic()
        expect(" 504 " in wire.ask("/whole/").first, "no 504")
        took(begin, 0.38, LATE, "504")
        bed.script.begin(trickle)
        begin = time.monotonic()
        wire.send(b"GET /whole/ HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(outcome(wire) in ("reset", "fin"), "no end")
        took(begin, 0.38, LATE, "the end")
    expect(wait_until(lambda: not bed.script.wires), "the backend's connection is still there")
    bed.settled()


# ---- again -----------------------------------------------------------------------------------------
@test("a backend that refuses connections", BOTH, FAMILIES)
def refused(bed, family):
    before = bed.counters()["retries"]
    for i in range(8):
        method, body = (("GET", None), ("POST", b"x" * 1000))[i % 2]
        with bed.wire(family) as wire:
            expect(wire.ask("/refused/", method, body).body == b"ok", f"{method}")
            expect(wire.ask("/refused/", method, body).body == b"ok", f"{method} again")
            expect(" 502 " in wire.ask("/gone/", method, body).first, "no 502")
    bodies = [request.body for _, request in bed.script.asked]
    expect(bed.counters()["retries"] >= before + 4, "nothing was tried again")
    expect(len(bodies) == 16 and bodies.count(b"x" * 1000) == 8, f"{len(bodies)} requests")


def die_once_used(count):
    """Answers `count` requests on each connection and ends it where the next one comes."""
    def play(wire, script, name):
        for _ in range(count):
            script.asked.append((name, wire.request()))
            wire.send(OK)
        script.asked.append((name, wire.request()))
        wire.leave("reset")
    return play


@test("a kept connection that is over", BOTH)
def stale(bed, family):
    bed.script.begin(die_once_used(1))
    before = bed.counters()["retries_stale"]
    with bed.wire(family) as wire:
        for i in range(6):
            expect(wire.ask(f"/one/{i}").body == b"ok", f"request {i}")
    targets = [request.first.split()[1] for _, request in bed.script.asked]
    expect(bed.counters()["retries_stale"] > before, "no kept connection was used")
    expect(all(targets.count(f"/one/{i}") <= 2 for i in range(6)), f"{targets}")

    def begins(wire, script, name):
        script.asked.append((name, wire.request()))
        wire.send(OK)
        script.asked.append((name, wire.request()))
        wire.send(b"HTTP/1.1 200")

    bed.script.begin(begins)
    with bed.wire(family) as wire:  # it is not over where it has begun to answer
        expect(wire.ask("/one/").body == b"ok" and " 502 " in wire.ask("/one/2").first, "no 502")
    expect(len(bed.script.asked) == 2, f"{bed.script.asked}")


@test("a POST is not sent twice", BOTH, FAMILIES)
def post_once(bed, family):
    for path in ("/one/", "/two/", "/again/"):
        for body in (b"", b"x" * 10, b"x" * 100000):
            bed.script.begin(die_once_used(1))
            with bed.wire(family) as wire:
                wire.ask(path + "warm")
                statuses = []
                for i in range(4):
                    statuses.append(wire.ask(f"{path}{i}", "POST", body).first.split()[1])
            expect(set(statuses) <= {"200", "502"} and "502" in statuses, f"{statuses}")
            targets = [request.first for _, request in bed.script.asked]
            expect(all(targets.count(f"POST {path}{i} HTTP/1.1") == 1 for i in range(4)), f"{targets}")


def by_name(**plays):
    def play(wire, script, name):
        while True:
            request = wire.request()
            script.asked.append((name, request))
            what = plays[name]
            if what is None:
                wire.leave("reset")
                return
            if what:
                wire.send(what)
    return play


@test("what a route says is tried again", BOTH, FAMILIES)
def by_rule(bed, family):
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nX-From: b\r\n\r\nbusy"
    for what in (busy, None, b""):  # 503, a reset, no answer in time
        bed.script.begin(by_name(b1=what, b2=OK))
        for _ in range(4):
            with bed.wire(family) as wire:
                expect(wire.ask("/again/").body == b"ok", f"{what}")
        asked = [name for name, _ in bed.script.asked]
        expect(asked.count("b2") == 4 and asked.count("b1") >= 1, f"{what}: {asked}")
    bed.script.begin(by_name(b1=busy, b2=busy))
    with bed.wire(family) as wire:  # all attempts used up: the last answer is the client's
        answer = wire.ask("/again/")
        expect(" 503 " in answer.first and answer.body == b"busy", f"{answer}")
        expect(len(bed.script.asked) == 3, f"{len(bed.script.asked)} attempts")
        answer = wire.ask("/again/", "POST", b"x")  # not to be repeated: the backend's own answer
        expect(answer.body == b"busy" and answer.fields.get("x-from") == "b", f"{answer}")
        expect(len(bed.script.asked) == 4, f"{len(bed.script.asked)} attempts")
    bed.settled()
