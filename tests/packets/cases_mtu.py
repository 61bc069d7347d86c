# SPDX-License-Identifier: Apache-2.0
"""What does not fit the way out, and what has no hops left: answered by ICMP, or sent in pieces."""
from scapy.all import (ICMP, IP, TCP, UDP, Ether, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6,  # pylint: disable=no-name-in-module
                       Raw, raw)

from frames import (PROTO, SIDES, changed, fragments4, fragments6, frame_of, from_backend, from_client, from_router, gue, ipip,
                    known, older, to_backend, to_client, to_router)
from harness import BACKEND_MAC, CLIENT_MAC, LAN_MAC, WAN_MAC, Case, case, config, pool, service

SPORT, DPORT, BPORT = 1234, 80, 8080
HEADER = {"dsr-ipip": 0, "dsr-gue": 12}         # behind the outer IP header


def overhead(forward, backend):
    return (20 if backend.v4 else 40) + HEADER[forward] if forward in HEADER else 0


def setup(side, backend, forward, protocol, **more):
    port = BPORT if forward in ("nat", "full-nat") else DPORT
    return config([pool("p", backend.backend, port)], [service("s", side.vip, DPORT, protocol, forward, "p")], **more)


def sized(side, protocol, size, df=True, hops=64):
    """The client's packet, of that many bytes with its IP header."""
    fields = {"flags": "S", "seq": 7} if protocol == "tcp" else {}
    ip = side.ip(side.client, side.vip, hops, **({"flags": "DF"} if side.v4 and df else {}))
    packet = ip / PROTO[protocol](sport=SPORT, dport=DPORT, **fields)
    return packet / bytes(i & 255 for i in range(size - len(packet)))


def too_big(side, src, dst, mtu, quoted):
    """The answer, made by us: as much of the packet as fits 576 or 1280 bytes."""
    if side.v4:
        return IP(src=src, dst=dst, ttl=64, id=0, flags="DF", tos=0xc0) / ICMP(type=3, code=4, nexthopmtu=mtu) / \
            Raw(raw(quoted)[:576 - 28])
    return IPv6(src=src, dst=dst, hlim=64) / ICMPv6PacketTooBig(mtu=mtu) / Raw(raw(quoted)[:1280 - 48])


def made(forward, packet, side, backend):
    """What the mode makes of a packet, full-nat excepted."""
    if forward == "nat":
        return changed(packet, dst=side.backend, dport=BPORT)
    return {"dsr-l2": lambda p, b: p, "dsr-ipip": ipip, "dsr-gue": gue}[forward](packet, backend)


def over(forward, family, backend_family, protocol, mtu=1500):
    """The greatest packet that fits goes; the next greater is answered from the service's address."""
    side, backend = SIDES[family], SIDES[backend_family]
    most = mtu - overhead(forward, backend)
    fits, does_not = sized(side, protocol, most), sized(side, protocol, most + 1)
    return Case(setup(side, backend, forward, protocol, lan_mtu=mtu), wan_in=[from_client(fits), from_client(does_not)],
                lan_out=None if forward == "full-nat" else [to_backend(made(forward, fits, side, backend))],
                known=known if forward in HEADER else None,
                wan_out=[to_client(too_big(side, side.vip, side.client, most, does_not))], drops={"too-big": 1},
                check=(lambda _, lan: None if len(lan) == 1 and len(lan[0]) == 14 + mtu else f"{len(lan)} frames"))


def answer_over(family):
    """nat's answer to a client with a smaller MTU: the backend hears it from our address there."""
    side = SIDES[family]
    first = sized(side, "udp", 100)
    flags = {"flags": "DF"} if side.v4 else {}
    big = side.ip(side.backend, side.client, **flags) / UDP(sport=BPORT, dport=SPORT) / bytes(1400)
    fits = side.ip(side.backend, side.client, **flags) / UDP(sport=BPORT, dport=SPORT) / bytes(1300 - (28 if side.v4 else 48))
    return Case(setup(side, side, "nat", "udp", wan_mtu=1300), wan_in=[from_client(first)],
                lan_out=[to_backend(changed(first, dst=side.backend, dport=BPORT)),
                         Ether(dst=BACKEND_MAC, src=LAN_MAC) / too_big(side, side.own_lan, side.backend, 1300, big)],
                lan_in=[from_backend(big), from_backend(fits)],
                wan_out=[to_client(changed(fits, src=side.vip, sport=DPORT))], drops={"too-big": 1})


def in_pieces(forward, backend_family, size, protocol="udp"):
    """IPv4 without DF: fragments of the client's packet, each in a tunnel of its own; or of what nat made of it."""
    side, backend = SIDES[4], SIDES[backend_family]
    mtu = 1300
    packet = sized(side, protocol, size, df=False)
    room = (mtu - overhead(forward, backend) - 20) & ~7
    if forward == "nat":
        out = [frame_of(Ether(dst=BACKEND_MAC, src=LAN_MAC), 4, p) for p in fragments4(made("nat", packet, side, side), room)]
    else:
        out = [to_backend(made(forward, p, side, backend)) if forward != "dsr-l2" else
               frame_of(Ether(dst=BACKEND_MAC, src=LAN_MAC), 4, p) for p in fragments4(packet, room)]
    assert len(out) > 1
    return Case(setup(side, backend, forward, protocol, lan_mtu=mtu), wan_in=[from_client(packet)], lan_out=out,
                known=known if forward in HEADER else None)


def answer_in_pieces():
    side = SIDES[4]
    first = sized(side, "udp", 100)
    big = side.ip(side.backend, side.client) / UDP(sport=BPORT, dport=SPORT) / bytes(i & 255 for i in range(1400))
    pieces = fragments4(changed(big, src=side.vip, sport=DPORT), 1280)
    return Case(setup(side, side, "nat", "udp", wan_mtu=1300), wan_in=[from_client(first)], lan_in=[from_backend(big)],
                lan_out=[to_backend(changed(first, dst=side.backend, dport=BPORT))],
                wan_out=[frame_of(Ether(dst=CLIENT_MAC, src=WAN_MAC), 4, p) for p in pieces])


def options_in_pieces():
    """Of the options only those with the copied flag are in later pieces (RFC 791)."""
    side = SIDES[4]
    copied, not_copied = bytes([0x82, 4, 1, 2]), bytes([7, 7, 4, 0, 0, 0, 0, 0])
    data = bytes(i & 255 for i in range(1350))
    udp = raw(changed(side.ip(side.client, side.vip, 65) / UDP(sport=SPORT, dport=DPORT) / data))[20:]
    fields = {"src": side.client, "dst": side.vip, "ttl": 64, "proto": 17, "id": 5}
    whole = raw(IP(**fields))[:20]
    whole = bytes([0x48]) + whole[1:] + copied + not_copied
    whole = bytearray(whole + udp)
    whole[2:4] = len(whole).to_bytes(2, "big")
    whole = older(changed_header(whole, 1), 1)
    first, rest = udp[:1300 - 32 - 4], udp[1300 - 32 - 4:]
    assert len(first) % 8 == 0
    head = bytearray(whole[:32])
    one = head[:6] + b"\x20\0" + head[8:] + first
    one[2:4] = len(one).to_bytes(2, "big")
    two = bytearray(bytes([0x46]) + head[1:6] + (len(first) // 8).to_bytes(2, "big") + head[8:20] + copied + rest)
    two[2:4] = len(two).to_bytes(2, "big")
    return Case(setup(side, side, "dsr-l2", "udp", lan_mtu=1300),
                wan_in=[frame_of(Ether(dst=WAN_MAC, src=CLIENT_MAC), 4, whole)],
                lan_out=[frame_of(Ether(dst=BACKEND_MAC, src=LAN_MAC), 4, changed_header(p, 0)) for p in (one, two)])


def changed_header(data, hops):
    """The bytes of an IPv4 packet with its hops raised and its header's checksum made anew."""
    data = bytearray(data)
    data[8] += hops + 1
    return older(data)


def never_smaller():
    """A packet of the least size that everybody takes, yet too big: dropped, no answer tells to send less."""
    side = SIDES[6]
    return Case(setup(side, side, "dsr-ipip", "udp", lan_mtu=1300), wan_in=[from_client(sized(side, "udp", 1280))],
                drops={"too-big": 1}, all_counted=True)


def least_mtu():
    """IPv6: a smaller MTU than 1280 is never announced."""
    side = SIDES[6]
    packet = sized(side, "udp", 1400)
    return Case(setup(side, side, "dsr-gue", "udp", lan_mtu=1300), wan_in=[from_client(packet)],
                wan_out=[to_client(too_big(side, side.vip, side.client, 1280, packet))], drops={"too-big": 1})


def unanswered(family):
    """No error about an error, nor about a later fragment."""
    side = SIDES[family]
    quote = raw(side.ip(side.vip, side.client) / TCP(sport=DPORT, dport=SPORT) / bytes(1370))
    icmp = ICMP(type=3, code=4, nexthopmtu=1400) if side.v4 else ICMPv6PacketTooBig(mtu=1400)
    message = side.ip(side.far, side.vip, **({"flags": "DF"} if side.v4 else {})) / icmp / Raw(quote)
    whole = side.ip(side.client, side.vip, **({"flags": "DF"} if side.v4 else {})) / UDP(sport=SPORT, dport=DPORT) / bytes(2784)
    parts = (fragments4 if side.v4 else fragments6)(whole, 1400, 5)
    if side.v4:
        parts = [older(changed_df(p)) for p in parts]
    fragments = [frame_of(Ether(dst=WAN_MAC, src=CLIENT_MAC), family, p) for p in parts]
    answer = too_big(side, side.vip, side.client, 1300, parts[0])
    return Case(config([pool("p", side.backend, 0)], [service("s", side.vip, DPORT, "udp", "dsr-l2", "p"),
                                                      service("t", side.vip, DPORT, "tcp", "dsr-l2", "p")], lan_mtu=1300),
                wan_in=[from_router(message)] + fragments, wan_out=[to_client(answer)], drops={"too-big": 3})


def changed_df(data):
    data = bytearray(data)
    data[6] |= 0x40
    data[8] += 1
    return bytes(data)


def no_hops(family, forward, protocol):
    """A routed hop is the last one's end; the client hears it from our address. dsr-l2 is no hop."""
    side = SIDES[family]
    packets = [sized(side, protocol, 100, hops=hops) for hops in (1, 2)]
    if forward == "dsr-l2":
        return Case(setup(side, side, forward, protocol), wan_in=[from_client(p) for p in packets],
                    lan_out=[to_backend(p) for p in packets])
    quoted = Raw(raw(packets[0]))
    if side.v4:
        answer = IP(src=side.own_wan, dst=side.client, ttl=64, id=0, flags="DF", tos=0xc0) / ICMP(type=11, code=0) / quoted
    else:
        answer = IPv6(src=side.own_wan, dst=side.client, hlim=64) / ICMPv6TimeExceeded(code=0) / quoted
    return Case(setup(side, side, forward, protocol), wan_in=[from_client(p) for p in packets], wan_out=[to_client(answer)],
                lan_out=None if forward == "full-nat" else [to_backend(made(forward, packets[1], side, side))],
                known=known if forward in HEADER else None, drops={"ttl-expired": 1})


def answer_no_hops(family):
    """On the way back the backend hears it, from our address on its side."""
    side = SIDES[family]
    first = sized(side, "udp", 100)
    late = side.ip(side.backend, side.client, 1) / UDP(sport=BPORT, dport=SPORT) / b"late"
    if side.v4:
        said = IP(src=side.own_lan, dst=side.backend, ttl=64, id=0, flags="DF", tos=0xc0) / ICMP(type=11, code=0) / Raw(raw(late))
    else:
        said = IPv6(src=side.own_lan, dst=side.backend, hlim=64) / ICMPv6TimeExceeded(code=0) / Raw(raw(late))
    return Case(setup(side, side, "nat", "udp"), wan_in=[from_client(first)], lan_in=[from_backend(late)],
                lan_out=[to_backend(changed(first, dst=side.backend, dport=BPORT)), to_backend(said)], drops={"ttl-expired": 1})


def far_client(family):
    """The answer to a client behind the router goes to the router."""
    side = SIDES[family]
    packet = sized(side, "udp", 1490)
    packet.src = side.far
    return Case(setup(side, side, "dsr-ipip", "udp"), wan_in=[from_router(packet)],
                wan_out=[to_router(too_big(side, side.vip, side.far, 1500 - (20 if side.v4 else 40), packet))], drops={"too-big": 1})


def register():
    for f in (4, 6):
        for p in ("tcp", "udp"):
            for m in ("dsr-ipip", "dsr-gue"):
                case(f"too big, {m}, {f}in4, {p}")(lambda f=f, p=p, m=m: over(m, f, 4, p))
                case(f"too big, {m}, {f}in6, {p}")(lambda f=f, p=p, m=m: over(m, f, 6, p))
            case(f"too big, nat, IPv{f}, {p}")(lambda f=f, p=p: over("nat", f, f, p, 1300))
        for m in ("dsr-l2", "full-nat"):
            case(f"too big, {m}, IPv{f}")(lambda f=f, m=m: over(m, f, f, "udp", 1300))
        case(f"too big, nat's answer, IPv{f}")(lambda f=f: answer_over(f))
        case(f"too big, no error about it, IPv{f}")(lambda f=f: unanswered(f))
        case(f"too big, client behind the router, IPv{f}")(lambda f=f: far_client(f))
        for m in ("dsr-l2", "dsr-ipip", "dsr-gue", "nat", "full-nat"):
            case(f"no hops left, {m}, IPv{f}")(lambda f=f, m=m: no_hops(f, m, "tcp" if m == "nat" else "udp"))
        case(f"no hops left, nat's answer, IPv{f}")(lambda f=f: answer_no_hops(f))
    for m in ("dsr-ipip", "dsr-gue"):
        for g in (4, 6):
            case(f"in pieces, {m}, 4in{g}")(lambda g=g, m=m: in_pieces(m, g, 1400))
    case("in pieces, nat, udp")(lambda: in_pieces("nat", 4, 1400))
    case("in pieces, nat, tcp, three")(lambda: in_pieces("nat", 4, 2700, "tcp"))
    case("in pieces, dsr-l2")(lambda: in_pieces("dsr-l2", 4, 1400))
    case("in pieces, nat's answer")(answer_in_pieces)
    case("in pieces, with options")(options_in_pieces)
    case("too big, 1280 at least")(least_mtu)
    case("too big, but not to be told")(never_smaller)


register()
