/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface, whose sockets and timer are the loop's. Control thread only; owned by
 * who created it, with all transfers removed before it goes.
 */
#ifndef CP_CURL_LOOP_H
#define CP_CURL_LOOP_H

#include <curl/curl.h>

#include "cp/loop.h"

/* A transfer has ended; arg is its CURLOPT_PRIVATE, never NULL. It may be removed here. */
typedef void curl_loop_fn(CURL *easy, CURLcode code, void *arg);

struct curl_loop {
	struct loop *loop;
	struct loop_timer *timer;
	curl_loop_fn *done;
	CURLM *curl;
};

/* NULL without memory. */
struct curl_loop *curl_loop_create(struct loop *loop, curl_loop_fn *done);
/* NULL is allowed. */
void curl_loop_destroy(struct curl_loop *m);

#endif
