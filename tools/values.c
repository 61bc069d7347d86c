/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/values.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/request.h"
#include "lib/units.h"
#include "tools/penstock.h"

int
value_number(const char *what, const char *text, long most, long *number)
{
	char *end;

	errno = 0;
	*number = strtol(text, &end, 10);
	if (!errno && end != text && !*end && *number >= 1 && *number <= most)
		return EXIT_DONE;
	if (most == LONG_MAX)
		return complain(EXIT_USAGE, "--%s: \"%s\" is not a number above 0", what, text);
	return complain(EXIT_USAGE, "--%s: \"%s\" is not a number from 1 to %ld", what, text, most);
}

int
value_weight(const char *text, long *weight)
{
	char *end;

	errno = 0;
	*weight = strtol(text, &end, 10);
	if (errno || end == text || *end || *weight < 0 || *weight > REQUEST_WEIGHT_MAX)
		return complain(EXIT_USAGE, "\"%s\" is not a weight from 0 to %d", text,
				REQUEST_WEIGHT_MAX);
	return EXIT_DONE;
}

int
value_confirm(const char *text)
{
	uint64_t ns;

	if (duration_parse(text, &ns) < 0)
		return complain(EXIT_USAGE, "--confirm: \"%s\" is not a time, for example 60s",
				text);
	if (ns < REQUEST_CONFIRM_MIN || ns > REQUEST_CONFIRM_MAX)
		return complain(EXIT_USAGE, "--confirm: \"%s\" is not a time from 1s to 24h", text);
	return EXIT_DONE;
}

int
value_address_port(const char *what, const char *text, struct addr *addr)
{
	uint16_t port;

	if (addr_port_parse(text, addr, &port) == 0)
		return EXIT_DONE;
	if (addr_parse(text, addr) == 0)
		return complain(EXIT_USAGE, "--%s: \"%s\" has no port: write %s%s%s:PORT", what,
				text, addr_is_v4(addr) ? "" : "[", text,
				addr_is_v4(addr) ? "" : "]");
	return complain(EXIT_USAGE,
			"--%s: \"%s\" is not ADDRESS:PORT, for example 192.0.2.7:4321 or "
			"[2001:db8::7]:4321",
			what, text);
}

int
value_prefix(const char *what, const char *text)
{
	struct prefix prefix;
	char right[PREFIX_STRLEN];
	int rc = prefix_parse(text, &prefix);

	if (rc == 0)
		return EXIT_DONE;
	if (rc == -ERANGE)
		return complain(EXIT_USAGE,
				"--%s: \"%s\" has bits set behind its length; did you mean %s?",
				what, text, prefix_format(&prefix, right));
	return complain(EXIT_USAGE,
			"--%s: \"%s\" is not ADDRESS or ADDRESS/LENGTH, for example 192.0.2.0/24",
			what, text);
}

int
value_backend(const char *text)
{
	static const char example[] =
	    "POOL/ADDRESS:PORT, for example web/10.2.0.11:8080 or web/[2001:db8::1]:8080";
	const char *slash = strchr(text, '/');
	const char *address = slash ? slash + 1 : text;
	struct addr addr;
	uint16_t port;
	bool good = addr_port_parse(address, &addr, &port) == 0 || addr_parse(address, &addr) == 0;

	if (good && slash && slash > text)
		return EXIT_DONE;
	return complain(EXIT_USAGE, "\"%s\" names no backend: %s; write %s", text,
			good ? "the pool is missing" : "what stands for its address is none",
			example);
}
