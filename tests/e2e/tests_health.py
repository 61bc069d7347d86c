# SPDX-License-Identifier: Apache-2.0
"""Health: backends that fail and come back under load."""
import json
import os
import signal
import subprocess
import time

import configs
from bed import PENSTOCKD, Bed, expect, group, vip, wait_until
from topology import CLIENT4, CLIENT6, run


INTERVAL, TIMEOUT, RISE, FALL = 0.3, 0.2, 2, 2
DETECTION = FALL * INTERVAL + TIMEOUT


def check(kind, more="", interval=INTERVAL, timeout=TIMEOUT):
    return (f'health = {{ check = "{kind}"; interval = "{int(interval * 1000)}ms"; timeout = "{int(timeout * 1000)}ms"; '
            f'rise = {RISE}; fall = {FALL}; {more} }};')


def with_health(pool, text):
    """A pool of configs.pool with further settings."""
    expect(pool.endswith(" }"), f"the end of a pool: {pool}")
    return pool[:-1] + text + " }"


def objects(backends, kind="tcp", health="", pool="", family=4, forward="nat", slow=False):
    times = (1.5, 1.4) if slow else (INTERVAL, TIMEOUT)
    made = with_health(configs.pool("web", backends, 8080 if forward == "nat" else 80, family), check(kind, health, *times) + pool)
    return configs.objects([made], [configs.service("web", vip("nat", family), 80, "tcp", forward, "web")])


health = group("health", lambda: Bed(objects=objects), part="timed")


def backend(bed, number):
    last = str(10 + number)
    return next(b for b in bed.show("backends") if b["address"].endswith("." + last) or b["address"].endswith(":" + last))


def wait_state(bed, number, state, seconds):
    """How long it took."""
    begin = time.monotonic()
    found = wait_until(lambda: backend(bed, number)["state"] == state, seconds)
    took = time.monotonic() - begin
    expect(found, f"b{number} is not {state} after {took:.2f} s: {backend(bed, number)}")
    return took


def idle_seconds():
    """Of all cores together since the machine has started."""
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = [int(word) for word in stat.readline().split()[1:]]
    return (ticks[3] + ticks[4]) / os.sysconf("SC_CLK_TCK")


def thread_seconds(pid):
    """That a program's first thread has run, or wanted to."""
    with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as stat:
        return sum(int(word) for word in stat.read().split()[:2]) / 1e9


class Machine:
    """Since its making: has it had anything left, for the control thread and the servers above all?"""

    def __init__(self, daemon, servers=()):
        self.begin, self.idle = time.monotonic(), idle_seconds()
        self.wanted = {pid: thread_seconds(pid) for pid in [daemon.pid, *servers]}

    def is_full(self):
        seconds = time.monotonic() - self.begin
        return (idle_seconds() - self.idle < 0.2 * os.cpu_count() * seconds or
                any(thread_seconds(pid) - before > 0.85 * seconds for pid, before in self.wanted.items()))


def stopped_and_started(bed):
    """nginx ends and begins again under load: the errors end when the failure is found, and it gets traffic again afterwards."""
    wait_until(lambda: all(b["health"] == "passing" for b in bed.show("backends")), 5)
    before = bed.show("backends")
    expect([b["health"] for b in before] == ["passing"] * 3, f"{before}")
    load = bed.start_peer("load", vip("nat", 4), 30)
    machine = Machine(bed.daemon)
    time.sleep(0.5)
    bed.lab.stop_nginx(2)
    try:
        took = wait_state(bed, 2, "down", 10)
        # Time that nobody gets on a full machine is not the checks'.
        more = 2 if machine.is_full() else 0
        expect(backend(bed, 2)["reason"].startswith("refused"), f"{backend(bed, 2)}")
        print(f"     found after {took:.2f} s, bound {DETECTION:.2f} s" + ", and the machine is full" * bool(more))
        expect(took < DETECTION + 0.3 + more, f"it took {took:.2f} s, with {DETECTION:.2f} s as the bound")
        names = bed.who(vip("nat", 4), 30)
        expect(names == {"b1", "b3"}, f"{names} answer while b2 is down")
        later = json.loads(bed.start_peer("load", vip("nat", 4), 1.5).stdout.read().splitlines()[-1])
        expect(later["failed"] == 0 and later["ok"] > 20, f"clients see a failure that was found: {later}")
    finally:
        bed.lab.nginx(2, size_mb=16)
    wait_state(bed, 2, "up", 10)
    names = bed.who(vip("nat", 4), 30)
    expect(names == {"b1", "b2", "b3"}, f"{names} answer after b2 has come back")
    load.stdin.close()
    counts = json.loads(load.stdout.read().splitlines()[-1])
    load.wait(30)
    print(f"     {counts}")
    expect(counts["ok"] > 100, f"{counts}")
    expect(0 < counts["failed"] and counts["failing_seconds"] < DETECTION + 0.5 + more, f"clients saw it for longer than {DETECTION:.2f} s: {counts}")


def flapping(bed):
    """Backends whose answers change from check to check never leave, with rise and fall above 1; when all stay away it is panic."""
    bed.apply(bed.config([1, 2, 3], kind="http", health='path = "/flap";'))
    path = f"{bed.lab.where}/www/flap"
    expect(wait_until(lambda: backend(bed, 1)["health"] == "failing", 5), f"{backend(bed, 1)}")  # not there at all: 404, panic
    expect(backend(bed, 1)["reason"].endswith("status 404"), f"{backend(bed, 1)}")
    expect(wait_until(lambda: bed.show("pools")[0]["panic"], 5), "no panic although all fail")
    bed.curl(vip("nat", 4))
    with open(path, "w", encoding="ascii") as out:
        out.write("OK")
    expect(wait_until(lambda: bed.show("pools")[0]["passing"] == 3, 5), f"{bed.show('pools')}")
    expect(not bed.show("pools")[0]["panic"], "still panic")
    for _ in range(3):
        machine, seen = Machine(bed.daemon), set()
        for _ in range(8):
            os.rename(path, path + ".away")
            time.sleep(INTERVAL * 0.55)
            os.rename(path + ".away", path)
            time.sleep(INTERVAL * 1.3)
            seen |= {b["state"] for b in bed.show("backends")}
        if seen == {"up"}:
            break
        # On a full machine it stays away for two checks, not for one.
        expect(machine.is_full(), f"states of a flapping backend: {seen}")
    expect(seen == {"up"}, f"states of a flapping backend: {seen}")
    os.unlink(path)


def hanging(bed):
    """A server that takes connections and never answers is a timeout; nobody else waits for it."""
    bed.apply(bed.config([1, 2, 3], kind="http"))
    expect(wait_until(lambda: bed.show("pools")[0]["passing"] == 3, 5), f"{bed.show('pools')}")
    machine = Machine(bed.daemon)
    pid = str(bed.lab.webs[2].pid)
    workers = bed.lab.run(bed.lab.edge, "pgrep", "-P", pid).stdout.split()
    for one in workers:
        os.kill(int(one), signal.SIGSTOP)
    try:
        took = wait_state(bed, 2, "down", 10)
        b = backend(bed, 2)
        print(f"     a server that hangs was found after {took:.2f} s, bound {DETECTION:.2f} s")
        expect(b["reason"].startswith("timeout"), f"{b}")
        expect(took < DETECTION + (3 if machine.is_full() else 1), f"it took {took:.2f} s")
        expect({x["health"] for x in bed.show("backends") if x["address"] != b["address"]} == {"passing"}, f"{bed.show('backends')}")
    finally:
        for one in workers:
            os.kill(int(one), signal.SIGCONT)
    wait_state(bed, 2, "up", 10)


def certificates(bed):
    """HTTPS: a certificate that is not trusted, one that is, one of another name, and none that is asked for."""
    where = bed.lab.where
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=www.example.net", "-addext",
        "subjectAltName=DNS:www.example.net", "-keyout", f"{where}/tls.key", "-out", f"{where}/tls.pem")
    for number in (1, 2, 3):
        bed.lab.start(bed.lab.backend_name(number), "openssl", "s_server", "-quiet", "-www", "-accept", "8443", "-key", f"{where}/tls.key",
                      "-cert", f"{where}/tls.pem")
    time.sleep(0.3)
    for more, health_text, reason in (
            ("", "failing", "tls: "), (f'ca = "{where}/tls.pem"; host = "www.example.net";', "passing", ""),
            (f'ca = "{where}/tls.pem"; host = "www.example.org";', "failing", "tls: "), ("verify = false;", "passing", ""),
            ('verify = false; port = 8080;', "failing", "tls: ")):
        bed.apply(bed.config([1, 2, 3], kind="https", slow=True, health=more if "port" in more else more + " port = 8443;"))
        found = wait_until(lambda: {b["health"] for b in bed.show("backends")} == {health_text}, 15)
        expect(found and reason in backend(bed, 1)["reason"], f"{more}: {backend(bed, 1)}")


def datagrams(bed):
    """UDP: the line server answers each datagram; another answer than expected, nobody on the port."""
    for more, health_text, reason in (('port = 9000; payload = "x"; answer = "b"; ', "passing", ""),
                                      ('port = 9000; payload = "hex:00ff"; answer = "hex:ffff";', "failing", "body"),
                                      ("port = 9000;", "passing", ""), ("port = 9; ", "failing", "refused")):
        bed.apply(bed.config([1, 2, 3], kind="udp", health=more))
        found = wait_until(lambda: {b["health"] for b in bed.show("backends")} == {health_text}, 8)
        expect(found and reason in backend(bed, 1)["reason"], f"{more}: {backend(bed, 1)}")


def echoes(family):
    def test(bed):
        """ICMP: a backend that does not answer any more."""
        bed.apply(bed.config([1, 2, 3], kind="icmp", family=family))
        expect(wait_until(lambda: bed.show("pools")[0]["passing"] == 3, 8), f"{bed.show('backends')}")
        ignore = "net/ipv6/icmp/echo_ignore_all" if family == 6 else "net/ipv4/icmp_echo_ignore_all"
        bed.lab.write(bed.lab.backend_name(3), ignore, 1)
        expect(wait_until(lambda: (found := backend(bed, 3))["state"] == "down" and found["reason"].startswith("timeout"), 10),
               f"{backend(bed, 3)}")
        bed.lab.write(bed.lab.backend_name(3), ignore, 0)
        wait_state(bed, 3, "up", 10)
    test.__name__ = f"echoes, IPv{family}"
    return test


def refused(family, forward):
    def test(bed):
        """all_down = "refuse": clients are told at once when nobody is left, by RST; and served as soon as one is back."""
        bed.apply(bed.config([1, 2, 3], pool=' all_down = "refuse";', family=family, forward=forward))
        expect(wait_until(lambda: bed.show("pools")[0]["passing"] == 3, 8), f"{bed.show('backends')}")
        bed.curl(vip("nat", family))
        for number in (1, 2, 3):
            bed.lab.stop_nginx(number)
        try:
            expect(wait_until(lambda: bed.show("pools")[0]["up"] == 0, 8), f"{bed.show('backends')}")
            # A second later the client would ask again.
            answer, seconds = bed.peer("refused", "tcp", vip("nat", family), 80).split()
            expect(answer == "refused" and float(seconds) < 0.9, f"{answer} after {seconds} s")
            drops = {d["reason"]: d["count"] for d in bed.show("drops", "--service", "web")}
            expect(drops["no-backend"] > 0, f"{drops}")
        finally:
            for number in (1, 2, 3):
                bed.lab.nginx(number, size_mb=16)
        expect(wait_until(lambda: bed.show("pools")[0]["up"] == 3, 8), f"{bed.show('backends')}")
        bed.curl(vip("nat", family))
    test.__name__ = f"refused, IPv{family}, {forward}"
    return test


def refused_datagrams(family):
    def test(bed):
        """The same for UDP, by ICMP: the program that has sent the datagram is told."""
        pool = with_health(configs.pool("line", [1, 2, 3], 9000, family), check("tcp", "port = 9;") + ' all_down = "refuse";')
        service = configs.service("line", vip("nat", family), 9000, "udp", "nat", "line")
        bed.apply(configs.head(bed.driver, bed.workers) + configs.objects([pool], [service]))
        expect(wait_until(lambda: bed.show("pools")[0]["up"] == 0, 8), f"{bed.show('backends')}")
        answer = bed.peer("refused", "udp", vip("nat", family), 9000).split()
        expect(answer[0] == "refused", f"{answer}")
        told = json.loads(bed.penstock("explain", "--protocol", "udp", "--client", f"{client_of(family)}:7", "--service",
                                       f"{bracketed(vip('nat', family))}:9000", "--json").stdout)
        expect((told["reason"], told["answer"]) == ("no-backend", "ICMP port unreachable"), f"{told}")
    test.__name__ = f"refused datagrams, IPv{family}"
    return test


def bracketed(address):
    return f"[{address}]" if ":" in address else address


def client_of(family):
    return bracketed(CLIENT4 if family == 4 else CLIENT6)


def ordered(bed):
    """drain and disable under held connections; slow start afterwards."""
    bed.apply(bed.config([1, 2, 3], pool=' slow_start = "4s";'))
    expect(wait_until(lambda: bed.show("pools")[0]["passing"] == 3, 8), f"{bed.show('backends')}")
    bed.penstock("drain", "web/10.2.0.12:8080")
    names = bed.who(vip("nat", 4), 30)
    expect(names == {"b1", "b3"}, f"{names} answer while b2 drains")
    bed.penstock("disable", "web/10.2.0.13:8080")
    names = bed.who(vip("nat", 4), 20)
    expect(names == {"b1"}, f"{names} answer while b3 is disabled too")
    bed.penstock("enable", "web/10.2.0.12:8080")
    bed.penstock("enable", "web/10.2.0.13:8080")
    weights = []
    end = time.monotonic() + 6
    while time.monotonic() < end and (not weights or weights[-1] < 100):
        weight = backend(bed, 3)["effective_weight"]
        if not weights or weight != weights[-1]:
            weights.append(weight)
        time.sleep(0.05)
    expect(backend(bed, 2)["effective_weight"] == 100, "b2 was only drained")
    expect(weights[0] <= 20 and weights[-1] == 100 and weights == sorted(weights) and len(weights) >= 5, f"weights of b3: {weights}")


def remembered(bed):
    """What failed before a restart is not taken for good after it."""
    bed.apply(bed.config([1, 2, 3]))
    expect(wait_until(lambda: bed.show("pools")[0]["passing"] == 3, 8), f"{bed.show('backends')}")
    bed.lab.stop_nginx(3)
    wait_state(bed, 3, "down", 10)
    bed.lab.stop(bed.daemon)
    bed.daemon = bed.lab.penstock(PENSTOCKD, bed.config([1, 2, 3]))
    expect(backend(bed, 3)["state"] == "down", f"{backend(bed, 3)}")
    bed.lab.nginx(3, size_mb=16)
    wait_state(bed, 3, "up", 10)


for TEST in (stopped_and_started, flapping, hanging, certificates, datagrams, echoes(4), echoes(6), refused(4, "nat"), refused(6, "nat"),
             refused(4, "dsr-gue"), refused_datagrams(4), refused_datagrams(6), ordered, remembered):
    health(TEST)


# ---- many backends ----

MANY = 2000
FAR = 'routes = ( { to = "10.8.0.0/16"; via = "10.2.0.11"; } );\n'


def far_address(index):
    return f"10.8.{index // 250}.{1 + index % 250}"


def many_prepare(lab):
    """b1 is the way to a network all of whose addresses are its own: one nginx is MANY backends."""
    lab.ip(lab.backend_name(1), "route", "add", "local", "10.8.0.0/16", "dev", "lo")


def many_objects(_backends, kind="tcp", interval="1s"):
    lines = ",\n".join(f'    {{ address = "{far_address(i)}"; port = 8080; }}' for i in range(MANY))
    pool = (f'  {{ name = "web"; backends = (\n{lines} );\n    health = {{ check = "{kind}"; interval = "{interval}"; timeout = "900ms"; '
            f'rise = 2; fall = 2; }}; }}')
    return FAR + configs.objects([pool], [configs.service("web", vip("nat", 4), 80, "tcp", "nat", "web")])


many = group("many backends", lambda: Bed(backends=1, objects=many_objects, prepare=many_prepare), part="timed")


def pool_of(bed):
    return bed.show("pools")[0]


def delay_of(bed):
    return json.loads(bed.penstock("version", "--json").stdout)["daemon"]["control_delay_ms"]


def web_workers(bed):
    """The processes that answer: the children of nginx's first."""
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(bed.lab.webs[1].pid)], capture_output=True, text=True, check=True).stdout
    return [int(word) for word in out.split()]


def checks_keep_up(bed, kind, interval):
    """Do all pass, and go on to, as often as they should?"""
    bed.apply(bed.config([1], kind=kind, interval=f"{interval}s"))
    if not wait_until(lambda: pool_of(bed)["passing"] == MANY, 40 + 2 * interval):  # the first checks all begin at once
        return False
    time.sleep(21)  # what the beginning has cost is forgotten
    accepted = nginx_requests(bed) if kind == "http" else None
    time.sleep(5)
    if kind == "http":
        rate = (nginx_requests(bed) - accepted) / 5
        print(f"     {rate:.0f} checks a second")
        if rate < 0.9 * MANY / interval:
            return False
    return pool_of(bed)["passing"] == MANY


def begin_checks(bed, kind, shortest):
    """The interval at which they keep up: the shortest, or one that is longer where the machine is full of other work; and was it full?"""
    for interval in (shortest, 4 * shortest, 12 * shortest):
        machine = Machine(bed.daemon, web_workers(bed))
        if checks_keep_up(bed, kind, interval):
            return interval, machine.is_full()
        # nginx answers on the same two cores: where these have no more to give, that is all.
        expect(machine.is_full(), f"checks each {interval} s do not keep up: {pool_of(bed)}")
        print(f"     the machine is too full for checks each {interval} s")
    raise AssertionError(f"{pool_of(bed)}")


def many_checked(kind, shortest):
    def test(bed):
        """All are checked in their interval; the loop is never kept waiting for long, also when half of them fail and come back."""
        interval, full = begin_checks(bed, kind, shortest)
        calm = delay_of(bed)
        machine = Machine(bed.daemon, web_workers(bed))
        begin = time.monotonic()
        bed.lab.ip(bed.lab.backend_name(1), "route", "add", "unreachable", "10.8.4.0/22", "table", "local")
        found = wait_until(lambda: pool_of(bed)["up"] == 1000, 15 + 2 * interval)
        took = time.monotonic() - begin
        expect(found, f"{pool_of(bed)}")
        failing = delay_of(bed)
        names = bed.who(vip("nat", 4), 20)
        expect(names == {"b1"}, f"{names}")
        bed.lab.ip(bed.lab.backend_name(1), "route", "del", "unreachable", "10.8.4.0/22", "table", "local")
        expect(wait_until(lambda: pool_of(bed)["up"] == MANY, 15 + 2 * interval), f"{pool_of(bed)}")
        back = delay_of(bed)
        print(f"     the loop's longest delay: {calm:.1f} ms, {failing:.1f} ms while 1,000 fail (found after {took:.2f} s), "
              f"{back:.1f} ms while they come back")
        slack = 10 if full or machine.is_full() else 1
        expect(took < 2 * interval + 0.9 + 1.5 * slack, f"it took {took:.2f} s")
        expect(calm < 250 * slack and failing < 1000 * slack and back < 1000 * slack, "the loop was kept waiting")
    test.__name__ = f"{MANY} backends, {kind} each {shortest} s"
    return test


def nginx_requests(bed):
    out = bed.lab.run(bed.lab.backend_name(1), "curl", "-s", "http://127.0.0.1:8080/status").stdout.split()
    return int(out[9])


many(many_checked("tcp", 1))
http_checked = many(many_checked("http", 1))
http_checked.long = True  # of a quarter of an hour, a minute is too much: see run.py
