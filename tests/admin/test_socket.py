# SPDX-License-Identifier: Apache-2.0
"""The admin socket: its file, and everything hostile that can be sent to it."""
import grp
import json
import os
import random
import socket
import stat
import time

from daemon import Daemon, config, read_line
from test_cli import expect, wait

VERSION = b'{"command":"version"}'


def the_file(t, folder):
    with Daemon(folder, config()) as d:
        with t("the socket has mode 0660, its directory was made"):
            st = os.stat(d.path)
            assert stat.S_ISSOCK(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o660, oct(st.st_mode)
            assert stat.S_IMODE(os.stat(d.path.parent).st_mode) == 0o755
        with t("a second daemon at the same socket is refused with a sentence"):
            other = Daemon(folder / "second", config(), d.path)
            other.launch()
            assert other.process.wait(60) == 1, other.output()
            assert "another penstockd" in other.output(), other.output()
            assert d.generation() == 1
        if os.geteuid() == 0:
            with t("admin.group is the socket's group, and follows apply"):
                new = folder / "group.conf"
                new.write_text(config(more='admin = { group = "daemon"; };'))
                expect(d.cli("apply", new), 0)
                gid = grp.getgrnam("daemon").gr_gid
                wait(lambda: os.stat(d.path).st_gid == gid, 5)
                assert stat.S_IMODE(os.stat(d.path).st_mode) == 0o660
    with t("a socket file that nobody listens on is replaced"):
        s = socket.socket(socket.AF_UNIX)
        s.bind(str(folder / "stale.sock"))
        s.close()
        with Daemon(folder, config(), folder / "stale.sock") as d:
            assert d.generation() > 1
    with t("a file that is no socket is left alone"):
        plain = folder / "plain"
        plain.write_text("precious")
        d = Daemon(folder, config(), plain)
        d.launch()
        assert d.process.wait(60) == 1 and "not a socket" in d.output(), d.output()
        assert plain.read_text() == "precious"
    with t("a directory that cannot be made is told in a sentence"):
        d = Daemon(folder, config(), folder / "no" / "such" / "penstock.sock")
        d.launch()
        assert d.process.wait(60) == 1 and "directory" in d.output(), d.output()


REFUSED = (
    b"", b"\r", b"nonsense", b"{", b"}", b"[]", b"null", b"0", b'"show"', b"{}", b"[{}]",
    b'{"command":null}', b'{"command":1}', b'{"command":""}', b'{"command":"nonsense"}',
    b'{"command":["show"]}', b'{"command":"version"', b'{"command":"version"}}',
    b'{"command":"version","command":"version"}', b'{"command":"show"}',
    b'{"command":"show","object":1}', b'{"command":"show","object":"histories"}',
    b'{"command":"show","object":"drops","service":1}',
    b'{"command":"show","object":"drops","service":"no\\u0000ne"}',
    b'{"command":"show","object":"connections","limit":0}',
    b'{"command":"show","object":"connections","limit":-1}',
    b'{"command":"show","object":"connections","limit":1.5}',
    b'{"command":"show","object":"connections","limit":"9"}',
    b'{"command":"show","object":"connections","limit":99999999999999999999}',
    b'{"command":"show","object":"connections","service":{}}',
    b'{"command":"confirm"}', b'{"command":"rollback"}', b'{"command":"rollback","generation":9}',
    b'{"command":"rollback","generation":"x"}', b'{"command":"rollback","dry_run":1}',
    b'{"command":"apply","text":"x","confirm":1}', b'{"command":"apply","text":"x","confirm":"1"}',
    b'{"command":"apply"}', b'{"command":"apply","text":1}', b'{"command":"apply","text":""}',
    b'{"command":"apply","text":"x","name":1}', b'{"command":"apply","text":"x","name":""}',
    b'{"command":"apply","text":"x","name":"a\\nb"}',
    b'{"command":"apply","text":"x","dry_run":"yes"}',
    b'{"command":"apply","text":"\\u0000"}', b'{"command":"apply","text":"a = \\ud800"}',
    b'{"command":"versi\xffon"}', b"\xff\xfe\x00", b"\0", b"\0" * 1000, b'{"command":"vers\0ion"}',
    b'{"command":"' + b"x" * 100000 + b'"}', b"[" * 100000, b'{"a":' * 50000,
    b"[" + b"0," * 500000 + b"0]", b'{"command":1e99999}', b'"' + b"\\" * 99999,
    b'{"command":"show","object":"' + b"\\u2028" * 1000 + b'"}',
)


def refusals(t, d):
    for line in REFUSED:
        with t(f"refused: {line[:60]!r}{'...' if len(line) > 60 else ''}"):
            with d.connect() as s:
                s.sendall(line + b"\n" + VERSION + b"\n")
                answers = read_line(s)
                while answers.count(b"\n") < 2:
                    more = s.recv(1 << 16)
                    assert more, f"closed after {answers!r}"
                    answers += more
                refusal, version = map(json.loads, answers.splitlines())
                assert refusal["ok"] is False and refusal["error"], refusal
                assert version["ok"] is True, version


def fuzz(t, d):
    random.seed(20)
    seeds = [line for line in REFUSED if len(line) < 200] + [
        VERSION, b'{"command":"show","object":"services"}',
        b'{"command":"show","object":"connections","limit":3,"service":"web"}',
        b'{"command":"apply","name":"x","text":"pools = ( );","dry_run":true}']

    def mutated():
        line = bytearray(random.choice(seeds))
        for _ in range(random.randrange(1, 6)):
            at = random.randrange(len(line) + 1)
            kind = random.randrange(4)
            if kind == 0:
                line[at:at] = bytes([random.randrange(256)])
            elif kind == 1:
                del line[at:at + random.randrange(1, 8)]
            elif kind == 2:
                line[at:at] = random.choice(seeds)
            elif at < len(line):
                line[at] ^= 1 << random.randrange(8)
        return bytes(line).replace(b"\n", b" ")

    with t("fuzz: 3000 mutated lines, one answer each"):
        for _ in range(30):
            lines = [mutated() for _ in range(100)]
            with d.connect() as s:
                for line in lines:
                    s.sendall(line + b"\n")
                    answer = json.loads(read_line(s))
                    assert isinstance(answer["ok"], bool), answer
    with t("fuzz: random bytes"):
        for _ in range(50):
            with d.connect() as s:
                s.sendall(random.randbytes(random.randrange(20000)))
        assert d.ask(VERSION)["ok"]


def bounds(t, d):
    with t("a request of 17 MiB without an end is refused, then closed"):
        with d.connect() as s:
            try:
                for _ in range(18):
                    s.sendall(b"x" * (1 << 20))
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = json.loads(read_line(s))
            assert not answer["ok"] and "17 MiB" in answer["error"], answer
    with t("a request of 15 MiB is read"):
        line = json.dumps({"command": "apply", "name": "long", "dry_run": True,
                           "text": config() + "#" * (15 << 20)}).encode()
        assert d.ask(line)["ok"], "refused"
    with t("five requests of 16 MiB at once do not fit, and nobody else suffers"):
        sockets = [d.connect() for _ in range(5)]
        for s in sockets:
            s.setblocking(False)
        sent = [0] * 5
        end = time.monotonic() + 8
        while min(sent) < 16 << 20 and time.monotonic() < end:
            for i, s in enumerate(sockets):
                try:
                    sent[i] += s.send(b"x" * (1 << 18))
                except BlockingIOError:
                    pass
                except (BrokenPipeError, ConnectionResetError):
                    sent[i] = 1 << 30
        assert sent.count(1 << 30) >= 1, sent
        assert d.ask(VERSION)["ok"]
        for s in sockets:
            s.close()
    with t("33 connections: the last one is refused; 32 that go make room"):
        sockets = [d.connect() for _ in range(33)]
        answer = json.loads(read_line(sockets[32]))
        assert not answer["ok"] and "too many" in answer["error"], answer
        for s in sockets:
            s.close()
        wait(lambda: d.cli("show", "pools").returncode == 0)
    with t("1000 requests in one piece are answered in order"):
        with d.connect() as s:
            objects = ["pools", "workers", "drops"]
            s.sendall(b"".join(b'{"command":"show","object":"%s"}\n' % objects[i % 3].encode()
                               for i in range(1000)))
            data = b""
            while data.count(b"\n") < 1000:
                part = s.recv(1 << 16)
                assert part, "closed"
                data += part
            for i, line in enumerate(data.splitlines()):
                row = json.loads(line)["result"][0]
                assert ["rows", "core", "help"][i % 3] in row, (i, row)
    with t("a request in single bytes, then half closed, is answered"):
        with d.connect() as s:
            for byte in VERSION + b"\n":
                s.sendall(bytes([byte]))
            s.shutdown(socket.SHUT_WR)
            assert json.loads(read_line(s))["ok"]
            assert s.recv(1) == b""
    with t("walks over connections that nobody waits for do no harm"):
        begun = 0
        while begun < 100:
            with d.connect() as s:
                try:
                    s.sendall(b'{"command":"show","object":"connections"}\n')
                    begun += 1
                except BrokenPipeError:  # it has not seen yet that as many as it takes have gone
                    time.sleep(0.01)
        wait(lambda: d.cli("show", "connections").returncode == 0)
    with t("many walks at once are all answered"):
        sockets = [d.connect() for _ in range(20)]
        for s in sockets:
            s.sendall(b'{"command":"show","object":"connections"}\n')
        for s in sockets:
            assert json.loads(read_line(s)) == {"ok": True, "result": []}
            s.close()


def patience(t, d):
    """Those who take their time; the daemon has others to serve meanwhile."""
    slow, idle, reader = d.connect(), d.connect(), d.connect()
    begin = time.monotonic()
    slow.sendall(b'{"command":')
    reader.setblocking(False)
    try:
        while True:
            reader.send(b'{"command":"show","object":"drops"}\n' * 100)
    except BlockingIOError:
        pass
    with t("a client that does not read its answers holds up nobody"):
        for _ in range(20):
            before = time.monotonic()
            assert d.ask(VERSION)["ok"] and time.monotonic() - before < 2
    with t("a request that does not come to its end is refused after 10 seconds"):
        while time.monotonic() - begin < 8:
            time.sleep(1)
            slow.sendall(b" ")
        answer = json.loads(read_line(slow))
        assert not answer["ok"] and "10 seconds" in answer["error"], answer
        assert 9 < time.monotonic() - begin < 14
        assert slow.recv(1) == b""
    with t("a connection that asks nothing is closed after 10 seconds"):
        assert idle.recv(1) == b"" and 9 < time.monotonic() - begin < 14
    with t("a client that does not read its answers is dropped"):
        closed = False
        while not closed and time.monotonic() - begin < 20:
            try:
                reader.send(b" ")
            except BlockingIOError:
                pass
            except (BrokenPipeError, ConnectionResetError):
                closed = True
            time.sleep(0.2)
        assert closed
    for s in (slow, idle, reader):
        s.close()


def hostile(t, folder):
    with Daemon(folder, config()) as d:
        for test in (refusals, fuzz, bounds, patience):
            test(t, d)
        with t("after all that: alive, the same generation, ends with 0"):
            assert d.alive(), d.output()
            assert d.generation() == 1
            assert len(os.listdir(f"/proc/{d.process.pid}/fd")) < 100
            assert d.stop() == 0, d.output()


TESTS = (the_file, hostile)
