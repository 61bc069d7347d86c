# SPDX-License-Identifier: Apache-2.0
"""Generations: confirm and going back, rollback, history, and what a restart begins with."""
import json
import os
import signal
import time

from daemon import SERVICES, Daemon, config
from test_cli import expect, wait


def named(name):
    """A configuration that differs from the others in one service's name."""
    return config(services=SERVICES.replace('"dns"; address', f'"{name}"; address'))


def write(folder, name):
    path = folder / f"{name}.conf"
    path.write_text(named(name))
    return path


def runs(d):
    """The name by which the running configuration is known."""
    return d.show("services")[1]["name"]


def history(d):
    """(number, state, how) of each generation, newest first."""
    return [(g["generation"], g["state"], g["how"]) for g in d.show("history")]


def kept(folder):
    return sorted(int(n.split("-")[1]) for n in os.listdir(folder / "state") if "-" in n)


def confirm(t, folder):
    one = write(folder, "one")
    two = write(folder, "two")
    with Daemon(folder, named("zero")) as d:
        with t("--confirm: waits, says so, and can be confirmed"):
            out = expect(d.cli("apply", one, "--confirm", "30s"), 0, "penstock confirm")
            assert out.stdout.endswith("generation 2\n"), out.stdout
            assert history(d)[0] == (2, "waiting", "apply"), history(d)
            assert 0 < d.show("history")[0]["returns_in_seconds"] <= 30
            assert expect(d.cli("confirm"), 0).stdout == "generation 2 confirmed\n"
            assert history(d)[0] == (2, "running", "apply"), history(d)
        with t("confirm: refused when nothing waits"):
            expect(d.cli("confirm"), 1, "no generation waits")
        with t("--confirm that nobody confirms goes back by itself, as a new generation"):
            begin = time.monotonic()
            expect(d.cli("apply", two, "--confirm", "3s"), 0)
            assert runs(d) == "two"
            wait(lambda: runs(d) == "one")
            assert 2.9 < time.monotonic() - begin < 8
            assert history(d)[:2] == [(4, "running", "auto-return"), (3, "unconfirmed", "apply")]
            assert d.show("history")[0]["from"] == 2
            assert "generation-not-confirmed generation=3" in d.output(), d.output()
            expect(d.cli("confirm"), 1)
        with t("a second --confirm waits anew, and goes back to what was confirmed last"):
            expect(d.cli("apply", two, "--confirm", "1h"), 0)
            expect(d.cli("apply", write(folder, "three"), "--confirm", "3s"), 0)
            assert [s for _, s, _ in history(d)][:2] == ["waiting", "unconfirmed"]
            wait(lambda: runs(d) == "one")
        with t("a plain apply while one waits is for good"):
            expect(d.cli("apply", two, "--confirm", "1s"), 0)
            expect(d.cli("apply", write(folder, "four")), 0)
            time.sleep(1.5)
            assert runs(d) == "four" and history(d)[0][1] == "running", history(d)
            expect(d.cli("confirm"), 1)
        with t("rollback while one waits goes to what was confirmed last"):
            expect(d.cli("apply", two, "--confirm", "3s"), 0)
            expect(d.cli("rollback"), 0)
            assert runs(d) == "four"
            time.sleep(3.5)
            assert runs(d) == "four" and history(d)[0][1:] == ("running", "rollback")
        with t("--confirm --dry-run changes nothing"):
            before = history(d)
            assert "two" in expect(d.cli("apply", two, "--confirm", "1s", "--dry-run"), 0).stdout
            assert history(d) == before
        with t("a refused apply --confirm leaves nothing behind"):
            before = history(d)
            bad = folder / "bad.conf"
            bad.write_text(config(device="net_null1,no-rx=1"))
            expect(d.cli("apply", bad, "--confirm", "1s"), 1)
            assert history(d) == before and len(kept(folder)) == len(before), kept(folder)
        for time_ in ("60", "1", "", "soon", "0s", "999ms", "25h", "-1s", 60, None, ["1s"]):
            with t(f"the socket refuses confirm {time_!r}"):
                request = {"command": "rollback", "confirm": time_}
                answer = d.ask(json.dumps(request).encode())
                assert not answer["ok"] and answer["error"].startswith("confirm:"), answer


def rollback(t, folder):
    with Daemon(folder, named("zero")) as d:
        with t("rollback: refused when there is nothing before"):
            expect(d.cli("rollback"), 1, "no earlier configuration")
        for name in ("one", "two"):
            expect(d.cli("apply", write(folder, name)), 0)
        with t("rollback: to the one before, as a new generation; prints what changes"):
            out = expect(d.cli("rollback"), 0).stdout
            assert out == "+ service one\n- service two\ngeneration 4\n", out
            assert runs(d) == "one" and d.show("history")[0]["from"] == 2
            assert d.show("config")["file"] == str(folder / "one.conf")
        with t("rollback again: to the one before that differs"):
            expect(d.cli("rollback"), 0)
            assert runs(d) == "two"
        with t("rollback N"):
            expect(d.cli("rollback", "1"), 0)
            assert runs(d) == "zero" and d.show("history")[0]["from"] == 1
        with t("rollback --dry-run: says what would change"):
            before = history(d)
            out = expect(d.cli("rollback", "2", "--dry-run"), 0).stdout
            assert out == "+ service one\n- service zero\n", out
            assert history(d) == before
        with t("rollback --confirm: goes back by itself too"):
            expect(d.cli("rollback", "2", "--confirm", "3s"), 0)
            assert runs(d) == "one"
            wait(lambda: runs(d) == "zero")
        with t("rollback to a generation that is not there"):
            expect(d.cli("rollback", "99"), 1, "no generation 99")
        for number in (0, -1, 1.5, "1", True, None, 1 << 62):
            with t(f"the socket refuses generation {number!r}"):
                request = {"command": "rollback", "generation": number}
                assert not d.ask(json.dumps(request).encode())["ok"]
        assert d.alive()


def reloads(t, folder):
    with Daemon(folder, named("zero")) as d:
        d.config.write_text(named("one"))
        expect(d.cli("apply", d.config), 0)
        with t("SIGHUP with a file that has not changed goes on with the generation that runs"):
            for _ in range(12):
                d.process.send_signal(signal.SIGHUP)
                time.sleep(0.1)
            wait(lambda: "how=sighup" in d.output())
            assert history(d) == [(2, "running", "apply"), (1, "confirmed", "start")], history(d)
            assert "- service one" in expect(d.cli("rollback", "--dry-run"), 0).stdout
        with t("... and what waits to be confirmed still does"):
            d.config.write_text(named("two"))
            expect(d.cli("apply", d.config, "--confirm", "3s"), 0)
            d.process.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            assert history(d)[0] == (3, "waiting", "apply"), history(d)
            wait(lambda: runs(d) == "one")
            assert history(d)[:2] == [(4, "running", "auto-return"), (3, "unconfirmed", "apply")], history(d)
        with t("... and one that has changed is a generation"):
            d.config.write_text(named("three"))
            d.process.send_signal(signal.SIGHUP)
            wait(lambda: runs(d) == "three")
            assert history(d)[0] == (5, "running", "sighup"), history(d)


def keep_ten(t, folder):
    with Daemon(folder, named("zero")) as d:
        for i in range(1, 13):
            expect(d.cli("apply", write(folder, f"n{i}")), 0)
        with t("show history: the last ten, newest first, and what changed"):
            shown = d.show("history")
            assert [g["generation"] for g in shown] == list(range(13, 3, -1)), shown
            assert shown[0]["changes"] == ["- service n11", "+ service n12"], shown[0]
            assert shown[0]["running"] and not shown[1]["running"]
            assert shown[0]["summary"] == "1 added, 1 removed"
            table = expect(d.cli("show", "history"), 0).stdout
            assert table.startswith("GENERATION") and "n12.conf" in table, table
        with t("on disk are these ten, and no other"):
            assert kept(folder) == list(range(4, 14)), kept(folder)
        with t("what is too old cannot be gone back to"):
            expect(d.cli("rollback", "3"), 1, "no generation 3")
        for i in range(20, 32):
            expect(d.cli("apply", write(folder, f"n{i}"), "--confirm", "1h"), 0)
        with t("of many that nobody confirmed, what is confirmed stays"):
            assert history(d)[-1] == (13, "confirmed", "apply"), history(d)
            assert kept(folder) == [13] + list(range(17, 26)), kept(folder)
    (folder / "penstock.conf").write_text(named("n12"))
    with Daemon(folder, named("n12")) as d:
        with t("numbers go on after a restart"):
            expect(d.cli("apply", write(folder, "later")), 0)
            assert d.generation() == 27 and history(d)[1] == (26, "confirmed", "start"), history(d)


def restart(t, folder):
    with Daemon(folder, named("zero")) as d:
        expect(d.cli("apply", write(folder, "one")), 0)
    with Daemon(folder, named("one")) as d:
        with t("a file that did not change: the generation goes on"):
            assert history(d) == [(2, "running", "apply"), (1, "confirmed", "start")], history(d)
    with Daemon(folder, named("two")) as d:
        with t("a file that changed: a generation, and what changed"):
            top = d.show("history")[0]
            assert (top["generation"], top["how"]) == (3, "start"), top
            assert top["changes"] == ["- service one", "+ service two"], top
            assert "notice" not in d.show("config")
    for times in (1, 2):
        with Daemon(folder, "nonsense") as d:
            with t(f"a file that is not valid any more: the last good generation, start {times}"):
                assert runs(d) == "two" and d.generation() == 3
                assert "warning: last-good-generation" in d.output(), d.output()
                assert "penstock.conf:1:" in d.output(), d.output()
                assert "is not valid; generation 3 runs" in d.show("config")["notice"]
                expect(d.cli("show", "config"), 0, "generation 3 runs instead")
            with t("SIGHUP with such a file changes nothing"):
                d.process.send_signal(signal.SIGHUP)
                wait(lambda: "not applied" in d.output())
                assert d.generation() == 3 and "notice" in d.show("config")
    with Daemon(folder, "nonsense") as d:
        with t("after an apply it is as usual"):
            expect(d.cli("apply", write(folder, "three")), 0)
            assert "notice" not in d.show("config") and d.generation() == 4
    (folder / "penstock.conf").unlink()
    with t("a file that is gone: the same"):
        with Missing(folder) as d:
            assert runs(d) == "three" and "cannot be read" in d.output(), d.output()
    with t("another file's daemon does not take it over"):
        d = Daemon(folder / "second", "nonsense")
        os.rename(folder / "state", folder / "second" / "state")
        d.launch()
        assert d.process.wait(60) == 1, d.output()
        os.rename(folder / "second" / "state", folder / "state")


class Missing(Daemon):
    """Started without its file."""

    def __init__(self, folder):
        super().__init__(folder, "")
        self.config.unlink()


def restart_unconfirmed(t, folder):
    with Daemon(folder, named("zero")) as d:
        d.config.write_text(named("one"))
        expect(d.cli("apply", d.config, "--confirm", "1h"), 0)
        d.process.kill()
        d.process.wait()
    for times in (1, 2):
        with Daemon(folder, named("one")) as d:
            with t(f"killed while one waits: the one before runs, start {times}"):
                assert runs(d) == "zero", runs(d)
                assert "which nobody confirmed" in d.show("config")["notice"]
                assert history(d) == [(3, "running", "start"), (2, "unconfirmed", "apply"),
                                      (1, "confirmed", "start")], history(d)
                expect(d.cli("confirm"), 1)
    with Daemon(folder, named("one")) as d:
        with t("the file applied for good counts from then on"):
            expect(d.cli("apply", d.config), 0)
            assert "notice" not in d.show("config")
    with Daemon(folder, named("one")) as d:
        with t("... and over a restart"):
            assert runs(d) == "one" and d.generation() == 4


def bad_state(t, folder):
    state = folder / "state"
    with Daemon(folder, named("zero")) as d:
        for name in ("one", "two", "three"):
            expect(d.cli("apply", write(folder, name)), 0)
    torn = (state / "generation-3").read_bytes()
    (state / "generation-3").write_bytes(torn[:len(torn) // 2])
    (state / "generation-2").unlink()
    (state / "generation-2").symlink_to("generation-1")
    os.mkfifo(state / "generation-5")
    (state / "generation-6").mkdir()
    (state / "generation-7").write_bytes(os.urandom(5000))
    (state / "generation-x").write_bytes(b"")
    (state / "generation-08").write_bytes((state / "generation-4").read_bytes())
    (state / "generation-9").write_bytes((state / "generation-4").read_bytes())
    (state / "generation-99999999999999999999").write_bytes(b"")
    (state / ".generation-10.new").write_bytes(b"half")
    with Daemon(folder, "nonsense") as d:
        with t("what is broken is left out by name, what is good is used"):
            assert runs(d) == "three"
            assert [h[0] for h in history(d)] == [4, 1], history(d)
            for name in ("2", "3", "5", "6", "7", "x", "08", "9", "99999999999999999999"):
                assert f"file=generation-{name} reason=" in d.output(), (name, d.output())
        with t("numbers that such files have are not given again"):
            expect(d.cli("apply", write(folder, "four")), 0)
            assert d.generation() == 10
        with t("what a writer that died has left is removed"):
            assert not (state / ".generation-10.new").exists()
    for name in os.listdir(state):
        path = state / name
        if name.startswith("generation") and path.is_file():
            path.write_bytes(b"\0" * 100)
    with t("nothing is good: as without a state"):
        d = Daemon(folder, "nonsense")
        d.launch()
        assert d.process.wait(60) == 1, d.output()
        with Daemon(folder, named("zero")) as d:
            assert runs(d) == "zero"


def no_state(t, folder):
    (folder / "state").write_text("a file")
    with Daemon(folder, named("zero")) as d:
        with t("a state that is no directory: one warning, and it goes on"):
            lines = [line for line in d.output().splitlines() if "warning" in line]
            assert len(lines) == 1 and str(folder / "state") in lines[0], lines
        with t("history, rollback and --confirm work in memory"):
            expect(d.cli("apply", write(folder, "one"), "--confirm", "1s"), 0)
            wait(lambda: runs(d) == "zero")
            expect(d.cli("apply", write(folder, "two")), 0)
            expect(d.cli("rollback"), 0)
            assert runs(d) == "zero" and d.generation() == 5
    (folder / "state").unlink()
    with Daemon(folder, named("zero")) as d:
        with t("what cannot be written runs all the same, and that is said"):
            for number in (2, 3):
                (folder / "state" / f"generation-{number}").mkdir()
            out = expect(d.cli("apply", write(folder, "one")), 0, "generation 2 is not kept")
            assert out.stdout.endswith("generation 2\n") and runs(d) == "one", out.stdout
            expect(d.cli("apply", write(folder, "two"), "--confirm", "1s"), 0, "not kept")
            wait(lambda: runs(d) == "one")
            for number in (2, 3):
                (folder / "state" / f"generation-{number}").rmdir()
            expect(d.cli("rollback"), 0)
            assert runs(d) == "zero"
        with t("the directory is made, for root and group"):
            assert os.stat(folder / "state").st_mode & 0o777 == 0o750
            assert all(os.stat(folder / "state" / f).st_mode & 0o777 == 0o600
                       for f in os.listdir(folder / "state"))
        with t("a second daemon does not share it"):
            (folder / "second" / "state").symlink_to(folder / "state")
            before = kept(folder)
            with Daemon(folder / "second", named("one")) as other:
                assert "in use by another penstockd" in other.output(), other.output()
                assert other.generation() == 1 and kept(folder) == before


TESTS = (confirm, rollback, reloads, keep_ten, restart, restart_unconfirmed, bad_state, no_state)
