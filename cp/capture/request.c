/* SPDX-License-Identifier: Apache-2.0 */
/* What a request to capture asks for. */
#include <assert.h>
#include <errno.h>

#include "cp/admin/show.h"
#include "cp/capture/captures.h"
#include "lib/request.h"

#define SNAPLEN_DEFAULT 2048

static_assert(REQUEST_SNAPLEN_MAX == CAPTURE_SNAPLEN_MAX, "what may be asked for can be had");

static bool
read_client(struct show *show, struct capture_filter *filter)
{
	json_t *option = json_object_get(show->request, "client");
	const char *text = json_string_value(option);
	int rc;

	if (!option)
		return true;
	rc = text ? prefix_parse(text, &filter->client) : -EINVAL;
	filter->by_client = rc == 0;
	if (rc == -ERANGE)
		snprintf(show->error, sizeof(show->error),
			 "client: \"%.64s\" has bits set behind its length", text);
	else if (rc < 0)
		snprintf(show->error, sizeof(show->error),
			 "client: must be ADDRESS or ADDRESS/LENGTH");
	return rc == 0;
}

static bool
read_service(struct show *show, struct capture_filter *filter)
{
	const struct control *control = show->control;
	size_t index;

	filter->service = INDEX_NONE;
	if (show_service_option(show, &index) < 0)
		return false;
	if (index == SIZE_MAX)
		return true;
	filter->service = compiler_service_slot(control->compiler, index);
	if (filter->service < control->snapshot->n_services)
		filter->service_epoch = control->snapshot->services[filter->service].epoch;
	return true;
}

static bool
read_numbers(struct show *show, struct capture_request *out)
{
	json_t *drops = json_object_get(show->request, "drops");
	json_t *count = json_object_get(show->request, "count");
	json_t *snaplen = json_object_get(show->request, "snaplen");
	json_int_t most = json_integer_value(snaplen);

	if (drops && !json_is_boolean(drops))
		snprintf(show->error, sizeof(show->error), "drops: must be true or false");
	else if (count && json_integer_value(count) < 1)
		snprintf(show->error, sizeof(show->error), "count: must be a number above 0");
	else if (snaplen && (most < 1 || most > CAPTURE_SNAPLEN_MAX))
		snprintf(show->error, sizeof(show->error), "snaplen: must be a number from 1 to %d",
			 CAPTURE_SNAPLEN_MAX);
	out->filter.drops = json_is_true(drops);
	out->count = count ? (uint64_t)json_integer_value(count) : UINT64_MAX;
	out->snaplen = snaplen ? (uint32_t)most : SNAPLEN_DEFAULT;
	return !show->error[0];
}

int
capture_request_read(struct control *control, json_t *request, struct capture_request *out,
		     char error[256])
{
	struct show show = { .control = control, .request = request };
	bool good = read_numbers(&show, out) && read_client(&show, &out->filter) &&
		    read_service(&show, &out->filter);

	if (!good)
		snprintf(error, 256, "%.255s", show.error);
	return good ? 0 : -EINVAL;
}
