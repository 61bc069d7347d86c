/* SPDX-License-Identifier: Apache-2.0 */
#include "dp/l7/record.h"

#include <string.h>
#include <sys/mman.h>

const char *
http_cause_name(enum http_cause cause)
{
	static const char *const names[HTTP_CAUSE_COUNT] = {
#define X(name, text) [HTTP_CAUSE_##name] = (text),
		HTTP_CAUSES(X)
#undef X
	};

	return cause < HTTP_CAUSE_COUNT ? names[cause] : "?";
}

const char *
http_bucket_bound(enum http_bucket bucket)
{
	static const char *const bounds[HTTP_BUCKET_COUNT] = {
#define X(ns, text) [HTTP_BUCKET_##ns] = (text),
		HTTP_BUCKETS(X)
#undef X
	};

	return bucket < HTTP_BUCKET_COUNT ? bounds[bucket] : NULL;
}

/* All of it is there at once: a worker must not wait for a page. */
struct http_records *
http_records_create(void)
{
	void *p = mmap(NULL, sizeof(struct http_records), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void
http_records_destroy(struct http_records *records)
{
	if (records)
		munmap(records, sizeof(*records));
}

bool
http_records_put(struct http_records *records, const struct http_record *record)
{
	uint32_t head = records->head;

	if (head - records->tail_seen >= RECORD_RING) {
		records->tail_seen = __atomic_load_n(&records->tail, __ATOMIC_ACQUIRE);
		if (head - records->tail_seen >= RECORD_RING) {
			__atomic_store_n(&records->dropped, records->dropped + 1, __ATOMIC_RELAXED);
			return false;
		}
	}
	memcpy(&records->ring[head % RECORD_RING], record, record_size(record));
	__atomic_store_n(&records->head, head + 1, __ATOMIC_RELEASE);
	return true;
}

const struct http_record *
http_records_peek(const struct http_records *records)
{
	if (records->tail == __atomic_load_n(&records->head, __ATOMIC_ACQUIRE))
		return NULL;
	return &records->ring[records->tail % RECORD_RING];
}

void
http_records_next(struct http_records *records)
{
	__atomic_store_n(&records->tail, records->tail + 1, __ATOMIC_RELEASE);
}

uint64_t
http_records_dropped(const struct http_records *records)
{
	return __atomic_load_n(&records->dropped, __ATOMIC_RELAXED);
}
