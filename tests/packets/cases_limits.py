# SPDX-License-Identifier: Apache-2.0
"""Limits and lists: what passes and what is dropped, for which reason.

The rates are so slow that nothing comes back while a case runs, so that counts are exact: 60/h in bursts of 5m is 5 at once.
"""
from collections import Counter

from scapy.all import Ether  # pylint: disable=no-name-in-module

from frames import SIDES, PAYLOAD, from_client, from_router, to_backend
from harness import Case, case, config, pool, service

FIVE = '"60/h"; burst = "5m";'


def transport(layers, **fields):
    from scapy.all import TCP, UDP, Raw  # pylint: disable=import-outside-toplevel,no-name-in-module
    return (TCP(seq=7, **fields) if layers == "tcp" else UDP(**fields)) / Raw(PAYLOAD)


def packet(side, protocol, sport, src=None, flags="S"):
    fields = {"flags": flags} if protocol == "tcp" else {}
    return side.ip(src or side.client, side.vip) / transport(protocol, sport=sport, dport=80, **fields)


def limits(kind, text):
    return f"limits = {{ {kind} = {{ {text} }}; }};"


def one(side, protocol, forward, extra, **more):
    return config([pool("p", side.backend, 0 if forward.startswith("dsr") else 8080)],
                  [service("s", side.vip, 80, protocol, forward, "p", extra)], **more)


def sources(want):
    """A check: how many packets of each client have reached the backend (DSR and nat keep the source)."""
    def check(_, lan):
        got = Counter(Ether(f).payload.src for f in lan)
        return None if got == want else f"reached the backend: {dict(got)}, not {dict(want)}"
    return check


def rates(family, protocol, forward, what, who, workers="0"):
    """Two clients send 12 packets each; of a client or of the whole service 5 may pass."""
    side = SIDES[family]
    clients = (side.client, side.far)
    frames = []
    for n in range(12):
        for client, wrap in zip(clients, (from_client, from_router)):
            frames.append(wrap(packet(side, protocol, 2000 + n, client)))
    if what == "bytes":
        length = len(bytes(packet(side, protocol, 2000)))
        text = f'bytes = "{length * 60}/h"; burst = "301s";'
    elif what == "connections":
        text = "connections = 5;"
    else:
        text = f"{what} = {FIVE}"
    reason = f"{who}-{what.replace('_', '-')}"
    if who == "client":
        want = Counter({c: 5 for c in clients})
        drops, check = {reason: 14}, sources(want)
    else:
        drops = {reason: 19}

        def check(_, lan):
            return None if len(lan) == 5 else f"{len(lan)} packets of a service passed, not 5"
    return Case(one(side, protocol, forward, limits(who, text), workers=workers), wan_in=frames, lan_out=None, check=check,
                drops=drops, all_counted=True)


def lists(family, forward):
    """The most specific prefix decides, deny in a tie; who is on no list may not come if anybody is on the allow list."""
    side = SIDES[family]
    if side.v4:
        allow, deny = '"192.0.2.0/24", "198.51.100.0/24", "192.0.2.200"', '"192.0.2.64/26", "198.51.100.0/24"'
        fate = {"192.0.2.1": True, "192.0.2.77": False, "192.0.2.200": True, "198.51.100.9": False, "100.64.1.1": False}
    else:
        allow, deny = '"2001:db8:77::/48", "2001:db8:1::/64", "2001:db8:77:1::5"', '"2001:db8:77:1::/64", "2001:db8:1::/64"'
        fate = {"2001:db8:77::1": True, "2001:db8:77:1::4": False, "2001:db8:77:1::5": True, "2001:db8:1::9": False,
                "2001:db8:9::9": False}
    frames = [from_router(packet(side, "udp", 2000, src)) for src in fate for _ in range(3)]
    return Case(one(side, "udp", forward, f"allow = [ {allow} ]; deny = [ {deny} ];"), wan_in=frames, lan_out=None,
                check=sources(Counter({src: 3 for src, ok in fate.items() if ok})), drops={"denied": 9}, all_counted=True)


def deny_only(family):
    side = SIDES[family]
    frames = [from_client(packet(side, "udp", 2000)), from_router(packet(side, "udp", 2001, side.far))]
    return Case(one(side, "udp", "dsr-l2", f'deny = [ "{side.far}" ];'), wan_in=frames, lan_out=[to_backend(packet(side, "udp", 2000))],
                known=lambda f: f, drops={"denied": 1}, all_counted=True)


def prefixes(family):
    """One client is a /24 or a /48 here."""
    side = SIDES[family]
    if side.v4:
        near, other = [f"192.0.2.{n}" for n in range(1, 13)], [f"192.0.3.{n}" for n in range(1, 3)]
    else:
        near, other = [f"2001:db8:77:{n}::1" for n in range(1, 13)], [f"2001:db8:78:{n}::1" for n in range(1, 3)]
    frames = [from_router(packet(side, "udp", 2000, src)) for src in near + other]
    text = f"packets = {FIVE} prefix4 = 24; prefix6 = 48;"
    return Case(one(side, "udp", "dsr-l2", limits("client", text), workers="0, 0"), wan_in=frames, lan_out=None,
                check=sources(Counter(near[:5] + other)), drops={"client-packets": 7}, all_counted=True)


def refunded(family, forward):
    """What is refused as a new connection has not used a packet: of a burst of SYNs 3 pass, then other packets up to 70."""
    side = SIDES[family]
    text = 'packets = "840/h"; new_connections = "36/h"; burst = "5m";'
    first = [packet(side, "tcp", 2000 + n) for n in range(64)]
    then = [packet(side, "tcp", 2000, flags="A") for _ in range(100)]
    return Case(one(side, "tcp", forward, limits("client", text)), wan_in=[from_client(p) for p in first + then], lan_out=None,
                check=sources(Counter({side.client: 70})), drops={"client-new-connections": 61, "client-packets": 33},
                all_counted=True)


def ended(family, forward):
    """A connection that has ended makes room for another; forged ends do not."""
    side = SIDES[family]
    steps = [(2000, "S"), (2001, "S"), (2002, "S"),       # the third is refused
             (2000, "A"), (2000, "R"),                    # the first ends
             (2003, "S"),                                 # and there is room
             (2000, "A"), (2000, "A"), (2000, "A"),       # it goes on all the same: refused after two
             (2004, "S")]                                 # no room
    frames = [from_client(packet(side, "tcp", sport, flags=flags)) for sport, flags in steps]
    return Case(one(side, "tcp", forward, limits("client", "connections = 2;")), wan_in=frames, lan_out=None,
                check=sources(Counter({side.client: 7})), drops={"client-connections": 3}, all_counted=True)


def register():
    for f in (4, 6):
        for forward in ("dsr-l2", "nat"):
            for what in ("packets", "bytes", "new_connections", "connections"):
                for protocol in ("tcp", "udp"):
                    case(f"limit: client's {what}, {protocol}, {forward}, IPv{f}")(
                        lambda f=f, p=protocol, m=forward, w=what: rates(f, p, m, w, "client"))
                case(f"limit: service's {what}, {forward}, IPv{f}")(
                    lambda f=f, m=forward, w=what: rates(f, "tcp", m, w, "service"))
                case(f"limit: service's {what}, two workers, {forward}, IPv{f}")(
                    lambda f=f, m=forward, w=what: rates(f, "udp", m, w, "service", workers="0, 0"))
            case(f"limit: refused connections use no packets, {forward}, IPv{f}")(lambda f=f, m=forward: refunded(f, m))
            case(f"limit: connections end, {forward}, IPv{f}")(lambda f=f, m=forward: ended(f, m))
            case(f"limit: allow and deny, {forward}, IPv{f}")(lambda f=f, m=forward: lists(f, m))
        case(f"limit: deny only, IPv{f}")(lambda f=f: deny_only(f))
        case(f"limit: a client is a prefix, IPv{f}")(lambda f=f: prefixes(f))


register()
