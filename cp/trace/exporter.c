/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/trace/exporter.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cp/curl_loop.h"
#include "cp/log.h"
#include "cp/trace/span.h"

#define BATCH_SPANS 512
#define BATCH_BYTES (1u << 20)
#define QUEUE_BYTES (16u << 20) /* of batches that wait, the one under way included */
#define AGE_NS      1000000000ull
#define BACKOFF_MIN 1000000000ull
#define BACKOFF_MAX 30000000000ull
#define TIMEOUT_MS  10000L

struct batch {
	struct batch *next;
	size_t length;
	uint32_t spans;
	char text[BATCH_BYTES];
};

struct exporter {
	struct loop *loop;
	struct loop_timer *age, *again;
	struct curl_loop *curl; /* NULL until there is something to send */
	CURL *post;
	struct curl_slist *headers;
	char *endpoint, *service_name, *instance;
	struct batch *building;      /* NULL: none */
	struct batch *first, **last; /* that wait; the first one is under way if `busy` */
	size_t queued;               /* their bytes */
	bool busy, failing;
	uint64_t backoff; /* ns; 0: the last one was taken */
	struct exporter_counts counts;
};

static void send_next(struct exporter *e);

/* ---- batches --------------------------------------------------------------------------------- */

static struct batch *
batch_begin(struct exporter *e)
{
	struct batch *b = malloc(sizeof(*b));

	if (!b)
		return NULL;
	b->next = NULL;
	b->spans = 0;
	b->length = span_begin(e->service_name, e->instance, b->text);
	loop_timer_arm(e->age, loop_now() + AGE_NS);
	return b;
}

/* The batch is full, or old enough. What it does not need of its room is given back. */
static void
batch_end(struct exporter *e)
{
	struct batch *b = e->building;

	if (!b)
		return;
	e->building = NULL;
	loop_timer_disarm(e->age);
	memcpy(b->text + b->length, SPAN_END, sizeof(SPAN_END) - 1);
	b->length += sizeof(SPAN_END) - 1;
	if (e->queued + b->length > QUEUE_BYTES) {
		e->counts.queue_full += b->spans;
		free(b);
		return;
	}
	*e->last = b;
	e->last = &b->next;
	e->queued += b->length;
	send_next(e);
}

void
exporter_add(struct exporter *e, const struct http_record *r, struct record_context *c)
{
	struct batch *b;

	if (!e->endpoint)
		return;
	if (!e->building)
		e->building = batch_begin(e);
	b = e->building;
	if (!b) {
		e->counts.queue_full++;
		return;
	}
	if (b->spans)
		b->text[b->length++] = ',';
	b->length += span_write(r, c, b->text + b->length);
	b->spans++;
	if (b->spans == BATCH_SPANS || BATCH_BYTES - b->length < SPAN_MAX + sizeof(SPAN_END))
		batch_end(e);
}

static void
on_age(void *arg)
{
	batch_end(arg);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* The first batch has been dealt with. */
static void
batch_done(struct exporter *e)
{
	struct batch *b = e->first;

	e->first = b->next;
	if (!e->first)
		e->last = &e->first;
	e->queued -= b->length;
	free(b);
}

static void
tell(struct exporter *e, bool failing, const char *reason)
{
	if (e->failing == failing)
		return;
	e->failing = failing;
	if (failing)
		log_event(LOG_LEVEL_WARNING, "collector-failing", "endpoint", e->endpoint, "reason",
			  reason, NULL);
	else
		log_event(LOG_LEVEL_INFO, "collector-passing", "endpoint", e->endpoint, NULL);
}

/* Later; how much later doubles, or is what the collector says (seconds). */
static void
retry(struct exporter *e, uint64_t after)
{
	uint64_t wait = after * 1000000000ull;

	e->backoff = e->backoff ? 2 * e->backoff : BACKOFF_MIN;
	if (e->backoff > BACKOFF_MAX)
		e->backoff = BACKOFF_MAX;
	if (!wait)
		wait = e->backoff;
	loop_timer_arm(e->again, loop_now() + (wait < BACKOFF_MAX ? wait : BACKOFF_MAX));
}

/* The statuses that may be tried again, by OTLP's specification. */
static bool
is_passing(long status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

static void
on_done(CURL *easy, CURLcode code, void *arg)
{
	struct exporter *e = arg;
	curl_off_t after = 0;
	char reason[64];
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &after);
	curl_multi_remove_handle(e->curl->curl, easy);
	e->busy = false;
	snprintf(reason, sizeof(reason), "status %ld", status);
	if (code != CURLE_OK || is_passing(status)) {
		tell(e, true, code ? curl_easy_strerror(code) : reason);
		retry(e, (uint64_t)after);
		return;
	}
	if (status >= 200 && status < 300) {
		e->counts.exported += e->first->spans;
		tell(e, false, NULL);
	} else {
		e->counts.refused += e->first->spans;
		tell(e, true, reason);
	}
	e->backoff = 0;
	batch_done(e);
	send_next(e);
}

static size_t
ignore(char *bytes, size_t size, size_t n, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * n;
}

static bool
post_create(struct exporter *e)
{
	bool ok = true;

	e->curl = curl_loop_create(e->loop, on_done);
	e->post = curl_easy_init();
	e->headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (e->headers)
		curl_slist_append(e->headers, "Expect:");
	if (!e->curl || !e->post || !e->headers)
		return false;
	ok &= !curl_easy_setopt(e->post, CURLOPT_PRIVATE, e);
	ok &= !curl_easy_setopt(e->post, CURLOPT_HTTPHEADER, e->headers);
	ok &= !curl_easy_setopt(e->post, CURLOPT_WRITEFUNCTION, ignore);
	ok &= !curl_easy_setopt(e->post, CURLOPT_NOSIGNAL, 1L);
	ok &= !curl_easy_setopt(e->post, CURLOPT_POST, 1L);
	ok &= !curl_easy_setopt(e->post, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	ok &= !curl_easy_setopt(e->post, CURLOPT_USERAGENT, "penstock");
	return ok;
}

static void
post_destroy(struct exporter *e)
{
	if (e->post) {
		if (e->busy)
			curl_multi_remove_handle(e->curl->curl, e->post);
		curl_easy_cleanup(e->post);
	}
	curl_slist_free_all(e->headers);
	curl_loop_destroy(e->curl);
	e->post = NULL;
	e->headers = NULL;
	e->curl = NULL;
	e->busy = false;
}

static void
send_next(struct exporter *e)
{
	struct batch *b = e->first;

	if (!b || e->busy || e->backoff)
		return;
	if (!e->curl && !post_create(e)) {
		post_destroy(e);
		retry(e, 0);
		return;
	}
	curl_easy_setopt(e->post, CURLOPT_URL, e->endpoint);
	curl_easy_setopt(e->post, CURLOPT_POSTFIELDS, b->text);
	curl_easy_setopt(e->post, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)b->length);
	e->busy = curl_multi_add_handle(e->curl->curl, e->post) == CURLM_OK;
	if (!e->busy)
		retry(e, 0);
}

static void
on_again(void *arg)
{
	struct exporter *e = arg;
	uint64_t backoff = e->backoff;

	e->backoff = 0;
	send_next(e);
	if (!e->backoff) /* it is under way: the next failure waits for longer */
		e->backoff = backoff;
}

/* ---- all of it ------------------------------------------------------------------------------- */

struct exporter *
exporter_create(struct loop *loop)
{
	struct exporter *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->loop = loop;
	e->last = &e->first;
	e->age = loop_timer_create(loop, on_age, e);
	e->again = loop_timer_create(loop, on_again, e);
	if (e->age && e->again)
		return e;
	exporter_destroy(e);
	return NULL;
}

/* Nobody is there for what waits. */
static void
forget(struct exporter *e)
{
	post_destroy(e);
	if (e->building) {
		e->counts.refused += e->building->spans;
		free(e->building);
		e->building = NULL;
	}
	while (e->first) {
		e->counts.refused += e->first->spans;
		batch_done(e);
	}
	e->backoff = 0;
	e->failing = false;
	loop_timer_disarm(e->age);
	loop_timer_disarm(e->again);
}

void
exporter_destroy(struct exporter *e)
{
	if (!e)
		return;
	if (e->age && e->again)
		forget(e);
	loop_timer_free(e->age);
	loop_timer_free(e->again);
	free(e->endpoint);
	free(e->service_name);
	free(e->instance);
	free(e);
}

static void
text_set(char **out, const char *text)
{
	if (*out && text && strcmp(*out, text) == 0)
		return;
	free(*out);
	*out = text ? strdup(text) : NULL;
}

void
exporter_configure(struct exporter *e, const struct config *config)
{
	const struct tracing_config *t = &config->tracing;

	batch_end(e); /* its head says who we were */
	text_set(&e->endpoint, t->endpoint);
	text_set(&e->service_name, t->service_name);
	text_set(&e->instance, config->instance);
	if (!e->service_name || !e->instance)
		text_set(&e->endpoint, NULL);
	if (!e->endpoint)
		forget(e);
}

void
exporter_count(const struct exporter *e, struct exporter_counts *out)
{
	*out = e->counts;
}
