# SPDX-License-Identifier: Apache-2.0
"""HTTP messages, byte by byte: how they come, how they end, how large they are, and what is refused."""
import hashlib
import json
import os
import time

from bed import expect, wait_until
from http_backend import pieces
from http_bed import FAMILIES, address, one_worker, test, two_workers
from inside import OK, Cut, say_ok

BOTH = (one_worker, two_workers)
MEGABYTE = 1 << 20


def one_answer(text):
    """Says that to every request."""
    def play(wire, script, name):
        while True:
            script.asked.append((name, wire.request()))
            wire.send(text)
    return play


# ---- how they come ---------------------------------------------------------------------------------
def says_target(wire, script, name):
    """Answers with the target and the body, and the sooner the higher the number in it."""
    while True:
        request = wire.request()
        script.asked.append((name, request))
        target = request.first.split()[1].encode()
        time.sleep(0.02 * (9 - int(target[-1:])) if target[-1:].isdigit() else 0)
        said = target + b" " + request.body
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said) + said)


@test("ten requests in one write", BOTH, FAMILIES)
def pipelined(bed, family):
    bed.script.begin(says_target)
    kinds = (("GET", b"", b""), ("POST", b"Content-Length: 3\r\n", b"abc"), ("POST", b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"))
    text, want = b"", []
    for i in range(10):
        method, field, body = kinds[i % 3]
        path = "/fixed" if i == 3 else f"/two/{i}"
        text += f"{method} {path} HTTP/1.1\r\nHost: x\r\n".encode() + field + b"\r\n" + body
        want.append(b"fixed" if i == 3 else path.encode() + (b" abc" if body else b" "))
    with bed.wire(family) as wire:
        wire.send(text)
        got = [wire.answer().body for _ in range(10)]
        expect(got == want, f"{got}")
        wire.send(b"GET /two/9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /two/8 HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = wire.answer()
        expect(answer.body == b"/two/9 " and answer.fields["connection"] == "close", f"{answer}")
        expect(wire.rest() == (b"", "fin"), "more after the last answer")
    bed.settled()


@test("one byte at a time", families=FAMILIES)
def dribbled(bed, family):
    def play(wire, script, name):
        while True:
            script.asked.append((name, wire.request()))
            for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n2\r\nok\r\n0\r\nX-T: u\r\n\r\n":
                wire.send(bytes([byte]))
                time.sleep(0.001)

    bed.script.begin(play)
    text = b"\r\nPOST /one/?q HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 200 + b"\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX-T: v\r\n\r\n"
    with bed.wire(family) as wire:
        for _ in range(2):
            for byte in text:
                wire.send(bytes([byte]))
                time.sleep(0.0005)
            answer = wire.answer()
            expect(answer.body == b"ok" and answer.fields["x-a"] == "b" and answer.trailers == {"x-t": "u"}, f"{answer}")
    for _, request in bed.script.asked:
        expect(request.first == "POST /one/?q HTTP/1.1" and request.body == b"abc" and request.fields["x-long"] == "y" * 200, f"{request}")
        expect(request.trailers == {"x-t": "v"}, f"{request}")


# ---- how they end ----------------------------------------------------------------------------------
@test("answers without a body", BOTH, FAMILIES)
def bodiless(bed, family):
    for method, said in (("HEAD", b"200 OK\r\nContent-Length: 100\r\n"), ("HEAD", b"200 OK\r\nTransfer-Encoding: chunked\r\n"),
                         ("HEAD", b"200 OK\r\n"), ("HEAD", b"404 No\r\nContent-Length: 5\r\n"), ("GET", b"204 No Content\r\n"),
                         ("GET", b"304 Not Modified\r\nContent-Length: 100\r\n"), ("POST", b"204 No Content\r\n"),
                         ("GET", b"200 OK\r\nContent-Length: 0\r\n")):
        bed.script.begin(one_answer(b"HTTP/1.1 " + said + b"X-A: b\r\n\r\n"))
        with bed.wire(family) as wire:
            for _ in range(2):
                answer = wire.ask("/one/", method)
                expect(answer.first.split()[1].encode() == said[:3] and answer.fields["x-a"] == "b", f"{method} {said}: {answer}")
                expect(b"Content-Length: 100" not in said or answer.fields["content-length"] == "100", f"{method} {said}: {answer}")
                expect(wire.quiet(0.02), f"{method} {said}: something behind the head")
            bed.script.begin()
            wire.send(b"HEAD /fixed HTTP/1.1\r\nHost: x\r\n\r\nGET /one/ HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = wire.answer("HEAD")
            expect(answer.fields["content-length"] == "5" and wire.answer().body == b"ok", f"{answer}")
    bed.settled()


@test("a client of HTTP/1.0", BOTH, FAMILIES)
def old_client(bed, family):
    chunked = one_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nX-T: u\r\n\r\n")
    for keep in (b"", b"Connection: keep-alive\r\n"):
        bed.script.begin()
        with bed.wire(family) as wire:
            wire.send(b"GET /one/ HTTP/1.0\r\nHost: x\r\n" + keep + b"\r\n")
            answer = wire.answer()
            expect(answer.body == b"ok" and (answer.fields.get("connection") == "keep-alive" if keep else True), f"{answer}")
            if keep:
                wire.send(b"POST /one/ HTTP/1.0\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
                expect(wire.answer().body == b"ok", "no second answer")
            expect(wire.rest() == (b"", "fin"), "no orderly end")
        bed.script.begin(chunked)
        with bed.wire(family) as wire:
            wire.send(b"GET /one/ HTTP/1.0\r\nHost: x\r\n" + keep + b"\r\n")
            answer = wire.answer()
            expect(answer.body == b"abcdef" and "transfer-encoding" not in answer.fields, f"{answer}")
    with bed.wire(family) as wire:
        wire.send(b"GET /fixed HTTP/1.0\r\n\r\n")
        answer = wire.answer()
        expect(answer.body == b"fixed" and wire.rest() == (b"", "fin"), f"{answer}")
    bed.settled()


@test("a backend of HTTP/1.0", families=FAMILIES)
def old_backend(bed, family):
    for head, body in ((b"HTTP/1.0 200 OK\r\n\r\n", b"x" * 100000), (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", b"abc"),
                       (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b""), (b"HTTP/1.0 200 OK\r\n\r\n", b"")):
        def play(wire, script, name, head=head, body=body):
            script.asked.append((name, wire.request()))
            wire.send(head + body)
            wire.half_close()
            wire.rest()

        bed.script.begin(play)
        with bed.wire(family) as wire:
            for _ in range(3):
                answer = wire.ask("/one/")
                expect(answer.body == body and answer.fields.get("connection") is None, f"{head}: {len(answer.body)} {answer.fields}")
        expect(bed.script.opened == 3, f"{bed.script.opened} connections for 3 requests")
    bed.settled()


@test("trailers both ways", BOTH, FAMILIES)
def trailers(bed, family):
    bed.script.begin(one_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\nX-B: c\r\n\r\n"))
    with bed.wire(family) as wire:
        for _ in range(2):
            wire.send(b"POST /one/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Up: 1\r\nX-More: 2\r\n\r\n")
            answer = wire.answer()
            expect(answer.body == b"abc" and answer.trailers == {"x-sum": "6", "x-b": "c"}, f"{answer}")
    expect(all(r.trailers == {"x-up": "1", "x-more": "2"} for _, r in bed.script.asked), f"{bed.script.asked}")


# ---- interim answers -------------------------------------------------------------------------------
def continues(wire, script, name):
    first, fields = wire.head()
    if fields.get("expect"):
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    body, _ = wire.body(fields)
    script.asked.append((name, first, fields, body))
    wire.send(OK)
    wire.rest()


@test("100 of a backend", BOTH, FAMILIES)
def expects(bed, family):
    head = b"POST /one/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    bed.script.begin(continues)
    with bed.wire(family) as wire:
        wire.send(head)
        expect(" 100 " in wire.answer().first, "no 100")
        wire.send(b"abc")
        expect(wire.answer().body == b"ok" and bed.script.asked[0][3] == b"abc", f"{bed.script.asked}")
    bed.script.begin()  # one that says no 100
    with bed.wire(family) as wire:
        wire.send(head)
        expect(wire.quiet(), "somebody has said 100")
        wire.send(b"abc")
        expect(wire.answer().body == b"ok", "no answer")

    def refuses(wire, script, name):
        script.asked.append((name, wire.head()))
        wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
        wire.rest()

    bed.script.begin(refuses)
    with bed.wire(family) as wire:  # refused at once: the body never comes
        wire.send(head)
        answer = wire.answer()
        expect(" 403 " in answer.first and answer.body == b"no", f"{answer}")
        expect(wire.rest() == (b"", "fin"), "the connection goes on though the body may follow")
    with bed.wire(family) as wire:
        wire.send(head.replace(b"100-continue", b"the-best"))
        expect(" 417 " in wire.answer().first, "no 417")
    bed.settled()


@test("interim answers", families=FAMILIES)
def interim(bed, family):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    bed.script.begin(one_answer(hints + b"HTTP/1.1 100 Continue\r\n\r\n" + hints + OK))
    with bed.wire(family) as wire:
        for _ in range(2):
            answers = [wire.ask("/one/"), wire.answer(), wire.answer()]
            expect([a.first.split()[1] for a in answers] == ["103", "103", "200"], f"{answers}")
            expect(answers[0].fields["link"] == "</a>", f"{answers[0]}")
    with bed.wire(family) as wire:
        wire.send(b"GET /one/ HTTP/1.0\r\nHost: x\r\n\r\n")  # does not know of them
        expect(" 200 " in wire.answer().first, "an interim answer to HTTP/1.0")


# ---- sizes -----------------------------------------------------------------------------------------
def curl(bed, family, *words, seconds=60):
    host = address(72, family)
    at = f"http://{f'[{host}]' if family == 6 else host}"
    return bed.client("curl", "-s", "-S", "-f", "-m", str(seconds), *words[:-1], at + words[-1], seconds=seconds + 5)


@test("large bodies", families=FAMILIES)
def large(bed, family):
    """With E2E_LONG, 1 GB each way."""
    size = (1024 if os.environ.get("E2E_LONG") else 16 if family == 4 else 3) * MEGABYTE
    name, got = bed.lab.where + "/large", bed.lab.where + "/got"
    digest = hashlib.sha256()
    with open(name, "wb") as out:
        for _ in range(size // MEGABYTE):
            block = os.urandom(MEGABYTE)
            out.write(block)
            digest.update(block)
    for words in (["-H", "Transfer-Encoding: chunked"], []):
        told = json.loads(curl(bed, family, *words, "-T", name, "/echo", seconds=30 + size // (5 * MEGABYTE)))
        expect(told["length"] == size and told["sha256"] == digest.hexdigest(), f"{words}: {told['length']} bytes")
    os.unlink(name)
    known = hashlib.sha256()
    for piece in pieces(size):
        known.update(piece)
    for path in (f"/bytes/{size}", f"/chunked/{size}/100000", f"/until-close/{size}"):
        curl(bed, family, "-o", got, path, seconds=30 + size // (5 * MEGABYTE))
        expect(os.path.getsize(got) == size, f"{path}: {os.path.getsize(got)} bytes")
        with open(got, "rb") as file:
            expect(hashlib.file_digest(file, "sha256").digest() == known.digest(), f"{path}: other bytes than the backend has sent")
    os.unlink(got)


@test("both bodies at once", BOTH)
def both_ways(bed, family):
    """The backend has begun to answer before it has read the request, and reads late: at one of the sizes the last piece has to wait."""
    def play(wire, script, name):
        _, fields = wire.head()
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n")
        time.sleep(0.1)
        body, _ = wire.body(fields)
        script.asked.append((name, len(body)))
        wire.send(b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")

    bed.script.begin(play)
    for size in (*range(250000, 750000, 40000), 3000000):
        body = os.urandom(size)
        with bed.wire(family) as wire:
            wire.send(b"POST /one/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + body)
            answer = wire.answer()
            same = next((i for i, (a, b) in enumerate(zip(answer.body, b"begin" + body)) if a != b), len(answer.body))
            expect(answer.body == b"begin" + body, f"{answer.first}: {len(answer.body)} bytes for {size + 5}, the first {same} are the same")
    bed.settled()


@test("a slow reader", families=FAMILIES)
def slow_reader(bed, family):
    sent = []

    def play(wire, script, name):
        script.asked.append((name, wire.request()))
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while True:
            wire.send(b"x" * 65536)
            sent.append(65536)

    bed.script.begin(play)
    with bed.wire(family, receive_buffer=65536) as wire:
        wire.send(b"GET /one/ HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(wait_until(lambda: sent), "no answer")
        time.sleep(0.5)
        before = sum(sent)
        time.sleep(0.5)
        expect(sum(sent) == before < 12 * MEGABYTE, f"{before} bytes, then {sum(sent)}, for a client that reads nothing")
        expect(len(wire.sock.recv(65536)) > 0, "nothing has come")
        began, got = time.monotonic(), 0
        while got < 16 * MEGABYTE:
            got += len(wire.sock.recv(MEGABYTE))
        expect(time.monotonic() - began < 15, f"{time.monotonic() - began:.1f} s for 16 MB")
        expect(sum(sent) > before, "the backend was not let on")
    bed.settled()


@test("slow readers of answers that are cut off", families=FAMILIES)
def slow_reader_cut(bed, family):
    """They get all that the backend has sent, and then no end in good order. Of many lengths: what comes last meets a client's
    connection that has room for it, or for a part, or for nothing."""
    def play(wire, script, name):
        script.asked.append((name, wire.request()))
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * size)

    for size in range(300000, 900000, 20011):
        bed.script.begin(play)
        with bed.wire(family, receive_buffer=65536) as wire:
            wire.send(b"GET /one/ HTTP/1.1\r\nHost: x\r\n\r\n")
            expect(wait_until(lambda: bed.script.asked), "no request")
            got, end = 0, None
            while end is None:
                try:
                    piece = wire.sock.recv(16384)
                    got += piece.count(b"x")
                    end = None if piece else "FIN"
                except ConnectionResetError:
                    end = "RST"
                time.sleep(0.002)
            expect((got, end) == (size, "RST"), f"{got} of {size} bytes, then {end}")
    bed.settled()


@test("a backend that does not read", families=FAMILIES)
def slow_backend(bed, family):
    def play(wire, script, name):
        script.asked.append((name, wire.head()))
        time.sleep(1)
        wire.rest()

    bed.script.begin(play)
    with bed.wire(family) as wire:
        wire.send(b"POST /one/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        wire.sock.settimeout(0.5)
        sent = 0
        try:
            while sent < 100000000:
                sent += wire.sock.send(b"x" * 65536)
        except TimeoutError:
            pass
        expect(sent < 16 * MEGABYTE, f"{sent} bytes were taken")
    expect(wait_until(lambda: not bed.script.wires), "the backend's connection is still there")
    bed.settled()


# ---- what is refused -------------------------------------------------------------------------------
GET = b"GET /one/ HTTP/1.1\r\n"
LONG = b"x" * 2000
# (request, status, reason in bad_requests or the counter's own name)
BAD = [
    (GET + b"Host: x\r\nX-A: " + LONG + b"\r\n\r\n", 431, "head-too-large"),
    (GET + b"Host: x\r\n" + b"A: b\r\n" * 25 + b"\r\n", 431, "too-many-fields"),
    (b"GET /" + LONG[:400] + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "target-too-long"),
    (b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "method"),
    (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "version"),
    (b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505, "version"),
    (GET + b"\r\n", 400, "host-missing"),
    (GET + b"Host: a\r\nHost: a\r\n\r\n", 400, "host-twice"),
    (GET + b"Host: a b\r\n\r\n", 400, "host-invalid"),
    (GET + b"Host: a:b\r\n\r\n", 400, "host-invalid"),
    (GET + b"Host: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "transfer-coding"),
    (GET + b"Host: x\r\nContent-Length: x\r\n\r\n", 400, "content-length"),
    (GET + b"Host: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "content-lengths"),
    (GET + b"Host: x\r\nX-A : b\r\n\r\n", 400, "space-before-colon"),
    (GET + b"Host: x\r\nX-A: b\r\n c\r\n\r\n", 400, "obs-fold"),
    (GET + b"Host: x\nX-A: b\r\n\r\n", 400, "bare-lf"),
    (GET + b"Host: x\rX-A: b\r\n\r\n", 400, "bare-cr"),
    (GET + b"Host: x\r\nX-A: b\0c\r\n\r\n", 400, "control"),
    (GET + b"Host: x\r\nnonsense\r\n\r\n", 400, "field-name"),
    (b"\r\n\r\n" + GET + b"Host: x\r\n\r\n", 400, "empty-lines"),
    (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "request-line"),
    (b"GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400, "target"),
    (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10241\r\n\r\n", 413, "body_too_large"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "control"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version"),
    (b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", 405, None),
]


def refuses(wire, text, status, closes=True):
    answer = wire.answer()
    expect(f" {status} " in answer.first, f"{text[:80]}: {answer.first}")
    if closes:
        expect(answer.fields.get("connection") == "close", f"{text[:80]}: {answer}")
        expect(wire.rest()[0] == b"", f"{text[:80]}: more behind the answer")


def counted(before, after, times):
    """Has each of the reasons in the list come that often?"""
    for reason in set(times) - {None}:
        was, now = (before, after) if reason in after else (before["bad_requests"], after["bad_requests"])
        more = now.get(reason, 0) - was.get(reason, 0)
        expect(more == times.count(reason), f"{reason}: counted {more}, not {times.count(reason)} times")


@test("bad requests", BOTH, FAMILIES)
def bad(bed, family):
    """In one piece; and in two, with a good request behind."""
    before = bed.counters()
    for text, status, reason in BAD:
        with bed.wire(family, 74) as wire:
            wire.send(text)
            refuses(wire, text, status, reason)
        with bed.wire(family, 74) as wire:
            wire.send(text[:-3])
            time.sleep(0.005)
            try:
                wire.send(text[-3:] + (GET + b"Host: x\r\n\r\n" if reason else b""))
            except OSError:  # refused before its end
                pass
            refuses(wire, text, status, reason)
    counted(before, bed.counters(), [reason for _, _, reason in BAD] * 2)
    expect(not bed.script.asked, f"to a backend came {bed.script.asked}")
    bed.settled()


BAD_BODIES = [
    (b"x\r\n", 400, "chunk-size"), (b"0x1\r\na\r\n", 400, "chunk-size"), (b"+1\r\na\r\n", 400, "chunk-size"),
    (b"-1\r\na\r\n", 400, "chunk-size"), (b"1_0\r\na\r\n", 400, "chunk-size"), (b"1\na\r\n", 400, "chunk-line"),
    (b"fffffffffffffffff\r\n", 400, "chunk-too-large"), (b"1\r\nab\r\n", 400, "chunk-end"),
    (b"0\r\nContent-Length: 5\r\n\r\n", 400, "trailer-field"), (b"0\r\nX-A : b\r\n\r\n", 400, "trailer"),
    (b"0\r\nX-A: " + b"b" * 2000 + b"\r\n\r\n", 431, "trailer-too-large"),
    (b"5000\r\n" + b"x" * 0x5000 + b"\r\n0\r\n\r\n", 413, "body_too_large"),
]


@test("bad bodies", families=FAMILIES)
def bad_bodies(bed, family):
    """The head may be at the backend already; the rest must not look like a request."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    before = bed.counters()
    for body, status, reason in BAD_BODIES:
        for pause in (0, 0.02):
            with bed.wire(family, 74) as wire:
                wire.send(head)
                time.sleep(pause)
                wire.send(body)
                refuses(wire, body, status, reason != "body_too_large")  # that one has been read to its end
    expect(wait_until(lambda: not bed.script.wires), "the backend still waits")
    expect(not bed.script.asked, f"a backend has seen the end of {bed.script.asked}")
    counted(before, bed.counters(), [reason for _, _, reason in BAD_BODIES] * 2)
    bed.settled()


@test("odd requests that are none the worse", families=FAMILIES)
def odd(bed, family):
    for text, first in ((b"FROBNICATE /one/ HTTP/1.1\r\nHost: x\r\n\r\n", "FROBNICATE /one/ HTTP/1.1"),
                        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", None),
                        (b"GET http://other.example/one/a?b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /one/a?b HTTP/1.1"),
                        (b"\r\nGET /one/ HTTP/1.1\r\nHost: x\r\n\r\n", "GET /one/ HTTP/1.1"),
                        (b"GET /one/%41%2e/../b HTTP/1.1\r\nHost: x\r\n\r\n", None)):
        bed.script.begin(say_ok)
        with bed.wire(family) as wire:
            wire.send(text)
            try:
                answer = wire.answer()
            except Cut as cut:
                answer = cut
            expect(first is None or answer.body == b"ok", f"{text}: {answer}")
            if first:
                request = bed.script.asked[0][1]
                expect(request.first == first, f"{request}")
                expect(b"other.example" not in text or request.fields["host"] == "other.example", f"{request}")
