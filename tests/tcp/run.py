#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""dp/tcp against the kernel's TCP (or those tests whose group or name contains an argument); ends with `N passed, N failed`."""
import glob
import importlib
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import bed  # noqa: E402


def chosen(group, words):
    return [test for test in group.tests if not words or any(word in f"{group.name}: {test.__name__}" for word in words)]


def attempt(test, stand):
    """None, or what went wrong."""
    try:
        test(stand)
    except bed.Wrong as wrong:
        return str(wrong)
    except Exception as error:  # pylint: disable=broad-except
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{error!r} in {where.name}, line {where.lineno}"
    return None


def run_group(group, tests):
    """How many failed."""
    failed = 0
    with group.make() as stand:
        for test in tests:
            begin = time.monotonic()
            wrong = attempt(test, stand)
            failed += wrong is not None
            print(f"{'FAIL' if wrong else 'ok  '} {group.name}: {test.__name__} ({time.monotonic() - begin:.1f} s)" + (f"\n  {wrong}" if wrong else ""), flush=True)
        stand.stop()
    return failed


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    for path in sorted(glob.glob(os.path.join(HERE, "tests_*.py"))):
        name = os.path.basename(path)[:-3]
        if name != "tests_long" or "--long" in sys.argv:
            importlib.import_module(name)
    passed = failed = 0
    for group in bed.GROUPS:
        tests = chosen(group, words)
        if not tests:
            continue
        try:
            wrong = run_group(group, tests)
        except bed.Wrong as error:
            print(f"FAIL {group.name}: {error}", flush=True)
            wrong = 1
        failed += wrong
        passed += max(0, len(tests) - wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
