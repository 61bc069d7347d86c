/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/config/value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/hex.h"
#include "lib/units.h"

static void
integer_save(void *at, size_t size, uint64_t value)
{
	uint8_t u8 = (uint8_t)value;
	uint16_t u16 = (uint16_t)value;
	uint32_t u32 = (uint32_t)value;

	switch (size) {
	case 1:
		memcpy(at, &u8, 1);
		break;
	case 2:
		memcpy(at, &u16, 2);
		break;
	case 4:
		memcpy(at, &u32, 4);
		break;
	default:
		memcpy(at, &value, 8);
	}
}

int
value_store_integer(const struct key *key, long long value, void *at)
{
	if (value < 0 || (uint64_t)value < key->min || (uint64_t)value > key->max)
		return -EINVAL;
	integer_save(at, key->size, (uint64_t)value);
	return 0;
}

/* ---- from text ----------------------------------------------------------------------------- */

bool
name_is_valid(const char *text)
{
	size_t len = strnlen(text, CONFIG_NAME_MAX + 1);
	size_t i;

	if (len == 0 || len > CONFIG_NAME_MAX || text[0] == '.' || text[0] == '-')
		return false;
	for (i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i]))
			return false;
	}
	return true;
}

static int
parse_text(const struct key *key, const char *text, void *at)
{
	char **field = at;

	(void)key;
	if (text[0] == '\0')
		return -EINVAL;
	*field = strdup(text);
	return *field ? 0 : -ENOMEM;
}

static int
parse_name(const struct key *key, const char *text, void *at)
{
	if (!name_is_valid(text) || (key->max && strlen(text) > key->max))
		return -EINVAL;
	return parse_text(key, text, at);
}

/* "0000:3b:00.0" or "3b:00.0", and arguments after a comma. */
static bool
is_pci_address(const char *text)
{
	unsigned int domain, bus, device, function;
	int n = 0, m = 0;

	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &n) == 4 &&
	    n == 12)
		return text[n] == '\0' || text[n] == ',';
	if (sscanf(text, "%2x:%2x.%1x%n", &bus, &device, &function, &m) == 3 && m == 7)
		return text[m] == '\0' || text[m] == ',';
	return false;
}

static int
parse_device(const struct key *key, const char *text, void *at)
{
	size_t len = strcspn(text, ",");
	size_t i;

	if (is_pci_address(text))
		return parse_text(key, text, at);
	if (!islower((unsigned char)text[0]) || !memchr(text, '_', len))
		return -EINVAL;
	for (i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("_-", text[i]))
			return -EINVAL;
	}
	return parse_text(key, text, at);
}

static int
parse_listen(const struct key *key, const char *text, void *at)
{
	struct addr addr;
	uint16_t port;

	if (addr_port_parse(text, &addr, &port) != 0 || port == 0)
		return -EINVAL;
	return parse_text(key, text, at);
}

static int
parse_url_path(const struct key *key, const char *text, void *at)
{
	const char *p;

	if (text[0] != '/')
		return -EINVAL;
	for (p = text; *p; p++) {
		if (*p <= ' ' || *p == 0x7f)
			return -EINVAL;
	}
	return parse_text(key, text, at);
}

static int
parse_bytes(const struct key *key, const char *text, void *at)
{
	uint8_t bytes[HEX_BYTES_MAX];

	if (hex_bytes(text, bytes) < 0)
		return -EINVAL;
	return parse_text(key, text, at);
}

static int
parse_bool(const struct key *key, const char *text, void *at)
{
	bool value = strcmp(text, "true") == 0;

	(void)key;
	if (!value && strcmp(text, "false") != 0)
		return -EINVAL;
	memcpy(at, &value, sizeof(value));
	return 0;
}

/* Only for defaults: the file writes integers without quotes. */
static int
parse_integer(const struct key *key, const char *text, void *at)
{
	return value_store_integer(key, strtoll(text, NULL, 10), at);
}

static int
parse_choice(const struct key *key, const char *text, void *at)
{
	const struct key_choice *choice;

	for (choice = key->choices; choice->text; choice++) {
		if (strcmp(choice->text, text) == 0) {
			integer_save(at, key->size, choice->value);
			return 0;
		}
	}
	return -EINVAL;
}

static int
parse_duration(const struct key *key, const char *text, void *at)
{
	uint64_t ns;

	if (duration_parse(text, &ns) != 0 || ns < key->min || ns > key->max)
		return -EINVAL;
	integer_save(at, key->size, ns);
	return 0;
}

static int
parse_size(const struct key *key, const char *text, void *at)
{
	uint64_t bytes;

	if (size_parse(text, &bytes) != 0 || bytes < key->min || bytes > key->max)
		return -EINVAL;
	integer_save(at, key->size, bytes);
	return 0;
}

static int
parse_rate(const struct key *key, const char *text, void *at)
{
	struct rate rate;

	(void)key;
	if (rate_parse(text, &rate) != 0 || rate.count == 0)
		return -EINVAL;
	memcpy(at, &rate, sizeof(rate));
	return 0;
}

static int
parse_address(const struct key *key, const char *text, void *at)
{
	struct addr addr;

	(void)key;
	if (addr_parse(text, &addr) != 0)
		return -EINVAL;
	memcpy(at, &addr, sizeof(addr));
	return 0;
}

static int
parse_prefix(const struct key *key, const char *text, void *at)
{
	struct prefix prefix;
	int err = prefix_parse(text, &prefix);

	(void)key;
	if (err == 0 || err == -ERANGE)
		memcpy(at, &prefix, sizeof(prefix));
	return err;
}

/* "default" is ::/0 until the family of the gateway is known. */
static int
parse_destination(const struct key *key, const char *text, void *at)
{
	if (strcmp(text, "default") == 0)
		return parse_prefix(key, "::/0", at);
	return parse_prefix(key, text, at);
}

static int
parse_ifaddress(const struct key *key, const char *text, void *at)
{
	struct interface_address address;

	(void)key;
	if (!strchr(text, '/') || prefix_parse_interface(text, &address.addr, &address.net) != 0)
		return -EINVAL;
	memcpy(at, &address, sizeof(address));
	return 0;
}

static int
parse_mac(const struct key *key, const char *text, void *at)
{
	struct mac mac;

	(void)key;
	if (mac_parse(text, &mac) != 0)
		return -EINVAL;
	memcpy(at, &mac, sizeof(mac));
	return 0;
}

static int
parse_status(const struct key *key, const char *text, void *at)
{
	unsigned int low, high;
	uint16_t range[2];
	int n = 0, m = 0;

	(void)key;
	if (sscanf(text, "%3u%n-%3u%n", &low, &n, &high, &m) < 1)
		return -EINVAL;
	if (m == 0)
		high = low;
	if (text[m ? m : n] != '\0' || text[strspn(text, "0123456789-")] != '\0')
		return -EINVAL;
	if (low < 100 || high > 599 || low > high)
		return -EINVAL;
	range[0] = (uint16_t)low;
	range[1] = (uint16_t)high;
	memcpy(at, range, sizeof(range));
	return 0;
}

/* "20%", "0.5%": up to four digits behind the point are exact. */
static int
parse_share(const struct key *key, const char *text, void *at)
{
	uint64_t unit = CONFIG_SHARE_WHOLE / 100, share = 0;
	size_t digits = strspn(text, "0123456789"), i;

	if (digits == 0 || digits > 3)
		return -EINVAL;
	for (i = 0; i < digits; i++)
		share = share * 10 + (uint64_t)(text[i] - '0') * unit;
	if (text[i] == '.') {
		digits = strspn(text + ++i, "0123456789");
		if (digits == 0 || digits > 4)
			return -EINVAL;
		for (; digits > 0; digits--, i++) {
			unit /= 10;
			share += (uint64_t)(text[i] - '0') * unit;
		}
	}
	if (strcmp(text + i, "%") != 0 || share < key->min || share > key->max)
		return -EINVAL;
	integer_save(at, key->size, share);
	return 0;
}

/* ---- the types ------------------------------------------------------------------------------ */

static const struct {
	int (*parse)(const struct key *key, const char *text, void *at);
	const char *wanted; /* what such a value is; NULL: value_wanted knows */
	const char *unit;   /* an example of a value with its unit, if it has one */
} types[KEY_TYPES] = {
	[KEY_GROUP] = { NULL, "a group { ... }", NULL },
	[KEY_LIST] = { NULL, "a list of groups ( { ... }, { ... } )", NULL },
	[KEY_TEXT] = { parse_text, "text in quotes", NULL },
	[KEY_NAME] = { parse_name, NULL, NULL },
	[KEY_DEVICE] = { parse_device,
			 "a PCI address (\"0000:3b:00.0\") or a DPDK device "
			 "(\"net_af_xdp0,iface=eth0\")",
			 NULL },
	[KEY_LISTEN] = { parse_listen, "an address and a port, for example \"127.0.0.1:9470\"",
			 NULL },
	[KEY_URL_PATH] = { parse_url_path, "a path, for example \"/healthz\"", NULL },
	[KEY_BYTES] = { parse_bytes, "a text or \"hex:\" and pairs of digits, up to 1,024 bytes",
			NULL },
	[KEY_BOOL] = { parse_bool, "true or false", NULL },
	[KEY_INT] = { parse_integer, NULL, NULL },
	[KEY_CHOICE] = { parse_choice, NULL, NULL },
	[KEY_DURATION] = { parse_duration, NULL, "2s" },
	[KEY_SIZE] = { parse_size, NULL, "2G" },
	[KEY_RATE] = { parse_rate, "a rate above zero, for example \"10k/s\", \"5M/s\" or \"90/m\"",
		       "10k/s" },
	[KEY_ADDRESS] = { parse_address, "an IPv4 or IPv6 address", NULL },
	[KEY_PREFIX] = { parse_prefix, "an IPv4 or IPv6 address or prefix", NULL },
	[KEY_DESTINATION] = { parse_destination, "an IPv4 or IPv6 prefix or \"default\"", NULL },
	[KEY_IFADDRESS] = { parse_ifaddress,
			    "an address with the length of its subnet, for example "
			    "\"198.51.100.2/24\"",
			    NULL },
	[KEY_MAC] = { parse_mac, "an Ethernet address, for example \"02:00:00:00:02:0b\"", NULL },
	[KEY_STATUS] = { parse_status, "a status code or a range of them, for example \"200-299\"",
			 NULL },
	[KEY_SHARE] = { parse_share, "a share up to \"100%\", for example \"20%\" or \"0.5%\"",
			"20%" },
	[KEY_REFERENCE] = { NULL, "a name in quotes", NULL },
};

int
value_parse(const struct key *key, const char *text, void *at)
{
	return types[key->type].parse(key, text, at);
}

bool
value_has_unit(const struct key *key)
{
	return types[key->type].unit != NULL;
}

static void
choices_wanted(const struct key *key, char buf[VALUE_STRLEN])
{
	const struct key_choice *choice = key->choices;
	size_t n = (size_t)snprintf(buf, VALUE_STRLEN, "one of ");

	for (; choice->text; choice++)
		n += (size_t)snprintf(buf + n, VALUE_STRLEN - n, "\"%s\"%s", choice->text,
				      choice[1].text ? ", " : "");
}

const char *
value_wanted(const struct key *key, char buf[VALUE_STRLEN])
{
	char low[UNITS_STRLEN], high[UNITS_STRLEN];

	switch (key->type) {
	case KEY_NAME:
		snprintf(
		    buf, VALUE_STRLEN,
		    "a name: up to %d letters, digits, \".\", \"_\" and \"-\", not beginning with "
		    "\".\" or \"-\"",
		    key->max ? (int)key->max : CONFIG_NAME_MAX);
		break;
	case KEY_INT:
		snprintf(buf, VALUE_STRLEN, "a whole number from %" PRIu64 " to %" PRIu64, key->min,
			 key->max);
		break;
	case KEY_CHOICE:
		choices_wanted(key, buf);
		break;
	case KEY_DURATION:
		snprintf(buf, VALUE_STRLEN, "a time from \"%s\" to \"%s\"",
			 duration_format(key->min, low), duration_format(key->max, high));
		break;
	case KEY_SIZE:
		snprintf(buf, VALUE_STRLEN, "a size from \"%s\" to \"%s\"",
			 size_format(key->min, low), size_format(key->max, high));
		break;
	default:
		snprintf(buf, VALUE_STRLEN, "%s", types[key->type].wanted);
	}
	return buf;
}
