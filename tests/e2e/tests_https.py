# SPDX-License-Identifier: Apache-2.0
"""Listeners that end TLS, "https" and "tls": what curl, openssl and Python's TLS say of them, certificates by name and their renewal,
resumed sessions, new keys, and what is refused. Backends are nginx without TLS."""
import hashlib
import os
import subprocess
import time

import configs
import topology
from bed import Bed, expect, for_families, group, wait_until
from tests_proxy import address, in_client
from tests_tls import answer_to, hello
from topology import CLIENT4, CLIENT6

NGINX = """
pid {where}/web-{number}.pid;
error_log {where}/web-{number}.error;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {where}/web-tmp-{number}; proxy_temp_path {where}/web-tmp-{number};
  fastcgi_temp_path {where}/web-tmp-{number}; uwsgi_temp_path {where}/web-tmp-{number}; scgi_temp_path {where}/web-tmp-{number};
  server {{
    listen 8090; listen [::]:8090;
    root {where}/www;
    underscores_in_headers on;
    location = / {{ return 200 "b{number} $http_x_forwarded_proto $http_x_forwarded_for $http_forwarded\\n"; }}
    location = /shown {{ return 200 "$http_x_ssl_client_verify|$http_x_ssl_client_dn|$http_x_ssl_client_san|$http_x_ssl_client_serial|$http_x_ssl_client_fingerprint|$http_x_forwarded_for"; }}
  }}
  server {{
    listen 8091 proxy_protocol; listen [::]:8091 proxy_protocol;
    location = / {{ return 200 "b{number} $proxy_protocol_addr\\n"; }}
  }}
}}
"""
NAMES = {"shop": "DNS:shop.example,DNS:www.shop.example", "wild": "DNS:*.wild.example", "rest": "DNS:rest.example"}


def certificate(lab, name, kind="ec", where=None, days="2"):
    """Of an authority of its own; the path without its end."""
    path = where or f"{lab.where}/{name}-{kind}"
    key = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["rsa:2048"]
    lab.run(lab.edge, "openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", days, "-subj", f"/CN={name}-{kind}", "-addext",
            f"subjectAltName={NAMES[name]}", "-keyout", f"{path}.key", "-out", f"{path}.pem")
    os.chmod(f"{path}.key", 0o600)
    return path


def servers(lab):
    for name in NAMES:
        certificate(lab, name)
    certificate(lab, "shop", "rsa")
    with open(f"{lab.where}/all.pem", "w", encoding="ascii") as out:
        for file in ("shop-ec", "shop-rsa", "wild-ec", "rest-ec"):
            with open(f"{lab.where}/{file}.pem", encoding="ascii") as pem:
                out.write(pem.read())
    for number in lab.backends:
        path = f"{lab.where}/web-{number}.conf"
        with open(path, "w", encoding="ascii") as out:
            out.write(NGINX.format(where=lab.where, number=number))
        lab.start(lab.backend_name(number), "nginx", "-c", path, "-g", "daemon off;", log=f"web-{number}.log")


class Secure(Bed):
    def __init__(self, workers="1"):
        super().__init__(workers=workers, objects=self.with_tls, prepare=servers)

    def with_tls(self, backends, minimum="1.2", handshakes=None):
        def tls(*files, more=""):
            pairs = ", ".join(f'{{ cert = "{self.lab.where}/{f}.pem"; key = "{self.lab.where}/{f}.key"; }}' for f in files)
            return f'tls = {{ certificates = ( {pairs} ); minimum = "{minimum}"; {more} }}; '

        pools, listeners = [], []
        for family in (4, 6):
            pools += [configs.pool(f"web-{family}", backends, 8090, family), configs.pool(f"told-{family}", backends, 8091, family)]
            every = tls("rest-ec", "shop-rsa", "shop-ec", "wild-ec")
            listeners += [
                configs.listener(f"https-{family}", address(80, family), 443, f"web-{family}", every, "https"),
                configs.listener(f"tls-{family}", address(81, family), 443, f"web-{family}", every, "tls"),
                configs.listener(f"told-{family}", address(82, family), 443, f"told-{family}",
                                 'accept_proxy_protocol = true; proxy_protocol = "v2"; ' + every, "tls"),
                configs.listener(f"proxied-{family}", address(83, family), 443, f"web-{family}",
                                 "accept_proxy_protocol = true; " + every, "https")]
            for last, mode in ((84, "request"), (85, "require")):
                ask = f'client_auth = {{ mode = "{mode}"; ca = "{self.lab.where}/wild-ec.pem"; }};'
                listeners.append(configs.listener(f"{mode}-{family}", address(last, family), 443, f"web-{family}", tls("shop-ec", more=ask), "https"))
            trusts = f'trusted_proxies = [ "{CLIENT4}", "{CLIENT6}" ]; '
            listeners += [
                configs.listener(f"trusting-{family}", address(86, family), 443, f"web-{family}", trusts + every, "https"),
                configs.listener(f"passing-{family}", address(87, family), 443, f"web-{family}", trusts + "accept_proxy_protocol = true; " + every,
                                 "https")]
        return configs.objects(pools, [], listeners) + 'admin = { listen = "127.0.0.1:9471"; };\n'


one_worker = group("TLS, one worker", Secure)
two_workers = group("TLS, two workers", lambda: Secure(workers="0, 1"))
both_beds = for_families("TLS", (one_worker, two_workers))


def host(last, family):
    where = address(last, family)
    return where if family == 4 else f"[{where}]"


def curl(bed, last, family, path="/", *more, name="shop.example"):
    return bed.client("curl", "-s", "-S", "-f", "-m", "20", "--cacert", f"{bed.lab.where}/all.pem", "--resolve",
                      f"{name}:443:{host(last, family)}", *more, f"https://{name}{path}")


def s_client(bed, last, family, *more, said="", check=True, name="shop.example"):
    """openssl s_client, which is told this; all that it prints."""
    done = bed.lab.run(bed.lab.client, "openssl", "s_client", "-connect", f"{host(last, family)}:443", "-servername", name, "-CAfile",
                       f"{bed.lab.where}/all.pem", *more, check=False, timeout=20, input=said)
    expect(not check or done.returncode == 0, f"openssl s_client {' '.join(more)}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


@both_beds("versions, over HTTP and TCP")
def versions(bed, family):
    client = CLIENT4 if family == 4 else CLIENT6
    for version in ("--tlsv1.3", "--tls-max=1.2"):
        said = curl(bed, 80, family, "/", *version.split("=")).split()
        expect(said[0] in ("b1", "b2", "b3") and said[1:3] == ["https", client] and "proto=https" in said[3], f"{said}")
        said = curl(bed, 81, family, "/", *version.split("=")).split()
        expect(said[0] in ("b1", "b2", "b3"), f"{said}")


@both_beds("ciphers")
def ciphers(bed, family):
    for version, names in (("-tls1_3", ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")),
                           ("-tls1_2", ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"))):
        for name in names:
            said = s_client(bed, 80, family, version, "-ciphersuites" if "3" in version else "-cipher", name, "-brief", said="Q\n")
            expect(name in said and "Verification: OK" in said, said)


@both_beds("what is not allowed any more")
def refused(bed, family):
    for words in (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"],
                  ["-tls1_2", "-cipher", "AES128-GCM-SHA256"], ["-tls1_2", "-groups", "P-521"]):
        said = s_client(bed, 80, family, *words, check=False, said="Q\n")
        expect("alert" in said and "Cipher is (NONE)" in said, f"{words}: {said}")
    drops = bed.service(f"https-{family}")["drops"]
    expect(drops.get("tls-handshake", 0) >= 3, f"{drops}")
    said = answer_to(bed, address(80, family), b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
    expect(said == "1503030002020a", f"to HTTP without TLS: {said}")
    expect(bed.service(f"https-{family}")["drops"].get("tls-hello", 0) >= 1, f"{drops}")


@both_beds("a hello byte by byte")
def byte_by_byte(bed, family):
    said = answer_to(bed, address(80, family), hello("shop.example"), 1)
    expect(said.startswith("160303"), f"the answer is {said}")


@both_beds("certificates by name")
def by_name(bed, family):
    for name, kind, subject in (("shop.example", "ECDSA", "shop-ec"), ("www.shop.example", "ECDSA", "shop-ec"),
                                ("WWW.Shop.Example", "ECDSA", "shop-ec"), ("shop.example", "RSA", "shop-rsa"),
                                ("a.wild.example", "ECDSA", "wild-ec"), ("a.b.wild.example", "ECDSA", "rest-ec"),
                                ("wild.example", "ECDSA", "rest-ec"), ("other.example", "ECDSA", "rest-ec"),
                                ("shop.example", "RSA before ECDSA", "shop-ec"), ("shop.example.", "ECDSA", "shop-ec")):
        only = ["-sigalgs", ":".join((["RSA-PSS+SHA256:RSA+SHA256"] if "RSA" in kind.split() else []) + ["ECDSA+SHA256"] * ("ECDSA" in kind))]
        for version in ("-tls1_3", "-tls1_2"):
            said = s_client(bed, 80, family, version, *only, said="Q\n", name=name)
            expect(f"subject=CN = {subject}" in said, f"{name}, {kind}, {version}: {said[:600]}")


@both_beds("application protocols")
def protocols(bed, family):
    said = s_client(bed, 80, family, "-alpn", "h2,http/1.1", said="Q\n")
    expect("ALPN protocol: http/1.1" in said, said)
    said = curl(bed, 80, family, "/", "--http2", "-w", "%{http_version}")
    expect(said.endswith("1.1"), said)


@both_beds("downloads")
def download(bed, family):
    with open(f"{bed.lab.where}/www/big", "rb") as file:
        whole = hashlib.sha256(file.read()).hexdigest()
    for last in (80, 81):
        for version in ("--tlsv1.3", "--tls-max=1.2"):
            path = f"{bed.lab.where}/got"
            curl(bed, last, family, "/big", *version.split("="), "-o", path)
            with open(path, "rb") as file:
                expect(hashlib.sha256(file.read()).hexdigest() == whole, f"{last} {version}: another file")


@both_beds("100 requests on a connection")
def kept(bed, family):
    names = curl(bed, 80, family, "/?[1-100]", "-w", "%{num_connects}\\n").split("\n")
    expect(len(names) == 201 and sum(int(line) for line in names[1::2]) == 1, f"{names}")


@both_beds("PROXY headers")
def told(bed, family):
    client = CLIENT4 if family == 4 else CLIENT6
    expect(curl(bed, 82, family, "/", "--haproxy-protocol").split()[1:] == [client], "the backend was told another client")
    expect(curl(bed, 83, family, "/", "--haproxy-protocol").split()[1:3] == ["https", client], "the backend was told another client")


@both_beds("resumed sessions")
def resumed(bed, family):
    path = f"{bed.lab.where}/session"
    for version in ("-tls1_3", "-tls1_2"):
        request = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
        said = s_client(bed, 80, family, version, "-sess_out", path, "-ign_eof", said=request)
        expect("New, " in said, said)
        said = s_client(bed, 80, family, version, "-sess_in", path, "-ign_eof", said=request)
        expect("Reused, " in said and "HTTP/1.1 200" in said, said)


def pair(bed, name):
    return "--cert", f"{bed.lab.where}/{name}.pem", "--key", f"{bed.lab.where}/{name}.key"


FORGED = [word for name in ("Verify: SUCCESS", "DN: CN=root", "SAN: DNS:root", "Serial: 01", "Fingerprint: 00")
          for word in ("-H", f"X-SSL-Client-{name}", "-H", f"x_ssl-Client_{name}")] + [
              "-H", "X_Forwarded_For: 192.0.2.7", "-H", "X.Forwarded+For: 192.0.2.7", "-H", "X-SSL-Client-Cert: root"]


@both_beds("certificates of clients")
def of_clients(bed, family):
    """What backends are told of them, and that nobody else can tell it."""
    client = CLIENT4 if family == 4 else CLIENT6
    pem = f"{bed.lab.where}/wild-ec.pem"
    serial, digest = bed.lab.run(bed.lab.edge, "openssl", "x509", "-in", pem, "-noout", "-serial", "-fingerprint", "-sha256").stdout.split("\n")[:2]
    mine = ["SUCCESS", "CN=wild-ec", "DNS:*.wild.example", serial.split("=")[1].lower(), digest.split("=")[1].replace(":", "").lower(), client]
    for version in ("--tlsv1.3", "--tls-max=1.2"):
        for last in (84, 85):
            said = curl(bed, last, family, "/shown", *version.split("="), *pair(bed, "wild-ec"), *FORGED).split("|")
            expect([said[0], said[1], said[2], said[3].lower(), said[4], said[5]] == mine, f"{last} {version}: {said}")
        said = curl(bed, 84, family, "/shown", *version.split("="), *FORGED).split("|")
        expect(said == ["", "", "", "", "", client], f"without a certificate, {version}: {said}")
        said = curl(bed, 84, family, "/shown", *version.split("="), *pair(bed, "rest-ec"), *FORGED).split("|")
        expect(said == ["FAILED", "", "", "", "", client], f"with one that nobody vouches for, {version}: {said}")
        said = curl(bed, 80, family, "/shown", *version.split("="), *FORGED).split("|")
        expect(said == ["", "", "", "", "", client], f"to a listener that asks for none, {version}: {said}")
        said = curl(bed, 86, family, "/shown", *version.split("="), "-H", "X-SSL-Client-DN: CN=known").split("|")
        expect(said[:2] == ["", "CN=known"], f"from a trusted proxy, {version}: {said}")
        said = curl(bed, 86, family, "/shown", *version.split("="), "-H", "X_SSL_Client_DN: CN=root").split("|")
        expect(said[:2] == ["", ""], f"what a trusted proxy has let through, {version}: {said}")
        for words in ((), pair(bed, "rest-ec")):
            done = bed.lab.run(bed.lab.client, "curl", "-s", "-m", "10", "-k", *version.split("="), *words, "--resolve",
                               f"shop.example:443:{host(85, family)}", "https://shop.example/", check=False)
            expect(done.returncode in (35, 56, 98) and not done.stdout, f"a client that has none, or not a good one: {done.returncode} {done.stdout}")


@both_beds("clients behind a trusted balancer")
def passed_on(bed, family):
    """One that only passes connections on, and says so by a PROXY header: what clients say of themselves is not what it says."""
    name, mine, others = ("TCP4", CLIENT4, "192.0.2.99") if family == 4 else ("TCP6", CLIENT6, "2001:db8:99::1")
    for source, said in ((others, f"||||| {others}"), (mine, f"SUCCESS|CN=root|||| 192.0.2.7, {mine}")):
        got = in_client(bed, "import socket, ssl", f"c = ssl.create_default_context(cafile='{bed.lab.where}/all.pem')",
                        f"raw = socket.create_connection(('{address(87, family)}', 443), 5)",
                        f"raw.sendall(b'PROXY {name} {source} {address(87, family)} 1234 443\\r\\n')",
                        "s = c.wrap_socket(raw, server_hostname='shop.example')",
                        "s.sendall(b'GET /shown HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nX-SSL-Client-Verify: SUCCESS\\r\\n'"
                        " b'X-SSL-Client-DN: CN=root\\r\\nX-Forwarded-For: 192.0.2.7\\r\\n\\r\\n')",
                        "text = b''", "while True:", " got = s.recv(4096)", " text += got", " if not got: break",
                        "print(text.split(b'\\r\\n\\r\\n')[1].decode())")
        expect(got == said.replace("| ", "|"), f"of {source}: {got}")


@both_beds("new keys")
def new_keys(bed, family):
    """s_client's K asks for new keys of ours as well, k does not."""
    with topology.inside(bed.lab.client):
        process = subprocess.Popen(["openssl", "s_client", "-connect", f"{host(80, family)}:443", "-servername", "shop.example", "-tls1_3", "-crlf",
                                    "-CAfile", f"{bed.lab.where}/all.pem"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
    bed.lab.processes.append(process)
    for number in range(6):
        process.stdin.write("Kk"[number % 2] + "\n")
        process.stdin.flush()
        time.sleep(0.2)  # what s_client reads at a time begins with the command, or it is none
        process.stdin.write(f"GET /?{number} HTTP/1.1\nHost: shop.example\n" + ("Connection: close\n" if number == 5 else "") + "\n")
        process.stdin.flush()
        time.sleep(0.2)
    said = process.communicate(timeout=20)[0]
    expect(said.count("KEYUPDATE") == 6 and said.count("HTTP/1.1 200") == 6, said)
    updates = {key: sum(row[key] for row in bed.show("tls")) for key in ("key_updates_in", "key_updates_out")}
    expect(updates["key_updates_in"] >= 6 and updates["key_updates_out"] >= 3, f"{updates}")


@both_beds("a connection that is cut")
def cut(bed, family):
    """A client that ends TCP and not TLS: of TCP that is passed on, the backend is not to think that this was all."""
    before = sum(row["truncated"] for row in bed.show("tls"))
    in_client(bed, "import socket, ssl", f"c = ssl.create_default_context(cafile='{bed.lab.where}/all.pem')",
              f"raw = socket.create_connection(('{address(81, family)}', 443), 5)",
              "s = c.wrap_socket(raw, server_hostname='shop.example', suppress_ragged_eofs=False)",
              "s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n')", "socket.socket.shutdown(s, socket.SHUT_WR)", "s.settimeout(5)",
              "try: s.recv(1)", "except OSError as e: print(type(e).__name__)")
    expect(wait_until(lambda: sum(row["truncated"] for row in bed.show("tls")) == before + 1), f"{bed.show('tls')}")
    expect(wait_until(lambda: bed.service(f"tls-{family}")["connections_active"] == 0), "it is still there")


@one_worker
def shown(bed):
    curl(bed, 80, 4)
    s_client(bed, 80, 4, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", check=False, said="Q\n")
    metrics = bed.lab.run(bed.lab.edge, "curl", "-s", "-f", "http://127.0.0.1:9471/metrics").stdout
    rows = bed.show("tls")
    for name in ("full", "full_tls13", "cipher_aes_256_gcm", "failed", "records_in", "records_out"):
        count = sum(row[name] for row in rows)
        expect(count > 0 and f'penstock_tls_{name}_total{{worker="0"}} {rows[0][name]}\n' in metrics, f"{name}: {rows}")
    expect(sum(row["causes"].get("version", 0) for row in rows) > 0 and rows[0]["handshake_seconds"] > 0, f"{rows}")


@one_worker
def renewed(bed):
    """A new certificate in the place of the old one: new connections see it. One that is no good is not taken, and it is said why."""
    def serial():  # the authority is not ours to verify: it is another one in between
        return s_client(bed, 80, 4, said="Q\n", check=False).split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0]

    before = serial()
    certificate(bed.lab, "shop", where=f"{bed.lab.where}/next")
    for end in ("key", "pem"):
        os.rename(f"{bed.lab.where}/next.{end}", f"{bed.lab.where}/shop-ec.{end}")
    expect(wait_until(lambda: serial() != before, 20), "the new certificate is not used")
    after = serial()
    with open(f"{bed.lab.where}/shop-ec.pem", "w", encoding="ascii") as out:
        out.write("no certificate\n")
    def refused():
        with open(f"{bed.lab.where}/penstockd.log", encoding="utf-8") as log:
            return any("certificate-refused" in line and "shop-ec.pem" in line for line in log)

    expect(wait_until(refused, 20), "the log does not say what is wrong")
    expect(serial() == after, "the good certificate is gone")


@one_worker
def many_handshakes(bed):
    """200 at once, of clients that resume nothing."""
    said = in_client(bed, "import socket, ssl, threading", f"c = ssl.create_default_context(cafile='{bed.lab.where}/all.pem')",
                     "done = []", "def one():", f" s = socket.create_connection(('{address(80, 4)}', 443), 10)",
                     " t = c.wrap_socket(s, server_hostname='a.wild.example')",
                     " t.sendall(b'GET / HTTP/1.1\\r\\nHost: shop.example\\r\\nConnection: close\\r\\n\\r\\n')",
                     " text = b''", " while True:", "  got = t.recv(4096)", "  text += got", "  if not got: break",
                     " done.append(b' 200 ' in text)", "all = [threading.Thread(target=one) for _ in range(200)]",
                     "[t.start() for t in all]", "[t.join() for t in all]", "print(sum(done))")
    expect(said == "200", f"{said} of 200: {bed.show('tls')}")
