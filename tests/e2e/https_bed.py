# SPDX-License-Identifier: Apache-2.0
"""The bed of tests that come to HTTPS listeners with clients of other makes. Certificates are signed by an authority under another one,
whose certificate is all that clients know; backends are nginx and http_backend.py, without TLS."""
import fcntl
import os
import ssl
import struct
import subprocess
import termios
import time

import configs
import inside
import topology
from bed import Bed, Wrong, expect, wait_until
from http_bed import BACKEND, address, listens

WEB, ECHO = 8090, 8095
SLOW = 6 << 20  # bytes a second of /slow
LOAD = ("/usr/bin/python3", os.path.join(os.path.dirname(os.path.realpath(__file__)), "https_load.py"))
HSTS = "max-age=31536000; includeSubDomains"
NGINX = """
pid {where}/web-{number}.pid;
error_log {where}/web-{number}.error;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {where}/web-tmp-{number}; proxy_temp_path {where}/web-tmp-{number};
  fastcgi_temp_path {where}/web-tmp-{number}; uwsgi_temp_path {where}/web-tmp-{number}; scgi_temp_path {where}/web-tmp-{number};
  keepalive_requests 1000000;
  server {{
    listen {port} backlog=1024; listen [::]:{port} backlog=1024;
    location = / {{ return 200 "b{number} $http_x_forwarded_proto\\n"; }}
    location = /slow {{ limit_rate {rate}; alias {where}/www/big; }}
  }}
}}
"""
NAMES = {"shop": "DNS:shop.example,DNS:www.shop.example", "wild": "DNS:*.wild.example", "client": "DNS:client.example"}


def host(last, family):
    """An address as URLs have it."""
    return address(last, family) if family == 4 else f"[{address(last, family)}]"


class Authority:
    """WHERE/root.pem, which clients know; under it the one that signs; serial numbers go up from 1000."""

    def __init__(self, lab):
        self.lab, self.where, self.serial = lab, lab.where, 1000
        with open(f"{self.where}/ca.conf", "w", encoding="ascii") as out:
            out.write("[req]\ndistinguished_name = none\n[none]\n")
        for name, more in (("root", ()), ("middle", ("-CA", f"{self.where}/root.pem", "-CAkey", f"{self.where}/root.key"))):
            self.make(name, "ec", *more, "-days", "9", "-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=keyCertSign,cRLSign")

    def make(self, name, kind, *words, subject=None):
        """WHERE/NAME.pem and WHERE/NAME.key, by `openssl req`; signed by itself if these words do not say by whom."""
        key = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["rsa:2048"]
        self.lab.run(self.lab.edge, "openssl", "req", "-x509", "-config", f"{self.where}/ca.conf", "-newkey", *key, "-nodes", "-subj",
                     f"/CN={subject or name}", "-keyout", f"{self.where}/{name}.key", "-out", f"{self.where}/{name}.pem", *words)

    def sign(self, name, kind, path=None, usage="serverAuth"):
        """PATH.pem, with the authority's own behind it, and PATH.key; PATH is NAME-KIND if it is not said, below the lab's folder.
        The serial number."""
        path, self.serial = path or f"{name}-{kind}", self.serial + 1
        self.make(path, kind, "-CA", f"{self.where}/middle.pem", "-CAkey", f"{self.where}/middle.key", "-days", "2", "-set_serial",
                  str(self.serial), "-addext", f"subjectAltName={NAMES[name]}", "-addext", "basicConstraints=critical,CA:false", "-addext",
                  "keyUsage=digitalSignature", "-addext", f"extendedKeyUsage={usage}", "-addext", "authorityKeyIdentifier=keyid", subject=name)
        with open(f"{self.where}/{path}.pem", "a", encoding="ascii") as out, open(f"{self.where}/middle.pem", encoding="ascii") as middle:
            out.write(middle.read())
        return self.serial


ROUTES = f"""routes = (
  {{ name = "echo"; match = {{ path = "/echo"; }}; pools = ( {{ pool = "echo-F"; }} ); }},
  {{ name = "rest"; pools = ( {{ pool = "web-F"; }} );
     headers = {{ response = {{ set = ( {{ name = "Strict-Transport-Security"; value = "{HSTS}"; }} ); }}; }}; }} ); """
REDIRECT = 'routes = ( { name = "there"; redirect = { status = 301; location = "https://$host$path$query"; }; } ); '


class HttpsBed(Bed):
    """Of each family 203.0.113.110, 2001:db8:f::110: shop.example and *.wild.example; .111 asks for certificates of clients. Ports 443, and 80,
    where clients are sent to 443."""

    def __init__(self, workers="0, 1", objects=None, head=""):
        super().__init__(workers=workers, objects=objects or self.shop, prepare=self.certificates)
        self.head, self.authority = head, None

    def certificates(self, lab):
        self.authority = Authority(lab)
        for name, kind in (("shop", "ec"), ("shop", "rsa"), ("wild", "ec")):
            self.authority.sign(name, kind)
        self.authority.sign("client", "ec", usage="clientAuth")
        self.authority.make("stranger", "ec", "-days", "2")

    def config(self, backends, **options):
        return self.head + super().config(backends, **options)

    def tls(self, *files, more=""):
        pairs = ", ".join(f'{{ cert = "{self.lab.where}/{f}.pem"; key = "{self.lab.where}/{f}.key"; }}' for f in files)
        return f"tls = {{ certificates = ( {pairs} ); {more} }}; "

    def shop(self, backends):
        pools, listeners = [], []
        ask = f'client_auth = {{ mode = "require"; ca = "{self.lab.where}/root.pem"; }};'
        for family in (4, 6):
            routes = ROUTES.replace("F", str(family))
            pools += [configs.pool(f"web-{family}", backends, WEB, family), configs.pool(f"echo-{family}", backends, ECHO, family)]
            listeners += [
                configs.listener(f"shop-{family}", address(110, family), 443, None, self.tls("shop-ec", "shop-rsa", "wild-ec") + routes, "https"),
                configs.listener(f"plain-{family}", address(110, family), 80, None, REDIRECT, "http"),
                configs.listener(f"require-{family}", address(111, family), 443, f"web-{family}", self.tls("shop-ec", more=ask), "https")]
        return configs.objects(pools, [], listeners)

    def servers(self, number):
        super().servers(number)
        path = f"{self.lab.where}/web-{number}.conf"
        with open(path, "w", encoding="ascii") as out:
            out.write(NGINX.format(where=self.lab.where, number=number, port=WEB, rate=SLOW))
        self.lab.start(self.lab.backend_name(number), "nginx", "-c", path, "-g", "daemon off;", log=f"web-{number}.log")
        self.lab.start(self.lab.backend_name(number), "/usr/bin/python3", *BACKEND, f"b{number}", str(ECHO), log=f"echo-{number}.log")

    def __enter__(self):
        super().__enter__()
        wait_until(lambda: all(listens(self, n, port) for n in self.lab.backends for port in (WEB, ECHO)))
        return self

    # ---- what tests ask ------------------------------------------------------------------------
    def sum(self, key):
        """A counter of TLS, of all workers together."""
        return sum(row[key] for row in self.show("tls"))

    def path(self, name):
        return f"{self.lab.where}/{name}"

    def served(self, last, family):
        """The serial number of the certificate that a client gets, and believes."""
        context = ssl.create_default_context(cafile=self.path("root.pem"))
        wire = inside.connect(self.lab.client, address(last, family), 443)
        with context.wrap_socket(wire.sock, server_hostname="shop.example") as sock:
            return int(sock.getpeercert()["serialNumber"], 16)


class Program:
    """A client that is spoken to while it runs. What it says goes to two files of the lab's folder, so it never waits for us."""

    def __init__(self, bed, *words):
        self.paths = [bed.path(f"program-{what}") for what in ("out", "err")]
        with open(self.paths[0], "wb") as out, open(self.paths[1], "wb") as err, topology.inside(bed.lab.client):
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=out, stderr=err)
        bed.lab.processes.append(self.process)

    def say(self, data):
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise Wrong(f"the client ended: {self.said()[-500:]} {self.said(1)[-500:]}") from error

    def said(self, which=0):
        with open(self.paths[which], "rb") as file:
            return file.read()

    def wait(self, condition, what):
        """As long as the client lives, and not for ever; often, since content flows meanwhile."""
        end = time.monotonic() + 20
        while not condition() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        expect(condition(), f"{what}: {self.said()[-500:]} {self.said(1)[-500:]}")

    def until(self, mark, count=1, which=0):
        """Until it has said this so often."""
        self.wait(lambda: self.said(which).count(mark) >= count, f"not {count} times {mark}")

    def command(self, line):
        """A line that it reads apart from what comes before and behind it."""
        self.taken()
        self.say(line)
        self.taken()

    def taken(self):
        """Until it has read all that we have said."""
        def left():
            return struct.unpack("i", fcntl.ioctl(self.process.stdin, termios.FIONREAD, bytes(4)))[0]
        self.wait(lambda: left() == 0, "the client does not read what we say")

    def end(self, seconds=20):
        """Its exit code, once the server has ended the connection."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Wrong(f"the client does not end: {self.said()[-500:]} {self.said(1)[-500:]}") from error
