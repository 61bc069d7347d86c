# SPDX-License-Identifier: Apache-2.0
"""Which service a packet belongs to, and what a connection does: prefixes, port 0, both directions, ends, full tables."""
from scapy.all import IP, TCP, UDP, Ether, raw  # pylint: disable=no-name-in-module

from frames import PAYLOAD, PROTO, SIDES, changed, from_backend, from_client, gue, ipip, known, to_backend, to_client
from harness import VIP4, Case, case, config, pool, service


def syn(side, dst, dport, sport=1234, **fields):
    return side.ip(side.client, dst) / TCP(sport=sport, dport=dport, **{"flags": "S", "seq": 7, **fields})


def datagram(side, dst, dport, sport=1234, payload=PAYLOAD):
    return side.ip(side.client, dst) / UDP(sport=sport, dport=dport) / payload


def request(side, protocol, dst, dport, **fields):
    return syn(side, dst, dport, **fields) if protocol == "tcp" else datagram(side, dst, dport, **fields)


def prefix(family):
    """A service on a prefix: each address in it keeps its name on the way back; those outside are nobody's."""
    side = SIDES[family]
    net, inside, outside = (("203.0.113.64/28", ["203.0.113.64", "203.0.113.79"], ["203.0.113.63", "203.0.113.80"])
                            if side.v4 else ("2001:db8:f:1::/64", ["2001:db8:f:1::", "2001:db8:f:1:ffff::1"],
                                             ["2001:db8:f::1", "2001:db8:f:2::"]))
    packets = [syn(side, dst, 80, sport=2000 + n) for n, dst in enumerate(inside + outside)]
    forwarded = [changed(p, dst=side.backend, dport=8080) for p in packets[:2]]
    answers = [side.ip(side.backend, side.client) / TCP(sport=8080, dport=2000 + n, flags="SA") for n in range(2)]
    return Case(config([pool("p", side.backend, 8080)], [service("s", net, 80, "tcp", "nat", "p")]),
                wan_in=[from_client(p) for p in packets], lan_out=[to_backend(p) for p in forwarded],
                lan_in=[from_backend(p) for p in answers],
                wan_out=[to_client(changed(p, src=inside[n], sport=80)) for n, p in enumerate(answers)],
                drops={"no-service": 2}, all_counted=True)


def all_ports(family, protocol):
    """Port 0: every port of that protocol, and the backend is asked on the same port."""
    side = SIDES[family]
    other = "udp" if protocol == "tcp" else "tcp"
    packets = [request(side, protocol, side.vip, port, sport=2000 + n) for n, port in enumerate((1, 80, 65535))]
    answers = [side.ip(side.backend, side.client) / PROTO[protocol](sport=port, dport=2000 + n) / b"answer"
               for n, port in enumerate((1, 80, 65535))]
    return Case(config([pool("p", side.backend, 0)], [service("s", side.vip, 0, protocol, "nat", "p")]),
                wan_in=[from_client(p) for p in packets + [request(side, other, side.vip, 80)]],
                lan_out=[to_backend(changed(p, dst=side.backend)) for p in packets],
                lan_in=[from_backend(p) for p in answers],
                wan_out=[to_client(changed(p, src=side.vip)) for p in answers], drops={"no-service": 1})


def precedence(family, protocol):
    """An exact port before port 0 before a prefix, told apart by the backend's port."""
    side = SIDES[family]
    around = "203.0.113.0/24" if side.v4 else "2001:db8:f::/48"
    other = "203.0.113.200" if side.v4 else "2001:db8:f::200"
    pools = [pool("exact", side.backend, 8001), pool("all", side.backend, 8002), pool("around", side.backend, 8003),
             pool("within", side.backend, 8004)]
    services = [service("around", around, 80, protocol, "nat", "around"), service("within", around, 0, protocol, "nat", "within"),
                service("all", side.vip, 0, protocol, "nat", "all"), service("exact", side.vip, 80, protocol, "nat", "exact")]
    wanted = [(side.vip, 80, 8001), (side.vip, 81, 8002), (other, 80, 8003), (other, 81, 8004)]
    packets = [request(side, protocol, dst, port, sport=2000 + n) for n, (dst, port, _) in enumerate(wanted)]
    return Case(config(pools, services), wan_in=[from_client(p) for p in packets],
                lan_out=[to_backend(changed(p, dst=side.backend, dport=w[2])) for p, w in zip(packets, wanted)])


def parents(family):
    """What an address has no service for is asked of the prefix around it, by protocol too."""
    side = SIDES[family]
    around = "203.0.113.0/24" if side.v4 else "2001:db8:f::/48"
    pools = [pool("inner", side.backend, 8001), pool("outer", side.backend, 8002)]
    services = [service("outer", around, 0, "udp", "nat", "outer"), service("inner", side.vip, 53, "tcp", "nat", "inner")]
    packets = [datagram(side, side.vip, 53), syn(side, side.vip, 53), syn(side, side.vip, 54)]
    return Case(config(pools, services), wan_in=[from_client(p) for p in packets],
                lan_out=[to_backend(changed(p, dst=side.backend, dport=port)) for p, port in zip(packets, (8002, 8001))],
                drops={"no-service": 1}, all_counted=True)


def no_service(family):
    side = SIDES[family]
    packets = [syn(side, side.vip, 81), datagram(side, side.vip, 80), syn(side, side.own_wan, 80),
               syn(side, "192.0.2.1" if side.v4 else "2001:db8:99::1", 80)]
    return Case(config([pool("p", side.backend, 80)], [service("s", side.vip, 80, "tcp", "nat", "p")]),
                wan_in=[from_client(p) for p in packets], drops={"no-service": len(packets)}, all_counted=True)


def neighbour_missing(family):
    side = SIDES[family]
    absent = "10.2.0.99" if side.v4 else "2001:db8:2::99"
    return Case(config([pool("p", absent, 80)], [service("s", side.vip, 80, "tcp", "nat", "p")]),
                wan_in=[from_client(syn(side, side.vip, 80))], drops={"neighbour-unresolved": 1}, all_counted=True)


def ends(family, forward):
    """FINs of both sides, then a RST, all of one connection."""
    side = SIDES[family]
    def client(**fields):
        return side.ip(side.client, side.vip) / TCP(sport=1234, dport=80, **fields)
    def backend(**fields):
        return side.ip(side.backend, side.client) / TCP(sport=8080, dport=1234, **fields)
    packets = [client(flags="S", seq=1), client(flags="A", seq=2, ack=2), client(flags="FA", seq=2, ack=2),
               client(flags="A", seq=3, ack=3), client(flags="R", seq=3)]
    answers = [backend(flags="SA", seq=1, ack=2), backend(flags="FA", seq=2, ack=3), backend(flags="RA", seq=3, ack=3)]
    setup = config([pool("p", side.backend, 8080 if forward == "nat" else 80)], [service("s", side.vip, 80, "tcp", forward, "p")])
    if forward == "dsr-l2":
        return Case(setup, wan_in=[from_client(p) for p in packets], lan_out=[to_backend(p) for p in packets])
    return Case(setup, wan_in=[from_client(p) for p in packets],
                lan_out=[to_backend(changed(p, dst=side.backend, dport=8080)) for p in packets],
                lan_in=[from_backend(p) for p in answers],
                wan_out=[to_client(changed(p, src=side.vip, sport=80)) for p in answers])


def middle(family, forward):
    """What does not begin a connection: nat finds its way in the middle of a stream, full-nat cannot; a RST begins none."""
    side = SIDES[family]
    packets = [syn(side, side.vip, 80, sport=2000, flags="A"), syn(side, side.vip, 80, sport=2001, flags="R")]
    out = [to_backend(changed(packets[0], dst=side.backend, dport=8080))] if forward == "nat" else []
    return Case(config([pool("p", side.backend, 8080)], [service("s", side.vip, 80, "tcp", forward, "p")]),
                wan_in=[from_client(p) for p in packets], lan_out=out,
                drops={"connection-unknown": 2 - len(out)}, all_counted=True)


def stray_answer(family):
    """From a backend, but of no connection: nothing of ours (and there is no twin)."""
    side = SIDES[family]
    packets = [side.ip(side.backend, side.client) / TCP(sport=8080, dport=1234, flags="SA"),
               side.ip(side.backend, side.client) / UDP(sport=8080, dport=1234) / PAYLOAD]
    return Case(config([pool("p", side.backend, 8080)], [service("s", side.vip, 80, "tcp", "nat", "p")]),
                lan_in=[from_backend(p) for p in packets], drops={"no-service": 2}, all_counted=True)


def without_checksum(forward):
    """UDP over IPv4 with checksum 0, which means none, stays so in both directions."""
    side = SIDES[4]
    packet = side.ip(side.client, side.vip) / UDP(sport=1234, dport=80, chksum=0) / PAYLOAD
    setup = config([pool("p", side.backend, 8080 if forward == "nat" else 80)], [service("s", side.vip, 80, "udp", forward, "p")])
    if forward != "nat":
        what = {"dsr-l2": lambda p, s: p, "dsr-ipip": ipip, "dsr-gue": gue}[forward]
        return Case(setup, wan_in=[from_client(packet)], lan_out=[to_backend(what(packet, side))],
                    known=None if forward == "dsr-l2" else known)
    answer = side.ip(side.backend, side.client) / UDP(sport=8080, dport=1234, chksum=0) / PAYLOAD
    return Case(setup, wan_in=[from_client(packet)], lan_in=[from_backend(answer)],
                lan_out=[to_backend(side.ip(side.client, side.backend, 63) / UDP(sport=1234, dport=8080, chksum=0) / PAYLOAD)],
                wan_out=[to_client(side.ip(side.vip, side.client, 63) / UDP(sport=80, dport=1234, chksum=0) / PAYLOAD)])


def sum_of_zero(family):
    """UDP data chosen so that the checksum comes out as 0 after the change: it is sent as ffff."""
    side = SIDES[family]
    packets, wanted = [], []
    for port in (2000, 2001):
        want = side.ip(side.client, side.backend, 63) / UDP(sport=port, dport=8080) / b"\0\0data"
        missing = UDP(raw(want)[20 if side.v4 else 40:]).chksum
        want = side.ip(side.client, side.backend, 63) / UDP(sport=port, dport=8080) / (missing.to_bytes(2, "big") + b"data")
        assert UDP(raw(want)[20 if side.v4 else 40:]).chksum == 0xffff
        wanted.append(want)
        packets.append(datagram(side, side.vip, 80, sport=port, payload=missing.to_bytes(2, "big") + b"data"))
    return Case(config([pool("p", side.backend, 8080)], [service("s", side.vip, 80, "udp", "nat", "p")]),
                wan_in=[from_client(p) for p in packets], lan_out=[to_backend(p) for p in wanted])


def wrong_checksum(family, protocol):
    """A wrong transport checksum is the receiver's to find: it stays wrong by as much."""
    side = SIDES[family]
    packet = request(side, protocol, side.vip, 80)
    good = changed(packet, dst=side.backend, dport=8080)
    at = 16 if protocol == "tcp" else 6
    head = 14 + (20 if side.v4 else 40)
    def spoiled(frame):
        data = bytearray(raw(frame))
        value = int.from_bytes(data[head + at:head + at + 2], "big") + 0x0101
        data[head + at:head + at + 2] = ((value & 0xffff) + (value >> 16)).to_bytes(2, "big")
        return bytes(data)
    return Case(config([pool("p", side.backend, 8080)], [service("s", side.vip, 80, protocol, "nat", "p")]),
                wan_in=[spoiled(from_client(packet))], lan_out=[spoiled(to_backend(good))])


def padded(family, forward):
    """A short packet in a frame filled up to 60 bytes: the padding is no part of what goes into a tunnel."""
    side = SIDES[family]
    packet = datagram(side, side.vip, 80, payload=b"x")
    frame = raw(from_client(packet))
    what = {"dsr-ipip": ipip, "dsr-gue": gue}[forward]
    return Case(config([pool("p", side.backend, 80)], [service("s", side.vip, 80, "udp", forward, "p")]),
                wan_in=[frame + b"\xee" * 18], lan_out=[to_backend(what(packet, side))], known=known)


def table_full(family, forward):
    """64 connections fit somehow; of 400 clients some are refused, and those who were served are served on."""
    side = SIDES[family]
    first = [syn(side, side.vip, 80, sport=2000 + n) for n in range(400)]
    again = [syn(side, side.vip, 80, sport=2000 + n, flags="A", seq=8) for n in range(400)]

    def check(_, lan):
        served = [f for f in lan if Ether(f).payload.payload.flags == "S"]
        went_on = [f for f in lan if Ether(f).payload.payload.flags == "A"]
        if not 32 <= len(served) <= 128:
            return f"{len(served)} connections in a table for 64 ({len(lan)} frames)"
        if forward == "full-nat":
            key = lambda f: Ether(f).payload.payload.sport
        else:
            key = lambda f: (Ether(f).payload.src, Ether(f).payload.payload.sport)
        if sorted(map(key, served)) != sorted(map(key, went_on)):
            return f"{len(served)} connections were accepted, {len(went_on)} went on"
        return None

    refused = {"connection-table-full"} if forward == "nat" else {"connection-table-full", "connection-unknown"}
    return Case(config([pool("p", side.backend, 8080)], [service("s", side.vip, 80, "tcp", forward, "p")], connections=64),
                wan_in=[from_client(p) for p in first + again], lan_out=None, check=check, all_counted=True, reasons=refused)


def clash(family):
    """Two connections that the backend could not tell apart: the second is refused, the first goes on."""
    side = SIDES[family]
    packets = [syn(side, side.vip, 80), syn(side, side.vip, 81), syn(side, side.vip, 80, flags="A", seq=8)]
    return Case(config([pool("p", side.backend, 8080)], [service("s", side.vip, 80, "tcp", "nat", "p"),
                                                         service("t", side.vip, 81, "tcp", "nat", "p")]),
                wan_in=[from_client(p) for p in packets],
                lan_out=[to_backend(changed(packets[n], dst=side.backend, dport=8080)) for n in (0, 2)],
                drops={"connection-clash": 1}, all_counted=True)


def backends_by_client():
    """hash = "client": all connections of a client go to one backend; by connection they spread."""
    side = SIDES[4]
    two = ('{ name = "p"; backends = ( { address = "10.2.0.11"; port = 8080; }, { address = "10.2.0.11"; port = 8081; } ); }, '
           '{ name = "q"; backends = ( { address = "10.2.0.11"; port = 8080; }, { address = "10.2.0.11"; port = 8081; } ); }')
    packets = [syn(side, side.vip, port, sport=port * 100 + n) for port in (80, 81) for n in range(32)]

    def check(_, lan):
        seen = {80: set(), 81: set()}
        for n, frame in enumerate(lan):
            seen[80 if n < 32 else 81].add(Ether(frame).payload.payload.dport)
        return None if len(seen[80]) == 1 and seen[81] == {8080, 8081} else f"backends by service: {seen}"

    return Case(config([two], [service("s", VIP4, 80, "tcp", "nat", "p", 'hash = "client";'),
                               service("t", VIP4, 81, "tcp", "nat", "q")]),
                wan_in=[from_client(p) for p in packets], lan_out=None, check=check, all_counted=True)


def tunnel_spread(forward, backend_family):
    """The outer header varies by flow and is the same within one: source port (GUE), source address, flow label."""
    side, backend = SIDES[4], SIDES[backend_family]
    pool_of = "10.2.0.64/28" if backend.v4 else "2001:db8:2::40/124"
    packets = [datagram(side, side.vip, 80, sport=3000 + n % 60) for n in range(120)]

    def check(_, lan):
        flows = {}
        for frame in lan:
            outer = Ether(frame).payload
            head = 34 if backend.v4 else 54
            inner = frame[head + (12 if forward == "dsr-gue" else 0):]
            sport = int.from_bytes(frame[head:head + 2], "big") if forward == "dsr-gue" else 0
            label = 0 if backend.v4 else outer.fl
            flows.setdefault(IP(inner).payload.sport, set()).add((outer.src, sport, label))
        if len(flows) != 60 or any(len(v) != 1 for v in flows.values()):
            return f"a flow has several outer headers: {flows}"
        sources = {next(iter(v))[0] for v in flows.values()}
        if len(sources) < 8 or not all(s.startswith("10.2.0." if backend.v4 else "2001:db8:2::4") for s in sources):
            return f"outer sources: {sources}"
        if forward == "dsr-gue" and len({next(iter(v))[1] for v in flows.values()}) < 50:
            return "GUE's source ports hardly vary"
        if not backend.v4 and len({next(iter(v))[2] for v in flows.values()}) < 50:
            return "flow labels hardly vary"
        return None

    return Case(config([pool("p", backend.backend, 80)], [service("s", side.vip, 80, "udp", forward, "p")],
                       lan_extra=f'source_addresses = [ "{pool_of}" ];'),
                wan_in=[from_client(p) for p in packets], lan_out=None, check=check, all_counted=True)


def classes(forward, family, backend_family):
    """Traffic class and ECN are copied to the outer header; inside they stay."""
    side, backend = SIDES[family], SIDES[backend_family]
    field = "tos" if side.v4 else "tc"
    packets = [side.ip(side.client, side.vip, **{field: value}) / UDP(sport=1234, dport=80) / PAYLOAD
               for value in (0, 0xb8, 0x01, 0x02, 0x03, 0xff)]
    what = {"dsr-ipip": ipip, "dsr-gue": gue}[forward]
    return Case(config([pool("p", backend.backend, 80)], [service("s", side.vip, 80, "udp", forward, "p")]),
                wan_in=[from_client(p) for p in packets], lan_out=[to_backend(what(p, backend)) for p in packets], known=known)


def with_df(forward, backend_family):
    """DF of the client's IPv4 packet is the tunnel's too."""
    side, backend = SIDES[4], SIDES[backend_family]
    packets = [side.ip(side.client, side.vip, flags=flags) / UDP(sport=1234, dport=80) / PAYLOAD for flags in ("DF", 0)]
    what = {"dsr-ipip": ipip, "dsr-gue": gue}[forward]
    return Case(config([pool("p", backend.backend, 80)], [service("s", side.vip, 80, "udp", forward, "p")]),
                wan_in=[from_client(p) for p in packets], lan_out=[to_backend(what(p, backend)) for p in packets], known=known)


def register():
    for f in (4, 6):
        case(f"service on a prefix, IPv{f}")(lambda f=f: prefix(f))
        case(f"an address within a prefix, IPv{f}")(lambda f=f: parents(f))
        case(f"two connections alike, IPv{f}")(lambda f=f: clash(f))
        case(f"no service, IPv{f}")(lambda f=f: no_service(f))
        case(f"backend without an Ethernet address, IPv{f}")(lambda f=f: neighbour_missing(f))
        case(f"answer of no connection, IPv{f}")(lambda f=f: stray_answer(f))
        case(f"checksum that becomes 0, IPv{f}")(lambda f=f: sum_of_zero(f))
        for protocol in ("tcp", "udp"):
            case(f"service on all ports, IPv{f}, {protocol}")(lambda f=f, p=protocol: all_ports(f, p))
            case(f"exact port, all ports, prefix, IPv{f}, {protocol}")(lambda f=f, p=protocol: precedence(f, p))
            case(f"wrong transport checksum stays wrong, IPv{f}, {protocol}")(lambda f=f, p=protocol: wrong_checksum(f, p))
        for forward in ("nat", "dsr-l2"):
            case(f"FIN and RST, {forward}, IPv{f}")(lambda f=f, m=forward: ends(f, m))
        for forward in ("nat", "full-nat"):
            case(f"no SYN, {forward}, IPv{f}")(lambda f=f, m=forward: middle(f, m))
            case(f"connection table full, {forward}, IPv{f}")(lambda f=f, m=forward: table_full(f, m))
        for forward in ("dsr-ipip", "dsr-gue"):
            case(f"padding, {forward}, IPv{f}")(lambda f=f, m=forward: padded(f, m))
            case(f"outer header varies, {forward} to IPv{f}")(lambda f=f, m=forward: tunnel_spread(m, f))
            case(f"DF in the tunnel, {forward} to IPv{f}")(lambda f=f, m=forward: with_df(m, f))
            for g in (4, 6):
                case(f"traffic class, {forward}, {f}in{g}")(lambda f=f, g=g, m=forward: classes(m, f, g))
    for forward in ("dsr-l2", "dsr-ipip", "dsr-gue", "nat"):
        case(f"UDP without a checksum, {forward}")(lambda m=forward: without_checksum(m))
    case("hash by client and by connection")(backends_by_client)


register()
