# SPDX-License-Identifier: Apache-2.0
"""HTTP listeners under load: through changes of their routes, by programs that measure web servers, and beside clients that mean no
good."""
import os
import re
import subprocess
import threading
import time

from bed import Wrong, expect
from http_bed import FAMILIES, address, one_worker, test, two_workers

BOTH = (one_worker, two_workers)
SECONDS = os.environ.get("E2E_LOAD_SECONDS", "1")  # of each program


def url(family, path, last=72):
    host = address(last, family)
    return f"http://{f'[{host}]' if family == 6 else host}{path}"


# ---- changes ---------------------------------------------------------------------------------------
PATHS = (("/two/", None), ("/fixed", None), ("/one/", b"x" * 100), ("/new/", None), ("/two/", b"y" * 20000))


@test("30 changes of routes under load", BOTH)
def changes(bed, family):
    """Twenty kept connections: no request fails, and none of them ends."""
    wires = [bed.wire(family, seconds=10) for _ in range(20)]
    over, turns, wrong = threading.Event(), [0] * len(wires), []

    def work(i):
        try:
            while not over.is_set() and not wrong:
                path, body = PATHS[turns[i] % len(PATHS)]
                answer = wires[i].ask(path, "POST" if body else "GET", body)
                if " 200 " not in answer.first or "connection" in answer.fields:
                    wrong.append(f"{path}: {answer}")
                turns[i] += 1
        except Exception as error:  # pylint: disable=broad-except
            wrong.append(f"request {turns[i]} of {i}: {type(error).__name__} {error}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(wires))]
    for thread in threads:
        thread.start()
    try:
        for i in range(30):
            kind = ('respond = { status = 200; body = "new"; };', f'pools = ( {{ pool = "two-{family}"; }} );')[i % 2]
            extra = f'  {{ name = "new-{i}"; match = {{ path = "/new/"; }}; {kind} }},\n'
            extra += "".join(f'  {{ name = "x-{i}-{j}"; match = {{ host = "h{j}.example"; path_regex = "^/{i}+$"; }}; respond = {{ status = 404; }}; }},\n'
                             for j in range(i % 5))
            bed.apply(bed.config(bed.lab.backends, extra=extra))
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for wire in wires:
            wire.sock.close()
    expect(not wrong, f"{len(wrong)}: {wrong[:3]}")
    expect(min(turns) > 30, f"{turns}")
    bed.apply(bed.config(bed.lab.backends))
    bed.settled()


# ---- programs that measure -------------------------------------------------------------------------
@test("wrk", BOTH, FAMILIES)
def wrk(bed, family):
    bed.client("curl", "-sS", "-o", "/dev/null", url(family, "/nginx/"))  # neighbours are known now: a SYN that is lost is sent again after a second
    said = bed.client("wrk", "-t1", "-c20", f"-d{SECONDS}s", url(family, "/nginx/"))
    done = int(re.search(r"(\d+) requests in", said)[1])
    expect(done > 100 and "Socket errors" not in said and "Non-2xx" not in said, said)
    bed.settled()


@test("ab", families=FAMILIES)
def ab(bed, family):
    for words in (["-k"], []):  # HTTP/1.0, with kept connections and without
        said = bed.client("ab", *words, "-q", "-n", "600", "-c", "10", url(family, "/nginx/"))
        expect(re.search(r"Complete requests: +600\n", said) and re.search(r"Failed requests: +0\n", said) and "Non-2xx" not in said, said)
        kept = re.search(r"Keep-Alive requests: +(\d+)", said)
        expect(not words or kept and int(kept[1]) == 600, said)
    bed.settled()


@test("h2load in HTTP/1.1", families=FAMILIES)
def h2load(bed, family):
    # Of an IPv6 address in a URL it makes a Host without brackets, which is none.
    host = url(family, "").partition("//")[2]
    said = bed.client("h2load", "--h1", "-n2000", "-c20", "-m4", f"--connect-to={host}:80", "http://shop.example/nginx/")
    expect("2000 succeeded, 0 failed, 0 errored, 0 timeout" in said and "2000 2xx" in said, said)
    bed.settled()


@test("curl with many URLs", families=FAMILIES)
def many_urls(bed, family):
    # IPv6 addresses have brackets, which are curl's own for ranges.
    paths = ("/nginx/?[1-50]", "/echo/[1-50]", "/chunked/20000/[1000-1020]", "/fixed?[1-50]")
    host = url(family, "").replace("[", "\\[").replace("]", "\\]")
    said = bed.client("curl", "-s", "-S", "-m", "20", "-w", "%{http_code} %{num_connects}\\n",
                      *[word for path in paths for word in ("-o", "/dev/null", host + path)])
    lines = [line.split() for line in said.splitlines()]
    expect(len(lines) == 171 and all(code == "200" for code, _ in lines), f"{len(lines)}: {said[:500]}")
    expect(sum(int(connects) for _, connects in lines) == 1, "more than one connection")
    bed.settled()


# ---- clients that mean no good ---------------------------------------------------------------------
MODES = {"slow heads": ["-H", "-i", "1"], "slow bodies": ["-B", "-i", "1", "-s", "100000"], "ranges": ["-R", "-a", "10", "-b", "300"],
         "slow readers": ["-X", "-w", "100", "-y", "500", "-n", "1", "-z", "10", "-k", "3"]}


@test("slowhttptest")
def slow(bed, family):
    """Beside 300 of them, somebody else is answered as ever."""
    for what, words in MODES.items():
        path = {"slow readers": "/nginx/big", "slow bodies": "/echo/"}.get(what, "/nginx/")
        attack = subprocess.Popen(["ip", "netns", "exec", bed.lab.client, "slowhttptest", *words, "-c", "300", "-r", "300", "-l", "12", "-v", "0",
                                   "-u", url(family, path)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  cwd=bed.lab.where)
        bed.lab.processes.append(attack)
        slowest, asked = 0.0, 0
        try:
            end = time.monotonic() + 1.5
            while time.monotonic() < end or asked <= 10:
                begin = time.monotonic()
                with bed.wire(family) as wire:
                    answer = wire.ask("/nginx/")
                    if " 200 " not in answer.first:
                        raise Wrong(f"{what}: {answer}")
                slowest, asked = max(slowest, time.monotonic() - begin), asked + 1
                time.sleep(0.02)
            expect(what == "ranges" or attack.poll() is None, f"{what}: the attack has ended before")
        finally:
            attack.terminate()
            attack.wait(10)
        expect(slowest < 2, f"{what}: of {asked} requests the slowest took {slowest:.2f} s")
    bed.settled()


# By the listener that waits for 300 ms only. "-i 5": nothing more comes before that.
HASTY = {"header_timeouts": ["-H", "-i", "5"], "body_timeouts": ["-B", "-i", "5", "-s", "4096"]}


@test("slowhttptest's connections end with 408")
def slow_end(bed, family):
    """While it goes on, which it does until no connection is left; and each is counted. What it says to an IPv6 address has no valid Host."""
    count = 200
    for counter, words in HASTY.items():
        name = f"{bed.lab.where}/slow-{counter}"
        before = bed.counters()
        done = subprocess.run(["ip", "netns", "exec", bed.lab.client, "slowhttptest", *words, "-c", str(count), "-r", str(count), "-l", "4", "-v", "0",
                               "-g", "-o", name, "-u", url(family, "/", 73)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=30)
        after = bed.counters()
        with open(name + ".csv", encoding="ascii") as table:
            closed = [int(line.split(",")[1]) for line in table.read().splitlines()[1:]]
        expect(closed and closed[-1] >= count // 4, f"{counter}: {closed} of {count} closed: {done.stdout[-300:]}")
        times = {what: after[what] - before[what] for what in (counter, "answers_4xx", "answers_5xx", "cut_off")}
        expect(times[counter] >= closed[-1] and times == {counter: times[counter], "answers_4xx": times[counter], "answers_5xx": 0, "cut_off": 0},
               f"{closed[-1]} closed, counted {times}")
        for end in (".csv", ".html"):
            os.unlink(name + end)
    bed.settled()
