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
from wire import RING, Wire, read_count, waited

REFERENCE_FLOWS = 1 << 10
BARE_RUNS = 1
DISTURBED = 0.03  # of the time: such a run is made again, half as many times as there are runs


def run_reference(case, seconds, *more):
    """Packets per second through testpmd, and the share of what was offered that the wire refused at first."""
    with Wire(RING) as wire:
        generator = wire.generator(*case.packets(), "--flows", REFERENCE_FLOWS, "--clients", REFERENCE_FLOWS, "--seconds", seconds, *more)
        peer = wire.reference()
        count = read_count(generator)
        disturbed = is_disturbed(count, peer)
    return {"pps": count["received"] / count["seconds"], "refused": refused(count), "disturbed": disturbed}


def run_bare(case, seconds):
    """Packets per second through what does only the wire's part of the case: R for packets that grow, or do not leave."""
    one_way = ["--one-way"] * case.dropped
    with Wire(RING) as wire:
        generator = wire.generator(*case.packets(), "--flows", REFERENCE_FLOWS, "--clients", REFERENCE_FLOWS, "--seconds", seconds, *one_way)
        peer = wire.bare(*case.bare)
        count = read_count(generator)
        disturbed = is_disturbed(count, peer)
        busy = wire.bare_count(peer)["busy_ns"]
    return {"pps": count["sent" if case.dropped else "received"] / count["seconds"], "refused": refused(count), "disturbed": disturbed,
            "busy_ns": busy}


def is_disturbed(count, peer):
    """Has something else computed on these cores?"""
    return max(count["waited"] / count["seconds"], waited(peer)) > DISTURBED


def refused(count):
    """More than a little: the other end is what limits, not the generator."""
    return 1 - count["sent"] / max(1, count["offered"])


def run_flowgen(seconds):
    """R with testpmd's own generator."""
    with Wire(RING) as wire:
        return wire.flowgen(seconds)


def run_generator_alone(case, seconds):
    """Packets per second that the generator sends to a testpmd that only receives."""
    with Wire(RING) as wire:
        generator = wire.generator(*case.packets(), *case.flow_options()[:4], "--one-way", "--seconds", seconds)
        wire.reference("rxonly")
        count = read_count(generator)
    return count["sent"] / count["seconds"]


def run_penstock(case, seconds):
    """What the generator has counted, what came through per second, and what was lost where."""
    with Wire(RING) as wire:
        generator = wire.generator(*case.packets(), *case.flow_options(), "--seconds", seconds)
        daemon = wire.penstockd(case.config(wire))
        count = read_count(generator)
        disturbed = is_disturbed(count, daemon)
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
        "busy_ns": worker["busy_seconds"] * 1e9 / max(1, worker["packets_in"]),
        "connections": worker["connections"], "disturbed": disturbed,
        "gbits": count["received_bytes"] * 8 / count["seconds"] / 1e9,
    }


def measure(case, runs, seconds):
    """Alternating; the medians."""
    ours, references, bare, again = [], [], [], (runs + 1) // 2
    bares = min(runs, BARE_RUNS) if case.bare and case.target else 0
    while len(ours) < runs:
        reference = run_reference(dataclasses.replace(case, tcp=case.tcp and not case.new), seconds)
        mine = run_penstock(case, seconds)
        alone = run_bare(case, seconds) if len(bare) < bares else None
        if again and (reference["disturbed"] or mine["disturbed"] or (alone and alone["disturbed"])):
            again -= 1
            continue
        references.append(reference)
        ours.append(mine)
        if alone:
            bare.append({**alone, "ratio": alone["pps"] / reference["pps"]})
    rates, wires = [o["pps"] for o in ours], [r["pps"] for r in references]
    result = {
        "case": case.name, "frame": case.size, "pps": statistics.median(rates), "pps_best": max(rates), "pps_least": min(rates),
        "reference": statistics.median(wires), "reference_best": max(wires),
        "ratio": statistics.median(a / b for a, b in zip(rates, wires)), "ratio_of_bests": max(rates) / max(wires),
        "disturbed": sum(a["disturbed"] or b["disturbed"] for a, b in zip(ours, references)),
        "refused": statistics.median(o["refused"] for o in ours), "busy_ns": statistics.median(o["busy_ns"] for o in ours), "reference_refused": statistics.median(r["refused"] for r in references),
        "reasons": sorted({reason for o in ours for reason in o["drops"] if not asked_for(case, reason)}),
        "gbits": statistics.median(o["gbits"] for o in ours),
        "lost": loss(case, ours), "runs": ours, "references": references, "bares": bare, "bare": None,
    }
    if bare:
        result["bare_best"] = max(b["pps"] for b in bare)
        result |= {f"bare_{what}".replace("bare_pps", "bare"): statistics.median(b[what] for b in bare) for what in ("pps", "ratio", "refused", "busy_ns")}
    return result


def asked_for(case, reason):
    """Is it what the case wants to see dropped?"""
    return case.dropped and any(a in reason for a in ("client-packets", "denied"))


def loss(case, ours):
    """Shares of what was sent; drops that the case asks for are none."""
    sent = sum(o["sent"] for o in ours)
    in_penstock = sum(n for o in ours for reason, n in o["drops"].items() if not asked_for(case, reason))
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
            f"{r['reference_best'] / 1e6:7.2f} {r['refused']:8.0%} {r['ratio']:6.2f} {target:>7}  {lost or 'nothing'}"
            + (f"; the wire alone {r['bare'] / 1e6:.2f}, busy {r['bare_busy_ns']:.0f} ns a packet, penstockd {r['busy_ns']:.0f}" if r["bare"] else "") + f"; {r['disturbed']} of {len(r['runs'])} runs disturbed" * bool(r["disturbed"]))


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
