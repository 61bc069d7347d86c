# SPDX-License-Identifier: Apache-2.0
"""What testssl.sh finds at an HTTPS listener: versions, ciphers, known vulnerabilities, the chain of certificates, HSTS. `make
check-testssl` is this; the check of all is without it."""
import json
import os

from bed import expect, group
from https_bed import HttpsBed, host

GRAVE = ("LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL")
# Certificates of the tests are good for two days, have short serial numbers, and nobody says which are revoked; what headers there are
# besides that of HSTS is the backend's affair.
NO_MATTER = {"cert_serialNumberLen", "cert_expirationStatus", "cert_notAfter", "cert_revocation", "security_headers"}
BOTH = {"TLS1": "not offered", "TLS1_1": "not offered", "ALPN": "http/1.1", "cipherlist_NULL": "not offered", "cipherlist_aNULL": "not offered",
        "cipherlist_AVERAGE": "not offered", "cipherlist_STRONG": "offered", "PFS": "offered", "cert_chain_of_trust": "passed",
        "cert_trust": "Ok via SAN", "HSTS_time": "365 days", "HSTS_subdomains": "includes", "heartbleed": "not vulnerable", "CCS": "not vulnerable",
        "ticketbleed": "not vulnerable", "ROBOT": "not vulnerable", "fallback_SCSV": "no protocol below TLS 1.2", "DROWN": "not vulnerable",
        "LOGJAM": "not vulnerable", "BEAST": "not vulnerable", "LUCKY13": "not vulnerable"}
SOCKETS = {**BOTH, "SSLv2": "not offered", "SSLv3": "not offered", "TLS1_3": "offered", "cipherlist_EXPORT": "not offered",
           "cipherlist_LOW": "not offered", "cipherlist_3DES_IDEA": "not offered", "POODLE_SSL": "not vulnerable", "FREAK": "not vulnerable"}
OPENSSL = {**BOTH, "TLS1_2": "offered", "cipher_order": "server", "secure_renego": "supported", "secure_client_renego": "not vulnerable"}
# An openssl that knows nothing newer than TLS 1.2.
WRAPPER = """#!/bin/sh
for word; do [ "$word" != -tls1_3 ] || { echo "unknown option: -tls1_3" >&2; exit 1; }; done
OPENSSL_CONF=WHERE/old.cnf exec openssl "$@"
"""
CONF = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = TLSv1.2\nCipherString = DEFAULT@SECLEVEL=0\n"


def wrapper(bed):
    with open(bed.path("old.cnf"), "w", encoding="ascii") as out:
        out.write(CONF)
    with open(bed.path("openssl"), "w", encoding="ascii") as out:
        out.write(WRAPPER.replace("WHERE", bed.lab.where))
    os.chmod(bed.path("openssl"), 0o755)
    return bed.path("openssl")


def scan(bed, family, wanted, *more, no_matter=frozenset()):
    path = bed.path("scan.json")
    if os.path.exists(path):
        os.unlink(path)
    # The exit code counts what this machine's OpenSSL cannot.
    words = ["--quiet", "--color", "0", "--nodns", "none", "--warnings", "off", "--add-ca", bed.path("root.pem"), "--ip", host(110, family), *more]
    words += ["-6"] if family == 6 else []
    done = bed.lab.run(bed.lab.client, "testssl", *words, "-p", "-s", "-f", "-P", "-S", "-h", "-U", "--jsonfile", path, "https://shop.example:443/",
                       check=False, timeout=900)
    expect(os.path.exists(path), f"{more}: {done.returncode}: {done.stdout}{done.stderr}")
    with open(path, encoding="utf-8") as file:
        found = [(row["id"].split()[0], row["severity"], row["finding"]) for row in json.load(file)]
    expect(any(row[0] == "scanTime" for row in found), f"{more}: {done.returncode}: {done.stdout}{done.stderr}")
    bad = [row for row in found if row[1] in GRAVE and row[0] not in NO_MATTER | no_matter]
    expect(not bad, f"{more}: {bad}")
    for name, text in wanted.items():
        said = [finding for what, _, finding in found if what == name]
        expect(any(finding.startswith(text) for finding in said), f"{more}: {name} is {said}, not {text!r}")


scanned = group("testssl.sh", HttpsBed, "timed")  # says nothing new under sanitizers


def tests(family):
    def sockets(bed):
        """TLS 1.3, and what is not offered at all."""
        scan(bed, family, SOCKETS)

    def openssl(bed):
        """TLS 1.2. testssl.sh's own hello of this version has no extended master secret, so it is refused, and taken for a limit of 128 ciphers."""
        scan(bed, family, OPENSSL, "--ssl-native", "--openssl", wrapper(bed), no_matter={"pre_128cipher"})

    for test in (sockets, openssl):
        test.__name__ = f"HTTPS, IPv{family}, testssl.sh by {test.__name__}"
        test.long = True
        scanned(test)


for each in (4, 6):
    tests(each)
