# SPDX-License-Identifier: Apache-2.0
"""drain, enable, disable, weight: what they do, for how long, and what is refused."""
import json

from daemon import POOLS, Daemon, config
from test_cli import expect, wait

FIRST, SECOND, SIX = "web/10.9.0.11:8080", "web/10.9.0.12:8080", "six/[2001:db8:9::11]:8080"
POOLS2 = POOLS.replace("weight = 0;", "weight = 50;")


def backend(d, name):
    pool, _, rest = name.partition("/")
    address, _, port = rest.rpartition(":")
    return next(b for b in d.show("backends")
                if (b["pool"], b["address"], b["port"]) == (pool, address.strip("[]"), int(port)))


def orders(t, folder):
    with Daemon(folder, config(pools=POOLS2)) as d:
        with t("drain: no rows, its connections stay; said at once"):
            out = expect(d.cli("drain", FIRST), 0)
            assert out.stdout == f"{FIRST}: drain, weight 100 (was up)\n", out.stdout
            b = backend(d, FIRST)
            assert (b["state"], b["reason"], b["effective_weight"]) == ("drain", "drained by command", 0), b
        with t("disable, enable"):
            assert "disabled" in expect(d.cli("disable", FIRST), 0).stdout
            assert backend(d, FIRST)["reason"] == "disabled by command"
            assert "up, weight 100 (was disabled)" in expect(d.cli("enable", FIRST), 0).stdout
            assert backend(d, FIRST)["state"] == "up"
        with t("weight, and weight 0 drains"):
            expect(d.cli("weight", SECOND, "7"), 0)
            b = backend(d, SECOND)
            assert (b["state"], b["weight"], b["effective_weight"]) == ("up", 7, 7), b
            expect(d.cli("weight", SECOND, "0"), 0)
            b = backend(d, SECOND)
            assert (b["state"], b["reason"]) == ("drain", "weight 0 by command"), b
            assert "its weight is 0" in expect(d.cli("enable", SECOND), 0).stdout
        with t("IPv6 in brackets"):
            expect(d.cli("drain", SIX), 0)
            assert backend(d, SIX)["state"] == "drain"
        with t("show pools counts what may be chosen"):
            assert {p["name"]: p["up"] for p in d.show("pools")} == {"web": 1, "dns": 1, "six": 0}
        with t("refused, with the reason: wrong names, wrong weights"):
            for name, why in (("nopool/10.9.0.11:8080", "no pool"), ("web/10.9.0.99:8080", "no backend"), ("web/10.9.0.11:81", "no backend"),
                              ("web/10.9.0.11", "no backend")):
                for order in (["drain", name], ["enable", name], ["disable", name], ["weight", name, "1"]):
                    expect(d.cli(*order), 1, why)
            for name, why in (("10.9.0.11:8080", "the pool is missing; write POOL/ADDRESS:PORT"), ("web/", "POOL/ADDRESS:PORT"),
                              ("/10.9.0.11:8080", "the pool is missing")):
                expect(d.cli("drain", name), 2, why)
            for args in (["weight", FIRST], ["weight", FIRST, "x"], ["weight", FIRST, "-1"], ["weight", FIRST, "65536"],
                         ["drain"], ["drain", FIRST, "1"], ["drain", FIRST, "--json"]):
                expect(d.cli(*args), 2)
        with t("refused, with what may have been meant"):
            for name, why in (("web/10.9.0.11", f"10.9.0.11: its port is missing; did you mean {FIRST}?"),
                              ("web/10.9.0.11:81", f"10.9.0.11:81; did you mean {FIRST}?"),
                              ("web/10.9.0.13:8080", f"10.9.0.13:8080; did you mean {SECOND}?"),
                              ("six/2001:db8:9::11", f"2001:db8:9::11: its port is missing; did you mean {SIX}?"),
                              ("six/[2001:db8:9::12]:8080", f"did you mean {SIX}?"),
                              ("wbe/10.9.0.11:8080", 'there is no pool "wbe"; did you mean web?')):
                for order in (["drain", name], ["enable", name], ["disable", name], ["weight", name, "1"]):
                    expect(d.cli(*order), 1, why)
            assert {b["state"] for b in d.show("backends")} == {"up", "drain"}
        with t("refused on the socket"):
            for weight in ("-1", "65536", "1.5", '"7"', "null", "[]"):
                answer = d.ask(f'{{"command":"weight","backend":"{FIRST}","weight":{weight}}}'.encode())
                assert not answer["ok"] and "weight" in answer["error"], answer
            for backend_text in ("1", "null", '""', '"/"', '"web/[::"', '"web/10.9.0.11:99999"'):
                answer = d.ask(f'{{"command":"drain","backend":{backend_text}}}'.encode())
                assert not answer["ok"] and answer["error"], answer


def kept(t, folder):
    text = config(pools=POOLS2)
    with Daemon(folder, text) as d:
        expect(d.cli("drain", FIRST), 0)
        expect(d.cli("weight", SECOND, "7"), 0)
        expect(d.cli("disable", SIX), 0)
    with Daemon(folder, text) as d:
        with t("a restart does not end them"):
            assert backend(d, FIRST)["state"] == "drain"
            assert backend(d, SECOND)["weight"] == 7
            assert backend(d, SIX)["state"] == "disabled"
        new = folder / "new.conf"
        new.write_text(text + "# the same\n")
        expect(d.cli("apply", new), 0)
        with t("an apply that names them alike does not end them"):
            assert (backend(d, FIRST)["state"], backend(d, SECOND)["weight"]) == ("drain", 7)
        new.write_text(text.replace("weight = 50;", "weight = 60;"))
        expect(d.cli("apply", new), 0)
        with t("another weight in the configuration ends that backend's, and no other's"):
            assert backend(d, SECOND)["weight"] == 60
            assert backend(d, FIRST)["state"] == "drain"
        new.write_text(text.replace("10.9.0.11\"; port = 8080", "10.9.0.13\"; port = 8080"))
        expect(d.cli("apply", new), 0)
        new.write_text(text)
        expect(d.cli("apply", new), 0)
        with t("a backend that was gone begins anew"):
            assert backend(d, FIRST)["state"] == "up"
        expect(d.cli("enable", SIX), 0)
    with t("what is enabled again is not remembered"):
        saved = json.loads((folder / "state" / "health").read_text())
        assert saved == {"version": 1, "backends": []}, saved


def unconfirmed(t, folder):
    """What a configuration contradicts that nobody confirms is only held back."""
    text = config(pools=POOLS2)
    new = folder / "new.conf"
    with Daemon(folder, text) as d:
        expect(d.cli("drain", FIRST), 0)
        expect(d.cli("disable", SECOND), 0)
        new.write_text(text.replace("10.9.0.11\"; port = 8080", "10.9.0.13\"; port = 8080").replace("weight = 50;", "weight = 60;"))
        expect(d.cli("apply", new, "--confirm", "3s"), 0)
        with t("an order does not hold in an unconfirmed configuration with another weight"):
            assert (backend(d, SECOND)["state"], backend(d, SECOND)["weight"]) == ("up", 60)
        expect(d.cli("weight", SECOND, "9"), 0)
        with t("one given in it does not mix with the one before"):
            assert (backend(d, SECOND)["state"], backend(d, SECOND)["weight"]) == ("up", 9)
        wait(lambda: d.generation() == 3)
        with t("when it goes back, the order for a backend that was gone holds again; the one given since ends"):
            assert (backend(d, FIRST)["state"], backend(d, FIRST)["reason"]) == ("drain", "drained by command")
            assert (backend(d, SECOND)["state"], backend(d, SECOND)["weight"]) == ("up", 50)
        expect(d.cli("disable", SECOND), 0)
        expect(d.cli("apply", new, "--confirm", "1h"), 0)
        expect(d.cli("rollback"), 0)
        with t("an order for another weight holds again after a rollback of what was not confirmed"):
            assert (backend(d, FIRST)["state"], backend(d, SECOND)["state"]) == ("drain", "disabled")
        expect(d.cli("apply", new, "--confirm", "1h"), 0)
        expect(d.cli("confirm"), 0)
        new.write_text(text)
        expect(d.cli("apply", new), 0)
        with t("confirming ends both"):
            assert (backend(d, FIRST)["state"], backend(d, SECOND)["state"]) == ("up", "up")
    with t("and nothing is remembered"):
        saved = json.loads((folder / "state" / "health").read_text())
        assert saved == {"version": 1, "backends": []}, saved


def hostile(t, folder):
    """A file that is not ours, and entries that cannot be."""
    entry = {"pool": "web", "address": "10.9.0.11", "port": 8080, "made_for": 100, "drain": True}
    bad = [{**entry, **more} for more in (
        {"pool": 7}, {"pool": "x" * 1000}, {"address": "nowhere"}, {"port": -1}, {"port": 70000}, {"made_for": "x"}, {"made_for": -1},
        {"weight": 99999999, "drain": False})] + [None, 1, [], {}, "x"]
    for name, text, state in (
            ("no JSON", "{", "up"), ("empty", "", "up"), ("another version", json.dumps({"version": 2, "backends": [entry]}), "up"),
            ("no list", '{"version":1,"backends":7}', "up"), ("only bad entries", json.dumps({"version": 1, "backends": bad}), "up"),
            ("bad entries and a good one", json.dumps({"version": 1, "backends": bad + [entry]}), "drain"),
            ("deep", "[" * 100000, "up"), ("bytes", "\x00\xff" * 100, "up")):
        where = folder / name.replace(" ", "-")
        (where / "state").mkdir(parents=True)
        (where / "state" / "health").write_bytes(text.encode("latin-1"))
        with Daemon(where, config(pools=POOLS2)) as d, t(f"state file: {name}"):
            assert backend(d, FIRST)["state"] == state, backend(d, FIRST)
            assert ("orders given to backends are lost" in d.output()) == (state == "up" and name != "only bad entries"), d.output()


def said(t, folder):
    """What the last process knew of a failure, longer than there is room for, and cut off within a character."""
    entry = {"pool": "web", "address": "10.9.0.11", "port": 8080, "cause": "tls", "detail": "xx" + "\xe4" * 60, "since": 1767225600}
    (folder / "state").mkdir()
    (folder / "state" / "health").write_text(json.dumps({"version": 1, "backends": [entry]}, ensure_ascii=False), encoding="utf-8")
    pools = POOLS2.replace('{ name = "web";', '{ name = "web"; health = { check = "tcp"; interval = "24h"; };')
    with Daemon(folder, config(pools=pools)) as d, t("a reason cut off within a character is shown"):
        b = backend(d, FIRST)
        assert (b["health"], b["cause"]) == ("failing", "tls") and b["reason"].startswith("tls: xx" + "\xe4" * 40), b
        expect(d.cli("show", "backends"), 0)


TESTS = (orders, kept, unconfirmed, hostile, said)
