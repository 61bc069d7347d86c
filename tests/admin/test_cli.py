# SPDX-License-Identifier: Apache-2.0
"""The command line: usage and exit codes, with and without a daemon."""
import json
import os
import pty
import signal
import subprocess
import time

from daemon import PENSTOCK, PENSTOCKD, POOLS, SERVICES, Daemon, cli, config

COMMANDS = ("check", "apply", "diff", "confirm", "rollback", "show", "explain", "drain", "enable", "disable", "weight",
            "top", "capture", "version")


def expect(out, code, *stderr):
    assert out.returncode == code, f"exit {out.returncode}, not {code}: {out.stdout}{out.stderr}"
    for part in stderr:
        assert part in out.stderr, f"{part!r} is not in {out.stderr!r}"
    if code:
        assert out.stderr.strip(), "no reason on stderr"
    return out


def no_daemon(t, folder):
    nowhere = folder / "nobody.sock"
    conf = folder / "good.conf"
    conf.write_text(config())
    for args in (["show", "services"], ["show", "config", "--json"], ["apply", conf],
                 ["apply", conf, "--dry-run"], ["diff", conf]):
        with t(f"no daemon: {args[0]} {args[1] if args[0] == 'show' else ''} exits 3"):
            expect(cli("--socket", nowhere, *args), 3, "no daemon", str(nowhere))
    with t("no daemon: version exits 0"):
        out = expect(cli("--socket", nowhere, "version"), 0)
        assert out.stdout.startswith("penstock ") and " for DPDK " in out.stdout, out.stdout
        both = json.loads(expect(cli("--socket", nowhere, "version", "--json"), 0).stdout)
        assert both["daemon"] is None and both["version"] and both["build"], both
        assert both["dpdk"].startswith("DPDK "), both
    with t("--version: this tool's, without a daemon"):
        assert expect(cli("--version"), 0).stdout.split()[0] == "penstock"
    with t("a socket path that is too long is wrong usage"):
        expect(cli("--socket", "/" + "x" * 200, "show", "services"), 2)


def usage(t, folder):
    with t("--help: exit 0, only what this version has"):
        out = expect(cli("--help"), 0).stdout
        assert all(f"\n  {c}" in out for c in COMMANDS), out
    wrong = ([], ["nonsense"], ["show"], ["show", "nonsense"], ["show", "services", "pools"],
             ["apply"], ["check"], ["diff"], ["apply", "a", "b"], ["version", "x"], ["--nonsense"],
             ["show", "services", "--limit", "3"], ["show", "services", "--service", "web"],
             ["show", "connections", "--limit", "0"], ["show", "connections", "--limit", "x"],
             ["show", "connections", "--limit", "99999999999999999999"],
             ["show", "connections", "--all"], ["show", "clients", "--service", "web"],
             ["show", "clients", "--limit", "0"], ["show", "clients", "--all"], ["apply", "a", "--json"], ["apply", "a", "--watch"],
             ["check", "a", "--dry-run"], ["show", "services", "--dry-run"], ["--socket"],
             ["confirm", "x"], ["confirm", "--dry-run"], ["rollback", "x"], ["rollback", "0"],
             ["rollback", "-1"], ["rollback", "1", "2"], ["rollback", "99999999999999999999"],
             ["apply", "a", "--confirm", "60"], ["apply", "a", "--confirm", ""],
             ["apply", "a", "--confirm"], ["diff", "a", "--confirm", "1m"],
             ["apply", "a", "--confirm", "0s"], ["apply", "a", "--confirm", "999ms"], ["apply", "a", "--confirm", "25h"],
             ["rollback", "--confirm", "soon"], ["rollback", "--confirm", "-1s"],
             ["show", "connections", "--limit", "100001"], ["show", "clients", "--limit", "100001"])
    for args in wrong:
        with t(f"wrong usage: penstock {' '.join(args)}"):
            expect(cli(*args), 2)


GOOD = {"--protocol": "tcp", "--client": "192.0.2.7:4321", "--service": "203.0.113.10:80", "--flags": "syn", "--length": "60",
        "--server-name": "shop.example"}
NOT_A_PORT = ("", "x", ":", "192.0.2.7", "192.0.2.7:", "192.0.2.7:x", "192.0.2.7:-1", "192.0.2.7:65536", "192.0.2.300:80", ":80",
              "2001:db8::7", "2001:db8::7:80", "[2001:db8::7]", "[2001:db8::7]:", "[2001:db8::7:80", "[192.0.2.7]:80", "192.0.2.7:80 ",
              "[::ffff:192.0.2.7]:80", "\xff")
BAD_VALUES = {"--protocol": ("", "x", "TCP", "icmp", "6"), "--client": NOT_A_PORT + ("[2001:db8::7]:4321",), "--service": NOT_A_PORT,
              "--flags": ("", "x", "SYN", "syn,ack"), "--length": ("", "x", "0", "-1", "39", "65536", "1.5", "99999999999999999999"),
              "--server-name": ("", "a b", ".a", "a.", "*.a", "192.0.2.7", "x" * 64, "\xff")}
NOT_A_NUMBER = ("", "x", "0", "-1", "1.5", "1k", "99999999999999999999")
NOT_A_BACKEND = ("", "/", "web", "web/", "/10.9.0.11:8080", "10.9.0.11:8080", "web/10.9.0.11:", "web/10.9.0.11:x", "web/10.9.0.11:65536",
                 "web/10.9.0.300:8080", "web/[2001:db8::1", "web/2001:db8::1:80x", "web/10.9.0.11:8080/", "web:10.9.0.11:8080")


def malformed():
    """Command lines whose values can be seen to be wrong by whoever has no daemon."""
    for option, values in BAD_VALUES.items():
        for value in values:
            yield ["explain", *(x for name in GOOD for x in (name, value if name == option else GOOD[name]))]
    yield ["explain", "--protocol", "udp", "--client", GOOD["--client"], "--service", GOOD["--service"], "--flags", "syn"]
    yield ["explain", "--protocol", "udp", "--client", GOOD["--client"], "--service", GOOD["--service"], "--length", "27"]
    for missing in ("--protocol", "--client", "--service"):
        yield ["explain", *(x for name in GOOD if name != missing for x in (name, GOOD[name]))]
    for value in ("", "x", "192.0.2.7:80", "192.0.2.7/33", "192.0.2.7/24", "192.0.2.0/", "2001:db8::/129", "192.0.2.0/-1", "\xff"):
        yield ["capture", "--client", value, "never.pcapng"]
    for value in NOT_A_NUMBER:
        yield ["capture", "--count", value, "never.pcapng"]
    for value in NOT_A_NUMBER + ("9217",):
        yield ["capture", "--snaplen", value, "never.pcapng"]
    for value in NOT_A_NUMBER + ("100001",):
        yield ["show", "clients", "--limit", value]
        yield ["show", "connections", "--limit", value]
    for value in NOT_A_BACKEND:
        for order in ("drain", "enable", "disable"):
            yield [order, value]
        yield ["weight", value, "1"]
    for value in ("", "x", "-1", "65536", "1.5", "99999999999999999999"):
        yield ["weight", "web/10.9.0.11:8080", value]
    for value in ("", "x", "0", "0s", "1", "60", "999ms", "24h1s", "25h", "-1s", "1d", "99999999999999999999h"):
        yield ["apply", "never.conf", "--confirm", value]
        yield ["rollback", "--confirm", value]
    for value in NOT_A_NUMBER:
        yield ["rollback", value]
    for command in COMMANDS:
        for option in ("-x", "--x", "--json=x", "--all=", "--socket", "--s", "-1", "-xyz"):
            yield [command, option]


def values(t, folder):
    for args in malformed():
        with t(f"wrong usage, without a daemon: {args!r}"):
            out = expect(cli("--socket", folder / "nobody.sock", *args), 2)
            assert out.stderr.startswith("penstock: ") and out.stderr.count("\n") == 1 and not out.stdout, out
    with t("... and the same values, well-formed, are no wrong usage"):
        expect(cli("--socket", folder / "nobody.sock", "explain", *(x for pair in GOOD.items() for x in pair)), 3)
        for args in (["capture", "--client", "192.0.2.0/24", "--count", "1", "--snaplen", "9216", "never.pcapng"], ["rollback", "1"],
                     ["drain", "web/10.9.0.11"], ["weight", "web/[2001:db8::1]:80", "0"], ["show", "clients", "--limit", "100000"],
                     ["rollback", "--confirm", "1s"], ["rollback", "--confirm", "24h"]):
            expect(cli("--socket", folder / "nobody.sock", *args), 3)
    with t("penstockd: wrong usage exits 2"):
        for args in (["--nonsense"], ["--config"], ["x"], ["--manual", "x"], ["--socket"]):
            out = subprocess.run([PENSTOCKD, *args], capture_output=True, text=True, timeout=60)
            expect(out, 2, args[0])
    with Daemon(folder, config()) as d:
        with t("with a daemon: the same"):
            for args in (["explain", "--protocol", "tcp", "--client", "x", "--service", "203.0.113.10:80"], ["drain", "web"],
                         ["capture", "--client", "x", "never.pcapng"], ["show", "clients", "--limit", "100001"]):
                expect(d.cli(*args), 2)
        with t("what only the daemon knows to be wrong is refused: 1"):
            for args in (["capture", "--service", "nonsense", "never.pcapng"], ["show", "connections", "--service", "nonsense"],
                         ["rollback", "99"], ["confirm"], ["drain", "web/10.9.0.99:8080"]):
                expect(d.cli(*args), 1)
    assert not os.path.exists("never.pcapng")


def check(t, folder):
    good, bad = folder / "good.conf", folder / "bad.conf"
    good.write_text(config())
    bad.write_text(config(services=SERVICES.replace("203.0.113.10", "203.0.113.300", 1)))
    with t("check: a good file exits 0"):
        expect(cli("check", good), 0)
    with t("check: a bad file exits 1, with file and line"):
        out = expect(cli("check", bad), 1)
        line = 1 + config().splitlines().index(SERVICES.splitlines()[1])
        assert f"bad.conf:{line}: services.web.address" in out.stderr + out.stdout, out.stderr
    with t("check: a file that is not there exits 1"):
        expect(cli("check", folder / "none.conf"), 1)
    with t("check: finds penstockd in PATH too"):
        alone = folder / "alone"
        alone.mkdir()
        os.link(PENSTOCK, alone / "penstock") if os.stat(PENSTOCK).st_dev == os.stat(
            alone).st_dev else subprocess.run(["cp", PENSTOCK, alone / "penstock"], check=True)
        path = os.path.dirname(PENSTOCK) + ":" + os.environ["PATH"]
        out = subprocess.run([alone / "penstock", "check", good], capture_output=True, text=True,
                             env={**os.environ, "PATH": path})
        expect(out, 0)
        out = subprocess.run([alone / "penstock", "check", good], capture_output=True, text=True,
                             env={**os.environ, "PATH": "/nonexistent"})
        expect(out, 1, "penstockd")


def bad_files(t, folder):
    latin, long = folder / "latin.conf", folder / "long.conf"
    latin.write_bytes(config().encode() + b"# caf\xe9\n")
    long.write_bytes(b"#" * ((16 << 20) + 1))
    nul = folder / "nul.conf"
    nul.write_bytes(config().encode() + b"\0")
    for name, path in (("missing", folder / "none.conf"), ("a folder", folder),
                       ("not UTF-8", latin), ("too long", long), ("with a NUL", nul)):
        with t(f"apply: a file that is {name} exits 1"):
            expect(cli("--socket", folder / "nobody.sock", "apply", path), 1)


def apply(t, folder):
    new = folder / "new.conf"
    bad = folder / "bad.conf"
    with Daemon(folder, config()) as d:
        with t("diff: the running file has no changes"):
            out = expect(d.cli("diff", d.config), 0)
            assert out.stdout == "no changes\n", out.stdout
        new.write_text(config(services=SERVICES.replace('"dns"; address', '"dns2"; address')))
        with t("diff: says what would change, and nothing else"):
            out = expect(d.cli("diff", new), 0).stdout
            assert "dns2" in out and "generation" not in out, out
            assert d.generation() == 1
        with t("apply --dry-run: says what would change, changes nothing"):
            out = expect(d.cli("apply", new, "--dry-run"), 0).stdout
            assert "dns2" in out and "generation" not in out, out
            assert d.generation() == 1
            assert [s["name"] for s in d.show("services")] == ["web", "dns", "six"]
        with t("apply: prints diff and generation"):
            out = expect(d.cli("apply", new), 0).stdout
            assert "dns2" in out and out.endswith("generation 2\n"), out
            assert [s["name"] for s in d.show("services")] == ["web", "dns2", "six"]
        with t("show config: text, file, generation after apply"):
            shown = d.show("config")
            assert shown["text"] == new.read_text() and shown["generation"] == 2, shown
            assert shown["file"] == str(new), shown
            assert expect(d.cli("show", "config"), 0).stdout == new.read_text()
        with t("apply again: no changes, next generation"):
            out = expect(d.cli("apply", new), 0).stdout
            assert out == "no changes\ngeneration 3\n", out
        bad.write_text(config(services=SERVICES.replace('"nat"', '"mat"').replace("80;", '"x";')))
        for args in (["apply", bad], ["apply", bad, "--dry-run"], ["diff", bad]):
            with t(f"{args[0]} {'--dry-run ' if len(args) > 2 else ''}of a bad file: exit 1, each "
                   "error on a line, nothing applied"):
                out = expect(d.cli(*args), 1)
                lines = [r for r in out.stderr.splitlines() if r.startswith(f"{bad}:")]
                assert len(lines) >= 4, out.stderr
                assert d.generation() == 3 and d.show("config")["text"] == new.read_text()
        with t("apply: what needs a restart is refused"):
            bad.write_text(config(device="net_null1,no-rx=1"))
            expect(d.cli("apply", bad), 1, "restart")
            assert d.generation() == 3
        with t("apply: an empty file is refused"):
            bad.write_text("")
            expect(d.cli("apply", bad), 1)
            assert d.generation() == 3
        with t("SIGHUP applies the file of the start"):
            d.process.send_signal(signal.SIGHUP)
            wait(lambda: d.generation() == 4)
            assert d.show("config")["file"] == str(d.config)
        with t("SIGTERM: exit 0, the socket is gone"):
            assert d.stop() == 0, d.output()
            assert not d.path.exists()


def wait(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def watch(t, folder):
    with Daemon(folder, config()) as d:
        with t("--json --watch: one document a line, one a second, Ctrl-C ends with 0"):
            args = [PENSTOCK, "--socket", str(d.path), "show", "services", "--json", "--watch"]
            p = subprocess.Popen(args, stdout=subprocess.PIPE)
            begin = time.monotonic()
            names = [[s["name"] for s in json.loads(p.stdout.readline())] for _ in range(3)]
            took = time.monotonic() - begin
            p.send_signal(signal.SIGINT)
            assert p.wait(10) == 0
            assert names == [["web", "dns", "six"]] * 3 and 1.5 < took < 6, (names, took)
        with t("--watch: the screen is cleared on a terminal only"):
            for terminal in (False, True):
                reader, writer = pty.openpty() if terminal else os.pipe()
                args = [PENSTOCK, "--socket", str(d.path), "show", "pools", "--watch"]
                p = subprocess.Popen(args, stdout=writer)
                os.close(writer)
                text = b""
                while text.count(b"SETTLES") < 2:
                    text += os.read(reader, 4096)
                p.send_signal(signal.SIGINT)
                assert p.wait(10) == 0
                os.close(reader)
                assert text.count(b"\033[") == (4 if terminal else 0), text
        with t("output that cannot be written exits 1"):
            with open("/dev/full", "w") as full:
                p = subprocess.run([PENSTOCK, "--socket", str(d.path), "show", "services"],
                                   stdout=full, stderr=subprocess.PIPE, text=True)
            assert p.returncode == 1 and "write" in p.stderr, p
        with t("version: the daemon's too"):
            out = expect(d.cli("version"), 0).stdout
            assert "penstockd " in out and "DPDK" in out and "Mbed TLS 3." in out and "generation 1" in out, out
            both = json.loads(d.cli("version", "--json").stdout)
            assert both["daemon"]["dpdk"].startswith("DPDK"), both
            assert both["daemon"]["mbedtls"].startswith("Mbed TLS "), both
            assert both["daemon"]["instance"] == "admin-test", both
        with t("--watch: a daemon that ends is exit 3"):
            args = [PENSTOCK, "--socket", str(d.path), "show", "services", "--json", "--watch"]
            p = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            p.stdout.readline()
            d.stop()
            assert p.wait(10) == 3 and b"no daemon" in p.stderr.read()


TESTS = (no_daemon, usage, values, check, bad_files, apply, watch)
