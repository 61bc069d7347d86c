/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of the manual pages that are generated, so that they cannot say anything else than the
 * program does: the reference of settings from the table of keys, the reasons of drops. No state,
 * any thread.
 */
#ifndef CP_CONFIG_MANUAL_H
#define CP_CONFIG_MANUAL_H

#include <stdio.h>

/* Text of unknown content within a line of roff. */
void manual_text(FILE *out, const char *text);
/* An entry of a list: its title in bold, then rest (may be NULL) as it is. */
void manual_entry(FILE *out, const char *title, const char *rest);

/* Every setting of the configuration: a section for each group or list. */
void manual_settings(FILE *out);
/* Every reason for which a packet is dropped. */
void manual_drops(FILE *out);

#endif
