#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The lab for people: `up` leaves it standing, `down` removes it, `demo` shows Penstock at work and cleans up."""
import collections
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import certificates  # noqa: E402
import configs  # noqa: E402
import topology  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(topology.HERE))
PENSTOCKD = os.path.abspath(os.environ.get("PENSTOCKD", f"{ROOT}/build/penstockd"))
PENSTOCK = os.path.abspath(os.environ.get("PENSTOCK", f"{ROOT}/build/penstock"))
NAME = os.environ.get("LAB", "pslab")
SERVICES = (("nat4", "203.0.113.10"), ("nat6", "2001:db8:f::10"), ("gue4", "203.0.113.20"), ("gue6", "2001:db8:f::20"))


def say(text):
    print(f"\n== {text}", flush=True)


def url(address, path="/"):
    return f"http://[{address}]{path}" if ":" in address else f"http://{address}{path}"


def start(lab):
    """Backends' web servers, and Penstock over AF_XDP; over AF_PACKET where the kernel refuses that."""
    certificates.certificate(Path(lab.where), "shop", ["shop.example"])
    for number in lab.backends:
        lab.nginx(number)
    try:
        lab.penstock(PENSTOCKD, configs.demo(lab.backends, lab.where))
        return "af_xdp"
    except RuntimeError as error:
        print(f"AF_XDP is refused, going on with AF_PACKET ({str(error).splitlines()[-1]})")
        lab.penstock(PENSTOCKD, configs.demo(lab.backends, lab.where, "af_packet"))
        return "af_packet"


def second_client(lab):
    """Further addresses of the client's machine, for whom limits count apart; an IPv6 client is a /64."""
    lab.address(lab.client, "eth0", "198.51.100.77/24")
    lab.ip(lab.client, "addr", "add", "2001:db8:1:77::1/128", "dev", "eth0", "nodad", "preferred_lft", "0")
    for number in lab.backends:
        lab.ip(lab.backend_name(number), "-6", "route", "add", "2001:db8:1:77::/64", "dev", "eth1", "table", "100")


def penstock(lab, *words, check=True):
    return lab.run(lab.edge, PENSTOCK, "--socket", lab.socket(), *words, check=check)


def wait_for_backends(lab):
    """Until Linux has told Penstock every backend's Ethernet address, and every service has answered once."""
    for _, address in SERVICES:
        end = time.monotonic() + 15
        while lab.run(lab.client, "curl", "-s", "-m", "1", url(address), check=False).returncode:
            if time.monotonic() > end:
                raise RuntimeError(f"no answer from {address}:\n" + penstock(lab, "show", "drops").stdout)


def ask(lab, requests=40):
    """Requests to every service, a new connection each: who answered how often."""
    failed = 0
    for name, address in SERVICES:
        who = collections.Counter()
        for _ in range(requests):
            answer = lab.run(lab.client, "curl", "-s", "-m", "5", url(address), check=False)
            who[answer.stdout.strip() if answer.returncode == 0 else f"no answer (curl {answer.returncode})"] += 1
        failed += sum(count for server, count in who.items() if server.startswith("no answer"))
        print(f"  {name:5} {url(address):26} " + "  ".join(f"{server}: {count}" for server, count in sorted(who.items())))
    if failed:
        raise RuntimeError(f"{failed} requests were not answered")


def apply(lab, backends, driver):
    path = f"{lab.where}/next.conf"
    with open(path, "w", encoding="ascii") as out:
        out.write(configs.demo(backends, lab.where, driver))
    print(penstock(lab, "apply", path).stdout, end="")


def serving(lab, service):
    """The number of the backend that has the newest connection of a service."""
    views = json.loads(penstock(lab, "show", "connections", "--service", service, "--json").stdout)
    busiest = max(views, key=lambda view: view["packets_out"])
    return next(n for n in lab.backends if topology.backend_address(n)[0] + ":" in busiest["backend"])


def download_through_changes(lab, driver):
    """A download, while one backend dies and another takes its place."""
    got = f"{lab.where}/download"
    curl = lab.start(lab.client, "curl", "-s", "-f", "--limit-rate", "12M", "-o", got, url("203.0.113.10", "/big"))
    end = time.monotonic() + 10
    while not os.path.exists(got) or os.path.getsize(got) < 1 << 20:
        if curl.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the download does not begin")
        time.sleep(0.05)
    server = serving(lab, "nat4")
    victim = next(n for n in lab.backends if n != server)
    print(f"  the download comes from b{server}; b{victim} loses its power; b4 takes its place:")
    lab.stop_backend(victim)
    lab.backend(4)
    lab.nginx(4)
    apply(lab, lab.backends, driver)
    if curl.poll() is not None:
        raise RuntimeError("the download ended before the change")
    if curl.wait(60):
        raise RuntimeError(f"the download failed: curl {curl.returncode}")
    sums = []
    for path in (got, f"{lab.where}/www/big"):
        with open(path, "rb") as data:
            sums.append(hashlib.sha256(data.read()).hexdigest())
    print(f"  downloaded {os.path.getsize(got)} bytes, sha256 {sums[0][:16]}..., original {sums[1][:16]}...")
    if sums[0] != sums[1]:
        raise RuntimeError("the download is not what the server has")


def state_of(lab, pool, number):
    """What `show backends` says of b<number>."""
    views = json.loads(penstock(lab, "show", "backends", "--json").stdout)
    return next(v for v in views if v["pool"] == pool and v["address"] == topology.backend_address(number)[0])


def wait_for_state(lab, pool, number, state):
    begin = time.monotonic()
    while state_of(lab, pool, number)["state"] != state:
        if time.monotonic() > begin + 10:
            raise RuntimeError(f"b{number} does not become {state}:\n" + penstock(lab, "show", "backends").stdout)
        time.sleep(0.02)
    return time.monotonic() - begin


def failing_backend(lab):
    """A web server ends: its check finds out, nobody is sent there; it comes back."""
    number = lab.backends[0]
    lab.stop_nginx(number)
    seconds = wait_for_state(lab, "web4", number, "down")
    view = state_of(lab, "web4", number)
    print(f"  b{number}'s web server ends; {seconds:.1f} s later b{number} is {view['state']} ({view['reason']}); requests go to the others:")
    ask(lab)
    lab.nginx(number)
    print(f"  it is started again: up after {wait_for_state(lab, 'web4', number, 'up'):.1f} s")


def attempts(lab, source, address, count):
    """New connections, one after the other as fast as they come: how many were answered."""
    words = ["curl", "-s", "-m", "0.3", "--interface", source, "-o", "/dev/null"]
    return sum(lab.run(lab.client, *words, url(address), check=False).returncode == 0 for _ in range(count))


def limited_client(lab):
    """One client over its limit, another one beside it."""
    for greedy, modest, address in ((topology.CLIENT4, "198.51.100.77", "203.0.113.30"),
                                    (topology.CLIENT6, "2001:db8:1:77::1", "2001:db8:f::30")):
        attempts(lab, greedy, address, 5)
        over = attempts(lab, greedy, address, 10)
        fine = attempts(lab, modest, address, 5)
        print(f"  {greedy} after its 5 at once: {over} of 10 answered; {modest} meanwhile: {fine} of 5")
        if over > 6 or fine != 5:
            raise RuntimeError("the limit does not hold, or holds the wrong one back:\n" + penstock(lab, "show", "drops").stdout)
    say("penstock explain: why is that client not answered?")

    def explain(client):
        return penstock(lab, "explain", "--protocol", "tcp", "--client", f"{client}:40000", "--service", "203.0.113.30:80").stdout
    said = ""
    for _ in range(10):  # until it has used what it may
        attempts(lab, topology.CLIENT4, "203.0.113.30", 1)
        said = explain(topology.CLIENT4)
        if "drop:" in said:
            break
    else:
        raise RuntimeError("explain does not say that it is over its limit:\n" + said)
    print(said)
    print(explain("198.51.100.77"))


def redis(lab):
    """A Redis server behind a listener, with its ordinary clients: connections end at Penstock, and go on from its own addresses."""
    number = lab.backends[0]
    lab.start(lab.backend_name(number), "redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--dir", lab.where,
              log="redis.log")
    print(f"  b{number} gets a Redis server: up after {wait_for_state(lab, 'db', number, 'up'):.1f} s")
    for address in ("203.0.113.40", "2001:db8:f::40"):
        ask_redis = ["redis-cli", "-h", address]
        lab.run(lab.client, *ask_redis, "SET", "word", f"by {address}")
        print(f"  redis-cli -h {address} GET word: " + lab.run(lab.client, *ask_redis, "GET", "word").stdout.strip())
    held = lab.start(lab.client, "redis-cli", "-h", "2001:db8:f::40", "BLPOP", "nothing", "20")
    for line in lab.run(lab.client, "redis-benchmark", "-h", "203.0.113.40", "-q", "-n", "20000", "-c", "50", "-t",
                        "get,set").stdout.replace("\r", "\n").splitlines():
        if "requests per second" in line:
            print("  redis-benchmark, 50 connections: " + line.strip())
    views = json.loads(penstock(lab, "show", "connections", "--service", "db6", "--json").stdout)
    for view in views:
        print(f"  {view['client']} to {view['destination']} goes on from {view['local']} to {view['backend']}: "
              f"{view['client_tcp']['state']}, {view['backend_tcp']['state']}, round trip {view['backend_tcp']['rtt_ms']} ms")
    if len(views) != 1:
        raise RuntimeError("there should be one connection:\n" + penstock(lab, "show", "connections").stdout)
    lab.stop(held)
    lab.run(lab.client, "redis-cli", "-h", "203.0.113.40", "LPUSH", "nothing", "x")
    print(penstock(lab, "show", "listeners").stdout, end="")


def requests(lab, address, path, count, *words):
    """By curl over one connection: how often each answer came, a text or a status."""
    one = ["-s", "-m", "5", "-w", "%{http_code}\\n", *words, url(address, path)]
    out = lab.run(lab.client, "curl", *one, *[word for _ in range(count - 1) for word in ("--next", *one)]).stdout
    who = collections.Counter()
    for body, status in re.findall(r"(.*)\n?(\d{3})\n", out):
        who[body if status == "200" else status] += 1
    return who


def shown(who):
    return "  ".join(f"{answer}: {count}" for answer, count in sorted(who.items()))


def gateway(lab):
    """An HTTP listener: two routes, a canary, a backend that dies, a client that asks too much."""
    for address in ("203.0.113.50", "2001:db8:f::50"):
        print(f"  {url(address, '/api/')}, a fifth of it for the canary: {shown(requests(lab, address, '/api/', 40))}")
    number = lab.backends[1]
    lab.stop_nginx(number)
    who = requests(lab, "203.0.113.50", "/", 30)
    http = json.loads(penstock(lab, "show", "http", "--json").stdout)
    print(f"  b{number}'s web server has ended, and no check says so: {shown(who)}; requests sent again: {sum(w['retries'] for w in http)}")
    if set(who) & {"502", "503", "504"} or not sum(w["retries"] for w in http):
        raise RuntimeError("a request failed, or none was sent again:\n" + penstock(lab, "show", "http").stdout)
    lab.nginx(number)
    greedy, modest = requests(lab, "203.0.113.50", "/api/", 40), requests(lab, "203.0.113.50", "/api/", 10, "--interface", "198.51.100.77")
    print(f"  {topology.CLIENT4} goes on beyond its 50 requests: {shown(greedy)}; 198.51.100.77 meanwhile: {shown(modest)}")
    if not greedy["429"] or modest["429"]:
        raise RuntimeError("the limit does not hold, or holds the wrong one back:\n" + penstock(lab, "show", "http").stdout)
    print(penstock(lab, "show", "http").stdout, end="")


def secure(lab):
    """HTTPS: the certificate is one that was made for the lab, and a new one takes its place."""
    def ask_by(address, *more):
        host = f"[{address}]" if ":" in address else address
        done = lab.run(lab.client, "curl", "-s", "-S", "-f", "-m", "5", "--cacert", f"{lab.where}/shop.pem", "--resolve",
                       f"shop.example:443:{host}", "-w", "%{ssl_verify_result} %{http_version} %{time_appconnect}", *more,
                       "https://shop.example/", check=False)
        if done.returncode:
            raise RuntimeError(f"https://shop.example/ at {address}: {done.stderr}\n" + penstock(lab, "show", "tls").stdout)
        server, last = done.stdout.splitlines()
        verified, version, seconds = last.split()
        print(f"  https://shop.example/ at {address}: {server}; certificate {'good' if verified == '0' else 'bad'}, HTTP/{version}, "
              f"handshake {float(seconds) * 1000:.1f} ms")

    for address in ("203.0.113.60", "2001:db8:f::60"):
        ask_by(address, "--tlsv1.3")
        ask_by(address, "--tls-max", "1.2")
    certificates.certificate(Path(lab.where), "next", ["shop.example"])
    for end in ("key", "pem"):
        os.rename(f"{lab.where}/next.{end}", f"{lab.where}/shop.{end}")
    begin = time.monotonic()
    while lab.run(lab.client, "curl", "-s", "-f", "-m", "5", "--cacert", f"{lab.where}/shop.pem", "--resolve",
                  "shop.example:443:203.0.113.60", "https://shop.example/", check=False).returncode:
        if time.monotonic() - begin > 30:
            raise RuntimeError("the new certificate is not used")
        time.sleep(0.1)
    print(f"  another certificate takes the place of the first: in use after {time.monotonic() - begin:.1f} s")
    print(penstock(lab, "show", "tls").stdout, end="")


def demo():
    say("A client, Penstock, three web servers: network namespaces on this machine")
    with topology.Lab(NAME) as lab:
        driver = start(lab)
        second_client(lab)
        print(f"  penstockd forwards between two {driver} ports")
        wait_for_backends(lab)
        say("Requests through nat and dsr-gue, IPv4 and IPv6: who answered how often")
        ask(lab)
        say("A 64 MB download, while one server dies and another is added by `penstock apply`")
        download_through_changes(lab, driver)
        wait_for_backends(lab)
        say("Requests again")
        ask(lab)
        say("A web server fails, and comes back")
        failing_backend(lab)
        say("A service that lets each client begin one connection a second, five at once")
        limited_client(lab)
        say("A listener: Redis, which sees Penstock, on IPv4 only; its clients come by IPv4 and IPv6")
        redis(lab)
        say("An HTTP listener: routes, a canary, a backend that dies, a client that asks too much")
        gateway(lab)
        say("HTTPS: TLS 1.3 and 1.2 end at Penstock, and a certificate is renewed")
        secure(lab)
        say("penstock show services")
        print(penstock(lab, "show", "services").stdout, end="")
        say("penstock show backends")
        print(penstock(lab, "show", "backends").stdout, end="")
    say("Done; everything is taken down. `sudo make lab` leaves the lab standing to try commands in.")


def up():
    lab = topology.Lab(NAME)
    lab.down()
    try:
        lab.up()
        start(lab)
        wait_for_backends(lab)
    except BaseException:
        lab.down()
        raise
    print(f"""
The lab stands. Penstock's configuration is {lab.where}/penstock.conf, its log {lab.where}/penstockd.log.
Try, as root:
  ip netns exec {lab.client} curl {url(SERVICES[0][1])}          # nat;     also {url(SERVICES[1][1])}
  ip netns exec {lab.client} curl {url(SERVICES[2][1])}          # dsr-gue; also {url(SERVICES[3][1])}
  ip netns exec {lab.client} curl http://203.0.113.30/          # nat; one new connection a second for each client, five at once
  ip netns exec {lab.client} redis-cli -h 203.0.113.40           # a listener, once `ip netns exec {lab.backend_name(1)} redis-server
                                                              # --bind 0.0.0.0 --protected-mode no` runs
  ip netns exec {lab.client} curl http://203.0.113.50/api/      # an HTTP listener; a fifth of /api/ goes to a canary
  ip netns exec {lab.client} curl --cacert {lab.where}/shop.pem --resolve shop.example:443:203.0.113.60 https://shop.example/
  {PENSTOCK} --socket {lab.socket()} show services
  {PENSTOCK} --socket {lab.socket()} show connections
  {PENSTOCK} --socket {lab.socket()} top
  {PENSTOCK} --socket {lab.socket()} explain --protocol tcp --client {topology.CLIENT4}:40000 --service 203.0.113.30:80
  {PENSTOCK} --socket {lab.socket()} apply FILE                # a changed copy of the configuration
`sudo make lab-down` removes it.""")


def down():
    topology.Lab(NAME).down()


def main():
    actions = {"up": up, "down": down, "demo": demo}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        print("usage: lab.py up | down | demo", file=sys.stderr)
        return 2
    if os.geteuid():
        print("lab.py: network namespaces need root: sudo make " + sys.argv[1], file=sys.stderr)
        return 1
    missing = [tool for tool in ("ip", "ethtool", "nginx", "curl", "clang") if not shutil.which(tool)]
    if missing:
        print(f"lab.py: not installed: {', '.join(missing)}; sudo make deps", file=sys.stderr)
        return 1
    try:
        actions[sys.argv[1]]()
    except (RuntimeError, subprocess.SubprocessError, OSError) as error:
        print(f"lab.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
