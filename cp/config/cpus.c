/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/config/config.h"

bool
config_cpus_parse(const char *text, struct config_cpus *cpus)
{
	const char *p = text;

	*cpus = (struct config_cpus){ 0 };
	while (*p >= '0' && *p <= '9') {
		char *rest;
		unsigned long first = strtoul(p, &rest, 10), last = first;

		if (*rest == '-')
			last = strtoul(rest + 1, &rest, 10);
		if (first > last || last >= CONFIG_MAX_CPUS)
			return false;
		for (; first <= last; first++)
			cpus->bits[first / 64] |= 1ULL << (first % 64);
		p = rest;
		if (*p == ',')
			p++;
	}
	if (p == text || *p != '\0')
		return false;
	snprintf(cpus->text, sizeof(cpus->text), "%s", text);
	return true;
}

/* Online, not merely the affinity of this process: DPDK pins its threads itself. */
bool
config_cpus_online(struct config_cpus *cpus)
{
	FILE *f = fopen("/sys/devices/system/cpu/online", "re");
	char text[1024];
	bool got;

	if (!f)
		return false;
	got = fgets(text, sizeof(text), f) != NULL;
	fclose(f);
	if (!got)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return config_cpus_parse(text, cpus);
}
