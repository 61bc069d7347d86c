#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The whole bench, `make bench`: nine parts, one table, build/bench/result.json. About ten minutes on two cores.

    bench/run.py [--runs N] [--seconds S] [PART...]        parts: stages system new attack steering listeners http https control

R is what the wire itself does: dpdk-testpmd macswap in penstockd's place, measured again beside each case of the
system bench. Every rate stands beside its share of R; every target beside what was reached.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import time

import changes
import http_listeners
import https_listeners
import listeners
import packets
import system
import wire
from cases import ATTACKS, CASES, NEW, SIZES
from report import Report

PARTS = ["stages", "system", "new", "attack", "steering", "listeners", "http", "https", "control"]
STEERING = ("two workers, none steered", "two workers, half steered", "two workers, all steered",
            "two workers, two cores, all steered", "two workers, packets only handed over",
            "two workers, two cores, only handed over",
            "two workers, two cores, half steered")


def run_program(name, json_path, *words):
    """One of the bench's programs; what it prints is for people, its JSON is returned."""
    done = subprocess.run([f"{wire.BUILD}/bench-{name}", "--json", json_path, *words], check=False, timeout=300)
    if done.returncode != 0:
        sys.exit(f"bench: bench-{name} ended with {done.returncode}")
    with open(json_path, encoding="ascii") as result:
        return json.load(result)


def reference(report, options):
    """R and the generator's own best, before everything else."""
    print("\n== the wire ==", flush=True)
    case = CASES[0]
    rates = {"R": [], "still": [], "flowgen": [], "alone": []}
    for _ in range(min(2, options.runs)):
        for name, more in (("R", []), ("still", ["--still"])):
            for _ in range(3):
                found = system.run_reference(case, options.seconds, *more)
                if not found["disturbed"]:
                    break
            rates[name].append(found["pps"])
        rates["flowgen"].append(system.run_flowgen(options.seconds))
        rates["alone"].append(system.run_generator_alone(case, options.seconds))
    report.set_reference(rates)


def stages(report, options):
    print("\n== stages ==", flush=True)
    results = run_program("stages", f"{options.out}/stages.json")
    report.stages({r["case"]: r for r in results})


def system_cases(report, cases, runs, seconds):
    print(system.HEAD, flush=True)
    for case in cases:
        result = system.measure(case, runs, seconds)
        print(system.line(case, result), flush=True)
        report.system(case, result)


def system_part(report, options):
    print("\n== system ==", flush=True)
    system_cases(report, CASES, options.runs, options.seconds)
    system_cases(report, SIZES, min(2, options.runs), options.seconds / 2)
    check = packets.measure(options.seconds / 2)
    report.check_of_generator(check)


def new_part(report, options):
    print("\n== new connections ==", flush=True)
    system_cases(report, [NEW], options.runs, options.seconds)


def attack_part(report, options):
    print("\n== attack ==", flush=True)
    system_cases(report, ATTACKS, options.runs, options.seconds)


def steering_part(report, options):
    """Part of the stages; run alone it measures just those."""
    if not report.has_steering():
        print("\n== steering ==", flush=True)
        report.stages({r["case"]: r for r in run_program("stages", f"{options.out}/steering.json", *STEERING)})
    report.steering(STEERING)


def listeners_part(report, options):
    """Its runs are longer: connections have to be opened before."""
    print("\n== listeners ==", flush=True)
    report.listeners(listeners.measure_all(argparse.Namespace(runs=min(2, options.runs), seconds=options.seconds)))


def http_part(report, options):
    print("\n== HTTP listeners ==", flush=True)
    report.http(http_listeners.measure_all(argparse.Namespace(runs=min(2, options.runs), seconds=options.seconds)))


def https_part(report, options):
    print("\n== HTTPS listeners ==", flush=True)
    report.https(https_listeners.measure_all(argparse.Namespace(runs=1, seconds=options.seconds)))


def control_part(report, options):
    print("\n== control ==", flush=True)
    report.control(run_program("control", f"{options.out}/control.json"))
    report.changes(changes.publications(100))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    options = parser.parse_args()
    options.out = os.path.abspath(f"{wire.BUILD}/bench")
    os.makedirs(options.out, exist_ok=True)
    if os.cpu_count() < 2:
        sys.exit("bench: two cores are needed, one for penstockd and one for the generator")
    if not shutil.which("dpdk-testpmd"):
        sys.exit("bench: R needs dpdk-testpmd (make deps; on Debian it is in the package dpdk-dev)")
    if not wire.have_hugepages():
        print(f"bench: {wire.free_hugepages()} hugepages are free, {wire.HUGEPAGES} are needed: ordinary memory is used, which is slower")
    start = time.monotonic()
    report = Report(wire.have_hugepages())
    run = {"stages": stages, "system": system_part, "new": new_part, "attack": attack_part, "steering": steering_part,
           "listeners": listeners_part, "http": http_part, "https": https_part, "control": control_part}
    reference(report, options)
    try:
        for part in options.parts or PARTS:
            begun = time.monotonic()
            run[part](report, options)
            print(f"({part}: {time.monotonic() - begun:.0f} s)", flush=True)
    finally:
        # What a part that fails has not lost.
        report.machine["round_trips"] = wire.cores.seen
        report.finish(options.out, time.monotonic() - start)


if __name__ == "__main__":
    main()
