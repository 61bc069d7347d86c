#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What runs inside the lab's namespaces: a server that says who it is and whom it sees, and clients that count.

  peer.py serve NAME              TCP and UDP on ports 9000 and 9010: answers `NAME ADDRESS PORT LENGTH SHA256`, for each line or datagram
                                  TCP on port 9001: takes everything until the client's half-close, then answers the same
  peer.py hasty PORT              TCP: reads four bytes, a number N, answers N bytes and closes, with whatever else has come unread; where the
                                  highest bit of them is set it waits for the client to close
  peer.py unread ADDRESS PORT N MORE RATE   the client of that: says N and MORE bytes behind it, reads the answer, RATE KB/s (0: as fast as
                                  it comes); prints how many bytes of it were right and how it ended: `end`, `reset`
  peer.py upload ADDRESS SIZE     SIZE bytes to port 9001; prints the answer and the hash of what was sent
  peer.py udp ADDRESS SIZE        two datagrams of SIZE bytes, one after the other; prints the latter's answer
  peer.py refused KIND ADDRESS PORT   a tcp connection or udp datagram that nobody shall want; prints `refused`, or what came instead
  peer.py open ADDRESS PORT COUNT FROM...   begins COUNT connections at once (from these addresses in turn); prints how many came about
                                  within 1.5 s, in which a SYN is sent again once
  peer.py flood ADDRESS RATE SECONDS FROM...   RATE small datagrams a second from 8 sockets (at these addresses in turn); prints `ready`,
                                  then one JSON line: how many were sent and answered, and the seconds from the beginning to the last
                                  answer
  peer.py hold ADDRESS COUNT SECONDS FROM...   COUNT connections (from these source addresses in turn) that exchange a line each half second;
                                  prints `ready` when all are open, then one JSON line: for each connection who served it and how it ended
  peer.py silent ADDRESS COUNT FROM...   COUNT connections that exchange a line and print `ready`; they say nothing until a line comes on
                                  standard input, then exchange a line again and print, as JSON: for each who served it and how it ended;
                                  and so for each line
  peer.py load ADDRESS SECONDS    HTTP requests, a new connection each, from 8 threads; prints one JSON line: counts, and how many seconds
                                  lie between the first and the last failure.
                                  Ends sooner when standard input is closed
  peer.py fetch ADDRESS COUNT SIZE SECONDS FROM...   COUNT downloads at once of the first SIZE bytes of /big, each so slow that it takes
                                  SECONDS; prints `ready` when all have begun, then one JSON line: for each its hash, or how it failed
"""
import fcntl
import hashlib
import json
import selectors
import socket
import sys
import termios
import threading
import time

PORT, UPLOAD_PORT = 9000, 9001
INNER_PORT = 9010   # the same service as on PORT, for those that Penstock translates the port for


def answer(name, peer, data):
    host = peer[0][7:] if peer[0].startswith("::ffff:") else peer[0]
    return f"{name} {host} {peer[1]} {len(data)} {hashlib.sha256(data).hexdigest()[:16]}\n".encode()


def udp_socket(family, port):
    """One socket for each family: an answer must leave from the address that was asked, which UDP sockets bound to "any" do only with
    packet information switched on (IP_PKTINFO, IPV6_RECVPKTINFO)."""
    udp = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    udp.setsockopt(*((socket.IPPROTO_IP, 8) if family == socket.AF_INET else (socket.IPPROTO_IPV6, 49)), 1)
    udp.setsockopt(*((socket.IPPROTO_IP, 15) if family == socket.AF_INET else (socket.IPPROTO_IPV6, 78)), 1)  # FREEBIND: service prefixes
    udp.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    return udp


def serve(name):
    selector = selectors.DefaultSelector()
    uploads = {}
    for port, kind in ((PORT, "tcp"), (INNER_PORT, "tcp"), (UPLOAD_PORT, "upload")):
        tcp = socket.create_server(("::", port), family=socket.AF_INET6, backlog=1024, dualstack_ipv6=True)
        selector.register(tcp, selectors.EVENT_READ, ("accept " + kind, tcp))
    for family in (socket.AF_INET, socket.AF_INET6):
        for port in (PORT, INNER_PORT):
            selector.register(udp_socket(family, port), selectors.EVENT_READ, ("udp", None))
    while True:
        for key, _ in selector.select():
            kind, sock = key.data
            if kind.startswith("accept"):
                connection, _ = sock.accept()
                selector.register(connection, selectors.EVENT_READ, (kind.split()[1], connection))
            elif kind == "udp":
                sock = key.fileobj
                data, control, _, peer = sock.recvmsg(65536, 1024)
                sock.sendmsg([answer(name, peer, data)], reply_info(control), 0, peer)
            else:
                try:
                    data = sock.recv(65536)
                    if kind == "upload":
                        uploads[sock] = uploads.get(sock, b"") + data
                        if not data:
                            sock.sendall(answer(name, sock.getpeername(), uploads.pop(sock)))
                    elif data:
                        sock.sendall(answer(name, sock.getpeername(), data))
                except OSError:
                    data = b""
                if not data:
                    selector.unregister(sock)
                    sock.close()


def answered(number):
    return bytes(i % 251 for i in range(number & 0x7fffffff))


def hasty_answer(sock):
    try:
        number = int.from_bytes(sock.recv(4, socket.MSG_WAITALL), "big")
        if number >> 31:
            sock.sendall(answered(number))
            sock.recv(1)
        else:
            sock.recv(1, socket.MSG_PEEK)  # there is something unread, so a RST follows right behind the answer
            sock.sendall(answered(number))
            while number > 10000 and fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)) != bytes(4):
                time.sleep(.01)  # the RST takes away what has not been acknowledged
    except OSError:
        pass
    sock.close()


def hasty(port):
    tcp = socket.create_server(("::", port), family=socket.AF_INET6, backlog=1024, dualstack_ipv6=True)
    while True:
        threading.Thread(target=hasty_answer, args=(tcp.accept()[0],), daemon=True).start()


def unread_say(sock, what, errors):
    try:
        sock.sendall(what)
    except OSError as error:
        errors.append(error)


def unread(address, port, number, more, rate):
    """So little is buffered here that what is not read is not acknowledged."""
    sock = socket.socket(family_of(address), socket.SOCK_STREAM)
    if rate:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(30)
    sock.connect((address, port))
    got, errors, begin = b"", [], time.monotonic()
    sender = threading.Thread(target=unread_say, args=(sock, number.to_bytes(4, "big") + bytes(more), errors), daemon=True)
    sender.start()
    try:
        while len(got) < (number & 0x7fffffff) or number >> 31 == 0:
            data = sock.recv(2000 if rate else 65536)
            if not data:
                break
            got += data
            if rate:
                time.sleep(max(0, begin + len(got) / rate / 1000 - time.monotonic()))
    except OSError as error:
        errors.append(error)
    sender.join(5)  # a reset is told once, to whoever asks first
    print(len(got) if answered(number).startswith(got) else -1, "reset" if errors else "end")


def reply_info(control):
    """The control message that makes the answer come from the address that was asked (IP_PKTINFO, IPV6_PKTINFO)."""
    for level, kind, data in control:
        if (level, kind) == (socket.IPPROTO_IP, 8):  # ifindex, spec_dst, addr
            return [(level, kind, b"\0\0\0\0" + data[8:12] + b"\0\0\0\0")]
        if (level, kind) == (socket.IPPROTO_IPV6, 50):  # addr, ifindex
            return [(level, kind, data[:16] + b"\0\0\0\0")]
    return []


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def asked(sock, data, address):
    """(answer, address and port that it came from), or None; asks again when there is none within a second."""
    for _ in range(5):
        sock.sendto(data, (address, PORT))
        try:
            return sock.recvfrom(65536)
        except TimeoutError:
            continue
    return None


def udp(address, size):
    sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
    sock.settimeout(1)
    data = bytes(i % 251 for i in range(size))
    for _ in range(2):  # the second one belongs to a flow that is known
        got = asked(sock, data, address)
        if not got or got[1][1] != PORT:
            print(f"answer from port {got[1][1]}" if got else "no answer")
            return 1
    print(got[1][0], got[0].decode().strip(), hashlib.sha256(data).hexdigest()[:16])
    return 0


def refused(kind, address, port):
    """What becomes of a connection or a datagram, in one word, and after how many seconds."""
    begin = time.monotonic()
    with socket.socket(family_of(address), socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        try:
            sock.connect((address, port))
            if kind == "udp":
                sock.send(b"x")
                sock.recv(100)
            answer = "accepted"
        except ConnectionRefusedError:
            answer = "refused"
        except OSError as error:
            answer = str(error).replace(" ", "-")
    print(answer, f"{time.monotonic() - begin:.2f}")
    return 0


def upload(address, size):
    data = bytes(i % 253 for i in range(size))
    with socket.create_connection((address, UPLOAD_PORT), 10) as connection:
        connection.settimeout(15)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        print(connection.recv(4096).decode().strip(), hashlib.sha256(data).hexdigest()[:16])
    return 0


def begin_all(address, port, count, sources):
    """Without waiting: sockets that connect."""
    connections = []
    for i in range(count):
        connection = socket.socket(family_of(address), socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.bind((sources[i % len(sources)], 0))
        connection.connect_ex((address, port))
        connections.append(connection)
    return connections


def is_open(connection):
    try:
        connection.getpeername()
        return True
    except OSError:
        return False


def open_many(address, port, count, sources):
    connections = begin_all(address, port, count, sources)
    time.sleep(1.5)
    print(sum(map(is_open, connections)))
    for connection in connections:
        connection.close()
    return 0


def answers(sockets):
    """How many have come."""
    count = 0
    for sock in sockets:
        try:
            while sock.recv(1000):
                count += 1
        except OSError:
            pass
    return count


def flood(address, rate, seconds, sources):
    sockets = []
    for i in range(8):
        sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
        sock.bind((sources[i % len(sources)], 0))
        sock.connect((address, PORT))
        sock.setblocking(False)
        sockets.append(sock)
    print("ready", flush=True)
    sent = answered = 0
    begin = last = time.monotonic()
    while (now := time.monotonic()) < begin + seconds + 0.5:
        while sent < min(seconds, now - begin) * rate:
            sockets[sent % 8].send(b"x")
            sent += 1
        came = answers(sockets)
        if came:
            answered, last = answered + came, time.monotonic()
        time.sleep(0.002)
    print(json.dumps({"sent": sent, "answered": answered, "seconds": last - begin}))
    return 0


def exchange(connection, results, index, end):
    """Lines to and fro until the end; results[index] = [server, source port that it saw, error]."""
    server = None
    try:
        while server is None or time.monotonic() < end:
            connection.sendall(b"x\n")
            words = connection.recv(4096).decode().split()
            if not words:
                results[index] = [server, None, "closed"]
                return
            if server and words[0] != server:
                results[index] = [server, None, f"moved to {words[0]}"]
                return
            server = words[0]
            results[index] = [server, int(words[2]), None]
            time.sleep(0.5)
    except OSError as error:
        results[index] = [server, None, str(error)]


def hold(address, count, seconds, sources):
    end = time.monotonic() + seconds
    connections, results = [], [[None, None, "never answered"] for _ in range(count)]
    for i in range(count):
        source = (sources[i % len(sources)], 0) if sources else None
        connection = socket.create_connection((address, PORT), 10, source)
        connection.settimeout(max(10, seconds))
        connections.append(connection)
    threads = [threading.Thread(target=exchange, args=(c, results, i, end)) for i, c in enumerate(connections)]
    for thread in threads:
        thread.start()
    while any(result[0] is None and result[2] == "never answered" for result in results) and time.monotonic() < end:
        time.sleep(0.05)
    print("ready", flush=True)
    for thread in threads:
        thread.join()
    print(json.dumps([[c.getsockname()[0]] + r for c, r in zip(connections, results)]))
    return 0


def lines(connections):
    """A line to and fro on each, all at once: who served it, and what went wrong."""
    results = []
    for connection in connections:
        try:
            connection.sendall(b"x\n")
            results.append([None, None])
        except OSError as error:
            results.append([None, str(error)])
    for connection, result in zip(connections, results):
        try:
            words = connection.recv(4096).decode().split() if result[1] is None else []
            result[0] = words[0] if words else None
            result[1] = result[1] or (None if words else "closed")
        except OSError as error:
            result[1] = str(error)
    return results


def silent(address, count, sources):
    connections = []
    for i in range(count):
        source = (sources[i % len(sources)], 0) if sources else None
        connections.append(socket.create_connection((address, PORT), 10, source))
        connections[-1].settimeout(10)
    first = lines(connections)
    if any(error for _, error in first):
        print(first)
        return 1
    time.sleep(0.5)  # until the last acknowledgement, which waits for 40 ms, is through
    print("ready", flush=True)
    while sys.stdin.readline():
        print(json.dumps(lines(connections)), flush=True)
    return 0


def load(address, seconds):
    """Eight clients, 40 requests a second each at most: a closed connection keeps its port for a minute, and there are some 28,000."""
    import http.client  # pylint: disable=import-outside-toplevel; slow, and the others have no use for it

    counts = {"ok": 0, "failed": 0}
    errors, failures, lock = [], [], threading.Lock()
    end = time.monotonic() + seconds
    asked_to_end = threading.Event()

    def watch():
        sys.stdin.read()
        asked_to_end.set()

    def work():
        while time.monotonic() < end and not asked_to_end.is_set():
            try:
                connection = http.client.HTTPConnection(address, 80, timeout=8)
                connection.request("GET", "/")
                body = connection.getresponse().read()
                connection.close()
                good = body.startswith(b"b")
                text = body.decode()
            except OSError as error:
                good, text = False, str(error)
            with lock:
                counts["ok" if good else "failed"] += 1
                if not good:
                    errors.append(text)
                    failures.append(time.monotonic())
            time.sleep(0.025)

    threading.Thread(target=watch, daemon=True).start()
    threads = [threading.Thread(target=work) for _ in range(8)]
    print("ready", flush=True)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    span = failures[-1] - failures[0] if failures else 0
    print(json.dumps({**counts, "failing_seconds": round(span, 2), "errors": errors[:5]}))
    return 0


class Download:
    """One HTTP download that reads `chunk` bytes at each turn."""

    def __init__(self, address, size, chunk, source):
        self.sock = socket.socket(family_of(address), socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.sock.settimeout(10)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect((address, 80))
        self.sock.sendall(f"GET /big HTTP/1.1\r\nHost: x\r\nRange: bytes=0-{size - 1}\r\n\r\n".encode())
        self.sock.setblocking(False)
        self.size, self.chunk, self.got, self.result = size, chunk, b"", None

    def turn(self):
        try:
            data = self.sock.recv(self.chunk)
        except BlockingIOError:
            return
        except OSError as error:
            self.result = str(error)
            return
        self.got += data
        header, end, body = self.got.partition(b"\r\n\r\n")
        if end and not header.startswith(b"HTTP/1.1 206"):
            self.result = header.decode()
        elif len(body) >= self.size:
            self.result = hashlib.sha256(body).hexdigest()
        elif not data:
            self.result = f"closed after {len(self.got)} bytes"


def fetch(address, count, size, seconds, sources):
    chunk = max(1, int(size * 0.05 / seconds))
    downloads = [Download(address, size, chunk, sources[i % len(sources)] if sources else None) for i in range(count)]
    end = time.monotonic() + 60 + seconds
    ready = False
    while any(d.result is None for d in downloads) and time.monotonic() < end:
        began = time.monotonic()
        for download in downloads:
            if download.result is None:
                download.turn()
        if not ready and all(len(d.got) > 4 * chunk for d in downloads):
            ready = True
            print("ready", flush=True)
        time.sleep(max(0, began + 0.05 - time.monotonic()))
    print(json.dumps([d.result or f"no end after {len(d.got)} bytes" for d in downloads]))
    return 0


def main():
    words = sys.argv[1:]
    if words[0] == "serve":
        return serve(words[1])
    if words[0] == "udp":
        return udp(words[1], int(words[2]))
    if words[0] == "refused":
        return refused(words[1], words[2], int(words[3]))
    if words[0] == "upload":
        return upload(words[1], int(words[2]))
    if words[0] == "hasty":
        return hasty(int(words[1]))
    if words[0] == "unread":
        return unread(words[1], *map(int, words[2:6]))
    if words[0] == "hold":
        return hold(words[1], int(words[2]), float(words[3]), words[4:])
    if words[0] == "silent":
        return silent(words[1], int(words[2]), words[3:])
    if words[0] == "open":
        return open_many(words[1], int(words[2]), int(words[3]), words[4:])
    if words[0] == "flood":
        return flood(words[1], int(words[2]), float(words[3]), words[4:])
    if words[0] == "fetch":
        return fetch(words[1], int(words[2]), int(words[3]), float(words[4]), words[5:])
    return load(words[1], float(words[2]))


if __name__ == "__main__":
    sys.exit(main())
