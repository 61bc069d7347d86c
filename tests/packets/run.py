#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the whole-program cases (or those whose names contain an argument); ends with `N passed, N failed`."""
import glob
import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402


def main():
    for path in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases_*.py"))):
        importlib.import_module(os.path.basename(path)[:-3])
    passed = failed = 0
    for name, function in harness.CASES:
        if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
            continue
        errors = harness.run(function())
        if errors:
            failed += 1
            print(f"FAIL {name}")
            for error in errors:
                print("  " + error)
        else:
            passed += 1
            print(f"ok   {name}")
        sys.stdout.flush()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
