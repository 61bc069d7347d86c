#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""System bench: penstockd on one core between the two ends of a memif port, a generator on the other core.

    bench/system.py [--runs N] [--seconds S] [--frame BYTES] [--json FILE] [CASE...]

Beside each measurement of penstockd stands one of R in the same run: dpdk-testpmd in its place, which only swaps the
Ethernet addresses of the same packets, of few flows. What is compared is the median of the ratios; machines that are
not quiet make absolute figures jump, ratios less.
"""
import argparse
import dataclasses
import json
import statistics

from cases import ATTACKS, CASES, NEW, SIZES
from wire import Wire, finish

REFERENCE_FLOWS = 1 << 10


def run_reference(case, seconds, *more):
    """Packets per second through testpmd, and the share of what was offered that the wire refused at first."""
    with Wire() as wire:
        generator = wire.generator(*case.packets(), "--flows", REFERENCE_FLOWS, "--clients", REFERENCE_FLOWS, "--seconds", seconds, *more)
        wire.reference()
        count = finish(generator)
    return count["received"] / count["seconds"], refused(count)


def refused(count):
    """More than a little: the other end is what limits, not the generator."""
    return 1 - count["sent"] / max(1, count["offered"])


def run_flowgen(seconds):
    """R with testpmd's own generator."""
    with Wire() as wire:
        return wire.flowgen(seconds)


def run_generator_alone(case, seconds):
    """Packets per second that the generator sends to a testpmd that only receives."""
    with Wire() as wire:
        generator = wire.generator(*case.packets(), *case.flow_options()[:4], "--one-way", "--seconds", seconds)
        wire.reference("rxonly")
        count = finish(generator)
    return count["sent"] / count["seconds"], refused(count)


def run_penstock(case, seconds):
    """What the generator has counted, what came through per second, and what was lost where."""
    with Wire() as wire:
        generator = wire.generator(*case.packets(), *case.flow_options(), "--seconds", seconds)
        wire.penstockd(case.config(wire))
        count = finish(generator)
        worker = wire.show("workers")[0]
        drops = {d["reason"]: d["count"] for d in wire.show("drops") if d["count"]}
    passed = count["sent"] if case.dropped or case.new else count["received"]
    return {
        "pps": passed / count["seconds"],
        "refused": refused(count),
        "sent": count["sent"],
        "good_sent": count["good_sent"], "good_lost": count["good_sent"] - count["good_received"],
        # At both ends, of all packets since the beginning: on the way to penstockd, in it, on the way back.
        "lost_to": count["port_sent"] - worker["packets_in"],
        "drops": drops,
        "lost_back": worker["packets_out"] - count["port_received"],
        "connections": worker["connections"],
        "gbits": count["received_bytes"] * 8 / count["seconds"] / 1e9,
    }


def measure(case, runs, seconds):
    """Alternating; the medians."""
    ours, references, full = [], [], []
    for _ in range(runs):
        reference, at_first = run_reference(dataclasses.replace(case, tcp=case.tcp and not case.new), seconds)
        references.append(reference)
        full.append(at_first)
        ours.append(run_penstock(case, seconds))
    rates = [o["pps"] for o in ours]
    result = {
        "case": case.name, "frame": case.frame + 4, "pps": statistics.median(rates), "pps_best": max(rates), "pps_least": min(rates),
        "reference": statistics.median(references), "reference_best": max(references),
        "ratio": statistics.median(a / b for a, b in zip(rates, references)),
        "ratio_of_bests": max(rates) / max(references),
        "refused": statistics.median(o["refused"] for o in ours), "reference_refused": statistics.median(full),
        "gbits": statistics.median(o["gbits"] for o in ours),
        "lost": loss(case, ours), "runs": ours, "references": references,
    }
    return result


def loss(case, ours):
    """Shares of what was sent; drops that the case asks for are none."""
    asked = ("client-packets", "denied") if case.dropped else ()
    sent = sum(o["sent"] for o in ours)
    in_penstock = sum(n for o in ours for reason, n in o["drops"].items() if not any(a in reason for a in asked))
    result = {"to penstockd": sum(o["lost_to"] for o in ours) / sent, "in penstockd": in_penstock / sent,
              "back": sum(o["lost_back"] for o in ours) / sent}
    if case.dropped:
        result["of the well-behaved"] = sum(o["good_lost"] for o in ours) / max(1, sum(o["good_sent"] for o in ours))
    return result


HEAD = f"{'case':38} {'Mpps':>7} {'best':>7} {'R':>7} {'best R':>7} {'refused':>8} {'of R':>6} {'target':>7}  lost"


def line(case, r):
    target = f"{case.target:.2f}" if case.target else ""
    lost = ", ".join(f"{where} {share:.2%}" for where, share in r["lost"].items() if share)
    return (f"{r['case']:38} {r['pps'] / 1e6:7.2f} {r['pps_best'] / 1e6:7.2f} {r['reference'] / 1e6:7.2f} "
            f"{r['reference_best'] / 1e6:7.2f} {r['refused']:8.0%} {r['ratio']:6.2f} {target:>7}  {lost or 'nothing'}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--frame", type=int)
    parser.add_argument("--json")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    every = {c.name: c for c in CASES + ATTACKS + [NEW] + SIZES}
    results = []
    print(HEAD)
    for name in options.cases or every:
        case = every[name] if options.frame is None else dataclasses.replace(every[name], frame=options.frame)
        results.append(measure(case, options.runs, options.seconds))
        print(line(case, results[-1]), flush=True)
    if options.json:
        with open(options.json, "w", encoding="ascii") as out:
            json.dump(results, out, indent=2)


if __name__ == "__main__":
    main()
