# SPDX-License-Identifier: Apache-2.0
"""WebSockets of others through HTTP listeners: Node's `ws` as client and server; and many at once while the configuration changes. With
E2E_LONG these are 10,000 through 200 changes, else 300 through 10."""
import json
import os

import configs
from bed import Bed, expect, group, wait_until
from http_bed import address, listens

HERE = os.path.dirname(os.path.realpath(__file__))
NODE = ["env", "NODE_PATH=/usr/share/nodejs", "node", os.path.join(HERE, "websockets.js")]
MANY = ["/usr/bin/python3", os.path.join(HERE, "websockets_many.py")]
WS, ECHO = 8097, 8098
COUNT, CHANGES = (10000, 200) if os.environ.get("E2E_LONG") else (300, 10)
ROUTES = """routes = ({extra}
  {{ name = "socket"; match = {{ path = "/socket/"; }}; pools = ( {{ pool = "{pool}"; }} ); websocket = true; }} ); """


def objects(backends, extra=""):
    pools, each = [], []
    for family in (4, 6):
        for name, last, port in (("ws", 84, WS), ("echo", 85, ECHO)):
            pools.append(configs.pool(f"{name}-{family}", backends, port, family))
            each.append(configs.listener(f"{name}-{family}", address(last, family), 80, None, ROUTES.format(pool=f"{name}-{family}", extra=extra),
                                         protocol="http"))
    return configs.objects(pools, [], each)


class Sockets(Bed):
    def servers(self, number):
        namespace = self.lab.backend_name(number)
        self.lab.start(namespace, *NODE, "serve", str(WS), log=f"node-{number}.log")
        self.lab.start(namespace, *MANY, "serve", str(ECHO), log=f"echo-{number}.log")

    def __enter__(self):
        super().__enter__()
        for number in self.lab.backends:
            for port in (WS, ECHO):
                expect(wait_until(lambda n=number, p=port: listens(self, n, p)), f"b{number} does not listen on {port}")
        return self

    def config(self, backends, **options):
        return super().config(backends, **options).replace("sessions = 4096;", "sessions = 16384;")


stand = group("WebSockets of others", lambda: Sockets(workers="0, 1", objects=objects))


def tests(family):
    def node(bed):
        host = address(84, family)
        told = json.loads(bed.client(*NODE, "ask", f"[{host}]" if family == 6 else host, seconds=60))
        for one, extensions in zip(told, ("permessage-deflate", "")):
            expect("error" not in one and one["wrong"] == 0 and one["sizes"] == [0, 1, 125, 126, 65535, 65536, 1000000], f"{one}")
            expect(one["pongs"] == 1 and one["protocol"] == "echo" and one["extensions"] == extensions, f"{one}")
            expect((one["code"], one["reason"]) == (4001, "as you wish"), f"{one}")
            expect(one["hello"]["url"] == "/socket/?a=b" and host in one["hello"]["host"], f"{one}")

    def many(bed):
        load = bed.start_peer("hold", address(85, family), 80, COUNT, program=MANY)
        active = sum(row["requests_active"] for row in bed.show("http"))
        if active != COUNT:
            expect(False, f"{active} of {COUNT} are under way: {load.communicate()[0][-500:]}")
        for i in range(CHANGES):
            if i % 10 == 0:  # now and then all say something, while changes go on
                load.stdin.write("\n")
                load.stdin.flush()
            bed.apply(bed.config(bed.lab.backends, extra=f'\n  {{ name = "new"; match = {{ path = "/new/{i}"; }}; respond = {{ status = 200; }}; }},'))
            if i % 10 == 9:
                line = load.stdout.readline()
                expect(line == f"turn {i // 10 + 1}\n", f"after {i + 1} changes: {line}")
        load.stdin.close()
        result = json.loads(load.stdout.readlines()[-1])
        expect(result == {"open": COUNT, "turns": CHANGES // 10 + 1, "wrong": {}}, f"{result}")
        bed.apply(bed.config(bed.lab.backends))
        expect(wait_until(lambda: not sum(row["requests_active"] for row in bed.show("http")), 30), "some are left")

    node.__name__ = f"WebSocket, IPv{family}, Node's ws on both sides"
    many.__name__ = f"WebSocket, IPv{family}, many through many changes"
    for test in (node, many):
        stand(test)


for each_family in (4, 6):
    tests(each_family)
