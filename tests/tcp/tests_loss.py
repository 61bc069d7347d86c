# SPDX-License-Identifier: Apache-2.0
"""A wire that loses packets: content identical, both ways, both roles."""
import socket
import threading

from bed import Bed, check_content, content, expect, group
from tests_linux_server import Clients, Server, expect_done

SIZE = 5_000_000


class Lossy(Bed):
    """A serving peer behind a wire that loses."""
    per_mille = 10


class LossyClients(Clients, Lossy):
    """... and one that connects."""


class Lossier(Lossy):
    """5 %"""
    per_mille = 50


def takes(bed):
    """The peer takes content and says that it is right."""
    with bed.connect("sink") as sock:
        sock.settimeout(60)
        sock.sendall(content(SIZE))
        sock.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: sock.recv(100), b""))
    expect(answer == f"{SIZE}\n".encode(), f"sink took {answer!r} of {SIZE}")


def gives(bed):
    """The peer gives content."""
    with bed.connect("source") as sock:
        sock.settimeout(60)
        sock.sendall(f"{SIZE}\n".encode())
        data = b"".join(iter(lambda: sock.recv(1 << 20), b""))
    expect(len(data) == SIZE, f"{len(data)} bytes of {SIZE}")
    check_content(data, 0)


def both_ways(bed):
    """Echo."""
    data = content(SIZE // 5)
    with bed.connect("echo", 6) as sock:
        sock.settimeout(60)
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        back = b"".join(iter(lambda: sock.recv(1 << 20), b""))
        sender.join()
    expect(back == data, f"{len(back)} bytes of {len(data)} came back, or other ones")


def connects(bed):
    """dp/tcp connects, and sends and receives at once."""
    def echo(sock):
        while data := sock.recv(65536):
            sock.sendall(data)
    server = Server(bed, echo)
    report = bed.client(*server.to, "--send", str(SIZE // 5))
    server.done()
    expect_done(report, SIZE // 5)
    expect(report["rto"] < 200, f"{report['rto']} retransmission timeouts")


for name, make in (("1 % lost", Lossy), ("5 % lost", Lossier)):
    tests = group(name, make)
    for test in (takes, gives, both_ways):
        tests(test)
group("1 % lost, dp/tcp as client", LossyClients)(connects)
