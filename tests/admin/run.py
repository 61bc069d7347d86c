#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The admin socket and the command-line tool against a real penstockd, without a card.

    run.py [NAME...]    all tests, or those whose function has such a name

Takes PENSTOCKD, PENSTOCK and BUILD from the environment; ends with `N passed, N failed`.
"""
import contextlib
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import kept  # noqa: E402
import test_cli  # noqa: E402
import test_generations  # noqa: E402
import test_log  # noqa: E402
import test_manual  # noqa: E402
import test_metrics  # noqa: E402
import test_orders  # noqa: E402
import test_packets  # noqa: E402
import test_show  # noqa: E402
import test_socket  # noqa: E402
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


def main():
    t = Tally()
    modules = (test_cli, test_generations, test_show, test_socket, test_log, test_manual, test_metrics, test_orders, test_packets,
               test_top)
    tests = [test for module in modules for test in module.TESTS]
    for test in tests:
        if sys.argv[1:] and test.__name__ not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory(prefix="penstock-admin-") as folder:
            (Path(folder) / "second").mkdir()
            with t(f"{test.__name__} as a whole"):
                test(t, Path(folder))
            kept.forget(folder)
    print(f"{t.passed} passed, {t.failed} failed")
    return 1 if t.failed else 0


if __name__ == "__main__":
    sys.exit(main())
