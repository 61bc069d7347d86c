# SPDX-License-Identifier: Apache-2.0
"""Which cases a run has to do, by the environment's SHARE.

`make check` has a quarter of an hour. Of cases that start a program, and differ from others in the family or the like alone, it runs some
(the runners say which), and these once: in the usual build (SHARE=plain) or in the one with sanitizers (SHARE=sanitizers). A hash of the
case's name decides. Without SHARE a run does all; continuous integration has such runs of the usual build, `make san` of the other."""
import os
import zlib

NAME = os.environ.get("SHARE")
if NAME not in (None, "", "plain", "sanitizers"):
    raise SystemExit(f"SHARE={NAME}: it is plain or sanitizers")


def number(key):
    """The same for the same key in every run."""
    return zlib.crc32(repr(key).encode()) >> 3


def mine(key, sanitized=50):
    """Is it this run's? sanitized: of how many in a hundred cases the one with sanitizers takes care."""
    return not NAME or (number(key) % 100 < sanitized) == (NAME == "sanitizers")
