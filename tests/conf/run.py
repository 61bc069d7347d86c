#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Configurations that must be accepted, and such that must be refused with these messages.

    run.py [NAME...]    only the cases whose file is called so

good/*.conf and conf/*.conf: `penstockd --check` ends with 0, prints "FILE: ok", and nothing on
standard error but warnings. Where there is a NAME.expected, the warnings are exactly its lines.
bad/NAME.conf: ends with 1, and standard error is exactly bad/NAME.expected; @CPUS@ in it stands for
the list of this machine's CPUs. Only the file's name is given, so messages begin with it. Files
in /etc/penstock/tls are those of tests/lab/certificates.py, wherever these are made.
The program is $PENSTOCKD, or build/penstockd. SHARE=sanitizers is for a third of the cases, SHARE=plain
for the others. Ends with one line `N passed, N failed`.
"""
import difflib
import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "lab"))
import certificates  # noqa: E402
import share  # noqa: E402

PENSTOCKD = os.environ.get("PENSTOCKD", str(ROOT / "build" / "penstockd"))
TIMEOUT = 60
TLS = "/etc/penstock/tls"


def cpus():
    return Path("/sys/devices/system/cpu/online").read_text().strip()


def check(path):
    """Exit code, standard output, standard error (bytes that are no UTF-8 would be a fault)."""
    if TLS.encode() not in path.read_bytes():
        return run(path)
    made = Path(tls_files().name) / "tls"
    copy = Path(tls_files().name) / path.name
    copy.write_bytes(path.read_bytes().replace(TLS.encode(), str(made).encode()))
    code, out, err = run(copy)
    return code, out, err.replace(str(made), TLS)


@functools.cache
def tls_files():
    folder = tempfile.TemporaryDirectory()
    made = Path(folder.name) / "tls"
    made.mkdir()
    certificates.make(made)
    return folder


def run(path):
    done = subprocess.run([PENSTOCKD, "--check", path.name], cwd=path.parent, timeout=TIMEOUT,
                          capture_output=True, check=False)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def expected_of(path):
    expected = path.with_suffix(".expected")
    if not expected.exists():
        return None
    return expected.read_text(encoding="utf-8").replace("@CPUS@", cpus())


def difference(wanted, got):
    lines = difflib.unified_diff(wanted.splitlines(), got.splitlines(), "expected", "got",
                                 lineterm="", n=0)
    return "\n".join("    " + line for line in list(lines)[2:])


def good(path):
    """What is wrong with the answer to a good configuration, or None."""
    code, out, err = check(path)
    if code != 0:
        return f"exit code {code}\n{err}"
    if out != f"{path.name}: ok\n":
        return f"standard output: {out!r}"
    if any(": warning: " not in line for line in err.splitlines()):
        return f"something else than warnings:\n{err}"
    wanted = expected_of(path)
    if wanted is not None and wanted != err:
        return "other warnings:\n" + difference(wanted, err)
    return None


def bad(path):
    code, out, err = check(path)
    wanted = expected_of(path)
    if wanted is None:
        return "there is no file of expected messages"
    if code != 1 or out:
        return f"exit code {code}, standard output {out!r}\n{err}"
    if wanted != err:
        return "other messages:\n" + difference(wanted, err)
    return None


def main():
    names = sys.argv[1:]
    cases = [(good, p) for p in sorted((ROOT / "conf").glob("*.conf"))]
    cases += [(good, p) for p in sorted((HERE / "good").glob("*.conf"))]
    cases += [(bad, p) for p in sorted((HERE / "bad").glob("*.conf"))]
    passed = failed = 0
    for judge, path in cases:
        if names and path.stem not in names and path.name not in names or not share.mine(path.name, sanitized=33):
            continue
        try:
            fault = judge(path)
        except (subprocess.TimeoutExpired, UnicodeDecodeError, OSError) as e:
            fault = f"{type(e).__name__}: {e}"
        if fault is None:
            passed += 1
            continue
        failed += 1
        print(f"FAILED {path.relative_to(ROOT)}: {fault}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
