# SPDX-License-Identifier: Apache-2.0
"""Goodput beside the kernel's, short: what a machine that is busy with other things still tells. tests_long.py has the whole."""
from bed import expect, group
from goodput import BEHIND, DIRECT, Nothing, compare, download, upload

ROUNDS = 3
SHARE = 0.1  # with losses as few bytes as these take from no timeout to three, eight times apart: this shows a collapse, no more; tests_long.py asks for the real share
TRIES = 2  # ... and once may be one of its other things

short = group("Goodput beside the kernel", Nothing)


def beside_the_kernel(per_mille, way):
    far, size = (DIRECT, 10_000_000) if per_mille else (BEHIND, 50_000_000)

    def test(_):
        said = []
        for _ in range(TRIES):
            compared = compare(way, size, per_mille, ROUNDS, (far,))
            if compared.ratio(far) >= SHARE:
                return
            said.append(compared.told())
        expect(False, "; ".join(said))
    test.__name__ = f"{way.__name__}_with_{per_mille}_per_mille_lost"
    return test


for lost in (0, 10):
    for direction in (download, upload):
        short(beside_the_kernel(lost, direction))
