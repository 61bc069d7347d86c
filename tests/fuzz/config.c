/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations. What is accepted differs in nothing from itself and follows the rules that others
 * rely on; what is refused has messages that a terminal can show. A text in two parts, with a line
 * "----" between them, is two configurations to be compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cp/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
check_messages(const struct config_messages *m, bool accepted)
{
	size_t errors = 0, i;

	must(accepted == (m->errors == 0));
	for (i = 0; i < m->count; i++) {
		const unsigned char *p = (const unsigned char *)m->list[i].text;

		must(i == 0 || m->list[i - 1].line <= m->list[i].line);
		must(strncmp(m->list[i].text, "fuzz.conf:", 10) == 0);
		/* libconfig's own error: the scanner let something through that it should not. */
		must(strspn(m->list[i].text + 10, "0123456789") ==
		     strcspn(m->list[i].text + 10, ":"));
		must(strncmp(strchr(m->list[i].text + 10, ':'), ": libconfig:", 12) != 0);
		for (; *p; p++)
			must(*p >= 0x20 && *p != 0x7f);
		errors += !m->list[i].warning;
	}
	must(accepted || errors > 0);
}

static void
check_model(const struct config *c)
{
	size_t i, j;

	must(c->instance && c->n_interfaces > 0 && c->n_interfaces <= CONFIG_MAX_INTERFACES);
	must(c->dataplane.n_workers > 0 && c->dataplane.n_workers <= CONFIG_MAX_WORKERS);
	for (i = 0; i < c->n_interfaces; i++)
		must(c->interfaces[i].name && c->interfaces[i].device && c->interfaces[i].line);
	for (i = 0; i < c->n_neighbours; i++)
		must(c->neighbours[i].interface < c->n_interfaces);
	for (i = 0; i < c->n_pools; i++) {
		uint64_t sum = 0;

		for (j = 0; j < c->pools[i].n_backends; j++)
			sum += c->pools[i].backends[j].weight;
		must(c->pools[i].name && sum > 0);
		must(c->pools[i].health.timeout < c->pools[i].health.interval);
	}
	for (i = 0; i < c->n_services; i++) {
		must(c->services[i].name && c->services[i].pool < c->n_pools);
		must(strcmp(protocol_name(c->services[i].protocol), "?") != 0);
		must(strcmp(forward_mode_name(c->services[i].forward), "?") != 0);
	}
}

static struct config *
parse(const char *text, size_t len)
{
	struct config_messages messages;
	struct config_cpus cpus;
	struct config *config;
	char *copy = malloc(len + 1);

	/* On the heap and no longer than the text, so that a read behind it is seen. */
	must(copy != NULL);
	memcpy(copy, text, len);
	copy[len] = '\0';
	must(config_cpus_parse("0-3,8", &cpus));
	config = config_parse_for("fuzz.conf", copy, len, &cpus, &messages);
	free(copy);
	check_messages(&messages, config != NULL);
	config_messages_free(&messages);
	if (config)
		check_model(config);
	return config;
}

static size_t
differences(const struct config *a, const struct config *b)
{
	char *text = NULL;
	size_t len, lines;
	FILE *f = open_memstream(&text, &len);

	must(f != NULL);
	lines = config_diff(a, b, f);
	fclose(f);
	free(text);
	return lines;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char between[] = "\n----\n";
	const char *text = size ? (const char *)data : "";
	const char *second = memmem(text, size, between, sizeof(between) - 1);
	size_t first = second ? (size_t)(second - text) : size;
	struct config *a = parse(text, first), *b = NULL;
	const char *why = NULL;

	if (second)
		b = parse(second + sizeof(between) - 1, size - first - (sizeof(between) - 1));
	differences(a, b);
	if (a) {
		must(differences(a, a) == 0);
		must(!config_needs_restart(a, a, &why));
	}
	if (a && b) {
		must(differences(a, b) == 0 ? !config_needs_restart(a, b, &why) : true);
		must(config_needs_restart(a, b, &why) == config_needs_restart(b, a, &why));
	}
	config_free(a);
	config_free(b);
	return 0;
}
