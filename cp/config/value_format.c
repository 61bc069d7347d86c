/* SPDX-License-Identifier: Apache-2.0 */
/* Values to text. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cp/config/message.h"
#include "cp/config/value.h"
#include "lib/addr.h"
#include "lib/units.h"

static_assert(QUOTED_LEN <= VALUE_STRLEN, "a printable text is a formatted value");

uint64_t
integer_load(const void *at, size_t size)
{
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (size) {
	case 1:
		memcpy(&u8, at, 1);
		return u8;
	case 2:
		memcpy(&u16, at, 2);
		return u16;
	case 4:
		memcpy(&u32, at, 4);
		return u32;
	default:
		memcpy(&u64, at, 8);
		return u64;
	}
}

static void
format_text(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	const char *text;

	(void)key;
	memcpy(&text, at, sizeof(text));
	text_printable(text ? text : "-", buf);
}

static void
format_bool(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	bool value;

	(void)key;
	memcpy(&value, at, sizeof(value));
	snprintf(buf, VALUE_STRLEN, "%s", value ? "true" : "false");
}

static void
format_integer(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	snprintf(buf, VALUE_STRLEN, "%" PRIu64, integer_load(at, key->size));
}

static void
format_choice(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	unsigned int value = (unsigned int)integer_load(at, key->size);

	snprintf(buf, VALUE_STRLEN, "%s", choice_text(key->choices, value));
}

static void
format_duration(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	duration_format(integer_load(at, key->size), buf);
}

static void
format_size(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	size_format(integer_load(at, key->size), buf);
}

static void
format_rate(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	struct rate rate;

	(void)key;
	memcpy(&rate, at, sizeof(rate));
	if (rate.count)
		rate_format(&rate, buf);
	else
		snprintf(buf, VALUE_STRLEN, "-");
}

static void
format_address(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	static const struct addr unset;

	(void)key;
	if (addr_equal(at, &unset))
		snprintf(buf, VALUE_STRLEN, "-");
	else
		addr_format(at, buf);
}

/* A single address without its length. */
static void
format_prefix(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	struct prefix prefix;

	(void)key;
	memcpy(&prefix, at, sizeof(prefix));
	if (prefix.len == 128)
		addr_format(&prefix.addr, buf);
	else
		prefix_format(&prefix, buf);
}

static void
format_ifaddress(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	const struct interface_address *address = at;
	char text[ADDR_STRLEN];

	(void)key;
	snprintf(buf, VALUE_STRLEN, "%s/%u", addr_format(&address->addr, text),
		 addr_is_v4(&address->addr) ? address->net.len - 96u : address->net.len);
}

static void
format_mac(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	(void)key;
	mac_format(at, buf);
}

static void
format_status(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	uint16_t range[2];

	(void)key;
	memcpy(range, at, sizeof(range));
	snprintf(buf, VALUE_STRLEN, "%u-%u", range[0], range[1]);
}

static void
format_share(const struct key *key, const void *at, char buf[VALUE_STRLEN])
{
	uint64_t share = integer_load(at, key->size), unit = CONFIG_SHARE_WHOLE / 100;
	size_t n = (size_t)snprintf(buf, VALUE_STRLEN, "%" PRIu64, share / unit);

	for (share %= unit; share; share %= unit) {
		if (unit == CONFIG_SHARE_WHOLE / 100)
			buf[n++] = '.';
		unit /= 10;
		buf[n++] = (char)('0' + share / unit);
	}
	snprintf(buf + n, VALUE_STRLEN - n, "%%");
}

static void (*const formats[KEY_TYPES])(const struct key *key, const void *at,
					char buf[VALUE_STRLEN]) = {
	[KEY_TEXT] = format_text,
	[KEY_NAME] = format_text,
	[KEY_DEVICE] = format_text,
	[KEY_LISTEN] = format_text,
	[KEY_URL_PATH] = format_text,
	[KEY_BYTES] = format_text,
	[KEY_BOOL] = format_bool,
	[KEY_INT] = format_integer,
	[KEY_CHOICE] = format_choice,
	[KEY_DURATION] = format_duration,
	[KEY_SIZE] = format_size,
	[KEY_RATE] = format_rate,
	[KEY_ADDRESS] = format_address,
	[KEY_PREFIX] = format_prefix,
	[KEY_DESTINATION] = format_prefix,
	[KEY_IFADDRESS] = format_ifaddress,
	[KEY_MAC] = format_mac,
	[KEY_STATUS] = format_status,
	[KEY_SHARE] = format_share,
};

/* The name of the object that a reference means. */
static const char *
reference_name(const struct config *config, const struct key *key, const void *at)
{
	size_t i = integer_load(at, key->size);

	if (strcmp(key->refers, "pools") == 0)
		return i < config->n_pools ? config->pools[i].name : "-";
	return i < config->n_interfaces ? config->interfaces[i].name : "-";
}

const char *
value_format(const struct config *config, const struct key *key, const void *at,
	     char buf[VALUE_STRLEN])
{
	if (key->type == KEY_REFERENCE)
		snprintf(buf, VALUE_STRLEN, "%s", reference_name(config, key, at));
	else
		formats[key->type](key, at, buf);
	return buf;
}

/* Texts in full, the rest as it is written: bytes of structs would compare their padding too. */
bool
value_equal(const struct config *a, const struct config *b, const struct key *key, const void *at_a,
	    const void *at_b)
{
	char text_a[VALUE_STRLEN], text_b[VALUE_STRLEN];
	const char *full_a, *full_b;

	switch (key->type) {
	case KEY_TEXT:
	case KEY_NAME:
	case KEY_DEVICE:
	case KEY_LISTEN:
	case KEY_URL_PATH:
	case KEY_BYTES:
		memcpy(&full_a, at_a, sizeof(full_a));
		memcpy(&full_b, at_b, sizeof(full_b));
		if (!full_a || !full_b)
			return full_a == full_b;
		return strcmp(full_a, full_b) == 0;
	case KEY_BOOL:
	case KEY_INT:
	case KEY_CHOICE:
	case KEY_DURATION:
	case KEY_SIZE:
	case KEY_SHARE:
	case KEY_ADDRESS:
	case KEY_PREFIX:
	case KEY_MAC:
		/* Nearly all are; what differs here may still be written alike. */
		if (memcmp(at_a, at_b, key->size) == 0)
			return true;
		/* fall through */
	default:
		return strcmp(value_format(a, key, at_a, text_a),
			      value_format(b, key, at_b, text_b)) == 0;
	}
}
