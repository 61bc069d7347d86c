/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/tcp/cubic.h"

typedef unsigned __int128 wide;

#define TICKS_SHIFT 16 /* time in units of 2^-16 s */
#define NS_PER_S    1000000000ull
#define TICKS_MAX   ((uint64_t)1 << 31)

/* RFC 9438: C = 0.4, beta = 0.7, and what follows from them in 4.3 and 4.7. */
#define C_32         0x66666666ull /* C << 32 */
#define BETA_NUM     7
#define BETA_DEN     10
#define ALPHA_NUM    9 /* 3 (1 - beta) / (1 + beta) */
#define ALPHA_DEN    17
#define CONVERGE_NUM 17 /* (1 + beta) / 2 */
#define CONVERGE_DEN 20

static uint32_t
minimum(uint64_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

static uint32_t
maximum(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

uint32_t
cwnd_initial(uint32_t mss)
{
	uint32_t floor = maximum(2 * mss, 14600);

	return minimum(10 * mss, floor);
}

void
cubic_init(struct cubic *c, uint32_t mss, bool reno)
{
	*c = (struct cubic){ .cwnd = cwnd_initial(mss), .ssthresh = SSTHRESH_NONE, .reno = reno };
}

/* ---- the function --------------------------------------------------------------------------- */

static uint64_t
ticks(uint64_t ns)
{
	const uint64_t per_ns = (uint64_t)(((wide)1 << (TICKS_SHIFT + 64)) / NS_PER_S);
	uint64_t t = (uint64_t)((wide)ns * per_ns >> 64);

	return t < TICKS_MAX ? t : TICKS_MAX;
}

/* The largest r with r^3 <= x, below 2^27. */
static uint32_t
cube_root(wide x)
{
	uint32_t r = 0, bit;

	for (bit = 1u << 26; bit; bit >>= 1) {
		uint64_t next = r | bit;

		if ((wide)next * next * next <= x)
			r = (uint32_t)next;
	}
	return r;
}

/* K in ticks: the time until the window is W_max again. */
static uint32_t
time_to_max(uint32_t below, uint32_t mss)
{
	return cube_root((((wide)below << (3 * TICKS_SHIFT)) * 5 / 2) / mss);
}

/* W_cubic at t ticks after the epoch began, bytes. */
static uint32_t
window_at(const struct cubic *c, uint64_t t, uint32_t mss)
{
	bool before = t < c->k;
	uint64_t d = before ? c->k - t : t - c->k, moved;
	wide cube = (wide)d * d * d >> TICKS_SHIFT;

	cube = cube * (mss * C_32) >> (2 * TICKS_SHIFT + 32);
	moved = cube < CWND_MAX ? (uint64_t)cube : CWND_MAX;
	if (before)
		return moved < c->w_max ? c->w_max - (uint32_t)moved : 0;
	return minimum(c->w_max + moved, CWND_MAX);
}

/* ---- growing -------------------------------------------------------------------------------- */

static void
begin_epoch(struct cubic *c, uint64_t now, uint32_t mss)
{
	c->epoch = now;
	c->w_est = (uint64_t)c->cwnd << 8;
	c->credit = 0;
	c->k = 0;
	/* RFC 9438 4.8 after a timeout; 4.10 where no loss has ended slow start. */
	if (c->after_timeout || c->w_max <= c->cwnd)
		c->w_max = c->cwnd;
	else
		c->k = time_to_max(c->w_max - c->cwnd, mss);
	c->after_timeout = false;
}

/* 4.3: what Reno with the same reduction would have by now. */
static uint32_t
reno_window(struct cubic *c, uint32_t acked, uint32_t mss)
{
	uint64_t gain = (uint64_t)acked * mss << 8, most = (uint64_t)CWND_MAX << 8;

	if (c->w_est >> 8 < c->cwnd_prior)
		c->w_est += gain * ALPHA_NUM / ((uint64_t)ALPHA_DEN * c->cwnd);
	else
		c->w_est += gain / c->cwnd;
	if (c->w_est > most)
		c->w_est = most;
	return (uint32_t)(c->w_est >> 8);
}

/* cwnd grows by acked * step / cwnd, and nothing is lost to rounding. */
static void
grow_by(struct cubic *c, uint32_t acked, uint32_t step)
{
	uint64_t n;

	c->credit += (uint64_t)acked * step;
	n = c->credit / c->cwnd;
	c->credit -= n * c->cwnd;
	c->cwnd = minimum(c->cwnd + n, CWND_MAX);
}

static void
avoid_congestion(struct cubic *c, const struct cubic_ack *a)
{
	uint32_t friendly, target, most;
	uint64_t t;

	if (!c->epoch)
		begin_epoch(c, a->now, a->mss);
	t = a->now > c->epoch ? a->now - c->epoch : 0;
	friendly = reno_window(c, a->acked, a->mss);
	if (window_at(c, ticks(t), a->mss) < friendly) {
		c->cwnd = maximum(c->cwnd, friendly);
		return;
	}
	target = window_at(c, ticks(t + a->srtt), a->mss);
	most = minimum(c->cwnd + (uint64_t)c->cwnd / 2, CWND_MAX);
	target = target < most ? target : most;
	if (target > c->cwnd)
		grow_by(c, a->acked, target - c->cwnd);
}

void
cubic_ack(struct cubic *c, const struct cubic_ack *ack)
{
	if (!ack->acked)
		return;
	if (cubic_slow_start(c)) {
		c->cwnd = minimum((uint64_t)c->cwnd + ack->growth,
				  c->ssthresh < CWND_MAX ? c->ssthresh : CWND_MAX);
		return;
	}
	if (c->reno)
		grow_by(c, ack->acked, ack->mss);
	else
		avoid_congestion(c, ack);
}

void
cubic_not_limited(struct cubic *c, uint64_t since, uint64_t now)
{
	if (!c->epoch || now <= since)
		return;
	c->epoch += now - since;
	if (c->epoch > now)
		c->epoch = now;
}

/* ---- shrinking ------------------------------------------------------------------------------ */

void
cubic_loss(struct cubic *c, uint32_t flight, uint32_t mss)
{
	uint64_t kept = (uint64_t)flight * BETA_NUM / BETA_DEN;

	c->cwnd_prior = c->cwnd;
	c->ssthresh_prior = c->ssthresh;
	c->w_max_prior = c->w_max;
	c->epoch = 0;
	c->credit = 0;
	c->after_timeout = false;
	if (c->reno) {
		c->ssthresh = maximum(flight / 2, 2 * mss);
		return;
	}
	/* 4.7, fast convergence: others have come, leave them room. */
	if (c->cwnd < c->w_max)
		c->w_max = (uint32_t)((uint64_t)c->cwnd * CONVERGE_NUM / CONVERGE_DEN);
	else
		c->w_max = c->cwnd;
	c->ssthresh = maximum(minimum(kept, CWND_MAX), 2 * mss);
}

void
cubic_timeout(struct cubic *c, uint32_t flight, uint32_t mss, bool first)
{
	if (first)
		cubic_loss(c, flight, mss);
	c->epoch = 0;
	c->after_timeout = true;
	c->cwnd = mss;
}

void
cubic_undo(struct cubic *c)
{
	c->cwnd = maximum(c->cwnd, c->cwnd_prior);
	c->ssthresh = maximum(c->ssthresh, c->ssthresh_prior);
	c->w_max = c->w_max_prior;
	c->epoch = 0;
	c->after_timeout = false;
}

void
cubic_restart(struct cubic *c, uint32_t mss)
{
	c->cwnd = minimum(c->cwnd, cwnd_initial(mss));
	c->epoch = 0;
}

void
cubic_set_mss(struct cubic *c, uint32_t mss)
{
	c->cwnd = maximum(c->cwnd, 2 * mss);
	c->ssthresh = maximum(c->ssthresh, 2 * mss);
}
