#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Listeners: penstockd on one core ends clients' TCP and connects to backends; bench-proxy on the other core is both, at
the far end of a memif port. Beside it HAProxy on the same core, with the kernel's TCP on the loopback device and
bench-sockets on the other core.

    bench/listeners.py [--runs N] [--seconds S] [--json FILE] [PART...]    parts: exchange exchange6 open bulk idle flood haproxy
"""
import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import wire
from cases import head
from wire import RING, Wire, read_count, waited

PORT = 8080
BACKENDS = 4
KEPT = 1000             # connections that exchange messages
OPENING = 512           # that are being opened and closed at a time
STREAMS = 16            # that carry bulk data
IDLE = 1000000
FLOOD = 5150000         # SYNs a second; what the generator's own stops take of them is left out
FLOOD_EXCHANGES = 100000  # a second, beside them
DISTURBED = 0.03        # of the time: such a run is made again


def config(where, v6=False, memory="1400M", sessions=65536):
    net = "2001:db8:2::1:" if v6 else "10.2.1."
    addresses = [f"{net}{i}" for i in range(1, BACKENDS + 1)]
    backends = ", ".join(f'{{ address = "{a}"; port = {PORT}; }}' for a in addresses)
    return (head(where, 65536, addresses, memory, f"sessions = {sessions};") +
            f'pools = ( {{ name = "p"; backends = ( {backends} ); }} );\n'
            f'listeners = ( {{ name = "l"; address = "{listener(v6)}"; port = {PORT}; protocol = "tcp"; pool = "p"; }} );\n')


def listener(v6):
    return "2001:db8:f::20" if v6 else "203.0.113.20"


def run(load, seconds, *more, v6=False):
    """What the peers have counted, and what penstockd has."""
    with Wire(RING, zero_copy=True) as w:
        peers = w.peers("--listener", listener(v6), "--port", PORT, "--seconds", seconds, *more, load)
        daemon = w.penstockd(config(w, v6))
        count = read_count(peers)
        count["tcp"] = w.show("tcp")[0]
        count["drops"] = {d["reason"]: d["count"] for d in w.show("drops") if d["count"]}
        phase = count.get("with", count)
        count["disturbed"] = max(phase["waited"] / phase["seconds"], waited(daemon)) > DISTURBED
    count["disturbed"] |= wire.cores.moved()
    return count


def measure(load, runs, seconds, rate, *more, v6=False):
    """The median of some runs. rate: of a run's counts."""
    found, again = [], 2 * runs
    while len(found) < runs:
        count = run(load, seconds, *more, v6=v6)
        if count["disturbed"] and again:
            again -= 1
            continue
        found.append(count)
    rates = [rate(c) / c["seconds"] for c in found]
    return {"rate": statistics.median(rates), "best": max(rates), "least": min(rates),
            "busy": statistics.median(c["busy"] for c in found), "p50": statistics.median(c["p50"] for c in found),
            "p99": statistics.median(c["p99"] for c in found), "broken": sum(c["broken_in_all"] + c["stuck"] for c in found),
            "resent": sum(c["resent"] + c["tcp"]["retransmits"] for c in found),
            "disturbed": sum(c["disturbed"] for c in found), "runs": found}


def memory_of(pid):
    """Bytes of a process: hugepages, and all else that is in memory."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    return {what: int(fields[name].split()[0]) * 1024 for what, name in (("huge", "HugetlbPages"), ("rss", "VmRSS"))}


def idle(connections=IDLE, memory="900M"):
    """Open them all, see what they take, and then have each carry a request and its answer."""
    with Wire(RING) as w:
        peers = w.peers("--listener", listener(False), "--port", PORT, "--connections", connections, "idle")
        daemon = w.penstockd(config(w, memory=memory, sessions=connections))
        opened = read_count(peers)
        used = memory_of(daemon.pid)
        tcp = w.show("tcp")[0]
        peers.send_signal(signal.SIGUSR1)
        count = read_count(peers)
        count["tcp"] = w.show("tcp")[0]
    return {"connections": connections, "opened": opened, "bytes": used["huge"] + used["rss"], **used, "sessions": tcp["sessions"],
            "answered": count["answered"], "broken": count["broken_in_all"] + count["stuck"], "count": count}


# ---- HAProxy --------------------------------------------------------------------------------------------------------

HAPROXY = """
global
    nbthread 1
    maxconn 4000
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen l
    bind 127.0.0.1:8080
    server s 127.0.0.1:9000
"""
SETTINGS = {"net.ipv4.ip_local_port_range": "1024 65535", "net.ipv4.tcp_max_tw_buckets": "0", "net.core.somaxconn": "4096",
            "net.ipv4.tcp_max_syn_backlog": "8192"}


@contextlib.contextmanager
def network():
    """Words that run a command in a network namespace of its own. The first process there holds it until the end."""
    setup = "ip link set lo up && " + " && ".join(f"sysctl -qw {k}='{v}'" for k, v in SETTINGS.items()) + " && echo && exec sleep 600"
    with subprocess.Popen(["unshare", "--net", "sh", "-c", setup], stdout=subprocess.PIPE, text=True) as holder:
        try:
            if holder.stdout.readline() != "\n":
                sys.exit("bench: no network namespace")
            yield ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
        finally:
            holder.terminate()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def haproxy_run(load, seconds):
    """None: there is no HAProxy here, or no permission for namespaces."""
    if os.geteuid() != 0 or not shutil.which("haproxy"):
        return None
    wire.cores.settle()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder, network() as inside:
        path = f"{folder}/haproxy.cfg"
        with open(path, "w", encoding="ascii") as out:
            out.write(HAPROXY)
        proxy = subprocess.Popen([*inside, "taskset", "-c", str(wire.WORKER_CORE), "haproxy", "-db", "-f", path],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            if proxy.poll() is not None:
                sys.exit("bench: haproxy does not start")
            before, start = cpu_seconds(proxy.pid), time.monotonic()
            done = subprocess.run([*inside, "taskset", "-c", str(wire.GENERATOR_CORE), f"{wire.BUILD}/bench-sockets", load, "8080", "9000",
                                   str(KEPT if load == "exchange" else OPENING), str(seconds)],
                                  capture_output=True, text=True, check=False, timeout=60)
            busy = (cpu_seconds(proxy.pid) - before) / (time.monotonic() - start)
            if done.returncode != 0:
                sys.exit(f"bench: bench-sockets: {done.stderr}")
        finally:
            proxy.terminate()
            proxy.wait()
    count = json.loads(done.stdout)
    if count["failed"]:
        sys.exit(f"bench: {count['failed']} connections through haproxy failed")
    return {**count, "proxy_busy": busy}


def haproxy(runs, seconds):
    result = {}
    for load, what in (("exchange", "answers"), ("open", "closed")):
        found = [haproxy_run(load, seconds) for _ in range(runs)]
        if found[0] is None:
            return None
        result[load] = {"rate": statistics.median(f[what] / f["seconds"] for f in found), "runs": found,
                        "busy": statistics.median(f["busy"] for f in found),
                        "proxy_busy": statistics.median(f["proxy_busy"] for f in found)}
    return result


# ---- all ------------------------------------------------------------------------------------------------------------

def answers(count):
    return count["answers"]


def flood(runs, seconds):
    """The run with the median of what the flood does to the others. What stops the machine for some us is about as often as
    the quantile: it takes more runs than other parts. Of the generator's own stops nothing is measured (`voided`)."""
    runs = 1 if runs == 1 else max(5, runs)
    found = [run("flood", seconds, "--connections", KEPT, "--rate", FLOOD_EXCHANGES, "--flood", FLOOD) for _ in range(runs)]
    for f in found:
        f["times"] = f["with"]["window_p99"] / max(0.1, f["without"]["window_p99"])
        f["syns"] = f["with"]["floods"] / f["with"]["seconds"]
    return sorted(found, key=lambda f: f["times"])[runs // 2]


PARTS = {
    "exchange": lambda o: measure("exchange", o.runs, o.seconds, answers, "--connections", KEPT),
    "exchange6": lambda o: measure("exchange", o.runs, o.seconds, answers, "--connections", KEPT, v6=True),
    "open": lambda o: measure("open", o.runs, o.seconds, lambda c: c["closed"], "--connections", OPENING),
    "bulk": lambda o: measure("bulk", o.runs, o.seconds, lambda c: c["bytes"] * 8, "--connections", STREAMS),
    "flood": lambda o: flood(o.runs, o.seconds),
    "idle": lambda o: idle(),
    "haproxy": lambda o: haproxy(max(1, o.runs // 2), o.seconds),
}


def text(name, r):
    """A line for people."""
    if name == "haproxy":
        return "HAProxy: none here, or no permission for a namespace" if r is None else (
            f"HAProxy: {r['exchange']['rate']:,.0f} exchanges/s, {r['open']['rate']:,.0f} connections/s")
    if name == "idle":
        return f"{r['connections']:,} idle connections: {r['bytes'] / 1e6:,.0f} MB, {r['answered']:,} of them carried data afterwards"
    if name == "flood":
        return (f"{r['syns'] / 1e6:.2f} M SYN/s beside {FLOOD_EXCHANGES:,} exchanges/s: {r['with']['broken']} broken, p99 "
                f"{r['without']['window_p99']:.1f} us without, {r['with']['window_p99']:.1f} us with (with what stopped the machine "
                f"{r['without']['p99']:.0f} and {r['with']['p99']:.0f} us; not measured {r['without']['voided']:,} and {r['with']['voided']:,} "
                f"of {r['without']['answers']:,} and {r['with']['answers']:,}, as the generator itself stood still); the generator was busy for {r['with']['busy']:.0%}")
    unit, scale = ("Gb/s", 1e9) if name == "bulk" else ("M/s", 1e6)
    return (f"{name}: {r['rate'] / scale:.3f} {unit} ({r['least'] / scale:.3f} to {r['best'] / scale:.3f}), the generator was busy for "
            f"{r['busy']:.0%}; {r['resent']} segments sent again, {r['broken']} connections broken"
            + (f"; p50 {r['p50']:.0f} us, p99 {r['p99']:.0f} us" if r["p50"] else "")
            + f"; {r['disturbed']} of {len(r['runs'])} runs disturbed" * bool(r["disturbed"]))


def measure_all(options, parts=None):
    results = {}
    for name in parts or PARTS:
        results[name] = PARTS[name](options)
        print(text(name, results[name]), flush=True)
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--json")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    options = parser.parse_args()
    results = measure_all(options, options.parts)
    if options.json:
        with open(options.json, "w", encoding="ascii") as out:
            json.dump(results, out, indent=2)


if __name__ == "__main__":
    main()
