#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that does as the path says, and tells what it has received.

    http_backend.py NAME PORT

    /echo...            JSON: name, method, target, version, headers [[name, value]], length and SHA-256 of the body
    /status/CODE        that status, with a body where one may be
    /bytes/N            N bytes, with Content-Length
    /chunked/N/SIZE     N bytes in chunks of SIZE, with a trailer
    /until-close/N      N bytes, and the connection's end
    /slow/MS            answers after so long
    /drip/N/MS          N bytes, one each MS
    /die/PHASE          ends the connection: before the answer, within its head, after it, within its body
    /interim            103 before the answer
"""
import hashlib
import json
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = bytes(range(256)) * 256


def pieces(length):
    """The same bytes for everybody who asks for so many; no two blocks are the same."""
    for number in range(0, length, len(BLOCK)):
        yield (number.to_bytes(8, "big") + BLOCK[8:])[:length - number]


def content(length):
    return b"".join(pieces(length))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = "?"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    # ---- bodies ----------------------------------------------------------------------------------
    def read_chunks(self):
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            if size == 0:
                break
            yield self.rfile.read(size)
            self.rfile.readline()
        self.trailers = []
        while True:
            line = self.rfile.readline()
            if line in (b"\r\n", b""):
                return
            self.trailers.append(line.decode().strip())

    def read_body(self):
        """Its length and digest."""
        self.trailers = []
        digest, length = hashlib.sha256(), 0
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = self.read_chunks()
        else:
            left = int(self.headers.get("Content-Length", 0))

            def blocks(left=left):
                while left:
                    piece = self.rfile.read(min(left, 65536))
                    if not piece:
                        return
                    left -= len(piece)
                    yield piece
            pieces = blocks()
        for piece in pieces:
            digest.update(piece)
            length += len(piece)
        return length, digest.hexdigest()

    def answer(self, status, body=b"", kind="text/plain", **fields):
        self.send_response(status)
        if status >= 200 and status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", kind)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def stream(self, length):
        for piece in pieces(length):
            self.wfile.write(piece)

    # ---- what paths do ---------------------------------------------------------------------------
    def echo(self, _):
        length, digest = self.read_body()
        told = {"name": self.name, "method": self.command, "target": self.path, "version": self.request_version,
                "headers": list(self.headers.items()), "length": length, "sha256": digest, "trailers": self.trailers,
                "peer": self.client_address[0], "port": self.client_address[1]}
        self.answer(200, json.dumps(told).encode(), "application/json")

    def status(self, words):
        self.read_body()
        self.answer(int(words[0]), b"as you wish\n")

    def bytes(self, words):
        self.read_body()
        length = int(words[0])
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()
        if self.command != "HEAD":
            self.stream(length)

    def chunked(self, words):
        length, size = int(words[0]), int(words[1])
        whole = content(length)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, length, size):
            piece = whole[at:at + size]
            self.wfile.write(b"%x%s\r\n" % (len(piece), b"" if at else b";first") + piece + b"\r\n")
        self.wfile.write(b"0\r\nX-Digest: " + hashlib.sha256(whole).hexdigest().encode() + b"\r\n\r\n")

    def until_close(self, words):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.stream(int(words[0]))
        self.close_connection = True

    def slow(self, words):
        self.read_body()
        time.sleep(int(words[0]) / 1000)
        self.answer(200, b"at last\n")

    def drip(self, words):
        length, pause = int(words[0]), int(words[1]) / 1000
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        for byte in content(length):
            self.wfile.write(bytes([byte]))
            time.sleep(pause)

    def die(self, words):
        said = {"before": b"", "head": b"HTTP/1.1 200 OK\r\nContent-Le", "after-head": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
                "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789",
                "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n01234"}[words[0]]
        self.wfile.write(said)
        self.wfile.flush()
        if words[1:] == ["reset"]:
            time.sleep(0.05)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_WR)

    def interim(self, _):
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        self.answer(200, b"after all\n")

    def do(self):
        words = self.path.split("?")[0].strip("/").split("/")
        action = getattr(self, words[0].replace("-", "_"), None) if words[0] in ACTIONS else self.echo
        action(words[1:])

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do


ACTIONS = ("echo", "status", "bytes", "chunked", "until-close", "slow", "drip", "die", "interim")


class Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 1024

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def main():
    Handler.name = sys.argv[1]
    Server(("::", int(sys.argv[2])), Handler).serve_forever()


if __name__ == "__main__":
    main()
