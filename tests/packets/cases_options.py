# SPDX-License-Identifier: Apache-2.0
"""IPv4 options and IPv6 extension headers, in front of TCP and UDP: read past, and left as they are."""
import struct

from scapy.all import (ICMP, TCP, UDP, ICMPv6PacketTooBig, IPOption_NOP, IPOption_RR, IPOption_Router_Alert,  # pylint: disable=no-name-in-module
                       IPOption_Timestamp, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN, Raw, raw)

from frames import PAYLOAD, PROTO, SIDES, from_backend, from_client, gue, ipip, known, to_backend, to_client
from harness import Case, case, config, pool, service

OPTIONS = [[IPOption_Router_Alert()], [IPOption_RR(routers=["0.0.0.0"] * 9)], [IPOption_NOP()] * 40,
           [IPOption_Timestamp(flg=0, timestamp=1)]]


def segment(protocol, sport, dport):
    return PROTO[protocol](sport=sport, dport=dport, **({"flags": "PA", "seq": 7} if protocol == "tcp" else {})) / PAYLOAD


def setup(side, forward, protocol):
    port = 8080 if forward in ("nat", "full-nat") else 80
    return config([pool("p", side.backend, port)], [service("s", side.vip, 80, protocol, forward, "p")])


def with_headers(side, headers, src, dst, hops, last):
    """An IPv6 packet with extension headers; a transport checksum by hand, since Scapy's looks into routing headers."""
    ip = side.ip(src, dst, hops)
    for header in headers:
        ip = ip / header
    return ip / last


def through(family, forward, whats):
    """A packet for each of `whats`: options, or a list of extension headers; TCP and UDP in turn."""
    side = SIDES[family]

    def packets(src, dst, sport, dport, protocol, hops=64):
        """One for each; the client's port counts up."""
        out = []
        for n, what in enumerate(whats):
            ports = (sport + n, dport) if sport == 1234 else (sport, dport + (n if dport == 1234 else 0))
            if side.v4:
                out.append(side.ip(src, dst, hops, options=what) / segment(protocol, *ports))
            else:
                out.append(with_headers(side, what, src, dst, hops, segment(protocol, *ports)))
        return out

    def both(*args, **fields):
        return packets(*args, "tcp", **fields) + packets(*args, "udp", **fields)

    port = 8080 if forward == "nat" else 80
    setup_ = config([pool("p", side.backend, port)], [service("s", side.vip, 80, "tcp", forward, "p"),
                                                      service("t", side.vip, 80, "udp", forward, "p")])
    requests = both(side.client, side.vip, 1234, 80)
    if forward != "nat":
        make = {"dsr-l2": lambda p, b: p, "dsr-ipip": ipip, "dsr-gue": gue}[forward]
        return Case(setup_, wan_in=[from_client(p) for p in requests], lan_out=[to_backend(make(p, side)) for p in requests],
                    known=None if forward == "dsr-l2" else known, all_counted=True)
    return Case(setup_, wan_in=[from_client(p) for p in requests],
                lan_out=[to_backend(p) for p in both(side.client, side.backend, 1234, 8080, hops=63)],
                lan_in=[from_backend(p) for p in both(side.backend, side.client, 8080, 1234)],
                wan_out=[to_client(p) for p in both(side.vip, side.client, 80, 1234, hops=63)], all_counted=True)


def headers():
    pad = lambda cls, n=4: cls(options=[PadN(optdata=bytes(n))])
    return [[pad(IPv6ExtHdrHopByHop)], [pad(IPv6ExtHdrDestOpt)], [IPv6ExtHdrRouting(type=0, segleft=0, addresses=["2001:db8::5"])],
            [pad(IPv6ExtHdrHopByHop), pad(IPv6ExtHdrDestOpt, 12), IPv6ExtHdrFragment(id=7), pad(IPv6ExtHdrDestOpt)],
            [pad(IPv6ExtHdrHopByHop, 244), pad(IPv6ExtHdrDestOpt, 228)]]


def chain(numbers, last):
    """Extension headers of 8 bytes each by their numbers, then `last` (number, bytes); for what Scapy would not build."""
    out = b""
    for n, number in enumerate(numbers):
        after = numbers[n + 1] if n + 1 < len(numbers) else last[0]
        out += struct.pack("!BB", after, 1 if number == 51 else 0) + (b"\0" * 10 if number == 51 else b"\1\4\0\0\0\0")
    return out + last[1]


def bad_chains():
    """Too many, too long, hop-by-hop not in front, two fragment headers, cut off: dropped by name."""
    side = SIDES[6]
    tcp = raw(TCP(sport=1, dport=80))
    def packet(first, data):
        return side.ip(side.client, side.vip, nh=first) / Raw(data)
    bad = [packet(60, chain([60] * 9, (6, tcp))), packet(60, chain([60, 0], (6, tcp))),
           packet(44, b"\x2c\0\0\0\0\0\0\1" + b"\6\0\0\0\0\0\0\2" + tcp),
           packet(60, b"\6\xff" + bytes(2046) + tcp), packet(60, b"\6\1" + bytes(8)), packet(43, b"\6\0\0"), packet(0, b"")]
    return Case(setup(side, "nat", "tcp"), wan_in=[from_client(p) for p in bad], drops={"ip6-extension": len(bad)}, all_counted=True)


def foreign_chains():
    """Sound, but no service's: segments left in a routing header, no next header, an unknown header, IPsec's ESP."""
    side = SIDES[6]
    tcp = raw(TCP(sport=1, dport=80))
    def packet(first, data):
        return side.ip(side.client, side.vip, nh=first) / Raw(data)
    out = [packet(43, b"\6\2\0\1" + bytes(4) + bytes(16) + tcp), packet(59, b""), packet(253, bytes(8)), packet(50, bytes(20))]
    return Case(setup(side, "nat", "tcp"), wan_in=[from_client(p) for p in out], drops={"no-service": len(out)}, all_counted=True)


def authentication():
    """An AH in front of TCP is walked past; nat would break it, dsr-l2 does not."""
    side = SIDES[6]
    packet = side.ip(side.client, side.vip, nh=51) / Raw(chain([51], (6, raw(TCP(sport=1, dport=80)))))
    return Case(setup(side, "dsr-l2", "tcp"), wan_in=[from_client(packet)], lan_out=[to_backend(packet)], all_counted=True)


def quoted(family):
    """An error whose quoted packet has options or extension headers: the ports behind them are found and changed."""
    side = SIDES[family]
    first = side.ip(side.client, side.vip) / UDP(sport=1234, dport=80) / PAYLOAD

    def quote(src, sport):
        last = UDP(sport=sport, dport=1234) / PAYLOAD
        if side.v4:
            return raw(side.ip(src, side.client, 50, options=[IPOption_RR(routers=["0.0.0.0"] * 3)]) / last)
        return raw(with_headers(side, [IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))])], src, side.client, 50, last))

    icmp = ICMP(type=3, code=4, nexthopmtu=1400) if side.v4 else ICMPv6PacketTooBig(mtu=1400)
    came = side.ip(side.far, side.vip) / icmp / Raw(quote(side.vip, 80))
    goes = side.ip(side.far, side.backend, 63) / icmp / Raw(quote(side.backend, 8080))
    return Case(setup(side, "nat", "udp"), wan_in=[from_client(first), from_client(came)],
                lan_out=[to_backend(side.ip(side.client, side.backend, 63) / UDP(sport=1234, dport=8080) / PAYLOAD), to_backend(goes)],
                all_counted=True)


def register():
    for forward in ("nat", "dsr-l2", "dsr-ipip", "dsr-gue"):
        case(f"IPv4 options, {forward}")(lambda m=forward: through(4, m, OPTIONS))
        case(f"IPv6 extension headers, {forward}")(lambda m=forward: through(6, m, headers()))
    for f in (4, 6):
        case(f"error that quotes options, IPv{f}")(lambda f=f: quoted(f))
    case("IPv6 extension headers, bad")(bad_chains)
    case("IPv6 extension headers, foreign")(foreign_chains)
    case("IPv6 authentication header")(authentication)


register()
