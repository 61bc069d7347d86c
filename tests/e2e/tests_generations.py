# SPDX-License-Identifier: Apache-2.0
"""Generations: a change that locks everybody out goes back by itself, and what a daemon begins with after a crash."""
import signal
import time

import configs
from bed import PENSTOCKD, Bed, expect, group, wait_until

VIP = "203.0.113.10"


def web(backends, address=VIP):
    return configs.objects([configs.pool("web", backends, 8080, 4)], [configs.service("web", address, 80, "tcp", "nat", "web")])


generations = group("generations", lambda: Bed(objects=web))


def serves(bed):
    done = bed.lab.run(bed.lab.client, "curl", "-s", "-m", "1", f"http://{VIP}/", check=False)
    return done.stdout.strip() in ("b1", "b2", "b3")


def elsewhere(bed):
    """A configuration with which nobody serves at VIP."""
    return bed.config(bed.lab.backends, address="203.0.113.99")


def log(bed):
    with open(f"{bed.lab.where}/penstockd.log", encoding="utf-8", errors="replace") as text:
        return text.read()


def killed(bed, text):
    """Kill penstockd and start it again with this file; what it then logs."""
    before = len(log(bed))
    bed.daemon.send_signal(signal.SIGKILL)
    bed.daemon.wait(10)
    bed.daemon = bed.lab.penstock(PENSTOCKD, text)
    return log(bed)[before:]


@generations
def not_confirmed(bed):
    before = bed.running()
    begin = time.monotonic()
    bed.apply(elsewhere(bed), "--confirm", "2s")
    expect(not serves(bed), "the change has changed nothing")
    expect(wait_until(lambda: serves(bed)), "it does not go back")
    took = time.monotonic() - begin
    expect(1.5 < took < 8, f"it took {took:.1f} s")
    top = bed.show("history")[:3]
    expect([g["generation"] for g in top] == [before + 2, before + 1, before], f"{top}")
    expect([g["state"] for g in top] == ["running", "unconfirmed", "confirmed"], f"{top}")
    expect(top[0]["how"] == "auto-return" and top[0]["from"] == before, f"{top[0]}")


@generations
def confirmed_and_rolled_back(bed):
    bed.apply(elsewhere(bed), "--confirm", "2s")
    bed.penstock("confirm")
    time.sleep(2.5)
    expect(not serves(bed), "it went back although it was confirmed")
    bed.penstock("rollback")
    expect(wait_until(lambda: serves(bed)), "nobody serves after the rollback")


@generations
def killed_before_it_was_confirmed(bed):
    """Whoever locks himself out and has the machine reset: the file has the change, but it was never confirmed."""
    good = bed.running()
    bed.apply(elsewhere(bed), "--confirm", "1h")
    expect(not serves(bed), "the change has changed nothing")
    said = killed(bed, elsewhere(bed))
    expect(wait_until(lambda: serves(bed)), f"nobody serves: {said}")
    expect("warning: last-good-generation" in said and "nobody confirmed" in said, said)
    expect("nobody confirmed" in bed.show("config")["notice"], "show config does not say so")
    expect(bed.running() > good, "the number went back")


@generations
def killed_and_the_file_is_broken(bed):
    bed.apply(bed.config(bed.lab.backends))
    generation = bed.running()
    for text in ("nonsense", "", bed.config(bed.lab.backends).replace('"nat"', '"nut"')):
        said = killed(bed, text)
        expect(wait_until(lambda: serves(bed)), f"nobody serves: {said}")
        expect("warning: last-good-generation" in said and f"generation={generation}" in said, said)
        expect(bed.running() == generation, f"generation {bed.running()}, not {generation}")
    said = killed(bed, bed.config(bed.lab.backends))
    expect("warning: last-good" not in said and serves(bed), said)
