# SPDX-License-Identifier: Apache-2.0
"""The daemon's log: text, JSON, syslog, limits that bite, and a reader that does not read."""
import fcntl
import json
import os
import re
import signal
import subprocess
import time

from scapy.all import IP, TCP, Ether, wrpcap

from daemon import PENSTOCKD, Daemon, cli, config
from test_cli import expect, wait
from test_show import CLIENT_MAC, PORT_MAC


def lines_of(d):
    return [json.loads(line) for line in d.output().splitlines() if line.startswith("{")]


def formats(t, folder):
    conf = folder / "next.conf"

    def apply(more):
        conf.write_text(config(more=more))
        expect(d.cli("apply", conf), 0)

    with Daemon(folder, config()) as d:
        with t("text: names and fields, and the line that means ready"):
            lines = d.output().splitlines()
            assert "penstockd: ready" in lines, lines
            assert any(line.startswith("penstockd: generation-published generation=1 ")
                       for line in lines), lines
        with t("apply changes the format at once"):
            apply('log = { format = "json"; };')
            wait(lambda: lines_of(d))
            line = lines_of(d)[0]
            assert line["event"] == "generation-published" and line["generation"] == 2, line
            assert line["gateway_instance"] == "admin-test" and line["level"] == "info", line
        with t("level: only what is worse"):
            apply('log = { level = "warning"; };')
            before = d.output()
            apply('log = { level = "warning"; format = "json"; };')
            assert d.output() == before, d.output()[len(before):]
    for level in ("warning", "error"):
        silent = folder / level
        silent.mkdir()
        with t(f"level {level}: the line that means ready is there all the same, and nothing else"):
            with Daemon(silent, config(more=f'log = {{ level = "{level}"; }};')) as d:
                assert d.stop() == 0
                assert [line for line in d.output().splitlines() if line.startswith("penstockd: ")] == ["penstockd: ready"], d.output()
    other = folder / "second"
    with Daemon(other, config(more='log = { format = "json"; };')) as d:
        with t("JSON from the first line to the last: time, level, instance, event"):
            expect(d.cli("apply", d.config), 0)
            d.process.send_signal(signal.SIGHUP)
            wait(lambda: len(lines_of(d)) >= 4)
            assert d.stop() == 0
            lines = lines_of(d)
            assert len(lines) == len(d.output().splitlines()), d.output()
            for line in lines:
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), line
                assert line["level"] in ("info", "warning", "error"), line
                assert line["gateway_instance"] == "admin-test" and line["event"], line
            assert lines[-1]["event"] == "stopping", lines
            ready = [line for line in lines if line["event"] == "ready"]
            assert len(ready) == 1 and ready[0]["message"] == "penstockd: ready", ready


SERVICES = """services = (
  { name = "web"; address = "203.0.113.10"; port = 80; protocol = "tcp"; forward = "nat"; pool = "web";
    limits = { client = { new_connections = "10/s"; burst = "1s"; };
               service = { packets = "100/s"; burst = "1s"; }; }; },
  { name = "dns"; address = "203.0.113.10"; port = 53; protocol = "udp"; forward = "nat"; pool = "dns"; },
  { name = "six"; address = "2001:db8:53::10"; port = 0; protocol = "tcp"; forward = "nat"; pool = "six"; } );"""


def limits(t, folder):
    ether = Ether(src=CLIENT_MAC, dst=PORT_MAC)
    wrpcap(str(folder / "in.pcap"), [
        ether / IP(src="198.51.100.1", dst="203.0.113.10") /
        TCP(sport=10000 + i, dport=80, flags="S") for i in range(50)])
    device = f"net_pcap0,rx_pcap={folder}/in.pcap,tx_pcap={folder}/out.pcap"
    text = config(device=device, services=SERVICES, more='log = { format = "json"; };')
    with Daemon(folder, text) as d:
        with t("a limit that begins to bite: one line for the service, not one for each packet"):
            wait(lambda: any(line["event"] == "limit-begins" for line in lines_of(d)))
            time.sleep(1.5)
            told = [line for line in lines_of(d) if line["event"].startswith("limit-")]
            drops = d.show("services")[0]["drops"]
            assert drops.get("client-new-connections", 0) >= 35, drops
            assert len(told) == 1 and told[0]["service"] == "web", told
            assert told[0]["limit"] == "client-new-connections", told
            assert told[0]["level"] == "warning" and told[0]["dropped"] > 0, told


def slow_reader(t, folder):
    """Standard error is a pipe of one page that nobody reads."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    d = Daemon(folder, config())
    d.process = subprocess.Popen(
        [PENSTOCKD, "--config", str(d.config), "--socket", str(d.path), "--state",
         str(folder / "state"), "--foreground"], stdin=subprocess.DEVNULL, stderr=writer)
    os.close(writer)
    try:
        with t("a log that nobody reads stops nothing"):
            wait(lambda: cli("--socket", d.path, "show", "config").returncode == 0, 60)
            for _ in range(120):
                expect(d.cli("apply", d.config), 0)
            assert d.generation() == 121
        with t("and later it is told how much was lost"):
            os.set_blocking(reader, False)
            text = ""

            def told():
                nonlocal text
                try:
                    text += os.read(reader, 65536).decode()
                except BlockingIOError:
                    pass
                expect(d.cli("apply", d.config), 0)
                return re.search(r"log-lost: .* count=\d+", text)
            wait(told)
    finally:
        d.stop()
        os.close(reader)


SYSLOG = """
mount -t tmpfs none "$1" && mkdir "$1/up" "$1/work" || exit 9
mount -t overlay overlay -o "lowerdir=/dev,upperdir=$1/up,workdir=$1/work" /dev || exit 9
rm -f /dev/log
timeout 60 socat -u UNIX-RECV:/dev/log OPEN:"$2",creat,append &
until [ -S /dev/log ]; do sleep 0.05; done
shift 2
"$@"
code=$?
sleep 0.3
kill %1
exit $code
"""


def syslog(t, folder):
    """In a mount namespace whose /dev/log is ours."""
    text = config(more='log = { target = "syslog"; };')
    d = Daemon(folder, text)
    got = folder / "syslog"
    (folder / "over").mkdir()
    process = subprocess.Popen(
        ["unshare", "-m", "bash", "-c", SYSLOG, "bash", str(folder / "over"), str(got), PENSTOCKD,
         "--config", str(d.config), "--socket", str(d.path), "--state", str(folder / "state"),
         "--foreground"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with t("syslog: facility, level and name, and nothing on standard error"):
        wait(lambda: got.exists() and "ready" in got.read_text(), 60)
        pid = re.search(r"penstockd\[(\d+)\]", got.read_text())[1]
        os.kill(int(pid), signal.SIGTERM)
        assert process.wait(60) == 0
        lines = [line for line in got.read_text().replace("<30>", "\n<30>").splitlines() if line]
        assert re.fullmatch(rf"<30>\w+ +\d+ [\d:]+ penstockd\[{pid}\]: ready\0?", lines[-2]), lines
        assert lines[-1].rstrip("\0").endswith(": stopping"), lines
        assert process.stderr.read() == ""
    process.stderr.close()


TESTS = (formats, limits, slow_reader, syslog)
