# SPDX-License-Identifier: Apache-2.0
"""penstockd dies, or is stopped, and is started again: what goes on."""
import hashlib
import json
import os
import re
import signal
import time

import configs
import hugepages
from bed import MODES, PENSTOCKD, Bed, expect, group, vip, wait_until
from tests_changes import MANY4, MANY6, ROUTES, many_clients, result_of, with_routes
from tests_limits import opened

# Each download takes 8 s, so all are under way when penstockd dies and when it is back.
SIZE, SECONDS = 1 << 19, 8


class Restarted(Bed):
    def log(self):
        with open(f"{self.lab.where}/penstockd.log", encoding="utf-8", errors="replace") as log:
            return log.read()

    def again(self, number, text, *more):
        """End penstockd by a signal and start it with this configuration; what the new one logs."""
        self.daemon.send_signal(number)
        code = self.daemon.wait(15)
        expect(code == (-number if number == signal.SIGKILL else 0), f"it ended with {code}")
        before = len(self.log())
        self.daemon = self.lab.penstock(PENSTOCKD, text, *more)
        return self.log()[before:]


restart = group("restart", lambda: Restarted(workers="0, 1", prepare=many_clients, objects=with_routes),
                part="restart")


def taken_over(log):
    """How many connections the new process goes on with."""
    found = re.search(r"connections-taken-over: .* connections=(\d+) .*damaged=(\d+)", log)
    expect(found, f"nothing was taken over: {log}")
    expect(found[2] == "0", f"damaged connections: {log}")
    return int(found[1])


def expected(bed):
    with open(f"{bed.lab.where}/www/big", "rb") as big:
        return hashlib.sha256(big.read(SIZE)).hexdigest()


def under_downloads(number, count):
    def test(bed):
        """nat and full-nat, both families: every download ends with the right checksum, and the counters go on."""
        loads = [bed.start_peer("fetch", vip(mode, family), count // 4, SIZE, SECONDS, *(MANY4 if family == 4 else MANY6))
                 for mode in ("nat", "full-nat") for family in (4, 6)]
        # With other weights rows lead elsewhere: what is only computed anew would break.
        log = bed.again(number, bed.config(bed.lab.backends, weights={1: 10}))
        expect(taken_over(log) >= count, f"{log}")
        active = {s["name"]: s["connections_active"] for s in bed.show("services")}
        for name in ("nat-4-web", "nat-6-web", "full-nat-4-web", "full-nat-6-web"):
            expect(active[name] >= count // 4, f"{name} has {active[name]} connections")
        want = expected(bed)
        for load in loads:
            results = result_of(load)
            wrong = [r for r in results if r != want]
            expect(len(results) == count // 4 and not wrong, f"{len(wrong)} of {len(results)} did not end well: {wrong[:3]}")
    test.__name__ = f"{signal.Signals(number).name} under {count} downloads"
    restart(test)


under_downloads(signal.SIGKILL, 200)
under_downloads(signal.SIGTERM, 40)


def held_through(mode, family):
    def test(bed):
        """Connections whose backend is remembered nowhere or pinned by a moving row stay with it."""
        sources = MANY4 if family == 4 else MANY6
        bed.apply(bed.config(bed.lab.backends))
        held = bed.start_peer("hold", vip(mode, family), 100, 12, *sources)
        moved = bed.config(bed.lab.backends, weights={1: 30})
        bed.apply(moved)
        bed.again(signal.SIGKILL, moved)
        broken = [r for r in result_of(held) if r[3] is not None]
        expect(not broken, f"{len(broken)} connections broke: {broken[:3]}")
    test.__name__ = f"SIGKILL while rows move, {mode} IPv{family}"
    restart(test)


held_through("l2", 4)
held_through("gue", 6)
held_through("ipip", 4)


def speak(silent, count=200):
    """What becomes of silent connections that speak again: those that broke."""
    silent.stdin.write("\n")
    silent.stdin.flush()
    results = json.loads(silent.stdout.readline())
    expect(len(results) == count, f"{len(results)} connections")
    return [r for r in results if r[1] is not None]


def silent_through(mode, family, applied):
    def test(bed):
        """
        Connections in a dsr mode of which the balancer has seen nothing since their pool changed: only the settled table leads to their
        backends, and after the restart only its file knows that. Without the file those on rows that have moved break. The pool
        changes before the restart, by an apply, or with it, by the file that the new process reads.
        """
        sources = MANY4 if family == 4 else MANY6
        base, moved = bed.config(bed.lab.backends), bed.config(bed.lab.backends, weights={1: 10})
        bed.again(signal.SIGTERM, base, "--fresh")  # no pool moves
        with_file, without = [bed.start_peer("silent", vip(mode, family), 200, *sources) for _ in range(2)]
        if applied:
            bed.apply(moved)
        log = bed.again(signal.SIGKILL, moved)
        expect("settled-restored" in log, f"{log}")
        broken = speak(with_file)
        expect(not broken, f"{len(broken)} connections broke: {broken[:3]}")
        bed.daemon.send_signal(signal.SIGKILL)
        bed.daemon.wait(15)
        os.unlink(bed.lab.state() + "/settled")
        bed.daemon = bed.lab.penstock(PENSTOCKD, moved)
        broken = speak(with_file)
        expect(not broken, f"{len(broken)} connections have spoken, yet are not remembered: {broken[:3]}")
        broken = speak(without)
        expect(15 <= len(broken) <= 120, f"without the file {len(broken)} connections break, a fifth should: this test sees nothing")
        for client in (with_file, without):
            client.stdin.close()
            client.wait(10)
    test.__name__ = f"silent through a change and SIGKILL, {mode} IPv{family}, {'applied' if applied else 'by the new file'}"
    restart(test)


silent_through("gue", 4, True)
silent_through("gue", 6, False)
silent_through("l2", 4, False)
silent_through("l2", 6, True)


@restart
def a_damaged_file(bed):
    """What lies in the place of the settled tables and is none is refused by name, and the daemon starts."""
    text = bed.config(bed.lab.backends)
    path = bed.lab.state() + "/settled"
    bed.again(signal.SIGTERM, text, "--fresh")
    with open(path, "rb") as file:
        good = file.read()
    for bad in (b"", b"x" * 10000, good[:-1], good[:50] + bytes([good[50] ^ 1]) + good[51:]):
        bed.daemon.send_signal(signal.SIGKILL)
        bed.daemon.wait(15)
        with open(path, "wb") as file:
            file.write(bad)
        before = len(bed.log())
        bed.daemon = bed.lab.penstock(PENSTOCKD, text)
        log = bed.log()[before:]
        expect("warning: settled-refused" in log and "file=settled" in log and bed.lab.state() in log, f"{bad[:20]}: {log}")
        with open(path, "rb") as file:
            expect(file.read() == good, "the file is not written anew")
    expect("settled-restored" in bed.again(signal.SIGKILL, text), "what the last start has written is not taken")


@restart
def killed_again_and_again(bed):
    """Three times while connections come and go: the table is never damaged, and a download goes on through all of it."""
    bed.apply(bed.config(bed.lab.backends))
    held = bed.start_peer("hold", vip("full-nat", 4), 20, 16, *MANY4)
    load = bed.start_peer("load", vip("nat", 4), 60)
    for _ in range(3):
        expect(taken_over(bed.again(signal.SIGKILL, bed.config(bed.lab.backends))) >= 20, "too few go on")
    load.stdin.close()
    result_of(load)
    broken = [r for r in result_of(held) if r[3] is not None]
    expect(not broken, f"{len(broken)} connections broke: {broken[:3]}")


@restart
def why_it_starts_empty(bed):
    """Whatever does not fit is said, and nothing is taken over."""
    text = bed.config(bed.lab.backends)
    for change, more, reason in (
            (lambda t: t, ["--fresh"], "--fresh"),
            (lambda t: t.replace("connections = 65536", "connections = 65537"), [], "dataplane.connections"),
            (lambda t: t.replace('instance = "lab"', 'instance = "other"'), [], "instance has changed")):
        bed.again(signal.SIGTERM, text)
        log = bed.again(signal.SIGTERM, change(text), *more)
        expect("connections-not-taken-over" in log and reason in log, f"{reason}: {log}")
        expect("connections-taken-over" not in log, log)
    bed.again(signal.SIGTERM, text)
    os.unlink(bed.lab.state() + "/slots")
    log = bed.again(signal.SIGTERM, text)
    expect("connections-not-taken-over" in log and "what they lead to" in log, f"without slots: {log}")
    expect(taken_over(bed.again(signal.SIGTERM, text)) >= 0, "the next one does not find what this one has left")


@restart
def memory_is_where_it_belongs(bed):
    """One file, for its owner only; it is gone when the next penstockd has no use for it."""
    in_hugepages = configs.HUGEPAGES == "true" and hugepages.hugetlbfs_is_mounted()
    name = ("/dev/hugepages" if in_hugepages else "/dev/shm") + "/penstock" + os.path.realpath(bed.lab.state()).replace("/", "-")
    expect(wait_until(lambda: os.path.exists(name)), f"{name} is missing")
    info = os.stat(name)
    expect(info.st_mode & 0o777 == 0o600, f"mode {info.st_mode:o}")
    expect(info.st_size >= 2 * 65536 * 128, f"{info.st_size} bytes")
    expect(in_hugepages or info.st_blocks * 512 >= info.st_size, "not all of its memory is there: an access could fail")


# ---- limits on connections at a time -----------------------------------------------------------------------------------------

ROOM = 24
COUNTED = (("nat", 4, "client"), ("gue", 6, "client"), ("full-nat", 6, "service"), ("l2", 4, "service"))


def counted_services(backends):
    """A limit on connections at a time of each client, or of a whole service."""
    pools, services = [], []
    for mode, family, kind in COUNTED:
        name = f"{kind}-{mode}-{family}"
        pools.append(configs.pool(name, backends, 9000, family))
        services.append(configs.service(name, vip(mode, family), 9000, "tcp", MODES[mode][1], name,
                                        f"limits = {{ {kind} = {{ connections = {ROOM}; }}; }}; "))
    return ROUTES + configs.objects(pools, services)


restart_counted = group("restart with limits", lambda: Restarted(workers="0, 1", prepare=many_clients, objects=counted_services),
                        part="restart")


def counted(mode, family, kind):
    def test(bed):
        """What was open before SIGKILL counts after it, no more begins than there is room for, and what ends makes room."""
        address, many = vip(mode, family), MANY4 if family == 4 else MANY6
        ours = many[:1] if kind == "client" else many
        # The service's connections are lent to the workers in parts, and the one that has none left may have to ask twice.
        least = ROOM if kind == "client" else ROOM * 7 // 8
        held = bed.start_peer("silent", address, ROOM // 2, *ours)
        log = bed.again(signal.SIGKILL, bed.config(bed.lab.backends))
        expect(taken_over(log) >= ROOM // 2, log)
        for _ in range(2):
            got = opened(bed, address, 9000, 2 * ROOM, *ours)
            print(f"     {got} beside {ROOM // 2} of {ROOM}")
            expect(least - ROOM // 2 <= got <= ROOM - ROOM // 2, f"{got} new ones beside {ROOM // 2} when {ROOM} are allowed")
        name = f"{kind}-{mode}-{family}"
        refused = bed.service(name)["drops"]
        expect(refused.get(f"{kind}-connections", 0) > 0, f"{refused}")
        if kind == "client":
            got = opened(bed, address, 9000, ROOM, many[1])
            expect(got == ROOM, f"another client has {got} connections")
        broken = speak(held, ROOM // 2)
        expect(not broken, f"{len(broken)} connections broke: {broken[:3]}")
        held.stdin.close()
        held.wait(10)
        time.sleep(0.5)  # until their ends are through
        got = opened(bed, address, 9000, 2 * ROOM, *ours)
        expect(least <= got <= ROOM, f"{got} connections after all have ended, not {ROOM}")
    test.__name__ = f"SIGKILL with a limit on connections of a {kind}, {mode} IPv{family}"
    restart_counted(test)


for COMBINATION in COUNTED:
    counted(*COMBINATION)
