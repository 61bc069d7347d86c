/* SPDX-License-Identifier: Apache-2.0 */
/* Every parser of lib/addr and lib/units on the same text; what is accepted must come back the same
 * from its own text. */
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
fuzz_addresses(const char *text)
{
	struct addr a, b = { 0 };
	struct prefix p, q, net;
	uint16_t port, again;
	struct mac m, n;
	char buf[ADDR_PORT_STRLEN];

	if (addr_parse(text, &a) == 0) {
		must(addr_parse(addr_format(&a, buf), &b) == 0 && addr_equal(&a, &b));
		must(addr_is_martian(&a) == addr_is_martian(&b));
	}
	if (prefix_parse(text, &p) == 0) {
		must(prefix_parse(prefix_format(&p, buf), &q) == 0);
		must(addr_equal(&p.addr, &q.addr) && p.len == q.len);
		must(prefix_contains(&p, &p.addr));
	}
	if (prefix_parse_interface(text, &a, &net) == 0)
		must(prefix_contains(&net, &a));
	if (addr_port_parse(text, &a, &port) == 0) {
		must(addr_port_parse(addr_port_format(&a, port, buf), &b, &again) == 0);
		must(addr_equal(&a, &b) && port == again);
	}
	if (mac_parse(text, &m) == 0)
		must(mac_parse(mac_format(&m, buf), &n) == 0 && !memcmp(&m, &n, sizeof(m)));
}

static void
fuzz_units(const char *text)
{
	char buf[UNITS_STRLEN];
	struct rate r, s;
	uint64_t v, back;

	if (rate_parse(text, &r) == 0) {
		must(rate_parse(rate_format(&r, buf), &s) == 0);
		must(r.count == s.count && r.period_ns == s.period_ns);
		must(strlen(count_format(r.count, buf)) <= 6);
	}
	if (duration_parse(text, &v) == 0)
		must(duration_parse(duration_format(v, buf), &back) == 0 && v == back);
	if (size_parse(text, &v) == 0)
		must(size_parse(size_format(v, buf), &back) == 0 && v == back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* On the heap and no longer than the text, so that a read behind it is seen. */
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	fuzz_addresses(text);
	fuzz_units(text);
	free(text);
	return 0;
}
