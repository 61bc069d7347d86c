#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""dns.py NAME: a name server that knows one thing of each kind: TXT is NAME, A is 192.0.2.1, AAAA is 2001:db8::1."""
import selectors
import socket
import struct
import sys

from peer import reply_info, udp_socket

TYPES = {1: socket.inet_pton(socket.AF_INET, "192.0.2.1"), 28: socket.inet_pton(socket.AF_INET6, "2001:db8::1")}


def respond(query, name):
    """The answer to a query with one question; None to what is no query."""
    if len(query) < 17 or query[2] & 0x80:
        return None
    end = query.index(0, 12) + 5
    kind = struct.unpack_from("!H", query, end - 4)[0]
    data = TYPES.get(kind, bytes([len(name)]) + name.encode())
    header = query[:2] + struct.pack("!HHHHH", 0x8500, 1, 1, 0, 0)
    return header + query[12:end] + struct.pack("!HHHLH", 0xc00c, kind, 1, 0, len(data)) + data


def main():
    selector = selectors.DefaultSelector()
    for family in (socket.AF_INET, socket.AF_INET6):
        selector.register(udp_socket(family, 53), selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            query, control, _, peer = key.fileobj.recvmsg(4096, 1024)
            answer = respond(query, sys.argv[1])
            if answer:
                key.fileobj.sendmsg([answer], reply_info(control), 0, peer)


if __name__ == "__main__":
    main()
