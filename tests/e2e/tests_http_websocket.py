# SPDX-License-Identifier: Apache-2.0
"""WebSocket (RFC 6455) through HTTP listeners: the upgrade, frames both ways, both ends' ends, and changes of the configuration
meanwhile."""
import base64
import hashlib
import os
import struct
import threading
import time

from bed import expect, wait_until
from http_bed import FAMILIES, one_worker, test, two_workers
from inside import Cut

BOTH = (one_worker, two_workers)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()


def frame(kind, payload, masked):
    """One whole frame; clients mask theirs."""
    n = len(payload)
    length = bytes([n]) if n < 126 else b"\x7e" + struct.pack(">H", n) if n < 65536 else b"\x7f" + struct.pack(">Q", n)
    head = bytes([0x80 | kind])
    if not masked:
        return head + length + payload
    mask = os.urandom(4)
    return head + bytes([length[0] | 0x80]) + length[1:] + mask + mixed(payload, mask)


def mixed(payload, mask):
    n = len(payload)
    return (int.from_bytes(payload, "big") ^ int.from_bytes((mask * (n // 4 + 1))[:n], "big")).to_bytes(n, "big")


def read_frame(wire):
    """(kind, payload)"""
    first, second = wire.exactly(2)
    n = second & 127
    if n > 125:
        n = struct.unpack(">H" if n == 126 else ">Q", wire.exactly(2 if n == 126 else 8))[0]
    mask = wire.exactly(4) if second & 128 else bytes(4)
    return first & 15, mixed(wire.exactly(n), mask)


def echo(wire, script, name):
    """A server that takes the upgrade, and sends back what it gets."""
    first, fields = wire.head()
    script.asked.append((name, first, fields))
    if fields.get("upgrade", "").lower() != "websocket" or "upgrade" not in fields.get("connection", "").lower():
        wire.send(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
        return
    wire.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
              + accept_of(fields["sec-websocket-key"].encode()).encode() + b"\r\n\r\n" + frame(TEXT, b"welcome", False))
    while True:
        kind, payload = read_frame(wire)
        wire.send(frame(PONG if kind == PING else kind, payload, False))
        if kind == CLOSE:
            wire.half_close()
            wire.rest()
            raise Cut("fin")


def upgrade(wire, path="/socket/", more=b""):
    """The answer to a request for WebSocket; `more` is sent right behind it."""
    key = base64.b64encode(os.urandom(16))
    wire.send(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
              b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n" + more)
    first, fields = wire.head()
    if " 101 " in first:
        expect(fields["sec-websocket-accept"] == accept_of(key), f"{fields}")
        expect(fields["upgrade"] == "websocket" and fields["connection"].lower() == "upgrade", f"{fields}")
        expect(read_frame(wire) == (TEXT, b"welcome"), "no welcome")
    return first


def turn(wire, kind, payload, want=None):
    wire.send(frame(kind, payload, True))
    got = read_frame(wire)
    expect(got == (want or kind, payload), f"{len(payload)} bytes: {got[0]}, {len(got[1])} bytes come back")


@test("WebSocket", BOTH, FAMILIES)
def websocket(bed, family):
    bed.script.begin(echo)
    with bed.wire(family) as wire:
        expect(" 101 " in upgrade(wire, more=frame(TEXT, b"early", True)), "no upgrade")
        expect(read_frame(wire) == (TEXT, b"early"), "what came with the head is lost")
        for size in (0, 1, 125, 126, 65535, 65536, 1000000):
            turn(wire, BINARY, os.urandom(size))
        turn(wire, PING, b"?", PONG)
        turn(wire, CLOSE, struct.pack(">H", 1000))
        expect(wire.rest() == (b"", "fin"), "no orderly end")
    expect(bed.counters()["upgrades"] > 0, "not counted")
    bed.settled()


@test("WebSocket where it is not allowed", families=FAMILIES)
def not_allowed(bed, family):
    bed.script.begin(echo)
    with bed.wire(family) as wire:
        first = upgrade(wire, "/one/")
        expect(" 426 " in first, f"{first}")
    fields = bed.script.asked[0][2]
    expect("upgrade" not in fields and "connection" not in fields, f"{fields}")

    def imposes(wire, _script, _name):
        wire.head()
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        wire.rest()

    bed.script.begin(imposes)
    with bed.wire(family) as wire:  # nobody has asked for it
        expect(" 502 " in wire.ask("/one/").first, "an upgrade that nobody has asked for")
    bed.settled()


@test("WebSocket that is refused", families=FAMILIES)
def refused(bed, family):
    with bed.wire(family) as wire:  # an ordinary answer, and the connection goes on
        for _ in range(2):
            wire.send(b"GET /socket/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            expect(wire.answer().body == b"ok", "no answer")
    bed.settled()


@test("one end of a WebSocket ends", BOTH, FAMILIES)
def halves(bed, family):
    def talks_on(wire, script, name):
        _, fields = wire.head()
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                  + accept_of(fields["sec-websocket-key"].encode()).encode() + b"\r\n\r\n" + frame(TEXT, b"welcome", False))
        got = wire.rest()
        script.asked.append(got)
        time.sleep(0.1)
        wire.send(b"after the client's end")
        wire.sock.close()

    bed.script.begin(talks_on)
    with bed.wire(family) as wire:
        upgrade(wire)
        wire.send(b"last words")
        wire.half_close()
        expect(wire.rest() == (b"after the client's end", "fin"), "the backend's last words are lost")
    expect(bed.script.asked == [(b"last words", "fin")], f"{bed.script.asked}")
    for how in ("fin", "reset"):
        bed.script.begin(echo)
        wire = bed.wire(family)
        upgrade(wire)
        wire.leave(how)
        expect(wait_until(lambda: not bed.script.wires), f"the backend's end goes on after {how}")

    welcomed = threading.Event()

    def resets(wire, _script, _name):
        _, fields = wire.head()
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                  + accept_of(fields["sec-websocket-key"].encode()).encode() + b"\r\n\r\n" + frame(TEXT, b"welcome", False))
        welcomed.wait(10)  # what a client has not read when a reset comes is lost
        wire.leave("reset")

    bed.script.begin(resets)
    with bed.wire(family) as wire:
        upgrade(wire)
        welcomed.set()
        expect(wire.rest() == (b"", "reset"), "a reset of the backend is not passed on")
    bed.settled()


@test("WebSockets through 20 changes", BOTH)
def survives(bed, family):
    bed.script.begin(echo)
    wires = [bed.wire(family) for _ in range(20)]
    for wire in wires:
        upgrade(wire)
    over, turns, wrong = threading.Event(), [0] * len(wires), []

    def talk(i):
        try:
            while not over.is_set():
                turn(wires[i], BINARY, os.urandom(1000))
                turns[i] += 1
                time.sleep(0.02)
        except Exception as error:  # pylint: disable=broad-except
            wrong.append(f"{i}: {type(error).__name__} {error}")

    threads = [threading.Thread(target=talk, args=(i,)) for i in range(len(wires))]
    for thread in threads:
        thread.start()
    for i in range(20):
        extra = f'  {{ name = "new-{i}"; match = {{ path = "/new/"; }}; respond = {{ status = {200 + i}; }}; }},\n'
        bed.apply(bed.config(bed.lab.backends, extra=extra))
        before = list(turns)
        expect(wait_until(lambda before=before: wrong or all(now > was for now, was in zip(turns, before))), f"silence after change {i}: {turns}")
    over.set()
    for thread in threads:
        thread.join()
    expect(not wrong, f"{wrong[:3]}")
    for wire in wires:
        wire.leave("fin")
    bed.apply(bed.config(bed.lab.backends))
    bed.settled()
