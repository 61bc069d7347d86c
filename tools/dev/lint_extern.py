# SPDX-License-Identifier: Apache-2.0
"""Lint rules that ask compilers, binary tools and checkers."""
import hashlib
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

JOBS = os.cpu_count() or 1

# Mutable file-scope data that dp/ and lib/ may have: "object path without .o:symbol".
DATA_ALLOWED = set()
MUTABLE = re.compile(r"^(\.data(?!\.rel\.ro)|\.bss|\.tbss|\.tdata|\*COM\*)")
# What no object may have: code that runs before main().
CONSTRUCTORS = re.compile(r"^\.(init_array|ctors|preinit_array)")


def run(command, tree):
    return subprocess.run(command, cwd=tree.root, capture_output=True, text=True)


def parallel(function, items):
    with ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(function, items))


def messages(output, found, seen=None):
    """Take `file:line:column: kind: message` lines into findings."""
    seen = set() if seen is None else seen
    for row in output.splitlines():
        match = re.match(r"(?:\./)?(.+?):(\d+):(?:\d+:)? (?:fatal )?(?:error|warning|style|performance|"
                         r"portability|information): (.*)", row)
        if match and match.groups() not in seen:
            seen.add(match.groups())
            found.error(match[1], int(match[2]), match[3])
    return seen


def sources_of_objects(tree, *layers):
    """(source, object) for each source whose object the normal build made."""
    for name in tree.select(".c", under=layers):
        yield name, tree.build / "obj" / (name[:-2] + ".o")


def symbol_line(tree, path, symbol):
    """Where the symbol is defined, by its debug information."""
    out = run(["nm", "-l", "--defined-only", str(path)], tree)
    for row in out.stdout.splitlines():
        match = re.match(r"[0-9a-f]* *\S (\S+)\t.*:(\d+)$", row)
        if match and match[1] == symbol:
            return int(match[2])
    return 1


def mutable_data(tree, found):
    """Objects of dp/ and lib/ have no mutable file-scope data (.data, .bss, .tbss)."""
    for name, path in sources_of_objects(tree, "dp/", "lib/"):
        if not path.exists():
            found.error(name, 1, f"{path.relative_to(tree.root)} was not built")
            continue
        out = run(["objdump", "-t", str(path)], tree)
        for row in out.stdout.splitlines():
            match = re.match(r"[0-9a-f]+ .{7} (\S+)\t([0-9a-f]+) (?:\.hidden )?(\S+)$", row)
            if not match or not MUTABLE.match(match[1]) or match[3] == match[1]:
                continue
            symbol = match[3]
            if f"{name[:-2]}:{symbol}" not in DATA_ALLOWED:
                found.error(name, symbol_line(tree, path, symbol),
                            f"{symbol} is mutable data in {match[1]}")


def constructors(tree, found):
    """Nothing runs before main(): no constructors, no registration by macro."""
    for name, path in sources_of_objects(tree, "dp/", "lib/", "cp/", "tools/"):
        if not path.exists():
            continue
        out = run(["objdump", "-h", str(path)], tree)
        for row in out.stdout.splitlines():
            fields = row.split()
            if len(fields) > 2 and CONSTRUCTORS.match(fields[1]) and int(fields[2], 16) > 0:
                found.error(name, 1, f"has a constructor (section {fields[1]})")


def header_alone(tree, found):
    """Each header compiles alone. (Where a source includes it first, the build has shown that.)"""
    first = set()
    for name in tree.select(".c"):
        include = re.search(r'^#include (?:"(.+)"|<)', tree.text(name), re.M)
        if include and include[1]:
            first |= {include[1], os.path.normpath(os.path.join(os.path.dirname(name), include[1]))}

    def compile_one(name):
        return run(["gcc", *tree.cflags, "-Wno-unused-function", "-fsyntax-only", "-x", "c",
                    "-include", name, os.devnull], tree)
    headers = [h for h in tree.select(".h", under=("lib/", "dp/", "cp/", "tools/", "tests/")) if h not in first]
    seen = set()
    for name, out in zip(headers, parallel(compile_one, headers)):
        if out.returncode != 0:
            before = len(found.errors)
            messages(out.stderr, found, seen)
            if len(found.errors) == before:
                found.error(name, 1, "does not compile alone")


def clang_format(tree, found):
    """clang-format would change nothing."""
    files = tree.select(".c", ".h")
    if files:
        messages(run(["clang-format", "--dry-run", "-Werror", *files], tree).stderr, found)


def clang_tidy(tree, found):
    """clang-tidy is silent (.clang-tidy names its checks). LINT_SHALLOW=1: its analyzer looks less deep, in half the time."""
    files = tree.select(".c", under=("lib/", "dp/", "cp/", "tools/"))
    stamps = tree.build / "lint" / "tidy"
    stamps.mkdir(parents=True, exist_ok=True)
    flags = [f for f in tree.cflags if not f.startswith("-march")]
    flags += ["-march=x86-64-v3", "-Wno-unknown-warning-option"]
    if os.environ.get("LINT_SHALLOW"):
        flags += ["-Xclang", "-analyzer-config", "-Xclang", "mode=shallow,max-inlinable-size=20,max-nodes=10000"]

    # A file that was clean stays clean until it, one of our headers or the checks change.
    common = hashlib.sha256(" ".join(flags).encode())
    for name in tree.select(".h") + [f for f in tree.files if f == ".clang-tidy"]:
        common.update(tree.text(name).encode())

    def check(name):
        key = common.copy()
        key.update(name.encode() + tree.text(name).encode())
        stamp = stamps / key.hexdigest()
        if stamp.exists():
            return ""
        out = run(["clang-tidy", "--quiet", name, "--", *flags], tree)
        if out.returncode == 0 and "warning:" not in out.stdout:
            stamp.touch()
        elif not re.search(r": (error|warning): ", out.stdout):
            return f"{name}:1:1: error: clang-tidy failed: {out.stderr.strip()[-300:]}\n"
        return out.stdout

    seen = set()
    for output in parallel(check, files):
        messages(output.replace(f"{tree.root}/", ""), found, seen)


def cppcheck(tree, found):
    """cppcheck is silent."""
    files = tree.select(".c", under=("lib/", "dp/", "cp/", "tools/"))
    if not files:
        return
    cache = tree.build / "lint" / "cppcheck"
    cache.mkdir(parents=True, exist_ok=True)
    out = run(["cppcheck", "--quiet", "--std=c11", "--enable=warning,performance,portability",
               "--inline-suppr", "--suppress=missingIncludeSystem", "--suppress=unknownMacro",
               "--suppress=preprocessorErrorDirective",
               "--suppress=varFuncNullUB",  # our NULL is a pointer, and sentinel checks it
               f"--cppcheck-build-dir={cache}",
               "-I.", f"-j{JOBS}", "-D__x86_64__", "-D__BYTE_ORDER__=1234",
               "-D__ORDER_LITTLE_ENDIAN__=1234",
               "--template={file}:{line}:{column}: warning: {message} [{id}]",
               "--template-location=", *files], tree)
    messages(out.stderr, found)
    if out.returncode != 0 and not found.errors:
        found.error("cppcheck", 0, out.stderr.strip() or out.stdout.strip() or "failed")


RULES = {
    "mutable-data": mutable_data,
    "constructors": constructors,
    "header-alone": header_alone,
    "clang-format": clang_format,
    "clang-tidy": clang_tidy,
    "cppcheck": cppcheck,
}
