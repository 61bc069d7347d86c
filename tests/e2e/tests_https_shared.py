# SPDX-License-Identifier: Apache-2.0
"""Files of HTTPS listeners besides certificates, while they serve: revoked certificates of clients, and keys of tickets that several machines
share."""
import os
import signal

import configs
from bed import PENSTOCKD, expect, for_families, group, wait_until
from http_bed import address
from https_bed import WEB, HttpsBed, host

LAST = {"revoking": 130, "sharing": 131, "sharing too": 132, "own keys": 133, "no exchange": 134}
CLIENTS = ("one", "two")
AUTHORITY = """
[ca]
default_ca = ours
[ours]
database = {where}/revoked.txt
default_md = sha256
default_crl_days = 2
"""


class SharedBed(HttpsBed):
    """203.0.113.130, 2001:db8:f::130: certificates of clients, some of them revoked; .131 and .132: keys of tickets from a file; .133: own ones;
    .134: the same, and sessions resumed without a key exchange."""

    def __init__(self):
        super().__init__("1", self.shared)
        self.serials, self.newest = {}, 1

    def certificates(self, lab):
        super().certificates(lab)
        for name in CLIENTS:
            self.serials[name] = self.authority.sign("client", "ec", name, usage="clientAuth")
        with open(self.path("authority.conf"), "w", encoding="ascii") as out:
            out.write(AUTHORITY.format(where=self.lab.where))
        self.revoke("one")
        self.share(1)

    def shared(self, backends):
        pools, listeners = [], []
        ask = f'client_auth = {{ mode = "require"; ca = "{self.lab.where}/root.pem"; crl = "{self.lab.where}/revoked.pem"; }};'
        keys = f'tickets = {{ keys = "{self.lab.where}/tickets"; }};'
        for family in (4, 6):
            pools.append(configs.pool(f"web-{family}", backends, WEB, family))
            for name, more in (("revoking", ask), ("sharing", keys), ("sharing too", keys), ("own keys", ""),
                               ("no exchange", "tickets = { forward_secrecy = false; };")):
                listeners.append(configs.listener(f"{name.replace(' ', '-')}-{family}", address(LAST[name], family), 443, f"web-{family}",
                                                  self.tls("shop-ec", more=more), "https"))
        return configs.objects(pools, [], listeners)

    # ---- what tests do -------------------------------------------------------------------------
    def revoke(self, *names):
        """revoked.pem has these, all at once in the place of those before."""
        with open(self.path("revoked.txt"), "w", encoding="ascii") as out:
            for name in names:
                out.write(f"R\t491231235959Z\t250101000000Z\t{self.serials[name]:04X}\tunknown\t/CN=client\n")
        self.lab.run(self.lab.edge, "openssl", "ca", "-gencrl", "-config", self.path("authority.conf"), "-cert", self.path("middle.pem"),
                     "-keyfile", self.path("middle.key"), "-out", self.path("next.pem"))
        os.rename(self.path("next.pem"), self.path("revoked.pem"))

    def share(self, *numbers):
        """These are the keys of tickets; the first makes them."""
        with open(self.path("next"), "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write("".join(f"{number:064x}\n" for number in numbers))
        os.rename(self.path("next"), self.path("tickets"))

    def change(self, *ages):
        """Other keys: 0 is one that nobody has seen, 1 the newest before it, and so on. Until all four listeners have them."""
        before = self.log_has("ticket-keys-reloaded")
        self.newest += 1
        self.share(*(self.newest - age for age in ages))
        expect(wait_until(lambda: self.log_has("ticket-keys-reloaded") == before + 4, 10), "other keys are not taken")

    def log_has(self, event):
        with open(self.path("penstockd.log"), encoding="utf-8") as log:
            return sum(event in line for line in log)

    def comes(self, name, family):
        """Is this client served?"""
        done = self.lab.run(self.lab.client, "curl", "-s", "-f", "-m", "5", "--cacert", self.path("root.pem"), "--cert", self.path(f"{name}.pem"),
                            "--key", self.path(f"{name}.key"), "--resolve", f"shop.example:443:{host(LAST['revoking'], family)}",
                            "https://shop.example/", check=False)
        return done.returncode == 0

    def session(self, where, family, version, resume=False):
        """A client's session with one of the listeners, kept in a file; resume: was the one that is kept resumed?"""
        return "Reused, " in self.talk(where, family, version, resume)

    def talk(self, where, family, version, resume, *more):
        """What s_client says of it."""
        done = self.lab.run(self.lab.client, "openssl", "s_client", "-connect", f"{host(LAST[where], family)}:443", "-servername",
                            "shop.example", version, "-ign_eof", "-sess_in" if resume else "-sess_out", self.path(f"session{version}"),
                            *more, check=False, timeout=20, input="GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
        expect("HTTP/1.1 200" in done.stdout, f"{where}: {done.stdout}{done.stderr}")
        return done.stdout

    def restart(self):
        self.daemon.send_signal(signal.SIGTERM)
        expect(self.daemon.wait(10) == 0, "penstockd does not end in good order")
        self.daemon = self.lab.penstock(PENSTOCKD, self.config(self.lab.backends))


shared = group("HTTPS files", SharedBed)
both_families = for_families("HTTPS", (shared,))
VERSIONS = ("-tls1_3", "-tls1_2")


@both_families("revoked certificates of clients")
def revoked(bed, family):
    """Whose certificate is in the list is refused, the others are served; and another list counts as soon as it is there."""
    for names in (("one",), ("two",), ("one", "two"), ("one",)):
        bed.revoke(*names)
        expect(wait_until(lambda names=names: [bed.comes(name, family) for name in CLIENTS] == [name not in names for name in CLIENTS], 10),
               f"{names} revoked: {[bed.comes(name, family) for name in CLIENTS]}")
    drops = bed.service(f"revoking-{family}")["drops"]
    expect(drops.get("tls-handshake", 0) >= 3, f"{drops}")


@both_families("keys of tickets that machines share")
def keys(bed, family):
    """A session goes on at another listener with the same keys, after these have become the second ones, and with another penstockd; with
    other keys it does not."""
    for version in VERSIONS:
        bed.change(0)
        expect(not bed.session("sharing", family, version), f"{version}: a new session was resumed")
        expect(bed.session("sharing too", family, version, resume=True), f"{version}: not resumed where the same keys are")
        expect(not bed.session("own keys", family, version, resume=True), f"{version}: resumed where there are other keys")
        bed.change(0, 1)
        expect(bed.session("sharing", family, version, resume=True), f"{version}: not resumed by the second key")
        bed.restart()
        expect(bed.session("sharing", family, version, resume=True), f"{version}: not resumed by another penstockd")
        bed.change(0, 1)
        expect(not bed.session("sharing", family, version, resume=True), f"{version}: resumed by a key that is gone")


@both_families("keys of tickets of penstockd's own")
def own(bed, family):
    for version in VERSIONS:
        bed.session("own keys", family, version)
        expect(bed.session("own keys", family, version, resume=True), f"{version}: not resumed")
        bed.restart()
        expect(not bed.session("own keys", family, version, resume=True), f"{version}: resumed by another penstockd")


@both_families("sessions resumed without a key exchange")
def without(bed, family):
    """Where the listener and the client want that; else there is one, and in full where the ticket is no good."""
    alone = "-allow_no_dhe_kex"
    for where, option, exchange in (("no exchange", alone, False), ("no exchange", "-no_comp", True), ("own keys", alone, True)):
        said = bed.talk(where, family, "-tls1_3", False, option)
        expect("New, " in said and "Server Temp Key" in said, f"{where} {option}: a new session: {said}")
        said = bed.talk(where, family, "-tls1_3", True, option)
        expect("Reused, " in said and ("Server Temp Key" in said) == exchange, f"{where} {option}: {said}")
    bed.talk("no exchange", family, "-tls1_3", False, alone)
    bed.restart()
    said = bed.talk("no exchange", family, "-tls1_3", True, alone)
    expect("New, " in said and "Server Temp Key" in said, f"a ticket of another penstockd: {said}")
