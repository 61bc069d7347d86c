# SPDX-License-Identifier: Apache-2.0
"""What the system bench measures: a case is a configuration of penstockd and the packets that suit it."""
import dataclasses

import wire

BACKENDS = 100
FLOWS = 1 << 20
CLIENTS = 1 << 17
LIMITS = ('limits = { client = { packets = "1G/s"; bytes = "1000G/s"; }; };')
LIMITS_ALL = ('limits = { client = { packets = "1G/s"; bytes = "1000G/s"; new_connections = "1G/s"; '
              'connections = 1000000; }; };')
TIGHT = 'limits = { client = { packets = "1/s"; burst = "1ms"; }; };'
DENIED = 'deny = [ "20.0.0.0/8" ];'

# Of well-behaved clients: each of 65,536 sends less than one packet in three seconds.
GOOD_RATE = 20000


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    forward: str
    v6: bool = False
    tcp: bool = False
    answers: bool = False  # half of the packets come from the backends
    extra: str = ""        # further settings of the service
    dropped: bool = False  # nearly everything is refused
    new: bool = False      # every packet begins a connection
    frame: int = 60        # bytes, without the frame check sequence
    flows: int = FLOWS
    target: float = 0      # at least so many times R

    @property
    def service(self):
        return "2001:db8:f::10" if self.v6 else "203.0.113.10"

    @property
    def first_backend(self):
        return "2001:db8:2::1:1" if self.v6 else "10.2.1.1"

    @property
    def bare(self):
        """Options of bench-bare, so that it does what the wire has to do in this case; None: R is that already."""
        grow = {"dsr-ipip": 40 if self.v6 else 20, "dsr-gue": 52 if self.v6 else 32}.get(self.forward)
        return ["--drop"] if self.dropped else ["--grow", grow] if grow else None

    @property
    def size(self):
        """Bytes of a packet, with the frame check sequence."""
        return max(self.frame, (74 if self.tcp else 62) if self.v6 else 60) + 4

    def packets(self):
        """The generator's options, for penstockd and for the reference alike."""
        words = ["--service", self.service, "--port", 8080, "--frame", self.size - 4]
        return words + ["--tcp"] * self.tcp

    def flow_options(self):
        words = ["--flows", self.flows, "--clients", min(CLIENTS, self.flows)]
        if self.new:
            return words + ["--syn", "--once"]
        if self.dropped:
            return words + ["--good", GOOD_RATE, "--overhead", 32]
        if self.forward in ("nat", "full-nat"):
            words.append("--connect")
        if self.answers:
            words += ["--answers", "--backends", self.first_backend]
        return words

    def config(self, where):
        net = "2001:db8:2::1:" if self.v6 else "10.2.1."
        backends = ", ".join(f'{{ address = "{net}{i}"; port = 8080; }}' for i in range(1, BACKENDS + 1))
        pools = f'pools = ( {{ name = "p"; backends = ( {backends} ); }} );\n'
        services = (f'services = ( {{ name = "s"; address = "{self.service}"; port = 8080; '
                    f'protocol = "{"tcp" if self.tcp else "udp"}"; forward = "{self.forward}"; pool = "p"; {self.extra} }} );\n')
        return head(where, self.flows * 5 // 4, [f"{net}{i}" for i in range(1, BACKENDS + 1)]) + pools + services


def head(where, connections, backends, memory="1400M", more=""):
    neighbours = "".join(f'  {{ address = "{a}"; mac = "02:00:00:00:{i >> 8:02x}:{i & 255:02x}"; interface = "one"; }},\n'
                         for i, a in enumerate(backends, 1 << 12))
    eal = ", ".join(f'"{word}"' for word in where.eal_more())
    return f"""
dataplane: {{ workers = [ {wire.WORKER_CORE} ]; control = {wire.GENERATOR_CORE}; memory = "{memory}"; connections = {connections}; {more}
  hugepages = {"true" if wire.have_hugepages() else "false"}; eal = [ {eal} ]; }};
interfaces = ( {{ name = "one"; device = "{where.device()}";
    side = "both"; twin = false; mtu = 1600;
    addresses = [ "198.51.100.2/24", "2001:db8:1::2/64", "10.0.0.1/8", "2001:db8:2::1/64" ];
    source_addresses = [ "10.2.0.64/26", "2001:db8:2::100/120" ]; }} );
routes = ( {{ to = "default"; via = "198.51.100.1"; }}, {{ to = "default"; via = "2001:db8:1::1"; }} );
neighbours = (
{neighbours}  {{ address = "2001:db8:1::1"; mac = "02:00:00:00:01:01"; interface = "one"; }},
  {{ address = "198.51.100.1"; mac = "02:00:00:00:01:01"; interface = "one"; }} );
"""


CASES = [
    Case("dsr-gue IPv4", "dsr-gue", target=0.70),
    Case("dsr-gue IPv4 limits", "dsr-gue", extra=LIMITS, target=0.60),
    Case("dsr-ipip IPv6 limits", "dsr-ipip", v6=True, extra=LIMITS, target=0.55),
    Case("nat IPv4 both ways limits", "nat", tcp=True, answers=True, extra=LIMITS_ALL, target=0.50),
]
SIZES = [
    Case("dsr-gue IPv4 limits, 512 bytes", "dsr-gue", extra=LIMITS, frame=508),
    Case("dsr-gue IPv4 limits, 1500 bytes", "dsr-gue", extra=LIMITS, frame=1496),
    Case("nat IPv4 both ways limits, 512 bytes", "nat", tcp=True, answers=True, extra=LIMITS_ALL, frame=508),
    Case("nat IPv4 both ways limits, 1500 bytes", "nat", tcp=True, answers=True, extra=LIMITS_ALL, frame=1496),
]
ATTACKS = [
    Case("all limited", "dsr-gue", extra=TIGHT, dropped=True, target=1.0),
    Case("all denied", "dsr-gue", extra=DENIED, dropped=True, target=1.0),
]
NEW = Case("new nat connections, limits", "nat", tcp=True, extra=LIMITS_ALL, new=True, flows=1 << 21)
