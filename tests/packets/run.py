#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the whole-program cases (or those whose names contain an argument); ends with `N passed, N failed`.

SHARE=plain or sanitizers: of those that differ in the mode, the family, the protocol or the number of workers alone every sixth,
and of what cases_modes.py has each mode with each family and protocol; seven eighths of these or the others."""
import concurrent.futures
import glob
import importlib
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lab"))
import harness  # noqa: E402
import share  # noqa: E402

# A case waits more than it computes.
PARALLEL = int(os.environ.get("CASES_AT_ONCE", "0")) or 2 * (os.cpu_count() or 1)


def attempt(function):
    try:
        return harness.run(function())
    except Exception as error:  # pylint: disable=broad-except
        return [f"the case itself went wrong: {error!r}"]


WORKERS = "(one|two|three) workers?"
LIKE = f"IPv[46]|[46]in[46]|tcp|udp|{WORKERS}|dsr-(l2|ipip|gue)|(full-)?nat"


def some(cases):
    """What SHARE leaves, see above."""
    alike = {}
    for name, function in cases:
        modes = function.__module__ == "cases_modes"
        alike.setdefault((modes, re.sub(WORKERS if modes else LIKE, "", name)), []).append((name, function))
    return [pair for key, variants in alike.items() for i, pair in enumerate(variants)
            if i % 6 == share.number(key) % min(6, len(variants))]


def main():
    for path in sorted(glob.glob(os.path.join(HERE, "cases_*.py"))):
        importlib.import_module(os.path.basename(path)[:-3])
    chosen = [(name, function) for name, function in harness.CASES
              if not sys.argv[1:] or any(word in name for word in sys.argv[1:])]
    if share.NAME:
        chosen = [pair for pair in some(chosen) if share.mine(pair[0], sanitized=12)]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        for (name, _), errors in zip(chosen, pool.map(attempt, [function for _, function in chosen])):
            failed += bool(errors)
            passed += not errors
            print(f"FAIL {name}" if errors else f"ok   {name}")
            for error in errors:
                print("  " + error)
            sys.stdout.flush()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
