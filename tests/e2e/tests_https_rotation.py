# SPDX-License-Identifier: Apache-2.0
"""Certificates that are replaced while clients come, by other files of the same names and by a link that leads elsewhere (as certbot and
Kubernetes do it): no handshake fails, and connections go on."""
import os

import configs
from bed import expect, group, wait_until
from http_bed import address
from https_bed import LOAD, WEB, HttpsBed
from tests_changes import result_of

LAST = {"renamed": 120, "linked": 121}
KINDS = ("ec", "rsa")


class RotatedBed(HttpsBed):
    """203.0.113.120, 2001:db8:f::120: renamed.pem and renamed.key; .121: live/shop.pem and live/shop.key, where live is a link."""

    def __init__(self):
        super().__init__(objects=self.rotated)
        self.rounds = 0

    def certificates(self, lab):
        super().certificates(lab)
        self.authority.sign("shop", "ec", "renamed")
        self.link()

    def rotated(self, backends):
        pools, listeners = [], []
        for family in (4, 6):
            pools.append(configs.pool(f"web-{family}", backends, WEB, family))
            for name, files in (("renamed", "renamed"), ("linked", "live/shop")):
                listeners.append(configs.listener(f"{name}-{family}", address(LAST[name], family), 443, f"web-{family}", self.tls(files), "https"))
        return configs.objects(pools, [], listeners)

    # ---- what tests do -------------------------------------------------------------------------
    def link(self, kind="ec"):
        """Another folder with another certificate; the link leads there all at once. Its serial number."""
        folder = f"folder-{self.authority.serial}"
        os.mkdir(self.path(folder))
        serial = self.authority.sign("shop", kind, f"{folder}/shop")
        os.symlink(folder, self.path("link"))
        os.rename(self.path("link"), self.path("live"))
        return serial

    def rename(self, kind):
        """Another certificate in the place of the old one; key and certificate one after the other. Its serial number."""
        serial = self.authority.sign("shop", kind, "next")
        for end in ("key", "pem"):
            os.rename(self.path(f"next.{end}"), self.path(f"renamed.{end}"))
        return serial

    def log_has(self, event):
        with open(self.path("penstockd.log"), encoding="utf-8") as log:
            return sum(event in line for line in log)


rotated = group("certificates in turn", RotatedBed)


def rotate(bed, times):
    addresses = {(name, family): address(LAST[name], family) for name in LAST for family in (4, 6)}
    expected = {where: [bed.served(LAST[name], family)] for (name, family), where in addresses.items()}
    reloaded = bed.log_has("certificate-reloaded")
    load = bed.start_peer("handshakes", bed.path("root.pem"), "shop.example", *addresses.values(), program=LOAD)
    for number in range(times):
        kind = KINDS[(number + 1) % 2]
        serials = {"renamed": bed.rename(kind), "linked": bed.link(kind)}
        for (name, family), where in addresses.items():
            expect(wait_until(lambda name=name, family=family: bed.served(LAST[name], family) == serials[name], 20),
                   f"after {number} rotations: {name}, IPv{family}: {bed.served(LAST[name], family)} is served, not {serials[name]}")
            expected[where].append(serials[name])
        expect(load.poll() is None, f"the clients have ended after {number} rotations")
    load.stdin.close()
    result = result_of(load)
    expect(not result["failed"], f"{len(result['failed'])} of {result['handshakes']}: {result['failed'][:5]}")
    expect(result["handshakes"] >= 20 * times and result["requests"] >= 8 * times, f"hardly a load: {result['handshakes']}, {result['requests']}")
    # Each was seen, in order, and none again; the last one maybe not yet.
    for where, seen in result["serials"].items():
        expect(seen in (expected[where], expected[where][:-1]), f"{where}: seen {seen}, served {expected[where]}")
    # By two listeners, or 4.
    expect(bed.log_has("certificate-reloaded") == reloaded + 4 * times, f"{bed.log_has('certificate-reloaded') - reloaded} times reloaded")
    expect(bed.log_has("certificate-refused") == 0, "a certificate was refused")


@rotated
def twice(bed):
    rotate(bed, 2)


@rotated
def hundred(bed):
    rotate(bed, 100)


twice.__name__ = "HTTPS, certificates renamed and linked, twice under load"
hundred.__name__ = "HTTPS, certificates renamed and linked, 100 times under load"
hundred.long = True  # 4 seconds each time: they are looked at every 2, and are to keep still in between
