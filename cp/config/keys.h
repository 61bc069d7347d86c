/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all configuration keys: the one place that says what a key is called, what it takes,
 * where it goes in the model, and what it means.
 *
 * The loader, the detection of unknown keys, config_free, config_diff and the manual page all read
 * this table. Constant data, any thread. Invariant: the row of a group or list stands before the
 * rows inside it, or names the table of these (`inside`); the path of a row inside is the path of
 * its group, a dot, and its name. A table ends with a row without path.
 */
#ifndef CP_CONFIG_KEYS_H
#define CP_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_type {
	KEY_GROUP,       /* { } */
	KEY_LIST,        /* ( { }, { } ) */
	KEY_LATER,       /* known, but not in this version */
	KEY_TEXT,        /* char * */
	KEY_NAME,        /* char *, fit for a path */
	KEY_DEVICE,      /* char * */
	KEY_LISTEN,      /* char *, address and port */
	KEY_URL_PATH,    /* char *, begins with a slash */
	KEY_BYTES,       /* char *: a text, or "hex:" and digits (lib/hex.h) */
	KEY_BOOL,        /* bool */
	KEY_INT,         /* unsigned integer of `size` bytes */
	KEY_CHOICE,      /* unsigned integer of `size` bytes, one of `choices` */
	KEY_DURATION,    /* uint64_t, ns */
	KEY_SIZE,        /* uint64_t, bytes */
	KEY_RATE,        /* struct rate */
	KEY_ADDRESS,     /* struct addr */
	KEY_PREFIX,      /* struct prefix */
	KEY_DESTINATION, /* struct prefix, or "default" */
	KEY_IFADDRESS,   /* struct interface_address */
	KEY_MAC,         /* struct mac */
	KEY_STATUS,      /* two uint16_t: "200-299" */
	KEY_SHARE,       /* uint32_t, of CONFIG_SHARE_WHOLE: "20%" */
	KEY_REFERENCE,   /* size_t: index in the list of named objects that `refers` names */
	KEY_TYPES,
};

enum key_flag {
	KEY_REQUIRED = 1,
	KEY_MANY = 2,      /* an array of such values: pointer at `offset`, size_t at `count` */
	KEY_INLINE = 4,    /* with KEY_MANY: the array itself at `offset`, `most` long */
	KEY_RESTART = 8,   /* a change (KEY_LIST: of the number) wants a restart */
	KEY_IDENTITY = 16, /* tells an object without a name from the others */
	KEY_ORDERED = 32,  /* KEY_LIST: the order says something */
};

struct key_choice {
	const char *text;
	unsigned int value;
};

#define KEY_NOWHERE SIZE_MAX

struct key {
	const char *path; /* "services.limits.client.packets" */
	enum key_type type;
	unsigned int flags;
	const char *fallback; /* the default as one writes it, without quotes; NULL: none */
	const char *example;  /* as one writes it */
	const char *help;     /* one line */
	size_t offset;        /* in the struct of the innermost list, or in struct config */
	size_t size;          /* of the value; KEY_LIST: of an element */
	size_t count;         /* KEY_LIST, KEY_MANY: where the number of elements goes */
	size_t line;          /* KEY_GROUP, KEY_LIST: where the line goes, or KEY_NOWHERE */
	uint64_t min, max;    /* of an integer, a duration (ns) or a size; KEY_LIST: of elements */
	size_t most;          /* KEY_MANY: elements */
	const struct key_choice *choices; /* up to a row without text */
	const char *refers;
	const struct key
	    *inside; /* KEY_GROUP, KEY_LIST: where their rows stand; NULL: they follow */
};

/* Where a value lies: member m of struct s. */
#define AT(s, m) .offset = offsetof(struct s, m), .size = sizeof(((struct s *)0)->m)
#define MANY(s, m, n)                                                    \
	.offset = offsetof(struct s, m), .count = offsetof(struct s, n), \
	.size = sizeof(((struct s *)0)->m[0])
/* Where a list lies, and what its elements are. */
#define LIST(s, m, e) LIST_AT(s, m, n_##m, e)
#define LIST_AT(s, m, n, e)                                                                \
	.type = KEY_LIST, .offset = offsetof(struct s, m), .count = offsetof(struct s, n), \
	.size = sizeof(struct e), .line = offsetof(struct e, line)
#define GROUP .type = KEY_GROUP, .line = KEY_NOWHERE
#define MS    1000000ULL
#define HOUR  (3600ULL * 1000 * MS)

extern const struct key config_keys[];
/* Of HTTP: those inside listeners.http and inside listeners.routes. */
extern const struct key config_keys_http[], config_keys_http_routes[];
/* Of TLS: those inside listeners.tls and inside pools.tls. */
extern const struct key config_keys_tls[], config_keys_pool_tls[];
/* The row of the whole file. */
extern const struct key *const config_keys_root;

extern const struct key_choice choices_side[], choices_forward[], choices_hash[], choices_health[],
    choices_protocol[], choices_idle[], choices_all_down[], choices_log_format[],
    choices_log_target[], choices_log_level[], choices_listener_protocol[], choices_balance[],
    choices_proxy_protocol[], choices_cookies[], choices_http_balance[], choices_http_retry[];

/* The last part of the path. */
const char *key_name(const struct key *key);
/* The row directly inside parent that follows `after` (NULL: the first one), or NULL. */
const struct key *key_next(const struct key *parent, const struct key *after);
/* The row called name inside parent, or NULL. */
const struct key *key_child(const struct key *parent, const char *name);
/* The row inside parent whose name is nearest to a misspelt one, or NULL if there are none. */
const struct key *key_nearest(const struct key *parent, const char *name);
/* The text of a choice's value, or "?". */
const char *choice_text(const struct key_choice *choices, unsigned int value);
/* How many single edits (a letter more, less, other, or two swapped) lead from a to b. */
unsigned int edit_distance(const char *a, const char *b);

#endif
