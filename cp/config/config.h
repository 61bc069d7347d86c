/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text to model: parse with libconfig, validate everything at once.
 *
 * Control thread (or a test); no global state; reads no file but the one named, and the machine's
 * list of CPUs.
 */
#ifndef CP_CONFIG_CONFIG_H
#define CP_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cp/config/model.h"

#define CONFIG_MAX_BYTES (16u << 20) /* a longer text is refused */

/* One finding. The text is complete: FILE:LINE: PATH: what is wrong and what would be right. */
struct config_message {
	int line;
	bool warning; /* accepted all the same */
	char *text;
};

struct config_messages {
	struct config_message *list; /* in the order of lines */
	size_t count;
	size_t errors; /* those that are not warnings */
};

/* The CPUs of a machine: bit i of word i / 64 is CPU i. */
#define CONFIG_MAX_CPUS 1024
struct config_cpus {
	uint64_t bits[CONFIG_MAX_CPUS / 64];
	char text[128]; /* as people write it: "0-3,8" */
};

/* Parse and validate `text` (len bytes), calling it `file` in messages. Returns the model, or NULL
 * with at least one error in messages. Warnings can come with a model. messages is to be freed by
 * config_messages_free in either case. */
struct config *config_parse(const char *file, const char *text, size_t len,
			    struct config_messages *messages);
/* The same for a machine with these CPUs; NULL: not to be checked. */
struct config *config_parse_for(const char *file, const char *text, size_t len,
				const struct config_cpus *cpus, struct config_messages *messages);
/* The CPUs that are online here. False: not to be found out. */
bool config_cpus_online(struct config_cpus *cpus);
/* From a list as the kernel writes it: "0-3,8". False: it is not one. */
bool config_cpus_parse(const char *text, struct config_cpus *cpus);
/* The same as config_parse for a file's content. (Not config_read: that is a symbol of libconfig.)
 */
struct config *config_parse_file(const char *file, struct config_messages *messages);
/* The content of a configuration file, NUL-terminated (to be freed), or NULL with a message. */
char *config_load_text(const char *file, size_t *len, struct config_messages *messages);
void config_free(struct config *config);
void config_messages_free(struct config_messages *messages);

/* What differs between two configurations, object by object, for people: lines "+ service web2
 * ...", "- pool old",
 * "~ service web: forward nat -> dsr-gue". either may be NULL (empty). Returns how many lines it
 * wrote. */
size_t config_diff(const struct config *running, const struct config *wanted, FILE *out);

/* All of a listener, as bytes that are equal for those that say the same. */
void config_listener_write(const struct config *config, const struct listener_config *listener,
			   FILE *out);

/* Are requests of this listener's clients limited, anywhere in it? l may be NULL. */
bool config_limits_requests(const struct listener_config *l);

/* True if going from a to b needs a restart (interfaces' devices, data plane): then why says which
 * setting. */
bool config_needs_restart(const struct config *a, const struct config *b, const char **why);

/* `penstockd --check FILE`: messages on standard error, "FILE: ok" on standard output if there is
 * none but warnings. The exit code: 0 or 1. */
int config_check_main(const char *file);

#endif
