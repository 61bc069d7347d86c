/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What listeners that end TLS and pools with TLS have in common where they are judged: the files
 * that they name. What is wrong is reported at the setting that names the file. See validate.h.
 */
#ifndef CP_CONFIG_VALIDATE_TLS_H
#define CP_CONFIG_VALIDATE_TLS_H

#include <stdbool.h>

#include "cp/config/load.h"
#include "cp/tls/certificate.h"

/* Is it the path of a file, and not refused already? */
bool tls_path_usable(struct load *load, const config_setting_t *group, const char *key,
		     const char *path);
/* If there is a fault. */
void report_tls_fault(struct load *load, const config_setting_t *group, const char *key,
		      const char *path, const struct tls_fault *fault);
/* Read the certificate and key that the group's cert and key name, into pair->loaded. */
void load_tls_pair(struct load *load, const config_setting_t *group, struct tls_pair_config *pair,
		   enum tls_role role);

#endif
