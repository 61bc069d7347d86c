# SPDX-License-Identifier: Apache-2.0
"""802.1Q tags in and out, and what Ethernet may bring besides."""
from scapy.all import (ARP, ICMP, TCP, UDP, Dot1AD, Dot1Q, Ether, ICMPv6EchoReply, ICMPv6EchoRequest,  # pylint: disable=no-name-in-module
                       ICMPv6ND_NS, ICMPv6PacketTooBig, IP, IPv6, Raw, raw)

from frames import (PAYLOAD, PROTO, SIDES, changed, fragments, from_backend, from_client, gue, ipip, known, to_backend,
                    to_client)
from harness import BACKEND_MAC, CLIENT_MAC, LAN_MAC, WAN_MAC, Case, case, config, pool, service

# A client in VLAN 100 of the wan, a backend in VLAN 200 of the lan.
CLIENT = {4: "198.51.101.9", 6: "2001:db8:101::9"}
BACKEND = {4: "10.3.0.11", 6: "2001:db8:3::11"}
OWN = {4: "10.3.0.1", 6: "2001:db8:3::1"}
WAN_VLAN = 'vlans = ( { id = 100; addresses = [ "198.51.101.2/24", "2001:db8:101::2/64" ]; } );'
LAN_VLAN = 'vlans = ( { id = 200; addresses = [ "10.3.0.1/24", "2001:db8:3::1/64" ]; } );'
NEIGHBOURS = "".join(f'{{ address = "{address}"; mac = "{mac}"; interface = "{port}"; vlan = {vlan}; }}, '
                     for address, mac, port, vlan in ((CLIENT[4], CLIENT_MAC, "wan", 100), (CLIENT[6], CLIENT_MAC, "wan", 100),
                                                      (BACKEND[4], BACKEND_MAC, "lan", 200), (BACKEND[6], BACKEND_MAC, "lan", 200)))


def setup(side, backend, forward, protocol, **more):
    port = 8080 if forward in ("nat", "full-nat") else 80
    return config([pool("p", backend, port)], [service("s", side.vip, 80, protocol, forward, "p")], wan_extra=WAN_VLAN,
                  lan_extra=LAN_VLAN, neighbours=NEIGHBOURS, **more)


def tagged(header, vlan, packet, **fields):
    return header / Dot1Q(vlan=vlan, **fields) / packet


FROM_CLIENT, TO_CLIENT = Ether(dst=WAN_MAC, src=CLIENT_MAC), Ether(dst=CLIENT_MAC, src=WAN_MAC)
FROM_BACKEND, TO_BACKEND = Ether(dst=LAN_MAC, src=BACKEND_MAC), Ether(dst=BACKEND_MAC, src=LAN_MAC)


def request(side, client, protocol="tcp"):
    fields = {"flags": "S", "seq": 7} if protocol == "tcp" else {}
    return side.ip(client, side.vip) / PROTO[protocol](sport=1234, dport=80, **fields) / PAYLOAD


def nat(family, client_tagged, backend_tagged, protocol):
    """Each direction is tagged as the network that it goes to."""
    side = SIDES[family]
    client = CLIENT[family] if client_tagged else side.client
    backend = BACKEND[family] if backend_tagged else side.backend
    packet = request(side, client, protocol)
    answer = side.ip(backend, client) / PROTO[protocol](sport=8080, dport=1234) / b"answer"
    def wan(header, p):
        return tagged(header, 100, p) if client_tagged else header / p
    def lan(header, p):
        return tagged(header, 200, p) if backend_tagged else header / p
    return Case(setup(side, backend, "nat", protocol), wan_in=[wan(FROM_CLIENT, packet)],
                lan_out=[lan(TO_BACKEND, changed(packet, dst=backend, dport=8080))], lan_in=[lan(FROM_BACKEND, answer)],
                wan_out=[wan(TO_CLIENT, changed(answer, src=side.vip, sport=80))], all_counted=True)


def dsr(forward, family, client_tagged, backend_tagged):
    """A tag comes off, goes on, or is changed."""
    side = SIDES[family]
    backend = BACKEND[family] if backend_tagged else side.backend
    packet = request(side, CLIENT[family] if client_tagged else side.client)
    frame = tagged(FROM_CLIENT, 100, packet, prio=5) if client_tagged else FROM_CLIENT / packet
    out = {"dsr-l2": lambda p, b: p, "dsr-ipip": ipip, "dsr-gue": gue}[forward](packet, side)
    if forward != "dsr-l2":
        out.dst = backend
        out = type(out)(raw(out))

    def fix(frame):
        """Without the tag `known` knows the frame; any of our sources will do."""
        tag, bare = frame[12:16] if frame[12:14] == b"\x81\0" else b"", frame
        if tag:
            bare = frame[:12] + frame[16:]
        ip = Ether(bare).payload
        assert ip.src in (side.own_lan, OWN[family]), ip.src
        ip.src = side.own_lan
        for layer in (ip, ip.payload):
            if layer.fields.get("chksum"):
                del layer.chksum
        bare = known(raw(Ether(bare[:14]) / ip))
        return bare[:12] + tag + bare[12:]

    return Case(setup(side, backend, forward, "tcp"), wan_in=[frame],
                lan_out=[tagged(TO_BACKEND, 200, out) if backend_tagged else TO_BACKEND / out],
                known=None if forward == "dsr-l2" else fix, all_counted=True)


def priority(family):
    """VLAN 0 is only a priority: the packet counts as untagged, its answers leave so."""
    side = SIDES[family]
    packet = request(side, side.client)
    answer = side.ip(side.backend, side.client) / TCP(sport=8080, dport=1234, flags="SA")
    return Case(setup(side, side.backend, "nat", "tcp"), wan_in=[tagged(FROM_CLIENT, 0, packet, prio=6)],
                lan_out=[to_backend(changed(packet, dst=side.backend, dport=8080))],
                lan_in=[tagged(FROM_BACKEND, 0, answer, prio=3)],
                wan_out=[to_client(changed(answer, src=side.vip, sport=80))], all_counted=True)


def unknown(family):
    """A VLAN that is not configured, two tags, a provider's tag: not ours (and there is no twin)."""
    side = SIDES[family]
    packet = request(side, side.client)
    frames = [tagged(FROM_CLIENT, 999, packet), tagged(FROM_CLIENT, 100, Dot1Q(vlan=100) / packet),
              FROM_CLIENT / Dot1AD(vlan=100) / packet, tagged(FROM_CLIENT, 4095, packet)]
    return Case(setup(side, side.backend, "nat", "tcp"), wan_in=frames, lan_in=[tagged(FROM_BACKEND, 100, packet)],
                drops={"no-service": 5}, all_counted=True)


def fragmented(family, forward):
    side = SIDES[family]
    packet = side.ip(CLIENT[family], side.vip) / UDP(sport=1234, dport=80) / bytes(600)
    port = {"dport": 8080, "dst": BACKEND[family]}
    what = (lambda p: changed(p, **port)) if forward == "nat" else (lambda p: p)
    order = (1, 0, 2)
    parts, wanted = fragments(side, packet, 256), fragments(side, what(packet), 256)
    kind = 0x0800 if side.v4 else 0x86dd
    return Case(setup(side, BACKEND[family], forward, "udp"),
                wan_in=[FROM_CLIENT / Dot1Q(vlan=100, type=kind) / Raw(parts[i]) for i in order],
                lan_out=[TO_BACKEND / Dot1Q(vlan=200, type=kind) / Raw(raw(wanted[i])) for i in order], ordered=False, all_counted=True)


def echo(family):
    """The answer carries the tag of the question."""
    side = SIDES[family]
    ask, say = ((ICMP(type=8, id=7), ICMP(type=0, id=7)) if side.v4 else (ICMPv6EchoRequest(id=7), ICMPv6EchoReply(id=7)))
    def packets(client):
        return side.ip(client, side.vip) / ask / Raw(b"ping"), side.ip(side.vip, client) / say / Raw(b"ping")
    inside, untagged = packets(CLIENT[family]), packets(side.client)
    return Case(setup(side, side.backend, "nat", "tcp"),
                wan_in=[tagged(FROM_CLIENT, 100, inside[0], prio=5), from_client(untagged[0]), tagged(FROM_CLIENT, 0, untagged[0])],
                wan_out=[tagged(TO_CLIENT, 100, inside[1], prio=5), to_client(untagged[1]), tagged(TO_CLIENT, 0, untagged[1])],
                all_counted=True)


def too_big(family):
    """The answer about a packet out of a VLAN goes back into it; the tag does not count."""
    side = SIDES[family]
    flags = {"flags": "DF"} if side.v4 else {}
    head = 28 if side.v4 else 48
    fits = side.ip(CLIENT[family], side.vip, **flags) / UDP(sport=1234, dport=80) / bytes(1300 - head)
    big = side.ip(CLIENT[family], side.vip, **flags) / UDP(sport=1234, dport=80) / bytes(1301 - head)
    if side.v4:
        said = IP(src=side.vip, dst=CLIENT[4], ttl=64, id=0, flags="DF", tos=0xc0) / ICMP(type=3, code=4, nexthopmtu=1300) / \
            Raw(raw(big)[:548])
    else:
        said = IPv6(src=side.vip, dst=CLIENT[6], hlim=64) / ICMPv6PacketTooBig(mtu=1300) / Raw(raw(big)[:1232])
    return Case(setup(side, BACKEND[family], "nat", "udp", lan_mtu=1300),
                wan_in=[tagged(FROM_CLIENT, 100, p) for p in (fits, big)],
                lan_out=[tagged(TO_BACKEND, 200, changed(fits, dst=BACKEND[family], dport=8080))],
                wan_out=[tagged(TO_CLIENT, 100, said)], drops={"too-big": 1})


def not_ip():
    """ARP, broadcast, multicast, NDP, other EtherTypes: the host's. Somebody else's frames: dropped by their own name."""
    side = SIDES[6]
    frames = [Ether(dst="ff:ff:ff:ff:ff:ff", src=CLIENT_MAC) / ARP(pdst="198.51.100.2"),
              Ether(dst="33:33:ff:00:00:02", src=CLIENT_MAC) / IPv6(src=side.client, dst="ff02::1:ff00:2") / ICMPv6ND_NS(tgt=side.own_wan),
              Ether(dst="ff:ff:ff:ff:ff:ff", src=CLIENT_MAC) / request(SIDES[4], SIDES[4].client),
              Ether(dst=WAN_MAC, src=CLIENT_MAC, type=0x88cc) / Raw(b"lldp"),
              from_client(side.ip(side.client, side.own_wan) / ICMPv6ND_NS(tgt=side.own_wan)),
              from_client(IP(src=SIDES[4].client, dst=SIDES[4].vip, proto=47) / Raw(bytes(8)))]
    strangers = [Ether(dst="02:00:00:00:00:77", src=CLIENT_MAC) / request(SIDES[f], SIDES[f].client) for f in (4, 6)]
    return Case(setup(side, side.backend, "nat", "tcp"), wan_in=frames + strangers,
                drops={"no-service": len(frames), "not-our-mac": 2}, all_counted=True)


def register():
    for f in (4, 6):
        for c, b in ((True, True), (True, False), (False, True)):
            where = f"client {'tagged' if c else 'not'}, backend {'tagged' if b else 'not'}"
            case(f"VLAN, nat, IPv{f}, {where}")(lambda f=f, c=c, b=b: nat(f, c, b, "tcp" if c else "udp"))
            for m in ("dsr-l2", "dsr-ipip", "dsr-gue"):
                case(f"VLAN, {m}, IPv{f}, {where}")(lambda m=m, f=f, c=c, b=b: dsr(m, f, c, b))
        case(f"VLAN 0, IPv{f}")(lambda f=f: priority(f))
        case(f"VLAN, unknown, IPv{f}")(lambda f=f: unknown(f))
        case(f"VLAN, fragments, nat, IPv{f}")(lambda f=f: fragmented(f, "nat"))
        case(f"VLAN, fragments, dsr-l2, IPv{f}")(lambda f=f: fragmented(f, "dsr-l2"))
        case(f"VLAN, echo requests, IPv{f}")(lambda f=f: echo(f))
        case(f"VLAN, too big, IPv{f}")(lambda f=f: too_big(f))
    case("frames that are no service's")(not_ip)


register()
