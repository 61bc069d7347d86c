/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tls_scene.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void
tls_scene_begin(struct tls_scene *s)
{
	tls_files_begin();
	memset(s, 0, sizeof(*s));
	s->loop = loop_create();
	s->store = tls_store_create();
	s->listeners = tls_listeners_create(s->loop, s->store);
	s->pools = tls_pools_create(s->loop, s->store);
	CU_ASSERT_FATAL(s->loop && s->store && s->listeners && s->pools);
}

void
tls_scene_end(struct tls_scene *s)
{
	tls_listeners_destroy(s->listeners);
	tls_pools_destroy(s->pools);
	tls_store_destroy(s->store);
	loop_destroy(s->loop);
	config_free(s->config);
	tls_files_end();
}

struct config *
tls_scene_parse(const char *pools, const char *listeners)
{
	struct config_messages messages;
	struct config *config;
	char text[4000], whole[8000] = "";
	const char *from = text;
	FILE *out = fmemopen(whole, sizeof(whole), "w");
	size_t i;

	snprintf(text, sizeof(text),
		 "dataplane = { workers = [ 0 ]; control = 0; share_cores = true; };\n"
		 "interfaces = ( { name = \"net\"; device = \"net_null0\"; addresses = [ "
		 "\"198.51.100.2/24\" ]; } );\n"
		 "pools = ( %s );\n"
		 "listeners = ( %s );\n",
		 pools, listeners);
	for (; *from; from++) {
		if (*from == '@')
			fputs(folder_path(), out);
		else
			fputc(*from, out);
	}
	fclose(out);
	config = config_parse("test.conf", whole, strlen(whole), &messages);
	for (i = 0; !config && i < messages.count; i++)
		fprintf(stderr, "%s\n", messages.list[i].text);
	config_messages_free(&messages);
	return config;
}

static struct tls_place
place_of(const void *arg, size_t index)
{
	(void)arg;
	return (struct tls_place){ (uint32_t)index + TLS_SCENE_SLOT, TLS_SCENE_EPOCH };
}

void
tls_scene_offer(struct tls_scene *s, const struct config *config)
{
	const char *error;

	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	CU_ASSERT_FATAL(tls_listeners_offer(s->listeners, config, place_of, NULL, &error) == 0 &&
			tls_pools_offer(s->pools, config, place_of, NULL, &error) == 0);
}

void
tls_scene_run(struct tls_scene *s, struct config *config)
{
	tls_scene_offer(s, config);
	tls_listeners_published(s->listeners);
	tls_pools_published(s->pools);
	config_free(s->config);
	s->config = config;
}

void
tls_scene_withdraw(struct tls_scene *s)
{
	tls_listeners_withdraw(s->listeners);
	tls_pools_withdraw(s->pools);
}

void
tls_scene_look(struct tls_scene *s)
{
	int i;

	for (i = 0; i < 2; i++) {
		tls_listeners_look(s->listeners);
		tls_pools_look(s->pools);
	}
}
