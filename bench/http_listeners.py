#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP listeners: penstockd on one core, and bench-proxy on the other one, which is clients and backends at the far end of
a memif port. Beside it HAProxy and nginx on the same core, with the kernel's TCP on the loopback device; wrk and
bench-sockets' servers are on the other core.

    bench/http_listeners.py [--runs N] [--seconds S] [--json FILE] [PART...]
    parts: requests requests6 connections bulk latency routes idle others
"""
import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import wire
from cases import head
from listeners import BACKENDS, DISTURBED, OPENING, PORT, cpu_seconds, listener, memory_of, network
from wire import RING, Wire, read_count, waited

KEPT = 1000         # connections that carry one request after the other
BODY = 100          # bytes of a small answer
LONG = 1000000      # of a long one
STREAMS = 16        # connections with long ones
IDLE = 500000
UNDER_WAY = 32768   # connections to backends, and requests under way, that there may be beside those
HOSTS = 10000
ROUTES = 1000
TURNS = 3           # of a comparison, where others have one run
LAYER4 = 8081       # port of a listener without HTTP
PATIENCE = 'timeouts = { header = "60s"; keepalive = "600s"; };'  # many connections take a while to be opened


def pool_routes(many):
    """One route; or one for each of the hosts, and as many by path as are asked for."""
    if not many:
        return 'routes = ( { name = "all"; pools = ( { pool = "p"; } ); } );'
    hosts = [f'{{ name = "h{i}"; match = {{ host = "h{i}.example"; path = "/path/"; }}; pools = ( {{ pool = "p"; }} ); }}'
             for i in range(HOSTS)]
    paths = [f'{{ name = "p{i}"; match = {{ path = "/application-{i}/"; }}; pools = ( {{ pool = "p"; }} ); }}' for i in range(ROUTES)]
    return f"routes = ( {', '.join(hosts + paths)} );"


def config(where, v6=False, memory="1400M", sessions=65536, many=False, under_way=None):
    net = "2001:db8:2::1:" if v6 else "10.2.1."
    addresses = [f"{net}{i}" for i in range(1, BACKENDS + 1)]
    backends = ", ".join(f'{{ address = "{a}"; port = {PORT}; }}' for a in addresses)
    return (head(where, 65536, addresses, memory, f"sessions = {sessions};" + f" backend_connections = {under_way};" * bool(under_way)) +
            f'pools = ( {{ name = "p"; backends = ( {backends} ); }} );\n'
            f'listeners = ( {{ name = "l"; address = "{listener(v6)}"; port = {PORT}; protocol = "http"; {PATIENCE} '
            f'{pool_routes(many)} }},\n'
            f'  {{ name = "layer4"; address = "{listener(v6)}"; port = {LAYER4}; protocol = "tcp"; pool = "p"; }} );\n')


def run(load, seconds, *more, v6=False, many=False, port=PORT, make=config):
    """What the peers have counted, and what penstockd has."""
    with Wire(RING, zero_copy=True) as w:
        peers = w.peers("--listener", listener(v6), "--port", port, "--seconds", seconds, "--http", *more, load)
        daemon = w.penstockd(make(w, v6, many=many))
        count = read_count(peers)
        count["tcp"] = w.show("tcp")[0]
        count["http"] = w.show("http")
        count["drops"] = {d["reason"]: d["count"] for d in w.show("drops") if d["count"]}
        count["disturbed"] = max(count["waited"] / count["seconds"], waited(daemon)) > DISTURBED
    count["disturbed"] |= wire.cores.moved()
    return count


def bad(count):
    """Answers that were wrong, connections that broke."""
    return count["broken_in_all"] + count["stuck"] + count["wrong"] + count["strange"]


def summary(found, rate):
    rates = [rate(c) / c["seconds"] for c in found]
    return {"rate": statistics.median(rates), "best": max(rates), "least": min(rates),
            **{name: statistics.median(c[name] for c in found) for name in ("busy", "p50", "p99", "p999", "window_p999")},
            "bad": sum(bad(c) for c in found), "resent": sum(c["resent"] + c["tcp"]["retransmits"] for c in found),
            "disturbed": sum(c["disturbed"] for c in found), "runs": found}


def measure(load, options, rate, *more, **how):
    """The median of some runs. rate: of a run's counts."""
    found, again = [], 2 * options.runs
    while len(found) < options.runs:
        count = run(load, options.seconds, *more, **how)
        if count["disturbed"] and again:
            again -= 1
            continue
        found.append(count)
    return summary(found, rate)


def answers(count):
    return count["answers"]


def requests(options, **how):
    return measure("exchange", options, answers, "--connections", KEPT, "--body", BODY, **how)


def connections(options):
    return measure("open", options, lambda c: c["closed"], "--connections", OPENING, "--body", BODY)


def bulk(options):
    return measure("bulk", options, lambda c: c["bytes"] * 8, "--connections", STREAMS, "--body", LONG)


def latency(options):
    """At half of the rate that is reached just now, through the HTTP listener and through one of layer 4."""
    rate = int(requests(options)["rate"] / 2)
    both = [[run("paced", options.seconds, "--connections", KEPT, "--body", BODY, "--rate", rate, port=port)
             for port in (PORT, LAYER4)] for _ in range(options.runs)]
    return {"at": rate, "http": summary([h for h, _ in both], answers), "layer4": summary([l for _, l in both], answers)}


def turn(words):
    """A run with one route and one with many, twice more if something disturbed either."""
    for _ in range(3):
        both = [run(*words, many=many) for many in (False, True)]
        if not any(count["disturbed"] for count in both):
            break
    return both


def routes(options):
    """In turns with one route and with many; the same requests. Short turns, and many of them: the difference is less than what the
    machine's speed does between two turns."""
    words = ("exchange", options.seconds / TURNS, "--connections", KEPT, "--body", BODY, "--hosts", HOSTS)
    both = [turn(words) for _ in range(options.runs * TURNS)]
    one, many = (summary([pair[i] for pair in both], answers) for i in (0, 1))
    ratios = [p[0]["answers"] / p[0]["seconds"] / (p[1]["answers"] / p[1]["seconds"]) for p in both]
    return {"one": one, "many": many, "cost": statistics.median(ratios) - 1}


def idle(n=IDLE, memory="440M"):
    """Each connection carries a request; see what they take; and then each carries another one. All the tables are there from
    the start, for all the connections and for as many requests as may be under way beside them."""
    with Wire(RING) as w:
        peers = w.peers("--listener", listener(False), "--port", PORT, "--connections", n, "--http", "--body", BODY, "idle")
        daemon = w.penstockd(config(w, memory=memory, sessions=n, under_way=UNDER_WAY))
        read_count(peers)
        used = memory_of(daemon.pid)
        peers.send_signal(signal.SIGUSR1)
        count = read_count(peers)
    return {"connections": n, "bytes": used["huge"] + used["rss"], **used, "answered": count["answered"], "bad": bad(count)}


# ---- HAProxy and nginx ----------------------------------------------------------------------------------------------

HAPROXY = """
global
    nbthread 1
    maxconn 8000
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    option forwardfor
    http-reuse always
listen l
    bind 127.0.0.1:8080{haproxy_tls}
    server s 127.0.0.1:9000
"""
NGINX = """
worker_processes 1;
daemon off;
pid {where}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 8000; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {where}/1; proxy_temp_path {where}/2; fastcgi_temp_path {where}/3;
    uwsgi_temp_path {where}/4; scgi_temp_path {where}/5;
    upstream u {{ server 127.0.0.1:9000; keepalive 1000; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:8080 backlog=4096{nginx_tls};
        location / {{
            proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header Host $host;
        }}
    }}
}}
"""
LOADS = {"requests": (("-c", str(KEPT)), BODY), "connections": (("-c", str(OPENING), "-H", "Connection: close"), BODY)}
OTHERS = {"HAProxy": ("haproxy", HAPROXY, ("-db", "-f")), "nginx": ("nginx", NGINX, ("-c",))}


def version(name):
    words = [OTHERS[name][0], "-v"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr).group()


def wrk(inside, seconds, scheme, *words):
    """Requests per second, and what has failed."""
    done = subprocess.run([*inside, "taskset", "-c", str(wire.GENERATOR_CORE), "wrk", "-t1", f"-d{max(1, round(seconds))}s", *words,
                           f"{scheme}://127.0.0.1:8080/path/0/index.html"], capture_output=True, text=True, check=False, timeout=60)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if done.returncode != 0 or not rate:
        sys.exit(f"bench: wrk: {done.stdout}{done.stderr}")
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    return float(rate.group(1)), int(errors.group(1)) if errors else 0


FILES = """
worker_processes 1; daemon off; pid {where}/files.pid; error_log stderr crit;
events {{ worker_connections 8000; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    client_body_temp_path {where}/6; proxy_temp_path {where}/7; fastcgi_temp_path {where}/8;
    uwsgi_temp_path {where}/9; scgi_temp_path {where}/10;
    server {{ listen 127.0.0.1:9000; root {where}/files; }}
}}
"""


def server_words(where, body):
    """What answers with so many bytes: small ones bench-sockets, long ones nginx, from a file."""
    if body <= 4000:
        return [f"{wire.BUILD}/bench-sockets", "http", "9000", str(body)]
    os.makedirs(f"{where}/files/path/0")
    with open(f"{where}/files/path/0/index.html", "wb") as out:
        out.write(b"x" * body)
    os.chmod(where, 0o755)
    with open(f"{where}/files.conf", "w", encoding="ascii") as out:
        out.write(FILES.format(where=where))
    return ["nginx", "-c", f"{where}/files.conf"]


def other_run(name, wrk_words, seconds, body=BODY, tls=None):
    """tls: makes what the configurations have in it of TLS, in a folder."""
    program, text, words = OTHERS[name]
    wire.cores.settle()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder, network() as inside:
        path = f"{folder}/conf"
        with open(path, "w", encoding="ascii") as out:
            out.write(text.format(where=folder, **(tls(folder) if tls else {"haproxy_tls": "", "nginx_tls": ""})))
        server = subprocess.Popen([*inside, "taskset", "-c", str(wire.GENERATOR_CORE), *server_words(folder, body)])
        proxy = subprocess.Popen([*inside, "taskset", "-c", str(wire.WORKER_CORE), program, *words, path],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            if proxy.poll() is not None or server.poll() is not None:
                sys.exit(f"bench: {name} does not start")
            pids = [proxy.pid, *children(proxy.pid)]
            before, start = sum(map(cpu_seconds, pids)), time.monotonic()
            rate, errors = wrk(inside, seconds, "https" if tls else "http", *wrk_words)
            busy = (sum(map(cpu_seconds, pids)) - before) / (time.monotonic() - start)
        finally:
            proxy.terminate()
            server.terminate()
            proxy.wait()
            server.wait()
    if errors:
        sys.exit(f"bench: {errors} requests through {name} failed")
    return {"rate": rate, "busy": busy}


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as words:
        return [int(word) for word in words.read().split()]


def others(options, loads=LOADS, **how):
    """None: no permission for namespaces, or no wrk. loads: of wrk, by name: its words, and bytes of a body."""
    if os.geteuid() != 0 or not shutil.which("wrk"):
        return None
    result = {}
    for name, (program, _, _) in OTHERS.items():
        if not shutil.which(program):
            continue
        result[name] = {"version": version(name)}
        for what, (words, body) in loads.items():
            found = [other_run(name, words, options.seconds, body, **how) for _ in range(max(1, options.runs // 2))]
            result[name][what] = statistics.median(f["rate"] for f in found)
            result[name][what + "_busy"] = statistics.median(f["busy"] for f in found)
    return result


# ---- all ------------------------------------------------------------------------------------------------------------

PARTS = {
    "requests": requests,
    "requests6": lambda o: requests(o, v6=True),
    "connections": connections,
    "bulk": bulk,
    "latency": latency,
    "routes": routes,
    "idle": lambda o: idle(),
    "others": others,
}


def line(name, r):
    unit, scale = ("Gb/s", 1e9) if name == "bulk" else ("M/s", 1e6)
    return (f"{name}: {r['rate'] / scale:.3f} {unit} ({r['least'] / scale:.3f} to {r['best'] / scale:.3f}), the generator was busy for "
            f"{r['busy']:.0%}; {r['resent']} segments sent again, {r['bad']} wrong or broken"
            + (f"; p50 {r['p50']:.0f} us, p99 {r['p99']:.0f} us" if r["p50"] else "")
            + f"; {r['disturbed']} of {len(r['runs'])} runs disturbed" * bool(r["disturbed"]))


def text(name, r):
    """Lines for people."""
    if name == "others":
        return "HAProxy, nginx: no wrk here, or no permission for a namespace" if r is None else "\n".join(
            f"{who} {o['version']}: {o['requests']:,.0f} requests/s (busy for {o['requests_busy']:.0%}), {o['connections']:,.0f} with a "
            f"connection each (busy for {o['connections_busy']:.0%})" for who, o in r.items())
    if name == "idle":
        return (f"{r['connections']:,} idle kept connections: {r['bytes'] / 1e6:,.0f} MB, {r['bytes'] / r['connections']:,.0f} bytes each; "
                f"{r['answered']:,} of them carried a request afterwards, {r['bad']} wrong or broken")
    if name == "latency":
        h, l = r["http"], r["layer4"]
        return (f"at {r['at']:,} requests/s: p50 {h['p50']:.0f} us, p99 {h['p99']:.0f} us, p99.9 {h['window_p999']:.0f} us (with what "
                f"stopped the machine {h['p999']:.0f}); through a listener of layer 4: {l['p50']:.0f}, {l['p99']:.0f}, {l['window_p999']:.0f} "
                f"({l['p999']:.0f}) us; {h['bad'] + l['bad']} wrong or broken")
    if name == "routes":
        return (f"{line('one route', r['one'])}\n{line(f'{ROUTES:,} routes and {HOSTS:,} hosts', r['many'])}\n"
                f"so many cost {r['cost']:.1%} more")
    return line(name, r)


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
