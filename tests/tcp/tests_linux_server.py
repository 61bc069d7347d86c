# SPDX-License-Identifier: Apache-2.0
"""dp/tcp connects, Linux listens."""
import os
import socket
import threading
import time

from bed import ADDRESSES, Bed, check_content, content, expect, group, within


class Clients(Bed):
    """No serving peer: each connection of dp/tcp is a process of its own."""

    def __init__(self, *options, sysctls=()):
        super().__init__(*options, sysctls=sysctls)

    def start(self):
        pass


opening = group("Linux as server", Clients)


class Server(threading.Thread):
    """Accepts one connection in the kernel's namespace and does with it what serve(sock) says."""

    def __init__(self, bed, serve, family=4, port=9000):
        super().__init__(daemon=True)
        self.serve, self.wrong = serve, None
        self.sock = bed.socket(family)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((ADDRESSES["linux"][family], port))
        self.sock.listen()
        self.to = ["--connect", ADDRESSES["linux"][family], "--port", str(port)]
        self.start()

    def run(self):
        try:
            with self.sock, self.sock.accept()[0] as made:
                made.settimeout(30)
                self.serve(made)
        except Exception as error:  # pylint: disable=broad-except
            self.wrong = error

    def done(self):
        self.join(30)
        expect(not self.is_alive(), "the server does not end")
        expect(self.wrong is None, f"the server: {self.wrong!r}")


def echo(sock):
    while data := sock.recv(65536):
        sock.sendall(data)


def expect_done(report, received=None):
    expect(report["done"] and report["cause"] == "done" and report["sound"], f"the connection ended: {report}")
    expect(report["right"], "wrong bytes came")
    expect(received is None or report["received"] == received, f"{report['received']} bytes of {received}")
    expect(report["over_cwnd"] == 0, "sent beyond the congestion window")


@opening
def echo_at_the_server(bed):
    """1 MB there and back at once, both families."""
    for family in (4, 6):
        server = Server(bed, echo, family)
        report = bed.client(*server.to, "--send", "1000000")
        server.done()
        expect_done(report, 1_000_000)


@opening
def server_takes(bed):
    """3 MB of content, checked at the server, which then half-closes."""
    def serve(sock):
        data = b"".join(iter(lambda: sock.recv(1 << 20), b""))
        expect(len(data) == 3_000_000, f"{len(data)} bytes of 3000000")
        check_content(data, 0)
    server = Server(bed, serve)
    report = bed.client(*server.to, "--send", "3000000")
    server.done()
    expect_done(report, 0)


@opening
def server_gives(bed):
    """3 MB of content from a server that ends first."""
    def serve(sock):
        expect(len(sock.recv(5, socket.MSG_WAITALL)) == 5, "the question")
        sock.sendall(content(3_000_000))
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)
    server = Server(bed, serve)
    report = bed.client(*server.to, "--send", "5")
    server.done()
    expect_done(report, 3_000_000)


@opening
def server_with_a_tiny_window(bed):
    """The smallest receive buffer, read in small pieces."""
    def serve(sock):
        data = b"".join(iter(lambda: sock.recv(300), b""))
        expect(len(data) == 200_000, f"{len(data)} bytes of 200000")
        check_content(data, 0)
    server = Server(bed, serve)
    server.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    report = bed.client(*server.to, "--send", "200000")
    server.done()
    expect_done(report, 0)


@opening
def linux_stops_reading(bed):
    """For longer than several probes of its closed window, both families; then it takes all of it."""
    for family in (4, 6):
        def serve(sock):
            begin = sock.recv(1000, socket.MSG_WAITALL)
            time.sleep(3)
            data = begin + b"".join(iter(lambda: sock.recv(1 << 20), b""))
            expect(len(data) == 1_000_000, f"{len(data)} bytes of 1000000")
            check_content(data, 0)
        server = Server(bed, serve, family)
        server.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        report = bed.client(*server.to, "--send", "1000000")
        server.done()
        expect_done(report, 0)
        expect(report["zero_window_probes"] >= 2, f"{report['zero_window_probes']} probes of the closed window")


@opening
def linux_sends_urgent_data(bed):
    """RFC 6093: it is taken in-band, at its place in the stream."""
    for family in (4, 6):
        def serve(sock):
            expect(len(sock.recv(5, socket.MSG_WAITALL)) == 5, "the question")
            data = content(100_000)
            sock.sendall(data[:50_000])
            sock.send(data[50_000:50_001], socket.MSG_OOB)
            sock.sendall(data[50_001:])
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)
        server = Server(bed, serve, family)
        report = bed.client(*server.to, "--send", "5")
        server.done()
        expect_done(report, 100_000)


@opening
def server_refuses(bed):
    """No listener."""
    report = bed.client("--connect", ADDRESSES["linux"][4], "--port", "9999", "--send", "5")
    expect(report["done"] and report["cause"] == "refused" and not report["connected"], f"{report}")


@opening
def server_aborts(bed):
    """A RST after some data."""
    def serve(sock):
        sock.recv(1000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server = Server(bed, serve)
    report = bed.client(*server.to, "--send", "1000000")
    server.done()
    expect(report["done"] and report["cause"] == "reset", f"{report}")


@opening
def nginx_serves(bed):
    """A file of 5 MB from nginx."""
    root = os.path.join(bed.directory, "root")
    conf = os.path.join(bed.directory, "nginx.conf")
    pid = os.path.join(bed.directory, "nginx.pid")
    os.makedirs(root, exist_ok=True)
    with open(os.path.join(root, "file"), "wb") as file:
        file.write(content(5_000_000))
    with open(conf, "w", encoding="ascii") as file:
        file.write(f"daemon on; pid {pid}; error_log {bed.directory}/nginx.log; events {{}} "
                   f"http {{ access_log off; server {{ listen {ADDRESSES['linux'][4]}:8080; root {root}; }} }}\n")
    os.chmod(bed.directory, 0o755)
    bed.run("nginx", "-c", conf)
    try:
        report = bed.client("--connect", ADDRESSES["linux"][4], "--port", "8080", "--get", "/file")
    finally:
        bed.run("nginx", "-c", conf, "-s", "quit")
        within(10, lambda: not os.path.exists(pid), "nginx does not end")
    expect_done(report, 5_000_000)


def variant(name, *options, sysctls=()):
    tests = group(f"Linux as server, {name}", lambda: Clients(*options, sysctls=sysctls))

    @tests
    def echoes(bed):
        """1 MB there and back."""
        server = Server(bed, echo)
        report = bed.client(*server.to, "--send", "1000000")
        server.done()
        expect_done(report, 1_000_000)


variant("no timestamps", sysctls=("net.ipv4.tcp_timestamps=0",))
variant("no SACK", sysctls=("net.ipv4.tcp_sack=0",))
variant("no window scale", sysctls=("net.ipv4.tcp_window_scaling=0",))
variant("cookies", sysctls=("net.ipv4.tcp_syncookies=2",))
variant("ECN", sysctls=("net.ipv4.tcp_ecn=1",))
variant("order of packets changed", "--reorder", "20")
