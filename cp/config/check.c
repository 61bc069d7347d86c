/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/config/config.h"

int
config_check_main(const char *file)
{
	struct config_messages messages;
	struct config *config = config_parse_file(file, &messages);
	size_t i;

	for (i = 0; i < messages.count; i++)
		fprintf(stderr, "%s\n", messages.list[i].text);
	config_messages_free(&messages);
	if (!config)
		return 1;
	config_free(config);
	printf("%s: ok\n", file);
	return 0;
}
