/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of each request when it is over: counts always, a record where the configuration
 * asks for records or tracing.
 *
 *     worker                                                        control (cp/record/)
 *     begin ──> open record ──placed, sent, answered──> end ──ring──> JSON, spans
 *                (one of a stack, as long as the request lasts)  └── full: counted, and that is all
 *
 * Phases of a request, each until the next one begins; all together are total:
 *
 *     began        first byte of its head
 *       queue      head, limits, delays, and attempts at backends that failed
 *     placed       a backend was chosen
 *       connect    0 if a kept connection was free
 *     connected
 *       first byte the request on its way, and the backend's time
 *     answered     the answer's head is here (or it is an answer of our own)
 *       the answer on its way
 *     end
 *
 * Owner: the worker; the ring's end is the control thread's, which makes it all before the first
 * snapshot that asks for records. Invariants:
 *     head - tail <= RECORD_RING; worker writes head, control writes tail
 *     records in the ring ever + dropped = requests that were to leave one
 */
#ifndef DP_L7_RECORD_H
#define DP_L7_RECORD_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/http/trace_context.h"

/* Upper bounds of the histogram's buckets, ns, and the label: X(ns, text). The last one has none.
 */
#define HTTP_BUCKETS(X)      \
	X(1000000, "0.001")  \
	X(2500000, "0.0025") \
	X(5000000, "0.005")  \
	X(10000000, "0.01")  \
	X(25000000, "0.025") \
	X(50000000, "0.05")  \
	X(100000000, "0.1")  \
	X(250000000, "0.25") \
	X(1000000000, "1")   \
	X(2500000000, "2.5") \
	X(10000000000, "10")

enum http_bucket {
#define X(ns, text) HTTP_BUCKET_##ns,
	HTTP_BUCKETS(X)
#undef X
	    HTTP_BUCKET_OVER,
	HTTP_BUCKET_COUNT,
};

/* By the answer's status; none: it was cut off before there was one. */
#define HTTP_CLASSES 6 /* [0]: none */

/* By listener (service slot) and by pool slot. The worker writes, control reads. */
struct http_latency {
	uint64_t buckets[HTTP_BUCKET_COUNT];
	uint64_t sum; /* ns */
	uint64_t classes[HTTP_CLASSES];
	uint64_t cut; /* of them all: cut off, with or without a status */
};
static_assert(sizeof(struct http_latency) == 160, "two cache lines and a half");

/* By backend slot: attempts that ended, by the status of the answer; [0]: there was none. */
struct http_attempts {
	uint64_t classes[HTTP_CLASSES];
};

/* Why a request was answered by us, or cut off: X(name, text). */
#define HTTP_CAUSES(X)                              \
	X(NONE, "")                                 \
	X(BAD_REQUEST, "bad-request")               \
	X(HEADER_TIMEOUT, "header-timeout")         \
	X(BODY_TIMEOUT, "body-timeout")             \
	X(BODY_TOO_LARGE, "body-too-large")         \
	X(NO_ROUTE, "no-route")                     \
	X(LIMITED, "limited")                       \
	X(FAULT, "fault")                           \
	X(NO_BACKEND, "no-backend")                 \
	X(CIRCUIT, "circuit")                       \
	X(CONNECT_FAILED, "connect-failed")         \
	X(BACKEND_CLOSED, "backend-closed")         \
	X(BACKEND_BAD, "backend-bad")               \
	X(BACKEND_STATUS, "backend-status")         \
	X(FIRST_BYTE_TIMEOUT, "first-byte-timeout") \
	X(IDLE_TIMEOUT, "idle-timeout")             \
	X(WHOLE_TIMEOUT, "whole-timeout")           \
	X(CLIENT_GONE, "client-gone")               \
	X(OVERLOAD, "overload")                     \
	X(LISTENER_GONE, "listener-gone")           \
	X(OTHER, "other")

enum http_cause {
#define X(name, text) HTTP_CAUSE_##name,
	HTTP_CAUSES(X)
#undef X
	    HTTP_CAUSE_COUNT,
};

enum http_record_flags {
	HTTP_RECORD_LOG = 1 << 0,      /* for the access records */
	HTTP_RECORD_SPAN = 1 << 1,     /* for the collector of traces */
	HTTP_RECORD_TRACED = 1 << 2,   /* trace_id and span_id are set */
	HTTP_RECORD_PARENT = 1 << 3,   /* parent_id is */
	HTTP_RECORD_BACKEND = 1 << 4,  /* it was sent to a backend, or was to be */
	HTTP_RECORD_CUT_OFF = 1 << 5,  /* its answer did not come to its end */
	HTTP_RECORD_PATH_CUT = 1 << 6, /* the path was longer than there is room for */
	HTTP_RECORD_HOST_CUT = 1 << 7, /* the same of the host */
	HTTP_RECORD_REUSED = 1 << 8,   /* over a connection that was kept */
	HTTP_RECORD_UPGRADED = 1 << 9, /* became a tunnel */
};

/* What each text may have; the path has what the others leave. */
#define RECORD_NAME_MAX 64
#define RECORD_HOST_MAX 128
#define RECORD_TEXT     448

/* Texts stand behind each other, without NUL: method, host, listener, path, query included; then
 * the route's name. */
struct http_record {
	uint64_t began;                             /* ns, the workers' time */
	uint64_t queue, connect, first_byte, total; /* ns */
	uint64_t bytes_in, bytes_out;               /* of the bodies */
	struct addr client, backend;
	uint16_t client_port, backend_port; /* host byte order */
	uint16_t flags;                     /* enum http_record_flags */
	uint16_t status;                    /* 0: there was none */
	uint32_t pool_slot, pool_epoch;
	uint8_t trace_id[TRACE_ID], span_id[TRACE_SPAN], parent_id[TRACE_SPAN];
	uint16_t path_length;
	uint8_t method_length, host_length, listener_length, route_length;
	uint8_t cause; /* enum http_cause */
	uint8_t retries;
	uint8_t minor; /* HTTP/1.minor */
	uint8_t trace_flags;
	uint8_t pad[6];
	char text[RECORD_TEXT];
};
static_assert(sizeof(struct http_record) == 600, "less than ten cache lines");

/* Records, of one worker. */
#define RECORD_RING 16384u

struct http_records {
	/* worker writes */
	_Alignas(64) uint32_t head;
	uint32_t tail_seen;
	uint64_t dropped;
	/* control writes */
	_Alignas(64) uint32_t tail;
	_Alignas(64) struct http_record ring[RECORD_RING];
};

/* The texts of a record. */
static inline const char *
record_host(const struct http_record *r)
{
	return r->text + r->method_length;
}

static inline const char *
record_listener(const struct http_record *r)
{
	return record_host(r) + r->host_length;
}

static inline const char *
record_path(const struct http_record *r)
{
	return record_listener(r) + r->listener_length;
}

static inline const char *
record_route(const struct http_record *r)
{
	return record_path(r) + r->path_length;
}

/* The bytes of a record that say something. */
static inline uint32_t
record_size(const struct http_record *r)
{
	return (uint32_t)(record_route(r) + r->route_length - (const char *)r);
}

/* NULL without memory. Control thread, as all below. */
struct http_records *http_records_create(void);
void http_records_destroy(struct http_records *records);
/* Put one there, if there is room. Worker. */
bool http_records_put(struct http_records *records, const struct http_record *record);
/* The oldest one, NULL: none; it stays until _next. */
const struct http_record *http_records_peek(const struct http_records *records);
void http_records_next(struct http_records *records);
uint64_t http_records_dropped(const struct http_records *records);

const char *http_cause_name(enum http_cause cause);
/* The upper bound of a bucket, as a number in seconds; NULL: it has none. */
const char *http_bucket_bound(enum http_bucket bucket);

#endif
