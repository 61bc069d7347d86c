# SPDX-License-Identifier: Apache-2.0
"""1 GB each way with 0 %, 1 % and 5 % loss: identical content, and goodput beside Linux to Linux on the same wire."""
import os
import socket
import threading
import time

from bed import ADDRESSES, PORTS, Bed, check_content, content, expect, group

SIZE = int(os.environ.get("TCP_LONG_BYTES", "1000000000"))
SHARE = 0.8


def serve(bed, stop):
    """The peer's source and sink by the kernel, for the comparison."""
    def one(sock, source):
        with sock:
            if source:
                size = int(sock.makefile("r").readline())
                for at in range(0, size, 1 << 20):
                    sock.sendall(content(min(1 << 20, size - at), at))
                return
            count = 0
            while data := sock.recv(1 << 20):
                check_content(data, count)
                count += len(data)
            sock.sendall(f"{count}\n".encode())
    for name in ("source", "sink"):
        listener = bed.socket(side="peer")
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESSES["peer"][4], PORTS[name]))
        listener.listen()
        stop.append(listener)

        def loop(listener=listener, name=name):
            listener.settimeout(None)
            while True:
                try:
                    sock = listener.accept()[0]
                except OSError:
                    return
                threading.Thread(target=one, args=(sock, name == "source"), daemon=True).start()
        threading.Thread(target=loop, daemon=True).start()


def download(bed):
    with bed.connect("source") as sock:
        sock.settimeout(120)
        begin, count = time.monotonic(), 0
        sock.sendall(f"{SIZE}\n".encode())
        while data := sock.recv(1 << 20):
            check_content(data, count)
            count += len(data)
    expect(count == SIZE, f"{count} bytes of {SIZE}")
    return SIZE * 8 / 1e6 / (time.monotonic() - begin)


def upload(bed):
    with bed.connect("sink") as sock:
        sock.settimeout(120)
        begin = time.monotonic()
        for at in range(0, SIZE, 1 << 20):
            sock.sendall(content(min(1 << 20, SIZE - at), at))
        sock.shutdown(socket.SHUT_WR)
        answer = sock.makefile("r").readline()
    expect(answer == f"{SIZE}\n", f"the sink says {answer!r}")
    return SIZE * 8 / 1e6 / (time.monotonic() - begin)


def measure(per_mille, kernel_twice, way):
    with Bed(kernel_twice=kernel_twice) as bed:
        stop = []
        if kernel_twice:
            serve(bed, stop)
        if per_mille:
            bed.lose(per_mille)
        rate = way(bed)
        for listener in stop:
            listener.close()
        if not kernel_twice:
            bed.stop()
        return rate


class Nothing:
    """Each measurement makes its own bed."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def stop(self):
        pass


long = group("1 GB beside Linux", Nothing)


def compare(per_mille, way):
    def test(_):
        linux, ours = measure(per_mille, True, way), measure(per_mille, False, way)
        print(f"     {way.__name__}, {per_mille / 10:g} % lost: {ours:.0f} Mb/s, Linux to Linux {linux:.0f} Mb/s: {ours / linux:.2f}")
        expect(ours >= SHARE * linux, f"{ours / linux:.2f} of Linux to Linux")
    test.__name__ = f"{way.__name__}_with_{per_mille}_per_mille_lost"
    return test


for lost in (0, 10, 50):
    for direction in (download, upload):
        long(compare(lost, direction))
