# SPDX-License-Identifier: Apache-2.0
"""penstockd dies, or is stopped, and is started again: what goes on."""
import hashlib
import json

from bed import PENSTOCKD, Bed, every_mode, expect, group, vip, wait_until

SIZE = 1 << 20

restart = group("restart", lambda: Bed(objects=every_mode))


def expected(bed):
    with open(f"{bed.lab.where}/www/big", "rb") as big:
        return hashlib.sha256(big.read(SIZE)).hexdigest()


def killed_under_downloads(mode, family, count):
    def test(bed):
        load = bed.start_peer("fetch", vip(mode, family), count, SIZE, 8)
        bed.daemon.kill()
        bed.daemon.wait()
        bed.daemon = bed.lab.penstock(PENSTOCKD, bed.config(bed.lab.backends))
        results = json.loads(load.stdout.read())
        expect(len(results) == count and set(results) == {expected(bed)}, f"{[r for r in results if r != expected(bed)][:5]}")
    test.__name__ = f"killed under {count} downloads {mode} IPv{family}"
    restart(test)


killed_under_downloads("nat", 4, 1)
killed_under_downloads("full-nat", 4, 1)
