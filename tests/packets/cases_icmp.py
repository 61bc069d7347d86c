# SPDX-License-Identifier: Apache-2.0
"""ICMP and ICMPv6 errors of others, which follow the packet that they quote: through nat and full-nat with the quote rewritten,
through the DSR modes to the backend, and about our tunnels to the client."""
from scapy.all import (ICMP, IP, UDP, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,  # pylint: disable=no-name-in-module
                       ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded, IPv6, Raw, raw)

from frames import (PAYLOAD, PROTO, SIDES, changed, from_backend, from_client, from_router, gue, ipip, known, older, sound,
                    to_backend, to_client, to_router)
from harness import Case, case, config, pool, service

SPORT, DPORT, BPORT = 1234, 80, 8080


def error(side, src, dst, quote, kind="too big", hops=64):
    """An error message; its checksum is Scapy's."""
    ip = side.ip(src, dst, hops)
    if side.v4:
        icmp = {"too big": ICMP(type=3, code=4, nexthopmtu=1400), "unreachable": ICMP(type=3, code=3),
                "time": ICMP(type=11, code=0), "parameter": ICMP(type=12, code=0, ptr=8)}[kind]
    else:
        icmp = {"too big": ICMPv6PacketTooBig(mtu=1400), "unreachable": ICMPv6DestUnreach(code=4),
                "time": ICMPv6TimeExceeded(code=0), "parameter": ICMPv6ParamProblem(code=0, ptr=7)}[kind]
    return ip / icmp / Raw(bytes(quote))


def flow(side, protocol, src, dst, sport, dport, hops=64):
    """A whole packet of the flow, with data, as it looks where the error arises."""
    l4 = PROTO[protocol](sport=sport, dport=dport, **({"flags": "PA", "seq": 5, "ack": 6} if protocol == "tcp" else {}))
    return side.ip(src, dst, hops) / l4 / PAYLOAD


def cut(packet, side, quote):
    """What the error quotes of a packet: all, or the IP header and 8 bytes."""
    data = raw(packet)
    return data if quote == "whole" else data[:(20 if side.v4 else 40) + 8]


def setup(side, protocol, forward, backend=None, **more):
    port = BPORT if forward in ("nat", "full-nat") else DPORT
    return config([pool("p", (backend or side).backend, port)], [service("s", side.vip, DPORT, protocol, forward, "p")], **more)


def opening(side, protocol):
    fields = {"flags": "S", "seq": 7} if protocol == "tcp" else {}
    return side.ip(side.client, side.vip) / PROTO[protocol](sport=SPORT, dport=DPORT, **fields) / (b"" if protocol == "tcp" else b"q")


def to_service(family, protocol, quote, kind, far):
    """The client's network about an answer: from the client or a router to the service; on to the backend that answered."""
    side = SIDES[family]
    first = opening(side, protocol)
    src = side.far if far else side.client
    before = flow(side, protocol, side.vip, side.client, DPORT, SPORT, 50)
    after = flow(side, protocol, side.backend, side.client, BPORT, SPORT, 50)
    came = error(side, src, side.vip, cut(before, side, quote), kind)
    goes = error(side, src, side.backend, cut(after, side, quote), kind, 63)
    return Case(setup(side, protocol, "nat"), wan_in=[from_client(first), from_router(came) if far else from_client(came)],
                lan_out=[to_backend(changed(first, dst=side.backend, dport=BPORT)), to_backend(goes)], all_counted=True)


def to_its_client(family, protocol, quote, kind, router):
    """The backend's network about a request: from the backend it comes to the client from the service, from a router from that."""
    side = SIDES[family]
    first = opening(side, protocol)
    before = flow(side, protocol, side.client, side.backend, SPORT, BPORT, 50)
    after = flow(side, protocol, side.client, side.vip, SPORT, DPORT, 50)
    came = error(side, side.router if router else side.backend, side.client, cut(before, side, quote), kind)
    goes = error(side, side.router if router else side.vip, side.client, cut(after, side, quote), kind, 63)
    return Case(setup(side, protocol, "nat"), wan_in=[from_client(first)], lan_in=[from_backend(came)],
                lan_out=[to_backend(changed(first, dst=side.backend, dport=BPORT))], wan_out=[to_client(goes)], all_counted=True)


def full_nat_to_service(family, protocol, quote):
    """As to_service; towards the backend the error too comes from us, to the port that the backend knows."""
    side = SIDES[family]
    first = opening(side, protocol)
    before = flow(side, protocol, side.vip, side.client, DPORT, SPORT, 50)
    came = error(side, side.far, side.vip, cut(before, side, quote))

    def check(_, lan):
        if len(lan) != 2:
            return f"{len(lan)} frames went to the backend"
        port = sound(lan[0]).payload.payload.sport
        after = flow(side, protocol, side.backend, side.own_lan, BPORT, port, 50)
        want = raw(to_backend(error(side, side.own_lan, side.backend, cut(after, side, quote), hops=63)))
        return None if lan[1] == want else f"error: got {lan[1].hex()}, want {want.hex()}"

    return Case(setup(side, protocol, "full-nat"), wan_in=[from_client(first), from_router(came)], lan_out=None, check=check,
                all_counted=True)


def full_nat_to_client(family, protocol, quote, router):
    """As to_its_client; the quote has our address and the port that was chosen."""
    side = SIDES[family]
    first = opening(side, protocol)
    src = side.router if router else side.backend

    def reply(left):
        ip = sound(left[0]).payload
        before = flow(side, protocol, side.own_lan, side.backend, ip.payload.sport, BPORT, 50)
        return [from_backend(error(side, src, side.own_lan, cut(before, side, quote)))]

    after = flow(side, protocol, side.client, side.vip, SPORT, DPORT, 50)
    goes = error(side, src if router else side.vip, side.client, cut(after, side, quote), hops=63)
    return Case(setup(side, protocol, "full-nat"), wan_in=[from_client(first)], lan_out=None, reply=reply,
                wan_out=[to_client(goes)])


def through_dsr(forward, family, backend_family, protocol):
    """The client's network about an answer that went past us: the error goes where the client's packets go."""
    side, backend = SIDES[family], SIDES[backend_family]
    before = flow(side, protocol, side.vip, side.client, DPORT, SPORT, 50)
    packets = [error(side, side.far, side.vip, cut(before, side, quote), kind)
               for quote in ("whole", "short") for kind in ("too big", "unreachable", "time", "parameter")]
    what = {"dsr-l2": lambda p, b: p, "dsr-ipip": ipip, "dsr-gue": gue}[forward]
    return Case(setup(side, protocol, forward, backend), wan_in=[from_router(p) for p in packets],
                lan_out=[to_backend(what(p, backend)) for p in packets], known=None if forward == "dsr-l2" else known,
                all_counted=True)


def of_nothing(family, forward):
    """Errors about flows that nobody has begun; and about packets of other protocols."""
    side = SIDES[family]
    unknown = error(side, side.far, side.vip, cut(flow(side, "tcp", side.vip, side.client, DPORT, SPORT), side, "whole"))
    other = error(side, side.far, side.vip, raw(side.ip(side.vip, side.client, **({"proto": 47} if side.v4 else {"nh": 47})) / bytes(16)))
    port = error(side, side.far, side.vip, cut(flow(side, "tcp", side.vip, side.client, 81, SPORT), side, "whole"))
    return Case(setup(side, "tcp", forward), wan_in=[from_router(p) for p in (unknown, other, port)],
                drops={"connection-unknown": 1, "no-service": 2}, all_counted=True)


def quoted_udp_without_checksum():
    """A quoted UDP checksum of 0 stays 0."""
    side = SIDES[4]
    first = opening(side, "udp")
    def quote(src, sport):
        return raw(side.ip(src, side.client, 50) / UDP(sport=sport, dport=SPORT, chksum=0) / PAYLOAD)
    came = error(side, side.far, side.vip, quote(side.vip, DPORT))
    goes = error(side, side.far, side.backend, quote(side.backend, BPORT), hops=63)
    return Case(setup(side, "udp", "nat"), wan_in=[from_client(first), from_router(came)],
                lan_out=[to_backend(changed(first, dst=side.backend, dport=BPORT)), to_backend(goes)], all_counted=True)


def tunnel_too_big(forward, family, backend_family):
    """A router says that our tunnel's packet is too big: the client hears it, from the service, less the tunnel's headers."""
    side, backend = SIDES[family], SIDES[backend_family]
    client = side.ip(side.client, side.vip, 63, **({"flags": "DF"} if side.v4 else {}))
    client = client / UDP(sport=SPORT, dport=DPORT) / bytes(1300 if side.v4 else 1360)
    packet = {"dsr-ipip": ipip, "dsr-gue": gue}[forward](type(client)(raw(client)), backend)
    inner = older(client)
    overhead = (20 if backend.v4 else 40) + (12 if forward == "dsr-gue" else 0)
    quote = raw(packet)[:528 if backend.v4 else 1232]
    came = error(backend, backend.router, backend.own_lan, quote)
    quoted = inner[:min(len(quote) - overhead, 576 - 28 if side.v4 else 1280 - 48)]
    if side.v4:
        goes = IP(src=side.vip, dst=side.client, ttl=64, id=0, flags="DF", tos=0xc0) / ICMP(type=3, code=4, nexthopmtu=1400 - overhead)
    else:
        goes = IPv6(src=side.vip, dst=side.client, hlim=64) / ICMPv6PacketTooBig(mtu=1400 - overhead)
    spoiled = bytearray(raw(from_backend(came)))
    spoiled[-1] ^= 1        # a wrong checksum: not believed
    return Case(setup(side, "udp", forward, backend), lan_in=[from_backend(came), bytes(spoiled)],
                wan_out=[to_client(goes / Raw(quoted))], drops={"no-service": 1}, all_counted=True)


def echo(family):
    """The service's address answers echo requests, whoever asks; our own address's twin would, but there is none."""
    side = SIDES[family]
    net = "203.0.113.64/28" if side.v4 else "2001:db8:f:1::/64"
    inside = "203.0.113.70" if side.v4 else "2001:db8:f:1::70"
    def ask(src, dst, n, hops=64):
        icmp = ICMP(type=8, id=7, seq=n) if side.v4 else ICMPv6EchoRequest(id=7, seq=n)
        return side.ip(src, dst, hops) / icmp / Raw(bytes(range(n)))
    def say(src, dst, n):
        icmp = ICMP(type=0, id=7, seq=n) if side.v4 else ICMPv6EchoReply(id=7, seq=n)
        return side.ip(src, dst, 64) / icmp / Raw(bytes(range(n)))
    return Case(config([pool("p", side.backend, BPORT)], [service("s", side.vip, DPORT, "tcp", "nat", "p"),
                                                          service("t", net, DPORT, "udp", "nat", "p")]),
                wan_in=[from_client(ask(side.client, side.vip, 56)), from_router(ask(side.far, side.vip, 0, 1)),
                        from_client(ask(side.client, inside, 57)), from_client(ask(side.client, side.own_wan, 8)),
                        from_client(say(side.client, side.vip, 8))],
                wan_out=[to_client(say(side.vip, side.client, 56)), to_router(say(side.vip, side.far, 0)),
                         to_client(say(inside, side.client, 57))],
                drops={"no-service": 2}, all_counted=True)


def echo_rate():
    """A hundred answers at once, no more."""
    side = SIDES[4]
    asked = [side.ip(side.client, side.vip) / ICMP(type=8, id=7, seq=n) / Raw(b"ping") for n in range(400)]

    def check(wan, _):
        return None if 100 <= len(wan) <= 250 else f"{len(wan)} answers"

    return Case(setup(side, "tcp", "nat"), wan_in=[from_client(p) for p in asked], wan_out=None, check=check, all_counted=True,
                reasons={"icmp-rate"})


def register():
    for f in (4, 6):
        for p in ("tcp", "udp"):
            for quote in ("whole", "short"):
                case(f"error to the service, nat, IPv{f}, {p}, {quote} quote")(
                    lambda f=f, p=p, q=quote: to_service(f, p, q, "too big", True))
                case(f"error to the client, nat, IPv{f}, {p}, {quote} quote, by a router")(
                    lambda f=f, p=p, q=quote: to_its_client(f, p, q, "too big", True))
                case(f"error to the service, full-nat, IPv{f}, {p}, {quote} quote")(
                    lambda f=f, p=p, q=quote: full_nat_to_service(f, p, q))
                case(f"error to the client, full-nat, IPv{f}, {p}, {quote} quote")(
                    lambda f=f, p=p, q=quote: full_nat_to_client(f, p, q, q == "short"))
            case(f"error to the client, nat, IPv{f}, {p}, by the backend")(
                lambda f=f, p=p: to_its_client(f, p, "whole", "unreachable", False))
            case(f"error to the service, nat, IPv{f}, {p}, by the client")(
                lambda f=f, p=p: to_service(f, p, "whole", "unreachable", False))
            case(f"errors, dsr-l2, IPv{f}, {p}")(lambda f=f, p=p: through_dsr("dsr-l2", f, f, p))
        for kind in ("time", "parameter"):
            case(f"error ({kind}) to the service, nat, IPv{f}")(lambda f=f, k=kind: to_service(f, "tcp", "whole", k, True))
            case(f"error ({kind}) to the client, nat, IPv{f}")(lambda f=f, k=kind: to_its_client(f, "udp", "whole", k, True))
        for forward in ("dsr-ipip", "dsr-gue"):
            for g in (4, 6):
                case(f"errors, {forward}, {f}in{g}")(lambda f=f, g=g, m=forward: through_dsr(m, f, g, "tcp"))
                case(f"error about a tunnel, {forward}, {f}in{g}")(lambda f=f, g=g, m=forward: tunnel_too_big(m, f, g))
        for forward in ("nat", "full-nat"):
            case(f"error about nothing, {forward}, IPv{f}")(lambda f=f, m=forward: of_nothing(f, m))
        case(f"echo requests, IPv{f}")(lambda f=f: echo(f))
    case("error that quotes UDP without a checksum")(quoted_udp_without_checksum)
    case("echo requests over their rate")(echo_rate)


register()
