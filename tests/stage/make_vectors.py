#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Make vectors_rewrite.h: frames before and after stage rewrite, both built by Scapy.

Each case builds what a client or backend sends, and, apart from it, what must leave: nothing is
derived from the program under test. Run it after a change; the header is committed. With --check
it only says whether the header is what it would make.
"""
import io
import sys
from pathlib import Path

from scapy.all import (GRE, ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6EchoReply, ICMPv6EchoRequest,
                       ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPOption, IPv6,
                       IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, PadN, Raw)

OUR_MAC, PEER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:99"
BACKEND_MAC, CLIENT_MAC = "02:00:00:00:02:0b", "02:00:00:00:00:fe"
CLIENT = {4: "192.0.2.7", 6: "2001:db8:c::7"}
SERVICE = {4: "203.0.113.10", 6: "2001:db8:5::10"}
BACKEND = {4: "10.2.0.11", 6: "fd00:2::11"}
LOCAL = {4: "10.2.0.64", 6: "fd00:2::64"}    # full-nat source
TUNNEL = {4: "10.2.0.1", 6: "fd00:2::1"}     # source of tunnels
OWN = {4: "198.51.100.2", 6: "2001:db8:1::2"}
ROUTER = {4: "10.9.9.9", 6: "fd00:9::9"}
ISP = {4: "198.18.7.7", 6: "2001:db8:77::7"}
CPORT, SPORT, BPORT, LPORT = 40001, 80, 8080, 20000
HASH = 0x12345678

vectors = []


def fmix32(h):
    """MurmurHash3's finalizer: what is made of the flow's hash before it spreads tunnels."""
    h ^= h >> 16
    h = h * 0x85ebca6b & 0xffffffff
    h ^= h >> 13
    h = h * 0xc2b2ae35 & 0xffffffff
    return h ^ h >> 16


def first_id(x=1):
    """Xorshift32 after one step: the identification of the first outer packet without DF."""
    x ^= x << 13 & 0xffffffff
    x ^= x >> 17
    x ^= x << 5 & 0xffffffff
    return x & 0xffff


def case(group, name, mode, frame, *out, **more):
    vectors.append({"group": group, "name": name, "mode": mode, "in": bytes(frame),
                    "out": [bytes(o) for o in out], **more})


def ether(src, dst, v, vlan=None):
    kind = 0x0800 if v == 4 else 0x86dd
    if vlan is None:
        return Ether(src=src, dst=dst, type=kind)
    return Ether(src=src, dst=dst) / Dot1Q(vlan=vlan, type=kind)


def rx(packet, vlan=None):
    return ether(PEER_MAC, OUR_MAC, packet.version, vlan) / packet


def to_backend(packet, vlan=None):
    return ether(OUR_MAC, BACKEND_MAC, packet.version, vlan) / packet


def to_client(packet, vlan=None):
    return ether(OUR_MAC, CLIENT_MAC, packet.version, vlan) / packet


def ip(v, src, dst, ttl=64, **more):
    if v == 4:
        more.setdefault("id", 0x4242)
        more.setdefault("flags", "DF")
        return IP(src=src, dst=dst, ttl=ttl, **more)
    return IPv6(src=src, dst=dst, hlim=ttl, tc=more.get("tos", 0), fl=0x51234, **{
        k: v for k, v in more.items() if k == "nh"})


def l4(proto, sport, dport, size=21, **more):
    data = Raw(bytes(i & 0xff for i in range(size)))
    if proto == "tcp":
        return TCP(sport=sport, dport=dport, flags="A", seq=77, ack=99, **more) / data
    return UDP(sport=sport, dport=dport, **more) / data


def forward(v, proto, ttl=64, size=21, ipargs=None, **more):
    """From the client, as the client sends it."""
    return ip(v, CLIENT[v], SERVICE[v], ttl, **(ipargs or {})) / l4(proto, CPORT, SPORT, size, **more)


def forward_nat(v, proto, ttl=63, size=21, ipargs=None, full=False, **more):
    """The same as the backend gets it."""
    src, sport = (LOCAL[v], LPORT) if full else (CLIENT[v], CPORT)
    return ip(v, src, BACKEND[v], ttl, **(ipargs or {})) / l4(proto, sport, BPORT, size, **more)


def reply(v, proto, ttl=64, size=21, ipargs=None, full=False, **more):
    """From the backend."""
    dst, dport = (LOCAL[v], LPORT) if full else (CLIENT[v], CPORT)
    return ip(v, BACKEND[v], dst, ttl, **(ipargs or {})) / l4(proto, BPORT, dport, size, **more)


def reply_nat(v, proto, ttl=63, size=21, ipargs=None, **more):
    """The same as the client gets it."""
    return ip(v, SERVICE[v], CLIENT[v], ttl, **(ipargs or {})) / l4(proto, SPORT, CPORT, size, **more)


def icmp(v, src, dst, quoted, ttl=64, mtu=1400, **ipargs):
    """Fragmentation needed, or packet too big."""
    if v == 4:
        return ip(4, src, dst, ttl, **ipargs) / ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(quoted)
    return ip(6, src, dst, ttl) / ICMPv6PacketTooBig(mtu=mtu) / Raw(quoted)


def own(v, src, body):
    """An ICMP message that Penstock makes."""
    if v == 4:
        return IP(src=src, dst=CLIENT[4], tos=0xc0, id=0, flags="DF", ttl=64) / body
    return IPv6(src=src, dst=CLIENT[6], hlim=64) / body


def too_big(v, src, quoted, mtu, dst=None):
    room = 548 if v == 4 else 1232
    quoted = Raw(bytes(quoted)[:room])
    body = ICMP(type=3, code=4, nexthopmtu=mtu) if v == 4 else ICMPv6PacketTooBig(mtu=mtu)
    packet = own(v, src, body / quoted)
    if dst:
        packet.dst = dst
    return packet


def expired(v, src, quoted, dst=None):
    room = 548 if v == 4 else 1232
    quoted = Raw(bytes(quoted)[:room])
    body = ICMP(type=11, code=0) if v == 4 else ICMPv6TimeExceeded(code=0)
    packet = own(v, src, body / quoted)
    if dst:
        packet.dst = dst
    return packet


def outer(ov, inner, nh_extra=b"", tos=0, df=True):
    """An IP header of ours in front of a tunnel."""
    proto = 4 if inner.version == 4 else 41
    body = Raw(bytes(inner))
    if ov == 4:
        head = IP(src=TUNNEL[4], dst=BACKEND[4], ttl=64, tos=tos, flags="DF" if df else 0,
                  id=0 if df else first_id())
    else:
        head = IPv6(src=TUNNEL[6], dst=BACKEND[6], hlim=64, tc=tos, fl=fmix32(HASH) & 0xfffff)
    return head, proto, body


def ipip(ov, inner, **more):
    head, proto, body = outer(ov, inner, **more)
    if ov == 4:
        head.proto = proto
    else:
        head.nh = proto
    return head / body


def gue(ov, inner, **more):
    head, proto, body = outer(ov, inner, **more)
    udp = UDP(sport=0xc000 | (fmix32(HASH) & 0x3fff), dport=6080)
    if ov == 4:
        udp.chksum = 0
    return head / udp / Raw(bytes([0, proto, 0, 0])) / body


def older(packet):
    """One hop later, seen by the receiver: only for packets that are otherwise untouched."""
    packet = packet.copy()
    if packet.version == 4:
        packet.ttl -= 1
        packet.chksum = None
    else:
        packet.hlim -= 1
    return packet


def cut(packet, size):
    return bytes(packet)[:size]


OPTIONS = [IPOption(b"\x07\x07\x04\0\0\0\0"), IPOption(b"\x01")]    # record route, no-operation


def with_headers(v, src, dst, body, proto, ttl=64):
    """IPv4 with options, IPv6 with extension headers."""
    if v == 4:
        return ip(4, src, dst, ttl, options=OPTIONS) / body
    return (ip(6, src, dst, ttl) / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]) /
            IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)]) / body)


def fragments(whole, size):
    """The IP packet as two fragments, the first with `size` bytes of payload (RFC 791, RFC 8200)."""
    if whole.version == 4:
        head = whole.copy()
        data = bytes(whole.payload)
        head.remove_payload()
        parts = []
        for at, more, piece in ((0, 1, data[:size]), (size // 8, 0, data[size:])):
            part = head.copy()
            part.flags, part.frag, part.len, part.chksum = more, at, None, None
            parts.append(part / Raw(piece))
        return parts
    data = bytes(whole.payload)
    nh = whole.nh
    parts = []
    for at, more, piece in ((0, 1, data[:size]), (size // 8, 0, data[size:])):
        head = IPv6(src=whole.src, dst=whole.dst, hlim=whole.hlim, fl=whole.fl)
        parts.append(head / IPv6ExtHdrFragment(nh=nh, m=more, offset=at, id=0x77665544) / Raw(piece))
    return parts


def built(packet):
    """All fields filled in."""
    return packet.__class__(bytes(packet))


# ---- the modes --------------------------------------------------------------------------------
def plain():
    for v in (4, 6):
        for proto in ("tcp", "udp"):
            what = f"{proto} over IPv{v}"
            p = forward(v, proto)
            case("l2", what, "DSR_L2", rx(p), to_backend(p), backend=BACKEND[v])
            case("l2", f"{what}, last hop", "DSR_L2", rx(forward(v, proto, ttl=1)),
                 to_backend(forward(v, proto, ttl=1)), backend=BACKEND[v])
            case("l2", f"{what}, tag added", "DSR_L2", rx(p), to_backend(p, 200), vlan=200,
                 backend=BACKEND[v])
            case("l2", f"{what}, tag removed", "DSR_L2", rx(p, 100), to_backend(p),
                 backend=BACKEND[v])
            case("l2", f"{what}, tag replaced", "DSR_L2", rx(p, 100), to_backend(p, 200), vlan=200,
                 backend=BACKEND[v])
            for ov in (4, 6):
                for mode, name, wrap in (("DSR_IPIP", "ipip", ipip), ("DSR_GUE", "gue", gue)):
                    where = f"{what} in IPv{ov}"
                    case(name, where, mode, rx(p), to_backend(wrap(ov, older(built(p)))),
                         backend=BACKEND[ov])
                    case(name, f"{where}, tag replaced", mode, rx(p, 100),
                         to_backend(wrap(ov, older(built(p))), 200), vlan=200, backend=BACKEND[ov])
                    odd = forward(v, proto, size=22, ipargs={"tos": 0xba} | (
                        {"flags": 0} if v == 4 else {}))
                    case(name, f"{where}, traffic class, no DF", mode, rx(odd),
                         to_backend(wrap(ov, older(built(odd)), tos=0xba, df=v == 6)),
                         backend=BACKEND[ov])
                    h = with_headers(v, CLIENT[v], SERVICE[v], l4(proto, CPORT, SPORT), proto)
                    case(name, f"{where}, options", mode, rx(h),
                         to_backend(wrap(ov, older(built(h)))), backend=BACKEND[ov])
                    small = forward(v, proto, size=1)
                    case(name, f"{where}, padded", mode, bytes(rx(small)) + b"\xee" * 7,
                         to_backend(wrap(ov, older(built(small)))), backend=BACKEND[ov])


def nat():
    for v in (4, 6):
        for proto in ("tcp", "udp"):
            for full, mode in ((False, "NAT"), (True, "FULL_NAT")):
                group = mode.lower()
                what = f"{proto} over IPv{v}"
                case(group, what, mode, rx(forward(v, proto)),
                     to_backend(forward_nat(v, proto, full=full)), backend=BACKEND[v])
                case(group, f"{what}, reply", mode, rx(reply(v, proto, full=full)),
                     to_client(reply_nat(v, proto)), backend=BACKEND[v], reply=1)
                case(group, f"{what}, tags", mode, rx(forward(v, proto), 100),
                     to_backend(forward_nat(v, proto, full=full), 200), backend=BACKEND[v], vlan=200)
                case(group, f"{what}, reply, tag removed", mode,
                     rx(reply(v, proto, full=full), 100), to_client(reply_nat(v, proto)),
                     backend=BACKEND[v], reply=1)
                src, sport = (LOCAL[v], LPORT) if full else (CLIENT[v], CPORT)
                case(group, f"{what}, options", mode,
                     rx(with_headers(v, CLIENT[v], SERVICE[v], l4(proto, CPORT, SPORT), proto)),
                     to_backend(with_headers(v, src, BACKEND[v], l4(proto, sport, BPORT), proto,
                                             ttl=63)), backend=BACKEND[v])
                for i, (a, b) in enumerate(zip(
                        fragments(built(forward(v, proto, size=60)), 40),
                        fragments(built(forward_nat(v, proto, size=60, full=full)), 40))):
                    case(group, f"{what}, fragment {i}", mode, rx(a), to_backend(b),
                         backend=BACKEND[v])
                for i, (a, b) in enumerate(zip(
                        fragments(built(reply(v, proto, size=60, full=full)), 40),
                        fragments(built(reply_nat(v, proto, size=60)), 40))):
                    case(group, f"{what}, reply, fragment {i}", mode, rx(a), to_client(b),
                         backend=BACKEND[v], reply=1)
        if v == 4:
            case("nat", "udp without checksum", "NAT", rx(forward(4, "udp", chksum=0)),
                 to_backend(forward_nat(4, "udp", chksum=0)), backend=BACKEND[4])
        case("nat", f"udp over IPv{v}, checksum becomes 0, sent as ffff", "NAT",
             rx(zero_sum(v, forward)), to_backend(zero_sum(v, forward, forward_nat)),
             backend=BACKEND[v])


def zero_sum(v, model, then=None):
    """A datagram whose sum is 0 behind NAT: the last two bytes of the payload make it so."""
    nat_form = forward_nat(v, "udp", size=20)
    nat_form[UDP].chksum = 0
    bare = built(forward_nat(v, "udp", size=18) / Raw(b"\0\0"))
    rest = bare[UDP].chksum
    fill = Raw(rest.to_bytes(2, "big"))
    packet = (then or model)(v, "udp", size=18) / fill
    result = built(packet)
    if then:
        assert result[UDP].chksum in (0, 0xffff), hex(result[UDP].chksum)
        packet[UDP].chksum = 0xffff
    return packet


def longer(packet, tail):
    """The same with bytes after the datagram that its own checksum does not cover."""
    packet = packet.copy()
    if packet.version == 4:
        packet.len += len(tail)
        packet.chksum = None
    else:
        packet.plen += len(tail)
    return packet / Raw(tail)


def tunnels_more():
    for mode, name, wrap in (("DSR_IPIP", "ipip", ipip), ("DSR_GUE", "gue", gue)):
        for v in (4, 6):
            for ov in (4, 6):
                where = f"IPv{v} in IPv{ov}"
                for proto in ("tcp", "udp"):
                    for i, part in enumerate(fragments(built(forward(v, proto, size=61)), 40)):
                        case(name, f"{where}, {proto} fragment {i}", mode, rx(part),
                             to_backend(wrap(ov, older(built(part)), df=v == 6)),
                             backend=BACKEND[ov])
                about = cut(built(reply_nat(v, "tcp")), 48 if v == 4 else 68)
                error = icmp(v, ISP[v], SERVICE[v], about)
                case(name, f"{where}, ICMP error", mode, rx(error),
                     to_backend(wrap(ov, older(built(error)))), backend=BACKEND[ov])
                nosum = forward(v, "udp", size=23, chksum=0)
                case(name, f"{where}, udp without checksum", mode, rx(nosum),
                     to_backend(wrap(ov, older(built(nosum)))), backend=BACKEND[ov])
                short = longer(built(forward(v, "udp", size=12)), b"\x35\x99\xf1")
                case(name, f"{where}, udp shorter than its packet", mode, rx(short),
                     to_backend(wrap(ov, older(built(short)))), backend=BACKEND[ov])


# ---- ICMP errors through NAT ------------------------------------------------------------------
def errors():
    for v in (4, 6):
        header = 20 if v == 4 else 40
        for proto in ("tcp", "udp"):
            for full, mode in ((False, "NAT"), (True, "FULL_NAT")):
                for size, quote in ((8, "8 bytes"), (41, "odd quote"), (28, "even quote")):
                    what = f"{mode}, {proto} over IPv{v}, {quote}"
                    # From the client's side about a reply: the receiver is the backend.
                    sent = cut(built(reply(v, proto, ttl=60, size=40, full=full)), header + size)
                    seen = cut(built(reply_nat(v, proto, ttl=60, size=40)), header + size)
                    for who, sender in (("client", CLIENT[v]), ("router", ISP[v])):
                        src = LOCAL[v] if full else sender
                        case("errors", f"{what}, by the {who}", mode,
                             rx(icmp(v, sender, SERVICE[v], seen)),
                             to_backend(icmp(v, src, BACKEND[v], sent, ttl=63)),
                             backend=BACKEND[v])
                    # From the backend's side about a forward packet: the receiver is the client.
                    sent = cut(built(forward(v, proto, ttl=60, size=40)), header + size)
                    seen = cut(built(forward_nat(v, proto, ttl=60, size=40, full=full)),
                               header + size)
                    to = LOCAL[v] if full else CLIENT[v]
                    case("errors", f"{what}, by the backend", mode, rx(icmp(v, BACKEND[v], to, seen)),
                         to_client(icmp(v, SERVICE[v], CLIENT[v], sent, ttl=63)),
                         backend=BACKEND[v], reply=1)
                    case("errors", f"{what}, by a router behind", mode,
                         rx(icmp(v, ROUTER[v], to, seen)),
                         to_client(icmp(v, ROUTER[v], CLIENT[v], sent, ttl=63)),
                         backend=BACKEND[v], reply=1)
    sent = cut(built(forward(4, "udp", ttl=60, size=40, chksum=0)), 60)
    seen = cut(built(forward_nat(4, "udp", ttl=60, size=40, chksum=0)), 60)
    case("errors", "quoted udp without checksum", "NAT", rx(icmp(4, BACKEND[4], CLIENT[4], seen)),
         to_client(icmp(4, SERVICE[4], CLIENT[4], sent, ttl=63)), backend=BACKEND[4], reply=1)
    for v in (4, 6):
        body = l4("udp", CPORT, SPORT)
        body_nat = l4("udp", CPORT, BPORT)
        sent = bytes(with_headers(v, CLIENT[v], SERVICE[v], body, "udp", ttl=60))
        seen = bytes(with_headers(v, CLIENT[v], BACKEND[v], body_nat, "udp", ttl=60))
        case("errors", f"quoted options, IPv{v}", "NAT", rx(icmp(v, BACKEND[v], CLIENT[v], seen)),
             to_client(icmp(v, SERVICE[v], CLIENT[v], sent, ttl=63)), backend=BACKEND[v], reply=1)


# ---- sizes and hops ---------------------------------------------------------------------------
def pieces(packet, max_size, later_options=b""):
    """IPv4 fragmentation by hand: packets of at most max_size bytes (RFC 791)."""
    packet = built(packet)
    data = bytes(packet.payload)
    head = packet.copy()
    head.remove_payload()
    more_behind, base = "MF" in packet.flags, packet.frag
    parts, at = [], 0
    while at < len(data):
        part = head.copy()
        if at:
            part.options = later_options
            part.ihl = None
        room = max_size - (len(bytes(part)))
        size = min(len(data) - at, room if len(data) - at <= room else room & ~7)
        part.len = part.chksum = None
        part.frag = base + at // 8
        part.flags = 1 if at + size < len(data) or more_behind else 0
        parts.append(part / Raw(data[at:at + size]))
        at += size
    return parts


def sizes():
    for v in (4, 6):
        big = built(forward(v, "udp", size=1300))
        mtu = 1300
        over = {"DSR_L2": 0, "DSR_IPIP": 20, "DSR_GUE": 32, "NAT": 0, "FULL_NAT": 0}
        for mode, overhead in over.items():
            told = mtu - overhead
            if v == 6 and told < 1280:
                told = 1280
            case("too_big", f"{mode}, IPv{v}", mode, rx(big),
                 to_client(too_big(v, SERVICE[v], big, told)), backend=BACKEND[4 if "DSR" in mode else v],
                 mtu=mtu, drop="TOO_BIG")
        case("too_big", f"IPv{v}, back the way it came", "DSR_GUE", rx(big, 100),
             ether(OUR_MAC, PEER_MAC, v, 100) / too_big(v, SERVICE[v], big, max(1268, 1280 * (v == 6))),
             backend=BACKEND[4], mtu=mtu, no_route=1, drop="TOO_BIG")
        back = built(reply(v, "udp", size=1300))
        case("too_big", f"IPv{v}, reply", "NAT", rx(back),
             ether(OUR_MAC, PEER_MAC, v) / too_big(v, OWN[v], back, mtu, dst=BACKEND[v]),
             backend=BACKEND[v], mtu=mtu, reply=1, drop="TOO_BIG")
        fits = built(forward(v, "udp", size=mtu - (28 if v == 4 else 48)))
        case("too_big", f"IPv{v}, fits to the byte", "NAT", rx(fits),
             to_backend(forward_nat(v, "udp", size=mtu - (28 if v == 4 else 48))),
             backend=BACKEND[v], mtu=mtu)
        head = 28 if v == 4 else 48
        over_by_one = built(forward(v, "udp", size=mtu - head + 1))
        case("too_big", f"IPv{v}, one byte too many", "NAT", rx(over_by_one),
             to_client(too_big(v, SERVICE[v], over_by_one, mtu)), backend=BACKEND[v], mtu=mtu,
             drop="TOO_BIG")
        for mode, wrap, over_by in (("DSR_IPIP", ipip, 20), ("DSR_GUE", gue, 32)):
            fits = built(forward(v, "udp", size=1400 - over_by - head))
            case("too_big", f"{mode}, IPv{v}, fits to the byte", mode, rx(fits),
                 to_backend(wrap(4, older(fits))), backend=BACKEND[4], mtu=1400)
            over_by_one = built(forward(v, "udp", size=1400 - over_by - head + 1))
            case("too_big", f"{mode}, IPv{v}, one byte too many", mode, rx(over_by_one),
                 to_client(too_big(v, SERVICE[v], over_by_one, 1400 - over_by)),
                 backend=BACKEND[4], mtu=1400, drop="TOO_BIG")
        error = built(icmp(v, ISP[v], SERVICE[v], bytes(built(reply_nat(v, "udp", size=1400)))[:1280]))
        case("too_big", f"IPv{v}, never about an error", "DSR_IPIP", rx(error), backend=BACKEND[4],
             mtu=1290, drop="TOO_BIG")
    later = fragments(built(forward(6, "udp", size=1400)), 8)[1]
    case("too_big", "never about a later fragment", "NAT", rx(later), backend=BACKEND[6], mtu=1290,
         drop="TOO_BIG")

    free = {"flags": 0}
    big = built(forward(4, "udp", size=1000, ipargs=free))
    nat_big = built(forward_nat(4, "udp", size=1000, ipargs=free))
    case("pieces", "nat", "NAT", rx(big), *[to_backend(x) for x in pieces(nat_big, 500)],
         backend=BACKEND[4], mtu=500)
    back, nat_back = (built(make(4, "tcp", size=1000, ipargs=free)) for make in (reply, reply_nat))
    case("pieces", "nat, reply", "NAT", rx(back), *[to_client(x) for x in pieces(nat_back, 500)],
         backend=BACKEND[4], mtu=500, reply=1)
    case("pieces", "dsr-l2", "DSR_L2", rx(big, 100), *[to_backend(x) for x in pieces(big, 500)],
         backend=BACKEND[4], mtu=500)
    case("pieces", "ipip", "DSR_IPIP", rx(big),
         *ids(ipip(6, older(built(x))) for x in pieces(big, 460)), backend=BACKEND[6], mtu=500)
    case("pieces", "gue", "DSR_GUE", bytes(rx(big)) + b"\xee\xee",
         *ids(gue(6, older(built(x))) for x in pieces(big, 448)), backend=BACKEND[6], mtu=500)
    copied = IPOption(b"\x88\x04\x12\x34")    # stream identifier: goes into every piece
    opts = {"flags": 0, "options": [IPOption(b"\x07\x07\x04\0\0\0\0"), IPOption(b"\x01"), copied]}
    big, nat_big = (built(make(4, "udp", size=1000, ipargs=opts)) for make in (forward, forward_nat))
    case("pieces", "options", "NAT", rx(big),
         *[to_backend(x) for x in pieces(nat_big, 500, [copied])], backend=BACKEND[4], mtu=500)
    first, second = fragments(built(forward(4, "udp", size=1400)), 800)
    nat_first, nat_second = fragments(built(forward_nat(4, "udp", size=1400)), 800)
    for name, a, b in (("of a first fragment", first, nat_first), ("of the last", second, nat_second)):
        case("pieces", name, "NAT", rx(a), *[to_backend(x) for x in pieces(b, 500)],
             backend=BACKEND[4], mtu=500)

    for v in (4, 6):
        for proto in ("tcp", "udp"):
            for mode in ("NAT", "FULL_NAT", "DSR_IPIP", "DSR_GUE"):
                last = built(forward(v, proto, ttl=1, size=600))
                case("hops", f"{mode}, {proto} over IPv{v}", mode, rx(last),
                     to_client(expired(v, OWN[v], last)), backend=BACKEND[v], drop="TTL_EXPIRED")
        last = built(reply(v, "tcp", ttl=1))
        case("hops", f"IPv{v}, reply", "NAT", rx(last),
             ether(OUR_MAC, PEER_MAC, v) / expired(v, OWN[v], last, dst=BACKEND[v]),
             backend=BACKEND[v], reply=1, drop="TTL_EXPIRED")
        last = built(forward(v, "tcp", ttl=1))
        case("hops", f"IPv{v}, no address of our own", "NAT", rx(last),
             to_client(expired(v, SERVICE[v], last)), backend=BACKEND[v], no_own=1,
             drop="TTL_EXPIRED")
        part = fragments(built(forward(v, "udp", size=60, ttl=1)), 40)[1]
        case("hops", f"IPv{v}, never about a later fragment", "NAT", rx(part), backend=BACKEND[v],
             drop="TTL_EXPIRED")
        error = icmp(v, ISP[v], SERVICE[v], cut(built(reply_nat(v, "udp")), 48 + 20 * (v == 6)), ttl=1)
        case("hops", f"IPv{v}, never about an error", "NAT", rx(error), backend=BACKEND[v],
             drop="TTL_EXPIRED")


def ids(packets):
    """Frames to the backend."""
    return [to_backend(p) for p in packets]


def echo():
    for v in (4, 6):
        for vlan in (None, 100):
            for size in (0, 33, 1400):
                data = Raw(bytes(i * 7 & 0xff for i in range(size)))
                if v == 4:
                    ask, say = ICMP(type=8, id=7, seq=9), ICMP(type=0, id=7, seq=9)
                else:
                    ask, say = ICMPv6EchoRequest(id=7, seq=9), ICMPv6EchoReply(id=7, seq=9)
                asked = ip(v, CLIENT[v], SERVICE[v], 55) / ask / data
                said = ip(v, SERVICE[v], CLIENT[v], 64) / say / data
                case("echo", f"IPv{v}, {size} bytes{', tagged' if vlan else ''}", "NAT",
                     rx(asked, vlan), ether(OUR_MAC, PEER_MAC, v, vlan) / said, backend=BACKEND[v])
        if v == 4:
            asked = ip(4, CLIENT[4], SERVICE[4], 55, options=OPTIONS) / ICMP(type=8, id=1)
            said = ip(4, SERVICE[4], CLIENT[4], 64, options=OPTIONS) / ICMP(type=0, id=1)
            case("echo", "IPv4, options", "NAT", rx(asked), ether(OUR_MAC, PEER_MAC, 4) / said,
                 backend=BACKEND[4])


def tunnel_errors():
    """A router behind us about our outer packets; `out` empty: the host's."""
    for v in (4, 6):
        inner = older(built(forward(v, "tcp", size=500)))
        for ov in (4, 6):
            for name, wrap in (("ipip", ipip), ("gue", gue)):
                sent = built(wrap(ov, inner))
                over = len(bytes(sent)) - len(bytes(inner))
                quote = bytes(sent)[:300]
                error = icmp(ov, ROUTER[ov], TUNNEL[ov], quote, mtu=1400)
                case("tunnel", f"{name}, IPv{v} in IPv{ov}", "DSR_IPIP", rx(error),
                     to_client(too_big(v, SERVICE[v], quote[over:], 1400 - over)),
                     backend=BACKEND[ov])
                case("tunnel", f"{name}, IPv{v} in IPv{ov}, smallest quote", "DSR_IPIP",
                     rx(icmp(ov, ROUTER[ov], TUNNEL[ov],
                             quote[:over + (28 if v == 4 else 48)], mtu=1300)),
                     to_client(too_big(v, SERVICE[v], quote[over:over + (28 if v == 4 else 48)],
                                       max(1300 - over, 1280 * (v == 6)))), backend=BACKEND[ov])
                case("tunnel", f"{name}, IPv{v} in IPv{ov}, quote too small", "DSR_IPIP",
                     rx(icmp(ov, ROUTER[ov], TUNNEL[ov],
                             quote[:over + (27 if v == 4 else 47)], mtu=1300)), backend=BACKEND[ov])
        error = built(icmp(4, ROUTER[4], TUNNEL[4], bytes(built(ipip(4, inner)))[:300]))
        error[ICMP].chksum ^= 1
        case("tunnel", f"IPv{v}, wrong checksum", "DSR_IPIP", rx(error), backend=BACKEND[4])
    inner = older(built(forward(4, "tcp", size=500)))
    inner.dst, inner.chksum = "203.0.113.99", None
    case("tunnel", "no service of ours", "DSR_IPIP",
         rx(icmp(4, ROUTER[4], TUNNEL[4], bytes(ipip(4, built(inner)))[:300])), backend=BACKEND[4])
    case("tunnel", "to somebody else", "DSR_IPIP",
         rx(icmp(4, ROUTER[4], "10.2.0.77",
                 bytes(ipip(4, older(built(forward(4, "tcp", size=500)))))[:300])),
         backend=BACKEND[4])
    outside = ipip(4, older(built(forward(4, "tcp", size=500))))
    outside.src = "10.2.0.200"
    case("tunnel", "no source of ours", "DSR_IPIP",
         rx(icmp(4, ROUTER[4], "10.2.0.200", bytes(built(outside))[:300])), backend=BACKEND[4])
    gre = IP(src=TUNNEL[4], dst=BACKEND[4]) / GRE() / Raw(bytes(100))
    case("tunnel", "another tunnel", "DSR_IPIP",
         rx(icmp(4, ROUTER[4], TUNNEL[4], bytes(built(gre)))), backend=BACKEND[4])


# ---- the header -------------------------------------------------------------------------------
def emit(out):
    out.write("/* SPDX-License-Identifier: Apache-2.0 */\n"
              "/* Generated by make_vectors.py: frames as hexadecimal text. */\n"
              "#ifndef TESTS_STAGE_VECTORS_REWRITE_H\n#define TESTS_STAGE_VECTORS_REWRITE_H\n\n"
              "#include \"vector.h\"\n\n/* clang-format off */\n"
              "static const struct vector vectors_rewrite[] = {\n")
    for v in vectors:
        fields = [f'.group = "{v["group"]}"', f'.name = "{v["name"]}"', f'.mode = MODE_{v["mode"]}',
                  f'.backend = "{v["backend"]}"']
        fields += [f".{key} = {v[key]}" for key in ("reply", "vlan", "mtu", "no_route", "no_own")
                   if v.get(key)]
        if v.get("drop"):
            fields.append(f'.drop = DROP_{v["drop"]}')
        fields.append(f'.in = "{v["in"].hex()}"')
        if v["out"]:
            fields.append(".out = { " + ", ".join(f'"{o.hex()}"' for o in v["out"]) + " }")
        out.write("\t{ " + ", ".join(fields) + " },\n")
    out.write("};\n/* clang-format on */\n\n#endif\n")


def main():
    for make in (plain, nat, tunnels_more, errors, sizes, echo, tunnel_errors):
        make()
    path = Path(__file__).with_name("vectors_rewrite.h")
    out = io.StringIO()
    emit(out)
    if sys.argv[1:] == ["--check"]:
        if path.read_text(encoding="ascii") != out.getvalue():
            sys.exit(f"{path.name} is not what make_vectors.py makes")
        return
    path.write_text(out.getvalue(), encoding="ascii")
    print(f"{path.name}: {len(vectors)} vectors", file=sys.stderr)


main()
