#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tcp-peer's source and sink by the kernel's TCP, for comparisons: kernel_peer.py ADDRESS; says "ready"; until its input ends."""
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bed import PORTS, check_content, content, tcp_socket  # noqa: E402

PIECE = 1 << 20


def source(sock):
    """A line says how much of the content is wanted."""
    size = int(sock.makefile("r").readline())
    for at in range(0, size, PIECE):
        sock.sendall(content(min(PIECE, size - at), at))


def sink(sock):
    """Says at the end how much has come, if it was the content."""
    count = 0
    while data := sock.recv(PIECE):
        check_content(data, count)
        count += len(data)
    sock.sendall(f"{count}\n".encode())


def serve(listener, service):
    while True:
        sock = listener.accept()[0]
        with sock:
            service(sock)


def main():
    for service in (source, sink):
        listener = tcp_socket(":" in sys.argv[1])
        listener.bind((sys.argv[1], PORTS[service.__name__]))
        listener.listen()
        threading.Thread(target=serve, args=(listener, service), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
