/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http_asking.h"

#include "lib/http/path.h"

bool
http_asking_read(struct http_asking *a, const char *text, size_t length)
{
	static const struct http_limits limits = { .head = 32768, .target = 16384, .fields = 100 };
	struct http_path path = { a->path, sizeof(a->path), 0 };
	const uint8_t *bytes = (const uint8_t *)text;

	http_request_start(&a->head);
	if (http_request_parse(&a->head, &limits, bytes, length) != HTTP_DONE)
		return false;
	if (http_path_normal(&path, HTTP_PATH_MERGE_SLASHES, bytes + a->head.path.at,
			     a->head.path.length) != HTTP_PATH_OK)
		return false;
	a->question = (struct http_question){ &a->head, bytes, path.bytes, path.length };
	return true;
}
