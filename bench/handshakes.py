#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Full TLS 1.3 handshakes (ECDSA P-256, X25519) for each second of a processor: a handshake thread of ours (bench-tls),
with mbedTLS's arithmetic and, where build/openssl is built (make bench does; make TLS_ARITHMETIC=openssl
B=build/openssl build/openssl/bench-tls), with OpenSSL's; beside them HAProxy on one core, with the kernel's TCP on the loopback device
and bench-handshakes on the other core. In turns; medians.

    bench/handshakes.py [--runs N] [--seconds S]      as root, for the network namespace
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

import wire
from listeners import network

CLIENTS = 32
HAPROXY = """
global
    nbthread 1
    maxconn 4000
    tune.ssl.cachesize 0
    ssl-default-bind-options no-tls-tickets
defaults
    mode http
    timeout client 10s
frontend f
    bind 127.0.0.1:8443 backlog 4096 ssl crt {folder}/own.pem
    http-request return status 200
"""


def haproxy(inside, folder, seconds):
    """Handshakes for each second that HAProxy's process has had; the kernel's part of its TCP is in it."""
    proxy = subprocess.Popen([*inside, "taskset", "-c", str(wire.WORKER_CORE), "haproxy", "-db", "-f", f"{folder}/haproxy.cfg"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        if proxy.poll() is not None:
            sys.exit("bench: haproxy does not start")
        done = subprocess.run([*inside, "taskset", "-c", str(wire.GENERATOR_CORE), f"{wire.BUILD}/bench-handshakes", "8443",
                               str(CLIENTS), str(seconds), str(proxy.pid)], capture_output=True, text=True, check=False, timeout=60)
    finally:
        proxy.terminate()
        proxy.wait()
    count = json.loads(done.stdout) if done.returncode == 0 else sys.exit(f"bench: bench-handshakes: {done.stderr}")
    if count["failed"] or not count["handshakes"]:
        sys.exit(f"bench: handshakes with haproxy failed: {count}")
    return count["handshakes"] / count["server_cpu"]


def thread(build, folder):
    """The same of a handshake thread, in full, resumed, and resumed without a key exchange: a rate, and the share that the arithmetic
    alone has of the time."""
    names = {"full": "13-ecdsa-x25519", "resumed": "13-resumed-x25519", "alone": "13-resumed-alone"}
    subprocess.run(["taskset", "-c", str(wire.WORKER_CORE), f"{build}/bench-tls", "--json", f"{folder}/tls.json", "--only",
                    ",".join(names.values()), "handshakes"], stdout=subprocess.DEVNULL, check=True, timeout=60)
    with open(f"{folder}/tls.json", encoding="ascii") as result:
        cases = {r["case"]: r for r in json.load(result)}
    found = {what: cases[f"handshake {name}"] for what, name in names.items()}
    return {what: {"rate": 1e9 / case["ns"], "share": case["share"]} for what, case in found.items()}


def builds():
    """Handshake threads with either arithmetic, of which that of OpenSSL need not be built."""
    both = {"mbedTLS's arithmetic": wire.BUILD, "OpenSSL's arithmetic": f"{wire.BUILD}/openssl"}
    return {name: build for name, build in both.items() if os.path.exists(f"{build}/bench-tls")}


def beside_haproxy(runs, seconds):
    """In turns: what each of our builds does, and HAProxy's rate; of HAProxy nothing where there is none, or no permission."""
    found = {name: [] for name in builds()}
    if os.geteuid() != 0 or not shutil.which("haproxy"):
        with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
            return {name: [thread(build, folder) for _ in range(runs)] for name, build in builds().items()}
    found["HAProxy"] = []
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder, network() as inside:
        prepare(folder)
        for _ in range(runs):
            for name, build in builds().items():
                found[name].append(thread(build, folder))
            found["HAProxy"].append(haproxy(inside, folder, seconds))
    return found


def prepare(folder):
    """HAProxy's configuration and certificate."""
    with open(f"{folder}/haproxy.cfg", "w", encoding="ascii") as out:
        out.write(HAPROXY.format(folder=folder))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=shop.example", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem"],
                   check=True, capture_output=True)
    with open(f"{folder}/own.pem", "w", encoding="ascii") as out:
        for name in ("certificate", "key"):
            with open(f"{folder}/{name}.pem", encoding="ascii") as part:
                out.write(part.read())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    found = beside_haproxy(options.runs, options.seconds)
    if "HAProxy" not in found:
        sys.exit("bench: no haproxy here, or no permission for a namespace")
    rates = {name: runs if name == "HAProxy" else [r["full"]["rate"] for r in runs] for name, runs in found.items()}
    for name, each in rates.items():
        ratio = statistics.median(a / b for a, b in zip(each, rates["HAProxy"]))
        print(f"{name:24} {statistics.median(each):8.0f} handshakes for a second of a processor, best {max(each):8.0f}, "
              f"{ratio:5.2f} of HAProxy's")


if __name__ == "__main__":
    main()
