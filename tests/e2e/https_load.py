#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of HTTPS listeners that go on until their standard input ends, and then print a line of JSON.

    https_load.py handshakes CA NAME ADDRESS...

Two threads that begin one TLS connection after the other, with TLS 1.3 and 1.2 by turns, at each address in turn; nothing is resumed, and
the certificate verified by CA. A third thread has a connection of each version to each address, and asks for something on each of them 5
times a second. The result: {"handshakes": N, "requests": N, "serials": {ADDRESS: [...]}, "failed": [...]}; serials in the order in which
they were seen first by a thread, and of both threads the longer list.

    https_load.py steady CA NAME ADDRESS

Asks every 20 ms on a TLS connection that it has, and on a new one without TLS (port 80). Each line that it reads names what follows:
{NAME: {"tls": [N, MEDIAN, LONGEST], "plain": [...]}, ..., "failed": [...]}, in ms.
"""
import http.client
import json
import socket
import ssl
import statistics
import sys
import threading
import time

PATIENCE = 20
VERSIONS = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2)


class Clients:
    def __init__(self, ca, name):
        self.name, self.failed, self.stop = name, [], threading.Event()
        self.contexts = []
        for version in VERSIONS:
            context = ssl.create_default_context(cafile=ca)
            context.minimum_version = context.maximum_version = version
            self.contexts.append(context)

    def secure(self, address, turn):
        """A new connection."""
        raw = socket.create_connection((address, 443), PATIENCE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return self.contexts[turn % 2].wrap_socket(raw, server_hostname=self.name)
        except BaseException:
            raw.close()
            raise

    def ask(self, sock):
        """On a connection that stays open."""
        connection = http.client.HTTPConnection(self.name)
        connection.auto_open, connection.sock = 0, sock
        connection.request("GET", "/")
        answer = connection.getresponse()
        if answer.status != 200 or not answer.read() or answer.will_close:
            raise OSError(f"status {answer.status}, will close: {answer.will_close}")

    def fail(self, what, error):
        self.failed.append(f"{what}: {type(error).__name__} {error}")


# ---- handshakes --------------------------------------------------------------------------------
class Begins(threading.Thread):
    def __init__(self, clients, addresses, turn):
        super().__init__()
        self.clients, self.addresses, self.turn, self.count = clients, addresses, turn, 0
        self.serials = {address: [] for address in addresses}

    def run(self):
        while not self.clients.stop.wait(0.02):
            address = self.addresses[self.turn // 2 % len(self.addresses)]
            try:
                with self.clients.secure(address, self.turn) as sock:
                    serial = int(sock.getpeercert()["serialNumber"], 16)
                    if serial not in self.serials[address][-1:]:
                        self.serials[address].append(serial)
                    self.clients.ask(sock)
                self.count += 1
            except (OSError, http.client.HTTPException) as error:
                self.clients.fail(f"handshake with {address}", error)
            self.turn += 1


class Goes(threading.Thread):
    def __init__(self, clients, addresses):
        super().__init__()
        self.clients, self.count = clients, 0
        self.kept = [(address, clients.secure(address, turn)) for address in addresses for turn in range(len(VERSIONS))]

    def run(self):
        while not self.clients.stop.wait(0.2):
            for address, sock in list(self.kept):
                try:
                    self.clients.ask(sock)
                    self.count += 1
                except (OSError, http.client.HTTPException) as error:
                    self.clients.fail(f"kept connection to {address}", error)
                    self.kept.remove((address, sock))


def handshakes(clients, addresses):
    goes = Goes(clients, addresses)
    begins = [Begins(clients, addresses, turn) for turn in (0, 3)]
    for thread in (goes, *begins):
        thread.start()
    print("ready", flush=True)
    sys.stdin.read()
    clients.stop.set()
    for thread in (goes, *begins):
        thread.join()
    serials = {address: max((thread.serials[address] for thread in begins), key=len) for address in addresses}
    return {"handshakes": sum(thread.count for thread in begins), "requests": goes.count, "serials": serials, "failed": clients.failed}


# ---- steady ------------------------------------------------------------------------------------
def steady(clients, addresses):
    where = addresses[0]
    phases, times = ["first"], {}
    kept = clients.secure(where, 0)

    def plain():
        with socket.create_connection((where, 80), PATIENCE) as sock:
            clients.ask(sock)

    def measure(what, ask):
        while not clients.stop.wait(0.02):
            phase, begin = phases[-1], time.monotonic()
            try:
                ask()
            except (OSError, http.client.HTTPException) as error:
                clients.fail(f"{what}, {phase}", error)
                return
            times.setdefault(phase, {}).setdefault(what, []).append(1000 * (time.monotonic() - begin))

    threads = [threading.Thread(target=measure, args=each) for each in (("tls", lambda: clients.ask(kept)), ("plain", plain))]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for line in sys.stdin:
        phases.append(line.strip())
    clients.stop.set()
    for thread in threads:
        thread.join()
    result = {phase: {what: [len(ms), statistics.median(ms), max(ms)] for what, ms in each.items()} for phase, each in times.items()}
    return {**result, "failed": clients.failed}


def main():
    what, ca, name, *addresses = sys.argv[1:]
    print(json.dumps({"handshakes": handshakes, "steady": steady}[what](Clients(ca, name), addresses)))


if __name__ == "__main__":
    main()
