# SPDX-License-Identifier: Apache-2.0
"""Configurations for the lab's edge, as text."""
import hugepages
from topology import CLIENT6, backend_address

# Said once: a change of it wants a restart. What is left is for other tests meanwhile.
HUGEPAGES = "true" if hugepages.free_mb() >= 1024 else "false"

HEAD = """# Penstock in the lab: two ports on veth, workers that sleep when there is nothing to do.
instance = "lab";

dataplane: {{
  workers = [ {workers} ];
  control = 0;
  share_cores = true;
  hugepages = {hugepages};
  memory = "512M";
  connections = {connections};
  sessions = 4096;
  idle = "sleep";
}};

interfaces = (
  {{ name = "wan"; device = "net_{driver}0,iface=ethw{arguments}"; side = "client"; mtu = {mtu};
    addresses = [ "198.51.100.2/24", "2001:db8:1::2/64" ]; }},
  {{ name = "lan"; device = "net_{driver}1,iface=ethl{arguments}"; side = "backend"; mtu = {mtu};
    addresses = [ "10.2.0.1/24", "2001:db8:2::1/64" ];
    source_addresses = [ "10.2.0.64/26", "2001:db8:2::100/120" ]; }} );
"""


def head(driver="af_xdp", workers="1", connections=65536, mtu=1500):
    """driver may have arguments: "af_packet,qpairs=2"."""
    driver, comma, arguments = driver.partition(",")
    return HEAD.format(driver=driver, arguments=comma + arguments, workers=workers, connections=connections, mtu=mtu,
                       hugepages=HUGEPAGES)


def pool(name, backends, port, family, weights=None, extra=""):
    """backends: numbers; weights: {number: weight}; extra: further settings of the pool."""
    lines = []
    for number in backends:
        weight = f" weight = {weights[number]};" if weights and number in weights else ""
        lines.append(f'    {{ address = "{backend_address(number)[family == 6]}"; port = {port};{weight} }}')
    return f'  {{ name = "{name}"; backends = (\n' + ",\n".join(lines) + f" ); {extra}}}"


def service(name, address, port, protocol, forward, pool_name, extra=""):
    return (f'  {{ name = "{name}"; address = "{address}"; port = {port}; protocol = "{protocol}"; forward = "{forward}"; '
            f'pool = "{pool_name}"; {extra}}}')


def listener(name, address, port, pool_name, extra="", protocol="tcp"):
    pool_text = f'pool = "{pool_name}"; ' if pool_name else ""
    return f'  {{ name = "{name}"; address = "{address}"; port = {port}; protocol = "{protocol}"; {pool_text}{extra}}}'


def objects(pools, services, listeners=()):
    text = "\npools = (\n" + ",\n".join(pools) + " );\n\nservices = (\n" + ",\n".join(services) + " );\n"
    return text + ("\nlisteners = (\n" + ",\n".join(listeners) + " );\n" if listeners else "")


HEALTH = 'health = { check = "http"; path = "/"; port = 8080; interval = "500ms"; timeout = "400ms"; rise = 2; fall = 2; }; '
REDIS = 'health = { check = "tcp"; interval = "500ms"; timeout = "400ms"; rise = 1; fall = 2; }; all_down = "refuse"; '
LIMITS = 'limits = { client = { new_connections = "1/s"; burst = "5s"; }; }; '


SHOP = """routes = (
    {{ name = "api"; match = {{ path = "/api/"; }}; rewrite = {{ path_prefix = "/"; }};
      pools = ( {{ pool = "stable{f}"; weight = 80; }}, {{ pool = "canary{f}"; weight = 20; }} );
      limits = {{ client = {{ requests = "1/s"; burst = "50s"; }}; }}; }},
    {{ name = "rest"; pools = ( {{ pool = "unchecked{f}"; }} ); retries = {{ attempts = 2; on = [ "connect", "reset" ]; }}; }} ); """


def shop(backends, family):
    """Pools and the listener of an HTTP gateway: a canary beside the stable pool, and one whose backends nobody checks."""
    pools = [pool(f"stable{family}", backends[:-1], 8080, family), pool(f"canary{family}", backends[-1:], 8080, family),
             pool(f"unchecked{family}", backends, 8080, family)]
    address = "203.0.113.50" if family == 4 else "2001:db8:f::50"
    return pools, listener(f"shop{family}", address, 80, None, SHOP.format(f=family), "http")


def demo(backends, where, driver="af_xdp"):
    """nat and dsr-gue, both families, over the same backends, checked; a service that limits its clients; a listener for Redis, which goes
    to the backends that have one; an HTTP gateway; and HTTPS, with WHERE/shop.pem and WHERE/shop.key."""
    pools, services = [pool("db", backends, 6379, 4, extra=REDIS)], []
    listeners = [listener(f"db{family}", address, 6379, "db", 'balance = "least-connections"; ')
                 for family, address in ((4, "203.0.113.40"), (6, "2001:db8:f::40"))]
    for family in (4, 6):
        net = "203.0.113." if family == 4 else "2001:db8:f::"
        pools.append(pool(f"web{family}", backends, 8080, family, extra=HEALTH))
        pools.append(pool(f"direct{family}", backends, 80, family, extra=HEALTH))
        services.append(service(f"nat{family}", f"{net}10", 80, "tcp", "nat", f"web{family}"))
        services.append(service(f"gue{family}", f"{net}20", 80, "tcp", "dsr-gue", f"direct{family}"))
        services.append(service(f"limited{family}", f"{net}30", 80, "tcp", "nat", f"web{family}", LIMITS))
        more, gateway = shop(backends, family)
        pools += more
        tls = f'tls = {{ certificates = ( {{ cert = "{where}/shop.pem"; key = "{where}/shop.key"; }} ); }}; '
        listeners += [gateway, listener(f"secure{family}", f"{net}60", 443, f"web{family}", tls, "https")]
    route = f'routes = ( {{ to = "2001:db8:1:77::/64"; via = "{CLIENT6}"; }} );\n'
    return head(driver) + route + objects(pools, services, listeners)
