# SPDX-License-Identifier: Apache-2.0
"""Handshakes that do not go on, of clients and of handshake threads: there is an end to them, and nothing else suffers."""
import contextlib
import ctypes
import os
import select
import signal
import time

import configs
import inside
from bed import PENSTOCKD, expect, for_families, group, wait_until
from http_bed import address
from https_bed import LOAD, WEB, HttpsBed, host
from tests_changes import result_of
from tests_tls import hello

HANDSHAKES, THREADS, PATIENCE = 16, 2, 2
PLACES = HANDSHAKES - HANDSHAKES // 16  # for clients; the others are for backends
SHOP = 110
HELLO = hello("shop.example")
SEIZE, INTERRUPT, DETACH, ALL_THREADS = 0x4206, 0x4207, 17, 0x40000000
GETREGS, SETREGS = 12, 13
SYSCALL, EXIT = b"\x0f\x05", 60
ORIG_RAX, RAX, RDI, RIP, REGISTERS = 15, 10, 14, 16, 27  # of user_regs_struct


class FewBed(HttpsBed):
    """203.0.113.110, 2001:db8:f::110: https, and on port 80 http; few handshakes at a time."""

    def __init__(self):
        super().__init__("1", self.few, f"tls = {{ handshake_threads = {THREADS}; handshakes = {HANDSHAKES}; }};\n")

    def few(self, backends):
        pools, listeners = [], []
        more = f'timeouts = {{ header = "{PATIENCE}s"; }}; '
        for family in (4, 6):
            pools.append(configs.pool(f"web-{family}", backends, WEB, family))
            listeners += [configs.listener(f"secure-{family}", address(SHOP, family), 443, f"web-{family}", self.tls("shop-ec") + more, "https"),
                          configs.listener(f"plain-{family}", address(SHOP, family), 80, f"web-{family}", "", "http")]
        return configs.objects(pools, [], listeners)

    # ---- what tests ask ------------------------------------------------------------------------
    def begin(self, family):
        """A client that says hello, and no more."""
        wire = inside.connect(self.lab.client, address(SHOP, family), 443)
        wire.send(HELLO)
        return wire

    def half(self, family):
        """The same, once it has heard an answer."""
        wire = self.begin(family)
        try:
            wire.more()
            return wire
        except inside.Cut:
            return None

    def ask(self, family, seconds=10):
        """curl's exit code, and how long it took."""
        done = self.lab.run(self.lab.client, "curl", "-s", "-f", "-o", "/dev/null", "-m", str(seconds), "-w", "%{time_total}", "--cacert",
                            self.path("root.pem"), "--resolve", f"shop.example:443:{host(SHOP, family)}", "https://shop.example/", check=False)
        return done.returncode, float(done.stdout)

    @contextlib.contextmanager
    def others(self, family):
        """Who has a connection, and who comes without TLS, do not notice what goes on inside the `with`; only within the machine's means: in
        both halves the median of their times is the same, and nobody waits long."""
        load = self.start_peer("steady", self.path("root.pem"), "shop.example", address(SHOP, family), program=LOAD)
        time.sleep(0.5)
        load.stdin.write("meanwhile\n")
        load.stdin.flush()
        yield
        load.stdin.close()
        result = result_of(load)
        expect(not result["failed"], f"{result['failed']}")
        for what in ("tls", "plain"):
            (_, before, _), (n, median, longest) = result["first"][what], result["meanwhile"][what]
            expect(n > 10 and median < 3 * before + 5 and longest < 1000, f"{what}, ms: {result}")


few = group("few handshakes", FewBed)
of_families = for_families("HTTPS", (few,))


def ended(wire):
    """Has the other side ended the connection?"""
    while select.select([wire.sock], [], [], 0)[0]:
        try:
            wire.more()
        except inside.Cut:
            return True
    return False


def insist(ask):
    """One in whose favour another one gives way may still be refused: the thread of that one has to let it go first, and computes at times for
    others, too. It comes again, for less long than clients are waited for."""
    answer = wait_until(ask, PATIENCE / 2)
    expect(answer, "others should have made room for a client")
    return answer


@of_families("half handshakes", families=(6,))
def half(bed, family):
    """Clients that do not go on with their handshakes take all places; they give way to others, the first that came first, and the
    last ones are waited for as long as clients are."""
    with bed.others(family), contextlib.ExitStack() as stack:
        before = bed.sum("gave_way"), bed.sum("full"), bed.sum("busy")
        wires = [stack.enter_context(insist(lambda: bed.half(family))) for _ in range(3 * HANDSHAKES)]
        last = time.monotonic()
        for _ in range(10):
            insist(lambda: bed.ask(family)[0] == 0)
        expect(time.monotonic() - last < PATIENCE, "clients had to wait between half handshakes")
        gone = [ended(wire) for wire in wires]
        expect(all(gone[:2 * HANDSHAKES]) and not gone[-1], f"who gave way: {gone}")
        expect(wait_until(lambda: all(ended(wire) for wire in wires), 10), "half handshakes go on for ever")
        took = time.monotonic() - last
        expect(PATIENCE - 0.5 < took < PATIENCE + 2, f"the last was waited for {took} s")
    after = bed.sum("gave_way"), bed.sum("full"), bed.sum("busy")
    expect(after[0] - before[0] >= 2 * HANDSHAKES, f"{after[0] - before[0]} gave way")
    expect(after[1] - before[1] == 10 and after[2] - before[2] < PLACES, f"done {after[1] - before[1]}, refused {after[2] - before[2]}")


# ---- threads that stand still ------------------------------------------------------------------
LIBC = ctypes.CDLL(None, use_errno=True)


def trace(request, thread, data=None):
    LIBC.ptrace.argtypes = [ctypes.c_long] * 3 + [ctypes.c_void_p]
    if LIBC.ptrace(request, thread, 0, data):
        raise OSError(ctypes.get_errno(), f"ptrace {request}")


def handshake_threads(bed):
    found = {}
    for thread in os.listdir(f"/proc/{bed.daemon.pid}/task"):
        with open(f"/proc/{bed.daemon.pid}/task/{thread}/comm", encoding="ascii") as comm:
            found[comm.read().strip()] = int(thread)
    return [found[f"tls-{number}"] for number in range(THREADS)]


@contextlib.contextmanager
def stopped(threads):
    """Threads of another process stand still inside the `with`; its other threads do not."""
    for thread in threads:
        trace(SEIZE, thread)
    try:
        for thread in threads:
            trace(INTERRUPT, thread)
            os.waitpid(thread, ALL_THREADS)
        yield
    finally:
        for thread in threads:
            with contextlib.suppress(ProcessLookupError):  # it has ended
                trace(DETACH, thread)


@of_families("one handshake thread stands still", families=(4,))
def one_stuck(bed, family):
    """Whoever it has is refused in time, one client or two; the other thread serves all others."""
    with bed.others(family), stopped(handshake_threads(bed)[:1]):
        results = [bed.ask(family) for _ in range(12)]
        bad = [took for code, took in results if code]
        expect(1 <= len(bad) <= 2 and all(PATIENCE - 0.5 < took < PATIENCE + 2 for took in bad), f"{results}")
    expect([bed.ask(family)[0] for _ in range(6)] == [0] * 6, "not all is well after that")


@of_families("all handshake threads stand still", families=(4,))
def all_stuck(bed, family):
    """As many as there are places wait, not longer than a client is waited for; all others are refused at once, and a configuration is
    applied, with another certificate. All is well as soon as they run again."""
    with bed.others(family):
        busy, full = bed.sum("busy"), bed.sum("full")
        with stopped(handshake_threads(bed)), contextlib.ExitStack() as stack:
            begin = time.monotonic()
            wires = [stack.enter_context(bed.begin(family)) for _ in range(2 * PLACES)]
            wanted = [False] * PLACES + [True] * (len(wires) - PLACES)
            expect(wait_until(lambda: [ended(wire) for wire in wires] == wanted, 1), f"refused: {[ended(wire) for wire in wires]}")
            expect(bed.sum("busy") - busy == sum(wanted), f"{bed.sum('busy') - busy} refused")
            expect(wait_until(lambda: all(ended(wire) for wire in wires), 10), "they wait for ever")
            took = time.monotonic() - begin
            expect(PATIENCE - 0.5 < took < PATIENCE + 2, f"they were waited for {took} s")
            code, took = bed.ask(family)
            expect(code and took < 1, f"curl ended with {code} after {took} s")
            serial = bed.authority.sign("shop", "ec")
            bed.apply(bed.config(bed.lab.backends))
        expect(bed.sum("full") == full, "who has done handshakes?")
        expect(wait_until(lambda: bed.ask(family)[0] == 0, 2), "they run, but clients are refused")
        results = [bed.ask(family) for _ in range(2 * HANDSHAKES)]
        expect([code for code, _ in results] == [0] * len(results), f"not all is well after that: {results}")
        expect(bed.served(SHOP, family) == serial, "the old certificate is served")
    drops = bed.service(f"secure-{family}")["drops"]
    expect(drops.get("tls-busy", 0) > PLACES, f"{drops}")


def end_thread(bed, thread):
    """The thread of another process, which sleeps in a system call, calls exit instead of coming back from there; the others live on."""
    registers = (ctypes.c_ulonglong * REGISTERS)()
    with stopped([thread]):
        trace(GETREGS, thread, ctypes.addressof(registers))
        with open(f"/proc/{bed.daemon.pid}/mem", "rb") as memory:
            memory.seek(registers[RIP] - len(SYSCALL))
            expect(memory.read(len(SYSCALL)) == SYSCALL, "the thread is not in a system call")
        registers[RIP] -= len(SYSCALL)
        # It is not to begin its own one anew.
        registers[ORIG_RAX], registers[RAX], registers[RDI] = 2**64 - 1, EXIT, 0
        trace(SETREGS, thread, ctypes.addressof(registers))
    expect(wait_until(lambda: not os.path.exists(f"/proc/{bed.daemon.pid}/task/{thread}"), 2), "the thread does not end")


@of_families("one handshake thread has ended", families=(4, 6))
def one_ended(bed, family):
    """As if it stood still for ever: whoever it has is refused in time, the other one serves all others, and penstockd ends in good order."""
    with bed.others(family):
        end_thread(bed, handshake_threads(bed)[0])
        results = [bed.ask(family) for _ in range(12)]
        bad = [took for code, took in results if code]
        expect(len(bad) <= 2 and all(PATIENCE - 0.5 < took < PATIENCE + 2 for took in bad), f"{results}")
    begin = time.monotonic()
    bed.daemon.send_signal(signal.SIGTERM)
    code, took = bed.daemon.wait(10), time.monotonic() - begin
    expect(code == 0 and took < 3, f"it ended with {code} after {took} s")
    bed.daemon = bed.lab.penstock(PENSTOCKD, bed.config(bed.lab.backends))
    expect(wait_until(lambda: bed.ask(family)[0] == 0, 5), "the next one does not serve")


@of_families("penstockd ends while a handshake thread stands still", families=(6,))
def stuck_at_end(bed, family):
    """It does not wait for it for ever, says so, and what it leaves behind is no obstacle for the next."""
    threads = handshake_threads(bed)[:1]
    with stopped(threads), bed.begin(family), bed.begin(family):
        bed.daemon.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        expect(wait_until(lambda: os.waitpid(threads[0], ALL_THREADS | os.WNOHANG)[0], 10), "penstockd does not end")
        code, took = bed.daemon.wait(10), time.monotonic() - begin
    expect(code == 0 and took < 8, f"it ended with {code} after {took} s")
    with open(f"{bed.lab.where}/penstockd.log", encoding="utf-8", errors="replace") as log:
        expect("a thread for TLS handshakes does not end" in log.read(), "the log does not say why")
    bed.daemon = bed.lab.penstock(PENSTOCKD, bed.config(bed.lab.backends))
    expect(wait_until(lambda: bed.ask(family)[0] == 0, 5), "the next one does not serve")
