# SPDX-License-Identifier: Apache-2.0
"""The lab: a client, Penstock's machine ("edge") and backends as network namespaces of this machine.

         client ──┐                      ┌── b1
                  ├── wan bridge ── wan ─┤      (each backend has a second leg on the wan bridge: that is
     (b1 .. bN) ──┘        edge          ├── b2  the direct way back to clients of the DSR modes)
                           lan ── lan bridge
                                         └── bN
Penstock has the devices ethw and ethl in the edge's namespace (AF_XDP, or AF_PACKET where that is refused); its twins there are
called wan and lan. Nothing leaves these namespaces.
"""
import contextlib
import ctypes
import fcntl
import hashlib
import os
import shutil
import socket
import struct
import subprocess
import time

import kept

HERE = os.path.dirname(os.path.abspath(__file__))
VIPS4, VIPS6 = "203.0.113.0/24", "2001:db8:f::/64"
CLIENT4, CLIENT6 = "198.51.100.9", "2001:db8:1::9"
EDGE_WAN4, EDGE_WAN6 = "198.51.100.2", "2001:db8:1::2"
EDGE_LAN4, EDGE_LAN6 = "10.2.0.1", "2001:db8:2::1"
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def run(*words, check=True, **options):
    """Run a command; its output is in the exception if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return done


LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def inside(namespace):
    """This thread, and the processes that it starts, in a network namespace: `ip netns exec` would be one more process for each."""
    with open("/proc/thread-self/ns/net", "rb") as home:
        try:
            with open(f"/run/netns/{namespace}", "rb") as there:
                enter(there.fileno())
        except FileNotFoundError as error:
            raise RuntimeError(f"there is no namespace {namespace}") from error
        try:
            yield
        finally:
            enter(home.fileno())


def enter(namespace):
    if LIBC.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


# SIOCETHTOOL, and of its commands those that set tx, rx, tso, gso and gro.
ETHTOOL, OFFLOADS = 0x8946, (0x17, 0x15, 0x1f, 0x24, 0x2c)


def plain(device):
    """As `ethtool -K DEVICE tx off rx off tso off gso off gro off`: checksums are filled in, segments are what a wire has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            fcntl.ioctl(any_socket, ETHTOOL, struct.pack("16sP16x", device.encode(), ctypes.addressof(value)))


def decap_program(number):
    """The object of decap.bpf.c for a backend, compiled once for all labs."""
    v4, v6 = backend_address(number)
    command = ["clang", "-O2", "-g", "-target", "bpf", "-I/usr/include/" + os.uname().machine + "-linux-gnu",
               f"-DLAST4={v4.rpartition('.')[2]}", f"-DLAST6=0x{v6.rpartition(':')[2]}", "-c", f"{HERE}/decap.bpf.c"]
    with open(f"{HERE}/decap.bpf.c", "rb") as source:
        key = hashlib.sha256(source.read() + " ".join(command).encode()).hexdigest()[:16]
    folder = os.path.join(os.environ.get("BUILD", f"{os.path.dirname(os.path.dirname(HERE))}/build"), "decap")
    path = f"{folder}/{key}.o"
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        run(*command, "-o", f"{path}.{os.getpid()}")
        os.replace(f"{path}.{os.getpid()}", path)
    return path


def backend_address(number):
    """(IPv4, IPv6) of backend b<number> on the lan."""
    return f"10.2.0.{10 + number}", f"2001:db8:2::{10 + number}"


class Lab:
    """Namespaces and processes whose names begin with `name`. Use as `with Lab(...) as lab:`, or keep it standing with up/down."""

    def __init__(self, name="pslab", backends=3, where=None):
        self.name = name
        self.where = where or f"/run/{name}"
        self.backends = list(range(1, backends + 1))
        self.processes = []
        self.webs = {}
        self.edge = f"{name}-edge"
        self.client = f"{name}-client"
        self.switch = f"{name}-switch"

    def __enter__(self):
        self.down()
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_):
        self.down()

    # ---- building ------------------------------------------------------------------------------
    def up(self):
        """Build everything but Penstock itself."""
        os.makedirs(self.where, exist_ok=True)
        for namespace in (self.switch, self.client, self.edge):
            self.namespace(namespace)
        for bridge in ("brw", "brl"):
            self.ip(self.switch, "link", "add", bridge, "type", "bridge")
            self.ip(self.switch, "link", "set", bridge, "up")
        self.wire(self.client, "eth0", "brw", "client")
        self.wire(self.edge, "ethw", "brw", "wan")
        self.wire(self.edge, "ethl", "brl", "lan")
        self.write(self.edge, "net/ipv6/conf/ethw/disable_ipv6", 1)
        self.write(self.edge, "net/ipv6/conf/ethl/disable_ipv6", 1)
        self.address(self.client, "eth0", CLIENT4 + "/24", CLIENT6 + "/64")
        self.ip(self.client, "route", "add", VIPS4, "via", EDGE_WAN4)
        self.ip(self.client, "-6", "route", "add", VIPS6, "via", EDGE_WAN6)
        for number in self.backends:
            self.backend(number)

    def namespace(self, namespace):
        run("ip", "netns", "add", namespace)
        for family in ("all", "default"):
            self.write(namespace, f"net/ipv4/conf/{family}/rp_filter", 0)
            self.write(namespace, f"net/ipv6/conf/{family}/accept_dad", 0)
            self.write(namespace, f"net/ipv6/conf/{family}/dad_transmits", 0)
        self.ip(namespace, "link", "set", "lo", "up")

    def wire(self, namespace, device, bridge, port):
        """A cable from a device of the namespace to a port of a bridge."""
        self.ip_lines(self.switch, f"link add {port} type veth peer name {device} netns {namespace}",
                      f"link set {port} master {bridge} up")
        for where, name in ((namespace, device), (self.switch, port)):
            with inside(where):
                plain(name)
        self.ip(namespace, "link", "set", device, "up")

    def address(self, namespace, device, *addresses):
        self.ip_lines(namespace, *[f"addr add {address} dev {device}" + (" nodad" if ":" in address else "") for address in addresses])

    def backend(self, number):
        """A backend with one leg on each bridge; service addresses on lo for the DSR modes, and the way back for them."""
        namespace, (v4, v6) = self.backend_name(number), backend_address(number)
        self.namespace(namespace)
        for name, value in (("arp_ignore", 1), ("arp_announce", 2)):
            self.write(namespace, f"net/ipv4/conf/all/{name}", value)
        self.wire(namespace, "eth0", "brl", f"b{number}")
        self.wire(namespace, "eth1", "brw", f"b{number}w")
        self.address(namespace, "eth0", v4 + "/24", v6 + "/64")
        self.address(namespace, "eth1", f"198.51.100.{100 + number}/32", f"2001:db8:1::{100 + number}/128")
        for family, way, vips, net in (("-4", EDGE_LAN4, VIPS4, "198.51.100.0/24"), ("-6", EDGE_LAN6, VIPS6, "2001:db8:1::/64")):
            self.ip_lines(namespace, f"route add default via {way}", f"route add local {vips} dev lo",
                          f"rule add from {vips} lookup 100 pref 100", f"route add {net} dev eth1 table 100", family=family)
        self.ip(namespace, "link", "set", "eth0", "xdpgeneric", "obj", decap_program(number), "sec", "xdp")
        if number not in self.backends:
            self.backends.append(number)

    def backend_name(self, number):
        return f"{self.name}-b{number}"

    # ---- running -------------------------------------------------------------------------------
    def ip(self, namespace, *words):
        return run("ip", "-n", namespace, *words)

    def ip_lines(self, namespace, *lines, family=None):
        """Several such commands by one process; the first that fails ends it."""
        families = [family] if family else []
        return run("ip", *families, "-n", namespace, "-batch", "-", input="".join(line + "\n" for line in lines))

    def run(self, namespace, *words, check=True, **options):
        with inside(namespace):
            return run(*words, check=check, **options)

    def write(self, namespace, path, value):
        with inside(namespace), contextlib.suppress(FileNotFoundError), open(f"/proc/sys/{path}", "w", encoding="ascii") as file:
            file.write(str(value))

    def start(self, namespace, *words, log=None, **options):
        """A process that runs until stop() or down(); its id is kept in the lab's folder too."""
        out = open(f"{self.where}/{log}", "ab") if log else subprocess.DEVNULL
        process = subprocess.Popen(["ip", "netns", "exec", namespace, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   start_new_session=True, **options)
        if log:
            out.close()
        self.processes.append(process)
        with open(f"{self.where}/pids", "a", encoding="ascii") as pids:
            pids.write(f"{process.pid} {start_time(process.pid)}\n")
        return process

    def stop(self, process, seconds=15):
        if process.poll() is None:
            process.terminate()
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def nginx(self, number, size_mb=64):
        """A web server on ports 80 and 8080 of a backend: /  says its name, /big is a file that is the same on
        all. On port 8081 it says what a PROXY header has told it."""
        root = f"{self.where}/www"
        os.makedirs(root, exist_ok=True)
        if not os.path.exists(f"{root}/big"):
            with open(f"{root}/big", "wb") as big:
                for i in range(size_mb):
                    big.write(bytes((i * 7 + j * 13) % 251 for j in range(4096)) * 256)
        path = f"{self.where}/nginx-{number}.conf"
        with open(path, "w", encoding="ascii") as out:
            out.write(NGINX.format(where=self.where, number=number, root=root))
        self.webs[number] = self.start(self.backend_name(number), "nginx", "-c", path, "-g", "daemon off;", log=f"nginx-{number}.log")
        return self.webs[number]

    def stop_nginx(self, number):
        return self.stop(self.webs.pop(number))

    def penstock(self, binary, config_text, *more):
        """Start penstockd in the edge's namespace and wait until it forwards."""
        path = f"{self.where}/penstock.conf"
        with open(path, "w", encoding="ascii") as out:
            out.write(config_text)
        log = f"{self.where}/penstockd.log"
        before = os.path.getsize(log) if os.path.exists(log) else 0
        process = self.start(self.edge, binary, "--config", path, "--socket", self.socket(), "--state", self.state(), "--foreground",
                             *more, log="penstockd.log")
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with open(log, encoding="utf-8", errors="replace") as text:
                text.seek(before)
                said = text.read()
            if "penstockd: ready" in said:
                return process
            if process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop(process)
        raise RuntimeError("penstockd did not start:\n" + said)

    def socket(self):
        return f"{self.where}/penstock.sock"

    def state(self):
        return f"{self.where}/state"

    # ---- taking down ---------------------------------------------------------------------------
    def stop_backend(self, number):
        """As if the machine lost its power: its processes and its namespace are gone."""
        namespace = self.backend_name(number)
        for pid in run("ip", "netns", "pids", namespace, check=False).stdout.split():
            run("kill", "-9", pid, check=False)
        run("ip", "netns", "del", namespace, check=False)
        self.backends.remove(number)

    def down(self):
        """End what this lab, or an earlier one of the same name, has left."""
        for process in self.processes:
            self.stop(process)
        self.processes = []
        self.stop_recorded()
        listed = run("ip", "netns", "list", check=False).stdout.split()
        for namespace in [n for n in listed if n.startswith(self.name + "-")]:
            run("ip", "netns", "del", namespace, check=False)
        kept.forget(self.where)
        shutil.rmtree(self.where, ignore_errors=True)

    def stop_recorded(self):
        """Processes that an earlier run has recorded and that are still the same ones."""
        try:
            with open(f"{self.where}/pids", encoding="ascii") as pids:
                recorded = [line.split() for line in pids]
        except FileNotFoundError:
            return
        for pid, started in recorded:
            if start_time(int(pid)) != started:
                continue
            run("kill", pid, check=False)
            end = time.monotonic() + 10
            while start_time(int(pid)) == started and time.monotonic() < end:
                time.sleep(0.05)


def start_time(pid):
    """When a process began, as the kernel counts: with the id this names a process for good. "" if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == "Z" else fields[19]


NGINX = """
pid {where}/nginx-{number}.pid;
error_log {where}/nginx-{number}.error;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {where}/tmp-{number}; proxy_temp_path {where}/tmp-{number}; fastcgi_temp_path {where}/tmp-{number};
  uwsgi_temp_path {where}/tmp-{number}; scgi_temp_path {where}/tmp-{number};
  server {{
    listen 80; listen [::]:80; listen 8080; listen [::]:8080;
    root {root};
    default_type application/octet-stream;
    location = / {{ return 200 "b{number}\\n"; }}
    location = /status {{ stub_status; }}
  }}
  server {{
    listen 8081 proxy_protocol; listen [::]:8081 proxy_protocol;
    location / {{ return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port\n"; }}
  }}
}}
"""
