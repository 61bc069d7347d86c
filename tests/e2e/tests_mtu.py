# SPDX-License-Identifier: Apache-2.0
"""Path MTU and routes: a client behind two routers with a narrow link between them.

    far ── 1500 ── near router ── 1400 ── router ── 1500 ── wan bridge ── Penstock
"""
import hashlib
import re

import configs
from bed import MODES, PEER, Bed, Wrong, every_mode, expect, group, vip, wait_until
from topology import EDGE_LAN4, EDGE_LAN6, EDGE_WAN4, EDGE_WAN6, VIPS4, VIPS6

NARROW = 1400
ROUTER4, ROUTER6 = "198.51.100.3", "2001:db8:1::3"
NEAR4, NEAR6 = "192.0.2.1", "2001:db8:9::1"
FAR = {4: "192.0.2.9", 6: "2001:db8:9::9"}
FAR_NET = {4: "192.0.2.0/24", 6: "2001:db8:9::/64"}
# A network of the far client that only the kernel's own routing will know, if at all.
LATER = {4: "198.18.0.9", 6: "2001:db8:a::9"}
LATER_NET = {4: "198.18.0.0/24", 6: "2001:db8:a::/64"}
ROUTER = {4: ROUTER4, 6: ROUTER6}
ALL_PORTS = {"nat": {4: "203.0.113.60", 6: "2001:db8:f::60"}, "dsr-gue": {4: "203.0.113.61", 6: "2001:db8:f::61"}}


def objects(backends):
    """All modes, and services on every port of UDP for tracepath."""
    text = every_mode(backends)
    pools, services = [], []
    for forward, addresses in ALL_PORTS.items():
        for family in (4, 6):
            name = f"all-{forward}-{family}"
            pools.append(configs.pool(name, backends, 0, family).replace(" port = 0;", ""))
            services.append(configs.service(name, addresses[family], 0, "udp", forward, name))
    more = configs.objects(pools, services)
    pools_text, services_text = more.split("services = (\n")
    text = text.replace("\npools = (\n", pools_text.rstrip().removesuffix(" );") + ",\n").replace(
        "services = (\n", "services = (\n" + services_text.rstrip().removesuffix(" );") + ",\n")
    routes = ",\n".join(f'  {{ to = "{FAR_NET[family]}"; via = "{ROUTER[family]}"; }}' for family in (4, 6))
    return f"\nroutes = (\n{routes} );\n" + text


def cable(lab, ends, mtu):
    """A link between two namespaces; ends: [(namespace, device, addresses)]."""
    (one, device, _), (other, peer, _) = ends
    lab.ip(one, "link", "add", device, "mtu", str(mtu), "type", "veth", "peer", "name", peer, "mtu", str(mtu), "netns", other)
    for namespace, name, addresses in ends:
        lab.run(namespace, "ethtool", "-K", name, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
        lab.address(namespace, name, *addresses)
        lab.ip(namespace, "link", "set", name, "up")


def names(lab):
    return [f"{lab.name}-{name}" for name in ("router", "near", "far")]


def backend_routes(family):
    """A backend's way back through Penstock and, for DSR, around it."""
    return (["default", "via", EDGE_LAN4 if family == 4 else EDGE_LAN6],
            [FAR_NET[family], "via", ROUTER[family], "dev", "eth1", "onlink", "table", "100"])


def prepare(lab):
    router, near, far = names(lab)
    for namespace in (router, near, far):
        lab.namespace(namespace)
    for namespace in (router, near):
        lab.write(namespace, "net/ipv4/ip_forward", 1)
        lab.write(namespace, "net/ipv6/conf/all/forwarding", 1)
        # Errors are few here, and all are needed.
        lab.write(namespace, "net/ipv4/icmp_ratelimit", 0)
        lab.write(namespace, "net/ipv6/icmp/ratelimit", 0)
    lab.wire(router, "eth0", "brw", "router")
    lab.address(router, "eth0", ROUTER4 + "/24", ROUTER6 + "/64")
    cable(lab, [(router, "eth1", ["172.16.0.1/30", "2001:db8:ff::1/64"]), (near, "eth0", ["172.16.0.2/30", "2001:db8:ff::2/64"])], NARROW)
    cable(lab, [(near, "eth1", [NEAR4 + "/24", NEAR6 + "/64"]),
                (far, "eth0", [FAR[4] + "/24", FAR[6] + "/64", LATER[4] + "/32"])], 1500)
    # Not to be chosen unless asked for.
    lab.ip(far, "addr", "add", LATER[6] + "/128", "dev", "eth0", "nodad", "preferred_lft", "0")
    for net in FAR_NET, LATER_NET:
        lab.ip(router, "route", "add", net[4], "via", "172.16.0.2")
        lab.ip(router, "-6", "route", "add", net[6], "via", "2001:db8:ff::2")
    lab.ip(near, "route", "add", LATER_NET[4], "via", FAR[4])
    lab.ip(near, "-6", "route", "add", LATER_NET[6], "via", FAR[6])
    for namespace, way4, way6 in ((router, EDGE_WAN4, EDGE_WAN6), (near, "172.16.0.1", "2001:db8:ff::1"), (far, NEAR4, NEAR6)):
        lab.ip(namespace, "route", "add", VIPS4, "via", way4)
        lab.ip(namespace, "-6", "route", "add", VIPS6, "via", way6)
    for number in lab.backends:
        # The direct way back to the far client.
        for family in (4, 6):
            lab.ip(lab.backend_name(number), f"-{family}", "route", "add", *backend_routes(family)[1])
        # IPv6 sends errors from addresses that the machine really has.
        lab.address(lab.backend_name(number), "lo", ALL_PORTS["dsr-gue"][6] + "/128")


narrow = group("path MTU", lambda: Bed(objects=objects, prepare=prepare))


def as_far(bed, *words, check=True, seconds=40):
    done = bed.lab.run(names(bed.lab)[2], *words, check=False, timeout=seconds)
    if check:
        expect(done.returncode == 0, f"{' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}")
    return done


def url(address, path="/"):
    return f"http://[{address}]{path}" if ":" in address else f"http://{address}{path}"


def forget_path_mtus(bed):
    """What a backend has learnt goes with the route that it was learnt for."""
    for number in bed.lab.backends:
        for family in (4, 6):
            for route in backend_routes(family):
                for action in ("del", "add"):
                    bed.lab.ip(bed.lab.backend_name(number), f"-{family}", "route", action, *route)


def errors_seen(bed):
    """How often backends were told of a smaller MTU: [IPv4, IPv6]."""
    counts = [0, 0]
    for number in bed.lab.backends:
        text = bed.lab.run(bed.lab.backend_name(number), "nstat", "-asz", "IcmpInDestUnreachs", "Icmp6InPktTooBigs").stdout
        for i, name in enumerate(("IcmpInDestUnreachs", "Icmp6InPktTooBigs")):
            counts[i] += int(re.search(name + r"\s+(\d+)", text).group(1))
    return counts


def through(mode, family):
    """Full-sized segments from the backend do not fit; the router's errors must reach the backend, whatever the mode."""
    def test(bed):
        forget_path_mtus(bed)
        before = errors_seen(bed)
        got = bed.lab.where + "/far"
        as_far(bed, "curl", "-s", "-S", "-f", "-m", "15", "--retry", "3", "--retry-max-time", "20", url(vip(mode, family), "/big"), "-o", got)
        sums = [hashlib.sha256(open(path, "rb").read()).hexdigest() for path in (got, bed.lab.where + "/www/big")]
        expect(sums[0] == sums[1], "the download differs from the original")
        after = errors_seen(bed)
        expect(after[family == 6] > before[family == 6], "no error of the narrow link has reached a backend")
        server, _, _, length, arrived, sent = as_far(bed, *PEER, "upload", vip(mode, family), "300000").stdout.split()
        expect(server in ("b1", "b2", "b3"), f"{server} answered")
        expect(length == "300000" and arrived == sent, f"{length} of 300000 bytes arrived, or other ones")
    test.__name__ = f"narrow link, {mode}, IPv{family}"
    narrow(test)


for each_mode in MODES:
    for each_family in (4, 6):
        through(each_mode, each_family)


# ---- tracepath -------------------------------------------------------------------------------------
def tracepath(run, family, address):
    """What tracepath reports: hops, path MTU, whether it came to the end; and all its text."""
    text = run("tracepath", f"-{family}", "-n", "-m", "8", address).stdout
    hops = dict(re.findall(r"^\s*(\d+):\s+(\S+)\s", text, re.M))
    summary = re.search(r"Resume: pmtu (\d+)(?: hops (\d+))?", text)
    if not summary:
        raise Wrong(f"tracepath: {text}")
    return hops, int(summary.group(1)), bool(summary.group(2)), text


def hop_of_far_client(forward, family):
    def test(bed):
        hops, mtu, reached, text = tracepath(lambda *words: as_far(bed, *words), family, ALL_PORTS[forward][family])
        penstock = EDGE_WAN4 if family == 4 else EDGE_WAN6
        expect(hops.get("3") == penstock, f"Penstock is not the third hop:\n{text}")
        expect(mtu == NARROW, f"path MTU {mtu}:\n{text}")
        expect(reached, f"the end was not reached:\n{text}")
    test.__name__ = f"tracepath of the far client, {forward}, IPv{family}"
    narrow(test)


def hop_of_client(forward, family):
    """Nothing is narrow here but the room that the tunnel takes."""
    def test(bed):
        address = ALL_PORTS[forward][family]
        bed.lab.ip(bed.lab.client, f"-{family}", "route", "flush", "cache")
        hops, mtu, reached, text = tracepath(lambda *words: bed.lab.run(bed.lab.client, *words), family, address)
        penstock = EDGE_WAN4 if family == 4 else EDGE_WAN6
        expect(hops.get("1") == penstock, f"Penstock is not the first hop:\n{text}")
        # Outer IP header, UDP, GUE.
        wanted = 1500 if forward == "nat" else 1500 - (20 if family == 4 else 40) - 8 - 4
        expect(mtu == wanted, f"path MTU {mtu}, not {wanted}:\n{text}")
        expect(reached, f"the end was not reached:\n{text}")
    test.__name__ = f"tracepath, {forward}, IPv{family}"
    narrow(test)


for each_forward in ALL_PORTS:
    for each_family in (4, 6):
        hop_of_client(each_forward, each_family)
        hop_of_far_client(each_forward, each_family)


# ---- the kernel's routes --------------------------------------------------------------------------
def route_comes_and_goes(family):
    """Answers to a network go where the kernel's routes say, as soon as they say so."""
    def test(bed):
        def works():
            return as_far(bed, "curl", "-s", "-m", "1", "--interface", LATER[family], url(vip("nat", family)), check=False).returncode == 0
        words = [f"-{family}", "route"]
        way = [LATER_NET[family], "via", ROUTER[family], "dev", "wan"]
        expect(not works(), "answers reach a network that no route leads to")
        bed.lab.ip(bed.lab.edge, *words, "add", *way)
        expect(wait_until(works, 15), "a route was added, and answers do not go there")
        bed.lab.ip(bed.lab.edge, *words, "del", *way)
        expect(wait_until(lambda: not works(), 15), "a route was removed, and answers still go there")
    test.__name__ = f"route comes and goes, IPv{family}"
    narrow(test)


route_comes_and_goes(4)
route_comes_and_goes(6)
