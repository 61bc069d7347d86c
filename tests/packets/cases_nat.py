# SPDX-License-Identifier: Apache-2.0
"""Mode nat: destination rewritten on the way in, source on the way back."""
from scapy.all import IP, TCP, UDP, Ether, IPv6  # pylint: disable=no-name-in-module

from harness import (BACKEND4, BACKEND6, BACKEND_MAC, CLIENT4, CLIENT6, CLIENT_MAC, LAN_MAC, VIP4, VIP6, WAN_MAC, Case, case,
                     config, pool, service)

PAYLOAD = b"hello, penstock"


def nat(family, protocol):
    """Request and answer of one flow."""
    ip = IP if family == 4 else IPv6
    client, vip, backend = (CLIENT4, VIP4, BACKEND4) if family == 4 else (CLIENT6, VIP6, BACKEND6)
    hops = {"ttl": 63} if family == 4 else {"hlim": 63}
    if protocol == "tcp":
        request, answer = {"flags": "S", "seq": 7}, {"flags": "SA", "seq": 9, "ack": 8}
        l4, payload = TCP, b""
    else:
        request, answer = {}, {}
        l4, payload = UDP, PAYLOAD
    return Case(
        config([pool("p", backend, 8080)], [service("s", vip, 80, protocol, "nat", "p")]),
        wan_in=[Ether(dst=WAN_MAC, src=CLIENT_MAC) / ip(src=client, dst=vip) / l4(sport=1234, dport=80, **request) / payload],
        lan_in=[Ether(dst=LAN_MAC, src=BACKEND_MAC) / ip(src=backend, dst=client) / l4(sport=8080, dport=1234, **answer) / payload],
        lan_out=[Ether(dst=BACKEND_MAC, src=LAN_MAC) / ip(src=client, dst=backend, **hops) / l4(sport=1234, dport=8080, **request) / payload],
        wan_out=[Ether(dst=CLIENT_MAC, src=WAN_MAC) / ip(src=vip, dst=client, **hops) / l4(sport=80, dport=1234, **answer) / payload])


for FAMILY in (4, 6):
    for PROTOCOL in ("tcp", "udp"):
        case(f"nat, IPv{FAMILY}, {PROTOCOL}: request and answer")(lambda f=FAMILY, p=PROTOCOL: nat(f, p))
