# SPDX-License-Identifier: Apache-2.0
"""Each mode for IPv4 and IPv6, TCP and UDP: with one worker, and with three that steer by software. The same must come out."""
from scapy.all import TCP, Ether, raw  # pylint: disable=no-name-in-module

from frames import (PAYLOAD, PROTO, SIDES, Wrong, changed, from_backend, from_router, gue, ipip, known, sound,
                    to_backend, to_router)
from harness import Case, case, config, pool, service

CLIENTS = 14        # so many addresses that each of three workers owns some


def clients(side):
    """Addresses behind the router."""
    return [f"192.0.2.{n}" if side.v4 else f"2001:db8:77:{n:x}::{n:x}" for n in range(1, CLIENTS + 1)]


def segments(protocol, n=0):
    """(fields, payload) of what client n sends in order: a handshake's start and end, then data; or two datagrams."""
    if protocol == "tcp":
        seq = 1000 * n + 7
        return [({"flags": "S", "seq": seq}, b""), ({"flags": "A", "seq": seq + 1, "ack": 10}, b""),
                ({"flags": "PA", "seq": seq + 1, "ack": 10}, PAYLOAD)]
    return [({}, bytes([n]) + PAYLOAD), ({}, bytes([n]) + PAYLOAD + b"!")]


def requests(side, protocol, how_many):
    """IP packets of several clients to the service, all first packets first."""
    addresses = clients(side)[:how_many]
    return [side.ip(client, side.vip) / PROTO[protocol](sport=1200 + n, dport=80, **segments(protocol, n)[step][0]) /
            segments(protocol, n)[step][1]
            for step in range(len(segments(protocol))) for n, client in enumerate(addresses)]


def workers_of(many):
    return "0, 0, 0" if many else "0"


def setup(side, backend_side, protocol, forward, many):
    port = 8080 if forward in ("nat", "full-nat") else 80
    return config([pool("p", backend_side.backend, port)], [service("s", side.vip, 80, protocol, forward, "p")],
                  workers=workers_of(many))


def dsr(forward, family, backend_family, protocol, many):
    """What the client sent, to the backend's Ethernet address or in a tunnel to it."""
    side, backend = SIDES[family], SIDES[backend_family]
    packets = requests(side, protocol, CLIENTS if many else 1)
    what = {"dsr-l2": lambda p: p, "dsr-ipip": lambda p: ipip(p, backend), "dsr-gue": lambda p: gue(p, backend)}[forward]
    return Case(setup(side, backend, protocol, forward, many), wan_in=[from_router(p) for p in packets],
                lan_out=[to_backend(what(p)) for p in packets], known=None if forward == "dsr-l2" else known,
                ordered=not many, steered=many)


def answers_to(side, packets):
    """From the backend to those whose packets it got."""
    out = []
    for p in packets:
        l4 = p.payload
        fields = {"flags": "SA" if l4.flags.S else "A", "seq": 9, "ack": l4.seq + 1} if isinstance(l4, TCP) else {}
        out.append(side.ip(p.dst, p.src, 61) / type(l4)(sport=l4.dport, dport=l4.sport, **fields) / b"answer")
    return out


def nat(family, protocol, many):
    side = SIDES[family]
    packets = requests(side, protocol, CLIENTS if many else 1)
    forwarded = [changed(p, dst=side.backend, dport=8080) for p in packets]
    answers = answers_to(side, forwarded[:len(packets) // len(segments(protocol))])
    # An answer does not arrive in the burst of its request; steered ones might.
    later = {"reply": lambda left: [from_backend(p) for p in answers]} if many else {}
    return Case(setup(side, side, protocol, "nat", many), wan_in=[from_router(p) for p in packets],
                lan_out=[to_backend(p) for p in forwarded], lan_in=[] if many else [from_backend(p) for p in answers],
                wan_out=[to_router(changed(p, src=side.vip, sport=80)) for p in answers], ordered=not many, steered=many, **later)


def unknown_port(side, ports):
    """For full-nat: checks what goes to the backend, and puts the client's own port (which its data tells) in the place of the
    one that was chosen. ports: {client's number: port}, filled in."""
    def fix(frame):
        packet = sound(frame)
        ip = packet.payload
        if ip.dst != side.backend:
            return frame
        n = number_of(ip)
        port = ip.payload.sport
        if ports.setdefault(n, port) != port or list(ports.values()).count(port) != 1:
            raise Wrong(f"client {n} has port {port}; so far {ports}")
        return raw(packet.__class__(frame[:14]) / changed(ip, 0, sport=1200 + n))
    return fix


def number_of(ip):
    """The number of the client, from what it sent."""
    return ip.payload.seq // 1000 if isinstance(ip.payload, TCP) else raw(ip.payload.payload)[0]


def full_nat(family, protocol, many):
    side = SIDES[family]
    packets = requests(side, protocol, CLIENTS if many else 1)
    first = packets[:len(packets) // len(segments(protocol))]
    forwarded = [changed(p, src=side.own_lan, dst=side.backend, dport=8080) for p in packets]

    def reply(left):
        """An answer to each client's first packet, to the port that this came from."""
        seen = {}
        for frame in left:
            ip = Ether(frame).payload
            seen.setdefault(number_of(ip), ip)
        return [from_backend(p) for p in answers_to(side, [seen[n] for n in sorted(seen)])]

    answers = [changed(p, src=side.vip, sport=80) for p in answers_to(side, [changed(p, 0, dst=side.backend) for p in first])]
    return Case(setup(side, side, protocol, "full-nat", many), wan_in=[from_router(p) for p in packets],
                lan_out=[to_backend(p) for p in forwarded], wan_out=[to_router(p) for p in answers],
                known=unknown_port(side, {}), reply=reply, ordered=not many, steered=many)


def register():
    for many in (False, True):
        workers = "three workers" if many else "one worker"
        for family in (4, 6):
            for protocol in ("tcp", "udp"):
                what = f"IPv{family}, {protocol}, {workers}"
                for forward in ("dsr-l2", "dsr-ipip", "dsr-gue"):
                    case(f"{forward}, {what}")(lambda a=(forward, family, family, protocol, many): dsr(*a))
                for forward in ("dsr-ipip", "dsr-gue"):
                    name = f"{forward}, {family}in{10 - family}, {protocol}, {workers}"
                    case(name)(lambda a=(forward, family, 10 - family, protocol, many): dsr(*a))
                case(f"nat, {what}")(lambda a=(family, protocol, many): nat(*a))
                case(f"full-nat, {what}")(lambda a=(family, protocol, many): full_nat(*a))


register()
