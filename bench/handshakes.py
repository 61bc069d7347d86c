#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Full TLS 1.3 handshakes (ECDSA P-256, X25519) for each second of a processor: a handshake thread of ours (bench-tls),
with mbedTLS's arithmetic and, where build/openssl is built (make TLS_ARITHMETIC=openssl B=build/openssl
build/openssl/bench-tls), with OpenSSL's; beside them HAProxy on one core, with the kernel's TCP on the loopback device
and bench-handshakes on the other core. In turns; medians.

    bench/handshakes.py [--runs N] [--seconds S]      as root, for the network namespace
"""
import argparse
import json
import os
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


def ours(build, folder):
    """The same of a handshake thread."""
    subprocess.run(["taskset", "-c", str(wire.WORKER_CORE), f"{build}/bench-tls", "--json", f"{folder}/tls.json", "handshakes"],
                   stdout=subprocess.DEVNULL, check=True, timeout=60)
    with open(f"{folder}/tls.json", encoding="ascii") as result:
        return next(1e9 / r["ns"] for r in json.load(result) if r["case"] == "handshake 13-ecdsa-x25519")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    builds = {"mbedTLS's arithmetic": wire.BUILD, "OpenSSL's arithmetic": f"{wire.BUILD}/openssl"}
    found = {name: [] for name, build in builds.items() if os.path.exists(f"{build}/bench-tls")}
    found["HAProxy"] = []
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder, network() as inside:
        with open(f"{folder}/haproxy.cfg", "w", encoding="ascii") as out:
            out.write(HAPROXY.format(folder=folder))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=shop.example", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem"],
                       check=True, capture_output=True)
        with open(f"{folder}/own.pem", "w", encoding="ascii") as out:
            for name in ("certificate", "key"):
                with open(f"{folder}/{name}.pem", encoding="ascii") as part:
                    out.write(part.read())
        for _ in range(options.runs):
            for name in found:
                found[name].append(haproxy(inside, folder, options.seconds) if name == "HAProxy" else ours(builds[name], folder))
    ratios = {name: [a / b for a, b in zip(rates, found["HAProxy"])] for name, rates in found.items()}
    for name, rates in found.items():
        print(f"{name:24} {statistics.median(rates):8.0f} handshakes for a second of a processor, best {max(rates):8.0f}, "
              f"{statistics.median(ratios[name]):5.2f} of HAProxy's")


if __name__ == "__main__":
    main()
