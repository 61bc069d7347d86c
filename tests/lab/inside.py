# SPDX-License-Identifier: Apache-2.0
"""Sockets inside the lab's namespaces, for tests that are clients and backends themselves, byte by byte.

    connect(namespace, address, port)   a Wire to there, from inside the namespace
    Script(lab, numbers, port)          backends that do as a function says, and remember what they were asked
"""
import collections
import ctypes
import errno
import os
import select
import socket
import struct
import threading

NEW_NETWORK = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
RESET = struct.pack("ii", 1, 0)
Message = collections.namedtuple("Message", "first fields body trailers")


class Cut(Exception):
    """The connection ended (args[0]: "fin" or "reset") where more had to come."""


def within(namespace, make):
    """make() in a thread of its own that lives in the namespace: the sockets that it makes stay there."""
    result = []

    def work():
        handle = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        try:
            if LIBC.setns(handle, NEW_NETWORK):
                raise OSError(ctypes.get_errno(), f"setns {namespace}")
            result.append(make())
        except BaseException as error:  # pylint: disable=broad-except
            result.append(error)
        finally:
            os.close(handle)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]


def established(namespace, ports):
    """How many connections to these ports of the namespace are established."""
    def read():
        lines = []
        for name in ("tcp", "tcp6"):
            with open(f"/proc/thread-self/net/{name}", encoding="ascii") as table:
                lines += table.readlines()[1:]
        return lines

    fields = [line.split() for line in within(namespace, read)]
    return sum(state == "01" and int(local.rpartition(":")[2], 16) in ports for _, local, _, state, *_ in fields)


def connect(namespace, address, port, seconds=5, receive_buffer=None):
    def make():
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(seconds)
        sock.connect((address, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    return Wire(within(namespace, make))


class Wire:
    """A connection, and what has come on it and was not used yet."""

    def __init__(self, sock):
        self.sock, self.data = sock, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def more(self):
        try:
            data = self.sock.recv(1 << 20)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise Cut("reset") from error
        if not data:
            raise Cut("fin")
        self.data += data

    def until(self, mark):
        while mark not in self.data:
            self.more()
        before, _, self.data = self.data.partition(mark)
        return before

    def exactly(self, n):
        while len(self.data) < n:
            self.more()
        taken, self.data = self.data[:n], self.data[n:]
        return taken

    def rest(self):
        """(everything up to the end, how that came)"""
        try:
            while True:
                self.more()
        except Cut as cut:
            taken, self.data = self.data, b""
            return taken, cut.args[0]

    def quiet(self, seconds=0.2):
        """Does nothing come, and the connection not end, for so long?"""
        return not self.data and not select.select([self.sock], [], [], seconds)[0]

    # ---- leaving -------------------------------------------------------------------------------
    def leave(self, how):
        """how: "fin" or "reset"."""
        if how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.sock.close()

    def half_close(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as e:
            if e.errno != errno.ENOTCONN:  # reset meanwhile: who reads is told
                raise

    # ---- HTTP ----------------------------------------------------------------------------------
    def head(self):
        """(first line, {name in lower case: value}; values of the same name with commas between)"""
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise ValueError(f"no header field: {line!r}")
            name, value = name.lower(), value.strip()
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        return lines[0], fields

    def body(self, fields, otherwise=b""):
        """(body, trailers). otherwise: None if the connection's end ends it."""
        if fields.get("transfer-encoding"):
            return self.chunks()
        if "content-length" in fields:
            return self.exactly(int(fields["content-length"])), {}
        if otherwise is None:
            body, how = self.rest()
            if how == "reset":
                raise Cut("reset")
            return body, {}
        return otherwise, {}

    def chunks(self):
        pieces = []
        while True:
            size = int(self.until(b"\r\n").split(b";")[0], 16)
            if not size:
                break
            pieces.append(self.exactly(size))
            if self.exactly(2) != b"\r\n":
                raise ValueError("a chunk without an end")
        trailers = {}
        while True:
            line = self.until(b"\r\n").decode("latin-1")
            if not line:
                return b"".join(pieces), trailers
            name, _, value = line.partition(":")
            trailers[name.lower()] = value.strip()

    def request(self):
        first, fields = self.head()
        return Message(first, fields, *self.body(fields))

    def answer(self, method="GET"):
        """The next answer, interim ones included."""
        first, fields = self.head()
        status = int(first.split()[1])
        if method == "HEAD" or status < 200 or status in (204, 304):
            return Message(first, fields, b"", {})
        return Message(first, fields, *self.body(fields, None))

    def ask(self, path, method="GET", body=None, *fields):
        """A request written as it has to be, and its answer."""
        lines = [f"{method} {path} HTTP/1.1", "Host: shop.example", *fields]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines + ["", ""]).encode("latin-1") + (body or b""))
        return self.answer(method)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def say_ok(wire, script, name):
    """Answers everything, for as long as somebody asks."""
    while True:
        script.asked.append((name, wire.request()))
        wire.send(OK)


class Script:
    """Backends b1, b2, ... on a port, each connection played by `play(wire, script, name)`. `asked` is for what it was asked, `ended`
    has (name, how) of each connection whose player met its end."""

    def __init__(self, lab, numbers, port):
        self.asked, self.ended, self.opened = [], [], 0
        self.play = say_ok
        self.sockets, self.wires = [], []
        for number in numbers:
            listening = within(lab.backend_name(number), lambda: socket.create_server(("::", port), family=socket.AF_INET6, backlog=256,
                                                                                      dualstack_ipv6=True))
            self.sockets.append(listening)
            threading.Thread(target=self.serve, args=(listening, f"b{number}"), daemon=True).start()

    def serve(self, listening, name):
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(20)
            self.opened += 1
            threading.Thread(target=self.one, args=(Wire(sock), name), daemon=True).start()

    def one(self, wire, name):
        self.wires.append(wire)
        try:
            self.play(wire, self, name)
        except Cut as cut:
            self.ended.append((name, cut.args[0]))
        except (ConnectionResetError, BrokenPipeError):
            self.ended.append((name, "reset"))
        except (OSError, ValueError) as error:
            self.ended.append((name, f"{type(error).__name__} {error}"))
        wire.sock.close()
        self.wires.remove(wire)

    def begin(self, play=say_ok):
        """Another test: connections of the last one end, and what it has left is forgotten."""
        self.play = play
        for wire in list(self.wires):
            try:
                wire.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.asked, self.ended, self.opened = [], [], 0

    def close(self):
        for listening in self.sockets:
            listening.close()
        self.begin()
