# SPDX-License-Identifier: Apache-2.0
"""Every mode, both families, TCP and UDP: content, who serves, whom the server sees, large datagrams, uploads."""
import hashlib

from bed import MODES, Bed, expect, group, vip
from topology import CLIENT4, CLIENT6

SOURCES = {4: "10.2.0.", 6: "2001:db8:2::1"}


def check_seen(mode, family, seen):
    """The server sees the client itself; with full-nat one of Penstock's source addresses."""
    client = CLIENT4 if family == 4 else CLIENT6
    if mode == "full-nat":
        expect(seen.startswith(SOURCES[family]), f"the server sees {seen}, which is no source address of ours")
    else:
        expect(seen == client, f"the server sees {seen}, not the client {client}")


def http(mode, family):
    def test(bed):
        before = bed.service(f"{mode}-{family}-web")
        names = bed.who(vip(mode, family), 12)
        expect(names <= {"b1", "b2", "b3"} and len(names) > 1, f"answers of {names}")
        after = bed.service(f"{mode}-{family}-web")
        expect(after["packets_in"] >= before["packets_in"] + 12 * 4, "the service's counter did not see the requests")
        replies = after["packets_out"] - before["packets_out"]
        expect((replies >= 12 * 3) == (mode in ("nat", "full-nat")), f"{replies} packets went back through Penstock")
    return test


def download(mode, family):
    def test(bed):
        got = bed.lab.where + "/got"
        bed.curl(vip(mode, family), "/big", "-o", got)
        sums = [hashlib.sha256(open(path, "rb").read()).hexdigest() for path in (got, bed.lab.where + "/www/big")]
        expect(sums[0] == sums[1], "the download differs from the original")
    return test


def line(mode, family):
    def test(bed):
        text = bed.peer("hold", vip(mode, family), 1, 1)
        expect('null]]' in text, f"the connection broke: {text}")
    return test


def udp(mode, family, size):
    def test(bed):
        source, server, seen, _, length, got, sent = bed.peer("udp", vip(mode, family), size).split()
        expect(source == vip(mode, family), f"the answer came from {source}")
        expect(server in ("b1", "b2", "b3"), f"{server} answered")
        expect(int(length) == size and got == sent, f"{length} of {size} bytes arrived, or other ones")
        check_seen(mode, family, seen)
    return test


def upload(mode, family):
    """Full-sized segments towards the backend: where a tunnel adds to them, the client must learn a smaller path MTU."""
    def test(bed):
        server, seen, _, length, got, sent = bed.peer("upload", vip(mode, family), 300000).split()
        expect(server in ("b1", "b2", "b3"), f"{server} answered")
        expect(length == "300000" and got == sent, f"{length} of 300000 bytes arrived, or other ones")
        check_seen(mode, family, seen)
    return test


def add_all(register, modes, kinds):
    for mode in modes:
        for family in (4, 6):
            for kind, make in kinds.items():
                test = make(mode, family)
                test.__name__ = f"{mode}, IPv{family}, {kind}"
                register(test)


KINDS = {
    "http": http,
    "download": download,
    "kept connection": line,
    "udp": lambda mode, family: udp(mode, family, 100),
    "udp in fragments": lambda mode, family: udp(mode, family, 5000),
    "upload": upload,
}

add_all(group("modes, one worker", Bed), MODES, KINDS)
add_all(group("modes, two workers", lambda: Bed(workers="0, 1")), ("nat", "full-nat", "gue", "l2"),
        {"http": http, "udp": KINDS["udp"], "udp in fragments": KINDS["udp in fragments"]})
add_all(group("modes, AF_PACKET", lambda: Bed(driver="af_packet")), ("nat", "gue"), {"http": http, "download": download})

# A queue for each worker: both receive, and send by themselves. (No fragments here: the fanout of AF_PACKET's queues has the kernel put
# datagrams of IPv4 together again, which then are larger than the driver's frames.)
two_queues = group("modes, two queues", lambda: Bed(driver="af_packet,qpairs=2", workers="0, 1"))
add_all(two_queues, ("nat", "full-nat", "ipip"),
        {"http": http, "download": download, "udp": KINDS["udp"]})


@two_queues
def both_workers_receive(bed):
    """The kernel spreads flows over the queues by a hash of its own; each worker gets what the other one owns, too."""
    bed.who(vip("nat", 4), 20)
    workers = bed.show("workers")
    expect(all(w["packets_in"] > 0 for w in workers), f"a queue is not polled: {workers}")
    expect(sum(w["steered_in"] for w in workers) > 0, f"nothing was steered: {workers}")
