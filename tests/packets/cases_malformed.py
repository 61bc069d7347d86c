# SPDX-License-Identifier: Apache-2.0
"""Malformed packets and impossible addresses: a named drop, never forwarded, never a crash; no frame is lost uncounted.

Truncation comes in two kinds. `cut` ends the frame while the IP header still promises all of it. `shortened` corrects the IP length,
so that the cut is found by the headers behind it. How many frames each reason gets is counted here by hand.
"""
import struct
import zlib

from scapy.all import ICMP, TCP, UDP, Dot1Q, Ether, ICMPv6PacketTooBig, IPv6ExtHdrHopByHop, PadN, Raw, raw  # pylint: disable=no-name-in-module

from frames import PAYLOAD, SIDES, fragments, frame_of, from_client, ones_sum, to_backend
from harness import CLIENT_MAC, WAN_MAC, Case, case, config, pool, service

FROM_CLIENT = Ether(dst=WAN_MAC, src=CLIENT_MAC)


def setup(side, forward="dsr-l2"):
    """TCP and UDP on port 80. dsr-l2 needs no connection and changes nothing, so what is sound leaves as it came."""
    return config([pool("p", side.backend, 8080 if forward == "nat" else 80)],
                  [service("s", side.vip, 80, "tcp", forward, "p"), service("t", side.vip, 80, "udp", forward, "p")])


def bases(side):
    """name: (frame, size of its Ethernet header). SYNs and what goes on are parsed by different code."""
    options = [("MSS", 1460), ("NOP", None), ("WScale", 7)]
    syn, ack = (TCP(sport=1234, dport=80, flags=flags, options=options) for flags in "SA")
    udp = UDP(sport=1234, dport=80) / PAYLOAD
    quote = raw(side.ip(side.vip, side.client, 50) / TCP(sport=80, dport=1234, flags="A"))[:(20 if side.v4 else 40) + 20]
    error = ICMP(type=3, code=4, nexthopmtu=1400) if side.v4 else ICMPv6PacketTooBig(mtu=1400)
    ip = side.ip(side.client, side.vip)
    return {"tcp": (raw(FROM_CLIENT / ip / syn), 14), "ack": (raw(FROM_CLIENT / ip / ack), 14), "udp": (raw(FROM_CLIENT / ip / udp), 14),
            "error": (raw(FROM_CLIENT / ip / error / Raw(quote)), 14),
            "tagged": (raw(FROM_CLIENT / Dot1Q(vlan=0) / ip / udp), 18)}


def of_client(frame, number, family):
    """The frame from a client of its own, so far as it has one; transport's checksums are nothing to dsr-l2. Where one frame of a client
    is unusual, all that come with it are parsed the long way: those of one client would not tell what the short way makes of them."""
    data = bytearray(frame)
    if len(data) >= 34:
        data[28:30] = struct.pack("!H", 0x4000 + number)
        if family == 4:
            data[24:26] = b"\0\0"
            data[24:26] = struct.pack("!H", ones_sum(data[14:34]))
    return bytes(data)


def first(name, frame):
    """A sound one, with which it becomes known what packets of its service look like."""
    return [frame] if name in ("ack", "udp") else []


def cut(family, name):
    side = SIDES[family]
    frame, ethernet = bases(side)[name]
    header = 20 if side.v4 else 40
    drops = {"ethernet-truncated": ethernet, "ip-truncated": header, "ip-total-length": len(frame) - ethernet - header}
    cuts = [frame[:n] for n in range(len(frame))]
    cuts = [of_client(c, len(c), family) if ethernet == 14 else c for c in cuts]
    return Case(setup(side), wan_in=first(name, frame) + cuts, lan_out=[sent_on(f) for f in first(name, frame)], drops=drops, all_counted=True)


def relength(frame, family):
    """The frame with its IP length (and header checksum) corrected to what is there."""
    data = bytearray(frame)
    if family == 4:
        data[16:18] = struct.pack("!H", len(data) - 14)
    else:
        data[18:20] = struct.pack("!H", len(data) - 54)
    return of_client(bytes(data), len(data), family)


def shortened(family, name):
    """Cut behind the IP header: by the transport header's own bytes."""
    side = SIDES[family]
    frame, _ = bases(side)[name]
    header = 34 if side.v4 else 54
    sizes = range(header, len(frame))
    inner = 20 if side.v4 else 40
    tcp = {"l4-truncated": 20, "tcp-offset": len(frame) - header - 20}
    drops = {"tcp": tcp, "ack": tcp,
             "udp": {"l4-truncated": 8, "udp-length": len(frame) - header - 8},
             "error": {"l4-truncated": 8, "icmp-inner": inner + 8}}[name]
    passed = [relength(frame[:n], family) for n in sizes][sum(drops.values()):]
    return Case(setup(side), wan_in=first(name, frame) + [relength(frame[:n], family) for n in sizes],
                lan_out=[sent_on(p) for p in first(name, frame) + passed], drops=drops, all_counted=True)


def sent_on(frame):
    """As dsr-l2 sends it on."""
    return raw(to_backend(Raw(b"")))[:12] + frame[12:]


def shortened_headers():
    """An IPv6 packet with hop-by-hop options, a fragment header and TCP, cut at each byte of them."""
    side = SIDES[6]
    tcp = raw(TCP(sport=1234, dport=80))
    whole = raw(FROM_CLIENT / side.ip(side.client, side.vip) / IPv6ExtHdrHopByHop(nh=60, options=[PadN(optdata=bytes(4))]) /
                Raw(b"\6\0\1\4\0\0\0\0" + tcp))
    drops = {"ip6-extension": 16, "l4-truncated": 20}
    return Case(setup(side), wan_in=[relength(whole[:n], 6) for n in range(54, len(whole))], drops=drops, all_counted=True)


def with_bytes(frame, changes, family):
    """The frame with bytes replaced, its IPv4 header's checksum right all the same (unless it is what was replaced)."""
    data = bytearray(of_client(frame, zlib.crc32(repr(changes).encode()) % 0x4000, family))
    for at, value in changes.items():
        data[at:at + len(value)] = value
    if family == 4 and 24 not in changes:
        size = max((data[14] & 15) * 4, 20)
        data[24:26] = b"\0\0"
        data[24:26] = struct.pack("!H", ones_sum(data[14:14 + size]))
    return bytes(data)


def lengths4():
    """Every field of the IPv4 header that can lie."""
    frame = bases(SIDES[4])["udp"][0]
    total = len(frame) - 14
    wrong = [({14: b"\x65"}, "ip-version"), ({14: b"\x05"}, "ip-version"), ({14: b"\x44"}, "ip-header-length"),
             ({14: b"\x40"}, "ip-header-length"), ({14: b"\x4f"}, "ip-truncated"), ({16: b"\0\x13"}, "ip-total-length"),
             ({16: b"\0\0"}, "ip-total-length"), ({16: struct.pack("!H", total + 1)}, "ip-total-length"),
             ({16: b"\xff\xff"}, "ip-total-length"), ({24: b"\0\0"}, "ip-checksum"), ({24: b"\x12\x34"}, "ip-checksum"),
             ({14: b"\x46", 16: b"\0\x15"}, "ip-header-length"), ({12: b"\x86\xdd"}, "ip-version")]
    drops = {}
    for _, reason in wrong:
        drops[reason] = drops.get(reason, 0) + 1
    # Of 43 bytes a header of 60 does not fit into the frame; the IPv6 frame is long enough for that header.
    return Case(setup(SIDES[4]), wan_in=[frame] + [with_bytes(frame, c, 4) for c, _ in wrong], lan_out=[sent_on(frame)], drops=drops,
                all_counted=True)


def lengths6():
    frame = bases(SIDES[6])["udp"][0]
    payload = len(frame) - 54
    wrong = [({14: b"\x40"}, "ip-version"), ({14: b"\x70"}, "ip-version"), ({18: struct.pack("!H", payload + 1)}, "ip-total-length"),
             ({18: b"\xff\xff"}, "ip-total-length"), ({18: b"\0\0"}, "l4-truncated"), ({12: b"\x08\0"}, "ip-version"),
             ({18: b"\0\7"}, "l4-truncated")]
    drops = {}
    for _, reason in wrong:
        drops[reason] = drops.get(reason, 0) + 1
    return Case(setup(SIDES[6]), wan_in=[frame] + [with_bytes(frame, c, 6) for c, _ in wrong], lan_out=[sent_on(frame)], drops=drops,
                all_counted=True)


def transport(family):
    """TCP data offsets and UDP lengths that lie. A UDP length below the packet's is allowed: the rest is nobody's data."""
    side = SIDES[family]
    at = 34 if side.v4 else 54
    syn, ack, udp = (bases(side)[name][0] for name in ("tcp", "ack", "udp"))
    length = len(udp) - at
    bad = [with_bytes(tcp, {at + 12: bytes([offset << 4])}, family) for offset in (0, 1, 4, 8, 15) for tcp in (syn, ack)]
    good = [with_bytes(tcp, {at + 12: bytes([offset << 4])}, family) for offset in (5, 6, 7) for tcp in (syn, ack)]
    bad_udp = [with_bytes(udp, {at + 4: struct.pack("!H", n)}, family) for n in (0, 7, length + 1, 65535)]
    good += [with_bytes(udp, {at + 4: struct.pack("!H", n)}, family) for n in (8, length - 1)]
    found = Case(setup(side), wan_in=bad + bad_udp + good, lan_out=[sent_on(f) for f in good],
                 drops={"tcp-offset": len(bad), "udp-length": len(bad_udp)}, all_counted=True)
    found.ordered = False  # of other clients' packets those that are parsed quickly overtake
    return found


def inner(family):
    """Errors that quote nonsense."""
    side = SIDES[family]
    error, _ = bases(side)["error"]
    at = (34 if side.v4 else 54) + 8
    if side.v4:
        wrong = [{at: b"\x65"}, {at: b"\x44"}, {at: b"\x4f"}, {at + 2: b"\0\x13"}]
    else:
        wrong = [{at: b"\x40"}, {at + 6: b"\x3c", at + 41: b"\xff"}, {at + 6: b"\x3c", at + 40: b"\x3c", at + 41: b"\0"},
                 {at + 6: b"\x3c", at + 40: b"\0\0"}]
    return Case(setup(side), wan_in=[with_bytes(error, c, family) for c in wrong], drops={"icmp-inner": len(wrong)}, all_counted=True)


def martians(family):
    side = SIDES[family]
    if side.v4:
        sources = ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.5", "240.0.0.1", "255.255.255.255"]
        targets = ["0.0.0.0", "127.0.0.1", "240.0.0.1"]
    else:
        sources = ["::", "::1", "ff02::1", "::ffff:192.0.2.1"]
        targets = ["::", "::1", "::ffff:192.0.2.1"]
    tcp = TCP(sport=1234, dport=80, flags="S")
    return Case(setup(side), wan_in=[FROM_CLIENT / side.ip(src, side.vip) / tcp for src in sources] +
                [FROM_CLIENT / side.ip(side.client, dst) / tcp for dst in targets],
                drops={"martian-source": len(sources), "martian-destination": len(targets)}, all_counted=True)


def spoofed(family, forward):
    """From a service's address or ours; from the very address that it goes to (land)."""
    side = SIDES[family]
    frames = []
    for src in (side.vip, side.own_wan, side.own_lan):
        frames.append(FROM_CLIENT / side.ip(src, side.vip) / TCP(sport=80, dport=80, flags="S"))
        frames.append(FROM_CLIENT / side.ip(src, side.vip) / UDP(sport=80, dport=80) / PAYLOAD)
        frames.append(frame_of(FROM_CLIENT, family,
                               fragments(side, side.ip(src, side.vip) / UDP(sport=1, dport=80) / bytes(600), 256, 3)[0]))
        frames.append(FROM_CLIENT / side.ip(src, side.vip) / (ICMP(type=8) if side.v4 else Raw(b"")))
    if not side.v4:
        frames = [f for n, f in enumerate(frames) if n % 4 != 3]
    return Case(setup(side, forward), wan_in=frames, drops={"spoofed-source": len(frames)}, all_counted=True)


def from_prefix(family):
    """A service's prefix may contain clients."""
    side = SIDES[family]
    net = "198.51.100.0/25" if side.v4 else "2001:db8:1::/112"
    dst = "198.51.100.77" if side.v4 else "2001:db8:1::77"
    packet = side.ip(side.client, dst) / TCP(sport=1234, dport=80, flags="S")
    land = side.ip(dst, dst) / TCP(sport=80, dport=80, flags="S")
    return Case(config([pool("p", side.backend, 0)], [service("s", net, 80, "tcp", "dsr-l2", "p")]),
                wan_in=[from_client(packet), from_client(land)], lan_out=[to_backend(packet)], drops={"spoofed-source": 1},
                all_counted=True)


def noise(family, seed):
    """Sound packets with bytes of their headers thrown over: whatever becomes of them, all are accounted for."""
    side = SIDES[family]
    state = seed
    frames = []
    for frame, _ in list(bases(side).values()) * 60:
        data = bytearray(frame)
        for _ in range(3):
            state = (state * 1103515245 + 12345) & 0x7fffffff
            data[12 + (state >> 16) % (len(data) - 12)] = state >> 8 & 255
        frames.append(bytes(data))
        frames.append(with_bytes(bytes(data), {12: frame[12:15]}, family))
    return Case(setup(side), wan_in=frames, wan_out=None, lan_out=None, all_counted=True)


def register():
    for f in (4, 6):
        for name in ("tcp", "ack", "udp", "error", "tagged"):
            case(f"cut at every byte, IPv{f}, {name}")(lambda f=f, n=name: cut(f, n))
        for name in ("tcp", "ack", "udp", "error"):
            case(f"shortened by every byte, IPv{f}, {name}")(lambda f=f, n=name: shortened(f, n))
        case(f"lengths of TCP and UDP, IPv{f}")(lambda f=f: transport(f))
        case(f"errors that quote nonsense, IPv{f}")(lambda f=f: inner(f))
        case(f"martians, IPv{f}")(lambda f=f: martians(f))
        for forward in ("nat", "dsr-gue"):
            case(f"spoofed sources, {forward}, IPv{f}")(lambda f=f, m=forward: spoofed(f, m))
        case(f"bytes thrown over, IPv{f}")(lambda f=f: noise(f, 1981 + f))
        case(f"clients in a service's prefix, IPv{f}")(lambda f=f: from_prefix(f))
    case("shortened by every byte, IPv6 extension headers")(shortened_headers)
    case("lengths and versions, IPv4")(lengths4)
    case("lengths and versions, IPv6")(lengths6)


register()
