#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The admin socket and the command-line tool against a real penstockd, without a card.

    run.py [NAME...]    all tests, or those whose function has such a name

Most of the time they wait, so three files' tests run at a time, each in a process of its own.
Takes PENSTOCKD, PENSTOCK and BUILD from the environment; SHARE=sanitizers is for the files in SANITIZED, SHARE=plain for the others. Ends with `N passed, N failed`.
"""
import concurrent.futures
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import kept  # noqa: E402
import share  # noqa: E402
import test_cli  # noqa: E402
import test_generations  # noqa: E402
import test_log  # noqa: E402
import test_manual  # noqa: E402
import test_metrics  # noqa: E402
import test_orders  # noqa: E402
import test_packets  # noqa: E402
import test_show  # noqa: E402
import test_socket  # noqa: E402
import test_tls  # noqa: E402
import test_top  # noqa: E402


class Tally:
    """`with t("what is true"):` is one test."""

    def __init__(self):
        self.passed = self.failed = 0

    @contextlib.contextmanager
    def __call__(self, name):
        try:
            yield
            self.passed += 1
        except Exception as error:  # noqa: BLE001: any failure is a failed test
            self.failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f"FAILED {name}\n    {Path(where.filename).name}:{where.lineno}: "
                  f"{type(error).__name__}: {str(error)[:2000]}", flush=True)


MODULES = {module.__name__: module for module in (test_generations, test_packets, test_log, test_top, test_cli, test_socket, test_metrics,
                                                  test_orders, test_show, test_manual, test_tls)}

# What hostile input reaches first.
SANITIZED = ("test_packets", "test_socket")


def run_module(module, names):
    """(passed, failed) of the tests of one file."""
    t = Tally()
    for test in module.TESTS:
        if names and test.__name__ not in names:
            continue
        with tempfile.TemporaryDirectory(prefix="penstock-admin-") as folder:
            (Path(folder) / "second").mkdir()
            with t(f"{test.__name__} as a whole"):
                test(t, Path(folder))
            kept.forget(folder)
    return t.passed, t.failed


def run_apart(name, names):
    """The same in a process of its own; its output is printed when it ends."""
    done = subprocess.run([sys.executable, __file__, f"--file={name}", *names], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    *lines, last = done.stdout.splitlines() or [""]
    if lines:
        print("\n".join(lines), flush=True)
    found = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
    if not found:
        print(f"FAILED {name} ended with {done.returncode}: {last}", flush=True)
        return 0, 1
    return int(found[1]), int(found[2])


def main():
    names = sys.argv[1:]
    if names and names[0].startswith("--file="):
        results = [run_module(MODULES[names[0].partition("=")[2]], names[1:])]
    else:
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            mine = [name for name in MODULES if not share.NAME or (name in SANITIZED) == (share.NAME == "sanitizers")]
            results = list(pool.map(lambda name: run_apart(name, names), mine))
    passed, failed = sum(r[0] for r in results), sum(r[1] for r in results)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
