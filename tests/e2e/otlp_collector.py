#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A collector of traces that keeps what it is sent: OTLP over HTTP, JSON.

    otlp_collector.py PORT FILE [STATUS COUNT]

Each span becomes a line of FILE, with the attributes of its resource as `resource` and its own as a mapping. The first COUNT requests are
answered with STATUS instead, and nothing of them is kept.
"""
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


def plain(attributes):
    """{key: value} of a list of OTLP's."""
    out = {}
    for attribute in attributes:
        (kind, value), = attribute["value"].items()
        out[attribute["key"]] = int(value) if kind == "intValue" else value
    return out


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    out, status, left = None, 200, 0

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 200
        if self.path != "/v1/traces" or self.headers["Content-Type"] != "application/json":
            status = 404
        elif Handler.left > 0:
            Handler.left -= 1
            status = Handler.status
        else:
            self.keep(json.loads(body))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def keep(self, request):
        for resource in request["resourceSpans"]:
            whose = plain(resource["resource"]["attributes"])
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    span["attributes"] = plain(span["attributes"])
                    Handler.out.write(json.dumps(dict(span, resource=whose)) + "\n")
        Handler.out.flush()


def main():
    Handler.out = open(sys.argv[2], "w", encoding="utf-8")
    if len(sys.argv) > 3:
        Handler.status, Handler.left = int(sys.argv[3]), int(sys.argv[4])
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
