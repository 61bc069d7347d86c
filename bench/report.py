# SPDX-License-Identifier: Apache-2.0
"""What the bench found: rows of a table for people, the same as Markdown, and build/bench/result.json."""
import datetime
import json
import platform
import statistics

NEW_TARGET = 3.0        # million connections per second
STEERING_TARGET = 25.0  # ns a packet more, all at the wrong worker
GROWTH_TARGET = 1.6     # cost at 2^23 flows over that at 2^15
MAGLEV_TARGET = 1.5     # ms
APPLY_TARGET = 1000.0   # ms
EXCHANGE_TARGET = 1.2   # million a second
OPEN_TARGET = 0.2       # million connections a second
BULK_TARGET = 20.0      # Gb/s
IDLE_TARGET = 1.2e9     # bytes for a million connections
FLOOD_TARGET = 2.0      # times the p99 without a flood
REQUESTS_TARGET = 0.8   # million a second, on kept connections
CONNECTIONS_TARGET = 0.15  # million a second, one request each
ANSWERS_TARGET = 20.0   # Gb/s
KEPT_TARGET = 1024      # bytes for an idle kept connection
SECURE_TARGET = 2048    # the same with TLS
ROUTES_TARGET = 0.1     # more than one route costs
LATENCY_TARGET = 100.0  # us, p99.9
TIMES_HAPROXY = {"requests": 10, "connections": 8}
RECORDS_TARGET = 12.0   # Gb/s, HTTPS
RUSH_TARGET = 2.0       # times the p99 without one
RUSH_WINDOW = 0.04      # s, of bench-proxy's windows
ARITHMETIC_TARGET = 0.8  # of a full handshake's time
RESUMED_TARGET = 5.0    # times the full handshakes by mbedTLS's arithmetic
TIMES_HAPROXY_TLS = {"requests": 6, "bulk": 3}


# Targets that are absolute were set for a machine with this R. Elsewhere the same share of R is as much.
TARGETS_R = 28e6        # packets a second


def cpu_flags():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return next((line.split(":", 1)[1].split() for line in info if line.startswith("flags")), [])


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())


class Report:
    def __init__(self, hugepages):
        self.machine = {"cpu": cpu_name(), "kernel": platform.release(), "hugepages": hugepages,
                        "virtual": "hypervisor" in cpu_flags(), "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")}
        self.rows = []
        self.raw = {}
        self.references = {}  # by size of the packets: what R reached in each of its runs
        self.cycles = {}

    def add(self, name, value, unit, **more):
        """more: pps and size (its share of R is told), at_least (as a share of R), target (as text), met (True, False or
        None), reached (how many times an absolute target, where R counts for it), short (in the short table too), note."""
        self.rows.append({"name": name, "value": value, "unit": unit, **more})

    def compare(self):
        """Beside R that ran in turns with it (`paired`), since a machine's speed changes; cases without: the median of all its runs with
        packets of that size."""
        for row in self.rows:
            if row.get("is_reference"):
                row["pps"] = statistics.median(self.references[64])
                row["value"] = row["pps"] / 1e6
            if "pps" in row:
                row["ratio"] = row.get("paired") or row["pps"] / statistics.median(self.references[row["size"]])
            if row.get("met") is False and row.get("reached", 0) >= statistics.median(self.references[64]) / TARGETS_R:
                row["met"] = "by R"
            if row.get("at_least"):
                row["target"], row["met"] = f">= {row['at_least']:.2f} R", row["ratio"] >= row["at_least"]

    # ---- the parts ----

    def set_reference(self, rates):
        self.raw["reference"] = rates
        self.references[64] = list(rates["R"])
        for key, name in (("R", "R: dpdk-testpmd macswap, 64 bytes"), ("still", "... of packets that are not written anew"),
                          ("flowgen", "... from dpdk-testpmd flowgen"), ("alone", "the generator alone, to dpdk-testpmd rxonly")):
            median = statistics.median(rates[key])
            self.add(name, median / 1e6, "Mpps", pps=median, size=64, short=key == "R", is_reference=key == "R", note=f"best {max(rates[key]) / 1e6:.1f}")
            print(f"{name:46} {median / 1e6:7.2f} Mpps", flush=True)

    def stages(self, results):
        self.raw.setdefault("stages", {}).update(results)
        for name, r in results.items():
            self.cycles[name] = (r["cycles"], r["tsc_hz"])
            if not r["flows"]:
                self.add(name, r["cycles"] / r["tsc_hz"] * 1e9, "ns", note=f"{r['cycles']:.0f} cycles")
                continue
            self.add(f"in process: {name}", r["cycles"], "cycles a packet", pps=r["tsc_hz"] / r["cycles"], size=64,
                     note=f"{r['cycles_least']:.0f} to {r['cycles_most']:.0f}")
        self._growth("nat IPv4")
        self._growth("nat IPv4 both ways limits")
        self._growth("nat IPv6 both ways limits")
        self._growth("dsr-gue IPv4 limits")

    def _growth(self, case):
        small, large = self.cycles.get(f"{case} 2^15"), self.cycles.get(f"{case} 2^23")
        if small and large:
            growth = large[0] / small[0]
            self.add(f"{case}: cost a packet at 2^23 flows over that at 2^15", growth, "times", target=f"<= {GROWTH_TARGET}",
                     met=growth <= GROWTH_TARGET, short=case == "nat IPv4 both ways limits")

    def system(self, case, r):
        self.raw.setdefault("system", []).append(r)
        verb = "dropped" if case.dropped else "connections" if case.new else "forwarded"
        lost = ", ".join(f"{where} {share:.2%}" for where, share in r["lost"].items() if share) or "nothing"
        size = case.size
        self.references.setdefault(size, []).extend(w["pps"] for w in r["references"])
        more = {"target": f">= {NEW_TARGET:.0f} M/s", "met": r["pps"] / 1e6 >= NEW_TARGET} if case.new else {"at_least": case.target}
        name = case.name if case.new or "bytes" in case.name else f"{case.name}, {size} bytes"
        self.add(f"{name}: {verb}", r["pps"] / 1e6, "M/s" if case.new else "Mpps", pps=r["pps"], size=size, paired=r["ratio"],
                 short=bool(case.new or case.target), **more,
                 note=f"{r['pps_least'] / 1e6:.1f} to {r['pps_best'] / 1e6:.1f}; R beside it {r['reference'] / 1e6:.1f}, best {r['reference_best'] / 1e6:.1f}; "
                 f"refused at first {r['refused']:.0%}; lost: {lost}" + f" ({', '.join(r['reasons'])})" * bool(r["reasons"])
                 + f"; {r['disturbed']} of {len(r['runs'])} runs disturbed" * bool(r["disturbed"]))
        if r["bare"]:
            self.add("... the wire alone: what receives and drops" if case.dropped else "... the wire alone: packets grow by as much",
                     r["bare"] / 1e6, "Mpps", pps=r["bare"], size=size, paired=r["bare_ratio"], short=True,
                     note=f"best {r['bare_best'] / 1e6:.1f}; refused at first {r['bare_refused']:.0%}: with little it is the generator that limits; "
                     f"busy for {r['bare_busy_ns']:.0f} ns a packet, penstockd for {r['busy_ns']:.0f}")
        if case.dropped:
            share = r["lost"]["of the well-behaved"]
            self.add(f"{case.name}: lost of well-behaved clients", share * 100, "%", target="0", met=share == 0, short=True)

    def check_of_generator(self, check):
        self.raw["generator_check"] = check
        for what in ("file", "generator"):
            self.add(f"dsr-gue IPv4 limits, {check['flows']:,} flows of a {what}" if what == "file" else
                     "dsr-gue IPv4 limits, as many flows of the generator", check[what]["pps"] / 1e6, "Mpps",
                     pps=check[what]["pps"], size=64, note=f"penstockd busy {check[what]['busy_ns']:.0f} ns a packet")
        ratio = check["file"]["busy_ns"] / check["generator"]["busy_ns"]
        self.add("... what packets of the file cost penstockd, over those of the generator", ratio, "times", target="0.8 to 1.25",
                 met=0.8 <= ratio <= 1.25, short=True)
        print(f"{check['flows']:,} flows of a file: {check['file']['busy_ns']:.0f} ns a packet; of the generator: "
              f"{check['generator']['busy_ns']:.0f} ns", flush=True)

    def has_steering(self):
        return any("two workers" in name for name in self.cycles)

    def steering(self, names):
        none, hz = self.cycles[names[0]]
        alone = (self.cycles[names[5]][0] - self.cycles[names[4]][0]) / hz * 1e9
        self.add("packets that only go from core to core, over the same on one core", alone, "ns a packet more", short=True)
        for name, label, asked in ((names[1], "half of the packets at the wrong worker, same core", False),
                                   (names[2], "all packets at the wrong worker, same core", True),
                                   (names[6], "half of the packets at the wrong worker, from core to core", False),
                                   (names[3], "all packets at the wrong worker, from core to core", True)):
            more = (self.cycles[name][0] - none) / hz * 1e9
            self.add(label, more, "ns a packet more", target=f"<= {STEERING_TARGET:.0f} ns" if asked else "",
                     met=more <= STEERING_TARGET if asked else None, short=asked)

    def control(self, r):
        self.raw["control"] = r
        self.add("Maglev build, 65,537 rows, 1,000 backends", r["maglev"], "ms", target=f"<= {MAGLEV_TARGET} ms",
                 met=r["maglev"] <= MAGLEV_TARGET, short=True)
        self.add("1,000 services x 100 backends: validate", r["validate"], "ms")
        self.add("1,000 services x 100 backends: compile, all new", r["compile"], "ms")
        self.add("1,000 services x 100 backends: compile, one pool changed", r["one pool"], "ms")

    def changes(self, r):
        self.raw["changes"] = r
        self.add(f"... apply, {r['pools_changed']} pools changed", r["apply_ms"], "ms", target="< 1 s", met=r["apply_ms"] < APPLY_TARGET, short=True)
        self.add("... apply, all pools changed: 1,000 Maglev tables", r["apply_all_ms"], "ms", target="< 1 s", met=r["apply_all_ms"] < APPLY_TARGET,
                 short=True)
        self.add("... the first beside the generator, which wants the same core", r["loaded_ms"], "ms", short=True, note=f"most {r['loaded_ms_most']:.0f}")
        self.add(f"... packets lost during {r['times']} of the first under load", r["lost"], "packets", target="0", met=r["lost"] == 0, short=True,
                 note=f"of {r['sent']:,}, {r['pps'] / 1e6:.2f} M/s")

    def listeners(self, r):
        self.raw["listeners"] = r
        self._listener_rate("listener: requests and answers of 64 bytes on 1,000 connections", r["exchange"], "M/s", EXCHANGE_TARGET)
        self._listener_rate("... IPv6", r["exchange6"], "M/s", None)
        self._listener_rate("listener: new connections, opened and closed", r["open"], "M/s", OPEN_TARGET)
        self._listener_rate("listener: one direction, 1,448-byte segments, 16 connections", r["bulk"], "Gb/s", BULK_TARGET)
        self._listeners_idle(r["idle"])
        self._listeners_flood(r["flood"])
        if r["haproxy"]:
            for load, name in (("exchange", "HAProxy, kernel's TCP: requests and answers of 64 bytes"), ("open", "HAProxy: new connections")):
                h = r["haproxy"][load]
                self.add(name, h["rate"] / 1e6, "M/s", short=True, note=f"busy {h['proxy_busy']:.0%}, its clients and servers {h['busy']:.0%}")

    def _listener_rate(self, name, r, unit, target):
        scale = 1e9 if unit == "Gb/s" else 1e6
        more = {"target": f">= {target:g} {unit}", "met": r["rate"] / scale >= target and not r["broken"]} if target else {}
        if target and not r["broken"]:
            more["reached"] = r["rate"] / scale / target
        latency = f"p50 {r['p50']:.0f} us, p99 {r['p99']:.0f} us; " if r["p50"] else ""
        self.add(name, r["rate"] / scale, unit, short=True, **more,
                 note=f"best {r['best'] / scale:.2f}; {latency}the generator busy {r['busy']:.0%}; {r['broken']} broken"
                 + f"; {r['disturbed']} of {len(r['runs'])} runs disturbed" * bool(r["disturbed"]))

    def _listeners_idle(self, r):
        whole = r["sessions"] == r["answered"] == r["connections"] and not r["broken"]
        self.add(f"listener: {r['connections']:,} idle connections, all memory of penstockd", r["bytes"] / 1e9, "GB", short=True,
                 target=f"<= {IDLE_TARGET / 1e9:g} GB", met=r["bytes"] <= IDLE_TARGET and whole,
                 note=f"{r['bytes'] / r['connections']:,.0f} bytes each; hugepages {r['huge'] / 1e9:.2f} GB; {r['answered']:,} carried data afterwards")

    def _listeners_flood(self, r):
        without, beside = r["without"], r["with"]
        self.add("listener: p99 of 1,000 connections beside a flood of SYNs, over that without", r["times"], "times", short=True,
                 target=f"< {FLOOD_TARGET:g} at 5 M SYN/s", met=r["times"] < FLOOD_TARGET and not beside["broken"] and not beside["windows_empty"] and r["syns"] >= 5e6,
                 note=f"{r['syns'] / 1e6:.2f} M SYN/s; {without['window_p99']:.1f} us without, {beside['window_p99']:.1f} us with; of one window in ten more "
                 f"than {without['window_p99_most']:.0f} and {beside['window_p99_most']:.0f} us; with what stopped the machine {without['p99']:.0f} and {beside['p99']:.0f} us; {beside['broken']} broken; "
                 f"the generator busy {beside['busy']:.0%}; not measured, as it stood still, {without['voided'] / without['answers']:.1%} and "
                 f"{beside['voided'] / beside['answers']:.1%}")

    def http(self, r):
        self.raw["http"] = r
        self._http_rate("HTTP: requests on 1,000 kept connections, answers of 100 bytes", r["requests"], "M/s", REQUESTS_TARGET)
        self._http_rate("... IPv6", r["requests6"], "M/s", None)
        self._http_rate("HTTP: a new connection for each request", r["connections"], "M/s", CONNECTIONS_TARGET)
        self._http_rate("HTTP: answers of 1 MB, 16 connections", r["bulk"], "Gb/s", ANSWERS_TARGET)
        late, plain = r["latency"]["http"], r["latency"]["layer4"]
        self.add("HTTP: p99.9 at half of the highest rate", late["window_p999"], "us", short=True, target=f"< {LATENCY_TARGET:g} us",
                 met=late["window_p999"] < LATENCY_TARGET and not late["bad"],
                 note=f"{r['latency']['at']:,} requests/s; p50 {late['p50']:.0f} us; with what stopped the machine {late['p999']:.0f} us")
        self.add("... over that of a layer-4 listener at the same rate", max(0, late["window_p999"] - plain["window_p999"]), "us more", short=True,
                 note=f"which has {plain['window_p999']:.0f} us, p50 {plain['p50']:.0f} us; with what stopped the machine {plain['p999']:.0f} us")
        routes = r["routes"]
        self.add("HTTP: 1,000 routes and 10,000 hosts, over one route", 100 * routes["cost"], "% more", short=True,
                 target=f"<= {ROUTES_TARGET:.0%}", met=routes["cost"] <= ROUTES_TARGET and not routes["one"]["bad"] + routes["many"]["bad"],
                 note=f"{routes['one']['rate'] / 1e6:.2f} and {routes['many']['rate'] / 1e6:.2f} M/s")
        idle = r["idle"]
        each = idle["bytes"] / idle["connections"]
        self.add("HTTP: an idle kept connection, all memory of penstockd", each, "bytes", short=True, target=f"<= {KEPT_TARGET:,}",
                 met=each <= KEPT_TARGET and idle["answered"] == idle["connections"] and not idle["bad"],
                 note=f"{idle['connections']:,} connections, {idle['answered']:,} of them carried a request afterwards")
        self._http_others(r)

    def _http_rate(self, name, r, unit, target):
        self._listener_rate(name, {**r, "broken": r["bad"]}, unit, target)

    def https(self, r):
        self.raw["https"] = r
        self._http_rate("HTTPS: requests on 1,000 kept connections, answers of 100 bytes", r["requests"], "M/s", None)
        self._http_rate("... IPv6", r["requests6"], "M/s", None)
        self._http_rate("HTTPS: answers of 1 MB, 16 connections", r["bulk"], "Gb/s", RECORDS_TARGET)
        idle = r["idle"]
        self.add("HTTPS: an idle kept connection, all memory of penstockd", idle["each"], "bytes", short=True, target=f"<= {SECURE_TARGET:,}",
                 met=idle["each"] <= SECURE_TARGET and idle["answered"] == idle["connections"] and not idle["bad"],
                 note=f"tables for {idle['sessions']:,} connections, {idle['connections']:,} of them opened")
        self._handshakes(r["handshakes"])
        rush = r["rush"]
        without, beside = rush["without"], rush["with"]
        self.add(f"HTTPS: p99 of 1,000 connections beside {rush['handshakes']:,} handshakes at once, over that without", rush["times"] or 0, "times",
                 short=True, target=f"<= {RUSH_TARGET:g}",
                 met=bool(rush["times"]) and rush["times"] <= RUSH_TARGET and not rush["bad"] and beside["rushed"] == rush["handshakes"] and
                 beside["windows_empty"] * RUSH_WINDOW < beside["seconds"] / 10,
                 note=f"{beside['rushed']:,} answered in {beside['seconds']:.1f} s; {without['window_p99']:.0f} us without, {beside['window_p99']:.0f} us "
                 f"with; {beside['answers'] / beside['seconds']:,.0f} exchanges/s beside them, {beside['windows_empty']} windows without")
        self._http_others(r, TIMES_HAPROXY_TLS)

    def _handshakes(self, r):
        """Targets: what mbedTLS's arithmetic allows is for that; what is resumed, and HAProxy, for the best that is built."""
        best = list(r["threads"])[-1]
        for who, t in r["threads"].items():
            full, resumed = t["full"], t["resumed"]
            self.add(f"TLS 1.3 handshakes in full, of a thread, {who}", full["rate"], "/s", short=True,
                     note=f"ECDSA P-256, X25519, {1e6 / full['rate']:.0f} us" + (f"; HAProxy {r['haproxy']:,.0f}/s a core" if r["haproxy"] else ""))
            more = {"target": f">= {ARITHMETIC_TARGET}", "met": full["share"] >= ARITHMETIC_TARGET} if "mbedTLS" in who else {}
            self.add("... the arithmetic alone, of their time", full["share"], "of it", short=True, **more)
            more = {"target": f">= {RESUMED_TARGET:g} times", "met": t["times"]["resumed"] >= RESUMED_TARGET} if who == best else {}
            self.add("... resumed ones, over full ones by mbedTLS's arithmetic", t["times"]["resumed"], "times", short=True, **more,
                     note=f"{resumed['rate']:,.0f}/s, {1e6 / resumed['rate']:.0f} us, of which the arithmetic alone {resumed['share']:.0%}")
            self.add("... the same without a key exchange", t["times"]["alone"], "times", short=True,
                     target=f">= {RESUMED_TARGET:g} times", met=t["times"]["alone"] >= RESUMED_TARGET,
                     note=f"{t['alone']['rate']:,.0f}/s, {1e6 / t['alone']['rate']:.0f} us: tickets.forward_secrecy = false, and a client that offers it")
            if t["haproxy"]:
                more = {"target": ">= 1 times", "met": t["haproxy"] >= 1} if who == best else {}
                self.add("... full ones over HAProxy's, for a second of the processor", t["haproxy"], "times", short=True, **more)

    def _http_others(self, r, targets=TIMES_HAPROXY):
        for who, other in (r["others"] or {}).items():
            for what, least in targets.items():
                times = r[what]["rate"] / other[what]
                more = {"target": f">= {least} times", "met": times >= least} if who == "HAProxy" else {}
                each = f"{other[what] / 1e9:.2f} Gb/s" if what == "bulk" else f"{other[what]:,.0f}/s"
                self.add(f"... {what} over those of {who} {other['version']}", times, "times", short=True, **more,
                         note=f"{each}, busy {other[what + '_busy']:.0%}")

    # ---- what remains of it ----

    @staticmethod
    def _number(row):
        value = row["value"]
        if row["unit"] in ("packets",):
            return f"{value:,.0f}"
        return f"{value:.2f}" if value < 100 else f"{value:,.0f}"

    @staticmethod
    def _met(row):
        return {True: "met", "by R": "met by R", False: "NOT MET", None: ""}[row.get("met")]

    def _print(self, took):
        print(f"\n{self.machine['date']}, {self.machine['cpu']}, kernel {self.machine['kernel']}, "
              f"{'hugepages' if self.machine['hugepages'] else 'ordinary memory'}; {took:.0f} s")
        print(f"{'':68} {'':>9} {'':16} {'of R':>6}  {'target':11} {'':8}")
        for row in self.rows:
            ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
            print(f"{row['name']:68} {self._number(row):>9} {row['unit']:16} {ratio:>6}  {row.get('target', ''):11} {self._met(row):8} "
                  f"{row.get('note', '')}".rstrip())

    def _apart(self):
        seen = self.machine.get("round_trips")
        return seen and f", a cache line from one to the other and back in {min(seen):.0f} to {max(seen):.0f} ns (median {statistics.median(seen):.0f})" or ""

    def markdown(self):
        lines = ["| | | of R | target | |", "|---|---|---|---|---|"]
        for row in self.rows:
            if row.get("short"):
                ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
                lines.append(f"| {row['name']} | {self._number(row)} {row['unit']} | {ratio} | {row.get('target', '')} | {self._met(row)} |")
        lines.append("")
        lines.append(f"(`make bench`, {self.machine['date']}, two cores{' of a virtual machine' * self.machine['virtual']}, {self.machine['cpu']}, one of them "
                     f"penstockd's{self._apart()}, kernel {self.machine['kernel']}, {'2 MB hugepages' if self.machine['hugepages'] else 'ordinary memory'}.)")
        return "\n".join(lines)

    def finish(self, out, took):
        self.compare()
        self._print(took)
        table = self.markdown()
        print(f"\nFor README.md:\n\n{table}")
        missed = [r["name"] for r in self.rows if r.get("met") is False]
        print(f"\n{sum(r.get('met') is True for r in self.rows)} targets met, {sum(r.get('met') == 'by R' for r in self.rows)} by R, "
              f"{len(missed)} not met; {out}/result.json")
        with open(f"{out}/result.json", "w", encoding="utf-8") as result:
            json.dump({"machine": self.machine, "seconds": took, "rows": self.rows, "raw": self.raw}, result, indent=1)
        with open(f"{out}/table.md", "w", encoding="utf-8") as result:
            result.write(table + "\n")
