/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units: "1.5M/s", "250us", "2G". One number grammar, DIGITS[.DIGITS], and one table
 * of units for each kind of value. */
#include "lib/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_SECOND 1000000000ULL
#define MAX_SCALE     1000000000000000000ULL /* of a fraction: times an hour it fits 128 bits */
#define MAX_SHORT     13 /* with more decimals a text is longer than in the unit 1, whatever unit */

__extension__ typedef unsigned __int128 uint128;

struct unit {
	const char *name;
	uint64_t factor;
};

/* Each table ascends, so that of two texts equally short the one in the larger unit is found last.
 */
static const struct unit rate_units[] = {
	{ "", 1 }, { "k", 1000 }, { "M", 1000000 }, { "G", 1000000000 }
};
static const struct unit periods[] = { { "s", NS_PER_SECOND },
				       { "m", 60 * NS_PER_SECOND },
				       { "h", 3600 * NS_PER_SECOND } };
static const struct unit duration_units[] = { { "ns", 1 },
					      { "us", 1000 },
					      { "ms", 1000000 },
					      { "s", NS_PER_SECOND },
					      { "m", 60 * NS_PER_SECOND },
					      { "h", 3600 * NS_PER_SECOND } };
static const struct unit size_units[] = { { "B", 1 },
					  { "k", 1ULL << 10 },
					  { "M", 1ULL << 20 },
					  { "G", 1ULL << 30 },
					  { "T", 1ULL << 40 } };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct number {
	uint64_t whole;
	uint64_t fraction; /* in units of 1 / scale */
	uint64_t scale;    /* 10^decimals */
};

/* Read DIGITS[.DIGITS] at *text and go on to what follows. */
static int
parse_number(const char **text, struct number *out)
{
	const char *p = *text;
	unsigned int digit, zeros = 0;
	int rc = 0;

	*out = (struct number){ .scale = 1 };
	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		digit = (unsigned int)(*p - '0');
		/* Read on, so that junk after a number that is too large is junk first. */
		if (__builtin_mul_overflow(out->whole, 10u, &out->whole) ||
		    __builtin_add_overflow(out->whole, digit, &out->whole))
			rc = -ERANGE;
	}
	*text = p;
	if (*p != '.')
		return rc;
	if (*++p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		/* Zeros count only when another digit follows them. */
		zeros++;
		if (*p == '0')
			continue;
		for (; zeros > 0; zeros--) {
			if (out->scale == MAX_SCALE)
				return -EINVAL;
			out->scale *= 10;
			out->fraction *= 10;
		}
		out->fraction += (unsigned int)(*p - '0');
	}
	*text = p;
	return rc;
}

/* number * factor, if that is an integer of 64 bits. */
static int
scale_number(const struct number *n, uint64_t factor, uint64_t *out)
{
	uint128 part = (uint128)n->fraction * factor;
	uint128 value = (uint128)n->whole * factor + part / n->scale;

	if (part % n->scale != 0)
		return -EINVAL;
	if (value > UINT64_MAX)
		return -ERANGE;
	*out = (uint64_t)value;
	return 0;
}

/* The unit that the len bytes at text name, or NULL. */
static const struct unit *
find_unit(const struct unit *units, size_t n, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strlen(units[i].name) == len && !memcmp(units[i].name, text, len))
			return &units[i];
	return NULL;
}

/* A number and one of the units, and nothing else in text[0..strlen - tail). */
static int
parse_value(const char *text, size_t tail, const struct unit *units, size_t n, uint64_t *out)
{
	size_t len = strlen(text) - tail;
	const char *p = text;
	struct number number;
	const struct unit *unit;
	int rc, range;

	range = parse_number(&p, &number);
	if (range == -EINVAL)
		return range;
	unit = find_unit(units, n, p, len - (size_t)(p - text));
	if (!unit)
		return -EINVAL;
	rc = scale_number(&number, unit->factor, out);
	return range ? range : rc;
}

int
rate_parse(const char *text, struct rate *out)
{
	const char *slash = strchr(text, '/');
	const struct unit *period;
	uint64_t count;
	int rc;

	if (!slash)
		return -EINVAL;
	period = find_unit(periods, COUNT(periods), slash + 1, strlen(slash + 1));
	if (!period)
		return -EINVAL;
	rc = parse_value(text, strlen(slash), rate_units, COUNT(rate_units), &count);
	if (rc)
		return rc;
	out->count = count;
	out->period_ns = period->factor;
	return 0;
}

int
duration_parse(const char *text, uint64_t *ns)
{
	return parse_value(text, 0, duration_units, COUNT(duration_units), ns);
}

int
size_parse(const char *text, uint64_t *bytes)
{
	return parse_value(text, 0, size_units, COUNT(size_units), bytes);
}

/* value in one unit, exactly; 0 if that takes too many decimals, else the length. */
static int
format_in(uint64_t value, const struct unit *unit, char buf[UNITS_STRLEN])
{
	uint64_t rest = value % unit->factor;
	char decimals[MAX_SHORT + 1];
	size_t n = 0;
	uint128 next;

	while (rest != 0) {
		if (n == MAX_SHORT)
			return 0;
		next = (uint128)rest * 10;
		decimals[n++] = (char)('0' + (int)(next / unit->factor));
		rest = (uint64_t)(next % unit->factor);
	}
	decimals[n] = '\0';
	return snprintf(buf, UNITS_STRLEN, "%" PRIu64 "%s%s%s", value / unit->factor, n ? "." : "",
			decimals, unit->name);
}

/* The shortest of the exact texts. The first unit is 1, so there is one. */
static void
format_shortest(uint64_t value, const struct unit *units, size_t n, char buf[UNITS_STRLEN])
{
	char text[UNITS_STRLEN];
	int len, best = UNITS_STRLEN - 1;
	size_t i;

	for (i = 0; i < n && (i == 0 || value >= units[i].factor); i++) {
		len = format_in(value, &units[i], text);
		if (len > 0 && len <= best) {
			best = len;
			memcpy(buf, text, (size_t)len + 1);
		}
	}
}

const char *
rate_format(const struct rate *r, char buf[UNITS_STRLEN])
{
	size_t i, len;

	format_shortest(r->count, rate_units, COUNT(rate_units), buf);
	for (i = 0; i < COUNT(periods); i++) {
		if (periods[i].factor != r->period_ns)
			continue;
		len = strlen(buf);
		snprintf(buf + len, UNITS_STRLEN - len, "/%s", periods[i].name);
	}
	return buf;
}

const char *
duration_format(uint64_t ns, char buf[UNITS_STRLEN])
{
	if (ns == 0)
		snprintf(buf, UNITS_STRLEN, "0s");
	else
		format_shortest(ns, duration_units, COUNT(duration_units), buf);
	return buf;
}

const char *
size_format(uint64_t bytes, char buf[UNITS_STRLEN])
{
	format_shortest(bytes, size_units, COUNT(size_units), buf);
	return buf;
}

const char *
count_format(uint64_t n, char buf[UNITS_STRLEN])
{
	static const char prefixes[] = "kMGTPE";
	uint64_t unit = 1000;
	unsigned int i = 0, decimals;
	double value;

	if (n < 10000) {
		snprintf(buf, UNITS_STRLEN, "%" PRIu64, n);
		return buf;
	}
	/* 999.5 is where three digits round to the next prefix. */
	while (i + 1 < sizeof(prefixes) - 1 && (double)n / (double)unit >= 999.5) {
		unit *= 1000;
		i++;
	}
	value = (double)n / (double)unit;
	decimals = value < 9.995 ? 2 : 1;
	if (value >= 99.95)
		decimals = 0;
	snprintf(buf, UNITS_STRLEN, "%.*f%c", (int)decimals, value, prefixes[i]);
	return buf;
}
