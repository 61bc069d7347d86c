# SPDX-License-Identifier: Apache-2.0
"""HTTPS listeners and clients of other makes: GnuTLS, h2load, Node, and OpenSSL with new keys while content is on its way. A listener on
port 80 that sends clients to https."""
import hashlib
import json
import os

from bed import expect, for_families, group
from http_bed import address
from https_bed import HSTS, HttpsBed, Program, host

clients = group("HTTPS clients", HttpsBed)
both_families = for_families("HTTPS client", (clients,))
GET = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
LAST = GET[:-2] + b"Connection: close\r\n\r\n"


# ---- GnuTLS ------------------------------------------------------------------------------------
def gnutls(bed, family, *more, last=110, ca="root", name="shop.example", said=LAST, good=True):
    """What gnutls-cli prints that is told this; it is to end as it should, or not."""
    done = bed.lab.run(bed.lab.client, "gnutls-cli", "--x509cafile", bed.path(f"{ca}.pem"), "--port", "443", "--sni-hostname", name,
                       "--verify-hostname", name, *more, address(last, family), check=False, timeout=20, input=said.decode())
    expect((done.returncode == 0) == good, f"gnutls-cli {more}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def only(version, more=""):
    return "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}{more}"


# What a client can verify, and which certificate it is to get.
SIGNATURES = {"1.3": {"ECDSA-SECP256R1-SHA256": "0x03e9, EC/ECDSA key", "RSA-PSS-RSAE-SHA256": "0x03ea, RSA key"},
              "1.2": {"ECDSA-SHA256": "0x03e9, EC/ECDSA key", "RSA-SHA256": "0x03ea, RSA key"}}


@both_families("GnuTLS: versions, names, protocols")
def gnutls_versions(bed, family):
    for version in ("1.3", "1.2"):
        for name, subject in (("shop.example", "shop"), ("www.shop.example", "shop"), ("a.wild.example", "wild")):
            said = gnutls(bed, family, *only(version), "--alpn", "h2", "--alpn", "http/1.1", name=name)
            for words in ("Status: The certificate is trusted.", f"Description: (TLS{version}", "Application protocol: http/1.1",
                          f"subject `CN={subject}', issuer `CN=middle'", "Got a certificate list of 2 certificates", "HTTP/1.1 200 OK"):
                expect(words in said, f"{version}, {name}: no {words!r} in {said}")
        for sign, key in SIGNATURES[version].items():
            said = gnutls(bed, family, *only(version, f":-SIGN-ALL:+SIGN-{sign}"))
            expect(f"subject `CN=shop', issuer `CN=middle', serial {key}" in said, f"{version}, {sign}: {said}")
    said = gnutls(bed, family, *only("1.1"), good=False)
    expect("alert" in said.lower() and "HTTP/1.1" not in said, f"TLS 1.1: {said}")


@both_families("GnuTLS: whom it believes")
def gnutls_verifies(bed, family):
    said = gnutls(bed, family, name="other.example", good=False)
    expect("The name in the certificate does not match the expected." in said and "HTTP/1.1" not in said, said)
    said = gnutls(bed, family, ca="stranger", good=False)
    expect("The certificate issuer is unknown." in said and "HTTP/1.1" not in said, said)


@both_families("GnuTLS: resumed sessions")
def gnutls_resumes(bed, family):
    for version in ("1.3", "1.2"):
        before = bed.sum("resumed")
        said = gnutls(bed, family, *only(version), "--resume", "--waitresumption")
        expect("*** This is a resumed session" in said and "HTTP/1.1 200 OK" in said, f"{version}: {said}")
        expect(bed.sum("resumed") == before + 1, f"{version}: {bed.show('tls')}")


@both_families("GnuTLS: a certificate of the client")
def gnutls_client(bed, family):
    mine = "--x509certfile", bed.path("client-ec.pem"), "--x509keyfile", bed.path("client-ec.key")
    stranger = "--x509certfile", bed.path("stranger.pem"), "--x509keyfile", bed.path("stranger.key")
    for version in ("1.3", "1.2"):
        said = gnutls(bed, family, *only(version), *mine, last=111)
        expect("HTTP/1.1 200 OK" in said, f"{version}: {said}")
        said = gnutls(bed, family, *only(version), last=111, good=False)
        why = "Certificate is required" if version == "1.3" else "alert"
        expect("HTTP/1.1" not in said and why in said, f"without one, {version}: {said}")
        said = gnutls(bed, family, *only(version), *stranger, last=111, good=False)
        expect("HTTP/1.1" not in said and "alert" in said.lower(), f"a stranger's, {version}: {said}")


@both_families("GnuTLS: new keys")
def gnutls_keys(bed, family):
    """^rekey^ asks for new keys of ours as well, ^rekey1^ does not."""
    before = bed.sum("key_updates_in"), bed.sum("key_updates_out")
    client = Program(bed, "gnutls-cli", "--inline-commands", "--x509cafile", bed.path("root.pem"), "--port", "443", "--sni-hostname",
                     "shop.example", "--verify-hostname", "shop.example", *only("1.3"), address(110, family))
    for number in range(1, 4):
        client.say(GET)
        client.until(b"HTTP/1.1 200 OK", number)
        for k, word in enumerate((b"^rekey^\n", b"^rekey1^\n")):
            client.command(word)
            client.until(b"Rekey was completed", 2 * number - 1 + k)
    client.say(LAST)
    client.until(b"HTTP/1.1 200 OK", 4)
    expect(client.end() == 0, client.said())
    updates = bed.sum("key_updates_in") - before[0], bed.sum("key_updates_out") - before[1]
    expect(updates == (6, 3), f"new keys of the client's, of ours: {updates}")


# ---- others ------------------------------------------------------------------------------------
@both_families("h2load")
def h2load(bed, family):
    log = bed.path(f"h2load-{family}")
    before = bed.sum("full") + bed.sum("resumed")
    said = bed.client("h2load", "--h1", "-n", "2000", "-c", "20", f"--connect-to={host(110, family)}:443", f"--log-file={log}",
                      "https://shop.example/")
    for words in ("TLS Protocol: TLSv1.3", "Application protocol: http/1.1", "2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout",
                  "2000 2xx, 0 3xx, 0 4xx, 0 5xx"):
        expect(words in said, f"no {words!r} in {said}")
    with open(log, encoding="ascii") as lines:
        statuses = [line.split("\t")[1] for line in lines]
    expect(statuses == ["200"] * 2000, f"{len(statuses)} answers, {set(statuses)}")
    expect(bed.sum("full") + bed.sum("resumed") == before + 20, f"{bed.show('tls')}")


NODE = """
const https = require('https'), fs = require('fs');
const [host, ca] = process.argv.slice(1);
const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: fs.readFileSync(ca) });
const ask = () => new Promise((resolve, reject) => {
  https.get({ agent, host, servername: 'shop.example', headers: { Host: 'shop.example' } }, (response) => {
    const socket = response.socket;
    const seen = [response.statusCode, socket.getProtocol(), socket.authorized, socket.isSessionReused(), socket.localPort];
    response.resume();
    response.on('end', () => resolve(seen));
  }).on('error', reject);
});
(async () => {
  const first = [];
  for (let i = 0; i < 50; i++) first.push(await ask());
  agent.destroy();  // the connections, not what it knows of sessions
  const second = await ask();
  agent.destroy();
  console.log(JSON.stringify([first, second]));
})();
"""


@both_families("Node")
def node(bed, family):
    """50 requests on a kept connection, and another one that resumes its session."""
    first, second = json.loads(bed.client("node", "-e", NODE, address(110, family), bed.path("root.pem")))
    expect([seen[:4] for seen in first] == [[200, "TLSv1.3", True, False]] * 50 and len({seen[4] for seen in first}) == 1, f"{first}")
    expect(second[:4] == [200, "TLSv1.3", True, True] and second[4] != first[0][4], f"{second}")


# ---- new keys under load -----------------------------------------------------------------------
UPDATES = 20  # 32 in a row without content in between are refused
PIECE = 16384
DOWNLOAD = 8 << 20


@both_families("new keys in the middle of an upload and a download")
def keys_under_load(bed, family):
    """One connection of s_client, whose K asks for new keys of ours, too, and k does not. It looks at commands when it has nothing to
    receive, so the download comes no faster than it could."""
    before = bed.sum("key_updates_in"), bed.sum("key_updates_out")
    client = Program(bed, "openssl", "s_client", "-connect", f"{host(110, family)}:443", "-servername", "shop.example", "-tls1_3", "-CAfile",
                     bed.path("root.pem"), "-verify_return_error")
    pieces = [str(number).encode().rjust(PIECE, b"0") for number in range(2 * UPDATES)]
    client.command(f"POST /echo HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {len(pieces) * PIECE}\r\n\r\n".encode())
    for number, piece in enumerate(pieces):
        client.say(piece)
        client.command((b"K\n", b"k\n")[number % 2])
    client.until(b'"sha256": "')
    client.until(b"KEYUPDATE", 2 * UPDATES, 1)
    digest = client.said().partition(b'"sha256": "')[2].partition(b'"')[0].decode()
    expect(digest == hashlib.sha256(b"".join(pieces)).hexdigest(), f"another upload: {client.said()[-1000:]}")

    begin = len(client.said())

    def size():
        return os.path.getsize(client.paths[0]) - begin
    client.command(f"GET /slow HTTP/1.1\r\nHost: shop.example\r\nRange: bytes=0-{DOWNLOAD - 1}\r\nConnection: close\r\n\r\n".encode())
    sizes = []
    for number in range(UPDATES):
        client.wait(lambda number=number: size() >= number * DOWNLOAD // 40, "the download has stopped")
        sizes.append(size())
        client.command((b"K\n", b"k\n")[number % 2])
        client.until(b"KEYUPDATE", 2 * UPDATES + number + 1, 1)
    expect(client.end() == 0, f"{client.said(1)[-1000:]}")
    got = client.said()[begin:].replace(b"read R BLOCK\n", b"").partition(b"\r\n\r\n")[2]
    with open(bed.path("www/big"), "rb") as file:
        whole = file.read(DOWNLOAD)
    expect(got[:DOWNLOAD] == whole, f"another download: {len(got)} of {DOWNLOAD} bytes, {client.said(1)[-500:]}")
    expect(sizes[-1] < DOWNLOAD, f"new keys came not while content did: {sizes}")
    updates = bed.sum("key_updates_in") - before[0], bed.sum("key_updates_out") - before[1]
    # While something waits to be sent, one answer does for several K.
    expect(updates[0] == 3 * UPDATES and UPDATES <= updates[1] <= 3 * UPDATES // 2, f"new keys of the client's, of ours: {updates}")


# ---- port 80 -----------------------------------------------------------------------------------
@both_families("from port 80 to https, for good")
def redirected(bed, family):
    where = host(110, family)
    words = ["-s", "-S", "-m", "10", "--cacert", bed.path("root.pem"), *[word for port in (80, 443)
                                                                         for word in ("--resolve", f"shop.example:{port}:{where}")]]
    end = "%{http_code} %{num_redirects} %{url_effective} %{scheme}"
    said = bed.client("curl", *words, "-L", "-D", bed.path("heads"), "-o", bed.path("body"), "-w", end, "http://shop.example/?a=1&b=%20")
    expect(said.split() == ["200", "1", "https://shop.example/?a=1&b=%20", "HTTPS"], said)
    with open(bed.path("heads"), encoding="ascii") as file:
        first, second = file.read().split("\n\n")[:2]
    # RFC 6797 7.2: not where there is no TLS.
    expect(first.startswith("HTTP/1.1 301") and "strict-transport-security" not in first.lower(), first)
    expect(second.startswith("HTTP/1.1 200") and f"Strict-Transport-Security: {HSTS}" in second, second)
    with open(bed.path("body"), encoding="ascii") as file:
        expect(file.read()[3:] == "https\n", "the backend was told another scheme")
    # A browser that has been here once goes to https by itself.
    kept = bed.path(f"hsts-{family}")
    bed.client("curl", *words, "--hsts", kept, "-o", "/dev/null", "https://shop.example/")
    said = bed.client("curl", *words, "--hsts", kept, "-o", "/dev/null", "-w", end, "http://shop.example/")
    expect(said.split() == ["200", "0", "https://shop.example/", "HTTPS"], f"with what it knows: {said}")
