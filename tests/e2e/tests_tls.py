# SPDX-License-Identifier: Apache-2.0
"""Listeners with tls-passthrough: the server name chooses the pool, TLS is between client and backend; what is refused, and how it is
told and counted. Backends are nginx with a certificate of one authority, clients curl, openssl and bytes by hand."""
import json
import ssl
import subprocess

import configs
import topology
from bed import Bed, expect, for_families, group, wait_until
from tests_proxy import address, in_client
from topology import CLIENT4, CLIENT6

NAMES = 'server_names = ( { names = [ "shop.example", "*.shop.example" ]; pool = "shop-F"; }, { names = [ "wiki.example" ]; pool = "wiki-F"; } ); '
HEADER = "accept_proxy_protocol = true; proxy_protocol = \"v2\"; "

NGINX = """
pid {where}/tls-{number}.pid;
error_log {where}/tls-{number}.error;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {where}/tls-tmp-{number}; proxy_temp_path {where}/tls-tmp-{number};
  fastcgi_temp_path {where}/tls-tmp-{number}; uwsgi_temp_path {where}/tls-tmp-{number}; scgi_temp_path {where}/tls-tmp-{number};
  ssl_certificate {where}/tls.pem; ssl_certificate_key {where}/tls.key; ssl_protocols TLSv1.2 TLSv1.3;
  server {{
    listen 8443 ssl; listen [::]:8443 ssl;
    root {where}/www;
    location = / {{ return 200 "b{number} $ssl_server_name $ssl_protocol\\n"; }}
  }}
  server {{
    listen 8444 ssl proxy_protocol; listen [::]:8444 ssl proxy_protocol;
    location = / {{ return 200 "b{number} $ssl_server_name $proxy_protocol_addr\\n"; }}
  }}
}}
"""


def servers(lab):
    """A certificate for all names, and nginx with it on every backend."""
    names = "DNS:shop.example,DNS:*.shop.example,DNS:wiki.example,DNS:other.example"
    lab.run(lab.edge, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=lab", "-addext", f"subjectAltName={names}", "-keyout", f"{lab.where}/tls.key", "-out", f"{lab.where}/tls.pem")
    for number in lab.backends:
        path = f"{lab.where}/tls-{number}.conf"
        with open(path, "w", encoding="ascii") as out:
            out.write(NGINX.format(where=lab.where, number=number))
        lab.start(lab.backend_name(number), "nginx", "-c", path, "-g", "daemon off;", log=f"tls-{number}.log")


def objects(_, rest=True):
    """Each pool is one backend: b1 has shop, b2 wiki, b3 the rest."""
    pools, listeners = [], []
    for family in (4, 6):
        names = NAMES.replace("F", str(family))
        for backend, name in ((1, "shop"), (2, "wiki"), (3, "rest")):
            if rest or name != "rest":
                pools.append(configs.pool(f"{name}-{family}", [backend], 8443, family))
        pools.append(configs.pool(f"told-{family}", [3], 8444, family))
        tls = "tls-passthrough"
        listeners += [
            configs.listener(f"tls-{family}", address(70, family), 443, f"rest-{family}" if rest else None, names, tls),
            configs.listener(f"strict-{family}", address(71, family), 443, None, names + 'timeouts = { header = "2s"; }; ', tls),
            configs.listener(f"told-{family}", address(72, family), 443, f"told-{family}", HEADER, tls)]
    return configs.objects(pools, [], listeners) + 'admin = { listen = "127.0.0.1:9470"; };\n'


one_worker = group("tls-passthrough, one worker", lambda: Bed(objects=objects, prepare=servers))
two_workers = group("tls-passthrough, two workers", lambda: Bed(workers="0, 1", objects=objects, prepare=servers))
both_beds = for_families("tls-passthrough", (one_worker, two_workers))


def curl(bed, name, last, family, path="/", *more):
    where = address(last, family)
    return bed.client("curl", "-s", "-S", "-f", "-m", "20", "--cacert", f"{bed.lab.where}/tls.pem", "--resolve",
                      f"{name}:443:{where if family == 4 else f'[{where}]'}", *more, f"https://{name}{path}")


def reasons(bed):
    """Refused clients by reason, of all workers."""
    sums = {}
    for row in bed.show("tcp"):
        for reason, count in row["bad_hellos"].items():
            sums[reason] = sums.get(reason, 0) + count
    return sums


def hello(name):
    """A ClientHello as Python's TLS makes it."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.check_hostname = name is not None
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def answer_to(bed, where, data, piece=0, end=False):
    """What a client hears that says this, in pieces: the content type of the first record, and its fifth and sixth byte if it is an
    alert. "" if there is none."""
    said = in_client(bed, "import socket, time", f"s = socket.create_connection(('{where}', 443), 5)", "s.settimeout(10)",
                     "s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)", f"data, piece = {data!r}, {piece}",
                     "for i in range(0, len(data), piece or len(data) or 1):",
                     " s.sendall(data[i:i + (piece or len(data))])", " if piece: time.sleep(.0005)",
                     "if %r: s.shutdown(socket.SHUT_WR)" % end,
                     "got = s.recv(5)", "while got and len(got) < 7: got += s.recv(7 - len(got))", "print(got.hex())")
    return said


def alert(code):
    return f"150303000202{code:02x}"


@both_beds("pools by name")
def by_name(bed, family):
    for name, server in (("shop.example", "b1"), ("www.shop.example", "b1"), ("wiki.example", "b2"), ("other.example", "b3")):
        for version in ("--tlsv1.3", "--tls-max=1.2"):
            said = curl(bed, name, 70, family, "/", *version.split("=")).split()
            expect(said == [server, name, "TLSv1.3" if "3" in version else "TLSv1.2"], f"{name}: {said}")


@both_beds("without a name")
def without(bed, family):
    where = address(70, family)
    said = bed.client("curl", "-s", "-S", "-f", "-k", "-m", "10", f"https://{where if family == 4 else f'[{where}]'}/").split()
    expect(said[0] == "b3", f"{said}")
    before = reasons(bed).get("name-missing", 0)
    expect(answer_to(bed, address(71, family), hello(None)) == alert(109), "another answer")
    expect(answer_to(bed, address(71, family), hello("other.example")) == alert(112), "another answer to an unknown name")
    expect(reasons(bed).get("name-missing", 0) == before + 1, f"{reasons(bed)}")
    drops = bed.service(f"strict-{family}")["drops"]
    expect(drops.get("server-name", 0) >= 2, f"{drops}")


@both_beds("a hello byte by byte")
def byte_by_byte(bed, family):
    said = answer_to(bed, address(70, family), hello("a.b.shop.example"), 1)
    expect(said.startswith("160303"), f"the server's answer is {said}")
    backends = [b for b in bed.show("backends") if b["pool"] == f"shop-{family}"]
    expect(backends[0]["connections_total"] > 0, f"{backends}")


@both_beds("downloads")
def download(bed, family):
    size = curl(bed, "shop.example", 70, family, "/big", "-o", "/dev/null", "-w", "%{size_download}")
    expect(int(size) == 16 << 20, size)


@both_beds("what is no hello")
def no_hello(bed, family):
    where, before = address(70, family), reasons(bed)
    whole = hello("shop.example")
    long = b"\x16\x03\x01\x40\x00\x01\x00\x40\x00" + bytes(16380)
    for data, reason, code in ((b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n", "record-type", 10), (long, "too-long", 40),
                               (whole[:5] + b"\x02" + whole[6:], "handshake-type", 10), (hello("shop.example").replace(b"shop.", b"sh p."),
                                                                                        "name-invalid", 47)):
        said = answer_to(bed, where, data)
        expect(said == alert(code), f"{reason}: {said}")
        expect(reasons(bed).get(reason, 0) == before.get(reason, 0) + 1, f"{reason}: {reasons(bed)}")
    expect(answer_to(bed, where, whole[:100], end=True) == alert(50), "another answer to a hello that ends")
    expect(bed.service(f"tls-{family}")["drops"].get("tls-hello", 0) >= 5, f"{bed.service(f'tls-{family}')}")
    expect(wait_until(lambda: bed.service(f"tls-{family}")["connections_active"] == 0), "refused clients are still there")


@both_beds("PROXY headers")
def told(bed, family):
    client = CLIENT4 if family == 4 else CLIENT6
    said = curl(bed, "shop.example", 72, family, "/", "--haproxy-protocol").split()
    expect(said == ["b3", "shop.example", client], f"{said}")


@one_worker
def slow_hello(bed):
    """Half a hello, and nothing more: there is an end to it."""
    expect(answer_to(bed, address(71, 4), hello("shop.example")[:50]) == alert(40), "another answer")
    expect(reasons(bed).get("timeout", 0) == 1, f"{reasons(bed)}")


@one_worker
def shown(bed):
    def explain(*more):
        return json.loads(bed.penstock("explain", "--protocol", "tcp", "--client", f"{CLIENT4}:5", "--service",
                                       f"{address(71, 4)}:443", "--json", *more).stdout)
    said = explain("--server-name", "x.Shop.example")
    expect((said["verdict"], said["server_name"]) == ("forward", "x.shop.example"), f"{said}")
    expect(said["backend"].endswith(":8443"), f"{said}")
    said = explain()
    expect((said["verdict"], said["reason"], said["server_name"]) == ("drop", "server-name", ""), f"{said}")
    curl(bed, "shop.example", 70, 4)
    answer_to(bed, address(70, 4), b"GET / HTTP/1.0\r\n\r\n")
    metrics = bed.lab.run(bed.lab.edge, "curl", "-s", "-f", "http://127.0.0.1:9470/metrics").stdout
    for reason, count in reasons(bed).items():
        expect(f'penstock_tls_bad_hellos_total{{reason="{reason}"}} {count}\n' in metrics, f"{reason} is not {count} in the metrics")
    tcp = bed.show("tcp")[0]
    expect(f'penstock_proxy_hellos_refused_total{{worker="0"}} {sum(reasons(bed).values())}\n' in metrics, f"{tcp}")
    expect(f'penstock_proxy_hellos_total{{worker="0"}} {tcp["hellos"]}\n' in metrics and tcp["hellos"] > 0, f"{tcp}")
    listed = {row["name"]: row for row in bed.show("listeners")}
    expect((listed["tls-4"]["protocol"], listed["tls-4"]["pool"]) == ("tls-passthrough", "rest-4"), f"{listed['tls-4']}")
    expect(listed["strict-4"]["pool"] == "-", f"{listed['strict-4']}")
    expect(listed["strict-4"]["server_names"][1] == {"names": ["wiki.example"], "pool": "wiki-4"}, f"{listed['strict-4']}")


@one_worker
def changes(bed):
    """The pool of other names goes, and comes back, while connections are open."""
    context = [f"import socket, ssl, sys; c = ssl.create_default_context(cafile='{bed.lab.where}/tls.pem')",
               f"s = c.wrap_socket(socket.create_connection(('{address(70, 4)}', 443), 5), server_hostname='other.example')",
               "print('ready', flush=True); sys.stdin.readline()", "s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')", "text = b''",
               "while True:", " got = s.recv(1000)", " text += got", " if not got: break", "print(text.split()[-3].decode())"]
    with topology.inside(bed.lab.client):
        process = subprocess.Popen(["/usr/bin/python3", "-c", "\n".join(context)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
    bed.lab.processes.append(process)
    expect(process.stdout.readline() == "ready\n", "the client did not become ready")
    bed.apply(bed.config(bed.lab.backends, rest=False))
    expect(answer_to(bed, address(70, 4), hello("other.example")) == alert(112), "a name of no pool")
    expect(curl(bed, "wiki.example", 70, 4).split()[0] == "b2", "another pool broke")
    said = process.communicate("\n", timeout=20)[0].strip()
    expect(said == "b3", f"a connection broke: {said}")
    bed.apply(bed.config(bed.lab.backends))
    expect(curl(bed, "other.example", 70, 4).split()[0] == "b3", "the pool is not back")
