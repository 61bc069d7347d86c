#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions per packet, counted by callgrind: of each stage, and of the whole by the source file that they come from.

    bench/instructions.py [CASE...]

For machines whose processor does not let itself be counted, as virtual ones. It says what is computed, not what waits
for memory: that is the difference to the cycles of bench-stages. callgrind knows no AVX-512, so the program that it
runs is compiled for x86-64-v3 (make bench-instructions).
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAM = os.path.join(os.environ.get("BUILD", "build"), "bench-stages")
BURST = 64  # BURST_MAX of dp/packet.h
CASES = ["dsr-gue IPv4", "dsr-gue IPv4 limits", "dsr-ipip IPv6 limits", "nat IPv4 both ways limits", "full-nat IPv4 both ways limits",
         "nat IPv4 new connections", "all denied", "two workers, none steered", "two workers, all steered"]
WHOLE = ["pipeline_received", "pipeline_steered", "worker_flush"]
STAGES = ["parse", "classify", "echo", "steer", "limit", "proxy", "track", "balance", "heaviest", "rewrite"]


class Profile:
    """A file of callgrind's: what functions cost themselves, by source file, and what calls cost."""

    def __init__(self, path):
        self.names, self.own, self.calls = {}, collections.Counter(), {}
        where, called, skip = {"ob": "", "fl": "", "fn": ""}, "", False
        for line in open(path, encoding="utf-8", errors="replace"):
            spec = re.match(r"(ob|fl|fi|fe|fn|cob|cfi|cfl|cfn)=(\(\d+\))(?: (.*))?", line)
            if spec:
                kind, name = spec.group(1), self.name(*spec.groups())
                called = name if kind == "cfn" else called
                where[{"fi": "fl", "fe": "fl"}.get(kind, kind)] = name
            elif line.startswith("calls="):
                count, skip = int(line[6:].split()[0]), True
            elif re.match(r"[+\-*\d]\d* \d+$", line):
                cost = int(line.split()[1])
                if skip:
                    before = self.calls.get((where["fn"], called), (0, 0))
                    self.calls[where["fn"], called] = (before[0] + count, before[1] + cost)
                else:
                    self.own[where["ob"], where["fl"]] += cost
                skip = False

    def name(self, kind, number, text):
        """Names are told once, then by number: those of objects, files and functions apart."""
        key = kind[-2:].replace("fi", "fl").replace("fe", "fl"), number
        if text is not None:
            self.names[key] = text
        return self.names.get(key, "")


def callgrind(case, *options):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "profile")
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *options, PROGRAM, "--no-huge", "--short", case],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode or not os.path.exists(out):
            sys.exit(f"{case}: {done.stdout[-2000:]}")
        return Profile(out)


def part(place):
    """What people call a source file, or a library whose source is not at hand."""
    ob, fl = place
    inside = re.search(r"(?:^|/)((?:dp|lib|cp|bench)/(?!gcc/)[^?]+\.[ch])$", fl)
    if inside:
        return inside.group(1)
    if fl.endswith("intrin.h"):
        return "intrinsics"
    if "rte_" in fl:
        return "DPDK: " + os.path.basename(fl)
    return os.path.basename(ob).split(".so")[0] or "?"


def count(case):
    """Packets are those of the rounds alone, not those that make flows known before."""
    rounds = callgrind(case, "--zero-before=measure", "--toggle-collect=measure")
    packets = rounds.calls["measure", "whole"][0] * BURST
    staged = rounds.calls.get(("staged", "stage_parse"), (0, 0))[0] * BURST
    stages = {name: rounds.calls["staged", f"stage_{name}"][1] / staged for name in STAGES} if staged else {}
    parts = collections.Counter()
    for place, cost in callgrind(case, "--zero-before=measure", "--collect-atstart=no", *(f"--toggle-collect={name}" for name in WHOLE)).own.items():
        parts[part(place)] += cost / packets
    return stages, parts


def main():
    if not shutil.which("valgrind"):
        sys.exit("valgrind is missing: make deps")
    for case in sys.argv[1:] or CASES:
        stages, parts = count(case)
        print(f"{case}: {sum(parts.values()):.0f} instructions a packet")
        if stages:
            print("    the long way, by stage: " + ", ".join(f"{name} {cost:.0f}" for name, cost in stages.items()))
        print("    by source: " + ", ".join(f"{name} {cost:.1f}" for name, cost in parts.most_common() if cost >= 0.5), flush=True)


if __name__ == "__main__":
    main()
