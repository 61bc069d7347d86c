#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Make vectors_tcp.h: what the RFCs' formulas say, in exact or decimal arithmetic.

Nothing here is derived from the program under test. Run it after a change; the header is
committed.
"""
import random
import struct
from decimal import Decimal, getcontext
from fractions import Fraction
from ipaddress import ip_address
from pathlib import Path

getcontext().prec = 60
random.seed(6298)
NS = 10 ** 9
M64 = 2 ** 64 - 1
lines = []


def table(kind, name, rows):
    lines.append(f"static const struct {kind} {name}[] = {{")
    cells = [f"{{ {', '.join(str(x) for x in row)} }}," for row in rows]
    lines.extend("\t" + " ".join(cells[i:i + 6]) for i in range(0, len(cells), 6))
    lines.append("};\n")


# ---- SipHash-1-3, as in the paper ---------------------------------------------------------------
def siphash13_words(k0, k1, words):
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
         k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]

    def rotl(x, n):
        return (x << n | x >> (64 - n)) & M64

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & M64
            v[2] = (v[2] + v[3]) & M64
            v[1] = rotl(v[1], 13) ^ v[0]
            v[3] = rotl(v[3], 16) ^ v[2]
            v[0] = rotl(v[0], 32)
            v[2] = (v[2] + v[1]) & M64
            v[0] = (v[0] + v[3]) & M64
            v[1] = rotl(v[1], 17) ^ v[2]
            v[3] = rotl(v[3], 21) ^ v[0]
            v[2] = rotl(v[2], 32)

    for m in words:
        v[3] ^= m
        rounds(1)
        v[0] ^= m
    v[2] ^= 255
    rounds(3)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def siphash13(k0, k1, data):
    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) & 255])
    return siphash13_words(k0, k1, [int.from_bytes(padded[i:i + 8], "little") for i in range(0, len(padded), 8)])


def native(data):
    """As a machine reads it that begins with the least byte."""
    return int.from_bytes(data, "little")


def address_words(ends):
    """tuple_words.h"""
    src, dst = ip_address(ends[0]).packed, ip_address(ends[2]).packed
    if len(src) == 4:
        return [native(src) << 32 | native(dst)], 4
    return [native(a[i:i + 8]) for a in (src, dst) for i in (0, 8)], 6


def sixteen(text):
    a = ip_address(text)
    return a.packed if a.version == 6 else bytes(10) + b"\xff\xff" + a.packed


def tuple_bytes(ends):
    src, sport, dst, dport = ends
    return sixteen(src) + sixteen(dst) + struct.pack(">HHB", sport, dport, 6) + bytes(3)


ENDS = [("192.0.2.7", 40001, "203.0.113.10", 80), ("192.0.2.7", 40002, "203.0.113.10", 80),
        ("2001:db8::7", 1, "2001:db8:5::10", 65535)]
KEY = (0x0706050403020100, 0x0f0e0d0c0b0a0908)


def c_ends(ends):
    return [f'"{ends[0]}"', ends[1], f'"{ends[2]}"', ends[3]]


# RFC 6528 3: M + F(), M one each 4 us.
table("isn_vector", "isn_vectors", [
    [*c_ends(e), f"{now}ull", f"{(siphash13(*KEY, tuple_bytes(e)) + now // 4000) % 2**32:#x}",
     f"{siphash13_words(*KEY, [*words, 1 << 8 | family]) % 2**32:#x}"]
    for e in ENDS for words, family in (address_words(e),) for now in (1, 3999, 4000, 10 ** 9, 2 ** 62)])

# ---- SYN cookies: the layout that cookie.h draws ------------------------------------------------
MSS = [48, 88, 216, 384, 536, 940, 1180, 1220, 1300, 1360, 1380, 1400, 1420, 1440, 1460, 8940]
rows = []
for e in ENDS:
    for mss, ts, sack, ecn, scale in ((1460, 1, 1, 0, 7), (1459, 1, 0, 1, None), (47, 1, 1, 1, 0),
                                      (65535, 1, 0, 0, 14), (1220, 0, 1, 1, 9)):
        now = random.randrange(2 ** 50)
        peer = random.randrange(2 ** 32)
        bits = 64
        if ts:
            bits = (15 if scale is None else scale) | sack << 4 | ecn << 5
        index = max([i for i, m in enumerate(MSS) if m <= mss], default=0)
        age = now // (64 * NS)
        words, family = address_words(e)
        ports = native(struct.pack(">H", e[1])) << 48 | native(struct.pack(">H", e[3])) << 32
        mac = siphash13_words(*KEY, [*words, ports | peer, age << 32 | index << 16 | bits << 8 | family])
        cookie = (age & 3) << 30 | index << 26 | mac & 0x3ffffff
        rows.append([*c_ends(e), f"{now}ull", f"{peer:#x}", mss, ts, sack, ecn,
                     15 if scale is None else scale, f"{cookie:#x}", MSS[index]])
table("cookie_vector", "cookie_vectors", rows)

# ---- RFC 6298 2.2, 2.3 and RFC 7323 appendix G, exact ------------------------------------------
rows = []
srtt = rttvar = None
scale = 100_000
for i in range(300):
    if i % 60 == 0:
        scale = random.choice([20_000, 80_000, 1_000_000, 30_000_000, 250_000_000])
    sample = random.randrange(scale // 2, scale * 2)
    segments = 1 if i < 100 else random.choice([1, 2, 3, 10, 11, 700])
    if srtt is None:
        srtt, rttvar = Fraction(sample), Fraction(sample, 2)
    else:
        expected = max(1, -(-segments // 2))
        alpha, beta = Fraction(1, 8 * expected), Fraction(1, 4 * expected)
        rttvar = (1 - beta) * rttvar + beta * abs(srtt - sample)
        srtt = (1 - alpha) * srtt + alpha * sample
    rto = min(max(srtt + max(10 ** 6, 4 * rttvar), 200 * 10 ** 6), 60 * NS)
    rows.append([f"{sample}ull", segments, f"{int(srtt)}ull", f"{int(rttvar)}ull", f"{int(rto)}ull"])
table("rtt_vector", "rtt_vectors", rows)

# ---- RFC 9438, in segments and seconds, as in its figures --------------------------------------
C, BETA = Decimal("0.4"), Decimal("0.7")
ALPHA = 3 * (1 - BETA) / (1 + BETA)


def cbrt(x):
    return Decimal(0) if x == 0 else (x.ln() / 3).exp()


class Cubic:
    def __init__(self, mss):
        self.mss = mss
        self.cwnd = Decimal(min(10 * mss, max(2 * mss, 14600))) / mss
        self.ssthresh = None
        self.w_max = Decimal(0)
        self.prior = Decimal(0)
        self.epoch = None
        self.timed_out = False

    def loss(self, flight):
        self.prior = self.cwnd
        self.w_max = self.cwnd * (1 + BETA) / 2 if self.cwnd < self.w_max else self.cwnd
        self.ssthresh = max(flight * BETA, Decimal(2))
        self.epoch = None
        self.timed_out = False

    def timeout(self, flight):
        self.loss(flight)
        self.cwnd = Decimal(1)
        self.timed_out = True

    def w_cubic(self, t):
        return C * (t - self.k) ** 3 + self.w_max

    def ack(self, now, srtt, acked):
        if self.ssthresh is None or self.cwnd < self.ssthresh:
            self.cwnd += min(acked, 8)
            if self.ssthresh is not None:
                self.cwnd = min(self.cwnd, self.ssthresh)
            return
        if self.epoch is None:
            self.epoch = now
            self.w_est = self.cwnd
            if self.timed_out or self.w_max <= self.cwnd:
                self.w_max, self.k = self.cwnd, Decimal(0)
            else:
                self.k = cbrt((self.w_max - self.cwnd) / C)
            self.timed_out = False
        t = now - self.epoch
        self.w_est += (ALPHA if self.w_est < self.prior else 1) * acked / self.cwnd
        if self.w_cubic(t) < self.w_est:
            self.cwnd = max(self.cwnd, self.w_est)
            return
        target = min(max(self.w_cubic(t + srtt), self.cwnd), self.cwnd * Decimal("1.5"))
        self.cwnd += (target - self.cwnd) / self.cwnd * acked


def cubic_trace(name, mss, rtt_ns, rounds, events):
    """One row an ACK or event: kind, time, bytes, then cwnd and ssthresh after it."""
    c, now, rows = Cubic(mss), NS, []

    def note(kind, size, every=True):
        if every:
            rows.append([kind, f"{now}ull", size, int(c.cwnd * mss),
                         "SSTHRESH_NONE" if c.ssthresh is None else int(c.ssthresh * mss)])

    for i in range(rounds):
        now += rtt_ns
        left = int(c.cwnd)
        kind = events.get(i)
        if kind:
            size = int(c.cwnd * mss)
            if kind == "L":
                c.loss(Decimal(size) / mss)
                c.cwnd = c.ssthresh
            else:
                c.timeout(Decimal(size) / mss)
            note(f"'{kind}'", size)
            continue
        # A few large ACKs a round trip instead of one for each two segments keep the table short.
        step = max(2, left // 4)
        while left > 0:
            n = min(step, left)
            c.ack(Decimal(now) / NS, Decimal(rtt_ns) / NS, Decimal(n))
            note("'A'", n * mss)
            left -= n
    table("cubic_vector", name, rows)


cubic_trace("cubic_long", 1448, 100_000_000, 160, {7: "L", 60: "L", 75: "L", 110: "T"})
cubic_trace("cubic_short", 1448, 200_000, 120, {4: "L", 80: "T"})
cubic_trace("cubic_jumbo", 8948, 20_000_000, 100, {6: "L", 50: "L"})
cubic_trace("cubic_tiny", 64, 300_000_000, 60, {5: "L", 30: "L"})

out = ["/* SPDX-License-Identifier: Apache-2.0 */",
       "/* Generated by make_tcp_vectors.py, which knows the RFCs' formulas and not the program. Test",
       " * data, for one file each. */",
       "#ifndef TESTS_UNIT_VECTORS_TCP_H", "#define TESTS_UNIT_VECTORS_TCP_H", "",
       "#include <stdint.h>", "", '#include "dp/tcp/cubic.h"', "",
       "struct isn_vector {", "\tconst char *src;", "\tuint16_t sport;", "\tconst char *dst;",
       "\tuint16_t dport;", "\tuint64_t now;", "\tuint32_t isn, offset;", "};", "",
       "struct cookie_vector {", "\tconst char *src;", "\tuint16_t sport;", "\tconst char *dst;",
       "\tuint16_t dport;", "\tuint64_t now;", "\tuint32_t peer_isn;", "\tuint16_t mss;",
       "\tuint8_t timestamps, sack, ecn, scale;", "\tuint32_t cookie;", "\tuint16_t mss_back;",
       "};", "", "struct rtt_vector {", "\tuint64_t sample;", "\tuint32_t segments;",
       "\tuint64_t srtt, rttvar, rto;", "};", "", "struct cubic_vector {", "\tchar kind;",
       "\tuint64_t now;", "\tuint32_t size, cwnd, ssthresh;", "};", ""]
out += ["/* clang-format off */", *lines, "/* clang-format on */", "", "#endif", ""]
Path(__file__).with_name("vectors_tcp.h").write_text("\n".join(out))
