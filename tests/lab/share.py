# SPDX-License-Identifier: Apache-2.0
"""Which cases a run has to do, by the environment's SHARE.

`make check` runs most cases that start a program once, either in the usual build (SHARE=plain) or in the one with sanitizers
(SHARE=sanitizers), so that it says what it can in the time that it has. A hash of the case's name decides. Without SHARE a run does all."""
import os
import zlib

NAME = os.environ.get("SHARE")
if NAME not in (None, "", "plain", "sanitizers"):
    raise SystemExit(f"SHARE={NAME}: it is plain or sanitizers")


def number(key):
    """Of all the bits of the key, and nothing else."""
    return zlib.crc32(repr(key).encode()) >> 3


def mine(key, sanitized=50):
    """Is it this run's? sanitized: of how many in a hundred cases the one with sanitizers takes care."""
    return not NAME or (number(key) % 100 < sanitized) == (NAME == "sanitizers")
