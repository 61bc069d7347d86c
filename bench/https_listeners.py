#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""HTTPS listeners: as http_listeners.py, but clients speak TLS 1.3 (AES-128-GCM) to penstockd, HAProxy and nginx, which all have the same
certificate (ECDSA P-256) and speak HTTP to their backends.

    bench/https_listeners.py [--runs N] [--seconds S] [--json FILE] [PART...]
    parts: requests requests6 bulk idle handshakes rush others
"""
import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import time

import wire
from cases import head
from handshakes import beside_haproxy
from http_listeners import BODY, IDLE, KEPT, LONG, LOADS, PATIENCE, STREAMS, UNDER_WAY, answers, bad, line, measure, others
from listeners import BACKENDS, PORT, listener, memory_of
from wire import RING, Wire, read_count

SECURED = 10000  # connections that are opened
MANY = 100000    # ... by OpenSSL's arithmetic at both ends: half a minute, or a whole one
MANY_S = 180     # seconds that it may take
RUSH = 10000     # that shake hands at once
RUSH_RATE = 20000  # exchanges a second beside them
TIDY = 3  # seconds after which threads without a handshake have given their memory back


def certificate(where):
    """The path without its end."""
    path = f"{where}/tls"
    if not os.path.exists(f"{path}.pem"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=h0.example", "-keyout", f"{path}.key", "-out", f"{path}.pem"], check=True, stderr=subprocess.DEVNULL)
        os.chmod(f"{path}.key", 0o600)
    return path


def config(where, v6=False, memory="1400M", sessions=16384, many=False, under_way=None):
    assert not many
    net = "2001:db8:2::1:" if v6 else "10.2.1."
    addresses = [f"{net}{i}" for i in range(1, BACKENDS + 1)]
    backends = ", ".join(f'{{ address = "{a}"; port = {PORT}; }}' for a in addresses)
    path = certificate(where.where)
    return (head(where, 65536, addresses, memory, f"sessions = {sessions};" + f" backend_connections = {under_way};" * bool(under_way)) +
            f'pools = ( {{ name = "p"; backends = ( {backends} ); }} );\n'
            f'listeners = ( {{ name = "l"; address = "{listener(v6)}"; port = {PORT}; protocol = "https"; pool = "p"; {PATIENCE} '
            f'tls = {{ certificates = ( {{ cert = "{path}.pem"; key = "{path}.key"; }} ); minimum = "1.3"; ciphers = [ "AES128-GCM" ]; }}; }} );\n')


def requests(options, **how):
    return measure("exchange", options, answers, "--tls", "--connections", KEPT, "--body", BODY, make=config, **how)


def bulk(options):
    return measure("bulk", options, lambda c: c["bytes"] * 8, "--tls", "--connections", STREAMS, "--body", LONG, make=config)


@contextlib.contextmanager
def quick_handshakes():
    """The programs whose handshakes take OpenSSL's arithmetic, if they are built; gives whether they are."""
    usual, other = wire.BUILD, f"{wire.BUILD}/openssl"
    quick = all(os.path.exists(f"{other}/{name}") for name in ("bench-proxy", "penstockd", "penstock"))
    wire.BUILD = other if quick else usual
    try:
        yield quick
    finally:
        wire.BUILD = usual


def idle(n=None, sessions=IDLE, memory="630M"):
    """The tables are there for all sessions from the start; what is more comes with connections, of which some are opened, as
    handshakes take their time. Each of these carries a request, and later another one."""
    with quick_handshakes() as quick, Wire(RING) as w:
        n = n or (MANY if quick else SECURED)
        peers = w.peers("--listener", listener(False), "--port", PORT, "--connections", n, "--http", "--tls", "--body", BODY, "idle")
        daemon = w.penstockd(config(w, memory=memory, sessions=sessions, under_way=UNDER_WAY))
        w.wait_until_ready(daemon)
        start = memory_of(daemon.pid)
        read_count(peers, MANY_S)
        time.sleep(TIDY)
        used = memory_of(daemon.pid)
        peers.send_signal(signal.SIGUSR1)
        count = read_count(peers)
    start, used = (each["huge"] + each["rss"] for each in (start, used))
    return {"sessions": sessions, "connections": n, "start": start, "used": used, "each": start / sessions + (used - start) / n,
            "answered": count["answered"], "bad": bad(count)}


def rush(options, n=RUSH):
    """Exchanges on kept connections at a steady rate, without and with as many handshakes at once: those clients all say hello, and go when
    they are answered. The handshake threads share the generator's core, so what was under way while they had it is not measured (`voided`)."""
    with Wire(RING, zero_copy=True) as w:
        peers = w.peers("--listener", listener(False), "--port", PORT, "--seconds", options.seconds, "--connections", KEPT, "--rush", n,
                        "--rate", RUSH_RATE, "--tls", "--body", BODY, "rush")
        w.penstockd(config(w, sessions=32768) + f"tls = {{ handshakes = {2 * n}; }};\n")
        count = read_count(peers)
    # Nothing could be measured where other programs have the core for most of the time.
    p99s = count["without"]["window_p99"], count["with"]["window_p99"]
    return {**count, "handshakes": n, "times": p99s[1] / p99s[0] if all(p99s) else None, "bad": bad(count)}


def middle(runs, *keys):
    """The median of something that each of the runs has."""
    values = []
    for run in runs:
        for key in keys:
            run = run[key]
        values.append(run)
    return statistics.median(values)


def handshakes(options):
    """Of a handshake thread, by either arithmetic that is built, in turns with HAProxy; `times`: resumed ones over full ones by mbedTLS's
    arithmetic in the same turn, `haproxy`: full ones over HAProxy's."""
    found = beside_haproxy(max(3, options.runs), options.seconds)
    full = [run["full"]["rate"] for run in found["mbedTLS's arithmetic"]]
    theirs = found.pop("HAProxy", None)
    result = {}
    for name, runs in found.items():
        result[name] = {what: {key: middle(runs, what, key) for key in ("rate", "share")} for what in ("full", "resumed", "alone")}
        result[name]["times"] = {what: statistics.median(run[what]["rate"] / of for run, of in zip(runs, full)) for what in ("resumed", "alone")}
        result[name]["haproxy"] = theirs and statistics.median(run["full"]["rate"] / of for run, of in zip(runs, theirs))
    return {"threads": result, "haproxy": theirs and statistics.median(theirs)}


def others_tls(where):
    """The same for the others."""
    path = certificate(where)
    with open(f"{path}.both", "w", encoding="ascii") as out:
        for end in ("pem", "key"):
            with open(f"{path}.{end}", encoding="ascii") as text:
                out.write(text.read())
    cipher = "TLS_AES_128_GCM_SHA256"
    return {"haproxy_tls": f" ssl crt {path}.both ssl-min-ver TLSv1.3 ciphersuites {cipher}",
            "nginx_tls": f" ssl; ssl_certificate {path}.pem; ssl_certificate_key {path}.key; ssl_protocols TLSv1.3; "
                         f"ssl_conf_command Ciphersuites {cipher}"}


def beside(options):
    """In bits a second where they are bulk. Longer, as the handshakes of all connections are in it."""
    longer = argparse.Namespace(runs=1, seconds=max(6, 2 * options.seconds))
    found = others(longer, {"requests": LOADS["requests"], "bulk": (("-c", str(STREAMS)), LONG)}, tls=others_tls)
    for each in (found or {}).values():
        each["bulk"] *= 8 * LONG
    return found


PARTS = {"requests": requests, "requests6": lambda o: requests(o, v6=True), "bulk": bulk, "idle": lambda o: idle(),
         "handshakes": handshakes, "rush": rush, "others": beside}


def text(name, r):
    """Lines for people."""
    if name == "idle":
        return (f"idle connections: {r['start'] / 1e6:,.0f} MB for {r['sessions']:,} of them, and {(r['used'] - r['start']) / 1e6:,.1f} MB "
                f"more for {r['connections']:,} that are opened: {r['each']:,.0f} bytes each; {r['answered']:,} of them carried a request "
                f"afterwards, {r['bad']} wrong or broken")
    if name == "handshakes":
        return "\n".join(f"handshakes, {who}: {t['full']['rate']:,.0f}/s in full (the arithmetic alone {t['full']['share']:.0%} of it), "
                         f"{t['resumed']['rate']:,.0f}/s resumed, {t['alone']['rate']:,.0f}/s without a key exchange" + (f"; HAProxy {r['haproxy']:,.0f}/s" if r["haproxy"] else "")
                         for who, t in r["threads"].items())
    if name == "rush":
        alone, beside = r["without"], r["with"]
        return (f"{r['handshakes']:,} handshakes at once, {beside['rushed']:,} of them answered in {beside['seconds']:.1f} s: p99 of {KEPT:,} "
                f"connections {beside['window_p99']:.0f} us, {alone['window_p99']:.0f} us without; not measured {beside['voided']:,} and {alone['voided']:,} of "
                f"{beside['answers']:,} and {alone['answers']:,}; {r['bad']} wrong or broken")
    if name != "others":
        return line(name, r)
    return "HAProxy, nginx: no wrk here, or no permission for a namespace" if r is None else "\n".join(
        f"{who} {o['version']}: {o['requests']:,.0f} requests/s (busy for {o['requests_busy']:.0%}), {o['bulk'] / 1e9:.2f} Gb/s in "
        f"answers of 1 MB (busy for {o['bulk_busy']:.0%})" for who, o in r.items())


def measure_all(options, parts=None):
    results = {}
    for name in parts or PARTS:
        results[name] = PARTS[name](options)
        print(text(name, results[name]), flush=True)
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--json")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    options = parser.parse_args()
    results = measure_all(options, options.parts)
    if options.json:
        with open(options.json, "w", encoding="ascii") as out:
            json.dump(results, out, indent=2)


if __name__ == "__main__":
    main()
