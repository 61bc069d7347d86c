# SPDX-License-Identifier: Apache-2.0
"""Certificates, keys and lists of revoked certificates for tests, made by openssl: good ones, and what is wrong with others.

    shop        ECDSA, "shop.example" and "www.shop.example"
    shop-rsa    RSA, "shop.example"
    wild        ECDSA, "*.shop.example"
    expired, future, short (RSA of 1,024 bits), curve (secp256k1), client (not for servers), gateway (the same), server (not for clients)
    clients.pem, clients.crl, old.crl   an authority, what it has revoked, and the same years ago; backends.pem: the same authority
    open.key (mode 0644), foreign.key (not root's), locked.key (encrypted), other.key (no certificate's), text.pem (none at all)
    tickets     a key of tickets
"""
import os
import shutil
import subprocess
from pathlib import Path

EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
CA = """[ca]
default_ca = here
[here]
dir = {folder}/ca
database = $dir/index
new_certs_dir = $dir
serial = $dir/serial
crlnumber = $dir/crlnumber
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=60)


def certificate(folder, name, names, kind=EC, extra=()):
    """NAME.pem, which signs itself, and NAME.key."""
    alternative = ",".join(f"DNS:{n}" for n in names)
    openssl("req", "-x509", "-newkey", *kind, "-nodes", "-days", "30", "-subj", f"/CN={names[0]}",
            "-addext", f"subjectAltName={alternative}", *(part for e in extra for part in ("-addext", e)),
            "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem"))
    (folder / f"{name}.key").chmod(0o600)


def authority(folder):
    """What "openssl ca" wants to have around it; dates can be chosen with that."""
    (folder / "ca").mkdir()
    for name, text in (("index", ""), ("serial", "01\n"), ("crlnumber", "01\n"), ("conf", CA.format(folder=folder))):
        (folder / "ca" / name).write_text(text)
    certificate(folder, "clients", ["Clients"], extra=("basicConstraints=critical,CA:true", "keyUsage=keyCertSign,cRLSign"))
    return ("-config", str(folder / "ca/conf"), "-cert", str(folder / "clients.pem"), "-keyfile", str(folder / "clients.key"))


def dated(folder, name, ca, begin, end):
    request = str(folder / "ca/request.pem")
    openssl("req", "-newkey", *EC, "-nodes", "-subj", f"/CN={name}.example", "-keyout", str(folder / f"{name}.key"), "-out", request)
    openssl("ca", "-batch", "-notext", *ca, "-startdate", begin, "-enddate", end, "-in", request, "-out", str(folder / f"{name}.pem"))
    (folder / f"{name}.key").chmod(0o600)


def make(folder):
    """All of them, in a folder that is there."""
    folder = Path(folder)
    certificate(folder, "shop", ["shop.example", "www.shop.example"])
    certificate(folder, "shop-rsa", ["shop.example"], ("rsa:2048",))
    certificate(folder, "wild", ["*.shop.example"])
    certificate(folder, "short", ["short.example"], ("rsa:1024",))
    certificate(folder, "curve", ["curve.example"], ("ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"))
    for name, use in (("client", "clientAuth"), ("gateway", "clientAuth"), ("server", "serverAuth")):
        certificate(folder, name, [f"{name}.example"], extra=(f"extendedKeyUsage={use}",))
    ca = authority(folder)
    shutil.copy(folder / "clients.pem", folder / "backends.pem")
    dated(folder, "expired", ca, "20200101000000Z", "20210101000000Z")
    dated(folder, "future", ca, "20900101000000Z", "20910101000000Z")
    openssl("ca", "-gencrl", *ca, "-crldays", "30", "-out", str(folder / "clients.crl"))
    openssl("ca", "-gencrl", *ca, "-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20210101000000Z",
            "-out", str(folder / "old.crl"))
    for name, mode in (("open", 0o644), ("foreign", 0o600)):
        shutil.copy(folder / "shop.key", folder / f"{name}.key")
        (folder / f"{name}.key").chmod(mode)
    if os.geteuid() == 0:
        os.chown(folder / "foreign.key", 65534, 65534)
    openssl("pkcs8", "-topk8", "-in", str(folder / "shop.key"), "-passout", "pass:secret", "-out", str(folder / "locked.key"))
    openssl("genpkey", "-algorithm", "EC", *EC[1:], "-out", str(folder / "other.key"))
    for name in ("locked.key", "other.key"):
        (folder / name).chmod(0o600)
    (folder / "tickets").write_text("00112233445566778899aabbccddeeff" * 2 + "\n")
    (folder / "tickets").chmod(0o600)
    (folder / "text.pem").write_text("Nothing of the kind.\n")
    (folder / "text.key").write_text("Nothing of the kind.\n")
    (folder / "text.key").chmod(0o600)
