# SPDX-License-Identifier: Apache-2.0
"""Frames for the cases: both sides of the lab by address family, and what the modes make of a packet.

Whatever is expected is built here from Scapy's packets, never from what the program sent. Where a field cannot be known
beforehand (an identification, a flow label, a port chosen at random), `known` first checks every checksum of the frame as it came,
and then puts a fixed value in that field's place.
"""
import struct

from scapy.all import IP, TCP, UDP, Ether, IPv6, Raw, raw  # pylint: disable=no-name-in-module

from harness import (BACKEND4, BACKEND6, BACKEND_MAC, CLIENT4, CLIENT6, CLIENT_MAC, FAR4, FAR6, LAN_MAC, OWN_LAN4, OWN_LAN6,
                     OWN_WAN4, OWN_WAN6, ROUTER_MAC, VIP4, VIP6, WAN_MAC)

PAYLOAD = b"hello, penstock"
GUE_PORT = 6080
GUE_SPORT = 0xc000          # what `known` puts in the place of GUE's source port
PROTO = {"tcp": TCP, "udp": UDP}


class Side:
    """The lab's addresses of one family, and its IP header."""

    def __init__(self, v4):
        self.v4 = v4
        self.family = 4 if v4 else 6
        self.client, self.far = (CLIENT4, FAR4) if v4 else (CLIENT6, FAR6)
        self.vip, self.backend = (VIP4, BACKEND4) if v4 else (VIP6, BACKEND6)
        self.own_lan, self.own_wan = (OWN_LAN4, OWN_LAN6)[not v4], (OWN_WAN4, OWN_WAN6)[not v4]
        self.router = "10.2.0.77" if v4 else "2001:db8:2::77"      # between us and the backends

    def ip(self, src, dst, hops=64, **fields):
        return IP(src=src, dst=dst, ttl=hops, **fields) if self.v4 else IPv6(src=src, dst=dst, hlim=hops, **fields)


SIDES = {4: Side(True), 6: Side(False)}


def from_client(packet, mac=CLIENT_MAC):
    return Ether(dst=WAN_MAC, src=mac) / packet


def from_router(packet):
    return from_client(packet, ROUTER_MAC)


def to_client(packet, mac=CLIENT_MAC):
    return Ether(dst=mac, src=WAN_MAC) / packet


def to_router(packet):
    return to_client(packet, ROUTER_MAC)


def from_backend(packet):
    return Ether(dst=LAN_MAC, src=BACKEND_MAC) / packet


def to_backend(packet):
    return Ether(dst=BACKEND_MAC, src=LAN_MAC) / packet


def frame_of(header, family, data):
    """Bytes of an IP packet behind an Ethernet header."""
    header = header.copy()
    header.lastlayer().type = 0x0800 if family == 4 else 0x86dd
    return header / Raw(bytes(data))


def ones_sum(data):
    """The Internet checksum (RFC 1071), by hand."""
    data = bytes(data) + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def older(data, hops=1):
    """Bytes of an IP packet that has gone a hop further, by hand."""
    data = bytearray(raw(data))
    if data[0] >> 4 == 4:
        size = (data[0] & 15) * 4
        data[8] -= hops
        data[10:12] = b"\0\0"
        data[10:12] = struct.pack("!H", ones_sum(data[:size]))
    else:
        data[7] -= hops
    return bytes(data)


def traffic_class(data):
    return data[1] if data[0] >> 4 == 4 else (data[0] << 4 | data[1] >> 4) & 0xff


def outer_header(data, side, protocol):
    """The tunnel's outer header around the client's packet: DF, class and ECN as inside."""
    if side.v4:
        df = data[0] >> 4 == 6 or data[6] & 0x40
        return IP(src=side.own_lan, dst=side.backend, ttl=64, id=0, tos=traffic_class(data), flags="DF" if df else 0,
                  proto=protocol)
    return IPv6(src=side.own_lan, dst=side.backend, hlim=64, tc=traffic_class(data), fl=0, nh=protocol)


def ipip(packet, side):
    """What dsr-ipip makes of the client's packet (bytes, or Scapy's), as `known` sees it."""
    data = older(packet)
    return outer_header(data, side, 4 if data[0] >> 4 == 4 else 41) / Raw(data)


def gue(packet, side):
    """The same of dsr-gue: variant 0, no flags; over IPv4 the outer checksum is not used."""
    data = older(packet)
    header = bytes([0, 4 if data[0] >> 4 == 4 else 41, 0, 0])
    udp = UDP(sport=GUE_SPORT, dport=GUE_PORT, chksum=0) if side.v4 else UDP(sport=GUE_SPORT, dport=GUE_PORT)
    return outer_header(data, side, 17) / udp / Raw(header + data)


class Wrong(Exception):
    """What is wrong with a frame."""


def rebuilt(packet):
    """The packet with every length and checksum computed anew by Scapy, its UDP checksum of 0 (none) kept."""
    copy = packet.copy()
    layer = copy
    while layer and not isinstance(layer, Raw):
        none = isinstance(layer, UDP) and layer.chksum == 0
        for field in ("chksum", "cksum", "len", "plen"):
            if field in layer.fields and not none:
                del layer.fields[field]
        layer = layer.payload
    return copy


def changed(packet, hops=1, **fields):
    """A packet with other addresses and ports, one hop older, all checksums new."""
    packet = rebuilt(packet)
    for name in ("src", "dst"):
        if name in fields:
            setattr(packet, name, fields[name])
    for name in ("sport", "dport"):
        if name in fields:
            setattr(packet.payload, name, fields[name])
    return type(packet)(older(packet, hops))


def sound(frame):
    """The frame parsed by Scapy, if all its checksums and lengths are right."""
    packet = Ether(frame)
    again = raw(rebuilt(packet))
    if again != frame:
        raise Wrong(f"a checksum or length is wrong: got {frame.hex()}, by recomputation {again.hex()}")
    return packet


def known(frame):
    """A tunnel's frame with fixed values in the fields that cannot be known: outer identification, flow label, GUE's source port."""
    packet = Ether(frame)
    outer = packet.payload
    if not isinstance(outer, (IP, IPv6)):
        return frame
    if isinstance(outer, IP) and ones_sum(frame[14:34]):
        raise Wrong(f"wrong outer checksum: {frame.hex()}")
    head = 34 if isinstance(outer, IP) else 54
    protocol = outer.proto if isinstance(outer, IP) else outer.nh
    if protocol == 17 and struct.unpack("!H", frame[head + 2:head + 4])[0] == GUE_PORT:
        frame = known_gue(frame, head)
    if isinstance(outer, IP) and not outer.flags.DF and protocol in (4, 41, 17):
        frame = frame[:18] + b"\0\0" + frame[20:24] + b"\0\0" + frame[26:]
        frame = frame[:24] + struct.pack("!H", ones_sum(frame[14:34])) + frame[26:]
    if isinstance(outer, IPv6):
        frame = frame[:15] + bytes([frame[15] & 0xf0, 0, 0]) + frame[18:]
    return frame


def known_gue(frame, head):
    sport, dport, length, checksum = struct.unpack("!4H", frame[head:head + 8])
    if sport < 0xc000:
        raise Wrong(f"GUE's source port {sport} is not a dynamic one")
    if length != len(frame) - head:
        raise Wrong(f"GUE's UDP length is {length}, not {len(frame) - head}")
    if head == 34:
        if checksum:
            raise Wrong("GUE over IPv4 has a checksum")
        return frame[:head] + struct.pack("!H", GUE_SPORT) + frame[head + 2:]
    pseudo = frame[22:54] + struct.pack("!II", length, 17)
    if not checksum or ones_sum(pseudo + frame[head:]):
        raise Wrong(f"GUE's checksum is wrong: {frame.hex()}")
    udp = struct.pack("!4H", GUE_SPORT, dport, length, 0) + frame[head + 8:]
    return frame[:head] + udp[:6] + struct.pack("!H", ones_sum(pseudo + udp) or 0xffff) + udp[8:]


def fragments4(packet, size, identification=None):
    """An IPv4 packet in fragments with at most `size` bytes of payload each (a multiple of 8): bytes, by hand."""
    data = bytearray(raw(packet))
    head = (data[0] & 15) * 4
    if identification is not None:
        data[4:6] = struct.pack("!H", identification)
    header, payload = data[:head], data[head:]
    base = (header[6] & 0x1f) << 8 | header[7]
    more_after = header[6] & 0x20
    out = []
    for at in range(0, len(payload), size):
        part = payload[at:at + size]
        more = 0x2000 if at + size < len(payload) or more_after else 0
        h = bytearray(header)
        h[2:4] = struct.pack("!H", head + len(part))
        h[6:8] = struct.pack("!H", more | (base + at // 8))
        h[10:12] = b"\0\0"
        h[10:12] = struct.pack("!H", ones_sum(h))
        out.append(bytes(h + part))
    return out


def fragments6(packet, size, identification=7):
    """An IPv6 packet (without extension headers) in fragments: bytes, by hand."""
    data = raw(packet)
    header, payload = data[:40], data[40:]
    out = []
    for at in range(0, len(payload), size):
        part = payload[at:at + size]
        more = 1 if at + size < len(payload) else 0
        extension = struct.pack("!BBHI", header[6], 0, at | more, identification)
        out.append(header[:4] + struct.pack("!HB", 8 + len(part), 44) + header[7:] + extension + part)
    return out


def fragments(side, packet, size, identification=7):
    return fragments4(packet, size, identification) if side.v4 else fragments6(packet, size, identification)
