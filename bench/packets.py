# SPDX-License-Identifier: Apache-2.0
"""The generator against packets that it has not made: a file of 100,000 flows, written here byte by byte, which
dpdk-testpmd sends over and over (net_pcap, infinite_rx). Both must cost penstockd the same."""
import random
import socket
import statistics
import struct
import tempfile
import time

import cases
from wire import RING, MAC, Wire, read_count

FLOWS = 100000


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def frame(client, port, service, length):
    """A UDP packet to port 8080 of the service, of so many bytes."""
    src, dst = struct.pack("!I", client), socket.inet_aton(service)
    size = length - 34
    udp = struct.pack("!HHHH", port, 8080, size, 0) + bytes(size - 8)
    udp_sum = checksum(src + dst + struct.pack("!BBH", 0, 17, size) + udp) or 0xffff
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length - 14, 0, 0x4000, 64, 17, 0, src, dst)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return bytes.fromhex(MAC.replace(":", "")) + bytes.fromhex("020000000101") + b"\x08\x00" + ip + udp[:6] + struct.pack("!H", udp_sum) + udp[8:]


def write_file(path, case):
    """All flows of as many clients as the generator's traffic has, in random order."""
    order = list(range(FLOWS))
    random.Random(1).shuffle(order)
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for flow in order:
            data = frame(0x14000000 + flow, 1024, case.service, case.frame)
            out.write(struct.pack("<IIII", 0, 0, len(data), len(data)) + data)


def cost_of(wire, seconds):
    """Packets per second that penstockd takes in, and its cycles for each."""
    before, start = wire.show("workers")[0], time.monotonic()
    time.sleep(seconds)
    after, took = wire.show("workers")[0], time.monotonic() - start
    packets = after["packets_in"] - before["packets_in"]
    return {"pps": packets / took, "busy_ns": (after["busy_seconds"] - before["busy_seconds"]) * 1e9 / max(1, packets)}


def measure_file(case, path, seconds):
    with Wire(RING) as wire:
        wire.packet_file(path, FLOWS)
        wire.wait_until_ready(wire.penstockd(case.config(wire)))
        time.sleep(0.5)
        return cost_of(wire, seconds)


def measure_generator(case, seconds):
    with Wire(RING) as wire:
        generator = wire.generator(*case.packets(), "--flows", 1 << 17, "--clients", 1 << 17, "--seconds", seconds + 3)
        wire.wait_until_ready(wire.penstockd(case.config(wire)))
        time.sleep(0.5)
        found = cost_of(wire, seconds)
        read_count(generator)
    return found


def measure(seconds, runs=2):
    """In turns; the medians."""
    case = next(c for c in cases.CASES if c.name == "dsr-gue IPv4 limits")
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        write_file(file.name, case)
        found = [(measure_file(case, file.name, seconds), measure_generator(case, seconds)) for _ in range(runs)]
    both = {name: {what: statistics.median(pair[i][what] for pair in found) for what in ("pps", "busy_ns")}
            for i, name in enumerate(("file", "generator"))}
    return {"flows": FLOWS, **both, "runs": found}


if __name__ == "__main__":
    print(measure(2))
