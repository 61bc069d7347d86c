#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Changes of the configuration under load: 1,000 services with 100 backends each are applied again and again, each time
with other weights in some pools, while a generator keeps a window of packets on the way through one of the services.
As no more are on the way than the rings hold, a packet that does not come back was lost.

    bench/changes.py [--times N] [--json FILE]
"""
import argparse
import contextlib
import json
import signal
import statistics
import time

from cases import head
from wire import Wire, read_count

SERVICES, BACKENDS = 1000, 100
WINDOW = 2048


def backend(pool, i):
    return f"10.{pool // 250 + 3}.{pool % 250}.{i}"


def config(where, changed, weight):
    """The first `changed` pools have another weight of their first backend."""
    pools = []
    for p in range(SERVICES):
        backends = ", ".join(f'{{ address = "{backend(p, i)}"; port = 8080; weight = {weight if i == 1 and p < changed else 100}; }}'
                             for i in range(1, BACKENDS + 1))
        pools.append(f'{{ name = "p{p}"; backends = ( {backends} ); }}')
    services = (f'{{ name = "s{p}"; address = "203.0.{113 + p // 200}.{p % 200 + 10}"; port = 8080; protocol = "udp"; '
                f'forward = "dsr-gue"; pool = "p{p}"; }}' for p in range(SERVICES))
    return (head(where, 1 << 18, [backend(0, i) for i in range(1, BACKENDS + 1)]) + "pools = (\n" + ",\n".join(pools) +
            " );\nservices = (\n" + ",\n".join(services) + " );\n")


def apply(wire, text):
    """Milliseconds, of the command as a user types it."""
    path = f"{wire.where}/change.conf"
    with open(path, "w", encoding="ascii") as out:
        out.write(text)
    start = time.monotonic()
    wire.penstock("apply", path)
    return (time.monotonic() - start) * 1000


@contextlib.contextmanager
def stopped(process):
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


# The generator shares its core with penstockd's control thread, which gets most of it while it has something to do. What
# a change takes is measured while the generator stands still: it is not part of what the control thread has to do.
def publications(times, changed=10):
    with Wire() as wire:
        texts = [config(wire, changed, 50), config(wire, changed, 100)]
        generator = wire.generator("--service", "203.0.113.10", "--port", 8080, "--flows", 1 << 17, "--clients", 1 << 15,
                                   "--window", WINDOW, "--seconds", 600, nice=10)
        wire.wait_until_ready(wire.penstockd(texts[1]))
        time.sleep(0.5)
        begun = time.monotonic()
        with stopped(generator):
            alone = [apply(wire, texts[i % 2]) for i in range(6)]
            whole = [apply(wire, config(wire, SERVICES, 60 + i)) for i in range(3)]
            apply(wire, texts[1])
        stood_still = time.monotonic() - begun
        loaded = [apply(wire, texts[i % 2]) for i in range(times)]
        generator.terminate()
        count = read_count(generator)
        drops = {d["reason"]: d["count"] for d in wire.show("drops") if d["count"]}
        generation = wire.show("config")["generation"]
    return {
        "times": times, "pools_changed": changed, "apply_ms": statistics.median(alone), "apply_all_ms": statistics.median(whole),
        "loaded_ms": statistics.median(loaded), "loaded_ms_most": max(loaded), "generations": generation,
        "sent": count["sent"], "pps": count["sent"] / (count["seconds"] - stood_still),
        "lost": count["sent"] - count["received"] - count["received_later"], "drops": drops,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--json")
    options = parser.parse_args()
    result = publications(options.times)
    print(f"a change of {result['pools_changed']} of {SERVICES} pools: {result['apply_ms']:.0f} ms, of all {result['apply_all_ms']:.0f} ms; "
          f"{result['times']} under load: {result['loaded_ms']:.0f} ms each (median, most {result['loaded_ms_most']:.0f}); of {result['sent']} "
          f"packets, {result['pps'] / 1e6:.2f} M/s, {result['lost']} were lost {result['drops'] or ''}")
    if options.json:
        with open(options.json, "w", encoding="ascii") as out:
            json.dump(result, out, indent=2)


if __name__ == "__main__":
    main()
