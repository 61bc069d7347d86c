# SPDX-License-Identifier: Apache-2.0
"""Linux connects, dp/tcp listens."""
import concurrent.futures
import os
import socket
import struct
import threading
import time

from bed import ADDRESSES, Bed, check_content, content, expect, group

serving = group("Linux as client", Bed)


def read_all(sock, size=1 << 20):
    data = b"".join(iter(lambda: sock.recv(size), b""))
    return data


def echo(sock, data):
    """Sends, half-closes, and reads what comes back."""
    def send():
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send)
    sender.start()
    back = read_all(sock)
    sender.join()
    expect(back == data, f"echo of {len(data)} bytes: {len(back)} came back, {'other bytes' if len(back) == len(data) else 'not all'}")


def ask_source(sock, size):
    sock.sendall(f"{size}\n".encode())


def sink(sock, size):
    """Sends content, half-closes; the peer answers with how much of it was right."""
    sock.sendall(content(size))
    sock.shutdown(socket.SHUT_WR)
    answer = read_all(sock)
    expect(answer == f"{size}\n".encode(), f"sink took {answer!r} of {size}")


def each_family(test):
    def both(bed):
        for family in (4, 6):
            test(bed, family)
    both.__name__, both.__doc__ = test.__name__, test.__doc__
    return both


@serving
@each_family
def echo_of_random_bytes(bed, family):
    """1 MB there and back at once, both families."""
    with bed.connect("echo", family) as sock:
        echo(sock, os.urandom(1_000_000))


@serving
def echo_of_each_small_size(bed):
    """One byte and the sizes round a segment."""
    for size in (0, 1, 2, 535, 536, 1447, 1448, 1449, 1460, 1461, 2896, 65535, 65536):
        with bed.connect("echo") as sock:
            echo(sock, content(size))


@serving
@each_family
def half_close_by_the_client(bed, family):
    """The client sends, half-closes, then reads the answer."""
    with bed.connect("sink", family) as sock:
        sink(sock, 3_000_000)


@serving
def half_close_before_the_answer(bed):
    """The client half-closes before anything of the answer has come, and reads all of it."""
    with bed.connect("source") as sock:
        ask_source(sock, 2_000_000)
        sock.shutdown(socket.SHUT_WR)
        data = read_all(sock)
    expect(len(data) == 2_000_000, f"{len(data)} bytes of 2000000")
    check_content(data, 0)


@serving
def server_closes_first(bed):
    """The peer half-closes behind its answer; the client ends later."""
    with bed.connect("source") as sock:
        ask_source(sock, 100_000)
        check_content(read_all(sock), 0)
        time.sleep(0.2)
        sock.shutdown(socket.SHUT_WR)


@serving
def urgent_data_is_taken_in_band(bed):
    """RFC 6093: the urgent byte comes back at its place in the stream."""
    with bed.connect("echo") as sock:
        sock.sendall(b"before")
        sock.send(b"!", socket.MSG_OOB)
        sock.sendall(b"behind")
        sock.shutdown(socket.SHUT_WR)
        back = read_all(sock)
    expect(back == b"before!behind", f"{back!r} came back")


@serving
def tiny_receive_window(bed):
    """A client with the smallest receive buffer gets everything."""
    def tiny(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    with bed.connect("source", prepare=tiny) as sock:
        ask_source(sock, 300_000)
        sock.shutdown(socket.SHUT_WR)
        data = read_all(sock, 500)
    expect(len(data) == 300_000, f"{len(data)} bytes of 300000")
    check_content(data, 0)


@serving
def client_that_stops_reading(bed):
    """The window closes for some seconds, opens again, and everything comes."""
    def small(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    with bed.connect("source", prepare=small) as sock:
        ask_source(sock, 1_000_000)
        time.sleep(3)
        begin = time.monotonic()
        sock.shutdown(socket.SHUT_WR)
        data = read_all(sock)
        took = time.monotonic() - begin
    expect(len(data) == 1_000_000, f"{len(data)} bytes of 1000000")
    check_content(data, 0)
    expect(took < 5, f"{took:.1f} s after the window had opened again")


@serving
def server_that_stops_reading(bed):
    """The peer gives no credit for two seconds: the kernel sees a closed window and a window update."""
    with bed.connect("stop") as sock:
        begin = time.monotonic()
        sink(sock, 3_000_000)
        took = time.monotonic() - begin
    expect(1.5 < took < 8, f"it took {took:.1f} s")


@serving
def small_segments(bed):
    """A client whose MSS is 88."""
    def small(sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)
    with bed.connect("echo", prepare=small) as sock:
        echo(sock, content(100_000))


@serving
def one_byte_at_a_time(bed):
    """2,000 writes of one byte without Nagle's rule."""
    def at_once(sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with bed.connect("echo", prepare=at_once) as sock:
        data = content(2000)
        for i in range(len(data)):
            sock.sendall(data[i:i + 1])
        sock.shutdown(socket.SHUT_WR)
        expect(read_all(sock) == data, "not what was sent")


@serving
def exchanges_without_delay(bed):
    """Questions and answers of 64 bytes take no delayed acknowledgement (40 ms each)."""
    with bed.connect("echo") as sock:
        begin = time.monotonic()
        for i in range(200):
            sock.sendall(content(64, 64 * i))
            data = b""
            while len(data) < 64:
                data += sock.recv(64 - len(data))
            check_content(data, 64 * i)
        took = time.monotonic() - begin
    expect(took < 3, f"200 exchanges took {took:.2f} s")


@serving
def abort_by_the_client(bed):
    """A RST in the middle; the next connection goes as if nothing had been."""
    for _ in range(20):
        sock = bed.connect("source")
        ask_source(sock, 10_000_000)
        sock.recv(1000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    with bed.connect("echo") as sock:
        echo(sock, content(10_000))


@serving
@each_family
def closed_port_refuses(bed, family):
    """A SYN to a port without a listener is answered by a RST, at once."""
    begin = time.monotonic()
    try:
        bed.connect(4321, family)
    except ConnectionRefusedError:
        expect(time.monotonic() - begin < 0.5, "refused, but late")
        return
    expect(False, "connected to a port without a listener")


@serving
@each_family
def curl_gets(bed, family):
    """curl over HTTP/1.1, one after the other on a connection that is kept."""
    host = ADDRESSES["peer"][family]
    url = f"http://[{host}]/" if family == 6 else f"http://{host}/"
    done = bed.run("curl", "-sg", "--max-time", "20", f"{url}1000000", f"{url}1", f"{url}70000", text=False)
    data = done.stdout
    expect(len(data) == 1_070_001, f"{len(data)} bytes")
    for begin, end in ((0, 1_000_000), (1_000_000, 1_000_001), (1_000_001, 1_070_001)):
        check_content(data[begin:end], 0)


@serving
def many_at_once(bed):
    """200 connections, 20 at a time."""
    def one(i):
        with bed.connect("echo", 4 + 2 * (i % 2)) as sock:
            echo(sock, content(1000 + 100 * i, i))
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(one, range(200)))


@serving
def many_one_after_the_other(bed):
    """1,000 short connections; the ports of those in TIME-WAIT are no obstacle."""
    for i in range(1000):
        with bed.connect("source") as sock:
            ask_source(sock, 10)
            sock.shutdown(socket.SHUT_WR)
            expect(len(read_all(sock)) == 10, f"connection {i} lost its answer")


def same_port_again(bed, pause):
    """Connects twice from one port; the peer closes first each time, so its side is in TIME-WAIT."""
    def bound(port):
        def prepare(sock):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", port))
        return prepare
    for _ in range(5):
        with bed.connect("source", prepare=bound(22222)) as sock:
            ask_source(sock, 1000)
            expect(len(read_all(sock)) == 1000, "answer cut short")
        time.sleep(pause)


@serving
def syn_in_time_wait(bed):
    """RFC 6191: the same port again while the peer is in TIME-WAIT."""
    same_port_again(bed, 0.05)


def variant(name, *options, sysctls=()):
    """The most telling of these tests under other settings."""
    tests = group(f"Linux as client, {name}", lambda: Bed(*options, sysctls=sysctls))

    @tests
    def echoes(bed):
        """Echo of 1 MB, both families."""
        for family in (4, 6):
            with bed.connect("echo", family) as sock:
                echo(sock, os.urandom(1_000_000))

    @tests
    def takes(bed):
        """3 MB to the sink."""
        with bed.connect("sink") as sock:
            sink(sock, 3_000_000)

    @tests
    def gives(bed):
        """3 MB from the source."""
        with bed.connect("source") as sock:
            ask_source(sock, 3_000_000)
            data = read_all(sock)
        expect(len(data) == 3_000_000, f"{len(data)} bytes of 3000000")
        check_content(data, 0)

    @tests
    def reports(bed):
        """What the peer says of itself at its end."""
        report = bed.stop()
        expect(report["sound"] and report["over_cwnd"] == 0 and report["bad_checksum"] == 0, f"{report}")
        if "--cookies" in options:
            expect(report["syn_cookies_ok"] == report["accepted"] == 4, f"{report['syn_cookies_ok']} cookies")
        if "--reorder" in options:
            expect(report["out_of_order"] > 0, "nothing came out of order")
    return tests


variant("SYN cookies", "--cookies")
variant("no timestamps", sysctls=("net.ipv4.tcp_timestamps=0",))
variant("cookies and no timestamps", "--cookies", sysctls=("net.ipv4.tcp_timestamps=0",))
variant("no SACK", sysctls=("net.ipv4.tcp_sack=0",))
variant("no window scale", sysctls=("net.ipv4.tcp_window_scaling=0",))
variant("ECN", sysctls=("net.ipv4.tcp_ecn=1",))
variant("order of packets changed", "--reorder", "20")
