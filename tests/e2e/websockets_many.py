#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many WebSockets (RFC 6455) at once, and a server for them.

    websockets_many.py serve PORT                      sends back what it gets
    websockets_many.py hold ADDRESS PORT COUNT         prints "ready" when all are open, then talks on each of them in turns; a line on
                                                       standard input: a turn over all of them and "turn N"; its end: they close, and a
                                                       line of JSON says how many came back, and what became of others
"""
import asyncio
import base64
import collections
import hashlib
import json
import os
import resource
import struct
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BINARY, CLOSE = 2, 8
AT_ONCE = 100  # connections that are opened, or wait for their echo, at a time


def frame(kind, payload, mask=b""):
    """A whole one of less than 126 bytes."""
    return bytes([0x80 | kind, len(payload) | (0x80 if mask else 0)]) + mask + mixed(payload, mask)


def mixed(payload, mask):
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if mask else payload


async def read_frame(reader):
    first, second = await reader.readexactly(2)
    mask = await reader.readexactly(4) if second & 128 else b""
    return first & 15, mixed(await reader.readexactly(second & 127), mask)


# ---- server ----------------------------------------------------------------------------------------
async def serve_one(reader, writer):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(line.partition(b":")[2].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                     + base64.b64encode(hashlib.sha1(key + GUID).digest()) + b"\r\n\r\n")
        kind = None
        while kind != CLOSE:
            kind, payload = await read_frame(reader)
            writer.write(frame(kind, payload))
    except (OSError, EOFError):
        pass
    writer.close()


async def serve(port):
    server = await asyncio.start_server(serve_one, None, port, backlog=4096)
    await server.serve_forever()


# ---- clients ---------------------------------------------------------------------------------------
class Holder:
    def __init__(self, address, port):
        self.address, self.port, self.host = address, port, f"[{address}]" if ":" in address else address
        self.limit, self.open, self.wrong, self.turns = asyncio.Semaphore(AT_ONCE), {}, collections.Counter(), 0

    async def begin(self, number):
        async with self.limit:
            try:
                reader, writer = await asyncio.wait_for(asyncio.open_connection(self.address, self.port), 20)
                writer.write(b"GET /socket/ HTTP/1.1\r\nHost: " + self.host.encode() + b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n")
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
                if b" 101 " in head.split(b"\r\n")[0]:
                    self.open[number] = reader, writer
                else:
                    self.wrong[head.split(b"\r\n")[0].decode("latin-1")] += 1
            except (OSError, EOFError, asyncio.TimeoutError) as error:
                self.wrong[f"to open: {type(error).__name__} {error}"] += 1

    async def say(self, number, kind, payload):
        async with self.limit:
            reader, writer = self.open[number]
            try:
                writer.write(frame(kind, payload, os.urandom(4)))
                got = await asyncio.wait_for(read_frame(reader), 30)
                if got != (kind, payload):
                    self.wrong["another frame"] += 1
            except (OSError, EOFError, asyncio.TimeoutError) as error:
                self.wrong[f"after {self.turns} turns: {type(error).__name__} {error}"] += 1
                del self.open[number]

    async def turn(self, kind=BINARY):
        self.turns += 1
        await asyncio.gather(*[self.say(number, kind, struct.pack(">HI", 1000, number) if kind == CLOSE else
                                        struct.pack(">QI", self.turns, number)) for number in list(self.open)])


async def hold(address, port, count):
    holder, lines = Holder(address, port), asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    await asyncio.gather(*[holder.begin(number) for number in range(count)])
    print("ready", flush=True)
    while await lines.readline():
        await holder.turn()
        print(f"turn {holder.turns}", flush=True)
    await holder.turn(CLOSE)
    print(json.dumps({"open": len(holder.open), "turns": holder.turns, "wrong": holder.wrong}), flush=True)


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2])))
    else:
        asyncio.run(hold(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))


if __name__ == "__main__":
    main()
