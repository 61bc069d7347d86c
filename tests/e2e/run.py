#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""End to end: real clients reach real servers through penstockd, in network namespaces. Arguments: words of the names of the tests to
run. Ends with `N passed, N failed`. The tests are in tests_*.py; those of one group share a lab."""
import glob
import importlib
import os
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lab"))
import bed  # noqa: E402


def run_group(group, words):
    """(passed, failed) of one group's tests."""
    chosen = [test for test in group.tests if not words or any(word in test.__name__ for word in words)]
    passed = failed = 0
    if not chosen:
        return 0, 0
    try:
        with group.make() as stand:
            for test in chosen:
                try:
                    test(stand)
                    passed += 1
                    print(f"ok   {group.name}: {test.__name__}", flush=True)
                except Exception as error:  # pylint: disable=broad-except
                    failed += 1
                    print(f"FAIL {group.name}: {test.__name__}: {error}")
                    if not isinstance(error, bed.Wrong):
                        traceback.print_exc(file=sys.stdout)
                    print(stand.report(), flush=True)
            failed += stand.finish()
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc(file=sys.stdout)
        failed += len(chosen) - passed
    return passed, failed


def main():
    if os.geteuid():
        print("network namespaces need root")
        print("0 passed, 1 failed")
        return 1
    for path in sorted(glob.glob(os.path.join(HERE, "tests_*.py"))):
        importlib.import_module(os.path.basename(path)[:-3])
    passed = failed = 0
    for group in bed.GROUPS:
        ok, bad = run_group(group, sys.argv[1:])
        passed += ok
        failed += bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
