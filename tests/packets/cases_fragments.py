# SPDX-License-Identifier: Apache-2.0
"""Fragments: every one of a datagram goes where its first goes, by the owner of the client, in every mode."""
import struct

from scapy.all import TCP, UDP, Ether, raw  # pylint: disable=no-name-in-module

from frames import (PROTO, SIDES, Wrong, changed, fragments, fragments4, fragments6, frame_of, from_backend, from_router, gue, ipip,
                    known, older, rebuilt, sound, to_backend, to_router)
from harness import BACKEND_MAC, LAN_MAC, ROUTER_MAC, WAN_MAC, Case, case, config, pool, service

CLIENTS = 14
MODES = ("dsr-l2", "dsr-ipip", "dsr-gue", "nat", "full-nat")
FROM_ROUTER, TO_ROUTER = Ether(dst=WAN_MAC, src=ROUTER_MAC), Ether(dst=ROUTER_MAC, src=WAN_MAC)
FROM_BACKEND, TO_BACKEND = Ether(dst=LAN_MAC, src=BACKEND_MAC), Ether(dst=BACKEND_MAC, src=LAN_MAC)
SIZE = 256
ORDERS = {"in order": (0, 1, 2), "last first": (2, 1, 0), "first in the middle": (1, 0, 2)}


def client(side, n):
    return f"192.0.2.{n + 1}" if side.v4 else f"2001:db8:77:{n + 1:x}::1"


def datagram(side, n, protocol="udp"):
    """Three fragments' worth of data from client n."""
    data = bytes([n]) + bytes((n + i) & 255 for i in range(2 * SIZE + 50))
    l4 = UDP(sport=1200 + n, dport=80) if protocol == "udp" else TCP(sport=1200 + n, dport=80, flags="S", seq=1000 * n + 7)
    return side.ip(client(side, n), side.vip) / l4 / data


def forwarded(side, backend, forward, packet, n):
    """The bytes that the mode makes of each fragment of `packet`, with their family."""
    if forward in ("nat", "full-nat"):
        source = {"src": side.own_lan} if forward == "full-nat" else {}
        return [raw(p) for p in fragments(side, changed(packet, dst=side.backend, dport=8080, **source), SIZE, 100 + n)]
    parts = fragments(side, packet, SIZE, 100 + n)
    what = {"dsr-l2": lambda p, b: p, "dsr-ipip": ipip, "dsr-gue": gue}[forward]
    return [raw(what(p, backend)) for p in parts]


def setup(side, backend, forward, workers, protocol="udp", **more):
    port = 8080 if forward in ("nat", "full-nat") else 80
    return config([pool("p", backend.backend, port)], [service("s", side.vip, 80, protocol, forward, "p")], workers=workers, **more)


def whole_ports(side, seen):
    """For full-nat: the first fragments' unknown source port becomes the client's, its checksum that of the whole datagram."""
    head = 54 + 8 if not side.v4 else 34

    def fix(frame):
        if not (frame[20] & 0x1f or frame[21]) if side.v4 else struct.unpack("!H", frame[56:58])[0] & 0xfff8 == 0:
            n = frame[head + 8]
            port = struct.unpack("!H", frame[head:head + 2])[0]
            if seen.setdefault(n, port) != port:
                raise Wrong(f"client {n} has ports {port} and {seen[n]}")
            checksum = ~struct.unpack("!H", frame[head + 6:head + 8])[0] & 0xffff
            checksum += (~port & 0xffff) + 1200 + n
            while checksum >> 16:
                checksum = (checksum & 0xffff) + (checksum >> 16)
            frame = (frame[:head] + struct.pack("!H", 1200 + n) + frame[head + 2:head + 6] +
                     struct.pack("!H", ~checksum & 0xffff or 0xffff) + frame[head + 8:])
        return frame
    return fix


def fragmented(forward, family, backend_family, order, many, protocol="udp"):
    side, backend = SIDES[family], SIDES[backend_family]
    how_many = CLIENTS if many else 1
    arrive, leave = [], []
    for at in range(3):
        for n in range(how_many):
            arrive.append(frame_of(FROM_ROUTER, family, fragments(side, datagram(side, n, protocol), SIZE, 100 + n)[ORDERS[order][at]]))
            leave.append(frame_of(TO_BACKEND, backend_family,
                                  forwarded(side, backend, forward, datagram(side, n, protocol), n)[ORDERS[order][at]]))
    fix = {"full-nat": whole_ports(side, {}), "dsr-ipip": known, "dsr-gue": known}.get(forward)
    return Case(setup(side, backend, forward, "0, 0" if many else "0", protocol), wan_in=arrive, lan_out=leave, known=fix,
                ordered=order == "in order" and not many, steered=many, all_counted=True)


def first_missing(family, forward, workers):
    """Later fragments whose first never comes wait a second, then are dropped by name; other datagrams pass meanwhile."""
    side = SIDES[family]
    lost = [p for n in (1, 2, 3) for p in fragments(side, datagram(side, n), SIZE, 100 + n)[1:]]
    passes = fragments(side, datagram(side, 0), SIZE, 100)
    return Case(setup(side, side, forward, workers), wan_in=[frame_of(FROM_ROUTER, family, p) for p in lost + passes],
                lan_out=[frame_of(TO_BACKEND, family, p) for p in forwarded(side, side, forward, datagram(side, 0), 0)],
                known=known if forward == "dsr-gue" else None, drops={"fragment-no-first": len(lost)}, all_counted=True)


def too_many(family):
    """Of one datagram 16 fragments are held, no more."""
    side = SIDES[family]
    packet = side.ip(client(side, 0), side.vip) / UDP(sport=1200, dport=80) / bytes(8 * 30 - 8)
    parts = fragments(side, packet, 8, 5)
    return Case(setup(side, side, "nat", "0"), wan_in=[frame_of(FROM_ROUTER, family, p) for p in parts[1:21]],
                drops={"fragment-no-first": 16, "fragment-table-full": 4}, all_counted=True)


def same_identification(family):
    """Datagrams of two clients, and of both protocols of IPv4, with one identification do not mix."""
    side = SIDES[family]
    packets = [datagram(side, 0), datagram(side, 1)] + ([datagram(side, 0, "tcp")] if side.v4 else [])
    services = [service("s", side.vip, 80, "udp", "nat", "p"), service("t", side.vip, 80, "tcp", "nat", "q")]
    ports = (8080, 8080, 8081)
    arrive = [fragments(side, p, SIZE, 9) for p in packets]
    leave = [fragments(side, changed(p, dst=side.backend, dport=port), SIZE, 9) for p, port in zip(packets, ports)]
    return Case(config([pool("p", side.backend, 8080), pool("q", side.backend, 8081)], services),
                wan_in=[frame_of(FROM_ROUTER, family, parts[i]) for i in (0, 2, 1) for parts in arrive],
                lan_out=[frame_of(TO_BACKEND, family, parts[i]) for i in (0, 2, 1) for parts in leave], all_counted=True)


def reused_identification():
    """The same client, the same identification, another datagram: it has its own ports."""
    side = SIDES[4]
    packets = [datagram(side, 0), side.ip(client(side, 0), side.vip) / UDP(sport=4000, dport=81) / bytes(600)]
    services = [service("s", side.vip, 80, "udp", "nat", "p"), service("t", side.vip, 81, "udp", "nat", "q")]
    wanted = [changed(packets[0], dst=side.backend, dport=8080), changed(packets[1], dst=side.backend, dport=8081)]
    return Case(config([pool("p", side.backend, 8080), pool("q", side.backend, 8081)], services),
                wan_in=[frame_of(FROM_ROUTER, 4, f) for p in packets for f in fragments(side, p, SIZE, 9)],
                lan_out=[frame_of(TO_BACKEND, 4, f) for p in wanted for f in fragments(side, p, SIZE, 9)], all_counted=True)


def answers(family, order, many):
    """Fragments of nat's answers, in both directions' one flow."""
    side = SIDES[family]
    how_many = CLIENTS if many else 2
    requests = [side.ip(client(side, n), side.vip) / UDP(sport=1200 + n, dport=80) / b"request" for n in range(how_many)]
    back = [side.ip(side.backend, client(side, n)) / UDP(sport=8080, dport=1200 + n) / bytes([n] * (2 * SIZE + 50))
            for n in range(how_many)]
    arrive = [frame_of(FROM_BACKEND, family, fragments(side, p, SIZE, 100 + n)[at]) for at in ORDERS[order]
              for n, p in enumerate(back)]
    leave = [frame_of(TO_ROUTER, family, fragments(side, changed(p, src=side.vip, sport=80), SIZE, 100 + n)[at])
             for at in ORDERS[order] for n, p in enumerate(back)]
    later = {"reply": lambda left: arrive} if many else {"lan_in": arrive}
    return Case(setup(side, side, "nat", "0, 0" if many else "0"), wan_in=[from_router(p) for p in requests],
                lan_out=[to_backend(changed(p, dst=side.backend, dport=8080)) for p in requests], wan_out=leave,
                ordered=order == "in order" and not many, steered=many, **later)


def full_nat_answers(family, order, many):
    """The same for full-nat, where only the first fragment tells whose the answer is."""
    side = SIDES[family]
    how_many = CLIENTS if many else 2
    requests = [side.ip(client(side, n), side.vip) / UDP(sport=1200 + n, dport=80) / bytes([n]) for n in range(how_many)]

    def reply(left):
        out = {}
        for frame in left:
            ip = sound(frame).payload
            n = raw(ip.payload.payload)[0]
            packet = side.ip(side.backend, ip.src) / UDP(sport=8080, dport=ip.payload.sport) / bytes([n] * (2 * SIZE + 50))
            out[n] = fragments(side, packet, SIZE, 100 + n)
        return [frame_of(FROM_BACKEND, family, out[n][at]) for at in ORDERS[order] for n in range(how_many)]

    leave = [frame_of(TO_ROUTER, family,
                      fragments(side, side.ip(side.vip, client(side, n), 63) / UDP(sport=80, dport=1200 + n) /
                                bytes([n] * (2 * SIZE + 50)), SIZE, 100 + n)[at]) for at in ORDERS[order] for n in range(how_many)]
    return Case(setup(side, side, "full-nat", "0, 0" if many else "0"), wan_in=[from_router(p) for p in requests], lan_out=None,
                wan_out=leave, reply=reply, ordered=order == "in order" and not many, steered=many)


def atomic(forward):
    """An IPv6 packet with a fragment header that is no fragment (RFC 6946) waits for nothing."""
    side = SIDES[6]
    packet = datagram(side, 0)
    part = fragments6(packet, 4096, 77)
    assert len(part) == 1
    if forward == "nat":
        out = fragments6(changed(packet, dst=side.backend, dport=8080), 4096, 77)[0]
    else:
        out = raw({"dsr-l2": lambda p, b: p, "dsr-ipip": ipip, "dsr-gue": gue}[forward](part[0], side))
    return Case(setup(side, side, forward, "0"), wan_in=[frame_of(FROM_ROUTER, 6, part[0])], lan_out=[frame_of(TO_BACKEND, 6, out)],
                known=known if forward.startswith("dsr-") else None, all_counted=True)


def of_nobody(family):
    """Fragments to a port without a service, and to an address without any: the host's, and there is no twin."""
    side = SIDES[family]
    there = side.ip(client(side, 0), side.vip) / UDP(sport=1, dport=81) / bytes(600)
    elsewhere = side.ip(client(side, 0), "203.0.113.99" if side.v4 else "2001:db8:f::99") / UDP(sport=1, dport=80) / bytes(600)
    parts = fragments(side, there, SIZE, 1) + fragments(side, elsewhere, SIZE, 2)
    return Case(setup(side, side, "nat", "0"), wan_in=[frame_of(FROM_ROUTER, family, p) for p in parts],
                drops={"no-service": len(parts)}, all_counted=True)


def malformed(family):
    """Empty, unaligned, past 65,535 bytes, or so small that the transport header is cut."""
    side = SIDES[family]
    if side.v4:
        def part(field, payload, proto=17):
            return raw(side.ip(client(side, 0), side.vip, id=5, proto=proto, flags=field >> 13, frag=field & 0x1fff) / payload)
        bad = [part(0x2001, b""), part(0x2001, bytes(9)), part(0x1fff, bytes(16)), part(0x2000, bytes(0)),
               part(0x2000, raw(TCP(flags="S", dport=80))[:16], 6), part(0x2001, bytes(16), 6)]
        bad = [raw(rebuilt(type(side.ip("192.0.2.1", "192.0.2.2"))(p))) for p in bad]
    else:
        def part(offset_more, payload, proto=17):
            return raw(side.ip(client(side, 0), side.vip, nh=44) / (struct.pack("!BBHI", proto, 0, offset_more, 5) + payload))
        bad = [part(9, b""), part(9, bytes(9)), part(0xfff8, bytes(16)), part(1, b""), part(1, raw(TCP(flags="S", dport=80))[:16], 6),
               part(1, bytes(0), 6)]
    return Case(setup(side, side, "nat", "0"), wan_in=[frame_of(FROM_ROUTER, family, p) for p in bad],
                drops={"fragment-malformed": len(bad)}, all_counted=True)


def again_fragmented():
    """A fragment that does not fit into the tunnel is fragmented further: offsets and the last one's flag add up."""
    side = SIDES[4]
    packet = side.ip(client(side, 0), side.vip) / UDP(sport=1200, dport=80) / bytes(i & 255 for i in range(2400))
    parts = fragments4(packet, 1480, 5)
    # 1500 - 20 for the tunnel - 20 for the header = 1460, of which multiples of 8 go: 1456
    want = [p for part in parts for p in fragments4(part, 1456)]
    assert len(parts) == 2 and len(want) == 3
    return Case(setup(side, side, "dsr-ipip", "0"), wan_in=[frame_of(FROM_ROUTER, 4, p) for p in parts],
                lan_out=[to_backend(ipip(p, side)) for p in want], known=known)


def register():
    for family in (4, 6):
        for forward in MODES:
            for order in ("in order", "last first"):
                case(f"fragments, {forward}, IPv{family}, {order}")(
                    lambda m=forward, f=family, o=order: fragmented(m, f, f, o, False))
            case(f"fragments, {forward}, IPv{family}, two workers")(
                lambda m=forward, f=family: fragmented(m, f, f, "first in the middle", True))
        for forward in ("dsr-ipip", "dsr-gue"):
            case(f"fragments, {forward}, {family}in{10 - family}")(
                lambda m=forward, f=family: fragmented(m, f, 10 - f, "in order", False))
        for many in (False, True):
            workers = "two workers" if many else "one worker"
            for order in ("first in the middle",) if many else ("in order", "last first"):
                case(f"fragments of answers, nat, IPv{family}, {order}, {workers}")(
                    lambda f=family, o=order, m=many: answers(f, o, m))
                case(f"fragments of answers, full-nat, IPv{family}, {order}, {workers}")(
                    lambda f=family, o=order, m=many: full_nat_answers(f, o, m))
        case(f"fragments, TCP, nat, IPv{family}")(lambda f=family: fragmented("nat", f, f, "last first", False, "tcp"))
        case(f"fragments, the first missing, nat, IPv{family}")(lambda f=family: first_missing(f, "nat", "0"))
        case(f"fragments, the first missing, dsr-gue, IPv{family}, two workers")(
            lambda f=family: first_missing(f, "dsr-gue", "0, 0"))
        case(f"fragments, too many to hold, IPv{family}")(lambda f=family: too_many(f))
        case(f"fragments of several with one identification, IPv{family}")(lambda f=family: same_identification(f))
        case(f"fragments of nobody's, IPv{family}")(lambda f=family: of_nobody(f))
        case(f"fragments, malformed, IPv{family}")(lambda f=family: malformed(f))
    for forward in ("dsr-l2", "dsr-ipip", "dsr-gue", "nat"):
        case(f"atomic fragment, {forward}")(lambda m=forward: atomic(m))
    case("fragments with an identification used again")(reused_identification)
    case("fragments fragmented again")(again_fragmented)


register()
