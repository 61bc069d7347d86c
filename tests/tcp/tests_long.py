# SPDX-License-Identifier: Apache-2.0
"""1 GB each way with 0 %, 1 % and 5 % loss, and with changed order: identical content, and goodput beside the kernel's (goodput.py)."""
import os

from bed import expect, group
from goodput import BEHIND, DIRECT, OURS, Nothing, compare, download, measure, upload

SIZE = int(os.environ.get("TCP_LONG_BYTES", "1000000000"))
ROUNDS = int(os.environ.get("TCP_LONG_ROUNDS", "1"))
SHARE = 0.8
# With 5 % lost the kernel would take an hour for as much. Its rate is that of so many seconds; what is ours comes in full.
PATIENCE = int(os.environ.get("TCP_LONG_PATIENCE", "60"))

long = group("1 GB beside the kernel", Nothing)


def beside_the_kernel(per_mille, way):
    """The kernel on the wire itself decides; without losses the kernel that has our way out is told beside it."""
    fars = (DIRECT,) if per_mille else (DIRECT, BEHIND)

    def test(_):
        compared = compare(way, SIZE, per_mille, ROUNDS, fars, PATIENCE)
        print(f"     {way.__name__}, {per_mille / 10:g} % lost: {compared.told()}", flush=True)
        expect(compared.ratio(DIRECT) >= SHARE, f"{compared.ratio(DIRECT):.2f} of the kernel")
    test.__name__ = f"{way.__name__}_with_{per_mille}_per_mille_lost"
    return test


def in_changed_order(way):
    def test(_):
        rate, report = measure(way, SIZE, 0, OURS, ("--reorder", "2"))
        print(f"     {way.__name__}, 0.2 % late by up to 3 ms: {rate:.0f} Mb/s, {report['retransmits']} sent again, "
              f"{report['out_of_order']} came out of order", flush=True)
        expect(report["rto"] < 20, f"{report['rto']} timeouts")
    test.__name__ = f"{way.__name__}_in_changed_order"
    return test


for direction in (download, upload):
    for lost in (0, 10, 50):
        long(beside_the_kernel(lost, direction))
    long(in_changed_order(direction))
