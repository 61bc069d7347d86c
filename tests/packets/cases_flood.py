# SPDX-License-Identifier: Apache-2.0
"""A flood of made-up sources, many times as many as the table of clients has room for: who was there before keeps everything.

Each source may begin one connection a minute, so that no place of the table is free again while a case runs.
"""
import struct

from scapy.all import TCP, raw  # pylint: disable=no-name-in-module

from cases_limits import limits, one
from frames import SIDES, from_client, from_router
from harness import Case, case, config, pool

SOURCES, PLACES, EVERY = 200_000, 4096, 500
REAL_PORT, FLOOD_PORT = 2000, 3000


def checksum_with(checksum, add):
    """RFC 1624: a checksum after a 32-bit number that was 0 has become `add`."""
    total = (~checksum & 0xffff) + (add >> 16) + (add & 0xffff)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def made_up(side, count=SOURCES):
    """Frames of so many sources: one is made by Scapy, the others differ from it in 32 bits of the address and in checksums."""
    src = "32.0.0.0" if side.v4 else "2001:db9:0:0::1"
    frame = bytearray(raw(from_router(side.ip(src, side.vip) / TCP(sport=FLOOD_PORT, dport=80, seq=7, flags="S"))))
    at = 26                                        # IPv6: the third and fourth group
    base, = struct.unpack_from("!I", frame, at)
    l4 = 14 + (20 if side.v4 else 40)
    sums = ([24] if side.v4 else []) + [l4 + 16]
    before = [struct.unpack_from("!H", frame, s)[0] for s in sums]
    frames = []
    for n in range(1, count + 1):
        struct.pack_into("!I", frame, at, base + n)
        for s, old in zip(sums, before):
            struct.pack_into("!H", frame, s, checksum_with(old, n))
        frames.append(bytes(frame))
    return frames


def flood(family, forward):
    side = SIDES[family]
    text = 'packets = "100k/s"; new_connections = "1/m"; burst = "1m";'
    config = one(side, "tcp", forward, limits("client", text), connections=2 * PLACES)
    config = config.replace("dataplane: {", f"dataplane: {{ clients = {PLACES};")
    syn, ack = (raw(from_client(side.ip(side.client, side.vip) / TCP(sport=REAL_PORT, dport=80, seq=7, flags=flags)))
                for flags in "SA")
    frames = [syn]
    for n, frame in enumerate(made_up(side)):
        frames += [frame, ack] if n % EVERY == 0 else [frame]
    real = 1 + SOURCES // EVERY

    def check(_, lan):
        ports = [struct.unpack_from("!H", f, 14 + (20 if side.v4 else 40))[0] for f in lan]
        if ports.count(REAL_PORT) != real:
            return f"{ports.count(REAL_PORT)} packets of the real client have left, not {real}"
        # The table rounds its size up.
        if not PLACES * 0.95 < ports.count(FLOOD_PORT) < PLACES * 1.5:
            return f"{ports.count(FLOOD_PORT)} made-up sources came through; there is room for {PLACES} clients"
        return None

    return Case(config, wan_in=frames, wan_out=None, lan_out=None, check=check, all_counted=True,
                reasons=("client-table-full",))


def syns(family):
    """They come faster than a worker could ever answer, and nobody answers their cookies: once that has been seen they wait, some of each burst
    are answered, and the others dropped. It takes a twentieth of a second, or two, to see."""
    side, count, burst, some = SIDES[family], 600_000, 64, 2
    listener = (f'listeners = ( {{ name = "l"; address = "{side.vip}"; port = 80; protocol = "tcp"; pool = "p"; '
                'syn_cookies = "always"; } );\n')

    def check(wan, _):
        at = 14 + (20 if side.v4 else 40)
        flags = [f[at + 13] for f in wan if struct.unpack_from("!H", f, at + 2)[0] == FLOOD_PORT]
        # The first burst may come before the listener listens.
        good = len(flags) == len(wan) and set(flags) <= {0x12, 0x14} and flags.count(0x14) <= burst
        return None if good and count // burst * some <= len(wan) <= count * 3 // 4 else \
            f"{flags.count(0x12)} SYN-ACKs of {len(wan)} frames, of {count} SYNs"

    return Case(config([pool("p", side.backend, 8080)], []) + listener, wan_in=made_up(side, count), wan_out=None, lan_out=None, check=check,
                all_counted=True, reasons=("syn-flood",))


def register():
    for f in (4, 6):
        for forward in ("dsr-l2", "nat"):
            case(f"flood of made-up sources: a real client keeps its service, {forward}, IPv{f}")(
                lambda f=f, m=forward: flood(f, m))
        case(f"flood of SYNs to a listener: some are answered, IPv{f}")(lambda f=f: syns(f))


register()
