#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""System bench: penstockd on one core between the two ends of a memif port, a generator on the other core.

    bench/system.py [--runs N] [--seconds S] [--json FILE] [CASE...]

Beside each measurement of penstockd stands one of R in the same run: dpdk-testpmd in its place, which only swaps the
Ethernet addresses of the same packets. What is compared is the median of the ratios; machines that are not quiet make
absolute figures jump, ratios less.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("BUILD", os.path.join(HERE, "..", "build"))
MAC = "02:00:00:00:00:01"
MEMIF = "rsize=13,socket-abstract=no,mac=" + MAC
BACKENDS = 100
FLOWS = 1 << 20

LIMITS = ('limits = { client = { packets = "1G/s"; bytes = "1000G/s"; new_connections = "1G/s"; }; };')
TIGHT = 'limits = { client = { packets = "1/s"; burst = "1ms"; }; };'

# name: forward, IPv6, TCP, answers, further settings of the service, everything dropped
CASES = {
    "dsr-gue IPv4": ("dsr-gue", False, False, False, "", False),
    "dsr-gue IPv4 limits": ("dsr-gue", False, False, False, LIMITS, False),
    "dsr-ipip IPv6 limits": ("dsr-ipip", True, False, False, LIMITS, False),
    "nat IPv4 both ways limits": ("nat", False, True, True, LIMITS, False),
    "all limited": ("dsr-gue", False, False, False, TIGHT, True),
    "all denied": ("dsr-gue", False, False, False, 'deny = [ "20.0.0.0/8" ];', True),
}


def config(case, where):
    forward, v6, tcp, _, extra, _ = CASES[case]
    net = "2001:db8:2::1:" if v6 else "10.2.1."
    neighbours = ",\n  ".join(f'{{ address = "{net}{i}"; mac = "02:00:00:00:02:{i:02x}"; interface = "one"; }}' for i in range(1, BACKENDS + 1))
    backends = ", ".join(f'{{ address = "{net}{i}"; port = 8080; }}' for i in range(1, BACKENDS + 1))
    return f"""
dataplane: {{ workers = [ 0 ]; control = 1; hugepages = true; memory = "1G"; connections = {FLOWS * 5 // 4};
  eal = [ "--no-pci" ]; }};
interfaces = ( {{ name = "one"; device = "net_memif0,role=client,socket={where}/memif.sock,zero-copy=no,{MEMIF}";
    side = "both"; twin = false; mtu = 1600;
    addresses = [ "198.51.100.2/24", "2001:db8:1::2/64", "10.2.0.1/16", "2001:db8:2::1/64" ];
    source_addresses = [ "10.2.0.64/26", "2001:db8:2::100/120" ]; }} );
routes = ( {{ to = "default"; via = "198.51.100.1"; }}, {{ to = "default"; via = "2001:db8:1::1"; }} );
neighbours = ( {{ address = "198.51.100.1"; mac = "02:00:00:00:01:01"; interface = "one"; }},
  {{ address = "2001:db8:1::1"; mac = "02:00:00:00:01:01"; interface = "one"; }},
  {neighbours} );
pools = ( {{ name = "p"; backends = ( {backends} ); }} );
services = ( {{ name = "s"; address = "{'2001:db8:f::10' if v6 else '203.0.113.10'}"; port = 8080;
  protocol = "{'tcp' if tcp else 'udp'}"; forward = "{forward}"; pool = "p"; {extra} }} );
"""


def generator(case, where, seconds, frame, flows, reference):
    """Start it; it ends by itself and prints what it has counted."""
    _, v6, tcp, answers, _, dropped = CASES[case]
    frame = max(frame, (74 if tcp else 62) if v6 else 60)
    words = [f"{BUILD}/bench-generator", "--lcores", "0@1", "--file-prefix", "generator", "--in-memory", "--no-pci", "--no-telemetry",
             "--log-level=3", f"--vdev=net_memif0,role=server,socket={where}/memif.sock,rsize=13,socket-abstract=no", "--",
             "--service", "2001:db8:f::10" if v6 else "203.0.113.10", "--port", "8080", "--to", MAC, "--flows", str(flows),
             "--clients", str(min(flows, 1 << 17)), "--frame", str(frame), "--seconds", str(seconds)]
    if tcp:
        words.append("--tcp")
    if not reference and not dropped and CASES[case][0] in ("nat", "full-nat"):
        words.append("--connect")
        if answers:
            words += ["--answers", "--backends", "2001:db8:2::1:1" if v6 else "10.2.1.1"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def finish(process, seconds=60):
    out, _ = process.communicate(timeout=seconds)
    if process.returncode != 0:
        sys.exit(f"bench: the generator ended with {process.returncode}: {out}")
    return json.loads(out.splitlines()[-1])


def run_reference(case, where, seconds, frame, flows):
    gen = generator(case, where, seconds, frame, flows, True)
    time.sleep(0.5)
    testpmd = subprocess.Popen(
        ["dpdk-testpmd", "--lcores", "0@1,1@0", "--file-prefix", "reference", "--in-memory", "--no-pci", "--no-telemetry", "--log-level=3",
         f"--vdev=net_memif0,role=client,socket={where}/memif.sock,rsize=13,socket-abstract=no,zero-copy=no", "--", "-a",
         "--nb-cores=1", "--forward-mode=macswap", "--rxd=8192", "--txd=8192", "--stats-period", "1000"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return finish(gen)
    finally:
        testpmd.terminate()
        testpmd.wait(20)


def run_penstock(case, where, seconds, frame, flows):
    path = f"{where}/bench.conf"
    with open(path, "w", encoding="ascii") as out:
        out.write(config(case, where))
    gen = generator(case, where, seconds, frame, flows, False)
    time.sleep(0.5)
    log = open(f"{where}/penstockd.log", "w", encoding="ascii")
    daemon = subprocess.Popen([f"{BUILD}/penstockd", "--foreground", "--config", path, "--socket", f"{where}/penstock.sock",
                               "--state", f"{where}/state"], stdout=log, stderr=log)
    try:
        result = finish(gen)
        show = subprocess.run([f"{BUILD}/penstock", "--socket", f"{where}/penstock.sock", "show", "workers", "--json"],
                              capture_output=True, text=True, check=True)
        result["worker"] = json.loads(show.stdout)[0]
        return result
    except BaseException:
        with open(f"{where}/penstockd.log", encoding="utf-8", errors="replace") as text:
            sys.stderr.write(text.read()[-2000:])
        raise
    finally:
        daemon.terminate()
        daemon.wait(20)
        log.close()


def rate(result, dropped):
    """Packets per second that came back; where all are dropped, that were taken."""
    return (result["sent"] if dropped else result["received"]) / result["seconds"] / 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--frame", type=int, default=60)
    parser.add_argument("--json")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    results = []
    print(f"{'case':28} {'Mpps':>7} {'best':>7} {'R':>7} {'offered':>8} {'share of R':>11}")
    for case in options.cases or CASES:
        dropped = CASES[case][5]
        ours, reference, offered = [], [], []
        for _ in range(options.runs):
            where = tempfile.mkdtemp(prefix="penstock-bench-")
            try:
                reference.append(rate(run_reference(case, where, options.seconds, options.frame, 1 << 10), False))
                result = run_penstock(case, where, options.seconds, options.frame, FLOWS)
                ours.append(rate(result, dropped))
                offered.append(result["sent"] / result["seconds"] / 1e6)
            finally:
                shutil.rmtree(where)
        ratio = statistics.median(a / b for a, b in zip(ours, reference))
        print(f"{case:28} {statistics.median(ours):7.2f} {max(ours):7.2f} {max(reference):7.2f} {statistics.median(offered):8.2f} {ratio:11.2f}", flush=True)
        results.append({"case": case, "mpps": ours, "reference": reference, "offered": offered, "ratio": ratio})
    if options.json:
        with open(options.json, "w", encoding="ascii") as out:
            json.dump(results, out, indent=2)


if __name__ == "__main__":
    main()
