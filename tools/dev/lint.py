#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Enforce the bounds on the code. `make lint` calls this after a build.

    lint.py               every rule on every file; ends with "N passed, N failed", one per rule
    lint.py RULE...       only these rules
    lint.py --list        the rules and what each one asks
    lint.py --self-test   give each rule a bad sample that it must refuse and a good one

A finding is printed as file:line: rule: message. Warnings do not fail.
"""
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import lint_extern  # noqa: E402
import lint_text  # noqa: E402

RULES = {**lint_text.RULES, **lint_extern.RULES}


class Tree:
    """The files that the rules look at, and how they are compiled."""

    def __init__(self, root, build="build", cflags=None):
        self.root = Path(root)
        self.build = self.root / build
        self._cflags = cflags
        self.files = sorted(self._list())

    def _list(self):
        try:
            git = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"],
                                 cwd=self.root, capture_output=True, text=True, check=True)
            names = [n for n in git.stdout.split("\0") if n]
        except (OSError, subprocess.CalledProcessError):  # no git, or root in a user's clone
            names = [str(p.relative_to(self.root)) for p in self.root.rglob("*")]
        skip = ("build/", ".git/", "tests/fuzz/corpus/")
        return {n for n in names if not n.startswith(skip) and (self.root / n).is_file()}

    def select(self, *suffixes, under=("",)):
        return [f for f in self.files if f.endswith(suffixes) and f.startswith(tuple(under))]

    def text(self, name):
        return (self.root / name).read_text(encoding="utf-8", errors="replace")

    @property
    def cflags(self):
        """What the Makefile compiles with, as a list."""
        if self._cflags is None:
            make = subprocess.run(["make", "-s", "print-cflags"], cwd=self.root, text=True,
                                  capture_output=True, check=True)
            self._cflags = make.stdout.split()
        return self._cflags


class Findings:
    def __init__(self):
        self.errors = []
        self.warnings = []

    def error(self, name, line, message):
        self.errors.append((str(name), line, message))

    def warn(self, name, line, message):
        self.warnings.append((str(name), line, message))


def run_rule(name, tree):
    found = Findings()
    RULES[name](tree, found)
    return found


def main():
    args = sys.argv[1:]
    if args == ["--list"]:
        for name, rule in RULES.items():
            print(f"{name:14} {' '.join(rule.__doc__.split())}")
        return 0
    if args == ["--self-test"]:
        import lint_selftest
        return lint_selftest.main(Tree, run_rule, RULES)
    unknown = [a for a in args if a not in RULES]
    if unknown:
        print(f"lint: there is no rule {unknown[0]}; lint.py --list shows them", file=sys.stderr)
        return 2

    tree = Tree(Path(__file__).resolve().parents[2])
    failed = 0
    names = args or list(RULES)
    for name in names:
        start = time.monotonic()
        found = run_rule(name, tree)
        for file, line, message in sorted(found.warnings):
            print(f"{file}:{line}: {name}: warning: {message}")
        for file, line, message in sorted(found.errors):
            print(f"{file}:{line}: {name}: {message}")
        failed += bool(found.errors)
        verdict = f"{len(found.errors)} findings" if found.errors else "ok"
        print(f"lint {name}: {verdict} ({time.monotonic() - start:.1f}s)", flush=True)
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
