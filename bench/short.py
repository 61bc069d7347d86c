#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The bench as a test, in seconds: it fails when a cost has changed its shape, never because of absolute time.

Costs of the same run are compared with each other, with much room; what looks wrong is measured again, twice, because a
machine that does other things may be slow just then. That every packet leaves as it should is checked by bench-stages
itself. And: are the packets that bench-generator sends right, byte by byte? Does bulk data come through whole where buffers
are the rings' and these are full all the time?

Prints `N passed, N failed`.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

import http_listeners
import https_listeners
import packets
import wire

BUILD = os.environ.get("BUILD", "build")
TRIES = 3

# what, case, of which other case, at most so many times its cost
SHAPES = [
    ("dsr-gue with limits, 2^20 flows over 2^15", "dsr-gue IPv4 limits", "dsr-gue IPv4 limits 2^15", 2.0),
    ("nat, 2^20 flows over 2^15", "nat IPv4", "nat IPv4 2^15", 2.0),
    ("nat both ways with limits, 2^20 flows over 2^15", "nat IPv4 both ways limits", "nat IPv4 both ways limits 2^15", 2.0),
    ("limits over none", "dsr-gue IPv4 limits", "dsr-gue IPv4", 2.5),
    ("IPv6 over IPv4", "dsr-gue IPv6", "dsr-gue IPv4", 2.0),
    ("nat over dsr-gue", "nat IPv4", "dsr-gue IPv4", 2.5),
    ("to deny over to forward", "all denied", "dsr-gue IPv4", 1.0),
    ("a new connection over a known one", "nat IPv4 new connections", "nat IPv4", 40.0),
    ("all packets at the wrong worker over none", "two workers, all steered", "two workers, none steered", 2.0),
]


def costs(names, where):
    """Cycles a packet of each case; None if bench-stages has failed."""
    out = f"{where}/costs.json"
    done = subprocess.run([f"{BUILD}/bench-stages", "--no-huge", "--short", "--json", out, *names], check=False, timeout=120)
    if done.returncode != 0:
        return None
    with open(out, encoding="ascii") as result:
        return {r["case"]: r["cycles"] for r in json.load(result)}


def wrong_shapes(shapes, where):
    """Those that do not hold now, with what was found; None if bench-stages has failed."""
    found = costs(sorted({name for s in shapes for name in s[1:3]}), where)
    if found is None:
        return None
    wrong = []
    for shape in shapes:
        what, case, base, most = shape
        times = found[case] / found[base]
        print(f"{what}: {times:.2f} times, at most {most:.1f}", flush=True)
        if times > most:
            wrong.append(shape)
    return wrong


def shapes_hold(where):
    """How many do and do not."""
    wrong = SHAPES
    for _ in range(TRIES):
        wrong = wrong_shapes(wrong, where)
        if not wrong:
            break
    if wrong is None:
        print("FAILED: bench-stages")
        return 0, len(SHAPES)
    for what, *_ in wrong:
        print(f"FAILED: {what}")
    return len(SHAPES) - len(wrong), len(wrong)


def frames_of(path):
    with open(path, "rb") as capture:
        data = capture.read()
    at = 24
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + size]
        at += 16 + size


def sums_are_right(frame):
    """Of the IP header (IPv4) and of TCP or UDP over everything."""
    v6 = frame[12:14] == b"\x86\xdd"
    ip, proto = (frame[14:54], frame[20]) if v6 else (frame[14:34], frame[23])
    l4 = frame[54:] if v6 else frame[34:]
    pseudo = (ip[8:40] if v6 else ip[12:20]) + struct.pack("!II", len(l4), proto)
    return (v6 or packets.checksum(ip) == 0) and packets.checksum(pseudo + l4) == 0


def generator_is_right(where, service, *options):
    """One pass over 4,096 flows into a file: every flow once, all sums right."""
    path = f"{where}/sent.pcap"
    words = [f"{BUILD}/bench-generator", "--no-huge", "-m", "256", "--no-shconf", "--no-pci", "--no-telemetry", "--log-level=3",
             "--file-prefix", f"bench-short-{os.getpid()}", "--lcores", "0@0", f"--vdev=net_pcap0,tx_pcap={path}", "--", "--service", service,
             "--port", "8080", "--to", packets.MAC, "--flows", "4096", "--clients", "1024", "--once", "--one-way", *options]
    done = subprocess.run(words, stdout=subprocess.DEVNULL, check=False, timeout=60)
    sent = list(frames_of(path))[-4096:] if done.returncode == 0 else []
    at = 22 if ":" in service else 26
    flows = {f[at:at + (16 if ":" in service else 4)] + f[-(len(f) - (54 if ":" in service else 34)):][:2] for f in sent}
    right = len(sent) == 4096 and len(flows) == 4096 and all(map(sums_are_right, sent))
    print(f"packets of the generator to {service} {' '.join(options)}: {len(sent)} packets, {len(flows)} flows, "
          f"{sum(map(sums_are_right, sent))} with right sums{'' if right else ' FAILED'}")
    return right


def bulk_is_whole():
    """Answers of 1 MB by HTTPS on 16 connections, through a memif port without copies: is any of them wrong or broken, has
    penstockd ended? (Connections may be stuck, or not open, where the machine does other things.)"""
    for _ in range(TRIES):
        try:
            count = http_listeners.run("bulk", 1, "--tls", "--connections", 16, "--body", 1000000, make=https_listeners.config)
        except SystemExit as error:
            print(f"bulk data without copies: {error}", flush=True)
            if "no daemon answers" in str(error):
                break
            continue
        bad = http_listeners.bad(count) - count["stuck"]
        print(f"bulk data without copies: {count['bytes'] / 1e6:.0f} MB, {bad} wrong or broken")
        if bad or not count["bytes"]:
            break
        return True
    print("FAILED: bulk data without copies")
    return False


def main():
    wire.cores.patience = None
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as where:
        passed, failed = shapes_hold(where)
        for words in (("203.0.113.10",), ("203.0.113.10", "--tcp", "--frame", "64"), ("2001:db8:f::10", "--frame", "62"),
                      ("2001:db8:f::10", "--tcp", "--frame", "1495")):
            right = generator_is_right(where, *words)
            passed += right
            failed += not right
    right = bulk_is_whole()
    passed += right
    failed += not right
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
