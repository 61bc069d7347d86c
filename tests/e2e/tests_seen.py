# SPDX-License-Identifier: Apache-2.0
"""What an operator sees of real traffic: explain says beforehand where a connection goes, capture has it as it came in and as it went
out, and neither disturbs it."""
import hashlib
import json
import os
import re
import signal
import struct
import subprocess

from bed import MODES, PENSTOCK, Bed, expect, group, vip, wait_until
from topology import CLIENT4, CLIENT6

seen = group("seen", lambda: Bed(workers="0, 1"))


def packets(path):
    """(1 in or 2 out, interface, bytes, comment) of each packet; every block must be whole."""
    with open(path, "rb") as file:
        data = file.read()
    at, found = 0, []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        expect(length >= 12 and at + length <= len(data), f"a broken block at {at}")
        if kind == 6:
            interface, _, _, captured = struct.unpack_from("<IIII", data, at + 8)
            options, here = {}, at + 28 + (captured + 3 & ~3)
            while True:
                code, size = struct.unpack_from("<HH", data, here)
                if not code:
                    break
                options[code] = data[here + 4:here + 4 + size]
                here += 4 + (size + 3 & ~3)
            found.append((options[2][0] & 3, interface, data[at + 28:at + 28 + captured], options[1].decode()))
        at += length
    return found


class Capture:
    """penstock capture in the background."""

    def __init__(self, bed, path, *words):
        self.path = path
        if os.path.exists(path):
            os.unlink(path)
        self.process = subprocess.Popen(["ip", "netns", "exec", bed.lab.edge, PENSTOCK, "--socket", bed.lab.socket(), "capture", *words,
                                         path], stderr=subprocess.PIPE, text=True)
        bed.lab.processes.append(self.process)
        expect(wait_until(lambda: self.over() or os.path.exists(path) and os.path.getsize(path) > 0), "the capture does not begin")

    def over(self):
        return self.process.poll() is not None

    def stop(self):
        """What it says at its end."""
        if not self.over():
            self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=20)[1]
        expect(self.process.returncode == 0, f"capture ended with {self.process.returncode}: {said}")
        return said


def explain(bed, client, service):
    return json.loads(bed.penstock("explain", "--protocol", "tcp", "--client", client, "--service", service, "--json").stdout)


def as_foretold(mode, family, port):
    """A connection from a port of ours goes where explain has said, and the capture has both its ends."""
    def test(bed):
        client, service = (CLIENT4, vip(mode, family)) if family == 4 else (f"[{CLIENT6}]", f"[{vip(mode, family)}]")
        bed.curl(vip(mode, family))  # neighbours are known now
        foretold = explain(bed, f"{client}:{port}", f"{service}:80")
        expect(foretold["verdict"] == "forward" and foretold["connection"] is None, foretold)
        capture = Capture(bed, f"{bed.lab.where}/seen.pcapng", "--service", f"{mode}-{family}-web", "--client", client.strip("[]"))
        bed.curl(vip(mode, family), "/", "--local-port", str(port), "--no-keepalive")
        capture.stop()
        came, went = ([p for p in packets(capture.path) if p[0] == way] for way in (1, 2))
        # The end of the connection may come when the capture has stopped.
        expect(len(came) >= 3 and len(came) == len(went), f"{len(came)} packets in, {len(went)} out")
        where = f"worker {foretold['worker']}, service {mode}-{family}-web"
        expect(came[0][3] == f"{where}, forwarded to {foretold['backend']}", f"{came[0][3]}, but {foretold}")
        expect(went[0][3] == f"{where}, sent to {foretold['backend']}", went[0][3])
        expect((came[0][1], went[0][1]) == (0, 1), "the first packet did not come in by wan and leave by lan")
        back = [p[3] for p in came if "to client" in p[3]]
        expect(bool(back) == (mode in ("nat", "full-nat")), f"answers: {back}")
        expect(all(comment == f"{where}, forwarded to client {client}:{port}" for comment in back), str(back))
    test.__name__ = f"{mode}, IPv{family}: as foretold"
    return test


for number, (each, ip) in enumerate((m, f) for m in MODES for f in (4, 6)):
    seen(as_foretold(each, ip, 21000 + number))


@seen
def known_connection(bed):
    """Of a connection that stands, explain says where it is."""
    peer = bed.start_peer("hold", vip("nat", 4), 3, 3)
    found = wait_until(lambda: [c for c in bed.show("connections", "--service", "nat-4-tcp") if c["state"] == "established"])
    expect(found, "no connection")
    told = explain(bed, found[0]["client"], f"{vip('nat', 4)}:9000")
    expect(told["connection"] and told["connection"]["state"] == "established", told)
    expect(told["backend"] == found[0]["backend"] and told["flags"] == "ack" and told["worker"] == found[0]["worker"], told)
    peer.communicate(timeout=20)


@seen
def dropped_only(bed):
    """--drops has what is dropped, with its reason, and not the rest."""
    capture = Capture(bed, f"{bed.lab.where}/drops.pcapng", "--drops", "--client", CLIENT4)
    bed.curl(vip("nat", 4))
    empty = os.path.getsize(capture.path)
    for _ in range(5):
        bed.client("/usr/bin/python3", "-c", f"""
import socket
s = socket.socket()
s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
s.settimeout(1)
try:
    s.connect(("{vip('nat', 4)}", 80))
except OSError:
    pass
""")
        if wait_until(lambda: os.path.getsize(capture.path) > empty, 3):
            break
    capture.stop()
    comments = {p[3] for p in packets(capture.path)}
    expect(comments and all("ttl-expired" in comment for comment in comments), str(comments))


@seen
def full_disk(bed):
    """A capture onto a disk that is full ends and says so; the file is whole, and the download knows nothing of it."""
    disk = f"{bed.lab.where}/disk"
    os.makedirs(disk, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=True)
    try:
        capture = Capture(bed, f"{disk}/full.pcapng")
        got = bed.lab.where + "/got"
        bed.curl(vip("nat", 4), "/big", "-o", got)
        sums = [hashlib.sha256(open(path, "rb").read()).hexdigest() for path in (got, bed.lab.where + "/www/big")]
        expect(sums[0] == sums[1], "the download differs from the original")
        said = capture.process.communicate(timeout=20)[1]
        expect(capture.process.returncode == 1 and "No space left on device" in said, f"{capture.process.returncode}: {said}")
        expect(len(packets(capture.path)) > 20, "hardly a packet")
    finally:
        subprocess.run(["umount", disk], check=True)
    again = Capture(bed, f"{bed.lab.where}/again.pcapng", "--count", "20")
    bed.curl(vip("nat", 4))
    expect(wait_until(again.over), "no end after 20 packets")
    expect(re.match("20 packets ", again.stop()) and len(packets(again.path)) == 20, "not 20 packets")
