# SPDX-License-Identifier: Apache-2.0
"""Workers that never sleep, as on a real card: here on a core that they share with everybody else."""
import os
import time

from bed import MODES, Bed, expect, group, vip, wait_until


class Polling(Bed):
    def config(self, backends, idle="poll", **options):
        text = super().config(backends, **options)
        expect('idle = "sleep"' in text, "the lab's workers sleep no more")
        return text.replace('idle = "sleep"', f'idle = "{idle}"')


polling = group("polling", lambda: Polling(backends=2), part="timed")


def worker_status(bed):
    """Of the worker's thread: how often it has given up its core by itself, and CPU seconds."""
    for task in os.listdir(f"/proc/{bed.daemon.pid}/task"):
        where = f"/proc/{bed.daemon.pid}/task/{task}"
        with open(f"{where}/comm", encoding="ascii") as name:
            if "worker" not in name.read():
                continue
        with open(f"{where}/status", encoding="ascii") as status:
            waits = next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt_switches"))
        with open(f"{where}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return waits, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    raise AssertionError("there is no worker's thread")


@polling
def serves(bed):
    """Every mode, both families, TCP and UDP."""
    for mode in MODES:
        for family in (4, 6):
            expect(bed.curl(vip(mode, family)).strip() in ("b1", "b2"), f"{mode}, IPv{family}")
    for family in (4, 6):
        expect(wait_until(lambda: bed.lab.run(bed.lab.client, "ping", "-c", "1", "-W", "1", vip("nat", family), check=False).returncode == 0),
               "no ping")


@polling
def never_sleeps(bed):
    """It waits for nothing, whether there is something to do or not, and is told to be idle all the same."""
    waits, cpu = worker_status(bed)
    begin = time.monotonic()
    time.sleep(2)
    later, cpu_later = worker_status(bed)
    elapsed = time.monotonic() - begin
    print(f"     {later - waits} waits in {elapsed:.1f} s, {100 * (cpu_later - cpu) / elapsed:.0f} % of a core")
    expect(later - waits < 20, f"{later - waits} waits in {elapsed:.1f} s")
    # At least its share of a core that others want too.
    expect(cpu_later - cpu > 0.1 * elapsed, f"{cpu_later - cpu} s of CPU in {elapsed:.1f} s")
    busy = bed.show("workers")[0]["busy_percent"]
    expect(busy < 50, f"{busy} % busy with nothing to do")


@polling
def changes(bed):
    """An apply reaches a worker that never pauses; whether it sleeps is for a start to decide."""
    before = bed.running()
    bed.apply(bed.config([2]))
    expect(bed.running() == before + 1, f"generation {bed.running()}")
    for family in (4, 6):
        names = bed.who(vip("nat", family), 5)
        expect(names == {"b2"}, f"{names} after b1 was taken out")
    done = bed.apply(bed.config([1, 2], idle="sleep"), check=False)
    expect(done.returncode == 1 and "restart" in done.stderr, f"{done.returncode}: {done.stderr}")
