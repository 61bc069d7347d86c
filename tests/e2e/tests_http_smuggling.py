# SPDX-License-Identifier: Apache-2.0
"""Request smuggling, end to end: each trick through Penstock to nginx, Apache httpd, HAProxy and Node. Their own logs are the judge: they
must show the requests that Penstock meant to send and no other, and the connection that a trick has used must be as good as before for the
next request on it."""
import os
import time

import configs
from bed import Bed, Wrong, expect, group, wait_until
from http_bed import address, listens
from inside import Cut, connect

PORT = 8096
SERVERS = ("nginx", "apache", "haproxy", "node")  # on b1, b2, b3, b4

NGINX = """
pid {where}/smuggle-nginx.pid; error_log {where}/smuggle-nginx.error; worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  log_format seen 'seen $request_method $request_uri'; access_log {where}/nginx.seen seen;
  client_body_temp_path {where}/tmp-s; proxy_temp_path {where}/tmp-s; fastcgi_temp_path {where}/tmp-s; uwsgi_temp_path {where}/tmp-s;
  scgi_temp_path {where}/tmp-s;
  server {{ listen [::]:{port} ipv6only=off; keepalive_requests 100000; location / {{ return 200 "$request_uri"; }} }}
}}
"""
APACHE = """
ServerRoot {where}
PidFile {where}/apache.pid
Mutex file:{where} default
ServerName backend
Listen [::]:{port}
ErrorLog {where}/apache.error
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LogFormat "seen %m %U%q" seen
CustomLog {where}/apache.seen seen
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 30
StartServers 1
DocumentRoot {where}/apache-files
<Directory {where}/apache-files>
  Require all granted
</Directory>
"""
HAPROXY = """
global
  log stdout format raw daemon
defaults
  mode http
  timeout client 30s
  timeout http-keep-alive 30s
  log global
frontend all
  bind [::]:{port} v4v6
  log-format "seen %HM %HU"
  http-request return status 200 content-type text/plain lf-string "%[url]"
"""
NODE = """
const http = require('http');
const server = http.createServer((request, response) => {
  console.log(`seen ${request.method} ${request.url}`);
  request.resume();
  request.on('end', () => response.end(request.url));
});
server.keepAliveTimeout = 30000;
server.maxRequestsPerSocket = 0;
server.listen({ port: %d, host: '::' });
"""


def objects(backends, weights=None):
    """A listener of each server for each family."""
    pools, each = [], []
    for number in backends:
        for family in (4, 6):
            name = f"{SERVERS[number - 1]}-{family}"
            pools.append(configs.pool(name, [number], PORT, family, weights))
            routes = f'routes = ( {{ name = "rest"; pools = ( {{ pool = "{name}"; }} ); timeouts = {{ first_byte = "3s"; }}; }} ); '
            each.append(configs.listener(name, address(79 + number, family), 80, None, 'timeouts = { header = "600ms"; body = "600ms"; }; ' + routes,
                                         protocol="http"))
    return configs.objects(pools, [], each)


class Servers(Bed):
    def __init__(self):
        super().__init__(backends=len(SERVERS), objects=objects)

    def servers(self, number):
        lab, name = self.lab, SERVERS[number - 1]
        where, namespace = lab.where, lab.backend_name(number)
        texts = {"nginx": NGINX, "apache": APACHE, "haproxy": HAPROXY}
        path = f"{where}/smuggle-{name}.conf"
        with open(path, "w", encoding="ascii") as out:
            out.write(texts[name].format(where=where, port=PORT) if name in texts else NODE % PORT)
        os.makedirs(f"{where}/apache-files", exist_ok=True)
        words = {"nginx": ["nginx", "-c", path, "-g", "daemon off;"], "apache": ["apache2", "-f", path, "-D", "FOREGROUND"],
                 "haproxy": ["haproxy", "-db", "-f", path], "node": ["node", path]}[name]
        lab.start(namespace, *words, log=f"{name}.{'out' if name in ('nginx', 'apache') else 'seen'}")

    def __enter__(self):
        super().__enter__()
        silent = [SERVERS[n - 1] for n in self.lab.backends if not wait_until(lambda n=n: listens(self, n, PORT))]
        if silent:
            self.lab.down()
            raise Wrong(f"{silent} do not listen")
        return self

    def seen(self, server):
        """(method, target) of each request in its log."""
        with open(f"{self.lab.where}/{server}.seen", encoding="latin-1") as log:
            return [tuple(line.split()[1:]) for line in log if line.startswith("seen ")]


servers = group("smuggling", Servers)

INSIDE = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def post(fields, body=b"", first=b"POST /meant HTTP/1.1\r\n"):
    return first + b"Host: x\r\n" + fields + b"\r\n" + body


LENGTH = b"Content-Length: %d\r\n" % len(b"0\r\n\r\n" + INSIDE)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n" + INSIDE
HEX = b"%x" % len(INSIDE)

# name: what is sent. /meant may come to the backend, once at most, and /smuggled never.
TRICKS = {
    "CL and TE": post(LENGTH + CHUNKED, END),
    "TE and CL": post(CHUNKED + b"Content-Length: 4\r\n", HEX + b"\r\n" + INSIDE + b"\r\n0\r\n\r\n"),
    "TE and CL 0": post(CHUNKED + b"Content-Length: 0\r\n", END),
    "CL twice, different": post(b"Content-Length: 0\r\n" + LENGTH, END),
    "CL list, different": post(b"Content-Length: 0, 5\r\n", END),
    "CL with a sign": post(b"Content-Length: +%d\r\n" % len(END), END),
    "CL negative": post(b"Content-Length: -1\r\n", INSIDE),
    "CL with a space inside": post(b"Content-Length: 1 0\r\n", INSIDE),
    "CL in hexadecimal": post(b"Content-Length: 0x10\r\n", INSIDE),
    "CL empty": post(b"Content-Length: \r\n", INSIDE),
    "CL with a comma at its end": post(b"Content-Length: 0,\r\n", INSIDE),
    "CL beyond 64 bits": post(b"Content-Length: 18446744073709551616\r\n", INSIDE),
    "CL with a vertical tab": post(b"Content-Length: \x0b0\r\n", INSIDE),
    "space before the colon of CL": post(b"Content-Length : 0\r\n", INSIDE),
    "space before the colon of TE": post(LENGTH + b"Transfer-Encoding : chunked\r\n", END),
    "tab before the colon of TE": post(LENGTH + b"Transfer-Encoding\t: chunked\r\n", END),
    "TE folded": post(LENGTH + b"Transfer-Encoding:\r\n chunked\r\n", END),
    "TE folded with a tab": post(LENGTH + b"X-A: b\r\n\tTransfer-Encoding: chunked\r\n", END),
    "space before the first field": post(b"", first=b"POST /meant HTTP/1.1\r\n Transfer-Encoding: chunked\r\n") + END,
    "TE xchunked": post(LENGTH + b"Transfer-Encoding: xchunked\r\n", END),
    "TE xchunked alone": post(b"Transfer-Encoding: xchunked\r\n", END),
    "TE chunked, identity": post(LENGTH + b"Transfer-Encoding: chunked, identity\r\n", END),
    "TE chunked, identity alone": post(b"Transfer-Encoding: chunked, identity\r\n", END),
    "TE identity, chunked": post(b"Transfer-Encoding: identity, chunked\r\n", END),
    "TE chunked, chunked": post(b"Transfer-Encoding: chunked, chunked\r\n", END),
    "TE identity": post(LENGTH + b"Transfer-Encoding: identity\r\n", END),
    "TE twice": post(CHUNKED + b"Transfer-Encoding: identity\r\n", END),
    "TE twice the other way": post(b"Transfer-Encoding: x\r\n" + CHUNKED, END),
    "TE quoted": post(LENGTH + b'Transfer-Encoding: "chunked"\r\n', END),
    "TE with a tab in front": post(LENGTH + b"Transfer-Encoding:\tchunked\r\n", END),
    "TE with a vertical tab": post(LENGTH + b"Transfer-Encoding: \x0bchunked\r\n", END),
    "TE with a NUL": post(LENGTH + b"Transfer-Encoding: chunked\0\r\n", END),
    "TE with a semicolon": post(LENGTH + b"Transfer-Encoding: chunked;q=1\r\n", END),
    "TE with bytes above 127": post(LENGTH + b"Transfer-Encoding: chunked\xa0\r\n", END),
    "TE name with an underscore": post(LENGTH + b"Transfer_Encoding: chunked\r\n", END),
    "TE behind a bare LF": post(LENGTH + b"X-A: b\nTransfer-Encoding: chunked\r\n", END),
    "TE behind a bare CR": post(LENGTH + b"X-A: b\rTransfer-Encoding: chunked\r\n", END),
    "TE in HTTP/1.0": post(CHUNKED, END, b"POST /meant HTTP/1.0\r\n"),
    "TE in HTTP/1.0 with CL": post(CHUNKED + LENGTH, END, b"POST /meant HTTP/1.0\r\nConnection: keep-alive\r\n"),
    "TE named by Connection": post(CHUNKED + b"Connection: transfer-encoding\r\n", b"0\r\n\r\n"),
    "CL named by Connection": post(LENGTH + b"Connection: content-length\r\n", END),
    "Host named by Connection": post(b"Connection: host\r\n"),
    "LF alone ends the head": b"GET /meant HTTP/1.1\nHost: x\n\n" + INSIDE,
    "LF alone ends the last line": b"GET /meant HTTP/1.1\r\nHost: x\r\n\n" + INSIDE,
    "CR alone ends lines": b"GET /meant HTTP/1.1\rHost: x\r\r" + INSIDE,
    "NUL in a value": post(b"X-A: \0b\r\n"),
    "NUL in a name": post(b"X\0A: b\r\n"),
    "a line without a colon": post(b"smuggled\r\n"),
    "an empty name": post(b": b\r\n"),
    "GET with a body": post(LENGTH, END, b"GET /meant HTTP/1.1\r\n"),
    "HEAD with a body": post(LENGTH, END, b"HEAD /meant HTTP/1.1\r\n"),
    "chunk size 0x": post(CHUNKED, b"0x0\r\n\r\n" + INSIDE),
    "chunk size with a sign": post(CHUNKED, b"+0\r\n\r\n" + INSIDE),
    "chunk size negative": post(CHUNKED, b"-1\r\n\r\n" + INSIDE),
    "chunk size with an underscore": post(CHUNKED, b"0_0\r\n\r\n" + INSIDE),
    "chunk size with a space in front": post(CHUNKED, b" 0\r\n\r\n" + INSIDE),
    "chunk size empty": post(CHUNKED, b"\r\n\r\n" + INSIDE),
    "chunk size beyond 64 bits": post(CHUNKED, b"10000000000000000\r\n" + INSIDE),
    "chunk size beyond 32 bits": post(CHUNKED, b"100000005\r\nabcde\r\n0\r\n\r\n" + INSIDE),
    "chunk line ends with LF": post(CHUNKED, b"0\n\r\n" + INSIDE),
    "chunk line ends with CR": post(CHUNKED, b"0\r\r\n" + INSIDE),
    "chunk data without CR LF": post(CHUNKED, b"1\r\na0\r\n\r\n" + INSIDE),
    "chunk data ends with LF": post(CHUNKED, b"1\r\na\n0\r\n\r\n" + INSIDE),
    "chunk longer than said": post(CHUNKED, b"1\r\nabcd\r\n0\r\n\r\n" + INSIDE),
    "chunk extension with LF": post(CHUNKED, b"0;a\nb\r\n\r\n" + INSIDE),
    "chunk extension with CR": post(CHUNKED, b"0;a\rb\r\n\r\n" + INSIDE),
    "chunk extension quoted over a line": post(CHUNKED, b'5;a="\r\n\r\n' + INSIDE),
    "chunk extension too long": post(CHUNKED, b"1;" + b"x" * 20000 + b"\r\na\r\n0\r\n\r\n"),
    "chunk extension with NUL": post(CHUNKED, b"0;\0\r\n\r\n" + INSIDE),
    "framing in the trailers": post(CHUNKED, b"0\r\nContent-Length: 50\r\n\r\n" + INSIDE),
    "Host in the trailers": post(CHUNKED, b"0\r\nHost: y\r\n\r\n"),
    "request in the trailers": post(CHUNKED, b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
    "Host twice": post(b"Host: y\r\n"),
    "Host with a path": b"GET /meant HTTP/1.1\r\nHost: x/smuggled\r\n\r\n",
    "Host with a user": b"GET /meant HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "no Host": b"GET /meant HTTP/1.1\r\n\r\n",
    "absolute target, another Host": b"GET http://y/meant HTTP/1.1\r\nHost: x\r\n\r\n",
    "absolute target with a user": b"GET http://y@z/meant HTTP/1.1\r\nHost: x\r\n\r\n",
    "upgrade to h2c": post(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
                           first=b"GET /meant HTTP/1.1\r\n"),
    "upgrade to WebSocket that is not allowed": post(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                                     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", first=b"GET /meant HTTP/1.1\r\n"),
    "prior knowledge of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + INSIDE,
    "Expect and a body at once": post(LENGTH + b"Expect: 100-continue\r\n", END),
    "Expect without a body": post(b"Expect: 100-continue\r\n"),
    "Expect something else": post(LENGTH + b"Expect: 100-continue, x\r\n", END),
    "Expect with a tab in it": post(LENGTH + b"Expect: 100-\tcontinue\r\n", END),
    "tabs in the request line": b"GET\t/meant\tHTTP/1.1\r\nHost: x\r\n\r\n",
    "two spaces in the request line": b"GET  /meant HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space at the end of the request line": b"GET /meant HTTP/1.1 \r\nHost: x\r\n\r\n",
    "a space in the target": b"GET /meant /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    "a line end in the target": b"GET /meant%0d%0aGET%20/smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    "a raw CR in the target": b"GET /meant\rGET HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /meant\r\n\r\n",
    "version in lower case": b"GET /meant http/1.1\r\nHost: x\r\n\r\n",
    "version 1.10": b"GET /meant HTTP/1.10\r\nHost: x\r\n\r\n",
    "version 0.9": b"GET /meant HTTP/0.9\r\nHost: x\r\n\r\n",
    "target too long": b"GET /meant?" + b"x" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "head too large": post(b"X-A: " + b"x" * 40000 + b"\r\n"),
    "too many fields": post(b"X-A: b\r\n" * 150),
    "CONNECT": b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n" + INSIDE.replace(b"/smuggled", b"/meant"),
    "a body cut short": post(b"Content-Length: 100\r\n", INSIDE),
    "a chunk cut short": post(CHUNKED, b"ff\r\n" + INSIDE),
    "a head cut short": b"POST /meant HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nGET /smuggled",
}
# What else of a trick may come to the backend: a target that has an escaped line end, and keeps it.
ASKED = {"a line end in the target": {"/meant%0D%0AGET%20/smuggled", "/meant%0d%0aGET%20/smuggled"}}


def play(bed, last, trick):
    """Send it; whatever comes back, until the connection's end or until nothing has come for a while."""
    with connect(bed.lab.client, address(last, 4), 80) as wire:
        wire.send(TRICKS[trick])
        wire.sock.settimeout(0.05)
        end = time.monotonic() + 2.5
        try:
            while time.monotonic() < end:
                try:
                    wire.more()
                except TimeoutError:
                    if wire.data:
                        break
        except (Cut, OSError):
            pass
        return wire.data


def tricks_at(server):
    def test(bed):
        last = 80 + SERVERS.index(server)
        for number, trick in enumerate(TRICKS):
            before = len(bed.seen(server))
            said = play(bed, last, trick)
            probe = f"/probe-{number}"
            with connect(bed.lab.client, address(last, 4), 80) as wire:  # over the kept connection, if there is one
                answer = wire.ask(probe)
                expect(server == "apache" or answer.body.decode() == probe, f"{trick}: {probe} is answered {answer}")
            expect(wait_until(lambda: ("GET", probe) in bed.seen(server)[before:]), f"{trick}: no {probe} in {bed.seen(server)[before:]}")
            came = bed.seen(server)[before:]
            meant = [target for _, target in came if target != probe]
            expect(len(meant) <= 1, f"{trick}: {came}")
            expect(all(target.partition("?")[0] in ASKED.get(trick, {"/meant", "http://y/meant"}) for target in meant), f"{trick}: {came}, {said[:80]}")
            expect(b"/smuggled" not in said or trick in ASKED, f"{trick}: {said}")
    test.__name__ = f"smuggling to {server}"
    servers(test)


for each in SERVERS:
    tricks_at(each)


@servers
def the_judge_sees(bed):
    """A second request that the client has a right to is in every log: the tests before this one can fail."""
    for number, server in enumerate(SERVERS):
        with connect(bed.lab.client, address(80 + number, 4), 80) as wire:
            wire.send(post(b"Content-Length: 0\r\n") + INSIDE)
            wire.answer()
            wire.answer()
        expect(wait_until(lambda s=server: ("GET", "/smuggled") in bed.seen(s)), f"{server} has not seen it")


the_judge_sees.__name__ = "smuggling: a second request is seen"


@servers
def connections_are_kept(bed):
    reused = sum(row["upstreams_reused"] for row in bed.show("http"))
    expect(reused > len(TRICKS), f"only {reused} requests over a kept connection: the tests before this one have shown little")


connections_are_kept.__name__ = "smuggling: connections were kept"
