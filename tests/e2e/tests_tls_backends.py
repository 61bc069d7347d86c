# SPDX-License-Identifier: Apache-2.0
"""TLS towards backends: what they see, whom we believe, and what becomes of those that we do not. Backends are nginx with TLS, each
port another kind of server; b1, b2, b3 have it all."""
import datetime
import hashlib
import os

import configs
from bed import Bed, expect, for_families, group, wait_until
from http_bed import listens
from tests_https import certificate
from tests_proxy import address
from topology import CLIENT4, CLIENT6, backend_address

NGINX = """
pid {where}/sec-{number}.pid;
error_log {where}/sec-{number}.error;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
  log_format heads '$server_port $request';
  access_log {where}/sec-{number}.access heads;
  client_body_temp_path {where}/sec-tmp-{number}; proxy_temp_path {where}/sec-tmp-{number};
  fastcgi_temp_path {where}/sec-tmp-{number}; uwsgi_temp_path {where}/sec-tmp-{number}; scgi_temp_path {where}/sec-tmp-{number};
  ssl_certificate {where}/shop-ec.pem; ssl_certificate_key {where}/shop-ec.key; ssl_protocols TLSv1.2 TLSv1.3;
  root {where}/www;
  client_max_body_size 100m;
{servers}
}}
"""
SERVER = """
  server {{
    listen {port} ssl{proxy}; listen [::]:{port} ssl{proxy};
    {more}
    location = / {{ return 200 "b{number} $ssl_server_name $ssl_protocol $ssl_client_s_dn{said}\\n"; }}
    location = /close {{ return 200 "closed\\n"; keepalive_timeout 0; }}
    location = /upload {{ client_body_in_single_buffer on; proxy_pass http://127.0.0.1:8089; }}
  }}
"""
GOOD, ONLY12, RSA, OTHER, EXPIRED, ASKS, TOLD, PLAIN = 8443, 8444, 8445, 8446, 8447, 8448, 8449, 8080
KINDS = {
    GOOD: "", ONLY12: "ssl_protocols TLSv1.2;",
    RSA: "ssl_certificate {where}/shop-rsa.pem; ssl_certificate_key {where}/shop-rsa.key;",
    OTHER: "ssl_certificate {where}/rest-ec.pem; ssl_certificate_key {where}/rest-ec.key;",
    EXPIRED: "ssl_certificate {where}/old.pem; ssl_certificate_key {where}/old.key;",
    ASKS: "ssl_client_certificate {where}/rest-ec.pem; ssl_verify_client on;", TOLD: "",
}


def expired(lab):
    """A certificate that was good until yesterday."""
    today = datetime.datetime.now(datetime.timezone.utc)
    begin, end = ((today - datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ") for days in (9, 1))
    where = f"{lab.where}/old"
    os.makedirs(f"{where}.ca", exist_ok=True)
    for name, text in (("index.txt", ""), ("serial", "01\n"),
                       ("ca.conf", f"[ca]\ndefault_ca=x\n[x]\ndatabase={where}.ca/index.txt\nserial={where}.ca/serial\nnew_certs_dir={where}.ca\n"
                        "default_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:shop.example\n")):
        with open(f"{where}.ca/{name}", "w", encoding="ascii") as out:
            out.write(text)
    lab.run(lab.edge, "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=old", "-keyout",
            f"{where}.key", "-out", f"{where}.csr")
    lab.run(lab.edge, "openssl", "ca", "-batch", "-selfsign", "-config", f"{where}.ca/ca.conf", "-keyfile", f"{where}.key", "-in", f"{where}.csr",
            "-startdate", begin, "-enddate", end, "-notext", "-out", f"{where}.pem")


def servers(lab):
    for name, kind in (("shop", "ec"), ("shop", "rsa"), ("rest", "ec")):
        certificate(lab, name, kind)
    expired(lab)
    with open(f"{lab.where}/all.pem", "w", encoding="ascii") as out:
        for file in ("shop-ec", "shop-rsa", "rest-ec", "old"):
            with open(f"{lab.where}/{file}.pem", encoding="ascii") as pem:
                out.write(pem.read())
    for number in lab.backends:
        path = f"{lab.where}/sec-{number}.conf"
        each = "".join(SERVER.format(port=port, number=number, more=more.format(where=lab.where), proxy=" proxy_protocol" if port == TOLD else "",
                                     said=" $proxy_protocol_addr" if port == TOLD else "") for port, more in KINDS.items())
        each += "  server { listen 127.0.0.1:8089; location / { return 200 \"$http_content_length\\n\"; } }\n"
        with open(path, "w", encoding="ascii") as out:
            out.write(NGINX.format(where=lab.where, number=number, servers=each))
        lab.start(lab.backend_name(number), "nginx", "-c", path, "-g", "daemon off;", log=f"sec-{number}.log")


# What each listener's pool is: (last part of the address, port of its backends, what its tls says; where.CA is the file of authorities)
NAME = 'server_name = "shop.example"; '
POOLS = {
    "good": (90, GOOD, NAME), "only12": (91, ONLY12, NAME), "rsa": (92, RSA, NAME), "other": (93, OTHER, NAME), "expired": (94, EXPIRED, NAME),
    "asks": (95, ASKS, NAME + 'cert = "{where}/rest-ec.pem"; key = "{where}/rest-ec.key"; '), "told": (96, TOLD, NAME), "plain": (97, PLAIN, NAME),
    "any": (98, OTHER, "verify = false; "), "only13": (99, ONLY12, NAME + 'minimum = "1.3"; '), "stranger": (100, GOOD, NAME),
}
HEADER = 'proxy_protocol = "v2"; '


class SecureBackends(Bed):
    def __init__(self, workers="1"):
        super().__init__(workers=workers, objects=self.with_tls, prepare=servers)

    def with_tls(self, backends, good=NAME):
        """Each pool behind an HTTP listener (80) and a TCP listener (81); the good one behind https (443) and tls (444), too."""
        where, pools, listeners = self.lab.where, [], []
        mine = f'tls = {{ certificates = ( {{ cert = "{where}/shop-ec.pem"; key = "{where}/shop-ec.key"; }} ); }}; '
        for family in (4, 6):
            for name, (last, port, says) in POOLS.items():
                tls = (good if name == "good" else says).format(where=where)
                ca = "" if "verify" in tls else f'ca = "{where}/{"rest-ec" if name == "stranger" else "all"}.pem"; '
                tls = f"tls = {{ {ca}{tls}}}; " if tls else ""
                pools.append(configs.pool(f"{name}-{family}", backends, port, family, extra=tls))
                more = HEADER if name == "told" else ""
                listeners += [configs.listener(f"{name}-http-{family}", address(last, family), 80, f"{name}-{family}", more, "http"),
                              configs.listener(f"{name}-tcp-{family}", address(last, family), 81, f"{name}-{family}", more)]
            # One of three is no good.
            one, two = backend_address(1)[family == 6], backend_address(2)[family == 6]
            pools.append(f'  {{ name = "mixed-{family}"; tls = {{ ca = "{where}/all.pem"; {NAME}}}; outlier = {{ errors = 0; }}; backends = ( '
                         f'{{ address = "{one}"; port = {OTHER}; }}, {{ address = "{two}"; port = {GOOD}; }} ); }}')
            again = (f'routes = ( {{ name = "again"; pools = ( {{ pool = "mixed-{family}"; }} ); '
                     'retries = { attempts = 3; on = [ "connect" ]; budget = "100%"; }; } ); ')
            listeners += [configs.listener(f"mixed-http-{family}", address(101, family), 80, None, again, "http"),
                          configs.listener(f"mixed-tcp-{family}", address(101, family), 81, f"mixed-{family}"),
                          configs.listener(f"good-https-{family}", address(90, family), 443, f"good-{family}", mine, "https"),
                          configs.listener(f"good-tls-{family}", address(90, family), 444, f"good-{family}", mine, "tls")]
        return configs.objects(pools, [], listeners)

    # ---- what tests ask ------------------------------------------------------------------------
    def sum(self, key):
        return sum(row[key] for row in self.show("tls"))

    def causes(self, cause):
        return sum(row["causes"].get(cause, 0) for row in self.show("tls"))


one_worker = group("TLS to backends, one worker", SecureBackends)
two_workers = group("TLS to backends, two workers", lambda: SecureBackends(workers="0, 1"))
both_beds = for_families("TLS to backends", (one_worker, two_workers))
WAYS = ((80, "http"), (81, "http"), (443, "https"), (444, "https"))


def url(pool, family, port=80, path="/", scheme="http"):
    if scheme == "https":
        return f"https://shop.example:{port}{path}"
    where = address(POOLS[pool][0], family)
    return f"http://{where if family == 4 else f'[{where}]'}:{port}{path}"


def curl(bed, pool, family, port=80, path="/", *more, scheme="http"):
    where = address(POOLS[pool][0], family)
    return bed.client("curl", "-s", "-S", "-f", "-m", "20", "--cacert", f"{bed.lab.where}/all.pem", "--resolve",
                      f"shop.example:{port}:{where if family == 4 else f'[{where}]'}", *more, url(pool, family, port, path, scheme))


def status(bed, pool, family, port=80):
    """The status of an answer, and curl's exit code: (502, 0), (0, 56)."""
    done = bed.lab.run(bed.lab.client, "curl", "-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", url(pool, family, port), check=False)
    return int(done.stdout), done.returncode


@both_beds("what backends see")
def seen(bed, family):
    for port, scheme in WAYS:
        said = curl(bed, "good", family, port, scheme=scheme).split()
        expect(said[0] in ("b1", "b2", "b3") and said[1:] == ["shop.example", "TLSv1.3"], f"{port}: {said}")
    for pool, version in (("only12", "TLSv1.2"), ("rsa", "TLSv1.3")):
        for port in (80, 81):
            said = curl(bed, pool, family, port).split()
            expect(said[1:] == ["shop.example", version], f"{pool}, {port}: {said}")
    for port in (80, 81):
        said = curl(bed, "asks", family, port).split()
        expect(said[1:] == ["shop.example", "TLSv1.3", "CN=rest-ec"], f"our certificate, {port}: {said}")
        client = CLIENT4 if family == 4 else CLIENT6
        said = curl(bed, "told", family, port).split()
        expect(said[1:] == ["shop.example", "TLSv1.3", client], f"PROXY header, {port}: {said}")
        said = curl(bed, "any", family, port).split()
        expect(said[1:] == ["TLSv1.3"], f"whoever it is, {port}: {said}")


@both_beds("downloads and uploads")
def content(bed, family):
    with open(f"{bed.lab.where}/www/big", "rb") as file:
        whole = hashlib.sha256(file.read()).hexdigest()
    got = f"{bed.lab.where}/got"
    for port, scheme in WAYS:
        for pool in ("good", "only12") if scheme == "http" else ("good",):
            curl(bed, pool, family, port, "/big", "-o", got, scheme=scheme)
            with open(got, "rb") as file:
                expect(hashlib.sha256(file.read()).hexdigest() == whole, f"{pool} {port}: another file")
            said = curl(bed, pool, family, port, "/upload", "-T", f"{bed.lab.where}/www/big", scheme=scheme)
            expect(int(said) == os.path.getsize(f"{bed.lab.where}/www/big"), f"{pool} {port}: {said} bytes")


@both_beds("kept connections")
def kept(bed, family):
    before = bed.sum("backends")
    names = curl(bed, "good", family, 80, "/?[1-100]").split("\n")
    expect(len(names) == 101, f"{names}")
    expect(0 <= bed.sum("backends") - before <= 3, f"{bed.sum('backends') - before} handshakes for 100 requests of one client")
    before = bed.sum("backends")
    names = curl(bed, "good", family, 80, "/close?[1-20]").split("\n")
    expect(names == ["closed"] * 20 + [""], f"{names}")
    # Three of them on the connections that were kept.
    expect(bed.sum("backends") - before >= 17, f"{bed.sum('backends') - before} handshakes where backends end each connection")


def requests_at(bed, port):
    """How many requests backends have had on a port."""
    count = 0
    for number in bed.lab.backends:
        with open(f"{bed.lab.where}/sec-{number}.access", encoding="ascii") as log:
            count += sum(line.startswith(f"{port} ") for line in log)
    return count


@both_beds("whom we do not believe")
def refused(bed, family):
    for pool, cause in (("other", "wrong-name"), ("expired", "expired"), ("stranger", "untrusted"), ("only13", "version")):
        before, failed, asked = bed.causes(cause), bed.sum("backends_failed"), requests_at(bed, POOLS[pool][1])
        expect(status(bed, pool, family, 80) == (502, 0), f"{pool}: {status(bed, pool, family, 80)} by HTTP")
        expect(status(bed, pool, family, 81)[0] == 0, f"{pool}: an answer over TCP")
        expect(bed.causes(cause) - before >= 4, f"{pool}: {bed.show('tls')}")  # one of HTTP, three of TCP
        expect(bed.sum("backends_failed") - failed >= 4, f"{pool}: {bed.show('tls')}")
        expect(requests_at(bed, POOLS[pool][1]) == asked, f"{pool}: a backend that we do not believe was asked")
    expect(status(bed, "plain", family, 80) == (502, 0), "a server without TLS")
    drops = bed.service(f"other-tcp-{family}")["drops"]
    expect(drops == {"connect-failed": 1}, f"{drops}")


@both_beds("another backend where one is no good")
def another(bed, family):
    where = address(101, family)
    for port in (80, 81):
        host = where if family == 4 else f"[{where}]"
        names = bed.client("curl", "-s", "-S", "-f", "-m", "20", "-H", "Connection: close", f"http://{host}:{port}/?[1-20]").split("\n")
        expect([name.split()[0] for name in names[:-1]] == ["b2"] * 20, f"{port}: {names}")
    expect(bed.causes("wrong-name") > 0, "the bad one was never tried")


@one_worker
def silent(bed):
    """A backend that takes connections, and says nothing."""
    script = ("import socket, threading, time\ns = socket.create_server(('::', 8450), family=socket.AF_INET6, dualstack_ipv6=True)\n"
              "print('ready', flush=True)\nkept = []\nwhile True: kept.append(s.accept())\n")
    process = bed.lab.start(bed.lab.backend_name(1), "/usr/bin/python3", "-c", script, log="silent.log")
    expect(wait_until(lambda: listens(bed, 1, 8450)), "the silent backend does not listen")
    text = bed.config(bed.lab.backends)
    where = backend_address(1)[0]
    pool = (f'  {{ name = "silent"; tls = {{ ca = "{bed.lab.where}/all.pem"; {NAME}}}; backends = ( {{ address = "{where}"; port = 8450; }} ); }}')
    route = 'routes = ( { name = "all"; pools = ( { pool = "silent"; } ); timeouts = { connect = "300ms"; }; } ); '
    mine = [configs.listener("silent-http", address(102, 4), 80, None, route, "http"),
            configs.listener("silent-tcp", address(102, 4), 81, "silent", 'timeouts = { connect = "300ms"; }; ')]
    text = text.replace("\npools = (\n", f"\npools = (\n{pool},\n").replace("\nlisteners = (\n", "\nlisteners = (\n" + ",\n".join(mine) + ",\n")
    bed.apply(text)
    before = bed.causes("timeout")
    done = bed.lab.run(bed.lab.client, "curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code} %{time_total}",
                       f"http://{address(102, 4)}/", check=False)
    code, took = done.stdout.split()
    expect(code == "504" and 0.25 < float(took) < 2, f"{done.stdout}")
    done = bed.lab.run(bed.lab.client, "curl", "-s", "-m", "5", "-w", "%{time_total}", f"http://{address(102, 4)}:81/", check=False)
    expect(done.returncode in (52, 56) and float(done.stdout) < 3, f"{done.returncode} {done.stdout}")
    expect(bed.causes("timeout") - before >= 2, f"{bed.show('tls')}")
    bed.apply(bed.config(bed.lab.backends))
    bed.lab.stop(process)


@one_worker
def changed(bed):
    """A kept connection is not used again once backends are to be spoken to otherwise."""
    curl(bed, "good", 4, 80, "/?[1-30]")
    before = bed.sum("backends")
    curl(bed, "good", 4, 80, "/?[1-30]")
    expect(bed.sum("backends") == before, "connections were not kept")
    bed.apply(bed.config(bed.lab.backends, good=NAME + 'minimum = "1.3"; '))
    curl(bed, "good", 4)
    expect(bed.sum("backends") == before + 1, "the old connection was used")
    bed.apply(bed.config(bed.lab.backends, good='verify = false; server_name = "www.shop.example"; '))
    expect(curl(bed, "good", 4).split()[1] == "www.shop.example", "the old name")
    bed.apply(bed.config(bed.lab.backends, good=""))
    expect(status(bed, "good", 4) == (400, 0), f"HTTP without TLS to a port with TLS: {status(bed, 'good', 4)}")
    bed.apply(bed.config(bed.lab.backends))
    expect(curl(bed, "good", 4).split()[1:] == ["shop.example", "TLSv1.3"], "TLS is not back")


@one_worker
def renewed(bed):
    """Other authorities in the file: from then on they count, for new connections, and what is none is not taken."""
    path = f"{bed.lab.where}/rest-ec.pem"
    with open(path, encoding="ascii") as file:
        kept_text = file.read()
    with open(f"{bed.lab.where}/shop-ec.pem", encoding="ascii") as file:
        shop = file.read()
    def code():
        return status(bed, "stranger", 4, 81)[0]
    expect(code() == 0, "a stranger was believed")

    def replace(text):
        with open(f"{path}.new", "w", encoding="ascii") as out:
            out.write(text)
        os.rename(f"{path}.new", path)

    def log_has(*words):
        with open(f"{bed.lab.where}/penstockd.log", encoding="utf-8") as log:
            return any(all(word in line for word in words) for line in log)
    replace(kept_text + shop)
    expect(wait_until(lambda: code() == 200, 20), "the new authority is not believed")
    replace("nothing of the kind\n")
    expect(wait_until(lambda: log_has("certificate-refused", "stranger-4", "rest-ec.pem"), 20), "the log does not say what is wrong")
    expect(code() == 200, "the good ones are gone")
    replace(kept_text)
    expect(wait_until(lambda: code() == 0, 20), "who was believed still is")
