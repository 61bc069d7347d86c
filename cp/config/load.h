/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of config_parse share: libconfig's tree, the model that is being filled, and the
 * way to report something about a setting.
 *
 * Lives as long as one config_parse; one thread. Invariant: elements of a list in the tree and in
 * the model have the same index.
 */
#ifndef CP_CONFIG_LOAD_H
#define CP_CONFIG_LOAD_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>

#include "cp/config/config.h"
#include "cp/config/keys.h"
#include "cp/config/model.h"

struct load {
	const char *file;
	config_t tree;
	struct config *config;
	struct config_messages *messages;
	const struct config_cpus *cpus; /* NULL: unknown */
	bool *meant_pools;              /* that a misspelt reference probably meant */
	bool pools_unknown;             /* a reference to a pool could not be read */
};

/* Fill load->config from load->tree by the table of keys. References stay SIZE_MAX. */
void load_tree(struct load *load);
/* Find what references name; fills meant_pools, to be freed. */
void load_references(struct load *load);
/* Everything that needs more than one setting to be judged. */
void validate(struct load *load);

/* Report something about `setting`, or about its member `key` if that is not NULL, whether the file
 * has it or not. */
void report(struct load *load, const config_setting_t *setting, const char *key, const char *fmt,
	    ...) __attribute__((format(printf, 4, 5)));
void report_warning(struct load *load, const config_setting_t *setting, const char *key,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* True if the member `key` of a group (or the setting itself, if key is NULL) has a good value:
 * from the file, or its default. */
bool usable(const config_setting_t *setting, const char *key);

/* What became of reading a setting. */
void mark_bad(config_setting_t *setting);
void mark_good(config_setting_t *setting, const struct key *key);
/* True if an unknown key in the group was probably meant to be this one. */
bool meant(const config_setting_t *group, const struct key *key);

/* The name of a list's element, if it has one that can stand in a path. */
const char *element_name(const config_setting_t *setting);
/* The i-th element of the top-level list `name`, or of a list inside an element; NULL if there is
 * none. */
config_setting_t *element(const struct load *load, const char *name, size_t i);
/* The setting of the service or listener at an index of config_service, and what it is called. */
config_setting_t *service_setting(const struct load *load, size_t i);
const char *service_kind(const struct config *config, size_t i);
config_setting_t *inner_element(const config_setting_t *setting, const char *name, size_t i);

#endif
