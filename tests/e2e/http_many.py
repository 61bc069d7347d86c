#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many requests over kept connections, and what came of each.

    http_many.py ADDRESS PORT COUNT PATH [TRACES] < nothing

Four connections at a time; PATH may have {n}, the number of the request. TRACES: so many of the first requests have a traceparent, whose
trace id ends with random bytes and whose parent id is the request's number + 1. Prints a line of JSON: counts by status, bytes, seconds.
"""
import collections
import json
import os
import socket
import sys
import time

AT_ONCE = 4
WINDOW = 16


def read_answer(file):
    """Status and bytes of the body."""
    status = int(file.readline().split()[1])
    length = 0
    while True:
        line = file.readline()
        if line in (b"\r\n", b""):
            break
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, len(file.read(length))


def main():
    address, port, count, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    traces = int(sys.argv[5]) if len(sys.argv) > 5 else 0
    host = f"[{address}]" if ":" in address else address
    socks = [socket.create_connection((address, port), 20) for _ in range(AT_ONCE)]
    files = [s.makefile("rb", 1 << 16) for s in socks]
    statuses, size, begin, sent = collections.Counter(), 0, time.monotonic(), 0
    while sent < count:
        asked = []
        for sock, file in zip(socks, files):
            n = min(WINDOW, count - sent)
            if not n:
                break
            lines = []
            for i in range(sent, sent + n):
                more = f"traceparent: 00-{os.urandom(16).hex()}-{i + 1:016x}-00\r\n" if i < traces else ""
                lines.append(f"GET {path.format(n=i)} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")
            sock.sendall("".join(lines).encode())
            asked.append((file, n))
            sent += n
        for file, n in asked:
            for _ in range(n):
                status, length = read_answer(file)
                statuses[status] += 1
                size += length
    print(json.dumps({"statuses": statuses, "bytes": size, "seconds": time.monotonic() - begin}))


if __name__ == "__main__":
    main()
