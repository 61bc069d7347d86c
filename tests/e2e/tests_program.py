# SPDX-License-Identifier: Apache-2.0
"""The daemon as a program: what it says when it cannot start, signals, the service manager."""
import os
import shutil
import signal
import socket
import subprocess

import configs
import topology
from bed import PENSTOCKD, Bed, expect, group, wait_until

VIP = "203.0.113.10"


def web(backends):
    return configs.objects([configs.pool("web", backends, 8080, 4)], [configs.service("web", VIP, 80, "tcp", "nat", "web")])


# ---- it cannot start ---------------------------------------------------------------------------------
class BadStart(Bed):
    """A lab in which nothing serves and no penstockd runs: each test starts its own."""

    def __init__(self):
        super().__init__(backends=0, objects=web)

    def __enter__(self):
        self.lab.__enter__()
        # Where somebody without privileges may run it from, wherever the build lies.
        self.binary = shutil.copy(PENSTOCKD, self.lab.where + "/penstockd")
        os.chmod(self.binary, 0o755)
        return self

    def start(self, text, *before, path=None):
        """(exit code, lines on standard error) of a penstockd that is expected to end by itself."""
        path = path or f"{self.lab.where}/bad.conf"
        if text is not None:
            with open(path, "w", encoding="ascii") as out:
                out.write(text)
        try:
            done = self.lab.run(self.lab.edge, *before, self.binary, "--foreground", "--config", path, "--socket", self.lab.socket(),
                                "--state", self.lab.state(), check=False, timeout=30)
        except subprocess.TimeoutExpired:
            expect(False, "it did not end by itself")
        expect(done.stdout == "", f"on standard output: {done.stdout}")
        return done.returncode, done.stderr.splitlines()

    def refused(self, words, *arguments, **options):
        """It ends with 1 and one sentence that has all these words, none of them DPDK's own log."""
        code, lines = self.start(*arguments, **options)
        expect(code == 1, f"exit code {code}: {lines}")
        expect(len(lines) == 1, f"not one sentence: {lines}")
        expect(not lines[0].startswith(("EAL", "ETHDEV", "MBUF", "TELEMETRY")), f"a line of DPDK's log: {lines}")
        for word in words:
            expect(word in lines[0], f'"{word}" is not in: {lines[0]}')
        left = self.lab.ip(self.lab.edge, "-br", "link").stdout
        expect("lan@" not in left and "\nlan " not in left, f"something stayed behind:\n{left}")

    def report(self):
        return ""

    def finish(self):
        return 0


start = group("start", BadStart)


@start
def no_such_device(bed):
    bed.refused(["wan", "nosuch"], bed.config([1]).replace("iface=ethw", "iface=nosuch"))


@start
def unknown_driver(bed):
    bed.refused(["wan", "net_nosuch0"], bed.config([1]).replace("net_af_xdp0,iface=ethw", "net_nosuch0"))


@start
def name_of_the_twin_is_taken(bed):
    bed.lab.ip(bed.lab.edge, "link", "add", "wan", "type", "bridge")
    try:
        bed.refused(["wan", "choose another name"], bed.config([1]))
    finally:
        bed.lab.ip(bed.lab.edge, "link", "del", "wan")


@start
def tun_is_no_tun(bed):
    config = bed.config([1]).replace("hugepages = true", "hugepages = false")
    bed.refused(["its twin", "/dev/net/tun", "mknod", "twin = false"], config, "unshare", "-m", "sh", "-c",
                'mount --bind /dev/null /dev/net/tun && exec "$@"', "sh")


@start
def not_root(bed):
    bed.refused(["root"], bed.config([1]), "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


@start
def more_hugepages_than_there_are(bed):
    bed.refused(["900G", "vm.nr_hugepages", "hugepages = false"],
                bed.config([1]).replace("hugepages = false", "hugepages = true").replace('"512M"', '"900G"'))


@start
def too_little_memory(bed):
    config = bed.config([1]).replace('"512M"', '"64M"').replace("hugepages = true", "hugepages = false")
    bed.refused(["dataplane.memory", '"64M"', "too little"], config)


@start
def more_connections_than_memory(bed):
    config = bed.config([1]).replace("hugepages = true", "hugepages = false").replace("connections = ", "connections = 4194304; # ")
    bed.refused(["1 worker with 4194304 connections", "704M", "dataplane.memory"], config)


@start
def no_configuration(bed):
    path = bed.lab.where + "/missing.conf"
    bed.refused([path, "No such file"], None, path=path)


@start
def wrong_configuration(bed):
    """As many sentences as there are errors."""
    code, lines = bed.start(bed.config([1]).replace('forward = "nat"', 'forward = "nut"').replace("mtu = 1500", "mtu = 1"))
    expect(code == 1, f"exit code {code}")
    expect(len(lines) == 3 and all("bad.conf:" in line for line in lines), f"{lines}")


@start
def a_socket_that_is_in_use(bed):
    first = bed.lab.penstock(PENSTOCKD, bed.config([1]))
    try:
        # Another one, on devices of its own.
        bed.lab.wire(bed.lab.edge, "ethx", "brw", "other")
        text = (bed.config([1]).replace("ethw", "ethx").replace('"wan"', '"wan2"').replace('"lan"', '"lan2"')
                .replace("net_af_xdp1,iface=ethl", "net_tap1,iface=tap9"))
        code, lines = bed.start(text)
        expect(code == 1 and len(lines) == 1, f"{code}: {lines}")
        expect("another penstockd" in lines[0] and bed.lab.socket() in lines[0], f"{lines}")
        expect(bed.penstock("version").returncode == 0, "the first one does not answer any more")
    finally:
        bed.lab.stop(first)


@start
def a_second_one_takes_nothing_from_the_first(bed):
    """Started by mistake, with the same devices: it must go before it has touched them."""
    text = bed.config([1])
    first = bed.lab.penstock(PENSTOCKD, text)
    try:
        code, lines = bed.start(text)
        expect(code == 1 and "another penstockd" in lines[0], f"{code}: {lines}")
        expect(bed.lab.run(bed.lab.client, "ping", "-c", "2", "-i", "0.2", "-W", "2", topology.EDGE_WAN4, check=False).returncode == 0,
               "the first one's device is deaf")
    finally:
        bed.lab.stop(first)


# ---- it runs -----------------------------------------------------------------------------------------
class Running(Bed):
    """The service manager's socket is there from the beginning."""

    def __init__(self):
        super().__init__(objects=web, prepare=self.listen)
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.settimeout(10)

    def listen(self, lab):
        path = lab.where + "/notify"
        self.told.bind(path)
        os.environ["NOTIFY_SOCKET"] = path

    def __enter__(self):
        try:
            return super().__enter__()
        finally:
            os.environ.pop("NOTIFY_SOCKET", None)

    def log(self):
        with open(f"{self.lab.where}/penstockd.log", encoding="utf-8", errors="replace") as log:
            return log.read()

    def rewrite(self, text):
        """Change the file that it was started with, and tell it so. What it then logs."""
        with open(f"{self.lab.where}/penstock.conf", "w", encoding="ascii") as out:
            out.write(text)
        before = len(self.log())
        self.daemon_signal(signal.SIGHUP)
        expect(wait_until(lambda: "generation" in self.log()[before:]), "SIGHUP is not mentioned in the log")
        return self.log()[before:]

    def daemon_signal(self, number):
        """`ip netns exec` becomes the program, so the process is penstockd."""
        self.daemon.send_signal(number)


running = group("signals", Running)


def told(bed, what):
    """Wait until the service manager is told this; what it is told before is passed over."""
    while what not in (message := bed.told.recv(1000).decode()):
        expect(message, f"the service manager was not told {what}")


@running
def service_manager_is_told(bed):
    told(bed, "READY=1")


@running
def sighup_applies_the_file(bed):
    before = bed.running()
    log = bed.rewrite(bed.config([1, 2]))
    expect(bed.running() == before + 1, f"generation {bed.running()} after {before}: {log}")
    expect(len(bed.show("backends")) == 2, "the backend is still there")
    told(bed, "RELOADING=1")
    told(bed, "READY=1")


@running
def sighup_with_a_wrong_file(bed):
    before, backends = bed.running(), bed.show("backends")
    log = bed.rewrite(bed.config([1, 2]).replace('forward = "nat"', 'forward = "nut"'))
    expect("penstock.conf:" in log and '"nut"' in log, f"what is wrong is not in the log: {log}")
    expect("not applied" in log and f"generation {before} goes on" in log, f"{log}")
    expect(bed.running() == before, "the generation has changed")
    expect([b["address"] for b in bed.show("backends")] == [b["address"] for b in backends], "the backends have changed")
    expect(bed.curl(VIP).strip() in ("b1", "b2"), "nobody serves any more")


@running
def sighup_without_a_file(bed):
    path = f"{bed.lab.where}/penstock.conf"
    os.rename(path, path + ".away")
    before, length = bed.running(), len(bed.log())
    bed.daemon_signal(signal.SIGHUP)
    expect(wait_until(lambda: "goes on" in bed.log()[length:]), f"{bed.log()[length:]}")
    os.rename(path + ".away", path)
    expect(bed.running() == before and bed.curl(VIP).strip() in ("b1", "b2"), "nobody serves any more")


def ends_under_load(number):
    def test(bed):
        """Ends at once and leaves nothing in the kernel; started again it serves."""
        load = bed.start_peer("load", VIP, 30)
        bed.daemon_signal(number)
        try:
            code = bed.daemon.wait(5)
        except subprocess.TimeoutExpired:
            expect(False, "still there after 5 s")
        load.kill()
        load.wait()
        expect(code == 0, f"exit code {code}: {bed.log()[-500:]}")
        expect("stopping" in bed.log(), "it does not say that it stops")
        links = bed.lab.ip(bed.lab.edge, "-br", "link").stdout
        expect("wan" not in links and "lan" not in links, f"twins stayed behind:\n{links}")
        expect(not os.path.exists(bed.lab.socket()), "the admin socket stayed behind")
        bed.daemon = bed.lab.penstock(PENSTOCKD, bed.config(bed.lab.backends))
        expect(wait_until(lambda: bed.lab.run(bed.lab.client, "curl", "-s", "-m", "1", f"http://{VIP}/", check=False).stdout),
               "it does not serve when started again")
    test.__name__ = f"{signal.Signals(number).name} under load"
    running(test)


ends_under_load(signal.SIGTERM)
ends_under_load(signal.SIGINT)


@running
def background(bed):
    """Without --foreground: returns when it forwards, and goes on by itself."""
    expect(bed.lab.stop(bed.daemon) == 0, "the one in the foreground did not end well")
    path = f"{bed.lab.where}/penstock.conf"
    with open(path, "w", encoding="ascii") as out:
        out.write(bed.config(bed.lab.backends))
    done = bed.lab.run(bed.lab.edge, PENSTOCKD, "--config", path, "--socket", bed.lab.socket(),
                       "--state", bed.lab.state(), check=False, timeout=30)
    expect(done.returncode == 0 and "error" not in done.stderr and "warning" not in done.stderr, f"{done.returncode}: {done.stderr}")
    pids = bed.lab.run(bed.lab.edge, "ss", "-xlpH", "src", bed.lab.socket()).stdout
    pid = int(pids.split("pid=")[1].split(",")[0])
    try:
        expect(bed.penstock("version").returncode == 0, "it does not answer")
        expect(wait_until(lambda: bed.lab.run(bed.lab.client, "curl", "-s", "-m", "1", f"http://{VIP}/", check=False).stdout),
               "it does not serve")
    finally:
        os.kill(pid, signal.SIGTERM)
    expect(wait_until(lambda: not os.path.exists(f"/proc/{pid}")), "it does not end")
    bed.daemon = bed.lab.penstock(PENSTOCKD, bed.config(bed.lab.backends))
