#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""End to end: real clients reach real servers through penstockd, in network namespaces. Arguments: words of the names of the tests to
run. Ends with `N passed, N failed`. The tests are in tests_*.py; those of one group share a lab, and two groups run at a time, each in a
process of its own (GROUPS_AT_ONCE changes that). E2E_PART is "timed", "restart" or "others". SHARE=plain or sanitizers: see kept()."""
import concurrent.futures
import glob
import importlib
import os
import re
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lab"))
import bed  # noqa: E402
import share  # noqa: E402


def kept():
    """What SHARE leaves, as a set of (group, test). A test may stand for IPv4 and IPv6, on one worker and on two: of these four one is
    kept, a hash of the name says which, and whether in the usual build or (a tenth) under sanitizers. Forwarding modes are so cheap that
    one of the four is kept in the usual build, and of a tenth of them one of the other family under sanitizers, on the other bed where
    there are two. What is timed is kept by "plain". Of restarts and of changes under load one mode each is run. What is `long` is kept by
    neither."""
    mine, same = set(), {}
    for group in bed.GROUPS:
        for test in group.tests:
            if getattr(test, "long", False):
                continue
            key = re.sub("(one|two) workers?|two queues", "", group.name), re.sub("IPv[46]", "", test.__name__)
            if group.part == "restart":
                key = group.name, test.__name__.split(",")[0]
            elif group.name.startswith("changes"):
                key = group.name.split(":")[0], test.__name__.split(",")[-1]
            same.setdefault(key, []).append((group, test))
    for key, variants in same.items():
        if variants[0][0].part != "others":
            if share.NAME == "plain" and variants[0][0].part == "restart":
                mine.add(variants[share.number(key) % len(variants)])
            elif share.NAME == "plain":
                mine.update(variants)
            continue
        # In such an order that the next one but one differs in what it can.
        order = sorted(variants, key=lambda v: ("IPv6" in v[1].__name__, ("IPv6" in v[1].__name__) ^ ("two" in v[0].name)))
        first, other = share.number(key) % len(order), share.NAME == "sanitizers" and (len(order) + 1) // 2
        mode = key[0].startswith("modes")
        if share.mine(key, 10) or share.NAME == "plain" and mode:
            mine.add(order[(first + other) % len(order)])
    return mine


def run_group(group, words):
    """(passed, failed) of one group's tests."""
    chosen = [test for test in group.tests if not words or any(word in test.__name__ for word in words)]
    if share.NAME:
        mine = kept()
        chosen = [test for test in chosen if (group, test) in mine]
    passed = failed = 0
    if not chosen:
        return 0, 0
    try:
        with group.make() as stand:
            for test in chosen:
                begin = time.monotonic()
                try:
                    test(stand)
                    passed += 1
                    print(f"ok   {group.name}: {test.__name__}, {time.monotonic() - begin:.1f} s", flush=True)
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


def run_apart(number, words):
    """(passed, failed) of one group that runs in a process of its own; its output is printed when it ends."""
    done = subprocess.run([sys.executable, __file__, f"--group={number}", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    *lines, last = done.stdout.splitlines() or [""]
    print("\n".join(lines), flush=True)
    found = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
    if not found:
        print(f"FAIL group {bed.GROUPS[number].name} ended with {done.returncode}: {last}")
        return 0, 1
    return int(found[1]), int(found[2])


def main():
    words = sys.argv[1:]
    if os.geteuid():
        print("network namespaces need root")
        print("0 passed, 1 failed")
        return 1
    for path in sorted(glob.glob(os.path.join(HERE, "tests_*.py"))):
        importlib.import_module(os.path.basename(path)[:-3])
    if words and words[0].startswith("--group="):
        results = [run_group(bed.GROUPS[int(words[0].partition("=")[2])], words[1:])]
    else:
        part = os.environ.get("E2E_PART")
        numbers = [number for number, group in enumerate(bed.GROUPS)
                   if part in (None, group.part) and (group.part == "others" or not os.environ.get("SAN"))]
        with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("GROUPS_AT_ONCE", "2"))) as pool:
            results = list(pool.map(lambda number: run_apart(number, words), numbers))
    passed, failed = sum(r[0] for r in results), sum(r[1] for r in results)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
